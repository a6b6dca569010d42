/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fasttext.h
 * fastText text classifiers (Joulin et al., "Bag of Tricks for Efficient Text Classification",
 * arXiv 1607.01759; compressed models "FastText.zip", arXiv 1612.03651).
 *
 *     wm_fasttext_open ─▶ per thread: wm_fasttext_scratch_new ─▶ wm_fasttext_predict, many times
 *
 * Reads supervised models of fastText 0.1 to 0.9: `.bin` and quantised `.ftz` (product quantiser,
 * quantised norms, quantised output, pruned dictionary), with subwords and word n-grams; losses
 * softmax, hierarchical softmax, negative sampling and one-vs-all. Labels and probabilities are
 * those of fastText 0.9.2 within float rounding, among them its log(p + 1e-5), by which a
 * probability can come out as 1.00001.
 *
 * Ownership: the caller's, between _open and _free. Threads: a model is immutable; a scratch
 * belongs to one thread. Errors: a file that is not such a model is WM_E_FORMAT; every size in it
 * is checked against the bytes that are there before memory is taken for it.
 */
#ifndef WETMILL_FASTTEXT_H
#define WETMILL_FASTTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

enum {
    WM_FASTTEXT_MAX_DIM = 1 << 16,
    WM_FASTTEXT_MAX_NGRAMS = 64,             /**< Of maxn and wordNgrams. */
    WM_FASTTEXT_MAX_BUCKET = 1 << 28,        /**< Hash buckets of a pruned model. */
    WM_FASTTEXT_MAX_BYTES_OF_WORDS = 1 << 30 /**< All words and labels together. */
};

struct wm_fasttext;
struct wm_fasttext_scratch;

/** Load a model. Errors name `path`. */
int wm_fasttext_open(const char *path, struct wm_fasttext **ret, struct wm_error *err);

/** The same from memory, which is not needed afterwards. */
int wm_fasttext_parse(struct wm_str bytes, struct wm_fasttext **ret, struct wm_error *err);

void wm_fasttext_free(struct wm_fasttext *model); /**< NULL is fine. */

/** Bytes the model holds, and those of one scratch. */
size_t wm_fasttext_memory(const struct wm_fasttext *model);
size_t wm_fasttext_scratch_memory(const struct wm_fasttext *model);

size_t wm_fasttext_labels(const struct wm_fasttext *model);

/** Label `i` < wm_fasttext_labels without its "__label__"; valid UTF-8, lives as the model does. */
struct wm_str wm_fasttext_label(const struct wm_fasttext *model, size_t i);

int wm_fasttext_scratch_new(const struct wm_fasttext *model, struct wm_fasttext_scratch **ret,
                            struct wm_error *err);
void wm_fasttext_scratch_free(struct wm_fasttext_scratch *scratch); /**< NULL is fine. */

struct wm_fasttext_guess {
    uint32_t label;
    float score; /**< Probability as fastText gives it. */
};

/**
 * The `k` likeliest labels of `text`, best first, into `ret` [k]; returns how many there are, 0 if
 * nothing of the text is known to the model. All of `text` is taken as one line: newlines separate
 * words as blanks do, and the end-of-line word stands at the end. As with fastText, a word "</s>"
 * ends the text, and words that start with "__label__" do not count.
 *
 * Hierarchical softmax leaves out labels below 1e-5, as fastText does. The result does not depend
 * on what the scratch was used for before. The words' sums are added up in text order.
 */
size_t wm_fasttext_predict(const struct wm_fasttext *model, struct wm_fasttext_scratch *scratch,
                           struct wm_str text, size_t k, struct wm_fasttext_guess *ret);

#endif /* WETMILL_FASTTEXT_H */
