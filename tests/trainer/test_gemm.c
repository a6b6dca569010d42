/* SPDX-License-Identifier: Apache-2.0 */
/* Products against their definition: one chain of fused multiply-adds an element. Because that
 * chain is all there is, every instruction set, thread count and blocking must match to the bit. */
#include "trainer/gemm.h"

#include <math.h>

#include "test.h"

enum { MOST = 3 << 20 };

static uint32_t state = 1;

static float random_float(void)
{
    state = state * 1664525u + 1013904223u;
    return (float)((int32_t)state >> 8) * 0x1p-22f;
}

static void fill(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = random_float();
}

struct shape {
    size_t m, n, k;
};

static float element(const struct wm_factor *f, size_t outer, size_t k)
{
    return f->k_rows ? f->at[k * f->ld + outer] : f->at[outer * f->ld + k];
}

static void naive(const struct wm_gemm *g, float *c)
{
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            float *at = &c[i * g->ldc + j];
            float sum = g->start == WM_START_C ? *at : g->start == WM_START_BIAS ? g->bias[j] : 0;
            for (size_t k = 0; k < g->k; k++)
                sum = fmaf(element(&g->a, i, k), element(&g->b, j, k), sum);
            *at = sum;
        }
    }
}

struct finished {
    struct wm_gemm *g;
    float *c;
};

static void negate(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const struct finished *f = arg;
    for (size_t i = row; i < row + n_rows; i++)
        for (size_t j = col; j < col + n_cols; j++)
            f->c[i * f->g->ldc + j] = -f->c[i * f->g->ldc + j];
}

static float *a, *b, *bias, *want, *got, *shared, *scratch;

static void compare(struct wm_gemm *g, const struct wm_workshop *shop, const char *what)
{
    const size_t size = g->m * g->ldc * sizeof(float);
    fill(want, g->m * g->ldc);
    memcpy(got, want, size);
    naive(g, want);
    g->c = got;
    struct finished f = {g, got};
    if (shop->team) {
        for (size_t i = 0; i < g->m; i++)
            for (size_t j = 0; j < g->n; j++)
                want[i * g->ldc + j] = -want[i * g->ldc + j];
        g->finish = negate;
        g->finish_arg = &f;
        wm_gemm(shop, g);
    } else {
        wm_gemm_here(shop->kernels, shop->scratch, g);
    }
    g->finish = NULL;
    CHECK_(memcmp(want, got, size) == 0, "%s %s: %zu × %zu × %zu, a %d, b %d, start %d differs",
           shop->kernels->name, what, g->m, g->n, g->k, g->a.k_rows, g->b.k_rows, (int)g->start);
}

static void run_shape(const struct shape *s, const struct wm_workshop *shop, const char *what)
{
    const size_t pad = 3; /* rows do not lie side by side */
    for (unsigned form = 0; form < 4; form++) {
        struct wm_gemm g = {
            .m = s->m,
            .n = s->n,
            .k = s->k,
            .a = {a, (form & 1 ? s->m : s->k) + pad, form & 1},
            .b = {b, (form & 2 ? s->n : s->k) + pad, form & 2},
            .ldc = s->n + pad,
            .start = (enum wm_gemm_start)(form % 3),
            .bias = bias,
        };
        compare(&g, shop, what);
    }
}

int main(void)
{
    static const struct shape shapes[] = {
        {1, 1, 1},    {1, 7, 3},     {12, 32, 5},  {13, 33, 257},  {6, 16, 256},  {95, 47, 100},
        {97, 16, 31}, {24, 509, 24}, {17, 72, 24}, {200, 130, 60}, {40, 70, 2100}};
    static const unsigned threads[] = {1, 2, 3, 7};
    a = calloc(MOST, sizeof *a);
    b = calloc(MOST, sizeof *b);
    want = calloc(MOST, sizeof *want);
    got = calloc(MOST, sizeof *got);
    bias = calloc(4096, sizeof *bias);
    shared = calloc((size_t)WM_GEMM_MIN_SHARED * 4, sizeof *shared);
    scratch = calloc((size_t)WM_GEMM_SCRATCH * 7 + MOST, sizeof *scratch);
    if (!a || !b || !want || !got || !bias || !shared || !scratch)
        return 1;
    fill(a, MOST);
    fill(b, MOST);
    fill(bias, 4096);
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const struct shape *s = &shapes[i];
            struct wm_workshop shop = {.kernels = *k, .shared = shared, .scratch = scratch};
            run_shape(s, &shop, "here");
            struct wm_error err;
            CHECK_OK(wm_team_new(threads[i % 4], &shop.team, &err), err);
            shop.scratch_floats = WM_GEMM_SCRATCH;
            /* less memory for the packed factor makes more, smaller parts */
            shop.shared_floats = (size_t)WM_GEMM_MIN_SHARED * (i % 2 ? 1 : 4);
            run_shape(s, &shop, "team");
            wm_team_free(shop.team);
        }
    }
    free(a);
    free(b);
    free(want);
    free(got);
    free(bias);
    free(shared);
    free(scratch);
    return test_summary();
}
