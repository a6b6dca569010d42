/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks read 16 bytes at a time, with what every x86-64 has. */
#include "tokenizer/scan.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <emmintrin.h>

#    define TARGET
#    include "tokenizer/scan_block.h"

/* Bits where v − low < n, as unsigned bytes. */
static inline uint64_t within(__m128i v, unsigned char low, unsigned char n)
{
    __m128i x = _mm_sub_epi8(v, _mm_set1_epi8((char)low));
    x = _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8((char)(n - 1))), x);
    return (unsigned)_mm_movemask_epi8(x);
}

static inline uint64_t equal(__m128i v, char c)
{
    return (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(v, _mm_set1_epi8(c)));
}

static inline struct block read_block(const unsigned char *p)
{
    struct block b = {0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        __m128i folded = _mm_or_si128(v, _mm_set1_epi8(0x20));
        uint64_t blanks = equal(v, ' ');
        b.letters |= within(folded, 'a', 26) << i;
        b.upper |= within(v, 'A', 26) << i;
        b.digits |= within(v, '0', 10) << i;
        b.spaces |= (blanks | within(v, '\t', 5)) << i;
        b.newlines |= (equal(v, '\n') | equal(v, '\r')) << i;
        b.blanks |= blanks << i;
        b.quotes |= equal(v, '\'') << i;
        b.slashes |= equal(v, '/') << i;
        b.high |= (uint64_t)(unsigned)_mm_movemask_epi8(v) << i;
        b.second |= (uint64_t)(unsigned)_mm_movemask_epi8(_mm_add_epi8(v, v)) << i;
    }
    return b;
}

const struct bpe_scan_path bpe_scan_sse2 = {"sse2", SCANS};

#endif
