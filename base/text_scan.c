/* SPDX-License-Identifier: Apache-2.0 */
/* One pass over a text. The check of UTF-8 is the one of Keiser and Lemire, "Validating UTF-8 in
 * less than one instruction per byte" (Software: Practice and Experience 51, 2021): what may be
 * wrong with two neighbouring bytes is told by three tables of 16 entries, by the halves of the
 * first byte and the upper half of the second; it is wrong if all three agree. */
#include "base/text_scan.h"

#include <stdint.h>

struct wm_text_facts wm_text_copy_plain(char *dst, struct wm_str src)
{
    if (src.len)
        memcpy(dst, src.ptr, src.len);
    return (struct wm_text_facts){
        .n_newlines = wm_str_count(src, '\n'),
        .has_cr = src.len && memchr(src.ptr, '\r', src.len),
        .is_utf8 = wm_utf8_prefix_from(src, 0) == src.len,
    };
}

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>

#    define AVX2 __attribute__((target("avx2,popcnt")))

/* What two bytes may show to be wrong. AFTER_TWO is told apart later: it is right where a sequence
 * of three or four bytes goes on. */
enum {
    TOO_SHORT = 1 << 0,  /* a lead byte, then no continuation */
    TOO_LONG = 1 << 1,   /* ASCII, then a continuation */
    OVERLONG_3 = 1 << 2, /* E0, then 80 … 9F */
    ABOVE_F4 = 1 << 3,   /* F4, then 90 … BF; F5 … FF, then 90 … BF */
    SURROGATE = 1 << 4,  /* ED, then A0 … BF */
    OVERLONG_2 = 1 << 5, /* C0 or C1, then a continuation */
    BELOW_90 = 1 << 6,   /* F0 (overlong) or F5 … FF (too large), then 80 … 8F */
    AFTER_TWO = 1 << 7,  /* a continuation, then another */
    ANY_LOW = TOO_SHORT | TOO_LONG | AFTER_TWO, /* whatever the first byte's lower half is */
    CONTINUES = TOO_LONG | OVERLONG_2 | AFTER_TWO,
};

static const unsigned char first_high[16] = {
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    TOO_LONG,
    AFTER_TWO,
    AFTER_TWO,
    AFTER_TWO,
    AFTER_TWO,
    TOO_SHORT | OVERLONG_2,
    TOO_SHORT,
    TOO_SHORT | OVERLONG_3 | SURROGATE,
    TOO_SHORT | ABOVE_F4 | BELOW_90,
};
static const unsigned char first_low[16] = {
    ANY_LOW | OVERLONG_2 | OVERLONG_3 | BELOW_90,
    ANY_LOW | OVERLONG_2,
    ANY_LOW,
    ANY_LOW,
    ANY_LOW | ABOVE_F4,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90 | SURROGATE,
    ANY_LOW | ABOVE_F4 | BELOW_90,
    ANY_LOW | ABOVE_F4 | BELOW_90,
};
static const unsigned char second_high[16] = {
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    CONTINUES | OVERLONG_3 | BELOW_90,
    CONTINUES | OVERLONG_3 | ABOVE_F4,
    CONTINUES | SURROGATE | ABOVE_F4,
    CONTINUES | SURROGATE | ABOVE_F4,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
    TOO_SHORT,
};

AVX2 static inline __m256i load(const void *at)
{
    return _mm256_loadu_si256((const __m256i *)at);
}

AVX2 static inline __m256i table(const unsigned char *entries)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)entries));
}

AVX2 static inline __m256i look_up(__m256i table_, __m256i index)
{
    return _mm256_shuffle_epi8(table_, _mm256_and_si256(index, _mm256_set1_epi8(0x0F)));
}

AVX2 static inline __m256i upper_half(__m256i bytes)
{
    return _mm256_srli_epi16(bytes, 4); /* look_up masks what comes from the neighbour */
}

struct tables {
    __m256i first_high, first_low, second_high;
};

