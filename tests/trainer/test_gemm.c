/* SPDX-License-Identifier: Apache-2.0 */
/* Products against their definition: one chain of fused multiply-adds an element. Because that
 * chain is all there is, every instruction set, thread count and blocking must match to the bit.
 * In bf16 the same chain on rounded factors, except for the native instruction: that is held to the
 * exact sum, and to itself over threads and blockings. */
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

static float element(const struct wm_gemm *g, const struct wm_factor *f, size_t outer, size_t k)
{
    const float x = f->k_rows ? f->at[k * f->ld + outer] : f->at[outer * f->ld + k];
    return g->type == WM_GEMM_BF16 ? wm_bf16_round(x) : x;
}

static float start(const struct wm_gemm *g, const float *c, size_t j)
{
    return g->start == WM_START_C ? *c : g->start == WM_START_BIAS ? g->bias[j] : 0;
}

static void naive(const struct wm_gemm *g, float *c)
{
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            float *at = &c[i * g->ldc + j], sum = start(g, at, j);
            for (size_t k = 0; k < g->k; k++)
                sum = fmaf(element(g, &g->a, i, k), element(g, &g->b, j, k), sum);
            *at = sum;
        }
    }
}

/* Sums in double beside the sum of magnitudes, which bounds what float32 sums may be off by. */
static size_t n_beyond_rounding(const struct wm_gemm *g, const float *before, const float *c)
{
    size_t n = 0;
    for (size_t i = 0; i < g->m; i++) {
        for (size_t j = 0; j < g->n; j++) {
            double sum = (double)start(g, &before[i * g->ldc + j], j), size = fabs(sum);
            for (size_t k = 0; k < g->k; k++) {
                const double x = (double)element(g, &g->a, i, k) * (double)element(g, &g->b, j, k);
                sum += x;
                size += fabs(x);
            }
            const double off = fabs((double)c[i * g->ldc + j] - sum);
            n += !(off <= 0x1p-24 * size * (4 + sqrt((double)g->k)));
        }
    }
    return n;
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

static float *a, *b, *bias, *before, *want, *got, *shared, *scratch;

static struct wm_team *one; /* a team of one thread */

static struct wm_workshop alone(const struct wm_kernels *kernels)
{
    return (struct wm_workshop){.kernels = kernels,
                                .team = one,
                                .shared = shared,
                                .shared_floats = (size_t)WM_GEMM_MIN_SHARED * 4,
                                .scratch = scratch,
                                .scratch_floats = WM_GEMM_SCRATCH};
}

static bool is_native(const struct wm_gemm *g, const struct wm_kernels *kernels)
{
    return g->type == WM_GEMM_BF16 && kernels->bf16->native && kernels->bf16->k_step > 1;
}

static void multiply(struct wm_gemm *g, const struct wm_workshop *shop, float *c)
{
    g->c = c;
    struct finished f = {g, c};
    g->finish = negate; /* twice is nothing, unless an element is left out */
    g->finish_arg = &f;
    wm_gemm(shop, g);
    g->finish = NULL;
    negate(&f, 0, g->m, 0, g->n);
}

static void compare(struct wm_gemm *g, const struct wm_workshop *shop, const char *what)
{
    const size_t size = g->m * g->ldc * sizeof(float);
    state = 7;
    fill(before, g->m * g->ldc);
    memcpy(want, before, size);
    memcpy(got, before, size);
    if (is_native(g, shop->kernels)) {
        const struct wm_workshop by_one = alone(shop->kernels);
        multiply(g, &by_one, want);
        CHECK_U64(n_beyond_rounding(g, before, want), 0);
    } else {
        naive(g, want);
    }
    multiply(g, shop, got);
    CHECK_(memcmp(want, got, size) == 0,
           "%s %s: type %d, %zu × %zu × %zu, a %d, b %d, start %d differs", shop->kernels->name,
           what, (int)g->type, g->m, g->n, g->k, g->a.k_rows, g->b.k_rows, (int)g->start);
}

static void run_shape(const struct shape *s, const struct wm_workshop *shop, const char *what)
{
    const size_t pad = 3; /* rows do not lie side by side */
    for (unsigned form = 0; form < 8; form++) {
        struct wm_gemm g = {
            .m = s->m,
            .n = s->n,
            .k = s->k,
            .type = form & 4 ? WM_GEMM_BF16 : WM_GEMM_F32,
            .a = {a, (form & 1 ? s->m : s->k) + pad, form & 1},
            .b = {b, (form & 2 ? s->n : s->k) + pad, form & 2},
            .ldc = s->n + pad,
            .start = (enum wm_gemm_start)((form + s->n) % 3),
            .bias = bias,
        };
        compare(&g, shop, what);
    }
}

/* Ties to even, overflow to infinity, subnormals to zero, NaN stays one. */
static void rounding(void)
{
    static const struct {
        uint32_t from, to;
    } pairs[] = {{0x3F808000, 0x3F800000}, {0x3F818000, 0x3F820000}, {0x3F808001, 0x3F810000},
                 {0xBF807FFF, 0xBF800000}, {0x7F7FFFFF, 0x7F800000}, {0x7F800000, 0x7F800000},
                 {0x00012345, 0x00000000}, {0x80012345, 0x80000000}, {0x00800000, 0x00800000},
                 {0x7F800001, 0x7FC00000}, {0xFFC01234, 0xFFC00000}, {0x80000000, 0x80000000}};
    enum { N = sizeof pairs / sizeof *pairs };
    float x[N], factor[N] = {0};
    for (size_t i = 0; i < N; i++) {
        memcpy(&x[i], &pairs[i].from, sizeof *x);
        const float rounded = wm_bf16_round(x[i]);
        uint32_t bits;
        memcpy(&bits, &rounded, sizeof bits);
        CHECK_(bits == pairs[i].to, "%08x gives %08x", pairs[i].from, bits);
    }
    /* the same by packing, seen through x × 1 */
    factor[0] = 1;
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++) {
        float c[N] = {0};
        const struct wm_gemm g = {.m = N,
                                  .n = 1,
                                  .k = 1,
                                  .type = WM_GEMM_BF16,
                                  .a = {x, 1, false},
                                  .b = {factor, 1, false},
                                  .c = c,
                                  .ldc = 1};
        const struct wm_workshop shop = alone(*k);
        wm_gemm(&shop, &g);
        for (size_t i = 0; i < N; i++) {
            const float want_c = wm_bf16_round(x[i]);
            CHECK_(isnan(want_c) ? isnan(c[i]) : c[i] == want_c, "%s: %08x", (*k)->name,
                   pairs[i].from);
        }
    }
}

