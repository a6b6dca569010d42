/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scan.h
 * Inner loops that look for the next interesting byte, or count bytes, 16 at a time with SSE2 (part
 * of every x86-64) and 8 or 1 at a time elsewhere. The …_plain versions are what they must equal.
 */
#ifndef WETMILL_BASE_SCAN_H
#define WETMILL_BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__) && !defined(WM_PORTABLE)
#    include <emmintrin.h>
#endif

/** Bytes before the first one ≥ 0x80. */
static inline size_t wm_scan_ascii_plain(const unsigned char *s, size_t len)
{
    size_t i = 0;
    while (i < len && s[i] < 0x80)
        i++;
    return i;
}

static inline size_t wm_scan_ascii(const unsigned char *s, size_t len)
{
    size_t i = 0;
#if defined(__SSE2__) && !defined(WM_PORTABLE)
    for (; len - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
        int high = _mm_movemask_epi8(v);
        if (high)
            return i + (size_t)__builtin_ctz((unsigned)high);
    }
#else
    for (uint64_t v; len - i >= 8; i += 8) {
        memcpy(&v, s + i, 8);
        if (v & 0x8080808080808080u)
            break;
    }
#endif
    return i + wm_scan_ascii_plain(s + i, len - i);
}

/** Bytes equal to `c`. */
static inline size_t wm_scan_count_plain(const unsigned char *s, size_t len, unsigned char c)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += s[i] == c;
    return n;
}

/** Bytes that start a character of valid UTF-8: all but continuations. */
static inline size_t wm_scan_characters_plain(const unsigned char *s, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += (s[i] & 0xC0) != 0x80;
    return n;
}

#if defined(__SSE2__) && !defined(WM_PORTABLE)
enum { WM_SCAN_LANES = 255 }; /* steps until a lane of 8 bits might overflow */

/* Sum of the 16 lanes of 8 bits. */
static inline size_t wm_scan_sum(__m128i lanes)
{
    __m128i sums = _mm_sad_epu8(lanes, _mm_setzero_si128());
    return (size_t)_mm_cvtsi128_si32(sums) + (size_t)_mm_extract_epi16(sums, 4);
}
#endif

static inline size_t wm_scan_count(const unsigned char *s, size_t len, unsigned char c)
{
    size_t n = 0, i = 0;
#if defined(__SSE2__) && !defined(WM_PORTABLE)
    const __m128i wanted = _mm_set1_epi8((char)c);
    while (len - i >= 16) {
        __m128i lanes = _mm_setzero_si128();
        for (int step = 0; step < WM_SCAN_LANES && len - i >= 16; step++, i += 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
            lanes = _mm_sub_epi8(lanes, _mm_cmpeq_epi8(v, wanted));
        }
        n += wm_scan_sum(lanes);
    }
#endif
    return n + wm_scan_count_plain(s + i, len - i, c);
}

static inline size_t wm_scan_characters(const unsigned char *s, size_t len)
{
    size_t n = 0, i = 0;
#if defined(__SSE2__) && !defined(WM_PORTABLE)
    const __m128i last = _mm_set1_epi8((char)0xBF); /* as signed numbers: continuations are least */
    while (len - i >= 16) {
        __m128i lanes = _mm_setzero_si128();
        for (int step = 0; step < WM_SCAN_LANES && len - i >= 16; step++, i += 16) {
            __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
            lanes = _mm_sub_epi8(lanes, _mm_cmpgt_epi8(v, last));
        }
        n += wm_scan_sum(lanes);
    }
#endif
    return n + wm_scan_characters_plain(s + i, len - i);
}

static inline bool wm_json_special(unsigned char c)
{
    return c < 0x20 || c == '"' || c == '\\';
}

/** Bytes before the first '"', '\' or control (< 0x20); `*high` is set, never cleared, if one of
 *  them is ≥ 0x80. */
static inline size_t wm_scan_json_plain(const unsigned char *s, size_t len, bool *high)
{
    size_t i = 0;
    for (; i < len && !wm_json_special(s[i]); i++)
        *high |= s[i] >= 0x80;
    return i;
}

static inline size_t wm_scan_json(const unsigned char *s, size_t len, bool *high)
{
    size_t i = 0;
#if defined(__SSE2__) && !defined(WM_PORTABLE)
    const __m128i quote = _mm_set1_epi8('"'), slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);
    for (; len - i >= 16; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s + i));
        __m128i found = _mm_or_si128(_mm_cmpeq_epi8(v, quote), _mm_cmpeq_epi8(v, slash));
        found = _mm_or_si128(found, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
        unsigned stop = (unsigned)_mm_movemask_epi8(found);
        unsigned upper = (unsigned)_mm_movemask_epi8(v);
        if (stop) {
            unsigned n = (unsigned)__builtin_ctz(stop);
            *high |= (upper & ((1u << n) - 1)) != 0;
            return i + n;
        }
        *high |= upper != 0;
    }
#else
    /* A byte of x ^ pattern is 0 where x has the pattern; (y - 1) & ~y has its top bit set in the
     * lowest zero byte (and perhaps wrongly above it, hence the plain look at those 8). */
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    for (uint64_t v; len - i >= 8; i += 8) {
        memcpy(&v, s + i, 8);
        uint64_t q = v ^ (ones * '"'), b = v ^ (ones * '\\');
        uint64_t found = ((q - ones) & ~q) | ((b - ones) & ~b) | ((v - ones * 0x20) & ~v);
        if (found & tops)
            break;
        *high |= (v & tops) != 0;
    }
#endif
    return i + wm_scan_json_plain(s + i, len - i, high);
}

#endif /* WETMILL_BASE_SCAN_H */
