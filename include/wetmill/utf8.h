/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file utf8.h
 * UTF-8 as Unicode defines it (table 3-7: no overlong forms, no surrogates, at most U+10FFFF).
 * Where bytes are invalid, each maximal subpart counts as one error and becomes one U+FFFD, as
 * Unicode recommends (chapter 3, "U+FFFD Substitution of Maximal Subparts") and as web browsers do.
 * Pure functions; any thread.
 */
#ifndef WETMILL_UTF8_H
#define WETMILL_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wetmill/arena.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

enum { WM_UTF8_REPLACEMENT = 0xFFFD };

/** Length of the longest valid prefix; s.len if all of it is valid. */
size_t wm_utf8_prefix(struct wm_str s);

static inline bool wm_utf8_valid(struct wm_str s)
{
    return wm_utf8_prefix(s) == s.len;
}

/** Length of the character, or of the maximal invalid subpart, that `s` (not empty) starts with;
 *  `*ret_code` is its code point, or WM_UTF8_REPLACEMENT. */
size_t wm_utf8_decode(struct wm_str s, uint32_t *ret_code);

/** Cut the first code point off `*rest` (not empty). Invalid bytes give WM_UTF8_REPLACEMENT. */
static inline uint32_t wm_utf8_next(struct wm_str *rest)
{
    uint32_t code = (unsigned char)rest->ptr[0];
    size_t n = code < 0x80 ? 1 : wm_utf8_decode(*rest, &code);
    rest->ptr += n;
    rest->len -= n;
    return code;
}

/** Write `code` to `out`: 1–4 bytes. Surrogates and what lies beyond U+10FFFF become U+FFFD. */
size_t wm_utf8_encode(uint32_t code, char out[4]);

/** Number of code points of valid UTF-8 (of any bytes: those that are not continuations). */
size_t wm_utf8_count(struct wm_str s);

/**
 * `*ret` is `s` itself if it is valid, else a copy in `arena` (up to 3 × s.len bytes) with every
 * maximal invalid subpart replaced. `*ret_replaced` (may be NULL) counts them. WM_E_NOMEM.
 */
int wm_utf8_repair(struct wm_str s, struct wm_arena *arena, struct wm_str *ret,
                   size_t *ret_replaced, struct wm_error *err);

#endif /* WETMILL_UTF8_H */
