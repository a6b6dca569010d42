/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ccnet.h
 * CCNet's normalisation of text (Wenzek et al., arXiv 1911.00359; cc_net's text_normalizer, whose
 * output this equals byte for byte): the form of a line that is hashed for deduplication, and the
 * form of a document that SentencePiece and the n-gram model are given. In this order:
 *
 *     strip         Unicode white space at both ends                         always
 *     lower case    full, with the final sigma (WM_CCNET_LOWER)              dedup, lm
 *     accents       canonical decomposition, then without category Mn        lm
 *                   (WM_CCNET_ACCENTS); never composed again
 *     digits        category Nd becomes 0 (WM_CCNET_DIGITS)                  dedup, lm
 *     punctuation   34 characters become ASCII (WM_CCNET_PUNCT_REPLACE)      lm
 *                   or nothing (WM_CCNET_PUNCT_DELETE)                       dedup
 *     controls      U+0000 … 001F and U+007F … 009F go                       always
 *
 * Text is UTF-8; bytes that are not are copied as they are. A struct wm_ccnet belongs to one thread;
 * several may work at once. Its tables are made at first use, once in a process for each Unicode
 * version and set of flags (under a millisecond, 100 to 300 kB), and stay.
 */
#ifndef WETMILL_CCNET_H
#define WETMILL_CCNET_H

#include <stdint.h>

#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/str.h"
#include "wetmill/ucd.h"

enum {
    WM_CCNET_LOWER = 1,
    WM_CCNET_ACCENTS = 2,
    WM_CCNET_DIGITS = 4,
    WM_CCNET_PUNCT_REPLACE = 8,
    WM_CCNET_PUNCT_DELETE = 16, /**< Goes before WM_CCNET_PUNCT_REPLACE. */
    /** U+000A becomes a space, where cc_net deletes it and so joins the words around it. */
    WM_CCNET_NEWLINE_SPACE = 32,

    WM_CCNET_DEDUP = WM_CCNET_LOWER | WM_CCNET_DIGITS | WM_CCNET_PUNCT_DELETE,
    WM_CCNET_LM = WM_CCNET_LOWER | WM_CCNET_ACCENTS | WM_CCNET_DIGITS | WM_CCNET_PUNCT_REPLACE,
    WM_CCNET_FLAG_SETS = 64,
};

struct wm_charmap;
struct wm_ccnet {
    enum wm_unicode_version version;
    struct wm_buf out, run;
    const struct wm_charmap *maps[WM_CCNET_FLAG_SETS];
};

/** Results may have up to `max_bytes`. cc_net's own results come of WM_UNICODE_14_0 (Python 3.11). */
void wm_ccnet_init(struct wm_ccnet *c, enum wm_unicode_version version, size_t max_bytes);

/** Safe on a zeroed one, and twice. */
void wm_ccnet_done(struct wm_ccnet *c);

/** `text` through the steps that `flags` name. `*ret` is valid until the next call with `c`.
 *  WM_E_LIMIT over `max_bytes`, WM_E_NOMEM. */
int wm_ccnet_normalise(struct wm_ccnet *c, struct wm_str text, unsigned flags, struct wm_str *ret,
                       struct wm_error *err);

/** The form of a line that is hashed. */
static inline int wm_ccnet_dedup(struct wm_ccnet *c, struct wm_str line, struct wm_str *ret,
                                 struct wm_error *err)
{
    return wm_ccnet_normalise(c, line, WM_CCNET_DEDUP, ret, err);
}

/** The form of a whole document for the language model; `flags` is 0 or WM_CCNET_NEWLINE_SPACE. */
static inline int wm_ccnet_lm(struct wm_ccnet *c, struct wm_str text, unsigned flags,
                              struct wm_str *ret, struct wm_error *err)
{
    return wm_ccnet_normalise(c, text, WM_CCNET_LM | flags, ret, err);
}

/** Without white space at both ends: White_Space and U+001C … 001F, as Python's str.strip(). */
struct wm_str wm_ccnet_strip(struct wm_str s);

/** First 8 bytes of the SHA-1, as a little-endian number: CCNet's hash of a line. Any thread. */
uint64_t wm_ccnet_sha1_8(struct wm_str s);

#endif /* WETMILL_CCNET_H */
