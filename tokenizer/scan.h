/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scan.h
 * The named splits without a regular expression: scanners over UTF-8 that give the pieces PCRE2
 * gives with the pattern of that name (tests compare them), several times as fast.
 *
 * A piece depends on nothing before it, so a scan may begin where any piece begins. There are two
 * ways through a text: one piece at a time, character by character (scan_step.h), and 64 bytes at
 * a time, where the starts of all pieces come out of a few operations on bit sets
 * (scan_block.h). Every path mixes the two and all give the same.
 *
 * Classes of characters are those of one Unicode version, whatever the system's libraries have.
 */
#ifndef WETMILL_TOKENIZER_SCAN_H
#define WETMILL_TOKENIZER_SCAN_H

#include "wetmill/error.h"
#include "wetmill/str.h"
#include "wetmill/ucd.h"

/** The kinds, for what is written once for each. QWEN2 is cl100k with single digits; the last three
 *  are what bpe_digits_pattern makes of others. */
#define BPE_SCAN_EACH(item)                                                            \
    item(R50K) item(CL100K) item(O200K) item(QWEN2) item(R50K_SINGLE) item(R50K_THREE) \
        item(O200K_SINGLE)
#define BPE_SCAN_NAME_(kind) BPE_SCAN_##kind,
enum bpe_scan_kind { BPE_SCAN_EACH(BPE_SCAN_NAME_) BPE_SCAN_KINDS };

/** Class of a character: one of the first four, and more. */
enum {
    BPE_LETTER = 1,   /**< \p{L} */
    BPE_NUMBER = 2,   /**< \p{N} */
    BPE_SPACE = 4,    /**< \s, that is White_Space */
    BPE_OTHER = 8,    /**< [^\s\p{L}\p{N}] */
    BPE_NEWLINE = 16, /**< CR, LF */
    BPE_UPPER = 32,   /**< [\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}] */
    BPE_LOWER = 64,   /**< [\p{Ll}\p{Lm}\p{Lo}\p{M}] */
};

enum { BPE_CLASS_BLOCK = WM_UCD_BLOCK }; /**< Characters that share all but the last byte. */

/** Constant once made; any thread. */
struct bpe_classes {
    uint8_t ascii[256];               /**< By byte; 0 from 0x80 on. */
    const uint16_t *block;            /**< By code / 64: which row. */
    uint8_t (*rows)[BPE_CLASS_BLOCK]; /**< By code % 64. */
};
/** WM_E_NOMEM. Free with bpe_classes_done; a zeroed one may be given to it, too. */
int bpe_classes_init(struct bpe_classes *classes, enum wm_unicode_version version,
                     struct wm_error *err);
void bpe_classes_done(struct bpe_classes *classes);

enum { BPE_SCAN_AT_ONCE = 144 }; /**< Least `max` with which a scan is as fast as it can be. */

/**
 * Ends of the pieces of `text` (valid UTF-8, under 4 GiB) from `*at`, where a piece begins: up to
 * `max` of them, counted from the start of the text. Returns how many, which may be fewer for
 * speed's sake, but 0 only where `*at` is the text's end or max is 0; `*at` is the last of them then.
 */
typedef size_t bpe_scan_fn(const struct bpe_classes *classes, struct wm_str text, size_t *at,
                           uint32_t *ends, size_t max);

/** One way to do it; all give the same pieces. */
struct bpe_scan_path {
    const char *name;
    bpe_scan_fn *scan[BPE_SCAN_KINDS];
};

/** Those this processor can run, the fastest first; ends with NULL. */
const struct bpe_scan_path *const *bpe_scan_paths(void);

extern const struct bpe_scan_path bpe_scan_plain;
#if defined(__x86_64__) && !defined(WM_PORTABLE)
extern const struct bpe_scan_path bpe_scan_sse2, bpe_scan_avx2;
#endif

#endif /* WETMILL_TOKENIZER_SCAN_H */
