/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pair_sketch.h
 * Upper bounds of pairs' counts in fixed memory: counts added up by hash, without keys. A bound is
 * never below the count.
 */
#ifndef WETMILL_TOKENIZER_PAIR_SKETCH_H
#define WETMILL_TOKENIZER_PAIR_SKETCH_H

#include <stdlib.h>
#include <string.h>

#include "tokenizer/bpe.h"

struct bpe_pair_sketch {
    uint64_t *counts;
    size_t n; /**< A power of two. */
    unsigned shift;
};

/** At most `memory` bytes, and 8 KiB at least. */
static inline int bpe_sketch_init(struct bpe_pair_sketch *sketch, uint64_t memory,
                                  struct wm_error *err)
{
    sketch->n = 1 << 10;
    sketch->shift = 64 - 10;
    for (; sketch->n * 2 * sizeof *sketch->counts <= memory; sketch->shift--)
        sketch->n *= 2;
    sketch->counts = calloc(sketch->n, sizeof *sketch->counts);
    return sketch->counts ? 0
                          : wm_fail_nomem(err, sketch->n * sizeof *sketch->counts, "pair counts");
}

static inline void bpe_sketch_done(struct bpe_pair_sketch *sketch)
{
    free(sketch->counts);
    sketch->counts = NULL;
}

static inline uint64_t *bpe_sketch_slot(const struct bpe_pair_sketch *sketch, uint32_t left,
                                        uint32_t right)
{
    return &sketch->counts[bpe_pair_hash(left, right) >> sketch->shift];
}

/** Stays at the highest number rather than overflow. */
static inline void bpe_sketch_add(struct bpe_pair_sketch *sketch, uint32_t left, uint32_t right,
                                  uint64_t count)
{
    uint64_t *slot = bpe_sketch_slot(sketch, left, right);
    *slot = *slot > UINT64_MAX - count ? UINT64_MAX : *slot + count;
}

#endif /* WETMILL_TOKENIZER_PAIR_SKETCH_H */
