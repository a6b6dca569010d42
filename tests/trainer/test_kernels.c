/* SPDX-License-Identifier: Apache-2.0 */
/* Every kernel of every instruction set: within a few units in the last place of the definition in
 * double, and the same bits as the portable table, at every length from 1 to beyond two tails. */
#include "trainer/kernels.h"

#include <math.h>

#include "test.h"

enum { N = 150 };

static uint32_t state = 5;

static float random_float(float range)
{
    state = state * 1664525u + 1013904223u;
    return (float)((int32_t)state >> 8) * 0x1p-23f * range;
}

static void fill(float *x, size_t n, float range)
{
    for (size_t i = 0; i < n; i++)
        x[i] = random_float(range);
}

/* ---- the definitions ---- */

static double gelu_double(double x)
{
    return 0.5 * x * (1 + tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x)));
}

static double gelu_slope_double(double x)
{
    double t = tanh(0.79788456080286535588 * (x + 0.044715 * x * x * x));
    return 0.5 * (1 + t) +
           0.5 * x * (1 - t * t) * 0.79788456080286535588 * (1 + 3 * 0.044715 * x * x);
}

static void close_to(float got, double want, double most, const char *what, size_t n)
{
    double error = fabs((double)got - want);
    CHECK_(error <= most, "%s at length %zu: %.9g, want %.9g", what, n, (double)got, want);
}

static void check_values(const struct wm_kernels *k, size_t n)
{
    float x[N], y[N], z[N], max;
    fill(x, n, 6);
    fill(y, n, 6);
    double dot = 0, squares = 0, size = 0, top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        dot += (double)x[i] * (double)y[i];
        size += fabs((double)x[i] * (double)y[i]);
        squares += (double)x[i] * (double)x[i];
        top = fmax(top, (double)x[i] * 0.5);
    }
    close_to(k->dot(x, y, n), dot, 1e-6 * size, "dot", n);
    CHECK(fabs(k->sum_squares(x, n) - squares) <= 1e-14 * squares);
    k->gelu(x, z, n);
    for (size_t i = 0; i < n; i++)
        close_to(z[i], gelu_double((double)x[i]), 1e-6, "gelu", n);
    memcpy(z, y, sizeof z);
    k->gelu_back(x, z, n);
    for (size_t i = 0; i < n; i++)
        close_to(z[i], (double)y[i] * gelu_slope_double((double)x[i]), 4e-6, "gelu_back", n);
    memcpy(z, x, n * sizeof *z);
    float got = k->softmax(z, n, n, 0.5f, &max);
    close_to(max, top, 1e-7 * fabs(top), "softmax max", n);
    for (size_t i = 0; i < n; i++) {
        double e = exp((double)x[i] * 0.5 - top);
        sum += e;
        close_to(z[i], e, 5e-7 * e, "softmax", n);
    }
    close_to(got, sum, 1e-6 * sum, "softmax sum", n);
}

static void check_norm(const struct wm_kernels *k, size_t n)
{
    float x[N], gain[N], bias[N], y[N], mean, rstd;
    fill(x, n, 3);
    fill(gain, n, 1);
    fill(bias, n, 1);
    double mu = 0, variance = 0;
    for (size_t i = 0; i < n; i++)
        mu += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        variance += ((double)x[i] - mu) * ((double)x[i] - mu) / (double)n;
    k->layer_norm(x, gain, bias, 1e-5f, n, y, &mean, &rstd);
    double r = 1 / sqrt(variance + (double)1e-5f);
    close_to(mean, mu, 1e-6, "mean", n);
    for (size_t i = 0; i < n && n > 1; i++)
        close_to(y[i], ((double)x[i] - mu) * r * (double)gain[i] + (double)bias[i], 1e-5, "norm",
                 n);
}

/* ---- the same bits ---- */

struct outputs {
    float x[16][N + 16];
    double d;
};

static void run_all(const struct wm_kernels *k, const struct outputs *in, size_t n,
                    struct outputs *out)
{
    static const struct wm_adamw_constants c = {0.7f,  0.99f, 0.9f,  0.1f, 0.95f,
                                                0.05f, 0.3f,  1e-8f, 1e-3f};
    *out = *in;
    float(*x)[N + 16] = out->x;
    k->add(x[0], x[1], n);
    k->scale(x[1], 1.0f / 3, n);
    x[2][N] = k->dot(x[2], x[3], n);
    out->d = k->sum_squares(x[3], n);
    k->layer_norm(x[2], x[3], x[4], 1e-5f, n, x[5], &x[5][N], &x[5][N + 1]);
    k->layer_norm_back(x[6], x[2], x[3], x[5][N], x[5][N + 1], n, x[7], x[8], x[9]);
    k->gelu(x[2], x[10], n);
    k->gelu_back(x[2], x[11], n);
    x[12][N] = k->softmax(x[12], n, n + 5, 0.7f, &x[12][N + 6]);
    k->scores_back(x[12], x[13], 0.2f, 0.3f, 0.7f, n);
    for (size_t i = 0; i < n; i++)
        x[15][i] = fabsf(x[15][i]); /* second moments */
    k->adamw(x[0], x[1], x[14], x[15], &c, n);
}

