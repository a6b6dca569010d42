/* SPDX-License-Identifier: Apache-2.0 */
/* In a session subnormals are zeros. Even so the instruction sets agree to the bit, on numbers about
 * the smallest ones. */
#include <math.h>

#include "trainer/gemm.h"

#include "test.h"

enum { N = 100, ROWS = 13, COLUMNS = 35, DEPTH = 7 };

struct outputs {
    float x[8][N];
    float product[ROWS * COLUMNS];
};

static uint32_t state = 5;

/* Signs and sizes from 2^-149 to 2^-110, zeros among them. */
static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        state = state * 1664525u + 1013904223u;
        const float size = (float)((int32_t)state >> 8) * 0x1p-23f;
        x[i] = i % 13 == 0 ? 0 : ldexpf(size, -(int)(110 + (state >> 4) % 40));
    }
}

static void run(const struct wm_kernels *k, const struct outputs *in, struct outputs *out)
{
    static const struct wm_adamw_constants c = {0.7f,  0.99f, 0.9f,  0.1f, 0.95f,
                                                0.05f, 0.3f,  1e-8f, 1e-3f};
    float(*x)[N] = out->x, up[N];
    *out = *in;
    for (size_t i = 0; i < N; i++)
        up[i] = 1 + 0.01f * (float)i;
    k->adamw(x[0], x[1], x[2], x[3], &c, N);
    k->gelu(x[4], x[4], N);
    k->swiglu(x[5], up, x[5], N);
    k->axpy(x[6], 0.3f, x[1], N);
    k->scale(x[7], 0.3f, N);
}

static struct wm_team *team; /* of one thread */

/* Factors about 2^-65, so that the sums are about 2^-130. */
static void multiply(const struct wm_kernels *k, const struct outputs *in, struct outputs *out)
{
    static float shared[WM_GEMM_MIN_SHARED], scratch[WM_GEMM_SCRATCH];
    float a[ROWS * DEPTH], b[COLUMNS * DEPTH];
    for (size_t i = 0; i < ROWS * DEPTH; i++)
        a[i] = in->x[i / N][i % N] * 0x1p60f;
    for (size_t i = 0; i < COLUMNS * DEPTH; i++)
        b[i] = in->x[2 + i / N][i % N] * 0x1p60f;
    const struct wm_gemm product = {.m = ROWS,
                                    .n = COLUMNS,
                                    .k = DEPTH,
                                    .a = {a, DEPTH, false},
                                    .b = {b, DEPTH, false},
                                    .c = out->product,
                                    .ldc = COLUMNS};
    const struct wm_workshop shop = {.kernels = k,
                                     .team = team,
                                     .shared = shared,
                                     .shared_floats = WM_GEMM_MIN_SHARED,
                                     .scratch = scratch,
                                     .scratch_floats = WM_GEMM_SCRATCH};
    wm_gemm(&shop, &product);
}

static void same_bits(const struct wm_kernels *k)
{
    static struct outputs in, want, got;
    for (unsigned round = 0; round < 50; round++) {
        for (size_t i = 0; i < 8; i++)
            fill(in.x[i], N);
        for (size_t i = 0; i < N; i++)
            in.x[3][i] = fabsf(in.x[3][i]); /* second moments */
        run(&wm_kernels_portable, &in, &want);
        run(k, &in, &got);
        multiply(&wm_kernels_portable, &in, &want);
        multiply(k, &in, &got);
        CHECK_(memcmp(want.product, got.product, sizeof want.product) == 0, "%s: products differ",
               k->name);
        for (size_t i = 0; i < 8; i++)
            CHECK_(memcmp(want.x[i], got.x[i], sizeof want.x[i]) == 0, "%s: buffer %zu differs",
                   k->name, i);
    }
}

static void in_session(void *arg)
{
    volatile float least = 0x1p-126f, half = 0.5f;
    (void)arg;
#if defined(__x86_64__) || defined(__aarch64__)
    CHECK(least * half == 0);
#endif
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++)
        same_bits(*k);
}

int main(void)
{
    struct wm_error err;
    CHECK_OK(wm_team_new(1, &team, &err), err);
    wm_team_session(team, in_session, NULL);
    wm_team_free(team);
    return test_summary();
}
