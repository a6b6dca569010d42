/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pair_sketch.h
 * Upper bounds of pairs' counts in fixed memory: counts added up by hash, without keys (one row of
 * a count-min sketch, Cormode and Muthukrishnan 2005). A bound is never below the count, provided
 * that no more is taken off a pair than was added, and that all counts together are below 2^64:
 * then it does not matter in which order counts come and go, either.
 *
 * Threads add through a collector of their own: frequent pairs add up there first, as they are few
 * and all threads would want them at once. bpe_collector_flush before anybody reads.
 */
#ifndef WETMILL_TOKENIZER_PAIR_SKETCH_H
#define WETMILL_TOKENIZER_PAIR_SKETCH_H

#include <stdatomic.h>
#include <stdlib.h>

#include "tokenizer/bpe.h"

struct bpe_pair_sketch {
    _Atomic uint64_t *counts;
    size_t n; /**< A multiple of 64, below 2^32. */
};

/** About `memory` bytes, and 8 KiB at least. */
static inline int bpe_sketch_init(struct bpe_pair_sketch *sketch, uint64_t memory,
                                  struct wm_error *err)
{
    const size_t least = 1 << 10, most = UINT32_MAX / 64 * 64;
    uint64_t n = memory / sizeof *sketch->counts / 64 * 64;
    sketch->n = n < least ? least : n > most ? most : (size_t)n;
    sketch->counts = calloc(sketch->n, sizeof *sketch->counts);
    return sketch->counts ? 0
                          : wm_fail_nomem(err, sketch->n * sizeof *sketch->counts, "pair counts");
}

static inline void bpe_sketch_done(struct bpe_pair_sketch *sketch)
{
    free(sketch->counts);
    sketch->counts = NULL;
}

static inline size_t bpe_sketch_slot(const struct bpe_pair_sketch *sketch, uint32_t left,
                                     uint32_t right)
{
    return (size_t)((bpe_pair_hash(left, right) >> 32) * sketch->n >> 32);
}

static inline uint64_t bpe_sketch_bound(const struct bpe_pair_sketch *sketch, size_t slot)
{
    return atomic_load_explicit(&sketch->counts[slot], memory_order_relaxed);
}

enum {
    BPE_COLLECTED = 1 << 10,
    BPE_ON_THEIR_WAY = 32, /**< Slots that are being brought from memory. */
};

struct bpe_collected {
    size_t slot;
    uint64_t sum; /**< Modulo 2^64. */
};

struct bpe_collector {
    struct bpe_pair_sketch *sketch;
    struct bpe_collected sums[BPE_COLLECTED];
    struct bpe_collected waiting[BPE_ON_THEIR_WAY]; /**< A ring, `oldest` is next. */
    unsigned oldest;
};

static inline void bpe_sketch_apply(const struct bpe_pair_sketch *sketch, struct bpe_collected sum)
{
    atomic_fetch_add_explicit(&sketch->counts[sum.slot], sum.sum, memory_order_relaxed);
}

/** Add `count`, or take it off: 0 − count. */
static inline void bpe_sketch_add(struct bpe_collector *c, uint32_t left, uint32_t right,
                                  uint64_t count)
{
    size_t slot = bpe_sketch_slot(c->sketch, left, right), i = slot % BPE_COLLECTED;
    if (c->sums[i].slot != slot) {
        __builtin_prefetch(&c->sketch->counts[c->sums[i].slot], 1);
        bpe_sketch_apply(c->sketch, c->waiting[c->oldest]);
        c->waiting[c->oldest] = c->sums[i];
        c->oldest = (c->oldest + 1) % BPE_ON_THEIR_WAY;
        c->sums[i] = (struct bpe_collected){slot, 0};
    }
    c->sums[i].sum += count;
}

static inline void bpe_collector_flush(struct bpe_collector *c)
{
    for (size_t i = 0; i < BPE_ON_THEIR_WAY; i++) {
        bpe_sketch_apply(c->sketch, c->waiting[i]);
        c->waiting[i].sum = 0;
    }
    for (size_t i = 0; i < BPE_COLLECTED; i++) {
        bpe_sketch_apply(c->sketch, c->sums[i]);
        c->sums[i].sum = 0;
    }
}

#endif /* WETMILL_TOKENIZER_PAIR_SKETCH_H */
