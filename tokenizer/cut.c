/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/cut.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
    SAMPLE = 4096, /* pairs by which a threshold is chosen */
    LISTED = 1024, /* parts a thread puts into the table at a time */
    AHEAD = 8,     /* parts whose slots are on their way from memory */
};

struct part {
    struct wm_str ids;
    size_t n;
    uint64_t count, hash;
};

/* Parts of one thread, cut by `threshold` or a higher one. */
struct list {
    uint64_t threshold;
    size_t n;
    struct part parts[LISTED];
};

struct cutting {
    struct bpe_cutter *cutter;
    struct list *lists; /* [team] */
    int (*meanwhile)(void *arg, struct wm_error *err);
    void *arg;
};

/* ---- which pairs stay ---- */

/* A thread that reads the new threshold reads the new bits. */
static void set_threshold(struct bpe_cutter *c, uint64_t threshold)
{
    for (size_t i = 0; i < c->sketch->n / 64; i++) {
        uint64_t bits = 0;
        for (size_t k = 0; k < 64; k++)
            bits |= (uint64_t)(bpe_sketch_bound(c->sketch, i * 64 + k) >= threshold) << k;
        atomic_store_explicit(&c->kept[i], bits, memory_order_relaxed);
    }
    atomic_store_explicit(&c->threshold, threshold, memory_order_release);
}

static bool is_kept(const struct bpe_cutter *c, uint32_t left, uint32_t right)
{
    const struct bpe_token *tokens = c->tok->tokens;
    size_t slot = bpe_sketch_slot(c->sketch, left, right);
    uint64_t bits = atomic_load_explicit(&c->kept[slot / 64], memory_order_relaxed);
    return bits >> slot % 64 & 1 && (uint64_t)tokens[left].len + tokens[right].len <= c->max_token;
}

/* Find the first part in `at` … `end`: 1, with *rest behind it; 0 if there is none; -1 if these are
 * no ids. */
static int next_part(const struct bpe_cutter *c, const unsigned char *at, const unsigned char *end,
                     struct part *ret, const unsigned char **rest)
{
    const unsigned char *left_at = at, *begin = NULL;
    uint32_t left, right, n_ids = c->tok->n_ids;
    size_t n = 1;
    if (at == end)
        return 0;
    at = bpe_get_id(at, end, &left);
    if (!at || left >= n_ids)
        return -1;
    while (at < end) {
        const unsigned char *right_at = at;
        at = bpe_get_id(at, end, &right);
        if (!at || right >= n_ids)
            return -1;
        if (is_kept(c, left, right)) {
            begin = begin ? begin : left_at;
            n++;
        } else if (begin) {
            at = right_at;
            break;
        }
        left = right;
        left_at = right_at;
    }
    if (!begin)
        return 0;
    ret->ids = (struct wm_str){(const char *)begin, (size_t)(at - begin)};
    ret->n = n;
    *rest = at;
    return 1;
}

/* ---- the table; with the lock held ---- */

int bpe_cutter_init(struct bpe_cutter *cutter, struct wm_error *err)
{
    (void)pthread_mutex_init(&cutter->lock, NULL); /* cannot fail with default attributes */
    cutter->n_symbols = 0;
    cutter->kept = calloc(cutter->sketch->n / 64, sizeof *cutter->kept);
    if (!cutter->kept)
        return wm_fail_nomem(err, cutter->sketch->n / 8, "pairs");
    set_threshold(cutter, cutter->threshold);
    return bpe_pieces_init_fixed(&cutter->parts, cutter->memory, err);
}

void bpe_cutter_done(struct bpe_cutter *cutter)
{
    bpe_pieces_done(&cutter->parts);
    free(cutter->kept);
    cutter->kept = NULL;
    (void)pthread_mutex_destroy(&cutter->lock);
}

/* BPE_PIECES_FULL where there is no room: for this part, or behind it. */
static int add_part(struct bpe_cutter *c, const struct part *part, struct wm_error *err)
{
    size_t before = c->parts.n;
    int status = bpe_pieces_add_hashed(&c->parts, part->ids, part->hash, part->count, err);
    if (c->parts.n == before)
        return status;
    c->n_symbols += part->n + 1;
    return c->n_symbols > c->most_symbols ? BPE_PIECES_FULL : status;
}

/* Add the parts of ids from *at on; *at is where the first part that has not been added begins.
 * BPE_PIECES_FULL as add_part. */
