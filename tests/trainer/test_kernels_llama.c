/* SPDX-License-Identifier: Apache-2.0 */
/* RMSNorm, rotary positions, SwiGLU and attention's rows, of every instruction set: near the
 * definition in double, and the same bits as the portable table, at every length. */
#include <math.h>

#include "trainer/kernels.h"

#include "test.h"

enum { N = 150 };

static uint32_t state = 5;

static void fill(float *x, size_t n, float range)
{
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        x[i] = (float)((int32_t)state >> 8) * 0x1p-23f * range;
    }
}

static void close_to(float got, double want, double most, const char *what, size_t n)
{
    double error = fabs((double)got - want);
    CHECK_(error <= most, "%s at length %zu: %.9g, want %.9g", what, n, (double)got, want);
}

static void check_rms(const struct wm_kernels *k, size_t n)
{
    float x[N], gain[N], dy[N], y[N], dx[N], dgain[N], rstd;
    fill(x, n, 3);
    fill(gain, n, 1);
    fill(dy, n, 1);
    double mean = 0, mean_gz = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] * (double)x[i] / (double)n;
    const double r = 1 / sqrt(mean + (double)1e-5f);
    k->rms_norm(x, gain, 1e-5f, n, y, &rstd);
    close_to(rstd, r, 4e-7 * r, "rstd", n);
    for (size_t i = 0; i < n; i++) {
        close_to(y[i], (double)x[i] * r * (double)gain[i], 2e-6, "rms_norm", n);
        mean_gz += (double)dy[i] * (double)gain[i] * (double)x[i] * r / (double)n;
    }
    memset(dgain, 0, sizeof dgain);
    k->rms_norm_back(dy, x, gain, rstd, n, false, dx, dgain);
    for (size_t i = 0; i < n; i++) {
        const double z = (double)x[i] * r;
        close_to(dx[i], ((double)dy[i] * (double)gain[i] - z * mean_gz) * r, 2e-6 * r, "dx", n);
        close_to(dgain[i], (double)dy[i] * z, 2e-6, "dgain", n);
    }
    float added[N], in_place[N];
    memcpy(in_place, dy, sizeof dy);
    k->rms_norm_back(in_place, x, gain, rstd, n, false, in_place, dgain);
    memcpy(added, y, sizeof added);
    k->rms_norm_back(dy, x, gain, rstd, n, true, added, dgain);
    for (size_t i = 0; i < n; i++)
        CHECK(added[i] == y[i] + dx[i] && in_place[i] == dx[i]);
}

static void check_rope(const struct wm_kernels *k, size_t half)
{
    float x[2 * N], turned[2 * N], c[N], s[N];
    const size_t n_head = 3, depth = 2 * half;
    if (n_head * depth > sizeof x / sizeof *x)
        return;
    fill(x, n_head * depth, 3);
    memcpy(turned, x, sizeof x);
    for (size_t i = 0; i < half; i++) {
        c[i] = (float)cos((double)i * 0.3);
        s[i] = (float)sin((double)i * 0.3);
    }
    k->rope(turned, c, s, half, n_head, false);
    for (size_t h = 0; h < n_head * depth; h += depth) {
        for (size_t i = h; i < h + half; i++) {
            const double cc = (double)c[i - h], ss = (double)s[i - h];
            const double a = (double)x[i], b = (double)x[i + half];
            close_to(turned[i], a * cc - b * ss, 1e-6, "rope", half);
            close_to(turned[i + half], b * cc + a * ss, 1e-6, "rope", half);
        }
    }
    k->rope(turned, c, s, half, n_head, true);
    for (size_t i = 0; i < n_head * depth; i++)
        close_to(turned[i], (double)x[i], 2e-6, "rope and back", half);
}

static void check_swiglu(const struct wm_kernels *k, size_t n)
{
    float gate[N], up[N], dy[N], y[N], d_gate[N], d_up[N];
    fill(gate, n, n % 3 ? 8 : 90);
    fill(up, n, 2);
    fill(dy, n, 2);
    k->swiglu(gate, up, y, n);
    k->swiglu_back(gate, up, dy, d_gate, d_up, n);
    for (size_t i = 0; i < n; i++) {
        const double g = (double)gate[i], u = (double)up[i], d = (double)dy[i];
        const double s = 1 / (1 + exp(-g)), silu = g * s, least = 1e-30;
        close_to(y[i], silu * u, 1e-6 * fabs(silu * u) + least, "swiglu", n);
        close_to(d_up[i], silu * d, 1e-6 * fabs(silu * d) + least, "d_up", n);
        const double slope = s + silu * (1 - s);
        close_to(d_gate[i], d * u * slope, 1e-6 * (s + fabs(silu)) * fabs(d * u) + least, "d_gate",
                 n);
    }
    k->swiglu_back(gate, up, dy, gate, dy, n);
    CHECK(memcmp(gate, d_gate, n * sizeof *gate) == 0 && memcmp(dy, d_up, n * sizeof *dy) == 0);
}

