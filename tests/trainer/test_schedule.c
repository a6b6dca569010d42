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

    o.warmup = 1000; /* cut to a fifth: 22 of 110 */
    CHECK(wm_schedule_lr(&o, 110, 11) == 0.001);
    CHECK(wm_schedule_lr(&o, 110, 22) == 0.002);
    o.warmup = 0;
    CHECK(wm_schedule_lr(&o, 1, 1) == 0.002);
    check_near(wm_schedule_lr(&o, 4, 3), 0.0011, 1e-17);
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
    check_steps();
    return test_summary();
}
