/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ngram_window.h
 * The score of sentences, for any format: WM_NGRAM_WINDOW positions at a time, first all their
 * unigrams, then all the bigrams that may be in the model, then the trigrams of those that were …
 * What an order needs is fetched while the order before is looked up, so a cache miss costs its
 * share of bandwidth, not its latency. An n-gram can only be there if both the n-gram without its
 * first and the one without its last word are, and say that they go on: most others are never
 * looked up.
 *
 * A window takes sentences as they come, each with a position for its <s>, which ends what may be
 * looked up and has no score.
 *
 * A format includes this and calls wm_ngram_window_score with its own four functions, which the
 * compiler then inlines.
 */
#ifndef WETMILL_SCORERS_NGRAM_WINDOW_H
#define WETMILL_SCORERS_NGRAM_WINDOW_H

#include "scorers/ngram.h"

#define WM_NGRAM_INLINE static inline __attribute__((always_inline))

enum { WM_NGRAM_WINDOW = 128, WM_NGRAM_HISTORY = WM_NGRAM_MAX_ORDER };

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

/** Positions [from, to) of one sentence; from - 1 is its <s>, or its last word so far. */
struct wm_ngram_run {
    unsigned from, to;
    bool ends; /**< Position to - 1 is its </s>. */
};

/** Index 0 is the position before the window. */
struct wm_ngram_window {
    unsigned n, n_runs;
    struct wm_ngram_run runs[WM_NGRAM_WINDOW + 1];
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
    for (const struct wm_ngram_run *run = w->runs; run < w->runs + w->n_runs; run++)
        for (unsigned j = run->from; j < run->to; j++) {
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

/** What goes in next, and what comes out next. */
struct wm_ngram_cursor {
    const uint32_t *words;
    const size_t *ends;
    size_t n_sentences;
    struct wm_ngram_score *ret;
    float *per_word;
    unsigned char *matched;

    size_t in_sentence, in_word;
    bool started;
    uint64_t unknown;
    size_t out_sentence, out;
    float sum;
};

WM_NGRAM_INLINE void wm_ngram_window_put_start(const struct wm_ngram *m, struct wm_ngram_window *w,
                                               float backoff)
{
    unsigned j = ++w->n;
    w->words[WM_NGRAM_HISTORY + j] = m->begin;
    w->prob[j] = 0;
    w->matched[j] = 1;
    w->context[j] = 1;
    w->backoff[1][j] = backoff;
}

WM_NGRAM_INLINE void wm_ngram_window_put_words(const struct wm_ngram *m, struct wm_ngram_window *w,
                                               struct wm_ngram_cursor *c, unsigned n)
{
    uint32_t *to = &w->words[WM_NGRAM_HISTORY + w->n + 1], unknown = 0;
    const uint32_t *from = c->words + c->in_word;
    for (unsigned i = 0; i < n; i++) {
        to[i] = from[i] & (0 - (uint32_t)(from[i] < m->n_words)); /* 0 is WM_NGRAM_UNKNOWN */
        unknown += to[i] == WM_NGRAM_UNKNOWN;
    }
    for (unsigned i = 0; m->fetch_unigrams && i < n; i++)
        __builtin_prefetch(m->unigrams + (size_t)to[i] * m->unigram_size);
    c->unknown += unknown;
    c->in_word += n;
    w->n += n;
}

WM_NGRAM_INLINE void wm_ngram_window_fill(const struct wm_ngram *m, struct wm_ngram_window *w,
                                          struct wm_ngram_cursor *c, float begin_backoff)
{
    w->n = w->n_runs = 0;
    while (w->n < WM_NGRAM_WINDOW && c->in_sentence < c->n_sentences) {
        struct wm_ngram_run *run = &w->runs[w->n_runs++];
        if (!c->started) {
            wm_ngram_window_put_start(m, w, begin_backoff);
            c->started = true;
            c->unknown = 0;
        }
        size_t left = c->ends[c->in_sentence] - c->in_word;
        unsigned room = WM_NGRAM_WINDOW - w->n;
        run->from = w->n + 1;
        run->ends = left < room;
        wm_ngram_window_put_words(m, w, c, run->ends ? (unsigned)left : room);
        if (run->ends) {
            w->words[WM_NGRAM_HISTORY + ++w->n] = m->end;
            c->ret[c->in_sentence++].oov = c->unknown;
            c->started = false;
        }
        run->to = w->n + 1;
    }
}

/* Sums are in float32, in the order of the words: KenLM's. */
WM_NGRAM_INLINE void wm_ngram_window_give(const struct wm_ngram_window *w,
                                          struct wm_ngram_cursor *c)
{
    for (const struct wm_ngram_run *run = w->runs; run < w->runs + w->n_runs; run++) {
        float sum = c->sum;
        for (unsigned j = run->from; j < run->to; j++)
            sum += w->prob[j];
        for (unsigned j = run->from; c->per_word && j < run->to; j++)
            c->per_word[c->out + j - run->from] = w->prob[j];
        for (unsigned j = run->from; c->matched && j < run->to; j++)
            c->matched[c->out + j - run->from] = (unsigned char)w->matched[j];
        c->out += run->to - run->from;
        if (run->ends)
            c->ret[c->out_sentence++].log10 = (double)sum;
        c->sum = run->ends ? 0 : sum;
    }
}

WM_NGRAM_INLINE void wm_ngram_window_score(const struct wm_ngram *m, struct wm_ngram_cursor *c,
                                           const struct wm_ngram_search *s)
{
    struct wm_ngram_window w;
    const float begin_backoff = s->unigram(m, m->begin).backoff;
    w.context[0] = 0;
    memset(w.words, 0, (WM_NGRAM_HISTORY + 1) * sizeof w.words[0]);
    for (unsigned order = 1; order < m->order; order++)
        w.backoff[order][0] = 0;
    while (c->in_sentence < c->n_sentences) {
        wm_ngram_window_fill(m, &w, c, begin_backoff);
        wm_ngram_window_unigrams(m, &w, s);
        for (unsigned order = 2; order < m->order; order++)
            wm_ngram_window_middles(m, &w, order, s);
        if (m->order > 1)
            wm_ngram_window_longest(m, &w, s);
        wm_ngram_window_back_off(m, &w);
        wm_ngram_window_give(&w, c);
        wm_ngram_window_move(m, &w);
    }
}

#endif /* WETMILL_SCORERS_NGRAM_WINDOW_H */
