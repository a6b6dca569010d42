/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scan_block.h
 * 64 bytes at a time, ASCII and other letters: one bit set for each class of characters, bit i for byte i, and from
 * those the set of bytes that a piece starts with.
 *
 * Included once by a file that has TARGET, the attribute of its instruction set, and read_block;
 * defines the scans and SCANS, the initialiser of a path's table.
 *
 * A block begins where a piece begins. A start is taken only if nothing behind the block could
 * change it, and the scan goes on from the last one taken. What the sets do not say (blanks before
 * a newline, marks and digits of other scripts, pieces of over 64 bytes) is scanned piece by piece.
 */
#ifndef WETMILL_TOKENIZER_SCAN_BLOCK_H
#define WETMILL_TOKENIZER_SCAN_BLOCK_H

#include <string.h>

#include "tokenizer/scan_step.h"

/** Bit i: byte i of a block is of this class. Letters, digits and spaces are those of ASCII, until
 *  add_letters. */
struct block {
    uint64_t letters, upper, digits, spaces;
    uint64_t newlines, blanks, quotes, slashes; /**< CR LF, U+0020, U+0027, '/' */
    uint64_t high;                              /**< Not ASCII. */
    uint64_t second;                            /**< 0x40 is set: with `high`, a first byte. */
};

TARGET static inline struct block read_block(const unsigned char *p);

enum {
    BLOCK = 64,
    SLACK = BLOCK + 8, /* entries of `ends` that a block may write to */
    SINGLE = 8,        /* pieces taken singly after a block in vain … */
    SINGLE_MOST = 32,  /* … and at most, after many */
    STARTS_ENOUGH = 3, /* in a block that was worth it */
    CONTRACTION = 3,   /* longest, bytes */
};

/* Bits 0 to `last`, which is at most 63. */
TARGET static inline uint64_t up_to(unsigned last)
{
    return ((uint64_t)2 << last) - 1;
}

/* The characters up to the first that is neither ASCII nor a letter: those that are not ASCII become
 * letters. What stays in `high` begins with that first one. */
TARGET static inline void add_letters(const struct bpe_scan *s, size_t at, struct block *b)
{
    size_t next;
    uint64_t seen = UINT64_MAX;
    for (uint64_t firsts = b->high & b->second; firsts; firsts &= firsts - 1) {
        if (bpe_class_at(s, at + (unsigned)__builtin_ctzll(firsts), &next) & BPE_LETTER)
            continue;
        seen = (firsts & -firsts) - 1;
        break;
    }
    b->letters |= b->high & seen;
    b->high &= ~seen;
}

/* Digits: starts of groups of three; or every digit. */
TARGET static inline uint64_t number_starts(enum bpe_scan_kind kind, uint64_t digits,
                                            uint64_t blanks)
{
    if (kind == BPE_SCAN_QWEN2 || kind == BPE_SCAN_R50K_SINGLE || kind == BPE_SCAN_O200K_SINGLE)
        return digits;
    if (kind == BPE_SCAN_R50K)
        return digits & ~((digits | blanks) << 1);
    uint64_t starts = digits & ~(digits << 1), third = digits & digits << 1 & digits << 2;
    for (uint64_t more = starts << 3 & third; more; more = more << 3 & third)
        starts |= more;
    return starts;
}

/* Starts as far as they do not hang on contractions. `others` and `other_starts` are the bytes
 * [^\s\p{L}\p{N}] and those of them that start a run without a blank before. */
TARGET static inline uint64_t block_starts(enum bpe_scan_kind kind, const struct block *b,
                                           uint64_t others, uint64_t other_starts)
{
    uint64_t numbers = number_starts(kind, b->digits, b->blanks);
    if (bpe_is_r50k(kind)) /* the last of several spaces stands alone or leads what follows */
        return other_starts | numbers | (b->letters & ~((b->letters | b->blanks) << 1)) |
               (b->spaces & (~(b->spaces << 1) | ~(b->spaces >> 1)));
    uint64_t gaps = b->spaces & ~b->newlines;
    uint64_t letters = b->letters & ~((b->letters | gaps | other_starts) << 1);
    if (bpe_is_o200k(kind))
        letters |= b->upper & (b->letters & ~b->upper) << 1;
    return other_starts | numbers | letters | (b->newlines & ~((b->newlines | others) << 1)) |
           (gaps & (~(gaps << 1) | ~(gaps >> 1)));
}

/* Where the starts are sure, given `n` bytes of ASCII. Spaces that reach the end may go on; those
 * before a newline belong to it, whatever was before them: such spaces are sure from their first. */
TARGET static inline uint64_t sure_starts(enum bpe_scan_kind kind, const struct block *b,
                                          unsigned n)
{
    uint64_t sure = up_to(n - 1), unsure = b->spaces & (uint64_t)1 << (n - 1);
    if (!bpe_is_r50k(kind))
        unsure |= b->newlines & (b->spaces & ~b->newlines) << 1;
    if (unsure & sure) {
        uint64_t solid = ((unsure & -unsure) - 1) & ~b->spaces;
        sure &= solid ? up_to(64 - (unsigned)__builtin_clzll(solid)) : 1;
    }
    uint64_t slashes = b->slashes & b->newlines << 1; /* [\r\n/]* might take them */
    if (bpe_is_o200k(kind) && slashes)
        sure &= (slashes & -slashes) - 1;
    return sure;
}

