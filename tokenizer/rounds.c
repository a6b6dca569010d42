/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/rounds.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tokenizer/advance.h"
#include "tokenizer/cut.h"

enum {
    REPORT_EVERY = 65536, /* pieces between two looks at whether to stop */
    LEAST_BLOCK = 4 << 10,
    MOST_BLOCK = 256 << 10,
    A_THREAD = 1 << 20, /* least memory for each of several threads */
    BYTES = 256,
};

/* Shares of the memory, in eighths. The sketch is always there; with it the table of parts, and what
 * is taken out of that when it is full; or learning. */
enum { SKETCH_SHARE = 3, PARTS_SHARE = 3, LEARN_SHARE = 5, SHARES = 8 };

/* Bytes that learning is expected to take for a symbol, at first. Few parts have more than a handful
 * of pairs that are worth a place, so it is less than bpe_learn_memory says; where learning runs into
 * its limit it ends early, and more is expected in the rounds that follow. */
enum { LEARN_A_SYMBOL = 12 };

/* Where nobody sets a limit, and there is more than is learned from in one piece. */
static const uint64_t no_limit = UINT64_C(16) << 30;

struct rounds {
    struct wm_tokenizer *tok;
    const struct bpe_learn_options *options;
    struct bpe_spill *spill;
    struct bpe_rounds_stats stats;
    struct wm_team *team;
    uint64_t memory, least, threshold, ceiling;
    size_t block, longest;
    uint64_t a_symbol; /* bytes that learning is expected to take for one */
    struct bpe_pair_sketch sketch;
    struct bpe_blocks file;
    uint32_t n_done; /* merges that are done in the file */
};

static int meanwhile(void *arg, struct wm_error *err)
{
    const struct rounds *r = arg;
    return bpe_learn_report(r->tok, r->options, err);
}

/* ---- the first file: pieces as they were counted ---- */

struct first {
    struct rounds *rounds;
    struct wm_buf block, ids;
    uint64_t *pairs; /* [256 · 256] of bytes */
    uint64_t n_pairs;
};

static int put_first(void *arg, struct wm_str piece, uint64_t count, struct wm_error *err)
{
    struct first *f = arg;
    struct rounds *r = f->rounds;
    const unsigned char *bytes = (const unsigned char *)piece.ptr;
    uint64_t n = piece.len ? piece.len - 1 : 0, pairs;
    if (piece.len > r->memory / BPE_ROUNDS_BYTE)
        return wm_fail(err, WM_E_NOMEM,
                       "merging a piece of %zu bytes needs %" PRIu64 " bytes of memory, it has "
                       "%" PRIu64,
                       piece.len, (uint64_t)piece.len * BPE_ROUNDS_BYTE, r->memory);
    if (__builtin_mul_overflow(n, count, &pairs) ||
        __builtin_add_overflow(f->n_pairs, pairs, &f->n_pairs))
        return wm_fail(err, WM_E_LIMIT, "there are more than 2^64 pairs in all");
    r->longest = piece.len > r->longest ? piece.len : r->longest;
    int status = r->stats.pieces++ % REPORT_EVERY == 0 ? meanwhile(r, err) : 0;
    if (status || n == 0) /* what is one token has nothing to merge */
        return status;
    f->ids.len = 0;
    status = wm_buf_reserve(&f->ids, piece.len * 2, err); /* ids of bytes are < 256 */
    if (status)
        return status;
    unsigned char *at = (unsigned char *)f->ids.ptr;
    for (size_t i = 0; i < piece.len; i++) {
        at = bpe_put_varint(at, r->tok->byte_ids[bytes[i]]);
        f->pairs[bytes[i ? i - 1 : 0] << 8 | bytes[i]] += i ? count : 0;
    }
    f->ids.len = (size_t)(at - (unsigned char *)f->ids.ptr);
    status = bpe_record_put(&f->block, wm_buf_str(&f->ids), count, err);
    if (status || f->block.len < r->block)
        return status;
    status = bpe_blocks_append(&r->file, wm_buf_str(&f->block), err);
    f->block.len = 0;
    return status;
}

static void sketch_first(const struct first *f)
{
    struct rounds *r = f->rounds;
    struct bpe_collector collector = {.sketch = &r->sketch};
    for (unsigned i = 0; i < BYTES * BYTES; i++)
        if (f->pairs[i])
            bpe_sketch_add(&collector, r->tok->byte_ids[i / BYTES], r->tok->byte_ids[i % BYTES],
                           f->pairs[i]);
    bpe_collector_flush(&collector);
}

static int first_file(struct rounds *r, struct wm_error *err)
{
    struct first f = {.rounds = r};
    wm_buf_init(&f.block, SIZE_MAX / 2);
    wm_buf_init(&f.ids, SIZE_MAX / 2);
    f.pairs = calloc((size_t)BYTES * BYTES, sizeof *f.pairs);
    int status = f.pairs ? bpe_blocks_init(&r->file, r->spill->dir, 0, err)
                         : wm_fail_nomem(err, BYTES * BYTES * sizeof *f.pairs, "pairs");
    if (!status)
        status = bpe_spill_merge(r->spill, put_first, &f, err);
    if (!status && f.block.len)
        status = bpe_blocks_append(&r->file, wm_buf_str(&f.block), err);
    if (!status)
        sketch_first(&f);
    free(f.pairs);
    wm_buf_done(&f.block);
    wm_buf_done(&f.ids);
    r->stats.spilled += r->file.size;
    return status;
}

