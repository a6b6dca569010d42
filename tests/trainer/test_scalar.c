/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/scalar.h"

#include <math.h>

#include "test.h"

static void logarithms(void)
{
    double worst = 0;
    for (uint64_t i = 0; i < 200000; i++) {
        double x = ldexp(1 + wm_uniform(3, 1, i), (int)(wm_random(3, 2, i) % 600) - 300);
        double want = log(x);
        worst = fmax(worst, fabs(wm_log(x) - want) / fmax(fabs(want), 1e-300));
    }
    for (uint64_t i = 1; i < 100000; i++) { /* near 1, where cancellation would show */
        double x = 1 + ((double)i - 50000) * 1e-7;
        double want = log(x);
        if (want != 0)
            worst = fmax(worst, fabs(wm_log(x) - want) / fabs(want));
    }
    CHECK_(worst < 4.5e-16, "log is off by %g", worst);
    CHECK(wm_log(1) == 0);
    CHECK(isinf(wm_log(0)) && wm_log(0) < 0);
    CHECK(isinf(wm_log(INFINITY)));
    CHECK(isnan(wm_log(-1)));
    CHECK(isnan(wm_log(NAN)));
}

static void powers(void)
{
    CHECK(wm_power(2, 10) == 1024);
    CHECK(wm_power(0.9, 0) == 1);
    CHECK(fabs(wm_power(0.999, 100000) / pow(0.999, 100000) - 1) < 1e-10);
}

/* Moments within five standard errors, and a golden value: the stream may never change, or old
 * seeds would give other models. */
static void normals(void)
{
    enum { N = 200000 };
    double sum = 0, squares = 0, fourth = 0, with_next = 0, last = 0;
    for (uint64_t i = 0; i < N; i++) {
        double x = wm_gaussian(7, 3, i);
        sum += x;
        squares += x * x;
        fourth += x * x * x * x;
        with_next += x * last;
        last = x;
    }
    CHECK_(fabs(sum / N) < 5 / sqrt(N), "mean %g", sum / N);
    CHECK_(fabs(squares / N - 1) < 5 * sqrt(2.0 / N), "variance %g", squares / N);
    CHECK_(fabs(fourth / N - 3) < 5 * sqrt(96.0 / N), "fourth moment %g", fourth / N);
    CHECK_(fabs(with_next / N) < 5 / sqrt(N), "correlation %g", with_next / N);
    CHECK(wm_gaussian(7, 3, 5) == wm_gaussian(7, 3, 5));
    CHECK(wm_gaussian(7, 3, 5) != wm_gaussian(8, 3, 5));
    CHECK(wm_gaussian(7, 3, 5) != wm_gaussian(7, 4, 5));
    CHECK_U64(wm_random(0, 0, 0), UINT64_C(15266179522910675608));
    CHECK_U64(wm_random(1, 2, 3), UINT64_C(6715072656328815544));
}

int main(void)
{
    logarithms();
    powers();
    normals();
    return test_summary();
}
