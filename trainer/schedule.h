/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file schedule.h
 * How long a training is and how large its steps are: pure functions, no state.
 */
#ifndef WETMILL_TRAINER_SCHEDULE_H
#define WETMILL_TRAINER_SCHEDULE_H

#include <stdint.h>

#include "trainer/metrics.h"
#include "wetmill/error.h"
#include "wetmill/train.h"

enum {
    WM_TRAIN_STEPS_MAX = 10000000, /**< Each step keeps 24 bytes of history in every checkpoint. */
    WM_WARMUP_SHARE = 5,           /**< Warm-up takes at most 1/5 of the steps. */
};

/** Steps of a training over `n_windows` windows: options->steps, or as many as fill
 *  options->epochs, at least 1. WM_E_CONFIG over WM_TRAIN_STEPS_MAX. */
int wm_schedule_steps(const struct wm_train_options *options, uint64_t n_windows,
                      uint64_t *ret_steps, struct wm_error *err);

/**
 * Learning rate of step 1 … n_steps: linear warm-up (step `warmup` has the full rate), then
 * options->schedule towards min_lr of it, which step n_steps + 1 would have. The same bits on every
 * machine.
 */
double wm_schedule_lr(const struct wm_train_options *options, uint64_t n_steps, uint64_t step);

/** Steps of warm-up: options->warmup, at most a fifth of all. */
uint64_t wm_schedule_warmup(const struct wm_train_options *options, uint64_t n_steps);

/** Sequences of step 1 …, and of the first `step` steps together. */
uint64_t wm_schedule_batch(const struct wm_train_options *options, uint64_t step);
uint64_t wm_schedule_samples(const struct wm_train_options *options, uint64_t step);

/** Most steps, at least 1, that fit into `seconds`, if each takes `step_seconds` and `sample_seconds`
 *  more for each of its sequences. */
uint64_t wm_schedule_fit(const struct wm_train_options *options, double seconds,
                         double step_seconds, double sample_seconds);

/** Does a step with this gradient norm change the weights, or is it an outlier against the mean of
 *  the last 100 norms (10 at least)? */
bool wm_schedule_counts(const struct wm_train_options *options, const struct wm_history *history,
                        double grad_norm);

/** First step whose weights go into the average; UINT64_MAX: none does. */
uint64_t wm_schedule_average_from(const struct wm_train_options *options, uint64_t n_steps);

/** cos(πx) for 0 ≤ x ≤ 1 from additions and products alone, since libm's differs between machines.
 */
double wm_cos_pi(double x);

#endif /* WETMILL_TRAINER_SCHEDULE_H */
