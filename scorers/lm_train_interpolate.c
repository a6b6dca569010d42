/* SPDX-License-Identifier: Apache-2.0 */
/* Order by order, n-grams come in suffix order beside the probabilities of the order below (what
 * remains without the first word) and the back-offs of those that are contexts. All three are sorted
 * alike, so each is read once. */
#include <math.h>
#include <stdlib.h>

#include "scorers/lm_train.h"

enum { CANCEL_EVERY = 1 << 16 };

/* A spool of {words in suffix order, float}, and its record at hand. */
struct stream {
    struct wm_spool spool;
    unsigned n; /* words */
    bool at_end;
    uint32_t words[LM_WORDS];
    float value;
};

static int advance(struct stream *stream, struct wm_error *err)
{
    const unsigned char *record = NULL;
    int more = wm_spool_next(&stream->spool, &record, err);
    if (more < 0)
        return more;
    stream->at_end = !more;
    if (more) {
        lm_copy(stream->words, record, stream->n);
        stream->value = lm_get_float(record + stream->n * sizeof *stream->words);
    }
    return 0;
}

static int put(struct wm_spool *spool, const uint32_t *words, unsigned n, float value,
               struct wm_error *err)
{
    unsigned char *record;
    int status = wm_spool_slot(spool, &record, err);
    if (status)
        return status;
    lm_copy(record, words, n);
    memcpy(record + n * sizeof *words, &value, sizeof value);
    return 0;
}

/* The back-off of an n-gram; n-grams must come in suffix order. */
static int back_off(struct stream *backoffs, const uint32_t *words, float *ret,
                    struct wm_error *err)
{
    *ret = 1;
    if (!backoffs || backoffs->at_end || !lm_same(backoffs->words, words, backoffs->n))
        return 0;
    *ret = backoffs->value;
    return advance(backoffs, err);
}

static int unigrams(const struct lm_estimate *e, struct stream *backoffs, float *probabilities,
                    struct lm_arpa *arpa, struct wm_error *err)
{
    const struct lm_order *order = &e->orders[0];
    double sum = 0, left = 0;
    for (size_t w = 0; w < e->vocabulary->n; w++) {
        uint64_t count = e->unigrams[w] & ~LM_PRUNED;
        sum += (double)count;
        left += e->unigrams[w] & LM_PRUNED ? (double)count : order->discount[count < 3 ? count : 3];
    }
    double uniform = left / sum / (double)(order->kept - 1); /* all but <s> */
    int status = 0;
    for (size_t w = 0; !status && w < e->vocabulary->n; w++) {
        uint64_t count = e->unigrams[w];
        uint32_t word = (uint32_t)w;
        float b;
        if (count & LM_PRUNED)
            continue;
        double u = ((double)count - order->discount[count < 3 ? count : 3]) / sum;
        probabilities[w] = w == LM_BOS ? 1 : (float)(u + uniform);
        status = back_off(backoffs, &word, &b, err);
        if (!status)
            status = lm_arpa_put(arpa, 1, &word, probabilities[w], b, err);
    }
    return status;
}

/* Where the probability of the order below comes from. */
struct below {
    const float *unigrams;
    struct stream stream;
};

static int find_below(struct below *below, const uint32_t *words, unsigned n, float *ret,
                      struct wm_error *err)
{
    if (n == 1) {
        *ret = below->unigrams[words[0]];
        return 0;
    }
    struct stream *s = &below->stream;
    while (!s->at_end && !lm_same(s->words, words, n)) {
        int status = advance(s, err);
        if (status)
            return status;
    }
    if (s->at_end)
        return wm_fail(err, WM_E_IO, "an n-gram of order %u has lost its suffix", n + 1);
    *ret = s->value;
    return 0;
}

/* Order n ≥ 2; `out` takes the probabilities if there is an order above. */
static int order_of(const struct lm_estimate *e, unsigned n, struct lm_suffix *suffix,
                    struct below *below, struct stream *backoffs, struct wm_spool *out,
                    struct lm_arpa *arpa, struct wm_error *err)
{
    const unsigned char *record;
    int status = 0, more;
    for (uint64_t i = 0; !status && (more = lm_suffix_next(suffix, &record, err)) != 0; i++) {
        uint32_t words[LM_WORDS] = {0};
        float values[2], lower = 0, b = 1;
        if (more < 0)
            return more;
        lm_copy(words, record, n);
        memcpy(values, record + n * sizeof *words, sizeof values);
        status = find_below(below, words, n - 1, &lower, err);
        float p = values[0] + values[1] * lower;
        if (!status)
            status = back_off(backoffs, words, &b, err);
        if (!status && out)
            status = put(out, words, n, p, err);
        if (!status)
            status = lm_arpa_put(arpa, n, words, p, b, err);
        if (!status && i % CANCEL_EVERY == 0) {
            wm_progress_add(e->progress, i ? CANCEL_EVERY : 0);
            status = wm_cancel_check(e->cancel, err);
        }
    }
    return status;
}