/* Where subnormals are flushed, as in a training step, instruction sets still agree. */
static void flushed(void *arg)
{
    const struct wm_kernels *const *all = wm_kernels_available();
    struct wm_team *team = arg;
    enum { SIZE = 40 };
    float *x = before, *first = want, *c = got;
    for (size_t i = 0; i < (size_t)SIZE * SIZE; i++)
        x[i] = random_float() * 0x1p-63f; /* products about the least normal number */
    for (const struct wm_kernels *const *k = all; *k; k++) {
        const struct wm_gemm g = {.m = SIZE,
                                  .n = SIZE,
                                  .k = SIZE,
                                  .a = {x, SIZE, false},
                                  .b = {x, SIZE, true},
                                  .c = k == all ? first : c,
                                  .ldc = SIZE};
        const struct wm_workshop shop = {.kernels = *k,
                                         .team = team,
                                         .shared = shared,
                                         .shared_floats = WM_GEMM_MIN_SHARED,
                                         .scratch = scratch,
                                         .scratch_floats = WM_GEMM_SCRATCH};
        wm_gemm(&shop, &g);
        CHECK_(memcmp(first, g.c, SIZE * SIZE * sizeof *c) == 0, "%s differs", (*k)->name);
    }
    size_t n_zero = 0;
    for (size_t i = 0; i < (size_t)SIZE * SIZE; i++)
        n_zero += first[i] == 0;
    CHECK_(n_zero > 0 && n_zero < (size_t)SIZE * SIZE, "%zu of %d are 0", n_zero, SIZE * SIZE);
}

int main(void)
{
    static const struct shape shapes[] = {
        {1, 1, 1},      {1, 7, 3},     {12, 32, 5},   {13, 33, 257}, {6, 16, 256},
        {95, 47, 100},  {97, 16, 31},  {24, 509, 24}, {17, 72, 24},  {200, 130, 60},
        {40, 70, 2100}, {2, 50257, 5}, {601, 48, 9},  {50, 1600, 21}};
    static const unsigned threads[] = {1, 2, 3, 7};
    a = calloc(MOST, sizeof *a);
    b = calloc(MOST, sizeof *b);
    before = calloc(MOST, sizeof *before);
    want = calloc(MOST, sizeof *want);
    got = calloc(MOST, sizeof *got);
    bias = calloc(1 << 16, sizeof *bias);
    shared = calloc((size_t)WM_GEMM_MIN_SHARED * 4, sizeof *shared);
    scratch = calloc((size_t)WM_GEMM_SCRATCH * 7 + MOST, sizeof *scratch);
    if (!a || !b || !before || !want || !got || !bias || !shared || !scratch)
        return 1;
    fill(a, MOST);
    fill(b, MOST);
    fill(bias, 1 << 16);
    struct wm_error error;
    struct wm_team *two = NULL;
    CHECK_OK(wm_team_new(1, &one, &error), error);
    rounding();
    CHECK_OK(wm_team_new(2, &two, &error), error);
    wm_team_session(two, flushed, two);
    wm_team_free(two);
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++) {
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            const struct shape *s = &shapes[i];
            struct wm_workshop shop = alone(*k);
            run_shape(s, &shop, "alone");
            CHECK_OK(wm_team_new(threads[i % 4], &shop.team, &error), error);
            /* less memory for the packed factor makes more, smaller parts */
            shop.shared_floats = (size_t)WM_GEMM_MIN_SHARED * (i % 2 ? 1 : 4);
            run_shape(s, &shop, "team");
            wm_team_free(shop.team);
        }
    }
    wm_team_free(one);
    free(a);
    free(b);
    free(before);
    free(want);
    free(got);
    free(bias);
    free(shared);
    free(scratch);
    return test_summary();
}
