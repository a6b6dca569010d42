/* SPDX-License-Identifier: Apache-2.0 */
/* Packing of factors in standard C with four-float vectors. */
#include <string.h>

#include "trainer/tile.h"

enum { PACK_K = 128 }; /* of a panel written at a time, so that it stays in cache */

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Four by four through registers; a plain loop would store one float per cycle. */
static inline void turn_4(float *dst, size_t width, const float *s, size_t ld)
{
    typedef float four __attribute__((vector_size(16)));
    four r0, r1, r2, r3;
    memcpy(&r0, s, sizeof r0);
    memcpy(&r1, s + ld, sizeof r1);
    memcpy(&r2, s + 2 * ld, sizeof r2);
    memcpy(&r3, s + 3 * ld, sizeof r3);
    const four a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
    const four b = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
    const four c = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    const four d = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
    r0 = __builtin_shufflevector(a, b, 0, 1, 4, 5);
    r1 = __builtin_shufflevector(a, b, 2, 3, 6, 7);
    r2 = __builtin_shufflevector(c, d, 0, 1, 4, 5);
    r3 = __builtin_shufflevector(c, d, 2, 3, 6, 7);
    memcpy(dst, &r0, sizeof r0);
    memcpy(dst + width, &r1, sizeof r1);
    memcpy(dst + 2 * width, &r2, sizeof r2);
    memcpy(dst + 3 * width, &r3, sizeof r3);
}

/* Two rows: what is left of a panel of 6. */
static inline void turn_2(float *dst, size_t width, const float *s, size_t ld)
{
    typedef float four __attribute__((vector_size(16)));
    four r0, r1;
    memcpy(&r0, s, sizeof r0);
    memcpy(&r1, s + ld, sizeof r1);
    const four a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
    const four b = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
    const size_t pair = 2 * sizeof *dst;
    memcpy(dst, &a, pair);
    memcpy(dst + width, (const char *)&a + pair, pair);
    memcpy(dst + 2 * width, &b, pair);
    memcpy(dst + 3 * width, (const char *)&b + pair, pair);
}

static void transpose(float *dst, size_t width, const float *src, size_t ld, size_t n_outer,
                      size_t n_k)
{
    size_t o = 0;
    for (size_t n; (n = n_outer - o >= 4 ? 4 : n_outer - o >= 2 ? 2 : 0); o += n) {
        const float *from = src + o * ld;
        float *to = dst + o;
        size_t k = 0;
        for (; k + 4 <= n_k; k += 4, from += 4, to += 4 * width) {
            if (n == 4)
                turn_4(to, width, from, ld);
            else
                turn_2(to, width, from, ld);
        }
        for (; k < n_k; k++, from++, to += width)
            for (size_t i = 0; i < n; i++)
                to[i] = from[i * ld];
    }
    for (; o < n_outer; o++)
        for (size_t k = 0; k < n_k; k++)
            dst[k * width + o] = src[o * ld + k];
}

/* From [outer, k]: panel by panel. */
static void pack_columns(float *dst, size_t width, const float *src, size_t ld, size_t n_outer,
                         size_t n_k)
{
    for (size_t o = 0; o < n_outer; o += width, dst += width * n_k) {
        const size_t n = min_size(width, n_outer - o);
        if (n < width)
            memset(dst, 0, width * n_k * sizeof *dst);
        for (size_t k = 0; k < n_k; k += PACK_K)
            transpose(dst + k * width, width, src + o * ld + k, ld, n, min_size(PACK_K, n_k - k));
    }
}

/* From [k, outer]: row by row into all panels at once, so that memory is read in order. `width` is
 * a constant where this is called from, and its copies are a few instructions. */
static inline void pack_rows(float *dst, size_t width, const float *src, size_t ld, size_t n_outer,
                             size_t n_k)
{
    const size_t panel = width * n_k, whole = n_outer / width * width, rest = n_outer - whole;
    for (size_t k = 0; k < n_k; k++, src += ld, dst += width) {
        float *to = dst;
        for (size_t o = 0; o < whole; o += width, to += panel)
            memcpy(to, src + o, width * sizeof *to);
        if (rest) {
            memcpy(to, src + whole, rest * sizeof *to);
            memset(to + rest, 0, (width - rest) * sizeof *to);
        }
    }
}

void wm_pack_f32(void *dst, size_t width, const float *src, size_t ld, bool k_rows, size_t n_outer,
                 size_t n_k)
{
    if (!k_rows)
        pack_columns(dst, width, src, ld, n_outer, n_k);
    else if (width == 16)
        pack_rows(dst, 16, src, ld, n_outer, n_k);
    else if (width == 6)
        pack_rows(dst, 6, src, ld, n_outer, n_k);
    else
        pack_rows(dst, width, src, ld, n_outer, n_k);
}

float wm_bf16_round(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    if ((u & 0x7FFFFFFFu) > 0x7F800000u)
        u |= 0x400000u; /* a quiet NaN */
    else if ((u & 0x7F800000u) == 0)
        u &= 0x80000000u;
    else
        u += 0x7FFFu + (u >> 16 & 1);
    u &= 0xFFFF0000u;
    memcpy(&x, &u, sizeof u);
    return x;
}

void wm_pack_rounded(void *dst, size_t width, const float *src, size_t ld, bool k_rows,
                     size_t n_outer, size_t n_k)
{
    float *x = dst;
    const size_t n = (n_outer + width - 1) / width * width * n_k;
    wm_pack_f32(dst, width, src, ld, k_rows, n_outer, n_k);
    for (size_t i = 0; i < n; i++)
        x[i] = wm_bf16_round(x[i]);
}
