/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/scalar.h"

#include <math.h>

#include "trainer/rope.h"

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

static void exponentials(void)
{
    double worst = 0;
    for (uint64_t i = 0; i < 200000; i++) {
        double x = (wm_uniform(3, 3, i) - 0.5) * (i % 2 ? 1400 : 2), want = exp(x);
        if (isnormal(want))
            worst = fmax(worst, fabs(wm_exp(x) - want) / want);
    }
    CHECK_(worst < 4.5e-16, "exp is off by %g", worst);
    CHECK(wm_exp(0) == 1 && wm_exp(-1000) == 0 && wm_exp(-INFINITY) == 0);
    CHECK(isinf(wm_exp(709.8)) && isinf(wm_exp(INFINITY)) && isfinite(wm_exp(709.7)));
    CHECK(wm_exp(-744) > 0 && isnan(wm_exp(NAN)));
}

static void angles(void)
{
    double worst = 0;
    for (uint64_t i = 0; i < 400000; i++) {
        double x = i < 100000   ? (double)i * 1.5707963267948966 /* near the zeros */
                   : i < 200000 ? ((double)i - 150000) * 1e-4
                                : (wm_uniform(3, 4, i) - 0.5) * 0x1p21;
        double s, c;
        wm_sin_cos(x, &s, &c);
        worst = fmax(worst, fmax(fabs(s - sin(x)), fabs(c - cos(x))));
        if (fabs(x) < 1e-3 && x != 0)
            CHECK(fabs(s / sin(x) - 1) < 4.5e-16);
    }
    CHECK_(worst < 2.3e-16, "sine or cosine is off by %g", worst);
    double s, c;
    wm_sin_cos(0, &s, &c);
    CHECK(s == 0 && c == 1);
    wm_sin_cos(0x1.8p20, &s, &c);
    CHECK(isnan(s) && isnan(c));
    wm_sin_cos(INFINITY, &s, &c);
    CHECK(isnan(s) && isnan(c));
}

static void rotary_angles(void)
{
    enum { T = 3000, DEPTH = 26 };
    static float c[T * DEPTH / 2], s[T * DEPTH / 2];
    wm_rope_table(500000, DEPTH, T, c, s);
    double worst = 0;
    for (size_t t = 0; t < T; t++) {
        for (size_t i = 0; i < DEPTH / 2; i++) {
            const double angle = (double)t * pow(500000, -2.0 * (double)i / DEPTH);
            worst = fmax(worst, fabs((double)c[t * DEPTH / 2 + i] - cos(angle)));
            worst = fmax(worst, fabs((double)s[t * DEPTH / 2 + i] - sin(angle)));
        }
    }
    CHECK_(worst < 3.1e-8, "an angle's cosine or sine is off by %g", worst);
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
    exponentials();
    angles();
    rotary_angles();
    powers();
    normals();
    return test_summary();
}
