/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file split_pcre.h
 * Pieces by PCRE2, for patterns that have no scanner, with limits on what a hostile pattern or text
 * can cost. Used by split.c alone; threads as there.
 */
#ifndef WETMILL_TOKENIZER_SPLIT_PCRE_H
#define WETMILL_TOKENIZER_SPLIT_PCRE_H

#include "wetmill/error.h"
#include "wetmill/str.h"
#include "wetmill/ucd.h"

/** Version of Unicode that PCRE2's classes are of, "14.0", as it says itself. */
void bpe_pcre_unicode(char ret[WM_UNICODE_NAME]);

struct bpe_pcre;
/** `pattern` must stay. WM_E_CONFIG. */
int bpe_pcre_new(struct wm_str pattern, struct bpe_pcre **ret, struct wm_error *err);
void bpe_pcre_free(struct bpe_pcre *pcre);

struct bpe_matcher;
int bpe_matcher_new(const struct bpe_pcre *pcre, struct bpe_matcher **ret, struct wm_error *err);
void bpe_matcher_free(struct bpe_matcher *matcher);

/** As bpe_split. */
void bpe_matcher_begin(struct bpe_matcher *matcher, struct wm_str text);
/** Where the next piece ends: 1, or 0 at the text's end. WM_E_LIMIT. */
int bpe_matcher_next(struct bpe_matcher *matcher, size_t *ret_end, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_SPLIT_PCRE_H */
