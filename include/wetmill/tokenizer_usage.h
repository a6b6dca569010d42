/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tokenizer_usage.h
 * What a tokenizer does with a corpus: how often each token comes, and by language the documents,
 * bytes, words and tokens. A word is a run without white space (the property White_Space, Unicode
 * 14); where a script writes no spaces, read bytes per token instead.
 *
 * Special tokens' names in the text count as text. One thread calls; a team, if there is one, does
 * the encoding. The result is the same for any size of the team, and, up to WM_USAGE_LANGUAGES
 * languages, for any order of the documents.
 */
#ifndef WETMILL_TOKENIZER_USAGE_H
#define WETMILL_TOKENIZER_USAGE_H

#include "wetmill/parallel.h"
#include "wetmill/tokenizer.h"

enum {
    WM_USAGE_NAME = 32,        /**< Bytes of a language's name with NUL; a longer one is "other". */
    WM_USAGE_LANGUAGES = 1024, /**< Names told apart; what comes later is "other". */
};

struct wm_usage_language {
    char name[WM_USAGE_NAME];
    uint64_t documents, bytes, words, tokens;
};

struct wm_usage;

/** `tok` and `team` must outlive it; NULL: no team. */
int wm_usage_new(const struct wm_tokenizer *tok, struct wm_team *team, struct wm_usage **ret,
                 struct wm_error *err);
void wm_usage_free(struct wm_usage *usage); /**< NULL is fine. */

struct wm_usage_document {
    struct wm_str text, language; /**< An empty language is "unknown". */
    struct wm_str path;           /**< For errors. */
};

/** Count `n` documents, side by side: some MiB of text at a time are enough. Errors as wm_encode, the
 *  first document's; nothing of any of them is counted then. */
int wm_usage_add(struct wm_usage *usage, const struct wm_usage_document *documents, size_t n,
                 struct wm_error *err);

/** Times that token `id` came; 0 for an id out of range. */
uint64_t wm_usage_count(const struct wm_usage *usage, uint32_t id);

/** [*ret_n] languages by name, borrowed. */
const struct wm_usage_language *wm_usage_languages(const struct wm_usage *usage, size_t *ret_n);

#endif /* WETMILL_TOKENIZER_USAGE_H */
