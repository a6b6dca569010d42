/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of the n-gram trainer. The stages are those of wetmill/lm_train.h.
 *
 * An n-gram w1 … wn is held in context order as {w(n−1), …, w1, wn} and in suffix order as
 * {wn, w(n−1), …, w1}, so that records compare word by word and a context, a suffix or a parent is a
 * prefix. Records in spools are such words, then what belongs to them; 64-bit counts are unaligned. */
#ifndef SCORERS_LM_TRAIN_H
#define SCORERS_LM_TRAIN_H

#include <string.h>

#include "wetmill/arena.h"
#include "wetmill/file.h"
#include "wetmill/lm_train.h"
#include "wetmill/parallel.h"
#include "wetmill/spool.h"

enum {
    LM_UNK = 0,
    LM_BOS = 1,
    LM_EOS = 2,
    LM_FIRST_WORD = 3,
    LM_WORDS = WM_LM_ORDER_MAX, /* of an n-gram */
};

/* ---- lm_train_vocabulary.c ---- */

struct lm_vocabulary {
    struct wm_arena text;
    struct wm_str *words; /* [n] by id */
    uint64_t *slots;      /* upper half of the hash, id + 1; 0: free */
    size_t n, cap, n_slots;
};

/* With <unk>, <s>, </s> in it. */
int lm_vocabulary_init(struct lm_vocabulary *vocabulary, struct wm_error *err);
void lm_vocabulary_done(struct lm_vocabulary *vocabulary);
/* Id of a word, new if need be. WM_E_LIMIT, WM_E_NOMEM. */
int lm_vocabulary_id(struct lm_vocabulary *vocabulary, struct wm_str word, uint32_t *ret,
                     struct wm_error *err);
/* false if it is not there. */
bool lm_vocabulary_find(const struct lm_vocabulary *vocabulary, struct wm_str word, uint32_t *ret);
/* Bytes held. */
uint64_t lm_vocabulary_bytes(const struct lm_vocabulary *vocabulary);

/* ---- lm_train_sort.c: a block of tokens → counted n-grams in context order ---- */

/* Tokens of a block. Where an n-gram may end is at `start` and behind, but not at a <s>. */
struct lm_block {
    uint32_t *tokens;
    size_t n, start;
};
/* Bytes a token of a block takes while it is sorted. */
enum { LM_BLOCK_TOKEN = 16 };

/* Takes n-grams in rising context order: the words, their number of occurrences. */
struct lm_sink {
    int (*take)(void *arg, const uint32_t *words, uint64_t count, struct wm_error *err);
    void *arg;
};
/* Count the n-grams of `order` words with ids below n_words. */
int lm_sort_block(const struct lm_block *block, unsigned order, size_t n_words,
                  struct wm_cancel *cancel, const struct lm_sink *sink, struct wm_error *err);

/* ---- lm_train_merge.c: runs of counted n-grams → one ---- */

/* A run is a spool of {words[order] in context order, u64 count}; lm_run_take is a sink to it. */
int lm_run_open(struct wm_spool *run, struct wm_spool_pool *pool, unsigned order,
                struct wm_error *err);
int lm_run_take(void *run, const uint32_t *words, uint64_t count, struct wm_error *err);
/* Who wants to stop for a moment between n-grams of different first words. */
struct lm_pause {
    bool (*due)(void *arg);
    /* left[i]: records of run i that are still to come. */
    int (*take)(void *arg, const uint64_t *left, struct wm_error *err);
    void *arg;
};
/* Merge n runs (rewound; closed on return) into `sink`. With a `pause`, which may be NULL, the runs are
 * of wm_spool_from. */
int lm_merge(struct wm_spool *runs, size_t n, unsigned order, struct wm_cancel *cancel,
             const struct lm_sink *sink, const struct lm_pause *pause, struct wm_error *err);
/* Merge runs (rewound; closed on return) into `sink`, at most `fan` at
 * a time. */
int lm_merge_runs(struct wm_spool *runs, size_t n, unsigned order, size_t fan,
                  struct wm_spool_pool *pool, struct wm_cancel *cancel, const struct lm_sink *sink,
                  struct wm_error *err);

/* ---- lm_train_adjust.c: n-grams of full order → adjusted counts of all ---- */

#define LM_PRUNED ((uint64_t)1 << 63) /* set in an adjusted count */

/* What an order's counts amount to. */
struct lm_order {
    uint64_t n, kept;   /* n-grams; of those, not pruned */
    uint64_t n_of[5];   /* n_of[k]: n-grams with adjusted count k, 1 … 4 */
    double discount[4]; /* by min(adjusted count, 3) */
    bool fell_back;
};

struct lm_adjust;
/* `limited`: [n_words] words to keep, or NULL. */
int lm_adjust_new(unsigned order, size_t n_words, const uint64_t *thresholds, const bool *limited,
                  struct wm_spool_pool *pool, struct lm_adjust **ret, struct wm_error *err);
void lm_adjust_free(struct lm_adjust *adjust);
/* Bytes of tables for n_words words. */
uint64_t lm_adjust_bytes(unsigned order, size_t n_words);
int lm_adjust_take(void *adjust, const uint32_t *words, uint64_t count, struct wm_error *err);
/* Nothing is held back any more. Before n-grams with another first word than those so far. */
int lm_adjust_flush(struct lm_adjust *adjust, struct wm_error *err);
/* What there is then, to be kept or brought back. */
struct lm_adjust_state {
    struct lm_order *orders;  /* [order] */
    struct wm_spool *spools;  /* [order], of orders 2 and up */
    uint64_t *counts, *lefts; /* [n_words] of words: how often; behind how many others */
};
struct lm_adjust_state lm_adjust_state(struct lm_adjust *adjust);
/* The last groups; then `orders` [order] are filled, `counts` [order] are spools of
 * {words in context order, u64 adjusted count} of orders 2 and up, not rewound and the caller's, and
 * `unigrams` [n_words] adjusted counts. */
