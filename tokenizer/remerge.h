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

/** Merge ids[0 … *n), in place; at most 2^31 of them. O(n log n). */
int bpe_remerge(const struct wm_tokenizer *tok, struct bpe_remerge *scratch, uint32_t *ids,
                size_t *n, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_REMERGE_H */
