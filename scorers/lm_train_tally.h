/* SPDX-License-Identifier: Apache-2.0 */
/* Sums by word of the n-grams that share a context, given back in rising order of the words. Few
 * words are kept in a sorted list; many in an array over the vocabulary with a tree of bits above
 * it (64 children a node), so that a pass over the words that occur costs only them. */
#ifndef SCORERS_LM_TRAIN_TALLY_H
#define SCORERS_LM_TRAIN_TALLY_H

#include "scorers/lm_train.h"

enum { LM_TALLY_LIST = 16, LM_TALLY_LEVELS = 6 /* 64^6 > 2^32 */ };

struct lm_tally_item {
    uint64_t count; /* occurrences */
    uint64_t left;  /* n-grams added: different words to the left */
    uint32_t word;
};

struct lm_tally {
    unsigned n; /* in the list */
    bool many;
    struct lm_tally_item list[LM_TALLY_LIST];
    uint64_t *counts;                /* [n_words], zero where no bit is set */
    uint32_t *lefts;                 /* [n_words] */
    uint64_t *bits[LM_TALLY_LEVELS]; /* bits[0]: a bit for each word; above: one for each 64 */
    unsigned n_levels;
};

int lm_tally_init(struct lm_tally *tally, size_t n_words, struct wm_error *err);
void lm_tally_done(struct lm_tally *tally);
/* Bytes that init takes. */
uint64_t lm_tally_bytes(size_t n_words);
/* Out of line: more than a few words. */
void lm_tally_add_many_(struct lm_tally *tally, uint32_t word, uint64_t count);
/* The least word, which is taken out; false if there is none. For `many`. */
bool lm_tally_pop_(struct lm_tally *tally, struct lm_tally_item *ret);

static inline void lm_tally_add(struct lm_tally *tally, uint32_t word, uint64_t count)
{
    unsigned at = tally->n;
    while (!tally->many && at && tally->list[at - 1].word > word)
        at--;
    if (!tally->many && at && tally->list[at - 1].word == word) {
        tally->list[at - 1].count += count;
        tally->list[at - 1].left++;
        return;
    }
    if (tally->many || tally->n == LM_TALLY_LIST) {
        lm_tally_add_many_(tally, word, count);
        return;
    }
    memmove(&tally->list[at + 1], &tally->list[at], (tally->n - at) * sizeof *tally->list);
    tally->list[at] = (struct lm_tally_item){count, 1, word};
    tally->n++;
}

#endif /* SCORERS_LM_TRAIN_TALLY_H */
