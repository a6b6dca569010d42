/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of 64 bytes. ASCII is looked up in a table that is two registers; a character that is not
 * ASCII is settled where its first two bytes (or three, see refine) say that it stays, else looked
 * up by itself in what has been written; then the bytes that go are squeezed out. */
#include "base/charmap_step.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>

#    define TARGET                                                                    \
        __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,avx512f,avx512bw,avx512vl," \
                              "avx512vbmi,avx512vbmi2")))

enum { BLOCK = 64 };

/* The first n bits, n ≤ 64. */
TARGET static inline uint64_t first_bits(size_t n)
{
    return _bzhi_u64(~(uint64_t)0, (unsigned)n);
}

/* The bytes from p on; zeros behind `left`. */
TARGET static inline __m512i load(const unsigned char *p, size_t left)
{
    return _mm512_maskz_loadu_epi8(first_bits(left < BLOCK ? left : BLOCK), p);
}

/* Where a trailing byte with the bit of its upper half (8 … B: 1, 2, 4, 8) meets `bits`. */
TARGET static inline uint64_t settled(__m512i bits, __m512i trail)
{
    const __m512i of_half = _mm512_set4_epi32(0, 0x08040201, 0, 0); /* bytes 8 to 11 of each 16 */
    __m512i half = _mm512_and_si512(_mm512_srli_epi16(trail, 4), _mm512_set1_epi8(0x0F));
    return _mm512_test_epi8_mask(bits, _mm512_shuffle_epi8(of_half, half));
}

/* Settle characters of two and three bytes by all their bytes: of the lead bytes that there are to
 * look at, up to two, since a text has its script and its punctuation. */
TARGET static inline uint64_t refine(const struct wm_charmap *map, const unsigned char *in,
                                     size_t left, __m512i v, __m512i second, uint64_t look)
{
    uint64_t todo = look;
    uint64_t trail = _mm512_cmplt_epi8_mask(second, _mm512_set1_epi8((char)0xC0));
    for (int round = 0; round < 2 && todo; round++) {
        unsigned char lead = in[_tzcnt_u64(todo)];
        uint64_t same = _mm512_mask_cmpeq_epi8_mask(todo, v, _mm512_set1_epi8((char)lead));
        todo &= ~same;
        if (lead >= 0xF0)
            continue;
        __m512i table = _mm512_loadu_si512(map->fine[lead & 63]);
        __m512i bits = _mm512_permutexvar_epi8(second, table);
        uint64_t stay = lead < 0xE0 ? _mm512_test_epi8_mask(bits, bits)
                        : left > 2  ? settled(bits, load(in + 2, left - 2))
                                    : 0;
        look &= ~(same & trail & stay);
    }
    return look;
}

/* Write what is kept of the block. */
TARGET static inline char *squeeze(char *out, __m512i v, uint64_t keep)
{
    _mm512_storeu_si512(out, _mm512_maskz_compress_epi8(keep, v));
    return out + _mm_popcnt_u64(keep);
}

TARGET static const unsigned char *run(const struct wm_charmap *map, const unsigned char *in,
                                       const unsigned char *end, char **ret_out)
{
    const __m512i low = _mm512_loadu_si512(map->ascii), high = _mm512_loadu_si512(map->ascii + 64);
    const __m512i leads = _mm512_loadu_si512(map->lead);
    char *out = *ret_out;
    while (in < end) {
        size_t left = (size_t)(end - in), size = left < BLOCK ? left : BLOCK;
        uint64_t keep = first_bits(size);
        __m512i v = _mm512_maskz_loadu_epi8(keep, in);
        __m512i mapped = _mm512_permutex2var_epi8(low, v, high);
        uint64_t wide = _mm512_movepi8_mask(v);
        if (!wide) {
            keep &= ~_mm512_movepi8_mask(mapped);
            out = squeeze(out, mapped, keep);
            in += size;
            continue;
        }
        mapped = _mm512_mask_mov_epi8(mapped, wide, v);
        keep &= wide | ~_mm512_movepi8_mask(mapped);
        __m512i second = load(in + 1, left - 1);
        uint64_t look = _mm512_cmpge_epu8_mask(v, _mm512_set1_epi8((char)0xC0));
        look &= ~settled(_mm512_permutexvar_epi8(v, leads), second);
        if (!look) {
            out = squeeze(out, mapped, keep);
            in += size;
            continue;
        }
        look = refine(map, in, left, v, second, look);
        _mm512_storeu_si512(out, mapped);
        size_t used = wm_charmap_patch(map, in, end, size, look, (unsigned char *)out, &keep);
        keep &= first_bits(used);
        if (keep == first_bits(used))
            out += used;
        else
            out = squeeze(out, _mm512_loadu_si512(out), keep);
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

const struct wm_charmap_path wm_charmap_avx512 = {"avx512", run};

#else
typedef int wm_charmap_avx512_is_for_x86;
#endif
