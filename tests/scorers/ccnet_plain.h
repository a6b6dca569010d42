/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ccnet_plain.h
 * CCNet's normalisation step by step over an array of code points, as its specification says it:
 * what wm_ccnet_normalise must equal. Bytes that are not UTF-8 stand in the array as BAD + byte.
 */
#ifndef WETMILL_TESTS_CCNET_PLAIN_H
#define WETMILL_TESTS_CCNET_PLAIN_H

#include <stdlib.h>
#include <string.h>

#include "wetmill/ccnet.h"
#include "wetmill/utf8.h"

enum { PLAIN_BAD = 0x1000000 };

struct plain {
    const struct wm_ucd *ucd;
    uint32_t *code;
    size_t n;
};

static const struct wm_ucd_record *plain_record(const struct plain *t, uint32_t code)
{
    return wm_ucd_record(t->ucd, code < PLAIN_BAD ? code : WM_UTF8_REPLACEMENT);
}

/* Room for every character to become 8 of them. */
static struct plain plain_decode(const struct wm_ucd *ucd, struct wm_str s)
{
    struct plain t = {ucd, malloc((s.len + 1) * 8 * sizeof(uint32_t)), 0};
    if (!t.code)
        abort();
    while (s.len) {
        uint32_t code;
        size_t len = wm_utf8_decode(s, &code);
        bool bad = code == WM_UTF8_REPLACEMENT && !wm_str_starts(s, WM_STR("\xEF\xBF\xBD"));
        for (size_t i = 0; bad && i < len; i++)
            t.code[t.n++] = PLAIN_BAD + (unsigned char)s.ptr[i];
        if (!bad)
            t.code[t.n++] = code;
        s.ptr += len;
        s.len -= len;
    }
    return t;
}

static void plain_strip(struct plain *t)
{
    size_t begin = 0;
#define PLAIN_SPACE(c) \
    (plain_record(t, c)->flags & WM_UCD_WHITE_SPACE || ((c) >= 0x1C && (c) <= 0x1F))
    while (t->n && PLAIN_SPACE(t->code[t->n - 1]))
        t->n--;
    while (begin < t->n && PLAIN_SPACE(t->code[begin]))
        begin++;
    t->n -= begin;
    memmove(t->code, t->code + begin, t->n * sizeof *t->code);
}

static bool plain_final(const struct plain *t, size_t at)
{
    size_t i = at, k = at + 1;
    while (i > 0 && plain_record(t, t->code[i - 1])->flags & WM_UCD_CASE_IGNORABLE)
        i--;
    if (i == 0 || !(plain_record(t, t->code[i - 1])->flags & WM_UCD_CASED))
        return false;
    while (k < t->n && plain_record(t, t->code[k])->flags & WM_UCD_CASE_IGNORABLE)
        k++;
    return k == t->n || !(plain_record(t, t->code[k])->flags & WM_UCD_CASED);
}

/* Each character becomes those that `to` writes. */
typedef size_t plain_mapping(const struct plain *t, size_t at, uint32_t *to);

static void plain_map(struct plain *t, plain_mapping *mapping)
{
    uint32_t *made = malloc((t->n + 1) * 8 * sizeof *made);
    size_t n = 0;
    if (!made)
        abort();
    for (size_t i = 0; i < t->n; i++) {
        if (t->code[i] < PLAIN_BAD)
            n += mapping(t, i, made + n);
        else
            made[n++] = t->code[i];
    }
    free(t->code);
    t->code = made;
    t->n = n;
}

static size_t plain_lower(const struct plain *t, size_t at, uint32_t *to)
{
    if (t->code[at] != 0x3A3)
        return wm_ucd_lower_full(t->ucd, t->code[at], to);
    to[0] = plain_final(t, at) ? 0x3C2 : 0x3C3;
    return 1;
}

static size_t plain_decompose(const struct plain *t, size_t at, uint32_t *to)
{
    return wm_ucd_decompose(t->ucd, t->code[at], to);
}

static void plain_order(struct plain *t)
{
    for (size_t i = 1; i < t->n; i++)
        for (size_t k = i; k > 0; k--) {
            unsigned class = plain_record(t, t->code[k])->combining;
            if (!class || plain_record(t, t->code[k - 1])->combining <= class)
                break;
            uint32_t swap = t->code[k];
            t->code[k] = t->code[k - 1];
            t->code[k - 1] = swap;
        }
}

