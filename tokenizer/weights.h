/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file weights.h
 * Weights of the corpora that a tokenizer is trained on. A weight is a number of thousandths; a
 * piece counts Σ weight · occurrences, in whole units of the weights' greatest common divisor, so
 * that sums are exact whatever is added first. The sum is rounded once for each piece, when all
 * is counted: to the nearest whole number, halves up. What becomes 0 is not trained on.
 *
 * Overflow: sums are checked (pieces.h). Weights are at most 1000, so that 2^64 is out of reach of
 * all pairs together up to 10^16 bytes of text.
 */
#ifndef WETMILL_TOKENIZER_WEIGHTS_H
#define WETMILL_TOKENIZER_WEIGHTS_H

#include "tokenizer/pieces.h"
#include "wetmill/arena.h"
#include "wetmill/option.h"

enum {
    BPE_WEIGHT_ONE = 1000,        /**< Thousandths: the weight 1. */
    BPE_WEIGHT_MAX = 1000 * 1000, /**< The weight 1000. */
    BPE_MAX_WEIGHTS = 1 << 10,    /**< Rules. */
};

struct bpe_weight_rule {
    const char *glob;
    uint64_t weight; /**< In units. */
};

struct bpe_weights {
    struct bpe_weight_rule *rules; /**< [n] in arena memory; the first that matches holds. */
    size_t n;
    uint64_t other; /**< Of a file that no rule matches, in units. */
    uint64_t unit;  /**< Units of the weight 1. */
};

/** Read "GLOB=WEIGHT" items. WM_E_CONFIG names the item. */
int bpe_weights_init(struct bpe_weights *weights, const struct wm_list *list,
                     struct wm_arena *arena, struct wm_error *err);

/** Weight of a file's documents, in units; `*ret_rule` (may be NULL) is the rule that holds, or
 *  n. A glob stands for the whole path or for what is behind any slash of it; its * goes over
 *  slashes. */
uint64_t bpe_weight_of(const struct bpe_weights *weights, const char *path, size_t *ret_rule);

/** Units to occurrences. */
static inline uint64_t bpe_weight_round(uint64_t sum, uint64_t unit)
{
    uint64_t whole = sum / unit, rest = sum % unit;
    return whole + (rest && rest >= unit - rest);
}

/** Round all counts, and take out what becomes 0. From then on the table can only be read. */
void bpe_weights_round(struct bpe_pieces *pieces, uint64_t unit);

#endif /* WETMILL_TOKENIZER_WEIGHTS_H */
