/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file json_escape.h
 * The inside of a JSON string: bytes are copied 16 at a time, stopping at each that must be escaped
 * ('"', '\' and what is below space). wm_json_escape_plain is what wm_json_escape must equal.
 */
#ifndef WETMILL_BASE_JSON_ESCAPE_H
#define WETMILL_BASE_JSON_ESCAPE_H

#include "base/scan.h"

enum {
    WM_JSON_ESCAPED = 6, /**< Bytes one byte becomes at most … */
    WM_JSON_SLACK = 16,  /**< … and bytes behind them that may be written to. */
};

/** The escape of a byte that needs one, and its length in the last byte. */
static inline size_t wm_json_escape_byte(char *out, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[32] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'};
    char letter = c < 0x20 ? letters[c] : (char)c;
    out[0] = '\\';
    if (letter) {
        out[1] = letter;
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[c >> 4];
    out[5] = hex[c & 15];
    return 6;
}

static inline size_t wm_json_escape_plain(char *out, const char *s, size_t len)
{
    char *to = out;
    for (size_t i = 0; i < len; i++) {
        if (wm_json_special((unsigned char)s[i]))
            to += wm_json_escape_byte(to, (unsigned char)s[i]);
        else
            *to++ = s[i];
    }
    return (size_t)(to - out);
}

#if defined(__SSE2__) && !defined(WM_PORTABLE)
/* Bit i: byte i needs an escape. */
static inline unsigned wm_json_specials(__m128i v)
{
    __m128i found =
        _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\')));
    const __m128i control = _mm_set1_epi8(0x1F);
    found = _mm_or_si128(found, _mm_cmpeq_epi8(_mm_min_epu8(v, control), v));
    return (unsigned)_mm_movemask_epi8(found);
}

/* A block that is all ours to write: what stands behind an escape is taken again, from memory. */
static inline char *wm_json_escape_block(char *to, const char *s, size_t len, size_t *ret_used)
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)s);
    unsigned special = wm_json_specials(v);
    _mm_storeu_si128((__m128i *)(void *)to, v);
    size_t n = special ? (size_t)__builtin_ctz(special) : 16;
    if (n >= len) {
        *ret_used = len;
        return to + len;
    }
    *ret_used = n + 1;
    return to + n + wm_json_escape_byte(to + n, (unsigned char)s[n]);
}
#endif

/** Append s[len] to `out` as it stands within a JSON string; returns its length. `out` has room for
 *  WM_JSON_ESCAPED × len + WM_JSON_SLACK bytes and does not overlap `s`. */
static inline size_t wm_json_escape(char *out, const char *s, size_t len)
{
#if defined(__SSE2__) && !defined(WM_PORTABLE)
    char *to = out;
    size_t used;
    for (; len >= 16; s += used, len -= used)
        to = wm_json_escape_block(to, s, 16, &used);
    char rest[32] = {0};
    if (len)
        memcpy(rest, s, len);
    for (size_t at = 0; at < len; at += used)
        to = wm_json_escape_block(to, rest + at, len - at, &used);
    return (size_t)(to - out);
#else
    return wm_json_escape_plain(out, s, len);
#endif
}

#endif /* WETMILL_BASE_JSON_ESCAPE_H */
