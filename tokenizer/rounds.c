/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/rounds.h"

#include <inttypes.h>
#include <stdlib.h>
#include <unistd.h>

#include "tokenizer/cut.h"
#include "tokenizer/remerge.h"

enum {
    REPORT_EVERY = 65536, /* pieces between two looks at whether to stop */
    MOST_BUFFER = 1 << 20,
};

struct rounds {
    struct wm_tokenizer *tok;
    const struct bpe_learn_options *options;
    struct bpe_spill *spill;
    struct bpe_rounds_stats stats;
    uint64_t memory, least, threshold, ceiling;
    size_t buffer;
    struct bpe_pair_sketch sketch;
    int fd; /* < 0, or the pieces as ids */
    struct bpe_stretch stretch;
    struct bpe_piece_writer writer;
    struct wm_ids ids;
    struct wm_buf bytes;
    struct bpe_remerge scratch;
};

/* ---- pieces as ids ---- */

/* Count the pairs of r->ids and write it down. What is one token has nothing left to merge. */
static int put_ids(struct rounds *r, uint64_t count, struct wm_error *err)
{
    const uint32_t *ids = r->ids.ids;
    for (size_t i = 1; i < r->ids.n; i++)
        bpe_sketch_add(&r->sketch, ids[i - 1], ids[i], count);
    r->bytes.len = 0;
    int status = r->ids.n < 2 ? 0 : bpe_ids_encode(ids, r->ids.n, &r->bytes, err);
    if (!status && r->ids.n >= 2)
        status = bpe_piece_write(&r->writer, wm_buf_str(&r->bytes), count, err);
    return status;
}

static int put_bytes(void *arg, struct wm_str piece, uint64_t count, struct wm_error *err)
{
    enum { BYTES_FOR_A_BYTE = 48 };
    struct rounds *r = arg;
    if (piece.len > r->memory / BYTES_FOR_A_BYTE)
        return wm_fail(err, WM_E_NOMEM,
                       "merging a piece of %zu bytes needs %" PRIu64 " bytes of memory, it has "
                       "%" PRIu64,
                       piece.len, (uint64_t)piece.len * BYTES_FOR_A_BYTE, r->memory);
    r->ids.n = 0;
    int status = bpe_ids_reserve(&r->ids, piece.len, err);
    if (status)
        return status;
    for (size_t i = 0; i < piece.len; i++)
        r->ids.ids[i] = r->tok->byte_ids[(unsigned char)piece.ptr[i]];
    r->ids.n = piece.len;
    if (r->stats.pieces++ % REPORT_EVERY == 0)
        status = bpe_learn_report(r->tok, r->options, err);
    return status ? status : put_ids(r, count, err);
}

/* Call `each` for every piece, its ids in r->ids. */
static int read_all(struct rounds *r,
                    int (*each)(struct rounds *, void *, uint64_t, struct wm_error *), void *arg,
                    struct wm_error *err)
{
    struct bpe_piece_reader reader;
    struct wm_str piece;
    uint64_t count, n = 0;
    int status = bpe_piece_reader_init(&reader, r->fd, &r->stretch, r->buffer, err);
    while (!status && (status = bpe_piece_read(&reader, &piece, &count, err)) > 0) {
        r->ids.n = 0;
        status = bpe_ids_decode(r->tok, piece, &r->ids, err);
        if (!status && n++ % REPORT_EVERY == 0)
            status = bpe_learn_report(r->tok, r->options, err);
        if (!status)
            status = each(r, arg, count, err);
    }
    bpe_piece_reader_done(&reader);
    return status;
}

static int merge_and_put(struct rounds *r, void *arg, uint64_t count, struct wm_error *err)
{
    (void)arg;
    int status = bpe_remerge(r->tok, &r->scratch, r->ids.ids, &r->ids.n, err);
    return status ? status : put_ids(r, count, err);
}

/* A new file of pieces: from what was spilled, or from the old file with the latest merges done. */
static int rewrite(struct rounds *r, struct wm_error *err)
{
    int fd = -1;
    int status = bpe_scratch_file(r->spill->dir, &fd, err);
    if (status)
        return status;
    memset(r->sketch.counts, 0, r->sketch.n * sizeof *r->sketch.counts);
    status = bpe_piece_writer_init(&r->writer, fd, 0, r->buffer, err);
    if (!status && r->fd < 0)
        status = bpe_spill_merge(r->spill, put_bytes, r, err);
    else if (!status)
        status = read_all(r, merge_and_put, NULL, err);
    if (!status)
        status = bpe_piece_writer_finish(&r->writer, &r->stretch, err);
    bpe_piece_writer_done(&r->writer);
    if (status) {
        (void)close(fd);
        return status;
    }
    r->stats.spilled += r->stretch.size;
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = fd;
    return 0;
}

