/* SPDX-License-Identifier: Apache-2.0 */
/* What the n-gram trainer reads: plain text as it is, anything else as documents, with a SentencePiece
 * model as their pieces. */
#ifndef CLI_LM_TEXT_H
#define CLI_LM_TEXT_H

#include "cli/cli.h"
#include "wetmill/lm_train.h"

enum lm_normalize { LM_NORMALIZE_STRICT, LM_NORMALIZE_CCNET, LM_NORMALIZE_NONE };

struct lm_text_options {
    const char *sentencepiece; /* NULL: words between white space, each line a sentence */
    int normalize;             /* enum lm_normalize; with a SentencePiece model */
    int unicode;               /* enum wm_unicode_version, to normalise by */
    uint64_t memory;           /* bytes; large windows of compressed files may take an eighth */
};

/* Give `train` all of the operands, or what stands behind `position`, which is of wm_lm_train_keep;
 * *ret_skipped: some input could not be read. WM_E_MISMATCH if it cannot be gone on with there. */
int lm_text_read(struct cli *cli, const struct lm_text_options *options, struct wm_str position,
                 struct wm_lm_train *train, bool *ret_skipped, struct wm_error *err);

/* Operands, names, sizes and times of what is read; what the model and the list of words hold.
 * *ret_pipe: some of it can be read only once. */
int lm_text_fingerprint(struct cli *cli, const struct lm_text_options *options,
                        const char *vocabulary, XXH128_hash_t *ret, bool *ret_pipe,
                        struct wm_error *err);

#endif /* CLI_LM_TEXT_H */
