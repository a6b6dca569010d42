/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/fma.h"

#include <math.h>
#include <string.h>

/* Enough independent sums to hide six cycles of latency of two units. */
enum { N_SUMS = 12, STEPS = 64 };

/* Standard C: one at a time, as the portable tile does it. */
static double loop_portable(size_t rounds)
{
    const float x = 0.5f, y = 1e-3f;
    float sums[N_SUMS] = {0};
    for (size_t i = 0; i < rounds * STEPS; i++)
        for (size_t k = 0; k < N_SUMS; k++)
            sums[k] = fmaf(x, y, sums[k]);
    volatile float read = 0; /* or nothing would be computed */
    for (size_t k = 0; k < N_SUMS; k++)
        read = read + sums[k];
    return (double)rounds * STEPS * N_SUMS * 2;
}

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>

#    define SUMS(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)

/* The barrier keeps the compiler from folding steps together. */
#    define DECLARE_256(i) __m256 s##i = _mm256_set1_ps(0.5f);
#    define STEP_256(i)                     \
        s##i = _mm256_fmadd_ps(x, y, s##i); \
        __asm__ volatile("" : "+x"(s##i));
#    define DECLARE_512(i) __m512 s##i = _mm512_set1_ps(0.5f);
#    define STEP_512(i)                     \
        s##i = _mm512_fmadd_ps(x, y, s##i); \
        __asm__ volatile("" : "+v"(s##i));
#    define STEP_PAIRS(i)                    \
        s##i = _mm512_dpbf16_ps(s##i, x, y); \
        __asm__ volatile("" : "+v"(s##i));

__attribute__((target("avx2,fma"))) static double loop_256(size_t rounds)
{
    const __m256 x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(1e-3f);
    SUMS(DECLARE_256)
    for (size_t i = 0; i < rounds * STEPS; i++) {
        SUMS(STEP_256)
    }
    return (double)rounds * STEPS * N_SUMS * 8 * 2;
}

__attribute__((target("avx512f"))) static double loop_512(size_t rounds)
{
    const __m512 x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(1e-3f);
    SUMS(DECLARE_512)
    for (size_t i = 0; i < rounds * STEPS; i++) {
        SUMS(STEP_512)
    }
    return (double)rounds * STEPS * N_SUMS * 16 * 2;
}

__attribute__((target("avx512f,avx512bw,avx512bf16"))) static double loop_pairs(size_t rounds)
{
    const __m512bh x = (__m512bh)_mm512_set1_epi32(0x3F003F00);
    const __m512bh y = (__m512bh)_mm512_set1_epi32(0x3A833A83);
    SUMS(DECLARE_512)
    for (size_t i = 0; i < rounds * STEPS; i++) {
        SUMS(STEP_PAIRS)
    }
    return (double)rounds * STEPS * N_SUMS * 32 * 2;
}

wm_fma_loop *wm_fma_loop_of(const char *name)
{
    if (strcmp(name, "avx512-bf16") == 0)
        return loop_pairs;
    if (strncmp(name, "avx512", 6) == 0) /* "avx512, rounded" too */
        return loop_512;
    return strncmp(name, "avx2", 4) == 0 ? loop_256 : loop_portable;
}

#else

wm_fma_loop *wm_fma_loop_of(const char *name)
{
    (void)name;
    return loop_portable;
}

#endif
