/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scan_step.h
 * One piece at a time: where the piece ends that begins at byte `at` of a text. What a backtracking
 * matcher would try, in its order; the comments name the alternative of the pattern (split.c).
 * Every scan is linear: a character is looked at a few times at most.
 */
#ifndef WETMILL_TOKENIZER_SCAN_STEP_H
#define WETMILL_TOKENIZER_SCAN_STEP_H

#include <stdbool.h>

#include "tokenizer/scan.h"

/** Kinds that differ in numbers alone. */
static inline bool bpe_is_r50k(enum bpe_scan_kind kind)
{
    return kind == BPE_SCAN_R50K || kind == BPE_SCAN_R50K_SINGLE || kind == BPE_SCAN_R50K_THREE;
}
static inline bool bpe_is_o200k(enum bpe_scan_kind kind)
{
    return kind == BPE_SCAN_O200K || kind == BPE_SCAN_O200K_SINGLE;
}

/** A text to scan. */
struct bpe_scan {
    const struct bpe_classes *classes;
    const unsigned char *bytes;
    size_t len;
};

/** Class of the character at `at` < len; `*ret_next` is where the next begins. */
static inline unsigned bpe_class_at(const struct bpe_scan *s, size_t at, size_t *ret_next)
{
    const unsigned char *p = s->bytes + at;
    if (p[0] < 0x80) {
        *ret_next = at + 1;
        return s->classes->ascii[p[0]];
    }
    size_t n = p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    size_t block = n == 2   ? p[0] & 31u
                   : n == 3 ? (p[0] & 15u) << 6 | (p[1] & 63u)
                            : (p[0] & 7u) << 12 | (p[1] & 63u) << 6 | (p[2] & 63u);
    *ret_next = at + n;
    return s->classes->rows[s->classes->block[block]][p[n - 1] & 63u];
}

/** End of the run of characters from `at` whose class has a bit of `mask`. */
static inline size_t bpe_run(const struct bpe_scan *s, size_t at, unsigned mask)
{
    while (at < s->len) {
        size_t next = at + 1;
        unsigned class = s->classes->ascii[s->bytes[at]];
        if (!class)
            class = bpe_class_at(s, at, &next);
        if (!(class & mask))
            break;
        at = next;
    }
    return at;
}

/** (?i:'s|'t|'re|'ve|'m|'ll|'d) at the apostrophe `at`: its bytes, or 0. U+017F is an s to (?i). */
static inline size_t bpe_contraction(const struct bpe_scan *s, size_t at, bool any_case)
{
    const unsigned char *p = s->bytes + at;
    size_t left = s->len - at;
    unsigned fold = any_case ? 0x20 : 0;
    if (left < 2)
        return 0;
    unsigned a = p[1] | fold;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    if (left < 3)
        return 0;
    unsigned b = p[2] | fold;
    if (((a == 'r' || a == 'v') && b == 'e') || (a == 'l' && b == 'l'))
        return 3;
    return any_case && p[1] == 0xC5 && p[2] == 0xBF ? 3 : 0;
}

/** \s*[\r\n]+ (with `newlines`), else \s+(?!\S), else \s+, where a space is. */
static inline size_t bpe_spaces(const struct bpe_scan *s, size_t at, bool newlines)
{
    size_t last = at, end = at, behind_newline = 0;
    for (size_t next; end < s->len; end = next) {
        unsigned class = bpe_class_at(s, end, &next);
        if (!(class & BPE_SPACE))
            break;
        last = end;
        if (class & BPE_NEWLINE)
            behind_newline = next;
    }
    if (newlines && behind_newline)
        return behind_newline;
    return end == s->len || last == at ? end : last;
}

/** \p{N}{1,max}, from behind its first character. */
static inline size_t bpe_numbers(const struct bpe_scan *s, size_t at, unsigned max)
{
    for (size_t next; max > 1 && at < s->len; max--, at = next)
        if (!(bpe_class_at(s, at, &next) & BPE_NUMBER))
            break;
    return at;
}

/** `max_numbers` 0: numbers of any length, with a space before, as r50k itself has them. */
static inline size_t bpe_step_r50k(const struct bpe_scan *s, size_t at, unsigned max_numbers)
{
    size_t next, behind;
    unsigned class = bpe_class_at(s, at, &next);
    if (s->bytes[at] == '\'') {
        size_t n = bpe_contraction(s, at, false);
        if (n)
            return at + n;
    }
    if (s->bytes[at] == ' ' && next < s->len) { /* " ?" of three alternatives */
        unsigned second = bpe_class_at(s, next, &behind);
        if (!(second & (max_numbers ? BPE_SPACE | BPE_NUMBER : BPE_SPACE)))
            return bpe_run(s, behind, second & (BPE_LETTER | BPE_NUMBER | BPE_OTHER));
    }
    if (class & BPE_SPACE)
        return bpe_spaces(s, at, false);
    if (max_numbers && class & BPE_NUMBER)
        return bpe_numbers(s, next, max_numbers);
    return bpe_run(s, next, class & (BPE_LETTER | BPE_NUMBER | BPE_OTHER));
}

