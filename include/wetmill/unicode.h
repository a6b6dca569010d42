/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file unicode.h
 * What text cleaning asks about characters, in one table that is made once from ICU's data and
 * answers in two loads; and normalisation forms.
 *
 * Threads: wm_unicode() may be called by any thread; the table is constant afterwards. The version
 * of ICU ("icu" in version.h) shapes what these functions give.
 */
#ifndef WETMILL_UNICODE_H
#define WETMILL_UNICODE_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

/** What a character is to whoever cleans text. */
enum wm_char_class {
    WM_CHAR_PLAIN,
    WM_CHAR_BLANK,   /**< Tab, and what parts words: general category Zs. */
    WM_CHAR_BREAK,   /**< Breaks a line but is not '\n': CR, VT, FF, FS GS RS US, NEL, U+2028/9. */
    WM_CHAR_CONTROL, /**< Other C0 and C1 controls, DEL, noncharacters. */
    WM_CHAR_INVISIBLE, /**< Soft hyphen, zero-width space, word joiner, BOM, invisible operators,
                            bidirectional marks, embeddings, overrides and isolates, deprecated and
                            interlinear format characters. */
    WM_CHAR_JOINER,    /**< U+200C and U+200D. */
    WM_CHAR_TAG,       /**< U+E0001, U+E0020 … U+E007F. */
};

/** An entry of the table, in bits. */
enum {
    WM_NFC_SHIFT = 0,  /**< 8 bits: 0 = always stays and nothing joins it from the left; 1 … 254 =
                             combining class, stays in order; WM_NORMAL_ASK = ask ICU. */
    WM_NFKC_SHIFT = 8, /**< The same for NFKC. */
    WM_CLASS_SHIFT = 16,    /**< 3 bits: enum wm_char_class. */
    WM_CATEGORY_SHIFT = 19, /**< 5 bits: ICU's UCharCategory. */
    WM_JOINS_BIT =
        1 << 24, /**< A joiner behind it can matter: assigned, of scripts U+0600 … U+1CFF and their
                                 extensions, emoji. */
    WM_NORMAL_ASK = 255,
};

enum { WM_UNICODE_BLOCK = 128, WM_UNICODE_BLOCKS = 0x110000 / WM_UNICODE_BLOCK };

struct wm_unicode {
    uint16_t block[WM_UNICODE_BLOCKS]; /**< Index of the 128 entries of each 128 characters. */
    uint32_t (*entries)[WM_UNICODE_BLOCK];
};

/** The table; NULL only if there was no memory for it. */
const struct wm_unicode *wm_unicode(void);

static inline uint32_t wm_unicode_entry(const struct wm_unicode *u, uint32_t code)
{
    return u->entries[u->block[code / WM_UNICODE_BLOCK]][code % WM_UNICODE_BLOCK];
}

static inline enum wm_char_class wm_char_class(uint32_t entry)
{
    return (enum wm_char_class)(entry >> WM_CLASS_SHIFT & 7);
}

/** Bit of the character's general category, for masks as ICU's U_GC_L_MASK. */
static inline uint32_t wm_char_category(uint32_t entry)
{
    return (uint32_t)1 << (entry >> WM_CATEGORY_SHIFT & 31);
}

/** Blank, tab or what breaks a line. */
static inline bool wm_char_is_space(uint32_t entry)
{
    enum wm_char_class class = wm_char_class(entry);
    return class == WM_CHAR_BLANK || class == WM_CHAR_BREAK;
}

enum wm_normal_form { WM_FORM_NFC, WM_FORM_NFKC, WM_FORM_NONE };

/** Buffers to normalise with, zeroed before first use; one thread. */
struct wm_normaliser {
    uint16_t *in, *out; /**< UTF-16 */
    size_t in_cap, out_cap;
};
void wm_normaliser_done(struct wm_normaliser *n);

/**
 * Length of the longest prefix of valid UTF-8 `s` that is surely in `form` and needs nothing of
 * what follows: s.len if all of it is. May stop short of text that is normal after all.
 */
size_t wm_normal_prefix(enum wm_normal_form form, struct wm_str s);

/** Append `s` (valid UTF-8) in `form` to `out`. Only the spans that need it are given to ICU. */
int wm_normalise(struct wm_normaliser *n, enum wm_normal_form form, struct wm_str s,
                 struct wm_buf *out, struct wm_error *err);

#endif /* WETMILL_UNICODE_H */
