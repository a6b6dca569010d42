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
    uint32_t n_merges;              /**< Wanted. */
    uint64_t min_frequency;         /**< Of a pair; 0 counts as 1. */
    uint64_t max_token;             /**< Bytes. */
    const struct wm_str *forbidden; /**< Bytes no token may consist of. */
    size_t n_forbidden;
    int (*on_merge)(void *arg, uint64_t done, uint64_t wanted); /**< May be NULL. */
    void *arg;
};

/**
 * `tok` holds bytes, all that occur, as ids below 256 and nothing else; learned tokens and merges are added to
 * it. `pieces` is emptied on the way. Fewer merges come when no pair is left. WM_E_LIMIT over 2^32
 * bytes of distinct pieces, WM_E_NOMEM, WM_E_CANCELLED.
 */
int bpe_learn(struct wm_tokenizer *tok, struct bpe_pieces *pieces,
              const struct bpe_learn_options *options, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_LEARN_H */