/** [^\s\p{L}\p{N}]+[\r\n]*, from behind its first character; `slash`: [\r\n/]* */
static inline size_t bpe_others(const struct bpe_scan *s, size_t at, bool slash)
{
    at = bpe_run(s, at, BPE_OTHER);
    while (at < s->len &&
           (s->bytes[at] == '\n' || s->bytes[at] == '\r' || (slash && s->bytes[at] == '/')))
        at++;
    return at;
}

static inline size_t bpe_step_cl100k(const struct bpe_scan *s, size_t at, unsigned max_numbers)
{
    size_t next, behind = 0;
    unsigned class = bpe_class_at(s, at, &next), second = 0;
    if (class & BPE_LETTER)
        return bpe_run(s, next, BPE_LETTER);
    if (class & BPE_NUMBER)
        return bpe_numbers(s, next, max_numbers);
    if (s->bytes[at] == '\'') {
        size_t n = bpe_contraction(s, at, true);
        if (n)
            return at + n;
    }
    if (next < s->len)
        second = bpe_class_at(s, next, &behind);
    if (second & BPE_LETTER && !(class & BPE_NEWLINE)) /* [^\r\n\p{L}\p{N}]?\p{L}+ */
        return bpe_run(s, behind, BPE_LETTER);
    if (class & BPE_OTHER)
        return bpe_others(s, next, false);
    if (s->bytes[at] == ' ' && second & BPE_OTHER)
        return bpe_others(s, behind, false);
    return bpe_spaces(s, at, true);
}

/**
 * Both kinds of o200k's words from `at`, where their optional first character has been seen to:
 * UPPER*LOWER+ gives its end in `*ret_lower`, UPPER+LOWER* without any LOWER in `*ret_upper`; 0
 * means no match. What is both upper and lower belongs to UPPER* first; UPPER* gives back from its
 * end until LOWER+ has something, so that a word may end behind the last such character.
 */
static inline void bpe_cased(const struct bpe_scan *s, size_t at, size_t *ret_lower,
                             size_t *ret_upper)
{
    size_t both = 0, end = at, next;
    for (; end < s->len; end = next) {
        unsigned class = bpe_class_at(s, end, &next);
        if (!(class & BPE_UPPER))
            break;
        if (class & BPE_LOWER)
            both = next;
    }
    size_t lower = bpe_run(s, end, BPE_LOWER);
    *ret_lower = lower > end ? lower : both;
    *ret_upper = end > at ? end : 0;
}

/** End of the word of o200k that begins with the character of `class` at `at`; 0: none does. */
static inline size_t bpe_word(const struct bpe_scan *s, size_t at, size_t next, unsigned class)
{
    size_t lower, upper, without, unused;
    if (class & BPE_LETTER) {
        bpe_cased(s, at, &lower, &upper);
        return lower ? lower : upper;
    }
    if (class & (BPE_NUMBER | BPE_NEWLINE))
        return 0;
    bpe_cased(s, next, &lower, &upper);
    if (lower || !(class & BPE_UPPER))
        return lower ? lower : upper;
    bpe_cased(s, at, &without, &unused); /* a mark, which need not be the optional character */
    return without;
}

static inline size_t bpe_step_o200k(const struct bpe_scan *s, size_t at, unsigned max_numbers)
{
    size_t next, behind = 0;
    unsigned class = bpe_class_at(s, at, &next);
    size_t word = bpe_word(s, at, next, class);
    if (word)
        return word < s->len && s->bytes[word] == '\'' ? word + bpe_contraction(s, word, true)
                                                       : word;
    if (class & BPE_NUMBER)
        return bpe_numbers(s, next, max_numbers);
    if (class & BPE_OTHER)
        return bpe_others(s, next, true);
    if (s->bytes[at] == ' ' && next < s->len && bpe_class_at(s, next, &behind) & BPE_OTHER)
        return bpe_others(s, behind, true);
    return bpe_spaces(s, at, true);
}

/** `kind` is a constant where this is used. */
static inline size_t bpe_step(enum bpe_scan_kind kind, const struct bpe_scan *s, size_t at)
{
    switch (kind) {
    case BPE_SCAN_R50K:
        return bpe_step_r50k(s, at, 0);
    case BPE_SCAN_R50K_SINGLE:
        return bpe_step_r50k(s, at, 1);
    case BPE_SCAN_R50K_THREE:
        return bpe_step_r50k(s, at, 3);
    case BPE_SCAN_O200K:
        return bpe_step_o200k(s, at, 3);
    case BPE_SCAN_O200K_SINGLE:
        return bpe_step_o200k(s, at, 1);
    case BPE_SCAN_QWEN2:
        return bpe_step_cl100k(s, at, 1);
    default:
        return bpe_step_cl100k(s, at, 3);
    }
}

#endif /* WETMILL_TOKENIZER_SCAN_STEP_H */
