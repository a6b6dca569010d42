/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file trainer.h
 * What training consists of, for the files that do it: count.c counts, count_task.c keeps the
 * counts of a job's tasks, finish.c merges.
 */
#ifndef WETMILL_TOKENIZER_TRAINER_H
#define WETMILL_TOKENIZER_TRAINER_H

#include "tokenizer/kept_merges.h"
#include "tokenizer/nfc.h"
#include "tokenizer/pieces.h"
#include "tokenizer/spill.h"
#include "tokenizer/split.h"
#include "tokenizer/weights.h"
#include "wetmill/tokenizer.h"

struct wm_bpe_trainer {
    struct wm_tokenizer_options options; /* pattern and specials are not the caller's any more */
    struct bpe_pattern *pattern;
    struct bpe_weights weights;
    struct bpe_pieces pieces;
    struct bpe_spill *spill; /* what did not fit in pieces, or in a counter */
    struct wm_trainer_stats stats;
    struct wm_arena strings;
    struct wm_str *specials;  /* [n_specials] names */
    struct wm_str *forbidden; /* [n_forbidden] the bytes whose mapped form is such a name */
    size_t n_specials, n_forbidden;
    size_t bos, eos;      /* places in specials of the template's; n_specials: none */
    struct bpe_kept kept; /* merges, in case training is stopped */
    bool finished;
};

struct wm_counter {
    struct bpe_splitter *splitter;
    bool normalises; /* to NFC */
    struct bpe_nfc nfc;
    struct bpe_pieces pieces;
    /* takes what has become too much, and clears it */
    int (*spill)(void *arg, struct bpe_pieces *pieces, struct wm_error *err);
    void *spill_arg;
    uint64_t weight; /* of what is added, in units */
    uint64_t documents, bytes, n_pieces;
};

/** Add to the trainer's table; one that is full is spilled first. */
int bpe_trainer_add(struct wm_bpe_trainer *trainer, struct wm_str piece, uint64_t count,
                    struct wm_error *err);
/** Forget what was counted. */
void bpe_counter_clear(struct wm_counter *counter);

#endif /* WETMILL_TOKENIZER_TRAINER_H */
