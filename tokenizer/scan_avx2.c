/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks read 32 bytes at a time. */
#include "tokenizer/scan.h"

#if defined(__x86_64__) && !defined(WM_PORTABLE)

#    include <immintrin.h>

#    define TARGET __attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt")))
#    include "tokenizer/scan_block.h"

/* Bits where v − low < n, as unsigned bytes. */
TARGET static inline uint64_t within(__m256i v, unsigned char low, unsigned char n)
{
    __m256i x = _mm256_sub_epi8(v, _mm256_set1_epi8((char)low));
    x = _mm256_cmpeq_epi8(_mm256_min_epu8(x, _mm256_set1_epi8((char)(n - 1))), x);
    return (uint32_t)_mm256_movemask_epi8(x);
}

TARGET static inline uint64_t equal(__m256i v, char c)
{
    return (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(v, _mm256_set1_epi8(c)));
}

TARGET static inline struct block read_block(const unsigned char *p)
{
    struct block b = {0};
    for (unsigned i = 0; i < BLOCK; i += 32) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
        __m256i folded = _mm256_or_si256(v, _mm256_set1_epi8(0x20));
        uint64_t blanks = equal(v, ' ');
        b.letters |= within(folded, 'a', 26) << i;
        b.upper |= within(v, 'A', 26) << i;
        b.digits |= within(v, '0', 10) << i;
        b.spaces |= (blanks | within(v, '\t', 5)) << i;
        b.newlines |= (equal(v, '\n') | equal(v, '\r')) << i;
        b.blanks |= blanks << i;
        b.quotes |= equal(v, '\'') << i;
        b.slashes |= equal(v, '/') << i;
        b.high |= (uint64_t)(uint32_t)_mm256_movemask_epi8(v) << i;
        b.second |= (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_add_epi8(v, v)) << i;
    }
    return b;
}

const struct bpe_scan_path bpe_scan_avx2 = {"avx2", SCANS};

#endif
