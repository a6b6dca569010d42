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

/* Give `train` all of the operands; *ret_skipped: some input could not be read. */
int lm_text_read(struct cli *cli, const struct lm_text_options *options, struct wm_lm_train *train,
                 bool *ret_skipped, struct wm_error *err);

#endif /* CLI_LM_TEXT_H */
