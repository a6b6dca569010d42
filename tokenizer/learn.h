/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file learn.h
 * The merging phase of BPE training (Sennrich et al. 2016, arXiv:1508.07909), incremental: counts
 * of pairs and the places they stand at are kept up to date merge by merge.
 */
#ifndef WETMILL_TOKENIZER_LEARN_H
#define WETMILL_TOKENIZER_LEARN_H

#include "tokenizer/bpe.h"
#include "tokenizer/pieces.h"

struct bpe_learn_options {
    uint32_t n_merges;              /**< Wanted in all. */
    uint64_t min_frequency;         /**< Of a pair; 0 counts as 1. */
    uint64_t max_token;             /**< Bytes. */
    const struct wm_str *forbidden; /**< Bytes no token may consist of. */
    size_t n_forbidden;
    int (*on_merge)(void *arg, uint64_t done, uint64_t wanted); /**< May be NULL. */
    void *arg;
    bool in_rounds;     /**< Merges say little of how much is left: on_merge is told 0 wanted. */
    unsigned n_threads; /**< For what can be done side by side; 0 counts as 1. */
    uint64_t *most_pairs; /**< Pairs that were in the table at once, at most; may be NULL. */
    uint64_t memory;    /**< Bytes after which learning stops, between two merges; 0: no limit. */
};

/** Bytes that learning from `n_symbols` takes at most (pieces: their bytes, and one for each); runs
 *  of one character may take half as much again. */
static inline uint64_t bpe_learn_memory(uint64_t n_symbols)
{
    return n_symbols * 28;
}

/** Call on_merge with the merges there are: WM_E_CANCELLED if it says so. */
int bpe_learn_report(const struct wm_tokenizer *tok, const struct bpe_learn_options *options,
                     struct wm_error *err);

/**
 * Learned tokens and merges are added to `tok` until it has n_merges. With `symbols`, pieces are
 * not bytes but ids of `tok`, as base-128 numbers. `pieces` is emptied on the way. Fewer merges
 * come when no pair of min_frequency is left, or when memory is used up: `*ret_full`. `*ret_last`
 * is the count of the last pair looked at, 0 if there was none. WM_E_LIMIT over 2^32 symbols,
 * WM_E_NOMEM, WM_E_CANCELLED.
 */
int bpe_learn(struct wm_tokenizer *tok, struct bpe_pieces *pieces, bool symbols,
              const struct bpe_learn_options *options, bool *ret_full, uint64_t *ret_last,
              struct wm_error *err);

#endif /* WETMILL_TOKENIZER_LEARN_H */
