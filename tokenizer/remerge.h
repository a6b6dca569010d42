/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file remerge.h
 * Merging what was merged by an earlier state of a tokenizer that is still being learned: sequences
 * of ids, lowest rank first, leftmost first among equals. Unlike piece.c's it needs no bpe_finish.
 */
#ifndef WETMILL_TOKENIZER_REMERGE_H
#define WETMILL_TOKENIZER_REMERGE_H

#include "tokenizer/bpe.h"

/** Working memory for long sequences, reused; zeroed = empty. */
struct bpe_remerge {
    uint32_t *before, *after; /**< [cap] neighbours */
    uint64_t *heap;           /**< [2 · cap] rank << 32 | place */
    size_t cap, n_heap;
};
void bpe_remerge_done(struct bpe_remerge *scratch);

/** The merges since some rank. Pairs that are none are told by two small tables that stay in the
 *  processor's nearest cache. */
struct bpe_fresh {
    uint8_t *roles; /**< [n_ids] 1: left of some merge, 2: right of some, 3: both */
    uint64_t *bits; /**< One for each hash of a pair. */
    unsigned shift;
    uint32_t n_ids;
};
/** Those of rank `from` or more. _done must follow in any case. */
int bpe_fresh_init(struct bpe_fresh *fresh, const struct wm_tokenizer *tok, uint32_t from,
                   struct wm_error *err);
void bpe_fresh_done(struct bpe_fresh *fresh);

/** False only if (left, right), both < n_ids, is none of them. */
static inline bool bpe_may_be_fresh(const struct bpe_fresh *fresh, uint32_t left, uint32_t right)
{
    if (!(fresh->roles[left] & 1) || !(fresh->roles[right] & 2))
        return false;
    uint64_t bit = bpe_pair_hash(left, right) >> fresh->shift;
    return fresh->bits[bit / 64] >> bit % 64 & 1;
}

/** Merge ids[0 … *n), each < n_ids and merged by all merges before the fresh ones, in place; at
 *  most 2^31 of them. O(n log n). */
int bpe_remerge(const struct wm_tokenizer *tok, const struct bpe_fresh *fresh,
                struct bpe_remerge *scratch, uint32_t *ids, size_t *n, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_REMERGE_H */