/* Stage 4 of order n, and its back-offs, which the order below is written with. */
static int prepare(const struct lm_estimate *e, unsigned n, struct lm_suffix **suffix,
                   struct stream *backoffs, struct wm_error *err)
{
    *backoffs = (struct stream){.n = n - 1};
    int status = lm_suffix_new(&e->counts[n - 1], n, &e->orders[n - 1], e->vocabulary->n, e->memory,
                               e->pool, &backoffs->spool, e->cancel, suffix, err);
    return status ? status : advance(backoffs, err);
}

static void swap_streams(struct stream *a, struct stream *b)
{
    struct stream keep = *a;
    *a = *b;
    *b = keep;
}

static int higher_orders(const struct lm_estimate *e, struct lm_suffix **suffix,
                         struct below *below, struct stream *backoffs, struct lm_arpa *arpa,
                         struct wm_error *err)
{
    int status = 0;
    for (unsigned n = e->done < 2 ? 2 : e->done + 1; !status && n <= e->order; n++) {
        struct lm_suffix *next = NULL;
        struct stream next_backoffs = {0}, out = {.n = n};
        bool last = n == e->order;
        if (!last)
            status = prepare(e, n + 1, &next, &next_backoffs, err);
        if (!status && !last)
            status = wm_spool_open(&out.spool, e->pool, n * sizeof(uint32_t) + sizeof(float), err);
        if (!status)
            status = order_of(e, n, *suffix, below, last ? NULL : &next_backoffs,
                              last ? NULL : &out.spool, arpa, err);
        if (!status && !last)
            status = e->order_done(e->arg, n, &out.spool, err);
        if (!status && !last)
            status = advance(&out, err);
        swap_streams(&below->stream, &out);
        swap_streams(backoffs, &next_backoffs);
        wm_spool_close(&out.spool);
        wm_spool_close(&next_backoffs.spool);
        lm_suffix_free(*suffix);
        *suffix = next;
    }
    return status;
}

/* What the orders that are done have left for the others. */
static int take_up(struct lm_estimate *e, struct lm_suffix **suffix, struct below *below,
                   struct stream *backoffs, struct wm_error *err)
{
    below->stream = (struct stream){.spool = e->below, .n = e->done};
    e->below = (struct wm_spool){0};
    int status = advance(&below->stream, err);
    return status ? status : prepare(e, e->done + 1, suffix, backoffs, err);
}

static int begin(struct lm_estimate *e, struct lm_suffix **suffix, float *probabilities,
                 struct stream *backoffs, struct lm_arpa *arpa, struct wm_error *err)
{
    bool more = e->order > 1;
    int status = more ? prepare(e, 2, suffix, backoffs, err) : 0;
    return status ? status : unigrams(e, more ? backoffs : NULL, probabilities, arpa, err);
}

int lm_interpolate(struct lm_estimate *estimate, struct lm_arpa *arpa, struct wm_error *err)
{
    size_t n_words = estimate->vocabulary->n;
    float *probabilities = calloc(n_words, sizeof *probabilities);
    struct below below = {.unigrams = probabilities};
    struct stream backoffs = {0};
    struct lm_suffix *suffix = NULL;
    int status = probabilities ? 0 : wm_fail_nomem(err, n_words * sizeof(float), "probabilities");
    if (!status)
        status = estimate->done ? take_up(estimate, &suffix, &below, &backoffs, err)
                                : begin(estimate, &suffix, probabilities, &backoffs, arpa, err);
    if (!status)
        status = higher_orders(estimate, &suffix, &below, &backoffs, arpa, err);
    lm_suffix_free(suffix);
    wm_spool_close(&below.stream.spool);
    wm_spool_close(&backoffs.spool);
    wm_spool_close(&estimate->below);
    free(probabilities);
    return status;
}
