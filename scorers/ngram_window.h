/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ngram_window.h
 * The score of a sentence, for any format: WM_NGRAM_WINDOW positions at a time, first all their
 * unigrams, then all the bigrams that may be in the model, then the trigrams of those that were …
 * What an order needs is fetched while the order before is looked up, so a cache miss costs its
 * share of bandwidth, not its latency. An n-gram can only be there if both the n-gram without its
 * first and the one without its last word are, and say that they go on: most others are never
 * looked up.
 *
 * A format includes this and calls wm_ngram_window_score with its own four functions, which the
 * compiler then inlines.
 */
#ifndef WETMILL_SCORERS_NGRAM_WINDOW_H
#define WETMILL_SCORERS_NGRAM_WINDOW_H

#include "scorers/ngram.h"

#define WM_NGRAM_INLINE static inline __attribute__((always_inline))

enum { WM_NGRAM_WINDOW = 64, WM_NGRAM_HISTORY = WM_NGRAM_MAX_ORDER };

/** How a format finds the longer n-grams: a hash, or a range of the next order's entries. */
struct wm_ngram_node {
    uint64_t a, b;
};

struct wm_ngram_hit {
    float prob, backoff;
    bool found;
    bool goes_left; /**< A longer n-gram may end with this one. */
    struct wm_ngram_node node;
};

struct wm_ngram_search {
    struct wm_ngram_hit (*unigram)(const struct wm_ngram *model, uint32_t word);
    /** The node for `order`, one word further left than `node`; if `go`, fetch it ahead. */
    struct wm_ngram_node (*aim)(const struct wm_ngram *model, unsigned order,
                                struct wm_ngram_node node, uint32_t word, bool go);
    struct wm_ngram_hit (*middle)(const struct wm_ngram *model, unsigned order,
                                  struct wm_ngram_node node, uint32_t word);
    struct wm_ngram_hit (*longest)(const struct wm_ngram *model, struct wm_ngram_node node,
                                   uint32_t word);
};

/** Index 0 is the position before the window. */
struct wm_ngram_window {
    unsigned n;
    uint32_t words[WM_NGRAM_HISTORY + WM_NGRAM_WINDOW + 1]; /**< Position j: [HISTORY + j]. */
    float prob[WM_NGRAM_WINDOW + 1];
    int32_t matched[WM_NGRAM_WINDOW + 1]; /**< Longest n-gram that ends here. */
    int32_t context[WM_NGRAM_WINDOW + 1]; /**< Longest of them that n-grams start with. */
    float backoff[WM_NGRAM_MAX_ORDER][WM_NGRAM_WINDOW + 1]; /**< By order from 1; 0 if not there */
    struct wm_ngram_node node[WM_NGRAM_WINDOW + 1];
    unsigned n_alive;
    uint32_t alive[WM_NGRAM_WINDOW + 1]; /**< Positions whose next order may be there. */
};

/** Anything but -0.0. */
WM_NGRAM_INLINE bool wm_ngram_goes_right(float backoff)
{
    return wm_ngram_bits(backoff) != WM_NGRAM_SIGN;
}

/** A value whose probability carries the flag in its sign. */
WM_NGRAM_INLINE struct wm_ngram_hit wm_ngram_flagged(float prob, float backoff, bool found)
{
    uint32_t bits = wm_ngram_bits(prob);
    return (struct wm_ngram_hit){.prob = wm_ngram_from_bits(bits | WM_NGRAM_SIGN),
                                 .backoff = backoff,
                                 .found = found,
                                 .goes_left = found & !(bits & WM_NGRAM_SIGN)};
}

/* Whether an n-gram is there cannot be predicted, so nothing may branch on it. */
WM_NGRAM_INLINE uint32_t wm_ngram_pick_bits(bool first, uint32_t a, uint32_t b)
{
    uint32_t mask = 0 - (uint32_t)first;
    return (a & mask) | (b & ~mask);
}

WM_NGRAM_INLINE float wm_ngram_pick(bool first, float a, float b)
{
    return wm_ngram_from_bits(wm_ngram_pick_bits(first, wm_ngram_bits(a), wm_ngram_bits(b)));
}

WM_NGRAM_INLINE int32_t wm_ngram_pick_length(bool first, unsigned a, int32_t b)
{
    return (int32_t)wm_ngram_pick_bits(first, a, (uint32_t)b);
}

WM_NGRAM_INLINE void wm_ngram_window_unigrams(const struct wm_ngram *m, struct wm_ngram_window *w,
                                              const struct wm_ngram_search *s)
{
    unsigned n_alive = 0;
    for (unsigned j = 1; j <= w->n; j++) {
        const uint32_t *word = &w->words[WM_NGRAM_HISTORY + j];
        struct wm_ngram_hit hit = s->unigram(m, word[0]);
        w->prob[j] = hit.prob;
        w->backoff[1][j] = hit.backoff;
        w->matched[j] = 1;
        w->context[j] = wm_ngram_goes_right(hit.backoff);
        bool go = hit.goes_left & (w->context[j - 1] >= 1);
        w->node[j] = s->aim(m, 2, hit.node, word[-1], go);
        w->alive[n_alive] = j;
        n_alive += go;
    }
    w->n_alive = n_alive;
    for (unsigned order = 2; order < m->order; order++)
        memset(&w->backoff[order][1], 0, w->n * sizeof(float));
}

