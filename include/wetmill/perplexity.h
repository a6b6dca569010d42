/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file perplexity.h
 * How surprised an n-gram model is by a text that SentencePiece cuts into pieces: what CCNet sorts
 * pages by (arXiv 1911.00359, section 3.4).
 *
 * The whole text is one sentence: <s>, its pieces, </s>. A piece that SentencePiece does not know
 * keeps its characters, and the n-gram model may know them as a word.
 *
 * Ownership: the caller's, between _open and _free. Threads: a model is immutable, a scratch
 * belongs to one thread and to the model it was made for.
 */
#ifndef WETMILL_PERPLEXITY_H
#define WETMILL_PERPLEXITY_H

#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

struct wm_perplexity;
struct wm_perplexity_scratch;

/** `sentencepiece`: a .model file; `lm`: whatever wm_ngram_open reads. Errors name the file. */
int wm_perplexity_open(const char *sentencepiece, const char *lm, struct wm_perplexity **ret,
                       struct wm_error *err);
void wm_perplexity_free(struct wm_perplexity *model); /**< NULL is fine. */

/** Anonymous bytes the model holds. */
size_t wm_perplexity_memory(const struct wm_perplexity *model);

int wm_perplexity_scratch_new(const struct wm_perplexity *model,
                              struct wm_perplexity_scratch **ret, struct wm_error *err);
void wm_perplexity_scratch_free(struct wm_perplexity_scratch *scratch); /**< NULL is fine. */

struct wm_perplexity_score {
    double log10;    /**< Of the sentence. */
    uint64_t tokens; /**< Pieces, and one for </s>. */
    uint64_t oov;    /**< Pieces the n-gram model does not know. */
    double perplexity; /**< 10^(−log10 / tokens) */
};

/** Score `text`, normalised as the models' training text was. WM_E_LIMIT, WM_E_NOMEM. */
int wm_perplexity_score(const struct wm_perplexity *model, struct wm_perplexity_scratch *scratch,
                        struct wm_str text, struct wm_perplexity_score *ret, struct wm_error *err);

#endif /* WETMILL_PERPLEXITY_H */
