/* SPDX-License-Identifier: Apache-2.0 */
/* As charmap_avx512.c, in blocks of 32 bytes: ASCII by comparisons, tables of 64 from four of 16,
 * and what goes is left out by copying what lies between. */
#include "base/charmap_step.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>

#    define TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))

enum { BLOCK = 32, AHEAD = 2 };

/* A table of 64 bytes, by the 6 low bits of each byte. */
TARGET static inline __m256i look_up(const uint8_t table[64], __m256i v)
{
    const __m128i *rows = (const __m128i *)(const void *)table;
    __m256i at = _mm256_and_si256(v, _mm256_set1_epi8(0x0F)), row[4];
    for (int i = 0; i < 4; i++)
        row[i] = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128(rows + i)), at);
    __m256i bit4 = _mm256_slli_epi16(v, 3), bit5 = _mm256_slli_epi16(v, 2);
    return _mm256_blendv_epi8(_mm256_blendv_epi8(row[0], row[1], bit4),
                              _mm256_blendv_epi8(row[2], row[3], bit4), bit5);
}

TARGET static inline uint32_t not_zero(__m256i v)
{
    return ~(uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_setzero_si256()));
}

TARGET static inline uint32_t settled(__m256i bits, __m256i trail)
{
    const __m256i of_half = _mm256_setr_epi32(0, 0, 0x08040201, 0, 0, 0, 0x08040201, 0);
    __m256i half = _mm256_and_si256(_mm256_srli_epi16(trail, 4), _mm256_set1_epi8(0x0F));
    return not_zero(_mm256_and_si256(bits, _mm256_shuffle_epi8(of_half, half)));
}

TARGET static inline uint32_t equal(__m256i v, unsigned char c)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)c)));
}

TARGET static inline __m256i load(const unsigned char *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}

TARGET static inline uint32_t refine(const struct wm_charmap *map, const unsigned char *in,
                                     __m256i v, uint32_t look)
{
    uint32_t todo = look;
    __m256i second = load(in + 1), top = _mm256_set1_epi8((char)0xC0);
    uint32_t trail = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(top, second));
    for (int round = 0; round < 2 && todo; round++) {
        unsigned char lead = in[_tzcnt_u32(todo)];
        uint32_t same = todo & equal(v, lead);
        todo &= ~same;
        if (lead >= 0xF0)
            continue;
        __m256i bits = look_up(map->fine[lead & 63], second);
        uint32_t stay = lead < 0xE0 ? not_zero(bits) : settled(bits, load(in + 2));
        look &= ~(same & trail & stay);
    }
    return look;
}

/* Letters to lower case and digits to 0, as the map says; everything else as it is. */
TARGET static inline __m256i map_ascii(const struct wm_charmap *map, __m256i v)
{
    __m256i letter = _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8('A' - 1)),
                                      _mm256_cmpgt_epi8(_mm256_set1_epi8('Z' + 1), v));
    __m256i digit = _mm256_and_si256(_mm256_cmpgt_epi8(v, _mm256_set1_epi8('0' - 1)),
                                     _mm256_cmpgt_epi8(_mm256_set1_epi8('9' + 1), v));
    letter = _mm256_and_si256(letter, _mm256_set1_epi8(map->lowers ? 0x20 : 0));
    digit = _mm256_and_si256(digit, _mm256_set1_epi8(map->zeroes ? 0x0F : 0));
    return _mm256_andnot_si256(digit, _mm256_or_si256(v, letter));
}

/* Leave out of the block at `out` what is not kept. */
TARGET static inline char *squeeze(char *out, uint32_t keep)
{
    const __m256i v = load((unsigned char *)out);
    char bytes[2 * BLOCK];
    _mm256_storeu_si256((__m256i *)(void *)bytes, v);
    for (uint64_t rest = keep; rest;) {
        unsigned begin = (unsigned)_tzcnt_u64(rest);
        unsigned n = (unsigned)_tzcnt_u64(~(rest >> begin));
        memcpy(out, bytes + begin, BLOCK);
        out += n;
        rest &= ~(uint64_t)0 << (begin + n);
    }
    return out;
}

TARGET static const unsigned char *run(const struct wm_charmap *map, const unsigned char *in,
                                       const unsigned char *end, char **ret_out)
{
    char *out = *ret_out;
    while (in < end) {
        /* The last bytes are put where there are zeros behind them. */
        unsigned char last[BLOCK + AHEAD];
        size_t left = (size_t)(end - in), size = left < BLOCK ? left : BLOCK;
        const unsigned char *text = in;
        if (left < BLOCK + AHEAD) {
            memset(last, 0, sizeof last);
            memcpy(last, in, left);
            text = last;
        }
        __m256i v = load(text);
        uint64_t keep = _bzhi_u64(~(uint64_t)0, (unsigned)size);
        /* Controls, and bytes that may start a character, unless two bytes say that it stays. */
        __m256i top = _mm256_set1_epi8((char)0xC0);
        uint32_t wide = (uint32_t)_mm256_movemask_epi8(v), look = 0;
        uint32_t odd = (uint32_t)_mm256_movemask_epi8(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v));
        odd = (odd & ~wide) | equal(v, 0x7F);
        if (wide) {
            look = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(_mm256_max_epu8(v, top), v));
            look &= ~settled(look_up(map->lead, v), load(text + 1));
            if (look)
                look = refine(map, text, v, look);
        }
        _mm256_storeu_si256((__m256i *)(void *)out, map_ascii(map, v));
        look = (look | odd) & (uint32_t)keep;
        if (!look) {
            out += size;
            in += size;
            continue;
        }
        size_t used = wm_charmap_patch(map, in, end, size, look, (unsigned char *)out, &keep);
        uint64_t all = _bzhi_u64(~(uint64_t)0, (unsigned)used);
        keep &= all;
        out = keep == all ? out + used : squeeze(out, (uint32_t)keep);
        in += used;
        if (used < size) {
            size_t n = wm_charmap_step(map, in, end, &out);
            if (!n)
                break;
            in += n;
        }
    }
    *ret_out = out;
    return in;
}

const struct wm_charmap_path wm_charmap_avx2 = {"avx2", run};

#else
typedef int wm_charmap_avx2_is_for_x86;
#endif
