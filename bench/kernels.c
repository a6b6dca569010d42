/* SPDX-License-Identifier: Apache-2.0 */
/* What the vector kernels and attention give on one thread, beside copying memory and multiplying
 * matrices.
 *
 *     bench_kernels [kernels]
 *
 * Kernels run over rows of 768 floats, first ones that stay in cache, then ones that come from
 * memory. Numbers are of processor time, the best of some: other processes disturb them little. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/common/arguments.h"
#include "trainer/attention.h"

enum {
    COLUMNS = 768,
    CACHED_ROWS = 8,     /* 24 kB an array */
    MEMORY_ROWS = 40000, /* 120 MB an array */
    REPEATS = 9,
};

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static float *arrays[4]; /* [MEMORY_ROWS, COLUMNS] each */
static float *gain, *bias, *rows_a, *rows_b;
static volatile double sink;

struct kernel {
    const char *name;
    void (*row)(const struct wm_kernels *k, size_t row);
    unsigned reads, writes; /* floats an element */
};

static float *at(unsigned array, size_t row)
{
    return arrays[array] + row * COLUMNS;
}

static void copy(const struct wm_kernels *k, size_t row)
{
    (void)k;
    memcpy(at(0, row), at(1, row), COLUMNS * sizeof(float));
}

static void add(const struct wm_kernels *k, size_t row)
{
    k->add(at(0, row), at(1, row), COLUMNS);
}

static void axpy(const struct wm_kernels *k, size_t row)
{
    k->axpy(at(0, row), 1e-3f, at(1, row), COLUMNS);
}

static void scale(const struct wm_kernels *k, size_t row)
{
    k->scale(at(0, row), -1, COLUMNS);
}

static void dot(const struct wm_kernels *k, size_t row)
{
    sink = sink + (double)k->dot(at(0, row), at(1, row), COLUMNS);
}

static void sum_squares(const struct wm_kernels *k, size_t row)
{
    sink = sink + k->sum_squares(at(0, row), COLUMNS);
}

static void layer_norm(const struct wm_kernels *k, size_t row)
{
    k->layer_norm(at(1, row), gain, bias, 1e-5f, COLUMNS, at(0, row), &rows_a[row], &rows_b[row]);
}

static void layer_norm_back(const struct wm_kernels *k, size_t row)
{
    k->layer_norm_back(at(1, row), at(2, row), gain, 0, 1, COLUMNS, at(0, row), arrays[3],
                       arrays[3] + COLUMNS);
}

static void rms_norm(const struct wm_kernels *k, size_t row)
{
    k->rms_norm(at(1, row), gain, 1e-5f, COLUMNS, at(0, row), &rows_a[row]);
}

static void rms_norm_back(const struct wm_kernels *k, size_t row)
{
    k->rms_norm_back(at(1, row), at(2, row), gain, 1, COLUMNS, true, at(0, row), arrays[3]);
}

static void rms_norm_heads(const struct wm_kernels *k, size_t row)
{
    for (size_t i = 0; i < COLUMNS; i += 64)
        k->rms_norm(at(1, row) + i, gain, 1e-5f, 64, at(0, row) + i, &rows_a[row]);
}

static void rope(const struct wm_kernels *k, size_t row)
{
    k->rope(at(0, row), gain, bias, 32, COLUMNS / 64, row % 2);
}

static void gelu(const struct wm_kernels *k, size_t row)
{
    k->gelu(at(1, row), at(0, row), COLUMNS);
}

static void gelu_back(const struct wm_kernels *k, size_t row)
{
    k->gelu_back(at(1, row), at(0, row), COLUMNS);
}

static void swiglu(const struct wm_kernels *k, size_t row)
{
    k->swiglu(at(1, row), at(2, row), at(0, row), COLUMNS);
}

static void swiglu_back(const struct wm_kernels *k, size_t row)
{
    k->swiglu_back(at(1, row), at(2, row), at(3, row), at(0, row), at(3, row), COLUMNS);
}

static void top(const struct wm_kernels *k, size_t row)
{
    sink = sink + (double)k->top(at(1, row), COLUMNS);
}

static void exp_sum(const struct wm_kernels *k, size_t row)
{
    sink = sink + (double)k->exp_sum(at(0, row), COLUMNS, 1, 1);
}

static void softmax(const struct wm_kernels *k, size_t row)
{
    float max;
    sink = sink + (double)k->softmax(at(0, row), COLUMNS, COLUMNS, 1, &max);
}

static void logs(const struct wm_kernels *k, size_t row)
{
    k->log(at(0, row), COLUMNS);
}