static int add_parts(struct bpe_cutter *c, const unsigned char **at, const unsigned char *end,
                     uint64_t count, struct wm_error *err)
{
    struct part part = {.count = count};
    const unsigned char *rest;
    int more, status = 0;
    while (!status && (more = next_part(c, *at, end, &part, &rest)) != 0) {
        size_t before = c->parts.n;
        if (more < 0)
            return bpe_blocks_damaged(err);
        part.hash = bpe_piece_hash(part.ids);
        status = add_part(c, &part, err);
        if (!status || (status == BPE_PIECES_FULL && c->parts.n > before))
            *at = rest;
    }
    return status;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Bounds of pairs in parts that are evenly taken from all. */
static size_t sample_bounds(const struct bpe_cutter *c, struct wm_str parts, size_t n_parts,
                            uint64_t *sample)
{
    size_t stride = n_parts / (SAMPLE / 4) + 1, n = 0, nth = 0;
    struct wm_str ids;
    uint64_t count;
    while (n < SAMPLE && bpe_record_next(&parts, &ids, &count) > 0) {
        const unsigned char *at = (const unsigned char *)ids.ptr, *end = at + ids.len;
        uint32_t left, right;
        if (nth++ % stride)
            continue;
        at = bpe_get_id(at, end, &left);
        while (at && at < end && n < SAMPLE) {
            at = bpe_get_id(at, end, &right);
            sample[n++] = bpe_sketch_bound(c->sketch, bpe_sketch_slot(c->sketch, left, right));
            left = right;
        }
    }
    return n;
}

/* Of the pairs in the table, cut more the more is still to come. */
static size_t share_to_cut(const struct bpe_cutter *c, size_t n)
{
    return 2 * c->n_done < c->n_blocks ? n / 4 : n / 10;
}

/* A higher threshold, by the pairs in `parts`. */
static int raise_threshold(struct bpe_cutter *c, struct wm_str parts, size_t n_parts,
                           struct wm_error *err)
{
    uint64_t threshold = c->threshold;
    if (threshold >= c->ceiling) {
        wm_fail(err, WM_E_NOMEM,
                "merging needs more memory: with %" PRIu64
                " bytes for them, not even the parts of the most frequent pairs fit",
                c->memory);
        return wm_error_hint(err, "raise --memory to twice as much, or train on a sample");
    }
    uint64_t *sample = malloc(SAMPLE * sizeof *sample);
    if (!sample)
        return wm_fail_nomem(err, SAMPLE * sizeof *sample, "merging");
    size_t n = sample_bounds(c, parts, n_parts, sample),
           low = 0; /* low: the first that is not cut */
    if (n)
        qsort(sample, n, sizeof *sample, by_size);
    while (low < n && sample[low] < threshold)
        low++;
    uint64_t middle = low < n ? sample[low + share_to_cut(c, n - low)] : 0;
    uint64_t above = middle < UINT64_MAX ? middle + 1 : middle;
    free(sample);
    if (above <= threshold)
        above = threshold + 1;
    set_threshold(c, above < c->ceiling ? above : c->ceiling);
    return 0;
}

/* All parts of the table as records; it keeps its memory. */
static int take_out(struct bpe_cutter *c, struct wm_buf *ret, struct wm_error *err)
{
    const struct bpe_pieces *parts = &c->parts;
    uint64_t highest = 0;
    unsigned char head[2 * BPE_VARINT_MAX];
    for (size_t i = 0; i < parts->n_slots; i++)
        highest = parts->slots[i].count > highest ? parts->slots[i].count : highest;
    size_t a_head = (size_t)(bpe_put_varint(head, highest) - head) + 2;
    int status = wm_buf_reserve(ret, parts->bytes.len + parts->n * a_head, err);
    for (size_t i = 0; !status && i < parts->n_slots; i++)
        if (parts->slots[i].count)
            status = bpe_record_put(ret, bpe_piece_bytes(parts, &parts->slots[i]),
                                    parts->slots[i].count, err);
    return status;
}

/* Cut all parts anew into the table. */
static int cut_again(struct bpe_cutter *c, struct wm_str parts, struct wm_error *err)
{
    struct wm_str ids;
    uint64_t count = 0;
    int status = 0;
    bpe_pieces_clear(&c->parts);
    c->n_symbols = 0;
    while (!status && bpe_record_next(&parts, &ids, &count) > 0) {
        const unsigned char *at = (const unsigned char *)ids.ptr;
        status = add_parts(c, &at, at + ids.len, count, err);
    }
    return status;
}

static bool is_roomy(const struct bpe_cutter *c)
{
    return c->n_symbols <= c->most_symbols / 8 * 7 && c->parts.n <= c->parts.n_slots / 3 * 2 &&
           c->parts.bytes.len <= c->parts.bytes.max / 8 * 7;
}

/* Raise the threshold until there is some room. */
static int make_room(struct bpe_cutter *c, struct wm_error *err)
{
    struct wm_buf parts;
    size_t n = c->parts.n;
    wm_buf_init(&parts, SIZE_MAX / 2);
    int status = take_out(c, &parts, err);
    while (!status && !(status = raise_threshold(c, wm_buf_str(&parts), n, err))) {
        status = cut_again(c, wm_buf_str(&parts), err);
        if (!status && (is_roomy(c) || c->threshold >= c->ceiling))
            break;
        status = status == BPE_PIECES_FULL ? 0 : status;
    }
    wm_buf_done(&parts);
    return status;
}

/* Add what may have been cut by a lower threshold. */
static int cut_and_add(struct bpe_cutter *c, const struct part *part, struct wm_error *err)
{
    const unsigned char *at = (const unsigned char *)part->ids.ptr, *end = at + part->ids.len;
    int status;
    while ((status = add_parts(c, &at, end, part->count, err)) == BPE_PIECES_FULL) {
        status = make_room(c, err);
        if (status)
            return status;
    }
    return status;
}

static int add_list(struct bpe_cutter *c, struct list *list, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < list->n; i++) {
        const struct part *part = &list->parts[i];
        size_t before = c->parts.n;
        if (i + AHEAD < list->n)
            bpe_pieces_prefetch(&c->parts, list->parts[i + AHEAD].hash);
        if (list->threshold != c->threshold) {
            status = cut_and_add(c, part, err);
            continue;
        }
        status = add_part(c, part, err);
        if (status != BPE_PIECES_FULL)
            continue;
        bool added = c->parts.n > before;
        status = make_room(c, err);
        if (!status && !added)
            status = cut_and_add(c, part, err);
    }
    return status;
}

