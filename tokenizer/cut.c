/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/cut.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tokenizer/piece_file.h"

enum { ID_BYTES = 5, SAMPLE = 4096 };

int bpe_ids_decode(const struct wm_tokenizer *tok, struct wm_str bytes, struct wm_ids *ids,
                   struct wm_error *err)
{
    const unsigned char *at = (const unsigned char *)bytes.ptr, *end = at + bytes.len;
    int status = bpe_ids_reserve(ids, bytes.len, err);
    if (status)
        return status;
    while (at < end) {
        uint64_t id;
        at = bpe_get_varint(at, end, &id);
        if (!at || id >= tok->n_ids)
            return wm_fail(err, WM_E_FORMAT, "a scratch file of pieces has an unknown token");
        ids->ids[ids->n++] = (uint32_t)id;
    }
    return 0;
}

int bpe_ids_encode(const uint32_t *ids, size_t n, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_reserve(out, n * ID_BYTES, err);
    if (status)
        return status;
    unsigned char *at = (unsigned char *)out->ptr + out->len;
    for (size_t i = 0; i < n; i++)
        at = bpe_put_varint(at, ids[i]);
    out->len = (size_t)(at - (unsigned char *)out->ptr);
    return 0;
}

int bpe_cutter_init(struct bpe_cutter *cutter, struct wm_error *err)
{
    wm_buf_init(&cutter->bytes, SIZE_MAX / 2);
    cutter->n_symbols = 0;
    return bpe_pieces_init_fixed(&cutter->parts, cutter->memory, err);
}

void bpe_cutter_done(struct bpe_cutter *cutter)
{
    bpe_pieces_done(&cutter->parts);
    wm_buf_done(&cutter->bytes);
}

/* Bound of how often the pair occurs; 0 if it is too long for a token. */
static uint64_t bound(const struct bpe_cutter *c, uint32_t left, uint32_t right)
{
    const struct bpe_token *tokens = c->tok->tokens;
    if ((uint64_t)tokens[left].len + tokens[right].len > c->max_token)
        return 0;
    return *bpe_sketch_slot(c->sketch, left, right);
}

static int add_part(struct bpe_cutter *c, const uint32_t *ids, size_t n, uint64_t count,
                    struct wm_error *err)
{
    size_t before = c->parts.n;
    c->bytes.len = 0;
    int status = bpe_ids_encode(ids, n, &c->bytes, err);
    if (!status)
        status = bpe_pieces_add(&c->parts, wm_buf_str(&c->bytes), count, err);
    if (c->parts.n == before)
        return status;
    c->n_symbols += n + 1;
    return c->n_symbols > c->most_symbols ? BPE_PIECES_FULL : status;
}

/* The parts of a piece from ids[*at] on; *at is where the first part that has not been added
 * begins. BPE_PIECES_FULL where the table has no room, with or without the part at *at. */