static void scores_back(const struct wm_kernels *k, size_t row)
{
    k->scores_back(at(0, row), at(1, row), 1, 1, 0.125f, COLUMNS);
}

static void adamw(const struct wm_kernels *k, size_t row)
{
    static const struct wm_adamw_constants c = {1, 1, 0.9f, 0.1f, 0.95f, 0.05f, 1, 1e-8f, 1e-9f};
    k->adamw(at(0, row), at(1, row), at(2, row), at(3, row), &c, COLUMNS);
}

static const struct kernel kernels[] = {
    {"memcpy", copy, 1, 1},
    {"add", add, 2, 1},
    {"axpy", axpy, 2, 1},
    {"scale", scale, 1, 1},
    {"dot", dot, 2, 0},
    {"sum_squares", sum_squares, 1, 0},
    {"layer_norm", layer_norm, 1, 1},
    {"layer_norm_back", layer_norm_back, 3, 1},
    {"rms_norm", rms_norm, 1, 1},
    {"rms_norm_back", rms_norm_back, 3, 1},
    {"rms_norm, heads of 64", rms_norm_heads, 1, 1},
    {"rope, heads of 64", rope, 1, 1},
    {"gelu", gelu, 1, 1},
    {"gelu_back", gelu_back, 2, 1},
    {"swiglu", swiglu, 2, 1},
    {"swiglu_back", swiglu_back, 3, 2},
    {"top", top, 1, 0},
    {"exp_sum", exp_sum, 1, 1},
    {"softmax", softmax, 1, 1},
    {"log", logs, 1, 1},
    {"scores_back", scores_back, 2, 2},
    {"adamw", adamw, 4, 3},
};

static void fill_arrays(size_t n_rows)
{
    uint32_t state = 1;
    for (size_t j = 0; j < sizeof arrays / sizeof *arrays; j++) {
        for (size_t i = 0; i < n_rows * COLUMNS; i++) {
            state = state * 1664525u + 1013904223u;
            arrays[j][i] = (float)((int32_t)state >> 8) * 0x1p-23f;
            if (j == 3)
                arrays[j][i] = fabsf(arrays[j][i]); /* second moments */
        }
    }
}

/* Elements a second. */
static double rate(const struct wm_kernels *k, const struct kernel *kernel, size_t n_rows,
                   unsigned passes)
{
    double best = INFINITY;
    fill_arrays(n_rows);
    for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
        const double begin = seconds();
        for (unsigned pass = 0; pass < passes; pass++)
            for (size_t row = 0; row < n_rows; row++)
                kernel->row(k, row);
        best = fmin(best, seconds() - begin);
    }
    return (double)n_rows * COLUMNS * passes / best;
}

static void bench_vectors(const struct wm_kernels *k)
{
    (void)printf("%-24s%16s%10s%16s%10s\n", "kernel", "cached el/ns", "GB/s", "memory el/ns",
                 "GB/s");
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        const struct kernel *kernel = &kernels[i];
        const double bytes = 4.0 * (kernel->reads + kernel->writes);
        const double cached = rate(k, kernel, CACHED_ROWS, 400);
        const double memory = rate(k, kernel, MEMORY_ROWS, 1);
        (void)printf("%-24s%16.2f%10.1f%16.2f%10.1f\n", kernel->name, cached * 1e-9,
                     cached * bytes * 1e-9, memory * 1e-9, memory * bytes * 1e-9);
    }
}

/* ---- attention ---- */

struct shape {
    const char *name;
    uint32_t b, t, n_head, n_kv_head, depth;
};

static const struct shape shapes[] = {
    {"B4 T64 H6 D64", 4, 64, 6, 6, 64},         {"B4 T256 H6 D64", 4, 256, 6, 6, 64},
    {"B4 T256 H12 D64", 4, 256, 12, 12, 64},    {"B1 T1024 H12 D64", 1, 1024, 12, 12, 64},
    {"B1 T1024 H12/4 D64", 1, 1024, 12, 4, 64}, {"B4 T256 H12 D32", 4, 256, 12, 12, 32},
    {"B2 T512 H6 D128", 2, 512, 6, 6, 128},
};

static double product_rate(const struct wm_workshop *shop)
{
    enum { M = 96, N = 512, K = 256 };
    const struct wm_gemm product = {.m = M,
                                    .n = N,
                                    .k = K,
                                    .a = {arrays[0], K, false},
                                    .b = {arrays[1], N, true},
                                    .c = arrays[2],
                                    .ldc = N};
    double best = INFINITY;
    for (unsigned repeat = 0; repeat < 60; repeat++) {
        const double begin = seconds();
        wm_gemm(shop, &product);
        best = fmin(best, seconds() - begin);
    }
    return 2.0 * M * N * K / best;
}