/* ---- threads ---- */

/* What is listed next is cut by this threshold at least. */
static void begin_list(const struct bpe_cutter *c, struct list *list)
{
    list->n = 0;
    list->threshold = atomic_load_explicit(&c->threshold, memory_order_acquire);
}

static int end_list(struct bpe_cutter *c, struct list *list, bool block_ends, struct wm_error *err)
{
    (void)pthread_mutex_lock(&c->lock);
    int status = add_list(c, list, err);
    c->n_done += block_ends;
    (void)pthread_mutex_unlock(&c->lock);
    begin_list(c, list);
    return status;
}

static int list_part(struct bpe_cutter *c, struct list *list, const struct part *part,
                     struct wm_error *err)
{
    list->parts[list->n++] = *part;
    return list->n < LISTED ? 0 : end_list(c, list, false, err);
}

static int cut_block(void *arg, unsigned slot, size_t i, struct wm_str block, struct wm_error *err)
{
    struct cutting *run = arg;
    struct bpe_cutter *c = run->cutter;
    struct list *list = &run->lists[slot];
    struct wm_str ids;
    uint64_t count = 0;
    int status = 0, more = 0;
    (void)i;
    begin_list(c, list);
    while (!status && (more = bpe_record_next(&block, &ids, &count)) != 0) {
        struct part part = {.count = count};
        const unsigned char *at = (const unsigned char *)ids.ptr, *end = at + ids.len;
        if (more < 0)
            return bpe_blocks_damaged(err);
        while (!status && (more = next_part(c, at, end, &part, &at)) > 0) {
            part.hash = bpe_piece_hash(part.ids);
            status = list_part(c, list, &part, err);
        }
        if (!status && more < 0)
            return bpe_blocks_damaged(err);
    }
    return status ? status : end_list(c, list, true, err); /* its bytes are the block's */
}

static int call_meanwhile(void *arg, struct wm_error *err)
{
    const struct cutting *run = arg;
    return run->meanwhile(run->arg, err);
}

int bpe_cut(struct bpe_cutter *cutter, const struct bpe_blocks *file, struct wm_team *team,
            int (*meanwhile)(void *arg, struct wm_error *err), void *arg, struct wm_error *err)
{
    struct cutting run = {.cutter = cutter, .meanwhile = meanwhile, .arg = arg};
    struct bpe_pass pass = {file, team, cut_block, call_meanwhile, &run};
    unsigned n = wm_team_size(team);
    cutter->n_blocks = file->n;
    cutter->n_done = 0;
    run.lists = calloc(n, sizeof *run.lists);
    if (!run.lists)
        return wm_fail_nomem(err, n * sizeof *run.lists, "parts of pieces");
    int status = bpe_pass_run(&pass, err);
    free(run.lists);
    return status;
}