/* ---- rounds ---- */

/* Do what the round before has learned. */
static int advance(struct rounds *r, struct wm_error *err)
{
    const struct bpe_advance advance = {.tok = r->tok,
                                        .from = r->n_done,
                                        .sketch = &r->sketch,
                                        .team = r->team,
                                        .dir = r->spill->dir,
                                        .meanwhile = meanwhile,
                                        .arg = r};
    if (r->tok->n_merges == r->n_done)
        return 0;
    int status = bpe_advance(&advance, &r->file, err);
    r->n_done = r->tok->n_merges;
    r->stats.spilled += r->file.size;
    return status;
}

/* Learn from the parts. Then no pair occurs more often than r->ceiling. */
static int learn_parts(struct rounds *r, struct bpe_pieces *parts, struct wm_error *err)
{
    struct bpe_learn_options options = *r->options;
    uint32_t n_before = r->tok->n_merges;
    bool full = false;
    uint64_t last = 0;
    options.min_frequency = r->threshold;
    options.memory = r->memory / SHARES * LEARN_SHARE;
    int status = bpe_learn(r->tok, parts, true, &options, &full, &last, err);
    if (status)
        return status;
    if (full && r->tok->n_merges == n_before)
        return wm_fail(err, WM_E_NOMEM,
                       "a single merge needs more than %" PRIu64 " bytes of memory", r->memory);
    r->ceiling = full ? last : r->threshold - 1;
    r->a_symbol += full ? r->a_symbol / 2 : 0;
    return 0;
}

static int one_round(struct rounds *r, struct wm_error *err)
{
    struct bpe_cutter cutter = {.tok = r->tok,
                                .sketch = &r->sketch,
                                .max_token = r->options->max_token,
                                .threshold = r->threshold,
                                .ceiling = r->ceiling,
                                .memory = r->memory / SHARES * PARTS_SHARE,
                                .most_symbols = r->memory / SHARES * LEARN_SHARE / r->a_symbol};
    int status = bpe_cutter_init(&cutter, err);
    if (!status)
        status = bpe_cut(&cutter, &r->file, r->team, meanwhile, r, err);
    r->threshold = cutter.threshold;
    if (!status)
        status = learn_parts(r, &cutter.parts, err);
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

/* Each thread may hold the longest piece. */
static int make_team(struct rounds *r, struct wm_error *err)
{
    uint64_t wanted = r->options->n_threads ? r->options->n_threads : 1;
    uint64_t each = (uint64_t)r->longest * BPE_ROUNDS_BYTE;
    uint64_t most = r->memory / (each > A_THREAD ? each : A_THREAD);
    wanted = wanted < WM_TEAM_MAX ? wanted : WM_TEAM_MAX;
    wanted = wanted < most ? wanted : most;
    return wm_team_new(wanted ? (unsigned)wanted : 1, &r->team, err);
}

static int all_rounds(struct rounds *r, struct wm_error *err)
{
    int status = bpe_sketch_init(&r->sketch, r->memory / SHARES * SKETCH_SHARE, err);
    if (!status)
        status = first_file(r, err);
    if (!status)
        status = make_team(r, err);
    while (!status && r->tok->n_merges < r->options->n_merges && r->ceiling >= r->least) {
        status = advance(r, err);
        if (!status)
            status = one_round(r, err);
        r->threshold = next_threshold(r);
    }
    return status;
}

int bpe_learn_rounds(struct wm_tokenizer *tok, struct bpe_spill *spill,
                     const struct bpe_learn_options *options, struct bpe_rounds_stats *ret_stats,
                     struct wm_error *err)
{
    struct bpe_learn_options told = *options;
    told.in_rounds = true;
    struct rounds r = {
        .tok = tok, .options = &told, .spill = spill, .file.fd = -1, .a_symbol = LEARN_A_SYMBOL};
    uint64_t fixed = bpe_rounds_floor((uint64_t)tok->n_ids - tok->n_merges + options->n_merges);
    if (options->memory < fixed)
        return wm_fail(err, WM_E_NOMEM,
                       "merging needs %" PRIu64 " bytes of memory at least, it has %" PRIu64, fixed,
                       options->memory);
    r.memory = options->memory < UINT64_MAX ? options->memory - fixed + (1 << 20) : no_limit;
    r.least = options->min_frequency ? options->min_frequency : 1;
    r.threshold = r.least;
    r.ceiling = UINT64_MAX;
    r.block = r.memory / 256 > MOST_BLOCK ? MOST_BLOCK : (size_t)(r.memory / 256);
    r.block = r.block < LEAST_BLOCK ? LEAST_BLOCK : r.block;
    int status = all_rounds(&r, err);
    wm_team_free(r.team);
    bpe_blocks_done(&r.file);
    bpe_sketch_done(&r.sketch);
    *ret_stats = r.stats;
    return status;
}