/* Put contractions in: r50k and cl100k have them as pieces, o200k at the end of words. */
TARGET static inline uint64_t contract(enum bpe_scan_kind kind, const struct bpe_scan *s, size_t at,
                                       const struct block *b, uint64_t quotes, unsigned n,
                                       uint64_t starts, uint64_t *sure)
{
    unsigned behind = BLOCK; /* the contraction before */
    for (; quotes; quotes &= quotes - 1) {
        unsigned i = (unsigned)__builtin_ctzll(quotes);
        if (i + CONTRACTION >= n) {
            *sure &= ((uint64_t)1 << i) - 1;
            break;
        }
        if (bpe_is_o200k(kind) && (i == 0 || i == behind || !(b->letters >> (i - 1) & 1)))
            continue;
        unsigned len = (unsigned)bpe_contraction(s, at + i, !bpe_is_r50k(kind));
        if (!len)
            continue;
        starts &= ~(up_to(len - 1) << i);
        if (!bpe_is_o200k(kind))
            starts |= (uint64_t)1 << i;
        behind = i + len;
        starts |= (uint64_t)1 << behind;
    }
    return starts;
}

/* Starts of pieces within the block at `at`, but for the first; 0 where it is of no use. */
TARGET static inline uint64_t scan_block(enum bpe_scan_kind kind, const struct bpe_scan *s,
                                         size_t at)
{
    struct block b = read_block(s->bytes + at);
    if (!bpe_is_o200k(kind) && b.high) /* whose letters have a case */
        add_letters(s, at, &b);
    unsigned n = b.high ? (unsigned)__builtin_ctzll(b.high) : BLOCK;
    if (n == 0)
        return 0;
    uint64_t others = ~(b.letters | b.digits | b.spaces | b.high);
    uint64_t other_starts = others & ~((others | b.blanks) << 1);
    uint64_t starts = block_starts(kind, &b, others, other_starts);
    uint64_t sure = sure_starts(kind, &b, n);
    uint64_t quotes = b.quotes & other_starts & sure;
    if (quotes)
        starts = contract(kind, s, at, &b, quotes, n, starts, &sure);
    return starts & sure & ~(uint64_t)1;
}

/* Whether a block is worth the while: in o200k where there are 24 bytes of ASCII. */
TARGET static inline bool worth_a_block(enum bpe_scan_kind kind, const unsigned char *p)
{
    uint64_t v[3];
    if (!bpe_is_o200k(kind))
        return true;
    memcpy(v, p, sizeof v);
    return !((v[0] | v[1] | v[2]) & UINT64_C(0x8080808080808080));
}

/* The places of the bits, eight at a time: how many there are is hard to foretell. */
TARGET static inline size_t write_ends(uint64_t starts, size_t at, uint32_t *ends)
{
    size_t n = (size_t)__builtin_popcountll(starts);
    for (size_t i = 0; i < n; i += 8)
        for (size_t k = 0; k < 8; k++, starts &= starts - 1)
            ends[i + k] = (uint32_t)at + (uint32_t)__builtin_ctzll(starts | (uint64_t)1 << 63);
    return n;
}

TARGET static inline size_t scan(enum bpe_scan_kind kind, const struct bpe_classes *classes,
                                 struct wm_str text, size_t *ret_at, uint32_t *ends, size_t max)
{
    const struct bpe_scan s = {classes, (const unsigned char *)text.ptr, text.len};
    size_t n = 0, at = *ret_at, singly = 0, vain = SINGLE;
    while (n < max && at < s.len) {
        if (n >= SLACK && max - n < SLACK)
            break;
        if (!singly && s.len - at >= BLOCK && max - n >= SLACK &&
            worth_a_block(kind, s.bytes + at)) {
            uint64_t starts = scan_block(kind, &s, at);
            size_t more = write_ends(starts, at, ends + n);
            n += more;
            at += starts ? 63 - (unsigned)__builtin_clzll(starts) : 0;
            if (more >= STARTS_ENOUGH) {
                vain = SINGLE;
                continue;
            }
            singly = vain;
            vain = vain < SINGLE_MOST ? 2 * vain : vain;
        }
        at = bpe_step(kind, &s, at);
        ends[n++] = (uint32_t)at;
        singly -= singly > 0;
    }
    *ret_at = at;
    return n;
}

/* The kind is a constant in each, so that what it does not need is left out. */
#define SCAN_KIND(kind)                                                                     \
    TARGET static size_t scan_##kind(const struct bpe_classes *classes, struct wm_str text, \
                                     size_t *at, uint32_t *ends, size_t max)                \
    {                                                                                       \
        return scan(BPE_SCAN_##kind, classes, text, at, ends, max);                         \
    }
BPE_SCAN_EACH(SCAN_KIND)

#define SCAN_ENTRY(kind) [BPE_SCAN_##kind] = scan_##kind,
#define SCANS                     \
    {                             \
        BPE_SCAN_EACH(SCAN_ENTRY) \
    }

#endif /* WETMILL_TOKENIZER_SCAN_BLOCK_H */
