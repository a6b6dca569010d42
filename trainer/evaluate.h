/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file evaluate.h
 * Windows of tokens that wait to be scored together, and what an evaluator is made of.
 *
 * Windows of like length are put into one batch, the shorter ones padded behind, where causal
 * attention does not look. Each window's sum is made token by token in their order, and added to
 * its `sum` in the order the windows came: batches cannot be told from the result.
 */
#ifndef WETMILL_TRAINER_EVALUATE_H
#define WETMILL_TRAINER_EVALUATE_H

#include "trainer/generator.h"
#include "trainer/hf_config.h"
#include "wetmill/evaluate.h"

struct wm_window {
    uint32_t n;     /* inputs 0 … n − 1, targets 1 … n of its ids */
    uint32_t first; /* targets `first` … n are scored; ≥ 1 */
    double nats;    /* once scored */
    double *sum;    /* the nats are added here */
};

struct wm_scorer {
    struct wm_model *model;
    struct wm_cancel *cancel;
    uint32_t context;          /* T */
    uint32_t most, n;          /* windows that wait */
    struct wm_window *windows; /* [most] */
    uint32_t *order;           /* [most] longest first */
    uint32_t *ids;             /* [most, T + 1] */
    uint32_t *inputs;          /* [max_batch, T] */
    uint32_t *targets;
    float *weights;
};

/** For windows of up to `context` tokens. WM_E_NOMEM. End with wm_scorer_done in any case. */
int wm_scorer_init(struct wm_scorer *scorer, struct wm_model *model, uint32_t context,
                   struct wm_cancel *cancel, struct wm_error *err);
void wm_scorer_done(struct wm_scorer *scorer);

/** Score −log p of ids[first … n], each behind all of `ids` [n + 1] before it, 1 ≤ first ≤ n ≤ T.
 *  `sum` must stay until the scorer is flushed. */
int wm_scorer_add(struct wm_scorer *scorer, const uint32_t *ids, uint32_t n, uint32_t first,
                  double *sum, struct wm_error *err);
/** What waits is scored. */
int wm_scorer_flush(struct wm_scorer *scorer, struct wm_error *err);

struct wm_evaluator {
    struct wm_evaluate_options options;
    struct wm_generator *generator;
    struct wm_scorer scorer;
    struct wm_progress *progress;
    struct wm_cancel *cancel;
    struct wm_evaluation sum;
    bool has_begin, has_eod;
    uint32_t begin, eod;
    struct wm_ids ids; /* of a document */
    uint32_t *window;  /* [T + 1] of shards */
};

/** −log p summed may be infinite or no number in a broken model. */
int wm_check_nats(double nats, struct wm_error *err);

#endif /* WETMILL_TRAINER_EVALUATE_H */
