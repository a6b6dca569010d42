/* SPDX-License-Identifier: Apache-2.0 */
#include "bench/common/peak.h"

#include <string.h>

#if defined(__x86_64__)

#    include <immintrin.h>

/* Enough independent sums to hide six cycles of latency of two units. */
#    define SUMS(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
enum { N_SUMS = 12, STEPS = 64 };

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

peak_loop *peak_of(const char *name)
{
    if (strcmp(name, "avx512-bf16") == 0)
        return loop_pairs;
    if (strcmp(name, "avx512") == 0)
        return loop_512;
    return strcmp(name, "avx2") == 0 ? loop_256 : NULL;
}

#else

peak_loop *peak_of(const char *name)
{
    (void)name;
    return NULL;
}

#endif
