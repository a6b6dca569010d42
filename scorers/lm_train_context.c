/* SPDX-License-Identifier: Apache-2.0 */
/* Context order → suffix order. While n-grams come in context order, those of a context stand
 * together: their sum, and with the discounts all of u and b. What is then left to do is a stable
 * sort by the last word alone: within it, contexts are in order already. So a run in memory is an
 * index made by counting, and runs merge by last word, the earlier run first. */
#include <stdlib.h>

#include "scorers/lm_train.h"

enum { FAR_AHEAD = 24, LEAST_RECORDS = 1024, FEWEST_RUNS = 4, CANCEL_EVERY = 1 << 16 };

struct source {
    const unsigned char *record;
    uint32_t word;
    size_t run;
};

struct lm_suffix {
    unsigned n;
    size_t record, n_words, fan;
    struct wm_spool_pool *pool;
    /* the run in memory */
    unsigned char *buffer; /* [cap × record] */
    uint32_t *index;       /* [cap] */
    uint32_t *at;          /* [n_words] */
    size_t n_buffered, cap, next;
    /* runs in spools, and a heap of their first records */
    struct wm_spool *runs;
    size_t n_runs, cap_runs;
    struct source *heap;
    size_t n_heap;
};

struct child {
    uint64_t count; /* with LM_PRUNED */
    uint32_t word;
};

/* The n-grams of the current context. */
struct children {
    uint32_t context[LM_WORDS];
    struct child *items;
    size_t n, cap;
};

/* ---- runs ---- */

static uint32_t word_of(const unsigned char *record)
{
    uint32_t word;
    memcpy(&word, record, sizeof word);
    return word;
}

static void sort_buffer(struct lm_suffix *s)
{
    memset(s->at, 0, s->n_words * sizeof *s->at);
    for (size_t i = 0; i < s->n_buffered; i++)
        s->at[word_of(s->buffer + i * s->record)]++;
    uint32_t sum = 0;
    for (size_t w = 0; w < s->n_words; w++) {
        uint32_t count = s->at[w];
        s->at[w] = sum;
        sum += count;
    }
    for (size_t i = 0; i < s->n_buffered; i++)
        s->index[s->at[word_of(s->buffer + i * s->record)]++] = (uint32_t)i;
    s->next = 0;
}

static const unsigned char *next_buffered(struct lm_suffix *s)
{
    size_t i = s->next++;
    if (i + FAR_AHEAD < s->n_buffered) {
        const unsigned char *far = s->buffer + s->index[i + FAR_AHEAD] * s->record;
        __builtin_prefetch(far);
        __builtin_prefetch(far + s->record - 1);
    }
    return s->buffer + s->index[i] * s->record;
}

static int new_run(struct lm_suffix *s, struct wm_spool **ret, struct wm_error *err)
{
    if (s->n_runs == s->cap_runs) {
        size_t cap = s->cap_runs ? 2 * s->cap_runs : 16;
        struct wm_spool *grown = realloc(s->runs, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "runs of n-grams");
        s->runs = grown;
        s->cap_runs = cap;
    }
    *ret = &s->runs[s->n_runs];
    int status = wm_spool_open(*ret, s->pool, s->record, err);
    s->n_runs += !status;
    return status;
}

static int put(struct wm_spool *run, const unsigned char *record, struct wm_error *err)
{
    unsigned char *to;
    int status = wm_spool_slot(run, &to, err);
    if (!status)
        memcpy(to, record, run->record);
    return status;
}

static int store_run(struct lm_suffix *s, struct wm_error *err)
{
    struct wm_spool *run;
    sort_buffer(s);
    int status = new_run(s, &run, err);
    while (!status && s->next < s->n_buffered)
        status = put(run, next_buffered(s), err);
    s->n_buffered = 0;
    return status ? status : wm_spool_rewind(run, err);
}

/* ---- merging ---- */

static bool before(const struct source *a, const struct source *b)
{
    return a->word != b->word ? a->word < b->word : a->run < b->run;
}

