/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/schedule.h"

#include <math.h>

#include "test.h"

static void check_near(double got, double want, double tolerance)
{
    CHECK_(fabs(got - want) <= tolerance, "got %.17g, want %.17g", got, want);
}

static void check_cosine(void)
{
    static const double pi = 3.14159265358979323846;
    for (int i = 0; i <= 1000; i++) {
        double x = i / 1000.0;
        check_near(wm_cos_pi(x), cos(pi * x), 6e-16);
    }
    CHECK(wm_cos_pi(0) == 1);
    CHECK(wm_cos_pi(1) == -1);
    CHECK(wm_cos_pi(0.5) == 0);
}

static void check_rates(void)
{
    struct wm_train_options o = {.learning_rate = 0.002, .min_lr = 0.1, .warmup = 10};
    CHECK(wm_schedule_lr(&o, 110, 1) == 0.002 * 1 / 10);
    CHECK(wm_schedule_lr(&o, 110, 10) == 0.002);
    CHECK(wm_schedule_lr(&o, 110, 11) == 0.002);
    check_near(wm_schedule_lr(&o, 110, 36), 0.0002 + 0.0018 * 0.5 * (1 + sqrt(0.5)), 1e-17);
    check_near(wm_schedule_lr(&o, 110, 61), 0.0011, 1e-17);
    check_near(wm_schedule_lr(&o, 110, 111), 0.0002, 1e-17);
    for (uint64_t step = 12; step <= 110; step++)
        CHECK(wm_schedule_lr(&o, 110, step) < wm_schedule_lr(&o, 110, step - 1));

    CHECK_U64(wm_schedule_warmup(&o, 110), 10);
    o.warmup = 1000; /* cut to a fifth: 22 of 110 */
    CHECK_U64(wm_schedule_warmup(&o, 110), 22);
    CHECK_U64(wm_schedule_warmup(&o, 4), 0);
    CHECK(wm_schedule_lr(&o, 110, 11) == 0.001);
    CHECK(wm_schedule_lr(&o, 110, 22) == 0.002);
    o.warmup = 0;
    CHECK(wm_schedule_lr(&o, 1, 1) == 0.002);
    check_near(wm_schedule_lr(&o, 4, 3), 0.0011, 1e-17);
}

static void check_shapes(void)
{
    struct wm_train_options o = {
        .learning_rate = 1, .min_lr = 0.1, .cooldown = 0.25, .schedule = WM_SCHEDULE_LINEAR};
    check_near(wm_schedule_lr(&o, 100, 1), 1, 1e-15);
    check_near(wm_schedule_lr(&o, 100, 51), 0.55, 1e-15);
    check_near(wm_schedule_lr(&o, 100, 101), 0.1, 1e-15);
    o.schedule = WM_SCHEDULE_WSD;
    check_near(wm_schedule_lr(&o, 100, 1), 1, 1e-15);
    check_near(wm_schedule_lr(&o, 100, 76), 1, 1e-15);
    check_near(wm_schedule_lr(&o, 100, 91), 0.1 + 0.9 * 0.4, 1e-14);
    check_near(wm_schedule_lr(&o, 100, 101), 0.1, 1e-14);
    o.cooldown = 0;
    check_near(wm_schedule_lr(&o, 100, 100), 1, 1e-15);
    o.schedule = WM_SCHEDULE_CONSTANT;
    CHECK(wm_schedule_lr(&o, 100, 100) == 1);
}

static void check_batches(void)
{
    struct wm_train_options o = {.batch = 10, .batch_start = 2, .batch_ramp = 4};
    static const uint64_t want[] = {2, 4, 6, 8, 10, 10};
    uint64_t sum = 0;
    for (uint64_t step = 1; step <= 6; step++) {
        CHECK_U64(wm_schedule_batch(&o, step), want[step - 1]);
        sum += want[step - 1];
        CHECK_U64(wm_schedule_samples(&o, step), sum);
    }
    o.batch_ramp = 0;
    CHECK_U64(wm_schedule_batch(&o, 1), 10);
    CHECK_U64(wm_schedule_samples(&o, 3), 30);
}

/* What is found takes no longer than there is time, and a step more would. */
static void check_fit(void)
{
    static const uint64_t ramps[] = {0, 1, 7, 40, 100000};
    struct wm_train_options o = {.batch = 64, .batch_start = 2};
    for (size_t i = 0; i < sizeof ramps / sizeof *ramps; i++)
        for (double seconds = 3; seconds < 3000; seconds *= 1.7) {
            static const double step = 0.125, sample = 0.03125; /* sums are exact */
            o.batch_ramp = ramps[i];
            const uint64_t n = wm_schedule_fit(&o, seconds, step, sample);
            const double samples = (double)wm_schedule_samples(&o, n) * sample;
            const double more = (double)wm_schedule_samples(&o, n + 1) * sample;
            CHECK(samples + (double)n * step <= seconds);
            CHECK(more + (double)(n + 1) * step > seconds);
        }
    CHECK_U64(wm_schedule_fit(&o, -1, 1, 1), 1);
    o.batch_ramp = 0;
    CHECK_U64(wm_schedule_fit(&o, 0.5, 1, 1), 1);
    CHECK_U64(wm_schedule_fit(&o, 1, 0, 0), WM_TRAIN_STEPS_MAX);
    CHECK_U64(wm_schedule_fit(&o, 1e300, 1, 1), WM_TRAIN_STEPS_MAX);
}

static void check_outliers(void)
{
    struct wm_step_metrics steps[40];
    struct wm_history history = {steps, 0, 40};
    struct wm_train_options o = {.skip_outliers = 3};
    for (; history.n < 9; history.n++) {
        CHECK(wm_schedule_counts(&o, &history, 1e9)); /* too few to know what is usual */
        steps[history.n] = (struct wm_step_metrics){.grad_norm = 2};
    }
    steps[history.n++] = (struct wm_step_metrics){.grad_norm = 2};
    CHECK(wm_schedule_counts(&o, &history, 6));
    CHECK(!wm_schedule_counts(&o, &history, 6.001));
    o.skip_outliers = 0;
    CHECK(wm_schedule_counts(&o, &history, 1e9));
    CHECK_U64(wm_schedule_average_from(&o, 10), UINT64_MAX);
    o.average = 0.2;
    CHECK_U64(wm_schedule_average_from(&o, 10), 9);
    o.average = 0.01;
    CHECK_U64(wm_schedule_average_from(&o, 10), 10);
    o.average = 1;
    CHECK_U64(wm_schedule_average_from(&o, 10), 1);
}

static void check_steps(void)
{
    struct wm_train_options o = {.epochs = 2.5, .batch = 8};
    struct wm_error err;
    uint64_t steps = 0;
    CHECK_OK(wm_schedule_steps(&o, 100, &steps, &err), err);
    CHECK_U64(steps, 31);
    o.epochs = 0.001;
    CHECK_OK(wm_schedule_steps(&o, 100, &steps, &err), err);
    CHECK_U64(steps, 1);
    o.steps = 77;
    CHECK_OK(wm_schedule_steps(&o, 100, &steps, &err), err);
    CHECK_U64(steps, 77);
    o.steps = 0;
    o.epochs = 1e9;
    CHECK_FAILS(wm_schedule_steps(&o, 100, &steps, &err), WM_E_CONFIG, err, "steps are more than");
}

int main(void)
{
    check_cosine();
    check_rates();
    check_shapes();
    check_batches();
    check_fit();
    check_outliers();
    check_steps();
    return test_summary();
}
