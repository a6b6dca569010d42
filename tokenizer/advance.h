/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file advance.h
 * One half of a round (see rounds.h): the merges learned in the round before are done in all pieces,
 * from one file of blocks to a new one, and the sketch of pairs follows: only what changed in a piece
 * is taken off and added, and most pieces do not change late in training.
 */
#ifndef WETMILL_TOKENIZER_ADVANCE_H
#define WETMILL_TOKENIZER_ADVANCE_H

#include "tokenizer/pair_sketch.h"
#include "tokenizer/piece_blocks.h"

struct bpe_advance {
    const struct wm_tokenizer *tok;
    uint32_t from; /**< Merges before this rank are done in `file` already. */
    struct bpe_pair_sketch *sketch;
    struct wm_team *team;
    const char *dir;
    int (*meanwhile)(void *arg, struct wm_error *err);
    void *arg;
};

/** `file` becomes the new one. Pieces that are one token are left out. */
int bpe_advance(const struct bpe_advance *advance, struct bpe_blocks *file, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_ADVANCE_H */