/* ---- rounds ---- */

static int cut_one(struct rounds *r, void *cutter, uint64_t count, struct wm_error *err)
{
    return bpe_cut(cutter, r->ids.ids, r->ids.n, count, err);
}

/* Parts of all pieces; r->threshold becomes what they were cut with. */
static int cut_all(struct rounds *r, struct bpe_cutter *cutter, struct wm_error *err)
{
    *cutter = (struct bpe_cutter){.tok = r->tok,
                                  .sketch = &r->sketch,
                                  .max_token = r->options->max_token,
                                  .threshold = r->threshold,
                                  .ceiling = r->ceiling,
                                  .memory = r->memory / 3,
                                  .most_symbols = r->memory / bpe_learn_memory(1)};
    int status = bpe_cutter_init(cutter, err);
    if (!status)
        status = read_all(r, cut_one, cutter, err);
    r->threshold = cutter->threshold;
    return status;
}

/* Learn from the parts. Then no pair occurs more often than r->ceiling. */
static int learn_parts(struct rounds *r, struct bpe_cutter *cutter, struct wm_error *err)
{
    struct bpe_learn_options options = *r->options;
    uint32_t n_before = r->tok->n_merges;
    bool full = false;
    uint64_t last = 0;
    options.min_frequency = r->threshold;
    options.memory = r->memory;
    int status = bpe_learn(r->tok, &cutter->parts, true, &options, &full, &last, err);
    if (status)
        return status;
    if (full && r->tok->n_merges == n_before)
        return wm_fail(err, WM_E_NOMEM,
                       "a single merge needs more than %" PRIu64 " bytes of memory", r->memory);
    r->ceiling = full ? last : r->threshold - 1;
    return 0;
}

static int one_round(struct rounds *r, struct wm_error *err)
{
    struct bpe_cutter cutter = {0};
    int status = bpe_sketch_init(&r->sketch, r->memory / 4, err);
    if (!status)
        status = rewrite(r, err);
    if (!status)
        status = cut_all(r, &cutter, err);
    bpe_sketch_done(&r->sketch);
    if (!status)
        status = learn_parts(r, &cutter, err);
    bpe_cutter_done(&cutter);
    r->stats.rounds++;
    return status;
}

/* Where a round begins to look for its threshold: the lower, the more often it has to be raised,
 * the higher, the less is learned. */
static uint64_t next_threshold(const struct rounds *r)
{
    enum { STEP = 16 };
    uint64_t t = r->threshold / STEP;
    return t > r->least ? t : r->least;
}

int bpe_learn_rounds(struct wm_tokenizer *tok, struct bpe_spill *spill,
                     const struct bpe_learn_options *options, struct bpe_rounds_stats *ret_stats,
                     struct wm_error *err)
{
    struct rounds r = {.tok = tok, .options = options, .spill = spill, .fd = -1};
    uint64_t fixed = bpe_rounds_floor((uint64_t)tok->n_ids + options->n_merges);
    if (options->memory < fixed)
        return wm_fail(err, WM_E_NOMEM,
                       "merging needs %" PRIu64 " bytes of memory at least, it has %" PRIu64, fixed,
                       options->memory);
    r.memory = options->memory - fixed + (1 << 20);
    r.least = options->min_frequency ? options->min_frequency : 1;
    r.buffer = r.memory / 32 < MOST_BUFFER ? (size_t)(r.memory / 32) : MOST_BUFFER;
    r.threshold = r.least;
    r.ceiling = UINT64_MAX;
    wm_buf_init(&r.bytes, SIZE_MAX / 2);
    int status = 0;
    while (!status && tok->n_merges < options->n_merges && r.ceiling >= r.least) {
        status = one_round(&r, err);
        r.threshold = next_threshold(&r);
    }
    if (r.fd >= 0)
        (void)close(r.fd);
    wm_ids_done(&r.ids);
    wm_buf_done(&r.bytes);
    bpe_remerge_done(&r.scratch);
    *ret_stats = r.stats;
    return status;
}
