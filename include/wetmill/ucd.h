/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ucd.h
 * The Unicode character database, of a version that is named, in tables made beforehand: what is
 * computed with them does not change when the system's ICU does. (unicode.h asks the ICU that is
 * there.) tools/ucd.sh makes the tables, from Perl's data (14.0) and ICU's (15.0).
 *
 * Every code point up to U+10FFFF has a record; unassigned ones and noncharacters are of category
 * Cn, surrogates Cs. Constant data, pure functions; any thread. Nothing here can fail.
 */
#ifndef WETMILL_UCD_H
#define WETMILL_UCD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wetmill/str.h"

enum wm_unicode_version { WM_UNICODE_14_0, WM_UNICODE_15_0 };
enum {
    WM_UNICODE_VERSIONS = 2,
    WM_UNICODE_NAME = 16 /**< Room for a version's name. */
};

/** General categories, numbered as in ICU. */
enum wm_ucd_category {
    WM_UCD_CN,
    WM_UCD_LU,
    WM_UCD_LL,
    WM_UCD_LT,
    WM_UCD_LM,
    WM_UCD_LO,
    WM_UCD_MN,
    WM_UCD_ME,
    WM_UCD_MC,
    WM_UCD_ND,
    WM_UCD_NL,
    WM_UCD_NO,
    WM_UCD_ZS,
    WM_UCD_ZL,
    WM_UCD_ZP,
    WM_UCD_CC,
    WM_UCD_CF,
    WM_UCD_CO,
    WM_UCD_CS,
    WM_UCD_PD,
    WM_UCD_PS,
    WM_UCD_PE,
    WM_UCD_PC,
    WM_UCD_PO,
    WM_UCD_SM,
    WM_UCD_SC,
    WM_UCD_SK,
    WM_UCD_SO,
    WM_UCD_PI,
    WM_UCD_PF,
};

/** Sets of categories, for `1u << category & WM_UCD_…`. */
enum {
    WM_UCD_LETTERS =
        1 << WM_UCD_LU | 1 << WM_UCD_LL | 1 << WM_UCD_LT | 1 << WM_UCD_LM | 1 << WM_UCD_LO,
    WM_UCD_MARKS = 1 << WM_UCD_MN | 1 << WM_UCD_ME | 1 << WM_UCD_MC,
    WM_UCD_NUMBERS = 1 << WM_UCD_ND | 1 << WM_UCD_NL | 1 << WM_UCD_NO,
};

/** Flags of a record. */
enum {
    WM_UCD_CASED = 1,          /**< Cased (DerivedCoreProperties). */
    WM_UCD_CASE_IGNORABLE = 2, /**< Case_Ignorable. */
    WM_UCD_WHITE_SPACE = 4,    /**< White_Space. */
    WM_UCD_DECOMPOSES = 8, /**< Has a canonical decomposition; Hangul syllables lack the flag. */
    WM_UCD_SPECIAL_LOWER = 16, /**< Full lower case is two characters. */
};

struct wm_ucd_record {
    int32_t lower;     /**< To be added to the code: simple lower case. */
    uint8_t category;  /**< enum wm_ucd_category */
    uint8_t combining; /**< Canonical combining class. */
    uint8_t flags;
};

enum { WM_UCD_BLOCK = 64, WM_UCD_CODES = 0x110000, WM_UCD_PARTS = 4 };

struct wm_ucd {
    const uint16_t *block;                /**< By code / 64: which row of `entry`. */
    const uint8_t (*entry)[WM_UCD_BLOCK]; /**< Which record. */
    const struct wm_ucd_record *record;
};

const struct wm_ucd *wm_ucd(enum wm_unicode_version version);

/** "14.0" or "15.0". */
const char *wm_unicode_version_name(enum wm_unicode_version version);

/** The version of that name; false, and nothing set, if there is none. */
bool wm_unicode_version_find(struct wm_str name, enum wm_unicode_version *ret_version);

/** `code` < WM_UCD_CODES, here and below. */
static inline const struct wm_ucd_record *wm_ucd_record(const struct wm_ucd *u, uint32_t code)
{
    return &u->record[u->entry[u->block[code / WM_UCD_BLOCK]][code % WM_UCD_BLOCK]];
}

static inline enum wm_ucd_category wm_ucd_category(const struct wm_ucd *u, uint32_t code)
{
    return (enum wm_ucd_category)wm_ucd_record(u, code)->category;
}

/** Simple lower case: one character for one. */
static inline uint32_t wm_ucd_lower(const struct wm_ucd *u, uint32_t code)
{
    return (uint32_t)((int32_t)code + wm_ucd_record(u, code)->lower);
}

/**
 * Full lower case (Unicode 3.13, toLowercase, without a language) but for the capital sigma, whose
 * form depends on its neighbours: 1 or 2 characters in `ret`.
 */
size_t wm_ucd_lower_full(const struct wm_ucd *u, uint32_t code, uint32_t ret[2]);

/** Full canonical decomposition, the character itself if it has none: 1 to WM_UCD_PARTS characters
 *  in `ret`, in canonical order. */
size_t wm_ucd_decompose(const struct wm_ucd *u, uint32_t code, uint32_t ret[WM_UCD_PARTS]);

#endif /* WETMILL_UCD_H */
