/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file split.h
 * Pre-tokenisation: cutting text into the pieces that merges never cross. A pattern is a PCRE2
 * pattern (UTF, UCP), compiled to machine code where that is allowed; one that is to the letter a
 * named one is scanned instead (scan.h), which gives the same pieces. Bytes no match covers are
 * pieces too (Hugging Face's "Isolated"), so the pieces joined are the text.
 *
 * A pattern may be used by any number of threads, each with its own splitter.
 */
#ifndef WETMILL_TOKENIZER_SPLIT_H
#define WETMILL_TOKENIZER_SPLIT_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/str.h"
#include "wetmill/ucd.h"

enum {
    BPE_MAX_PATTERN = 16 << 10, /**< Bytes of a pattern. */
    BPE_NAMED_PATTERNS = 5,
};

/** Unicode version of the named splits' classes: that of PCRE2 10.42, so that the two can be
 *  compared. */
#define BPE_SPLIT_UNICODE WM_UNICODE_14_0

/* In the form tokenizer.json carries them. Possessive rewrites circulate; Oniguruma, which Hugging
 * Face matches with, reads some of those differently. */
#define BPE_CONTRACTION_ "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define BPE_UPPER_ "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define BPE_LOWER_ "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define BPE_CL100K_(numbers)                                          \
    BPE_CONTRACTION_ "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" numbers        \
                     "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|" \
                     "\\s+(?!\\S)|\\s+"
#define BPE_R50K_(numbers)                                                 \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+|" numbers "| ?[^\\s\\p{L}\\p{N}]+|" \
    "\\s+(?!\\S)|\\s+"
#define BPE_R50K BPE_R50K_(" ?\\p{N}+")
#define BPE_CL100K BPE_CL100K_("\\p{N}{1,3}")
#define BPE_QWEN2 BPE_CL100K_("\\p{N}")
#define BPE_O200K_(numbers)                                                      \
    "[^\\r\\n\\p{L}\\p{N}]?" BPE_UPPER_ "*" BPE_LOWER_ "+" BPE_CONTRACTION_ "?"  \
    "|[^\\r\\n\\p{L}\\p{N}]?" BPE_UPPER_ "+" BPE_LOWER_ "*" BPE_CONTRACTION_ "?" \
    "|" numbers "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define BPE_O200K BPE_O200K_("\\p{N}{1,3}")

/** Patterns of the named splits, by enum wm_split up to WM_SPLIT_PATTERN. */
extern const char *const bpe_named_patterns[BPE_NAMED_PATTERNS];

/** The pattern of a named split with another way to cut numbers (enum wm_digits). */
const char *bpe_digits_pattern(int split, int digits);

struct bpe_pattern;
/** WM_E_CONFIG with PCRE2's words and the place. Free with bpe_pattern_free. */
int bpe_pattern_new(struct wm_str text, struct bpe_pattern **ret, struct wm_error *err);
/** The same without scanners: what they must equal. */
int bpe_pattern_new_pcre(struct wm_str text, struct bpe_pattern **ret, struct wm_error *err);
void bpe_pattern_free(struct bpe_pattern *pattern);
struct wm_str bpe_pattern_text(const struct bpe_pattern *pattern);
/** Whether it is scanned: a named split, or one with another way to cut numbers. */
bool bpe_pattern_is_scanned(const struct bpe_pattern *pattern);
/** Version of Unicode its classes are of: BPE_SPLIT_UNICODE, or PCRE2's own. */
void bpe_pattern_unicode(const struct bpe_pattern *pattern, char ret[WM_UNICODE_NAME]);

struct bpe_splitter;
int bpe_splitter_new(const struct bpe_pattern *pattern, struct bpe_splitter **ret,
                     struct wm_error *err);
void bpe_splitter_free(struct bpe_splitter *splitter);

/** Begin with `text`, which must be valid UTF-8 and under 4 GiB, and stay until the last piece is
 *  taken. */
void bpe_split(struct bpe_splitter *splitter, struct wm_str text);
/**
 * Ends of the next pieces, counted from the text's start, into `ends` [max]: how many, 0 at the
 * text's end. No piece is empty. WM_E_LIMIT, once the pieces before have been taken, where matching
 * takes too many steps (or, in texts of over 64 KiB, too much time): what a text can cost is bounded
 * by its length.
 */
int bpe_next_pieces(struct bpe_splitter *splitter, uint32_t *ends, int max, struct wm_error *err);
/** Next piece: 1, or 0 at the end. Errors as above; may be mixed with the above. */
int bpe_next_piece(struct bpe_splitter *splitter, struct wm_str *ret, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_SPLIT_H */
