/* SPDX-License-Identifier: Apache-2.0 */
/* AVX2 and FMA: a tile of 6 × 16 holds 12 accumulators in the 16 registers. */
#include "trainer/tile.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>

#    if defined(__clang__)
#        pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#    else
#        pragma GCC push_options
#        pragma GCC target("avx2,fma")
#    endif

enum { MR = 6, NR = 16, LINE = 16 };

#    define ROWS(f) f(0) f(1) f(2) f(3) f(4) f(5)
/* The pointers walk, so the compiler does not hold twelve products of the row stride. */
#    define LOAD(i)                                                            \
        __m256 l##i = _mm256_loadu_ps(from), h##i = _mm256_loadu_ps(from + 8); \
        from += ld_from;
#    define STEP(i)                          \
        x = _mm256_broadcast_ss(a + (i));    \
        l##i = _mm256_fmadd_ps(x, b0, l##i); \
        h##i = _mm256_fmadd_ps(x, b1, h##i);
#    define STORE(i)                   \
        _mm256_storeu_ps(c, l##i);     \
        _mm256_storeu_ps(c + 8, h##i); \
        c += ldc;
#    define LOAD_NARROW(i)                   \
        __m256 l##i = _mm256_loadu_ps(from); \
        from += ld_from;
#    define STEP_NARROW(i) l##i = _mm256_fmadd_ps(_mm256_broadcast_ss(a + (i)), b0, l##i);
#    define STORE_NARROW(i)        \
        _mm256_storeu_ps(c, l##i); \
        c += ldc;

static void run_narrow(size_t n_k, const float *a, const float *b, const float *from,
                       size_t ld_from, float *c, size_t ldc)
{
    ROWS(LOAD_NARROW)
    for (; n_k; n_k--, a += MR, b += NR) {
        const __m256 b0 = _mm256_loadu_ps(b);
        ROWS(STEP_NARROW)
    }
    ROWS(STORE_NARROW)
}

/* Addresses may lie beyond a matrix: nothing is read. */
static inline void fetch(const float *p, size_t at)
{
    __builtin_prefetch((const void *)((uintptr_t)p + at * sizeof *p));
}

static inline void fetch_far(const float *p, size_t at)
{
    __builtin_prefetch((const void *)((uintptr_t)p + at * sizeof *p), 0, 2);
}

/* Rows of the next tile's C are fetched one by one between the steps; all at once they would hold
 * up the loads of a and b. */
static void run(size_t n_k, const void *packed_a, const void *packed_b, const float *from,
                size_t ld_from, float *c, size_t ldc, bool narrow,
                const struct wm_tile_ahead *ahead)
{
    const float *a = packed_a, *b = packed_b;
    if (narrow) {
        run_narrow(n_k, a, b, from, ld_from, c, ldc);
        return;
    }
    ROWS(LOAD)
    for (size_t left = n_k, part = left / WM_TILE_FETCHES + 1, i = 0; left; i++) {
        size_t n = part < left ? part : left;
        left -= n;
        if (i < MR)
            fetch(ahead->c, i * ldc);
        for (size_t k = 0; k < ahead->n; k += LINE)
            fetch_far(ahead->from, i * ahead->step + k);
        for (; n; n--, a += MR, b += NR) {
            const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);
            __m256 x;
            ROWS(STEP)
        }
    }
    ROWS(STORE)
}

#    if defined(__clang__)
#        pragma clang attribute pop
#    else
#        pragma GCC pop_options
#    endif

const struct wm_gemm_tile wm_tile_f32_avx2 = {
    .name = "avx2",
    .native = true,
    .mr = MR,
    .nr = NR,
    .k_step = 1,
    .element = sizeof(float),
    .pack_a = wm_pack_f32,
    .pack_b = wm_pack_f32,
    .run = run,
};

const struct wm_gemm_tile wm_tile_bf16_avx2 = {
    .name = "avx2, rounded",
    .native = false,
    .mr = MR,
    .nr = NR,
    .k_step = 1,
    .element = sizeof(float),
    .pack_a = wm_pack_rounded,
    .pack_b = wm_pack_rounded,
    .run = run,
};

#else
typedef int wm_no_avx2_tile_here; /* a translation unit may not be empty */
#endif
