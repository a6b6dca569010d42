/* SPDX-License-Identifier: Apache-2.0 */
/* AVX-512: a tile of 12 × 32 holds 24 accumulators in the 32 registers, enough to hide the latency
 * of two multiply-add units. The bf16 tile is the same with pairs of k in place of single ones. */
#include "trainer/tile.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>

#    if defined(__clang__)
#        pragma clang attribute push(                                                          \
            __attribute__((target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl,avx512bf16"))), \
            apply_to = function)
#    else
#        pragma GCC push_options
#        pragma GCC target("avx2,fma,avx512f,avx512dq,avx512bw,avx512vl,avx512bf16")
#    endif

/* ---- packing: 32-bit units, a float or a pair of bf16 ---- */

enum {
    MR = 12,
    NR = 32,
    LANES = 16,
    AHEAD = 16,      /* rows that are fetched before they are packed, */
    AHEAD_LINES = 8, /* and lines of each row, where a panel is made of rows */
};

static inline __mmask16 first_lanes(size_t n)
{
    return (__mmask16)(n >= LANES ? 0xFFFF : (1u << n) - 1);
}

static inline size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Rows lie far apart, which the processor's own prefetching does not see through. `at` may lie
 * beyond the matrix: nothing is read. */
static inline void fetch(const float *p, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        __builtin_prefetch((const void *)((uintptr_t)p + (at + i) * sizeof *p));
}

/* The same, but into the second cache: rows a multiple of 4 kB apart would drive each other out of
 * the first. */
static inline void fetch_far(const float *p, size_t at, size_t n)
{
    for (size_t i = 0; i < n; i += LANES)
        __builtin_prefetch((const void *)((uintptr_t)p + (at + i) * sizeof *p), 0, 2);
}

/* Lane group j holds four units of row 4 j. */
static inline __m512 four_rows(const float *rows)
{
    __m512 v = _mm512_castps128_ps512(_mm_load_ps(rows));
    v = _mm512_mask_broadcast_f32x4(v, 0x00F0, _mm_load_ps(rows + 4 * LANES));
    v = _mm512_mask_broadcast_f32x4(v, 0x0F00, _mm_load_ps(rows + 8 * LANES));
    return _mm512_mask_broadcast_f32x4(v, 0xF000, _mm_load_ps(rows + 12 * LANES));
}

/* dst[u][row] = rows[row][u] for the rows in `mask` and u < n_units. */
static inline void turn(float *dst, size_t width, const float rows[LANES * LANES], size_t n_units,
                        __mmask16 mask)
{
    for (size_t u = 0; u < n_units; u += 4, rows += 4, dst += 4 * width) {
        const __m512 v0 = four_rows(rows), v1 = four_rows(rows + LANES);
        const __m512 v2 = four_rows(rows + 2 * LANES), v3 = four_rows(rows + 3 * LANES);
        const __m512d t0 = _mm512_castps_pd(_mm512_unpacklo_ps(v0, v1));
        const __m512d t1 = _mm512_castps_pd(_mm512_unpackhi_ps(v0, v1));
        const __m512d t2 = _mm512_castps_pd(_mm512_unpacklo_ps(v2, v3));
        const __m512d t3 = _mm512_castps_pd(_mm512_unpackhi_ps(v2, v3));
        _mm512_mask_storeu_ps(dst, mask, _mm512_castpd_ps(_mm512_unpacklo_pd(t0, t2)));
        if (u + 1 < n_units)
            _mm512_mask_storeu_ps(dst + width, mask, _mm512_castpd_ps(_mm512_unpackhi_pd(t0, t2)));
        if (u + 2 < n_units)
            _mm512_mask_storeu_ps(dst + 2 * width, mask,
                                  _mm512_castpd_ps(_mm512_unpacklo_pd(t1, t3)));
        if (u + 3 < n_units)
            _mm512_mask_storeu_ps(dst + 3 * width, mask,
                                  _mm512_castpd_ps(_mm512_unpackhi_pd(t1, t3)));
    }
}

/* Units of 16 k (`pairs`: 32) of one row. */
static inline __m512 row_units(const float *s, size_t n_k, bool pairs)
{
    const __m512 low = _mm512_maskz_loadu_ps(first_lanes(n_k), s);
    if (!pairs)
        return low;
    const size_t rest = n_k > LANES ? n_k - LANES : 0;
    const __m512 high = _mm512_maskz_loadu_ps(first_lanes(rest), s + (rest ? LANES : 0));
    return (__m512)_mm512_cvtne2ps_pbh(high, low);
}

/* From [outer, k]. Rows go whole lines at a time through a small buffer: rows a multiple of 4 kB
 * apart would drive each other out of the cache. */
static inline void pack_columns(float *dst, size_t width, const float *src, size_t ld,
                                size_t n_outer, size_t n_k, bool pairs)
{
    const size_t k_most = pairs ? 2 * LANES : LANES, n_units = pairs ? (n_k + 1) / 2 : n_k;
    _Alignas(64) float rows[LANES * LANES];
    for (size_t o = 0; o < n_outer; o += width, dst += width * n_units) {
        for (size_t first = 0; first < width; first += LANES) {
            /* constant, for a width is a multiple of 16 or less than it */
            const size_t here = width % LANES ? width : LANES;
            const size_t n = n_outer - o > first ? min_size(here, n_outer - o - first) : 0;
            const float *s = src + (o + first) * ld;
            float *d = dst + first;
            for (size_t i = n; i < LANES; i++)
                _mm512_store_ps(rows + i * LANES, _mm512_setzero_ps());
            for (size_t k = 0; k < n_k; k += k_most) {
                const size_t n_here = min_size(k_most, n_k - k);
                /* some lines on, in this panel or the next one's rows */
                const size_t on = k + AHEAD_LINES * LANES;
                const size_t at = on < n_k ? on : on - n_k + here * ld;
                for (size_t i = 0; i < n; i++) {
                    fetch_far(s, i * ld + at, n_here);
                    _mm512_store_ps(rows + i * LANES, row_units(s + i * ld + k, n_here, pairs));
                }
                turn(d, width, rows, pairs ? (n_here + 1) / 2 : n_here, first_lanes(here));
                d += LANES * width;
            }
        }
    }
}

/* Two rows of 16 to 16 pairs. */
static inline __m512 pair_up(__m512 even, __m512 odd)
{
    const __m512i order =
        _mm512_set_epi16(31, 15, 30, 14, 29, 13, 28, 12, 27, 11, 26, 10, 25, 9, 24, 8, 23, 7, 22, 6,
                         21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    return (__m512)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(odd, even));
}

/* What stands in one row for one vector of a panel: a row of k, or two. */
static inline __m512 column_units(const float *p, size_t ld, __mmask16 mask, bool pairs, bool odd)
{
    const __m512 v = _mm512_maskz_loadu_ps(mask, p);
    if (!pairs)
        return v;
    return pair_up(v, _mm512_maskz_loadu_ps(odd ? mask : 0, p + (odd ? ld : 0)));
}

/* Panels side by side that are made together: lines are used whole, and B comes in items of 64. */
static inline size_t group_of(size_t width)
{
    return width == NR ? 2 : 4;
}

static inline void pack_group(float *dst, size_t width, const float *src, size_t ld, size_t n_k,
                              bool pairs)
{
    const size_t n = group_of(width);
    const size_t step = pairs ? 2 : 1, panel = width * ((n_k + step - 1) / step);
    const size_t here = width % LANES ? width : LANES;
    for (size_t k = 0; k < n_k; k += step, dst += width, src += step * ld) {
        const bool odd = pairs && k + 1 < n_k;
        fetch_far(src, AHEAD * ld, n * width);
        if (pairs)
            fetch_far(src, (AHEAD + 1) * ld, n * width);
        for (size_t i = 0; i < n; i++)
            for (size_t first = 0; first < width; first += LANES)
                _mm512_mask_storeu_ps(
                    dst + i * panel + first, first_lanes(here),
                    column_units(src + i * width + first, ld, first_lanes(here), pairs, odd));
    }
}

/* From [k, outer]: row by row into a group of panels at once, so that lines are used whole. */
static inline void pack_rows(float *dst, size_t width, const float *src, size_t ld, size_t n_outer,
                             size_t n_k, bool pairs)
{
    const size_t step = pairs ? 2 : 1, panel = width * ((n_k + step - 1) / step);
    const size_t group = group_of(width);
    size_t o = 0;
    for (; o + group * width <= n_outer; o += group * width, dst += group * panel)
        pack_group(dst, width, src + o, ld, n_k, pairs);
    for (; o < n_outer; o += width, dst += panel) {
        const size_t n = min_size(width, n_outer - o);
        float *to = dst;
        for (size_t k = 0; k < n_k; k += step, to += width) {
            const float *s = src + k * ld + o;
            const bool odd = pairs && k + 1 < n_k;
            fetch_far(s, AHEAD * ld, width);
            if (pairs)
                fetch_far(s, (AHEAD + 1) * ld, width);
            for (size_t first = 0; first < width; first += LANES) {
                const size_t here = width % LANES ? width : LANES;
                const size_t left = n > first ? n - first : 0;
                const __m512 v = column_units(s + (left ? first : 0), ld,
                                              first_lanes(min_size(here, left)), pairs, odd);
                _mm512_mask_storeu_ps(to + first, first_lanes(here), v);
            }
        }
    }
}

static void pack_f32(void *dst, size_t width, const float *src, size_t ld, bool k_rows,
                     size_t n_outer, size_t n_k)
{
    if (k_rows && width == NR)
        pack_rows(dst, NR, src, ld, n_outer, n_k, false);
    else if (k_rows)
        pack_rows(dst, MR, src, ld, n_outer, n_k, false);
    else if (width == NR)
        pack_columns(dst, NR, src, ld, n_outer, n_k, false);
    else
        pack_columns(dst, MR, src, ld, n_outer, n_k, false);
}

static void pack_bf16(void *dst, size_t width, const float *src, size_t ld, bool k_rows,
                      size_t n_outer, size_t n_k)
{
    if (k_rows && width == NR)
        pack_rows(dst, NR, src, ld, n_outer, n_k, true);
    else if (k_rows)
        pack_rows(dst, MR, src, ld, n_outer, n_k, true);
    else if (width == NR)
        pack_columns(dst, NR, src, ld, n_outer, n_k, true);
    else
        pack_columns(dst, MR, src, ld, n_outer, n_k, true);
}

/* ---- tiles ---- */

/* The next tile's sums begin with loads from C. Its rows are fetched one by one between the steps;
 * all at once they would hold up the loads of a and b. */

#    define ROWS(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11)
/* The pointers walk, so the compiler does not hold twelve products of the row stride. */
#    define LOAD(i)                                                             \
        __m512 l##i = _mm512_loadu_ps(from), h##i = _mm512_loadu_ps(from + 16); \
        from += ld_from;
#    define STORE(i)                    \
        _mm512_storeu_ps(c, l##i);      \
        _mm512_storeu_ps(c + 16, h##i); \
        c += ldc;
#    define LOAD_NARROW(i)                   \
        __m512 l##i = _mm512_loadu_ps(from); \
        from += ld_from;
#    define STORE_NARROW(i)        \
        _mm512_storeu_ps(c, l##i); \
        c += ldc;
#    define STEP(i)                          \
        x = _mm512_set1_ps(a[i]);            \
        l##i = _mm512_fmadd_ps(x, b0, l##i); \
        h##i = _mm512_fmadd_ps(x, b1, h##i);
#    define STEP_NARROW(i) l##i = _mm512_fmadd_ps(_mm512_set1_ps(a[i]), b0, l##i);

static void run_f32_narrow(size_t n_k, const float *a, const float *b, const float *from,
                           size_t ld_from, float *c, size_t ldc)
{
    ROWS(LOAD_NARROW)
    for (; n_k; n_k--, a += MR, b += NR) {
        const __m512 b0 = _mm512_loadu_ps(b);
        ROWS(STEP_NARROW)
    }
    ROWS(STORE_NARROW)
}

static void run_f32(size_t n_k, const void *packed_a, const void *packed_b, const float *from,
                    size_t ld_from, float *c, size_t ldc, bool narrow,
                    const struct wm_tile_ahead *ahead)
{
    const float *a = packed_a, *b = packed_b;
    if (narrow) {
        run_f32_narrow(n_k, a, b, from, ld_from, c, ldc);
        return;
    }
    ROWS(LOAD)
    for (size_t left = n_k, part = left / WM_TILE_FETCHES + 1, i = 0; left; i++) {
        size_t n = min_size(part, left);
        left -= n;
        if (i < MR)
            fetch(ahead->c, i * ldc, NR);
        fetch_far(ahead->from, i * ahead->step, ahead->n);
        for (; n; n--, a += MR, b += NR) {
            const __m512 b0 = _mm512_loadu_ps(b), b1 = _mm512_loadu_ps(b + 16);
            __m512 x;
            ROWS(STEP)
        }
    }
    ROWS(STORE)
}

#    define STEP_PAIR(i)                       \
        x = (__m512bh)_mm512_set1_epi32(a[i]); \
        l##i = _mm512_dpbf16_ps(l##i, x, b0);  \
        h##i = _mm512_dpbf16_ps(h##i, x, b1);
#    define STEP_PAIR_NARROW(i) \
        l##i = _mm512_dpbf16_ps(l##i, (__m512bh)_mm512_set1_epi32(a[i]), b0);

static void run_bf16_narrow(size_t n_k, const int32_t *a, const int32_t *b, const float *from,
                            size_t ld_from, float *c, size_t ldc)
{
    ROWS(LOAD_NARROW)
    for (; n_k; n_k -= 2, a += MR, b += NR) {
        const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b);
        ROWS(STEP_PAIR_NARROW)
    }
    ROWS(STORE_NARROW)
}

static void run_bf16(size_t n_k, const void *packed_a, const void *packed_b, const float *from,
                     size_t ld_from, float *c, size_t ldc, bool narrow,
                     const struct wm_tile_ahead *ahead)
{
    const int32_t *a = packed_a, *b = packed_b;
    if (narrow) {
        run_bf16_narrow(n_k, a, b, from, ld_from, c, ldc);
        return;
    }
    ROWS(LOAD)
    for (size_t left = n_k / 2, part = left / WM_TILE_FETCHES + 1, i = 0; left; i++) {
        size_t n = min_size(part, left);
        left -= n;
        if (i < MR)
            fetch(ahead->c, i * ldc, NR);
        fetch_far(ahead->from, i * ahead->step, ahead->n);
        for (; n; n--, a += MR, b += NR) {
            const __m512bh b0 = (__m512bh)_mm512_loadu_si512(b);
            const __m512bh b1 = (__m512bh)_mm512_loadu_si512(b + 16);
            __m512bh x;
            ROWS(STEP_PAIR)
        }
    }
    ROWS(STORE)
}

#    if defined(__clang__)
#        pragma clang attribute pop
#    else
#        pragma GCC pop_options
#    endif

const struct wm_gemm_tile wm_tile_f32_avx512 = {
    .name = "avx512",
    .native = true,
    .mr = MR,
    .nr = NR,
    .k_step = 1,
    .element = sizeof(float),
    .pack_a = pack_f32,
    .pack_b = pack_f32,
    .run = run_f32,
};

const struct wm_gemm_tile wm_tile_bf16_avx512 = {
    .name = "avx512, rounded",
    .native = false,
    .mr = MR,
    .nr = NR,
    .k_step = 1,
    .element = sizeof(float),
    .pack_a = wm_pack_rounded,
    .pack_b = wm_pack_rounded,
    .run = run_f32,
};

const struct wm_gemm_tile wm_tile_bf16_native = {
    .name = "avx512-bf16",
    .native = true,
    .mr = MR,
    .nr = NR,
    .k_step = 2,
    .element = sizeof(uint16_t),
    .pack_a = pack_bf16,
    .pack_b = pack_bf16,
    .run = run_bf16,
};

#else
typedef int wm_no_avx512_tile_here; /* a translation unit may not be empty */
#endif