static int add_parts(struct bpe_cutter *c, const uint32_t *ids, size_t n, uint64_t count,
                     size_t *at, struct wm_error *err)
{
    while (*at < n) {
        size_t end = *at + 1, before = c->parts.n;
        while (end < n && bound(c, ids[end - 1], ids[end]) >= c->threshold)
            end++;
        int status = end - *at < 2 ? 0 : add_part(c, ids + *at, end - *at, count, err);
        if (!status || (status == BPE_PIECES_FULL && c->parts.n > before))
            *at = end;
        if (status)
            return status;
    }
    return 0;
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* Bounds of pairs in parts that are evenly taken from the table. */
static int sample_bounds(const struct bpe_cutter *c, uint64_t *sample, size_t *ret_n,
                         struct wm_error *err)
{
    struct wm_ids ids = {0};
    size_t stride = c->parts.n / (SAMPLE / 4) + 1, n = 0, nth = 0;
    int status = 0;
    for (size_t i = 0; !status && n < SAMPLE && i < c->parts.n_slots; i++) {
        const struct bpe_piece *part = &c->parts.slots[i];
        if (!part->count || nth++ % stride)
            continue;
        ids.n = 0;
        status = bpe_ids_decode(c->tok, bpe_piece_bytes(&c->parts, part), &ids, err);
        for (size_t k = 1; !status && k < ids.n && n < SAMPLE; k++)
            sample[n++] = bound(c, ids.ids[k - 1], ids.ids[k]);
    }
    wm_ids_done(&ids);
    *ret_n = n;
    return status;
}

/* A threshold that cuts about a quarter of what pairs there are, and more than the one before. */
static int raise_threshold(struct bpe_cutter *c, struct wm_error *err)
{
    size_t n = 0;
    if (c->threshold >= c->ceiling) {
        wm_fail(err, WM_E_NOMEM,
                "merging needs more memory: with %" PRIu64
                " bytes for them, not even the parts of the most frequent pairs fit",
                c->memory);
        return wm_error_hint(err, "raise --memory to twice as much, or train on a sample");
    }
    uint64_t *sample = malloc(SAMPLE * sizeof *sample);
    if (!sample)
        return wm_fail_nomem(err, SAMPLE * sizeof *sample, "merging");
    int status = sample_bounds(c, sample, &n, err);
    if (n)
        qsort(sample, n, sizeof *sample, by_size);
    size_t low = 0; /* the first that is not cut */
    while (low < n && sample[low] < c->threshold)
        low++;
    uint64_t middle = low < n ? sample[low + (n - low) / 4] : 0;
    uint64_t above = middle < UINT64_MAX ? middle + 1 : middle;
    free(sample);
    if (above <= c->threshold)
        above = c->threshold + 1;
    c->threshold = above < c->ceiling ? above : c->ceiling;
    return status;
}

/* Cut all parts of `old` anew into the (empty) table. */
static int cut_again(struct bpe_cutter *c, const struct bpe_pieces *old, struct wm_error *err)
{
    struct wm_ids ids = {0};
    int status = 0;
    for (size_t i = 0; !status && i < old->n_slots; i++) {
        size_t at = 0;
        if (!old->slots[i].count)
            continue;
        ids.n = 0;
        status = bpe_ids_decode(c->tok, bpe_piece_bytes(old, &old->slots[i]), &ids, err);
        if (!status)
            status = add_parts(c, ids.ids, ids.n, old->slots[i].count, &at, err);
    }
    wm_ids_done(&ids);
    return status;
}

/* Raise the threshold until what there is takes at most four fifths of the room. */
static int make_room(struct bpe_cutter *c, struct wm_error *err)
{
    struct bpe_pieces old = c->parts;
    c->parts = (struct bpe_pieces){0};
    int status = bpe_pieces_init_fixed(&c->parts, c->memory, err);
    while (!status) {
        struct bpe_pieces new = c->parts;
        c->parts = old; /* the sample is of these */
        status = raise_threshold(c, err);
        c->parts = new;
        if (status)
            break;
        bpe_pieces_clear(&c->parts);
        c->n_symbols = 0;
        status = cut_again(c, &old, err);
        bool roomy = c->n_symbols <= c->most_symbols / 5 * 4 &&
                     c->parts.n <= c->parts.n_slots / 5 * 3 &&
                     c->parts.bytes.len <= c->parts.bytes.max / 5 * 4;
        if (status < 0 || (!status && (roomy || c->threshold >= c->ceiling)))
            break;
        status = 0;
    }
    bpe_pieces_done(&old);
    return status;
}

int bpe_cut(struct bpe_cutter *cutter, const uint32_t *ids, size_t n, uint64_t count,
            struct wm_error *err)
{
    size_t at = 0;
    int status;
    while ((status = add_parts(cutter, ids, n, count, &at, err)) == BPE_PIECES_FULL) {
        status = make_room(cutter, err);
        if (status)
            return status;
    }
    return status;
}