/* What is wrong in 32 bytes `v` that follow `before`. */
AVX2 static inline __m256i faults(const struct tables *t, __m256i before, __m256i v)
{
    __m256i both = _mm256_permute2x128_si256(before, v, 0x21);
    __m256i one_back = _mm256_alignr_epi8(v, both, 15);
    __m256i two_back = _mm256_alignr_epi8(v, both, 14);
    __m256i three_back = _mm256_alignr_epi8(v, both, 13);
    __m256i wrong = _mm256_and_si256(look_up(t->first_high, upper_half(one_back)),
                                     look_up(t->first_low, one_back));
    wrong = _mm256_and_si256(wrong, look_up(t->second_high, upper_half(v)));
    /* bit 7 where a third or fourth byte has to stand: behind E0 … and F0 … */
    __m256i third = _mm256_subs_epu8(two_back, _mm256_set1_epi8((char)(0xE0 - 0x80)));
    __m256i fourth = _mm256_subs_epu8(three_back, _mm256_set1_epi8((char)(0xF0 - 0x80)));
    __m256i goes_on =
        _mm256_and_si256(_mm256_or_si256(third, fourth), _mm256_set1_epi8((char)0x80));
    return _mm256_xor_si256(goes_on, wrong);
}

/* What is wrong in 64 bytes that follow `before`: ASCII behind ASCII needs no look at pairs. */
AVX2 static inline __m256i faults_64(const struct tables *t, __m256i before, __m256i a, __m256i b)
{
    __m256i end_of_before = _mm256_permute2x128_si256(before, b, 0x31);
    if (!_mm256_movemask_epi8(_mm256_or_si256(_mm256_or_si256(a, b), end_of_before)))
        return _mm256_setzero_si256();
    return _mm256_or_si256(faults(t, before, a), faults(t, a, b));
}

/* The state of a pass: `before` are the 32 bytes before the present ones. */
struct pass {
    __m256i before, fault, cr;
    size_t n_newlines;
};

AVX2 static inline void take_64(struct pass *p, const struct tables *t, __m256i a, __m256i b)
{
    const __m256i newline = _mm256_set1_epi8('\n'), cr = _mm256_set1_epi8('\r');
    uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, newline));
    uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, newline));
    p->n_newlines += (size_t)__builtin_popcountll((uint64_t)high << 32 | low);
    p->cr =
        _mm256_or_si256(p->cr, _mm256_or_si256(_mm256_cmpeq_epi8(a, cr), _mm256_cmpeq_epi8(b, cr)));
    p->fault = _mm256_or_si256(p->fault, faults_64(t, p->before, a, b));
    p->before = b;
}

AVX2 struct wm_text_facts wm_text_copy_avx2(char *dst, struct wm_str src)
{
    const struct tables t = {table(first_high), table(first_low), table(second_high)};
    struct pass p = {_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256(), 0};
    size_t at = 0;
    for (; src.len - at >= 64; at += 64) {
        __m256i a = load(src.ptr + at), b = load(src.ptr + at + 32);
        _mm256_storeu_si256((__m256i *)(void *)(dst + at), a);
        _mm256_storeu_si256((__m256i *)(void *)(dst + at + 32), b);
        take_64(&p, &t, a, b);
    }
    /* the rest, and a NUL behind it: what is cut off at the end is too short */
    char rest[64] = {0};
    if (src.len > at) {
        memcpy(rest, src.ptr + at, src.len - at);
        memcpy(dst + at, rest, src.len - at);
    }
    take_64(&p, &t, load(rest), load(rest + 32));
    return (struct wm_text_facts){
        .n_newlines = p.n_newlines,
        .has_cr = _mm256_movemask_epi8(p.cr) != 0,
        .is_utf8 = _mm256_testz_si256(p.fault, p.fault) != 0,
    };
}

AVX2 static size_t sound_avx2(struct wm_str s)
{
    const struct tables t = {table(first_high), table(first_low), table(second_high)};
    __m256i before = _mm256_setzero_si256();
    size_t at = 0;
    for (; s.len - at >= 64; at += 64) {
        __m256i a = load(s.ptr + at), b = load(s.ptr + at + 32);
        __m256i fault = faults_64(&t, before, a, b);
        if (!_mm256_testz_si256(fault, fault))
            break;
        before = b;
    }
    /* back to where the last sequence starts, which may go on behind */
    for (size_t back = 1; back <= 3 && back <= at; back++)
        if ((unsigned char)s.ptr[at - back] >= 0xC0)
            return at - back;
    return at;
}

size_t wm_text_sound(struct wm_str s)
{
    return s.len >= 64 && __builtin_cpu_supports("avx2") ? sound_avx2(s) : 0;
}

struct wm_text_facts wm_text_copy(char *dst, struct wm_str src)
{
    return __builtin_cpu_supports("avx2") ? wm_text_copy_avx2(dst, src)
                                          : wm_text_copy_plain(dst, src);
}

#else

size_t wm_text_sound(struct wm_str s)
{
    (void)s;
    return 0;
}

struct wm_text_facts wm_text_copy(char *dst, struct wm_str src)
{
    return wm_text_copy_plain(dst, src);
}

#endif
