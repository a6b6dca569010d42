/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file split.h
 * Pre-tokenisation: cutting text into the pieces that merges never cross, with a PCRE2 pattern
 * (UTF, UCP). Bytes no match covers are pieces too (Hugging Face's "Isolated"), so the pieces
 * joined are the text. A pattern may be used by any number of threads, each with its own splitter.
 */
#ifndef WETMILL_TOKENIZER_SPLIT_H
#define WETMILL_TOKENIZER_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

enum { BPE_MAX_PATTERN = 16 << 10 }; /**< Bytes of a pattern. */

/** Patterns of the named splits, by enum wm_split (WM_SPLIT_R50K, WM_SPLIT_CL100K). */
extern const char *const bpe_named_patterns[2];

struct bpe_pattern;
/** WM_E_CONFIG with PCRE2's words and the place. Free with bpe_pattern_free. */
int bpe_pattern_new(struct wm_str text, struct bpe_pattern **ret, struct wm_error *err);
void bpe_pattern_free(struct bpe_pattern *pattern);
struct wm_str bpe_pattern_text(const struct bpe_pattern *pattern);

struct bpe_splitter;
int bpe_splitter_new(const struct bpe_pattern *pattern, struct bpe_splitter **ret,
                     struct wm_error *err);
void bpe_splitter_free(struct bpe_splitter *splitter);

/** Begin with `text`, which must be valid UTF-8 and stay until the last piece is taken. */
void bpe_split(struct bpe_splitter *splitter, struct wm_str text);
/** Next piece (never empty): 1, or 0 at the end. WM_E_LIMIT where matching takes too many steps. */
int bpe_next_piece(struct bpe_splitter *splitter, struct wm_str *ret, struct wm_error *err);

/** Ends of the next pieces, counted from the text's start, into `ends` [max]: how many, 0 at the
 *  text's end. WM_E_LIMIT, once the pieces before have been taken, as above. */
int bpe_next_pieces(struct bpe_splitter *splitter, uint32_t *ends, int max, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_SPLIT_H */
