/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/schedule.h"

#include <inttypes.h>

int wm_schedule_steps(const struct wm_train_options *options, uint64_t n_windows,
                      uint64_t *ret_steps, struct wm_error *err)
{
    double steps = options->steps ? (double)options->steps
                                  : options->epochs * (double)n_windows / (double)options->batch;
    if (steps > WM_TRAIN_STEPS_MAX) {
        wm_fail(err, WM_E_CONFIG, "%.0f steps are more than the %d that a training may have", steps,
                WM_TRAIN_STEPS_MAX);
        return wm_error_hint(err, "fewer epochs, or a larger batch");
    }
    *ret_steps = steps < 1 ? 1 : (uint64_t)steps;
    return 0;
}

/* Taylor series first ∓ first·y²/(k(k + 1)) ± …; |y| ≤ π/4, so 9 terms leave less than 2^-53. */
static double series(double first, double y2, int k)
{
    double sum = first, term = first;
    for (int i = 0; i < 9; i++, k += 2) {
        term = -term * y2 / ((double)k * (k + 1));
        sum += term;
    }
    return sum;
}

double wm_cos_pi(double x)
{
    static const double pi = 3.14159265358979323846;
    double near = x > 0.5 ? 1 - x : x; /* cos(π − y) = −cos y, cos(π/2 − y) = sin y */
    double y = pi * (near > 0.25 ? 0.5 - near : near);
    double cosine = near > 0.25 ? series(y, y * y, 2) : series(1, y * y, 1);
    return x > 0.5 ? -cosine : cosine;
}

/* 1 at the first step after warm-up, 0 behind the last one. `done` goes from 0 to 1. */
static double height(const struct wm_train_options *options, double done)
{
    switch ((enum wm_train_schedule)options->schedule) {
    case WM_SCHEDULE_LINEAR:
        return 1 - done;
    case WM_SCHEDULE_WSD:
        return done > 1 - options->cooldown ? (1 - done) / options->cooldown : 1;
    case WM_SCHEDULE_CONSTANT:
        return 1;
    case WM_SCHEDULE_COSINE:
        break;
    }
    return 0.5 * (1 + wm_cos_pi(done));
}

uint64_t wm_schedule_warmup(const struct wm_train_options *options, uint64_t n_steps)
{
    const uint64_t most = n_steps / WM_WARMUP_SHARE;
    return options->warmup < most ? options->warmup : most;
}

double wm_schedule_lr(const struct wm_train_options *options, uint64_t n_steps, uint64_t step)
{
    const uint64_t warmup = wm_schedule_warmup(options, n_steps);
    if (step <= warmup)
        return options->learning_rate * (double)step / (double)warmup;
    double done = (double)(step - 1 - warmup) / (double)(n_steps - warmup);
    double share = options->min_lr + (1 - options->min_lr) * height(options, done);
    return options->learning_rate * share;
}

uint64_t wm_schedule_batch(const struct wm_train_options *options, uint64_t step)
{
    if (step > options->batch_ramp)
        return options->batch;
    return options->batch_start +
           (options->batch - options->batch_start) * (step - 1) / options->batch_ramp;
}

uint64_t wm_schedule_samples(const struct wm_train_options *options, uint64_t step)
{
    const uint64_t ramp = step < options->batch_ramp ? step : options->batch_ramp;
    uint64_t sum = (step - ramp) * options->batch;
    for (uint64_t i = 1; i <= ramp; i++)
        sum += wm_schedule_batch(options, i);
    return sum;
}

uint64_t wm_schedule_fit(const struct wm_train_options *options, double seconds,
                         double step_seconds, double sample_seconds)
{
    uint64_t n = 0;
    double left = seconds;
    for (; n < options->batch_ramp && n < WM_TRAIN_STEPS_MAX; n++) {
        const double samples = (double)wm_schedule_batch(options, n + 1);
        left -= step_seconds + samples * sample_seconds;
        if (left < 0)
            return n ? n : 1;
    }
    const double more = left / (step_seconds + (double)options->batch * sample_seconds);
    if (more >= (double)(WM_TRAIN_STEPS_MAX - n))
        return WM_TRAIN_STEPS_MAX;
    n += more >= 1 ? (uint64_t)more : 0;
    return n ? n : 1;
}

bool wm_schedule_counts(const struct wm_train_options *options, const struct wm_history *history,
                        double grad_norm)
{
    enum { USUAL = 100, LEAST = 10 };
    const uint64_t n = history->n < USUAL ? history->n : USUAL;
    double sum = 0;
    if (!(options->skip_outliers > 0) || n < LEAST)
        return true;
    for (uint64_t i = history->n - n; i < history->n; i++)
        sum += history->steps[i].grad_norm;
    return grad_norm <= options->skip_outliers * sum / (double)n;
}

uint64_t wm_schedule_average_from(const struct wm_train_options *options, uint64_t n_steps)
{
    if (!(options->average > 0))
        return UINT64_MAX;
    uint64_t last = (uint64_t)((double)n_steps * options->average);
    return n_steps - (last ? last - 1 : 0);
}