static void sink_down(struct lm_suffix *s, size_t i)
{
    struct source moved = s->heap[i];
    for (size_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
        if (child + 1 < s->n_heap && before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!before(&s->heap[child], &moved))
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = moved;
}

static int fill_source(struct lm_suffix *s, struct source *source, struct wm_error *err)
{
    int more = wm_spool_next(&s->runs[source->run], &source->record, err);
    if (more > 0)
        source->word = word_of(source->record);
    return more;
}

/* The heap over runs first … first + n − 1. Its root is the record given last, or none yet. */
static int open_heap(struct lm_suffix *s, size_t first, size_t n, struct wm_error *err)
{
    free(s->heap);
    s->n_heap = 0;
    s->heap = calloc(n, sizeof *s->heap);
    if (!s->heap)
        return wm_fail_nomem(err, n * sizeof *s->heap, "merging n-grams");
    for (size_t i = 0; i < n; i++) {
        struct source source = {.run = first + i};
        int more = fill_source(s, &source, err);
        if (more < 0)
            return more;
        if (more)
            s->heap[s->n_heap++] = source;
    }
    for (size_t i = s->n_heap / 2; i-- > 0;)
        sink_down(s, i);
    return 0;
}

/* Step past the root. */
static int pass_root(struct lm_suffix *s, struct wm_error *err)
{
    int more = fill_source(s, &s->heap[0], err);
    if (more < 0)
        return more;
    if (!more)
        s->heap[0] = s->heap[--s->n_heap];
    if (s->n_heap)
        sink_down(s, 0);
    return 0;
}

/* While there are too many runs to read at once, neighbours become one. */
static int reduce_runs(struct lm_suffix *s, struct wm_error *err)
{
    int status = 0;
    while (!status && s->n_runs > s->fan) {
        size_t to = 0;
        for (size_t i = 0; !status && i < s->n_runs; i += s->fan, to++) {
            size_t n = s->n_runs - i < s->fan ? s->n_runs - i : s->fan;
            struct wm_spool merged = {0};
            status = wm_spool_open(&merged, s->pool, s->record, err);
            if (!status)
                status = open_heap(s, i, n, err);
            while (!status && s->n_heap) {
                status = put(&merged, s->heap[0].record, err);
                if (!status)
                    status = pass_root(s, err);
            }
            if (!status)
                status = wm_spool_rewind(&merged, err);
            for (size_t k = i; k < i + n; k++)
                wm_spool_close(&s->runs[k]);
            s->runs[to] = merged;
        }
        if (!status)
            s->n_runs = to;
    }
    return status;
}

/* ---- contexts ---- */

static int add_child(struct children *c, uint32_t word, uint64_t count, struct wm_error *err)
{
    if (c->n == c->cap) {
        size_t cap = c->cap ? 2 * c->cap : 1024;
        struct child *grown = realloc(c->items, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "the words of a context");
        c->items = grown;
        c->cap = cap;
    }
    c->items[c->n++] = (struct child){count, word};
    return 0;
}

static double discount_of(const struct lm_order *order, uint64_t count)
{
    return order->discount[count < 3 ? count : 3];
}

static int put_child(struct lm_suffix *s, const struct children *c, uint32_t word, float u, float b,
                     struct wm_error *err)
{
    int status = s->n_buffered == s->cap ? store_run(s, err) : 0;
    if (status)
        return status;
    unsigned char *to = s->buffer + s->n_buffered++ * s->record;
    memcpy(to, &word, sizeof word);
    lm_copy(to + sizeof word, c->context, s->n - 1);
    memcpy(to + s->n * sizeof word, &u, sizeof u);
    memcpy(to + s->n * sizeof word + sizeof u, &b, sizeof b);
    return 0;
}

/* What is pruned leaves its count to the back-off. Without any n-gram left, b would be 1: that is
 * what a context that is not mentioned has. */
static int end_context(struct lm_suffix *s, struct children *c, const struct lm_order *order,
                       struct wm_spool *backoffs, struct wm_error *err)
{
    uint64_t sum = 0, pruned = 0, n_of[4] = {0};
    for (size_t i = 0; i < c->n; i++) {
        uint64_t count = c->items[i].count & ~LM_PRUNED;
        sum += count;
        if (c->items[i].count & LM_PRUNED)
            pruned += count;
        else
            n_of[count < 3 ? count : 3]++;
    }
    if (!(n_of[1] + n_of[2] + n_of[3])) {
        c->n = 0;
        return 0;
    }
    double left = (double)pruned;
    for (unsigned k = 1; k <= 3; k++)
        left += order->discount[k] * (double)n_of[k];
    double all = (double)sum;
    float b = (float)(left / all);
    unsigned char *record;
    int status = wm_spool_slot(backoffs, &record, err);
    if (!status) {
        lm_copy(record, c->context, s->n - 1);
        memcpy(record + (s->n - 1) * sizeof *c->context, &b, sizeof b);
    }
    for (size_t i = 0; !status && i < c->n; i++) {
        uint64_t count = c->items[i].count;
        if (count & LM_PRUNED)
            continue;
        float u = (float)(((double)count - discount_of(order, count)) / all);
        status = put_child(s, c, c->items[i].word, u, b, err);
    }
    c->n = 0;
    return status;
}

static int read_contexts(struct lm_suffix *s, struct wm_spool *counts, const struct lm_order *order,
                         struct wm_spool *backoffs, struct wm_cancel *cancel, struct wm_error *err)
{
    struct children c = {0};
    const unsigned char *record;
    int more, status = 0;
    for (uint64_t i = 0; !status && (more = wm_spool_next(counts, &record, err)) != 0; i++) {
        if (more < 0) {
            status = more;
            break;
        }
        uint32_t words[LM_WORDS] = {0};
        lm_copy(words, record, s->n);
        if (c.n && !lm_same(words, c.context, s->n - 1))
            status = end_context(s, &c, order, backoffs, err);
        if (!status && !c.n)
            memcpy(c.context, words, sizeof words);
        if (!status)
            status = add_child(&c, words[s->n - 1], lm_get64(record + s->n * sizeof *words), err);
        if (!status && i % CANCEL_EVERY == 0)
            status = wm_cancel_check(cancel, err);
    }
    if (!status && c.n)
        status = end_context(s, &c, order, backoffs, err);
    free(c.items);
    return status;
}

/* ---- the door ---- */

static void drop_buffer(struct lm_suffix *s)
{
    free(s->buffer);
    free(s->index);
    free(s->at);
    s->buffer = NULL;
    s->index = s->at = NULL;
}

static int make_buffer(struct lm_suffix *s, uint64_t kept, uint64_t memory, struct wm_error *err)
{
    uint64_t cap = memory / (s->record + sizeof *s->index);
    if (cap < LEAST_RECORDS)
        cap = LEAST_RECORDS;
    if (cap > kept)
        cap = kept;
    if (cap > UINT32_MAX)
        cap = UINT32_MAX;
    s->cap = (size_t)cap;
    s->fan = (size_t)(memory / WM_SPOOL_CHUNK);
    if (s->fan < FEWEST_RUNS)
        s->fan = FEWEST_RUNS;
    s->buffer = lm_alloc(s->cap * s->record + 1);
    s->index = malloc((s->cap + 1) * sizeof *s->index);
    s->at = malloc((s->n_words + 1) * sizeof *s->at);
    if (!s->buffer || !s->index || !s->at)
        return wm_fail_nomem(err, s->cap * (s->record + sizeof *s->index), "sorting n-grams");
    return 0;
}

int lm_suffix_new(struct wm_spool *counts, unsigned n, const struct lm_order *order, size_t n_words,
                  uint64_t memory, struct wm_spool_pool *pool, struct wm_spool *backoffs,
                  struct wm_cancel *cancel, struct lm_suffix **ret, struct wm_error *err)
{
    struct lm_suffix *s = calloc(1, sizeof *s);
    if (!s)
        return wm_fail_nomem(err, sizeof *s, "n-grams");
    *s = (struct lm_suffix){.n = n, .n_words = n_words, .pool = pool};
    s->record = n * sizeof(uint32_t) + 2 * sizeof(float);
    int status = make_buffer(s, order->kept, memory, err);
    if (!status)
        status = wm_spool_open(backoffs, pool, (n - 1) * sizeof(uint32_t) + sizeof(float), err);
    if (!status)
        status = read_contexts(s, counts, order, backoffs, cancel, err);
    wm_spool_close(counts);
    if (!status)
        status = wm_spool_rewind(backoffs, err);
    if (!status && !s->n_runs) {
        sort_buffer(s);
    } else if (!status) {
        status = store_run(s, err);
        drop_buffer(s);
        s->next = 0;
        if (!status)
            status = reduce_runs(s, err);
        if (!status)
            status = open_heap(s, 0, s->n_runs, err);
    }
    if (status)
        lm_suffix_free(s);
    else
        *ret = s;
    return status;
}

void lm_suffix_free(struct lm_suffix *suffix)
{
    if (!suffix)
        return;
    drop_buffer(suffix);
    for (size_t i = 0; i < suffix->n_runs; i++)
        wm_spool_close(&suffix->runs[i]);
    free(suffix->runs);
    free(suffix->heap);
    free(suffix);
}

int lm_suffix_next(struct lm_suffix *suffix, const unsigned char **ret, struct wm_error *err)
{
    if (!suffix->n_runs) {
        if (suffix->next == suffix->n_buffered)
            return 0;
        *ret = next_buffered(suffix);
        return 1;
    }
    if (suffix->next) {
        int status = suffix->n_heap ? pass_root(suffix, err) : 0;
        if (status)
            return status;
    }
    suffix->next = 1;
    if (!suffix->n_heap)
        return 0;
    *ret = suffix->heap[0].record;
    return 1;
}