static void same_bits(const struct wm_kernels *k)
{
    static struct outputs in, want, got;
    for (size_t n = 1; n <= 140; n++) {
        for (size_t i = 0; i < 16; i++)
            fill(in.x[i], N + 16, i == 12 ? 40 : 4);
        run_all(&wm_kernels_portable, &in, n, &want);
        run_all(k, &in, n, &got);
        for (size_t i = 0; i < 16; i++)
            CHECK_(memcmp(want.x[i], got.x[i], sizeof want.x[i]) == 0,
                   "%s: buffer %zu differs at length %zu", k->name, i, n);
        CHECK(memcmp(&want.d, &got.d, sizeof want.d) == 0);
    }
}

/* A model that diverges must show it: no kernel may swallow a NaN. */
static void nan_survives(const struct wm_kernels *k)
{
    for (size_t n = 1; n <= 40; n++) {
        for (size_t at = 0; at < n; at++) {
            float x[N], max;
            fill(x, n, 1);
            x[at] = NAN;
            CHECK(isnan(k->softmax(x, n, n, 1, &max)));
            fill(x, n, 1);
            x[at] = NAN;
            k->gelu(x, x, n);
            CHECK(isnan(x[at]));
            CHECK(isnan(k->sum_squares(x, n)));
        }
    }
}

static void extremes(const struct wm_kernels *k)
{
    float x[20], max;
    for (size_t i = 0; i < 20; i++)
        x[i] = i == 7 ? 3e38f : -3e38f;
    CHECK(k->softmax(x, 20, 20, 1, &max) == 1.0f);
    CHECK(x[7] == 1.0f && x[0] < 1e-37f && max == 3e38f);
    const float far[4] = {-1e10f, -50, 50, 1e10f};
    float y[4];
    k->gelu(far, y, 4);
    CHECK(fabsf(y[0]) < 1e-20f && fabsf(y[1]) < 1e-20f && y[2] == 50 && y[3] == 1e10f);
}

/* Sums that a second rounding would get wrong: just beside half-way, and subnormal. */
static void one_rounding(const struct wm_kernels *k)
{
    static const float cases[][3] = {
        {0x1.001p0f, 0x1.001p0f, 0x1p-60f},
        {0x1.001p0f, 0x1.001p0f, -0x1p-60f},
        {0x1.003p0f, 0x1.001p0f, 0x1p-70f},
        {0x1.003p0f, 0x1.001p0f, -0x1p-70f},
        {-0x1.001p0f, 0x1.001p0f, 0x1p-60f},
        {0x1.001p0f, 0x1.001p0f, 0},
        {0x1.fffffep-70f, 0x1.8p-70f, 0},
        {0x1.001p-65f, 0x1.001p-65f, 0x1p-149f},
        {0x1.fffffep-64f, 0x1.000002p-64f, 0},
        {0x1.fffffep-63f, 0x1p-64f, -0x1p-149f},
        {0x1.fffffep127f, 0x1.000002p0f, 0},
        {0x1p100f, 0x1p100f, -0x1p100f},
        {0x1p-149f, 0x1p-149f, 0x1p-149f},
        {0, -0.0f, -0.0f},
        {1, NAN, 1},
        {0x1.fffffep0f, 0x1.fffffep0f, 0x1.8p-48f},
    };
    const struct wm_gemm_tile *tile = k->f32;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const float *x = cases[i];
        float a[WM_TILE_MAX_ROWS], b[WM_TILE_MAX_COLS], c[WM_TILE_MAX_ROWS * WM_TILE_MAX_COLS];
        for (size_t j = 0; j < WM_TILE_MAX_ROWS; j++)
            a[j] = j % 2 ? x[0] : 1;
        for (size_t j = 0; j < WM_TILE_MAX_COLS; j++)
            b[j] = x[1];
        for (size_t j = 0; j < WM_TILE_MAX_ROWS * WM_TILE_MAX_COLS; j++)
            c[j] = x[2];
        const struct wm_tile_ahead ahead = {.c = c};
        tile->run(1, a, b, c, tile->nr, c, tile->nr, false, &ahead);
        unsigned wrong = 0;
        for (size_t j = 0; j < tile->mr * tile->nr; j++) {
            float want = fmaf(a[j / tile->nr], x[1], x[2]);
            wrong += !(isnan(want) ? isnan(c[j]) : memcmp(&want, &c[j], sizeof want) == 0);
        }
        CHECK_(wrong == 0, "%s: %a × %a + %a: %u lanes are wrong", k->name, (double)x[0],
               (double)x[1], (double)x[2], wrong);
    }
}

int main(void)
{
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++) {
        for (size_t n = 1; n <= 140; n++) {
            check_values(*k, n);
            check_norm(*k, n);
        }
        same_bits(*k);
        nan_survives(*k);
        extremes(*k);
        one_rounding(*k);
    }
    return test_summary();
}