WM_NGRAM_INLINE void wm_ngram_window_middles(const struct wm_ngram *m, struct wm_ngram_window *w,
                                             unsigned order, const struct wm_ngram_search *s)
{
    unsigned n = w->n_alive, n_alive = 0;
    float *backoff = w->backoff[order];
    for (unsigned a = 0; a < n; a++) {
        unsigned j = w->alive[a];
        const uint32_t *first = &w->words[WM_NGRAM_HISTORY + j - order + 1];
        struct wm_ngram_hit hit = s->middle(m, order, w->node[j], first[0]);
        w->prob[j] = wm_ngram_pick(hit.found, hit.prob, w->prob[j]);
        backoff[j] = wm_ngram_pick(hit.found, hit.backoff, 0);
        w->matched[j] = wm_ngram_pick_length(hit.found, order, w->matched[j]);
        bool right = hit.found & wm_ngram_goes_right(hit.backoff);
        w->context[j] = wm_ngram_pick_length(right, order, w->context[j]);
        bool go = hit.goes_left & (w->context[j - 1] >= (int32_t)order);
        w->node[j] = s->aim(m, order + 1, hit.node, first[-1], go);
        w->alive[n_alive] = j;
        n_alive += go;
    }
    w->n_alive = n_alive;
}

WM_NGRAM_INLINE void wm_ngram_window_longest(const struct wm_ngram *m, struct wm_ngram_window *w,
                                             const struct wm_ngram_search *s)
{
    for (unsigned a = 0; a < w->n_alive; a++) {
        unsigned j = w->alive[a];
        uint32_t first = w->words[WM_NGRAM_HISTORY + j - m->order + 1];
        struct wm_ngram_hit hit = s->longest(m, w->node[j], first);
        w->prob[j] = wm_ngram_pick(hit.found, hit.prob, w->prob[j]);
        w->matched[j] = wm_ngram_pick_length(hit.found, m->order, w->matched[j]);
    }
}

/* A word pays the back-off of every context from the length of its n-gram up, shortest first.
 * Those that are not in the model add 0, which changes nothing. */
WM_NGRAM_INLINE void wm_ngram_window_back_off(const struct wm_ngram *m, struct wm_ngram_window *w)
{
    for (int32_t order = 1; order < (int32_t)m->order; order++) {
        const float *backoff = w->backoff[order];
        for (unsigned j = 1; j <= w->n; j++)
            w->prob[j] += wm_ngram_pick(order >= w->matched[j], backoff[j - 1], 0);
    }
}

/* The last position becomes the one before the next window. */
WM_NGRAM_INLINE void wm_ngram_window_move(const struct wm_ngram *m, struct wm_ngram_window *w)
{
    w->context[0] = w->context[w->n];
    for (unsigned order = 1; order < m->order; order++)
        w->backoff[order][0] = w->backoff[order][w->n];
    memmove(w->words, w->words + w->n, (WM_NGRAM_HISTORY + 1) * sizeof w->words[0]);
}

/* As many of the words from `done` on as go in, and </s> behind the last; how many are unknown. */
WM_NGRAM_INLINE uint64_t wm_ngram_window_fill(const struct wm_ngram *m, struct wm_ngram_window *w,
                                              const uint32_t *words, size_t n, size_t done)
{
    uint32_t *to = &w->words[WM_NGRAM_HISTORY + 1];
    unsigned take = n - done < WM_NGRAM_WINDOW ? (unsigned)(n - done) : WM_NGRAM_WINDOW;
    uint32_t unknown = 0;
    for (unsigned j = 0; j < take; j++) {
        uint32_t word = words[done + j] < m->n_words ? words[done + j] : WM_NGRAM_UNKNOWN;
        to[j] = word;
        unknown += word == WM_NGRAM_UNKNOWN;
    }
    w->n = take;
    if (take < WM_NGRAM_WINDOW)
        to[w->n++] = m->end;
    return unknown;
}

WM_NGRAM_INLINE void wm_ngram_window_start(const struct wm_ngram *m, struct wm_ngram_window *w,
                                           const struct wm_ngram_search *s)
{
    memset(w->words, 0, (WM_NGRAM_HISTORY + 1) * sizeof w->words[0]);
    w->words[WM_NGRAM_HISTORY] = m->begin;
    w->backoff[1][0] = s->unigram(m, m->begin).backoff;
    w->context[0] = 1;
    for (unsigned order = 2; order < m->order; order++)
        w->backoff[order][0] = 0;
}

WM_NGRAM_INLINE void wm_ngram_window_score(const struct wm_ngram *m, const uint32_t *words,
                                           size_t n, struct wm_ngram_score *ret, float *per_word,
                                           unsigned char *matched, const struct wm_ngram_search *s)
{
    struct wm_ngram_window w;
    float sum = 0;
    uint64_t unknown = 0;
    wm_ngram_window_start(m, &w, s);
    for (size_t done = 0; done <= n; done += w.n) {
        unknown += wm_ngram_window_fill(m, &w, words, n, done);
        wm_ngram_window_unigrams(m, &w, s);
        for (unsigned order = 2; order < m->order; order++)
            wm_ngram_window_middles(m, &w, order, s);
        if (m->order > 1)
            wm_ngram_window_longest(m, &w, s);
        wm_ngram_window_back_off(m, &w);
        for (unsigned j = 1; j <= w.n; j++)
            sum += w.prob[j];
        for (unsigned j = 1; per_word && j <= w.n; j++)
            per_word[done + j - 1] = w.prob[j];
        for (unsigned j = 1; matched && j <= w.n; j++)
            matched[done + j - 1] = (unsigned char)w.matched[j];
        wm_ngram_window_move(m, &w);
    }
    *ret = (struct wm_ngram_score){.log10 = (double)sum, .oov = unknown};
}

#endif /* WETMILL_SCORERS_NGRAM_WINDOW_H */
