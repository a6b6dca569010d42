/* SPDX-License-Identifier: Apache-2.0 */
/* From the n-grams of full order in context order to the adjusted counts of all orders, in one pass.
 *
 * Without its first word, an n-gram of order n, {w(n−1) … w2, w1, wn}, is one of order n − 1,
 * {w(n−1) … w2, wn}. Those with the same w(n−1) … w2 come one behind the other, so a level collects
 * them, sums by wn, and hands on its own n-grams, again in context order, to the level below. */
#include <stdlib.h>

#include "scorers/lm_train_tally.h"

struct level {
    uint32_t context[LM_WORDS]; /* of the n-grams in the tally: [n − 1], last word first */
    bool open;
    struct lm_tally tally;
};

struct lm_adjust {
    unsigned order;
    size_t n_words;
    uint64_t thresholds[WM_LM_ORDER_MAX];
    const bool *limited;
    struct lm_order orders[WM_LM_ORDER_MAX];
    struct wm_spool counts[WM_LM_ORDER_MAX];
    struct level levels[WM_LM_ORDER_MAX];     /* by n − 1; 2 … order − 1 are used */
    uint64_t *unigram_counts, *unigram_lefts; /* [n_words] */
};

/* Orders whose n-grams are collected by context. */
static bool collects(unsigned order, unsigned n)
{
    return n >= 2 && n < order;
}

uint64_t lm_adjust_bytes(unsigned order, size_t n_words)
{
    uint64_t bytes = 2 * sizeof(uint64_t) * (uint64_t)n_words;
    return bytes + (order > 2 ? (order - 2) * lm_tally_bytes(n_words) : 0);
}

int lm_adjust_new(unsigned order, size_t n_words, const uint64_t *thresholds, const bool *limited,
                  struct wm_spool_pool *pool, struct lm_adjust **ret, struct wm_error *err)
{
    struct lm_adjust *a = calloc(1, sizeof *a);
    if (!a)
        return wm_fail_nomem(err, sizeof *a, "adjusted counts");
    a->order = order;
    a->n_words = n_words;
    a->limited = limited;
    memcpy(a->thresholds, thresholds, order * sizeof *thresholds);
    a->unigram_counts = calloc(n_words, sizeof *a->unigram_counts);
    a->unigram_lefts = calloc(n_words, sizeof *a->unigram_lefts);
    int status = a->unigram_counts && a->unigram_lefts
                     ? 0
                     : wm_fail_nomem(err, 2 * n_words * sizeof(uint64_t), "counts of words");
    for (unsigned n = 2; !status && n <= order; n++) {
        status =
            wm_spool_open(&a->counts[n - 1], pool, n * sizeof(uint32_t) + sizeof(uint64_t), err);
        if (!status && collects(order, n))
            status = lm_tally_init(&a->levels[n - 1].tally, n_words, err);
    }
    if (status)
        lm_adjust_free(a);
    else
        *ret = a;
    return status;
}

void lm_adjust_free(struct lm_adjust *adjust)
{
    if (!adjust)
        return;
    for (unsigned i = 0; i < WM_LM_ORDER_MAX; i++) {
        wm_spool_close(&adjust->counts[i]);
        lm_tally_done(&adjust->levels[i].tally);
    }
    free(adjust->unigram_counts);
    free(adjust->unigram_lefts);
    free(adjust);
}

static void count_of_count(struct lm_order *order, uint64_t count, bool pruned)
{
    order->n++;
    order->kept += !pruned;
    if (count <= 4)
        order->n_of[count]++;
}

static bool outside(const struct lm_adjust *a, const uint32_t *words, unsigned n)
{
    for (unsigned i = 0; a->limited && i < n; i++)
        if (!a->limited[words[i]])
            return true;
    return false;
}

/* An n-gram that starts with <s> <s> stands for shorter ones only. */
static bool is_padding(const uint32_t *words, unsigned n)
{
    return n >= 3 && words[n - 2] == LM_BOS && words[n - 3] == LM_BOS;
}

static int store(struct lm_adjust *a, unsigned n, const uint32_t *words, uint64_t count,
                 uint64_t adjusted, struct wm_error *err)
{
    unsigned char *record;
    bool pruned = count <= a->thresholds[n - 1] || outside(a, words, n);
    int status = wm_spool_slot(&a->counts[n - 1], &record, err);
    if (status)
        return status;
    lm_copy(record, words, n);
    lm_put64(record + n * sizeof *words, pruned ? adjusted | LM_PRUNED : adjusted);
    count_of_count(&a->orders[n - 1], adjusted, pruned);
    return 0;
}

