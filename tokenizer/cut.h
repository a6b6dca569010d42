/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cut.h
 * The other half of a round (see rounds.h): collecting the parts of pieces between pairs that are
 * too rare. Parts are sequences of two ids or more, written as in piece_blocks.h.
 *
 * Threads cut blocks side by side and put their parts into one table in turn. When it is full, the
 * threshold is raised: what is in the table is cut again, and so is what threads have cut by a
 * lower threshold, when they come with it.
 *
 * Memory: two tables of `memory` bytes, an eighth of a byte for each slot of the sketch, and what a
 * pass takes.
 */
#ifndef WETMILL_TOKENIZER_CUT_H
#define WETMILL_TOKENIZER_CUT_H

#include <pthread.h>

#include "tokenizer/pair_sketch.h"
#include "tokenizer/piece_blocks.h"
#include "tokenizer/pieces.h"

struct bpe_cutter {
    const struct wm_tokenizer *tok;
    const struct bpe_pair_sketch *sketch;
    uint64_t max_token;
    _Atomic uint64_t threshold; /**< Pairs below are cut. Rises as the table fills. */
    uint64_t ceiling;           /**< No pair occurs more often: threshold never exceeds it. */
    uint64_t memory;            /**< Bytes of the table of parts. */
    uint64_t most_symbols;
    uint64_t n_symbols; /**< Of all parts, with one for the end of each. */
    struct bpe_pieces parts;
    _Atomic uint64_t *kept; /**< A bit for each slot of the sketch: not below the threshold. */
    size_t n_blocks, n_done;
    pthread_mutex_t lock; /**< Of all that is above but for `kept` and reading threshold. */
};

/** Make the table; what the caller sets stands above it. _done must follow in any case. */
int bpe_cutter_init(struct bpe_cutter *cutter, struct wm_error *err);
void bpe_cutter_done(struct bpe_cutter *cutter);
/** Parts of all pieces. WM_E_NOMEM if they do not fit even with the highest threshold. */
int bpe_cut(struct bpe_cutter *cutter, const struct bpe_blocks *file, struct wm_team *team,
            int (*meanwhile)(void *arg, struct wm_error *err), void *arg, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_CUT_H */
