/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ngram.h
 * Back-off n-gram language models: reading and querying.
 *
 *     wm_ngram_open ─▶ wm_ngram_word for each word ─▶ wm_ngram_score for a sentence,
 *                                                     wm_ngram_score_many for those of a document
 *
 * Reads, told apart by content: ARPA text (plain or gzip), KenLM's binary files of version 5
 * (probing hash tables, with or without rest costs; trie, plain, quantised, with array-compressed
 * pointers), and wetmill's own (docs/formats.md), which wm_ngram_convert makes of an ARPA file.
 * Binary files are mapped and used where they lie; ARPA text becomes the tables of the own format
 * in memory.
 *
 * Scores are log10 and those of KenLM: Katz back-off (Katz, "Estimation of probabilities from
 * sparse data", 1987) in float32, added up in the same order. The probability of a word is that of
 * the longest n-gram of the model that ends with it, plus the back-off weights of the longer
 * contexts. As in KenLM, n-grams of an ARPA file whose suffix was pruned get the suffix back, with
 * the probability that backing off gives it; and a model without <unk> gives unknown words -100.
 *
 * Speed: the n-grams of about 200 words are looked up order by order, and what the next order needs
 * is fetched ahead, so a model larger than the caches costs memory bandwidth rather than latency.
 * Short sentences are scored fastest together.
 *
 * Ownership: the caller's, between _open and _free. Threads: a model is immutable; any number of
 * threads may query it. Errors: a file that is no such model is WM_E_FORMAT, one of a kind or size
 * not handled says so by name. No byte of a file leads outside it, nor into an endless loop; what a
 * damaged table scores is unspecified. A mapped file must not be cut short while it is open.
 */
#ifndef WETMILL_NGRAM_H
#define WETMILL_NGRAM_H

#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

enum {
    WM_NGRAM_MAX_ORDER = 8,
    WM_NGRAM_MAX_WORDS = 1 << 30,
    WM_NGRAM_MAX_LINE = 1 << 20,       /**< Bytes of a line of an ARPA file. */
    WM_NGRAM_MAX_WORD_BYTES = 1 << 30, /**< All words of an ARPA file together. */
    WM_NGRAM_UNKNOWN = 0,              /**< The index of <unk> in every model. */
};

struct wm_ngram;

/** Open a model. Errors name `path`. Only regular files. */
int wm_ngram_open(const char *path, struct wm_ngram **ret, struct wm_error *err);

/** The same from memory. A binary model is used in place: `bytes` must outlive it. */
int wm_ngram_parse(struct wm_str bytes, struct wm_ngram **ret, struct wm_error *err);

void wm_ngram_free(struct wm_ngram *model); /**< NULL is fine. */

/**
 * Read all of a model in wetmill's own format and compare the checksums of its tables, of which
 * _open checks the header and the vocabulary only. Other formats have none: 0.
 */
int wm_ngram_verify(const struct wm_ngram *model, struct wm_error *err);

/** "ARPA", "KenLM probing", "KenLM trie, quantised", …, "wetmill". */
const char *wm_ngram_format(const struct wm_ngram *model);

unsigned wm_ngram_order(const struct wm_ngram *model);

/** Words of the vocabulary, <unk> included: indices are below it. */
uint32_t wm_ngram_words(const struct wm_ngram *model);

/** n-grams of one order from 1 to the model's, as the file counts them (restored suffixes too). */
uint64_t wm_ngram_count(const struct wm_ngram *model, unsigned order);

/** Bytes in memory of its own, and bytes of the mapped (or given) file. */
uint64_t wm_ngram_memory(const struct wm_ngram *model);
uint64_t wm_ngram_mapped(const struct wm_ngram *model);

/** Index of a word; WM_NGRAM_UNKNOWN for one the model does not know. Indices differ between
 *  formats of the same model. */
uint32_t wm_ngram_word(const struct wm_ngram *model, struct wm_str word);

uint32_t wm_ngram_begin(const struct wm_ngram *model); /**< Index of <s>. */
uint32_t wm_ngram_end(const struct wm_ngram *model);   /**< Index of </s>. */

struct wm_ngram_score {
    double log10; /**< Of the sentence: n words and </s>. A sum in float32, as KenLM's. */
    uint64_t oov; /**< Of the n words, those with index WM_NGRAM_UNKNOWN. */
};

/**
 * Score the sentence <s> words[0] … words[n − 1] </s>; <s> itself has no score. Its perplexity is
 * 10^(−log10 / (n + 1)). If not NULL, `per_word` [n + 1] gets the log10 of each word and of </s>,
 * and `matched` [n + 1] the length of the n-gram that its probability is from (1 for an unknown
 * word). Indices outside the vocabulary count as unknown. Takes no memory.
 */
void wm_ngram_score(const struct wm_ngram *model, const uint32_t *words, size_t n,
                    struct wm_ngram_score *ret, float *per_word, unsigned char *matched);

/**
 * Score many sentences, which costs less a word than one by one: sentence i is the words from
 * ends[i − 1] (0 for the first) up to ends[i] (not falling), its score ret[i].
 */
void wm_ngram_score_many(const struct wm_ngram *model, const uint32_t *words, const size_t *ends,
                         size_t n_sentences, struct wm_ngram_score *ret);

/**
 * Make a model in wetmill's own format, at `out`, of the ARPA file `arpa` (gzip too, "-" is
 * standard input). The same file gives the same bytes. WM_E_LIMIT if the tables, built in memory,
 * would take more than `memory` bytes (0: no limit).
 */
int wm_ngram_convert(const char *arpa, const char *out, uint64_t memory, struct wm_error *err);

#endif /* WETMILL_NGRAM_H */
