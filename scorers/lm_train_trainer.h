/* SPDX-License-Identifier: Apache-2.0 */
/* The trainer itself: lm_train.c drives it, lm_train_keep*.c keep it and bring it back. */
#ifndef SCORERS_LM_TRAIN_TRAINER_H
#define SCORERS_LM_TRAIN_TRAINER_H

#include "scorers/lm_train_keep.h"

struct wm_lm_train {
    struct wm_lm_train_options options;
    struct lm_settings settings;
    struct wm_cancel *cancel;
    struct wm_progress *progress;
    struct wm_team *team;
    struct wm_spool_pool *pool;
    struct lm_vocabulary vocabulary;
    /* text */
    bool in_sentence;
    struct wm_buf carry; /* the beginning of a word that goes on in the next call */
    struct wm_lm_train_summary summary;
    /* tokens */
    struct lm_block block;
    size_t cap, limit; /* of the block: allocated; where to look at the memory */
    struct wm_spool *runs;
    size_t n_runs, cap_runs;
    /* counts */
    struct lm_adjust *adjust;
    struct lm_order orders[WM_LM_ORDER_MAX];
    struct wm_spool counts[WM_LM_ORDER_MAX];
    uint64_t *unigrams;
    bool *limited;
    struct lm_arpa *arpa;
    struct lm_keep keep;
};

/* Room for `n` tokens in the block. */
int lm_reserve_block(struct wm_lm_train *train, size_t n, struct wm_error *err);
/* The block becomes a run; the next one begins with the words that n-grams look back on. */
int lm_store_block(struct wm_lm_train *train, struct wm_error *err);

/* ---- lm_train_keep_runs.c: as lm_run_take and lm_merge_runs, of runs that are kept ---- */

int lm_keep_block(struct wm_lm_train *train, struct wm_error *err);
int lm_keep_merge(struct wm_lm_train *train, size_t fan, const struct lm_sink *sink,
                  struct wm_error *err);

/* ---- lm_train_keep_counts.c: the stages behind, if it is time; else nothing ---- */

/* Counts of all orders are there, to be rewound. */
int lm_keep_counts(struct wm_lm_train *train, struct wm_error *err);
/* Read counts of the orders that are not written yet from their files. */
int lm_keep_reopen(struct wm_lm_train *train, struct wm_error *err);
/* Order n is written, and `below`, to be rewound, has its probabilities (struct lm_estimate). */
int lm_keep_order(void *train, unsigned n, struct wm_spool *below, struct wm_error *err);
/* The probabilities of the last order that was kept, if there is one. */
int lm_keep_below(struct wm_lm_train *train, struct wm_spool *ret, struct wm_error *err);
/* The model is written. */
int lm_keep_model(struct wm_lm_train *train, struct wm_error *err);

/* ---- lm_train_keep_load.c ---- */

/* 1: what is kept is there again; 0: nothing is kept. WM_E_MISMATCH. */
int lm_keep_load(struct wm_lm_train *train, struct wm_error *err);

#endif /* SCORERS_LM_TRAIN_TRAINER_H */
