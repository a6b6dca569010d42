/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512: a tile of 12 × 32 holds 24 accumulators in the 32 registers, enough to hide the latency
 * of two multiply-add units. */
#include "trainer/kernels.h"

#if defined(__x86_64__)

#    include <immintrin.h>
#    include <math.h>
#    include <string.h>

#    if defined(__clang__)
#        pragma clang attribute push(                                               \
            __attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl"))), \
            apply_to = function)
#    else
#        pragma GCC push_options
#        pragma GCC target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl")
#    endif

#    define WM_LANES 16
#    include "trainer/lanes.inc.h"

#    include "trainer/kernels.inc.h"
#    include "trainer/kernels_llama.inc.h"

enum { MR = 12, NR = 32 };

#    define ROWS(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
/* The pointers walk, so the compiler does not hold twelve products of the row stride. */
#    define LOAD(i)                                                             \
        __m512 l##i = _mm512_loadu_ps(from), h##i = _mm512_loadu_ps(from + 16); \
        from += ld_from;
#    define STEP(i)                          \
        x = _mm512_set1_ps(a[i]);            \
        l##i = _mm512_fmadd_ps(x, b0, l##i); \
        h##i = _mm512_fmadd_ps(x, b1, h##i);
#    define STORE(i)                    \
        _mm512_storeu_ps(c, l##i);      \
        _mm512_storeu_ps(c + 16, h##i); \
        c += ldc;
#    define LOAD_NARROW(i)                   \
        __m512 l##i = _mm512_loadu_ps(from); \
        from += ld_from;
#    define STEP_NARROW(i) l##i = _mm512_fmadd_ps(_mm512_set1_ps(a[i]), b0, l##i);
#    define STORE_NARROW(i)        \
        _mm512_storeu_ps(c, l##i); \
        c += ldc;

static void tile_narrow(size_t k, const float *a, const float *b, const float *from, size_t ld_from,
                        float *c, size_t ldc)
{
    ROWS(LOAD_NARROW)
    for (; k; k--, a += MR, b += NR) {
        const __m512 b0 = _mm512_loadu_ps(b);
        ROWS(STEP_NARROW)
    }
    ROWS(STORE_NARROW)
}

static void tile(size_t k, const float *a, const float *b, const float *from, size_t ld_from,
                 float *c, size_t ldc, bool narrow)
{
    if (narrow) {
        tile_narrow(k, a, b, from, ld_from, c, ldc);
        return;
    }
    ROWS(LOAD)
    for (; k; k--, a += MR, b += NR) {
        const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
        __m512 x;
        ROWS(STEP)
    }
    ROWS(STORE)
}

#    if defined(__clang__)
#        pragma clang attribute pop
#    else
#        pragma GCC pop_options
#    endif

const struct wm_kernels wm_kernels_avx512 = {
    .name = "avx512",
    .mr = MR,
    .nr = NR,
    .tile = tile,
    WM_VECTOR_KERNELS,
};

#else
typedef int wm_no_avx512_here; /* a translation unit may not be empty */
#endif
