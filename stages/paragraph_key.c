/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/paragraph_key.h"

#include <stdlib.h>
#include <unicode/uchar.h>

#include "wetmill/utf8.h"

enum { CHUNK = 1024, ROOM = 5 /* for a space and a character */ };

struct wm_paragraph_hasher {
    const struct wm_unicode *unicode;
    XXH3_state_t *state; /* of lines that are longer than a chunk */
    char ascii[128];     /* what becomes of each: itself, '\0' = nothing, ' ', '0', lower case */
    char chunk[CHUNK];
};

static uint32_t fold(const struct wm_unicode *u, uint32_t c)
{
    uint32_t entry = wm_unicode_entry(u, c), category = wm_char_category(entry);
    if (wm_char_is_space(entry))
        return ' ';
    if (category & (U_GC_P_MASK | U_GC_CC_MASK | U_GC_CF_MASK))
        return 0;
    if (category & U_GC_ND_MASK)
        return '0';
    return entry & WM_LOWER_BIT ? wm_unicode_lower(c) : c;
}

int wm_paragraph_hasher_new(struct wm_paragraph_hasher **ret, struct wm_error *err)
{
    struct wm_paragraph_hasher *h = calloc(1, sizeof *h);
    if (!h)
        return wm_fail_nomem(err, sizeof *h, "paragraph hashes");
    h->unicode = wm_unicode();
    h->state = XXH3_createState();
    if (!h->unicode || !h->state) {
        wm_paragraph_hasher_free(h);
        return wm_fail_nomem(err, sizeof *h, "paragraph hashes");
    }
    for (unsigned c = 0; c < sizeof h->ascii; c++)
        h->ascii[c] = (char)fold(h->unicode, c);
    *ret = h;
    return 0;
}

void wm_paragraph_hasher_free(struct wm_paragraph_hasher *hasher)
{
    if (hasher)
        (void)XXH3_freeState(hasher->state);
    free(hasher);
}

size_t wm_paragraph_key(struct wm_paragraph_hasher *hasher, struct wm_str line, uint64_t *ret_hash)
{
    size_t n = 0, hashed = 0;
    bool blank_due = false;
    while (line.len) {
        uint32_t c = wm_utf8_next(&line);
        c = c < sizeof hasher->ascii ? (unsigned char)hasher->ascii[c] : fold(hasher->unicode, c);
        if (c == ' ')
            blank_due = n + hashed > 0;
        if (c == ' ' || c == 0)
            continue;
        if (blank_due)
            hasher->chunk[n++] = ' ';
        blank_due = false;
        n += wm_utf8_encode(c, hasher->chunk + n);
        if (n <= CHUNK - ROOM)
            continue;
        if (!hashed)
            (void)XXH3_64bits_reset(hasher->state);
        (void)XXH3_64bits_update(hasher->state, hasher->chunk, n);
        hashed += n;
        n = 0;
    }
    if (hashed) {
        (void)XXH3_64bits_update(hasher->state, hasher->chunk, n);
        *ret_hash = XXH3_64bits_digest(hasher->state);
    } else {
        *ret_hash = XXH3_64bits(hasher->chunk, n);
    }
    return hashed + n;
}
