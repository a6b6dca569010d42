/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cut.h
 * Collecting the parts of pieces between pairs that are too rare: the middle of a round, see
 * rounds.h. Parts are sequences of two ids or more, as base-128 numbers.
 */
#ifndef WETMILL_TOKENIZER_CUT_H
#define WETMILL_TOKENIZER_CUT_H

#include "tokenizer/pair_sketch.h"
#include "tokenizer/pieces.h"

struct bpe_cutter {
    const struct wm_tokenizer *tok;
    const struct bpe_pair_sketch *sketch;
    uint64_t max_token;
    uint64_t threshold; /**< Pairs below are cut. Rises as the table fills. */
    uint64_t ceiling;   /**< No pair occurs more often: threshold never exceeds it. */
    uint64_t memory;    /**< Bytes of a table of parts; two are held while threshold rises. */
    uint64_t most_symbols;
    uint64_t n_symbols; /**< Of all parts, with one for the end of each. */
    struct bpe_pieces parts;
    struct wm_buf bytes; /**< Of a part. */
};

int bpe_cutter_init(struct bpe_cutter *cutter, struct wm_error *err);
void bpe_cutter_done(struct bpe_cutter *cutter); /**< Safe on a zeroed one. */
/** Cut a piece of n ids. WM_E_NOMEM if the parts do not fit even with the highest threshold. */
int bpe_cut(struct bpe_cutter *cutter, const uint32_t *ids, size_t n, uint64_t count,
            struct wm_error *err);

/** Append the ids that `bytes` are as base-128 numbers. WM_E_FORMAT for an id `tok` has not. */
int bpe_ids_decode(const struct wm_tokenizer *tok, struct wm_str bytes, struct wm_ids *ids,
                   struct wm_error *err);
/** Append ids as base-128 numbers. */
int bpe_ids_encode(const uint32_t *ids, size_t n, struct wm_buf *out, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_CUT_H */
