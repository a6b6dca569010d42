/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scorers/ccnet.h
 * What the files of CCNet's normalisation share.
 */
#ifndef WETMILL_SCORERS_CCNET_H
#define WETMILL_SCORERS_CCNET_H

#include "base/charmap.h"
#include "wetmill/ccnet.h"
#include "wetmill/ucd.h"

/** Ops of the maps: characters whose result is more than a few bytes, or depends on others. */
enum {
    WM_CCNET_SIGMA = WM_CHARMAP_ASK, /**< U+03A3 */
    WM_CCNET_HANGUL,                 /**< A syllable to decompose. */
    WM_CCNET_COMBINE, /**< Its decomposition is long, or must be ordered with what follows. */
};

enum { WM_CCNET_PARTS = 2 * WM_UCD_PARTS };

/** Lower case and decomposition of one character, as far as `flags` say; marks are still there. */
size_t wm_ccnet_parts(const struct wm_ucd *ucd, unsigned flags, uint32_t code,
                      uint32_t parts[WM_CCNET_PARTS]);

/** Put runs of combining characters in canonical order (Unicode 3.11): `run` is UTF-8 of characters
 *  of classes other than 0. `spare` is overwritten. */
int wm_ccnet_order(const struct wm_ucd *ucd, char *run, size_t len, struct wm_buf *spare,
                   struct wm_error *err);

/** The map for a Unicode version and flags, made at first use. */
int wm_ccnet_map(enum wm_unicode_version version, unsigned flags, const struct wm_charmap **ret,
                 struct wm_error *err);

#endif /* WETMILL_SCORERS_CCNET_H */