int lm_adjust_finish(struct lm_adjust *adjust, struct lm_order *orders, struct wm_spool *counts,
                     uint64_t *unigrams, struct wm_error *err);

/* ---- lm_train_discount.c ---- */

/* Fill orders[].discount. `fallback`: [3], or NULL if failing is an error. */
int lm_discounts(struct lm_order *orders, unsigned order, const double *fallback,
                 struct wm_error *err);

/* ---- lm_train_context.c: adjusted counts → u and b in suffix order ---- */

/* {words in suffix order [n], float u, float b of the context} of one order, and the back-offs
 * {words of the context in suffix order [n − 1], float b} of its contexts. */
struct lm_suffix;
/* Consumes `counts`. Sorts in at most `memory` bytes; `backoffs` is filled and rewound. */
int lm_suffix_new(struct wm_spool *counts, unsigned n, const struct lm_order *order, size_t n_words,
                  uint64_t memory, struct wm_spool_pool *pool, struct wm_spool *backoffs,
                  struct wm_cancel *cancel, struct lm_suffix **ret, struct wm_error *err);
void lm_suffix_free(struct lm_suffix *suffix);
/* As wm_spool_next. */
int lm_suffix_next(struct lm_suffix *suffix, const unsigned char **ret, struct wm_error *err);

/* ---- lm_train_arpa.c: the file ---- */

struct lm_arpa;
/* Where the file goes on; zeros but for `out` if it is new. */
struct lm_arpa_start {
    struct wm_out *out; /* the model's from now on, also on failure */
    unsigned n;         /* the section that is open */
    uint64_t put;       /* n-grams in it */
};
/* `kept`: [order] n-grams to come. */
int lm_arpa_open(const struct lm_arpa_start *start, const struct lm_vocabulary *vocabulary,
                 unsigned order, const uint64_t *kept, struct wm_team *team, struct lm_arpa **ret,
                 struct wm_error *err);
/* The next n-gram, orders rising: words in suffix order, probability, back-off (not log10). */
int lm_arpa_put(struct lm_arpa *arpa, unsigned n, const uint32_t *words, float p, float b,
                struct wm_error *err);
/* All so far is with `out`; where it could go on from here. */
int lm_arpa_flush(struct lm_arpa *arpa, struct lm_arpa_start *ret, struct wm_error *err);
/* WM_E_… if other n-grams came than were announced. Frees in any case. */
int lm_arpa_commit(struct lm_arpa *arpa, struct wm_digest *ret, struct wm_error *err);
void lm_arpa_abandon(struct lm_arpa *arpa);

/* ---- lm_train_number.c ---- */

enum { LM_FLOAT_TEXT = 32 };
/* The shortest decimal that reads back as `v` (finite); returns its length, no NUL. */
size_t lm_format_float(char out[LM_FLOAT_TEXT], float v);

/* ---- lm_train_interpolate.c ---- */

struct lm_estimate {
    const struct lm_vocabulary *vocabulary;
    unsigned order;
    const struct lm_order *orders; /* [order] */
    struct wm_spool *counts;       /* [order] of lm_adjust_finish; consumed */
    const uint64_t *unigrams;
    uint64_t memory; /* for sorting */
    struct wm_spool_pool *pool;
    struct wm_cancel *cancel;
    struct wm_progress *progress;
    unsigned done; /* orders that are written already; not 1 */
    /* An order from 2 on, but not the highest, is done; `below`, its probabilities {words in suffix
     * order, float}, is to be rewound. */
    int (*order_done)(void *arg, unsigned n, struct wm_spool *below, struct wm_error *err);
    void *arg;
    struct wm_spool below; /* if some are done: of the last of them, rewound; consumed */
};
/* Stages 4 and 5: write every n-gram to `arpa`. */
int lm_interpolate(struct lm_estimate *estimate, struct lm_arpa *arpa, struct wm_error *err);

/* ---- lm_train_memory.c ---- */

/* As malloc; for large arrays that are read in any order. To be freed with free. */
void *lm_alloc(size_t bytes);

/* ---- small things ---- */

static inline uint64_t lm_get64(const unsigned char *src)
{
    uint64_t v;
    memcpy(&v, src, sizeof v);
    return v;
}

static inline void lm_put64(unsigned char *dst, uint64_t v)
{
    memcpy(dst, &v, sizeof v);
}

static inline float lm_get_float(const unsigned char *src)
{
    float v;
    memcpy(&v, src, sizeof v);
    return v;
}

/* Copy n ≤ LM_WORDS words. Copies of a size known here are a few instructions; memcpy of n words is a
 * call, which costs more than the rest of a stage. */
static inline void lm_copy(void *dst, const void *src, unsigned n)
{
    switch (n) {
    case 1:
        memcpy(dst, src, 4);
        break;
    case 2:
        memcpy(dst, src, 8);
        break;
    case 3:
        memcpy(dst, src, 12);
        break;
    case 4:
        memcpy(dst, src, 16);
        break;
    case 5:
        memcpy(dst, src, 20);
        break;
    case 6:
        memcpy(dst, src, 24);
        break;
    default:
        break;
    }
}

/* Are the first n words the same? */
static inline bool lm_same(const uint32_t *a, const uint32_t *b, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        if (a[i] != b[i])
            return false;
    return true;
}

#endif /* SCORERS_LM_TRAIN_H */
