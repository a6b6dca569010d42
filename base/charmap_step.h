/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file charmap_step.h
 * Steps that the ways to run a character map share: one character, and those characters of a block
 * that the vector code could not settle.
 */
#ifndef WETMILL_BASE_CHARMAP_STEP_H
#define WETMILL_BASE_CHARMAP_STEP_H

#include <string.h>

#include "base/charmap.h"
#include "wetmill/utf8.h"

static inline bool wm_trail(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

/** Length of the character at `in` (not ASCII) and its code; 0 if it is none, or cut by `end`. */
static inline size_t wm_charmap_decode(const unsigned char *in, const unsigned char *end,
                                       uint32_t *ret_code)
{
    size_t left = (size_t)(end - in);
    uint32_t lead = in[0];
    if (lead >= 0xC2 && lead < 0xE0 && left >= 2 && wm_trail(in[1])) {
        *ret_code = (lead & 31) << 6 | (in[1] & 63u);
        return 2;
    }
    if (lead >= 0xE0 && lead < 0xF0 && left >= 3 && wm_trail(in[1]) && wm_trail(in[2])) {
        uint32_t code = (lead & 15) << 12 | (in[1] & 63u) << 6 | (in[2] & 63u);
        *ret_code = code;
        return code >= 0x800 && (code < 0xD800 || code > 0xDFFF) ? 3 : 0;
    }
    if (lead >= 0xF0 && lead < 0xF5 && left >= 4 && wm_trail(in[1]) && wm_trail(in[2]) &&
        wm_trail(in[3])) {
        uint32_t code = (lead & 7) << 18 | (in[1] & 63u) << 12 | (in[2] & 63u) << 6 | (in[3] & 63u);
        *ret_code = code;
        return code >= 0x10000 && code < WM_UCD_CODES ? 4 : 0;
    }
    return 0;
}

/** Rewrite one character, or copy one byte that is none: its length, or 0 if it is to be asked for.
 *  Writes 8 bytes. */
static inline size_t wm_charmap_step(const struct wm_charmap *map, const unsigned char *in,
                                     const unsigned char *end, char **out)
{
    uint32_t code = *in;
    size_t n = code < 0x80 ? 1 : wm_charmap_decode(in, end, &code);
    if (!n) {
        *(*out)++ = (char)*in;
        return 1;
    }
    unsigned row = map->block[code / WM_CHARMAP_BLOCK];
    if (!row) {
        memcpy(*out, in, n);
        *out += n;
        return n;
    }
    const struct wm_char_action *a = &map->action[row][code % WM_CHARMAP_BLOCK];
    if (a->op >= WM_CHARMAP_ASK)
        return 0;
    memcpy(*out, a, sizeof *a); /* at once: the slack takes what is too much */
    *out += a->op;
    return n;
}

/**
 * A block of text that is being rewritten where it stands: `text` is the source, up to `end`,
 * `bytes` what has become of it so far. For each bit of `look` the character there is looked up;
 * what takes its place is written over its bytes, and bits of `*keep` are cleared for those it does
 * not need. Returns the bytes of the source that are done with: `size`, or fewer where a character
 * has to be asked for, is longer than before, or reaches beyond the block.
 */
static inline size_t wm_charmap_patch(const struct wm_charmap *map, const unsigned char *text,
                                      const unsigned char *end, size_t size, uint64_t look,
                                      unsigned char *bytes, uint64_t *keep)
{
    for (; look; look &= look - 1) {
        size_t i = (size_t)__builtin_ctzll(look), n = 1;
        uint32_t code = text[i];
        if (code >= 0x80) {
            n = wm_charmap_decode(text + i, end, &code);
            if (!n)
                continue;
            if (i + n > size)
                return i;
        }
        unsigned row = map->block[code / WM_CHARMAP_BLOCK];
        if (!row)
            continue;
        const struct wm_char_action *a = &map->action[row][code % WM_CHARMAP_BLOCK];
        if (a->op > n)
            return i;
        bytes[i] = (unsigned char)a->bytes[0];
        if (n == 2) {
            bytes[i + 1] = (unsigned char)a->bytes[1];
        } else if (n >= 3) {
            memcpy(bytes + i + 1, a->bytes + 1, 2);
            if (n == 4)
                bytes[i + 3] = (unsigned char)a->bytes[3];
        }
        if (a->op < n)
            *keep &= ~((((uint64_t)1 << (n - a->op)) - 1) << (i + a->op));
    }
    return size;
}

#endif /* WETMILL_BASE_CHARMAP_STEP_H */
