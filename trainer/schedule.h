/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file schedule.h
 * How long a training is and how large its steps are: pure functions, no state.
 */
#ifndef WETMILL_TRAINER_SCHEDULE_H
#define WETMILL_TRAINER_SCHEDULE_H

#include <stdint.h>

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
 * Learning rate of step 1 … n_steps: linear warm-up (step `warmup` has the full rate), then half a
 * cosine towards min_lr of it, which step n_steps + 1 would have (Loshchilov & Hutter 2017). The
 * same bits on every machine.
 */
double wm_schedule_lr(const struct wm_train_options *options, uint64_t n_steps, uint64_t step);

/** cos(πx) for 0 ≤ x ≤ 1 from additions and products alone, since libm's differs between machines.
 */
double wm_cos_pi(double x);

#endif /* WETMILL_TRAINER_SCHEDULE_H */
