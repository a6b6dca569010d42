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

double wm_schedule_lr(const struct wm_train_options *options, uint64_t n_steps, uint64_t step)
{
    uint64_t most = n_steps / WM_WARMUP_SHARE;
    uint64_t warmup = options->warmup < most ? options->warmup : most;
    if (step <= warmup)
        return options->learning_rate * (double)step / (double)warmup;
    double done = (double)(step - 1 - warmup) / (double)(n_steps - warmup);
    double share = options->min_lr + (1 - options->min_lr) * 0.5 * (1 + wm_cos_pi(done));
    return options->learning_rate * share;
}