static int take(struct lm_adjust *a, unsigned n, const uint32_t *words, uint64_t count,
                struct wm_error *err);

static int hand_on(struct lm_adjust *a, unsigned n,
                   struct level *level, /* NOLINT(misc-no-recursion) */
                   const struct lm_tally_item *item, struct wm_error *err)
{
    level->context[n - 1] = item->word;
    bool from_start = level->context[n - 2] == LM_BOS;
    int status = 0;
    if (!is_padding(level->context, n))
        status =
            store(a, n, level->context, item->count, from_start ? item->count : item->left, err);
    return status ? status : take(a, n - 1, level->context, item->count, err);
}

/* The context of a level is complete. */
static int flush(struct lm_adjust *a, unsigned n,
                 struct wm_error *err) /* NOLINT(misc-no-recursion) */
{
    struct level *level = &a->levels[n - 1];
    struct lm_tally *tally = &level->tally;
    int status = 0;
    struct lm_tally_item item;
    if (tally->many)
        while (!status && lm_tally_pop_(tally, &item))
            status = hand_on(a, n, level, &item, err);
    else
        for (unsigned i = 0; !status && i < tally->n; i++)
            status = hand_on(a, n, level, &tally->list[i], err);
    tally->n = 0;
    tally->many = false;
    level->open = false;
    return status;
}

/* An n-gram of order n + 1, in context order without its first word's place: words[0 … n − 2] are the
 * context of the one of order n, words[n] is its last word. */
static int take(struct lm_adjust *a, unsigned n, const uint32_t *words,
                uint64_t count, /* NOLINT(misc-no-recursion) */
                struct wm_error *err)
{
    if (n == 0)
        return 0;
    uint32_t last = words[n];
    if (n == 1) {
        a->unigram_counts[last] += count;
        a->unigram_lefts[last]++;
        return 0;
    }
    struct level *level = &a->levels[n - 1];
    int status = 0;
    if (level->open && !lm_same(level->context, words, n - 1))
        status = flush(a, n, err);
    lm_copy(level->context, words, n - 1);
    level->open = true;
    lm_tally_add(&level->tally, last, count);
    return status;
}

int lm_adjust_take(void *adjust, const uint32_t *words, uint64_t count, struct wm_error *err)
{
    struct lm_adjust *a = adjust;
    if (a->order == 1) {
        a->unigram_counts[words[0]] += count;
        return 0;
    }
    int status = is_padding(words, a->order) ? 0 : store(a, a->order, words, count, count, err);
    return status ? status : take(a, a->order - 1, words, count, err);
}

/* <unk> and <s> are there in any case, with a count of 0; nothing prunes the three of them. */
static void take_unigrams(struct lm_adjust *a, uint64_t *unigrams)
{
    for (size_t w = 0; w < a->n_words; w++) {
        uint64_t count = a->unigram_counts[w];
        uint64_t adjusted = a->order == 1 ? count : a->unigram_lefts[w];
        bool pruned =
            w >= LM_FIRST_WORD && (count <= a->thresholds[0] || (a->limited && !a->limited[w]));
        unigrams[w] = pruned ? adjusted | LM_PRUNED : adjusted;
        count_of_count(&a->orders[0], adjusted, pruned);
    }
}

int lm_adjust_flush(struct lm_adjust *adjust, struct wm_error *err)
{
    int status = 0;
    for (unsigned n = adjust->order; !status && n-- > 2;)
        status = flush(adjust, n, err);
    return status;
}

struct lm_adjust_state lm_adjust_state(struct lm_adjust *adjust)
{
    return (struct lm_adjust_state){adjust->orders, adjust->counts, adjust->unigram_counts,
                                    adjust->unigram_lefts};
}

int lm_adjust_finish(struct lm_adjust *adjust, struct lm_order *orders, struct wm_spool *counts,
                     uint64_t *unigrams, struct wm_error *err)
{
    int status = lm_adjust_flush(adjust, err);
    if (status)
        return status;
    take_unigrams(adjust, unigrams);
    for (unsigned n = 1; n <= adjust->order; n++) {
        orders[n - 1] = adjust->orders[n - 1];
        counts[n - 1] = adjust->counts[n - 1];
        adjust->counts[n - 1] = (struct wm_spool){0};
    }
    return 0;
}