static void bench_shape(const struct wm_workshop *shop, const struct shape *s)
{
    const size_t width = (size_t)s->n_head * s->depth, kv = (size_t)s->n_kv_head * s->depth;
    const size_t rows = (size_t)s->b * s->t;
    float *next = arrays[0], *m[8];
    for (size_t i = 0; i < 8; i++, next += rows * width)
        m[i] = next;
    const struct wm_attention a = {.b = s->b,
                                   .t = s->t,
                                   .t_kv = s->t,
                                   .n_head = s->n_head,
                                   .n_kv_head = s->n_kv_head,
                                   .head_dim = s->depth,
                                   .q = m[0],
                                   .ld_q = width,
                                   .k = m[1],
                                   .v = m[2],
                                   .ld_kv = kv,
                                   .mask = WM_MASK_CAUSAL,
                                   .out = m[3],
                                   .ld_out = width,
                                   .norm = arrays[1]};
    double forward = INFINITY, backward = INFINITY;
    for (unsigned repeat = 0; repeat < REPEATS; repeat++) {
        double begin = seconds();
        wm_attention_forward(shop, &a);
        forward = fmin(forward, seconds() - begin);
        begin = seconds();
        wm_attention_backward(shop, &a, m[4], width, m[5], m[6], m[7], width, kv);
        backward = fmin(backward, seconds() - begin);
    }
    /* the half of the square that the mask leaves */
    const double flops = 2.0 * (double)rows * (double)(s->t + 1) * (double)width;
    (void)printf("%-24s%10.2f ms%8.1f GFLOP/s%10.2f ms%8.1f GFLOP/s\n", s->name, forward * 1e3,
                 flops / forward * 1e-9, backward * 1e3, 2.5 * flops / backward * 1e-9);
}

static void bench_attention(struct wm_workshop *shop)
{
    fill_arrays(MEMORY_ROWS);
    (void)printf(
        "\nattention, forward and backward (4 and 10 × T (T + 1) / 2 × D a head); a product "
        "96 × 512 × 256: %.1f GFLOP/s\n",
        product_rate(shop) * 1e-9);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        bench_shape(shop, &shapes[i]);
}

static void bench(void *shop)
{
    (void)printf("%s, one thread\n", ((struct wm_workshop *)shop)->kernels->name);
    bench_vectors(((struct wm_workshop *)shop)->kernels);
    bench_attention(shop);
}

static const struct wm_kernels *choose(int argc, char **argv)
{
    const struct wm_kernels *const *k = wm_kernels_available();
    while (argc > 1 && *k && strcmp((*k)->name, argv[1]) != 0)
        k++;
    return *k;
}

int main(int argc, char **argv)
{
    arguments_help(argc, argv, "[kernels]");
    struct wm_error err = {0};
    struct wm_workshop shop = {.kernels = choose(argc, argv)};
    if (!shop.kernels || wm_team_new(1, &shop.team, &err)) {
        (void)fprintf(stderr, "%s\n", shop.kernels ? err.what : "no such kernels here");
        return 1;
    }
    shop.scratch_floats = wm_attention_scratch_floats(128) + WM_GEMM_SCRATCH;
    shop.scratch = malloc(shop.scratch_floats * sizeof(float));
    shop.shared_floats = wm_gemm_shared_floats(512, 256);
    shop.shared = malloc(shop.shared_floats * sizeof(float));
    const size_t floats = (size_t)MEMORY_ROWS * COLUMNS;
    float *memory = malloc(4 * floats * sizeof *memory);
    float *rows = malloc((size_t)(4 * MEMORY_ROWS + 2 * COLUMNS) * sizeof *rows);
    if (!shop.scratch || !shop.shared || !memory || !rows) {
        (void)fprintf(stderr, "no memory\n");
        return 1;
    }
    for (size_t i = 0; i < 4; i++)
        arrays[i] = memory + i * floats;
    rows_a = rows;
    rows_b = rows_a + MEMORY_ROWS;
    gain = rows_b + MEMORY_ROWS;
    bias = gain + COLUMNS;
    for (size_t i = 0; i < COLUMNS; i++) {
        gain[i] = 0.8f;
        bias[i] = 0.6f;
    }
    wm_team_session(shop.team, bench, &shop);
    wm_team_free(shop.team);
    free(shop.scratch);
    free(shop.shared);
    free(memory);
    free(rows);
    return 0;
}