static void check_rows(const struct wm_kernels *k, size_t n)
{
    float x[N], y[N], z[N], dp[N];
    fill(x, n, 20);
    fill(y, n, 3);
    memcpy(z, y, sizeof z);
    k->axpy(z, 0.3f, x, n);
    double top = -INFINITY, sum = 0;
    for (size_t i = 0; i < n; i++) {
        close_to(z[i], (double)y[i] + (double)0.3f * (double)x[i], 2e-6, "axpy", n);
        top = fmax(top, (double)x[i]);
        sum += exp((double)x[i] * 0.5 - 10);
    }
    CHECK((double)k->top(x, n) == top);
    memcpy(z, x, sizeof z);
    close_to(k->exp_sum(z, n, 0.5f, 10), sum, 2e-6 * sum, "exp_sum", n);
    memcpy(z, x, sizeof z);
    memcpy(dp, y, sizeof dp);
    k->scores_back(z, dp, 10, 0.25f, 0.5f, n);
    for (size_t i = 0; i < n; i++) {
        const double p = exp((double)x[i] * 0.5 - 10);
        close_to(z[i], p, 2e-6 * p, "p", n);
        close_to(dp[i], p * ((double)y[i] - 0.25) * 0.5, 3e-6 * p, "ds", n);
    }
    for (size_t i = 0; i < n; i++)
        z[i] = ldexpf(1 + fabsf(y[i]), (int)(i * 7 % 250) - 125);
    memcpy(y, z, sizeof y);
    k->log(z, n);
    for (size_t i = 0; i < n; i++) {
        const double want = log((double)y[i]);
        close_to(z[i], want, 1.5e-7 * fabs(want) + 1e-9, "log", n);
    }
}

/* The sums of columns as one number after the other gives them, to the bit. */
static void check_add_rows(const struct wm_kernels *k, size_t n)
{
    enum { ROWS = 7 };
    float x[ROWS][N + 16], y[N], want[N];
    fill(&x[0][0], sizeof x / sizeof(float), 5);
    fill(y, N, 1);
    memcpy(want, y, sizeof y);
    for (size_t i = 0; i < n; i++) {
        float sum = 0;
        for (size_t row = 0; row < ROWS; row++)
            sum += x[row][i];
        want[i] += sum;
    }
    k->add_rows(y, &x[0][0], N + 16, ROWS, n);
    CHECK_(memcmp(y, want, sizeof y) == 0, "%s: add_rows of %zu columns", k->name, n);
}

struct outputs {
    float x[16][N + 16];
};

static void run_all(const struct wm_kernels *k, const struct outputs *in, size_t n,
                    struct outputs *out)
{
    *out = *in;
    float(*x)[N + 16] = out->x;
    k->axpy(x[0], 1.0f / 3, x[1], n);
    x[1][N] = k->top(x[1], n);
    k->rms_norm(x[2], x[3], 1e-5f, n, x[4], &x[4][N]);
    k->rms_norm_back(x[5], x[2], x[3], x[4][N], n, true, x[6], x[7]);
    k->rms_norm_back(x[5], x[2], x[3], x[4][N], n, false, x[8], x[7]);
    k->rope(x[9], x[2], x[3], n % 24, 3, false);
    k->rope(x[9], x[2], x[5], n % 24, 3, true);
    k->swiglu(x[2], x[3], x[10], n);
    k->swiglu_back(x[11], x[3], x[5], x[11], x[12], n);
    x[13][N] = k->exp_sum(x[13], n, 0.7f, 3);
    k->scores_back(x[14], x[15], 0.2f, 0.3f, 0.7f, n);
    for (size_t i = 0; i < n; i++)
        x[0][i] = fabsf(x[0][i]);
    x[0][n / 2] = 0;
    k->log(x[0], n);
}

static void same_bits(const struct wm_kernels *k)
{
    static struct outputs in, want, got;
    for (size_t n = 1; n <= 140; n++) {
        for (size_t i = 0; i < 16; i++)
            fill(in.x[i], N + 16, i == 13 || i == 11 ? 40 : 4);
        run_all(&wm_kernels_portable, &in, n, &want);
        run_all(k, &in, n, &got);
        for (size_t i = 0; i < 16; i++)
            CHECK_(memcmp(want.x[i], got.x[i], sizeof want.x[i]) == 0,
                   "%s: buffer %zu differs at length %zu", k->name, i, n);
    }
}

/* A model that diverges must show it. */
static void nan_survives(const struct wm_kernels *k)
{
    for (size_t n = 1; n <= 40; n++) {
        float x[N], y[N], rstd;
        fill(x, n, 1);
        fill(y, n, 1);
        x[n / 2] = NAN;
        k->swiglu(x, y, y, n);
        CHECK(isnan(y[n / 2]));
        k->rms_norm(x, x, 1e-5f, n, y, &rstd);
        CHECK(isnan(rstd) && isnan(y[0]));
        CHECK(isnan(k->exp_sum(x, n, 1, 0)));
    }
}

int main(void)
{
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++) {
        for (size_t n = 1; n <= 140; n++) {
            check_rms(*k, n);
            check_rope(*k, n);
            check_swiglu(*k, n);
            check_rows(*k, n);
            check_add_rows(*k, n);
        }
        same_bits(*k);
        nan_survives(*k);
    }
    return test_summary();
}
