/* SPDX-License-Identifier: Apache-2.0 */
/* The matrix tile in standard C. */
#include <math.h>
#if defined(__SSE2__) && !defined(WM_PORTABLE)
#    include <emmintrin.h>
#endif

#include "trainer/tile.h"

enum { MR = 4, NR = 16 };

#if defined(__SSE2__) && !defined(WM_PORTABLE) && !defined(__FP_FAST_FMAF)

/* Without the instruction fmaf is a slow call. The product of two floats is exact in double, so
 * their sum rounded to double and again to float is right unless the first rounding lands half-way
 * between two floats (low 29 bits 1000…) or the result is subnormal (exponent below that of 2^-126,
 * not a zero). Not 0 in a lane where that is so. */
static inline __m128i doubtful(__m128d r)
{
    const __m128i halfway = _mm_set_epi32(-1, 0x10000000, -1, 0x10000000);
    const __m128i least = _mm_set_epi32(0x38100000, 0, 0x38100000, 0);
    const __m128i low = _mm_set_epi32(0, 0x1FFFFFFF, 0, 0x1FFFFFFF);
    const __m128i high = _mm_set_epi32(0x7FFFFFFF, 0, 0x7FFFFFFF, 0);
    const __m128i bits = _mm_castpd_si128(r), top = _mm_and_si128(bits, high);
    const __m128i small =
        _mm_and_si128(_mm_cmpgt_epi32(top, _mm_setzero_si128()), _mm_cmpgt_epi32(least, top));
    return _mm_or_si128(_mm_cmpeq_epi32(_mm_and_si128(bits, low), halfway), small);
}

/* Sums are floats held in double. A row with a doubtful lane is made again with fmaf. */
static inline void multiply_add(double *sum, float a, const double *b)
{
    const __m128d all = _mm_set1_pd((double)a);
    __m128i doubt = _mm_setzero_si128();
    __m128d r[NR / 2];
    for (size_t j = 0; j < NR / 2; j++) {
        r[j] = _mm_add_pd(_mm_mul_pd(all, _mm_loadu_pd(b + 2 * j)), _mm_loadu_pd(sum + 2 * j));
        doubt = _mm_or_si128(doubt, doubtful(r[j]));
    }
    if (_mm_movemask_epi8(doubt)) {
        for (size_t j = 0; j < NR; j++)
            sum[j] = (double)fmaf(a, (float)b[j], (float)sum[j]);
        return;
    }
    for (size_t j = 0; j < NR / 2; j++)
        _mm_storeu_pd(sum + 2 * j, _mm_cvtps_pd(_mm_cvtpd_ps(r[j])));
}

typedef double accumulator;

#else

static inline void multiply_add(float *sum, float a, const double *b)
{
    for (size_t j = 0; j < NR; j++)
        sum[j] = fmaf(a, (float)b[j], sum[j]);
}

typedef float accumulator;

#endif

static void run(size_t n_k, const void *packed_a, const void *packed_b, const float *from,
                size_t ld_from, float *c, size_t ldc, bool narrow,
                const struct wm_tile_ahead *ahead)
{
    (void)ahead;
    const float *a = packed_a, *b = packed_b;
    const size_t n = narrow ? NR / 2 : NR;
    accumulator sum[MR][NR] = {{0}};
    double row[NR];
    for (size_t i = 0; i < MR; i++)
        for (size_t j = 0; j < n; j++)
            sum[i][j] = (accumulator)from[i * ld_from + j];
    for (; n_k; n_k--, a += MR, b += NR) {
        for (size_t j = 0; j < NR; j++)
            row[j] = (double)b[j];
        for (size_t i = 0; i < MR; i++)
            multiply_add(sum[i], a[i], row);
    }
    for (size_t i = 0; i < MR; i++)
        for (size_t j = 0; j < n; j++)
            c[i * ldc + j] = (float)sum[i][j];
}

const struct wm_gemm_tile wm_tile_f32_portable = {
    .name = "portable",
    .native = true,
    .mr = MR,
    .nr = NR,
    .k_step = 1,
    .element = sizeof(float),
    .pack_a = wm_pack_f32,
    .pack_b = wm_pack_f32,
    .run = run,
};

const struct wm_gemm_tile wm_tile_bf16_portable = {
    .name = "portable, rounded",
    .mr = MR,
    .nr = NR,
    .k_step = 1,
    .element = sizeof(float),
    .pack_a = wm_pack_rounded,
    .pack_b = wm_pack_rounded,
    .run = run,
};