static size_t plain_unmark(const struct plain *t, size_t at, uint32_t *to)
{
    to[0] = t->code[at];
    return plain_record(t, to[0])->category != WM_UCD_MN;
}

static size_t plain_digits(const struct plain *t, size_t at, uint32_t *to)
{
    to[0] = plain_record(t, t->code[at])->category == WM_UCD_ND ? '0' : t->code[at];
    return 1;
}

/* The characters and, at the same place, what they become: as the specification lists them. */
static const char *plain_ascii(uint32_t code)
{
    static const uint32_t codes[] = {0xFF0C, 0x3002, 0x3001, 0x201E, 0x201D, 0x201C, 0xAB,
                                     0xBB,   0xFF11, 0x300D, 0x300C, 0x300A, 0x300B, 0xB4,
                                     0x2236, 0xFF1A, 0xFF1F, 0xFF01, 0xFF08, 0xFF09, 0xFF1B,
                                     0x2013, 0x2014, 0xFF0E, 0xFF5E, 0x2019, 0x2026, 0x2501,
                                     0x3008, 0x3009, 0x3010, 0x3011, 0xFF05, 0x25BA};
    static const char *const ascii[] = {",",  ".",  ",",  "\"", "\"",  "\"", "\"", "\"", "\"",
                                        "\"", "\"", "\"", "\"", "'",   ":",  ":",  "?",  "!",
                                        "(",  ")",  ";",  "-",  " - ", ". ", "~",  "'",  "...",
                                        "-",  "<",  ">",  "[",  "]",   "%",  "-"};
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (codes[i] == code)
            return ascii[i];
    return NULL;
}

static size_t plain_replace(const struct plain *t, size_t at, uint32_t *to)
{
    const char *ascii = plain_ascii(t->code[at]);
    size_t n = 0;
    to[0] = t->code[at];
    for (; ascii && ascii[n]; n++)
        to[n] = (unsigned char)ascii[n];
    return ascii ? n : 1;
}

static size_t plain_delete(const struct plain *t, size_t at, uint32_t *to)
{
    to[0] = t->code[at];
    return !plain_ascii(to[0]);
}

static size_t plain_newline(const struct plain *t, size_t at, uint32_t *to)
{
    to[0] = t->code[at] == '\n' ? ' ' : t->code[at];
    return 1;
}

static size_t plain_controls(const struct plain *t, size_t at, uint32_t *to)
{
    to[0] = t->code[at];
    return !(to[0] < 0x20 || (to[0] >= 0x7F && to[0] <= 0x9F));
}

/** To be freed. */
static char *plain_normalise(enum wm_unicode_version version, struct wm_str text, unsigned flags,
                             size_t *ret_len)
{
    struct plain t = plain_decode(wm_ucd(version), text);
    plain_strip(&t);
    if (flags & WM_CCNET_LOWER)
        plain_map(&t, plain_lower);
    if (flags & WM_CCNET_ACCENTS) {
        plain_map(&t, plain_decompose);
        plain_order(&t);
        plain_map(&t, plain_unmark);
    }
    if (flags & WM_CCNET_DIGITS)
        plain_map(&t, plain_digits);
    if (flags & WM_CCNET_PUNCT_DELETE)
        plain_map(&t, plain_delete);
    else if (flags & WM_CCNET_PUNCT_REPLACE)
        plain_map(&t, plain_replace);
    if (flags & WM_CCNET_NEWLINE_SPACE)
        plain_map(&t, plain_newline);
    plain_map(&t, plain_controls);
    char *out = malloc(t.n * 4 + 1);
    size_t len = 0;
    if (!out)
        abort();
    for (size_t i = 0; i < t.n; i++) {
        if (t.code[i] >= PLAIN_BAD)
            out[len++] = (char)(t.code[i] - PLAIN_BAD);
        else
            len += wm_utf8_encode(t.code[i], out + len);
    }
    free(t.code);
    *ret_len = len;
    return out;
}

#endif /* WETMILL_TESTS_CCNET_PLAIN_H */
