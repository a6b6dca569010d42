/* SPDX-License-Identifier: Apache-2.0 */
/* k-way merge of sorted runs of counted n-grams: a binary heap by the words of each run's next one. */
#include <stdlib.h>

#include "scorers/lm_train.h"

enum { CANCEL_EVERY = 1 << 16 };

struct source {
    struct wm_spool *run;
    bool live; /* there is a record at hand: */
    uint32_t words[LM_WORDS];
    uint64_t count;
};

struct heap {
    struct source **at; /* [n], the least first */
    size_t n;
    unsigned order;
};

static bool before(const struct heap *heap, const struct source *a, const struct source *b)
{
    for (unsigned i = 0; i < heap->order; i++)
        if (a->words[i] != b->words[i])
            return a->words[i] < b->words[i];
    return false;
}

static void sink_down(struct heap *heap, size_t i)
{
    struct source *moved = heap->at[i];
    for (size_t child; (child = 2 * i + 1) < heap->n; i = child) {
        if (child + 1 < heap->n && before(heap, heap->at[child + 1], heap->at[child]))
            child++;
        if (!before(heap, heap->at[child], moved))
            break;
        heap->at[i] = heap->at[child];
    }
    heap->at[i] = moved;
}

static int advance(struct source *source, unsigned order, struct wm_error *err)
{
    const unsigned char *record;
    int more = wm_spool_next(source->run, &record, err);
    source->live = more > 0;
    if (more > 0) {
        lm_copy(source->words, record, order);
        source->count = lm_get64(record + order * sizeof *source->words);
    }
    return more;
}

static int pause_at(const struct lm_pause *pause, const struct source *sources, size_t n,
                    struct wm_error *err)
{
    uint64_t *left = calloc(n, sizeof *left);
    if (!left)
        return wm_fail_nomem(err, n * sizeof *left, "merging n-grams");
    for (size_t i = 0; i < n; i++)
        left[i] = wm_spool_left(sources[i].run) + sources[i].live;
    int status = pause->take(pause->arg, left, err);
    free(left);
    return status;
}

static int drain(struct heap *heap, const struct source *sources, size_t n_sources,
                 struct wm_cancel *cancel, const struct lm_sink *sink, const struct lm_pause *pause,
                 struct wm_error *err)
{
    uint32_t words[LM_WORDS] = {0};
    int status = 0;
    for (uint64_t n = 0; !status && heap->n; n++) {
        uint64_t count = 0;
        if (pause && n && heap->at[0]->words[0] != words[0] && pause->due(pause->arg) &&
            (status = pause_at(pause, sources, n_sources, err)))
            return status;
        lm_copy(words, heap->at[0]->words, heap->order);
        while (heap->n && lm_same(heap->at[0]->words, words, heap->order)) {
            count += heap->at[0]->count;
            int more = advance(heap->at[0], heap->order, err);
            if (more < 0)
                return more;
            if (!more)
                heap->at[0] = heap->at[--heap->n];
            if (heap->n)
                sink_down(heap, 0);
        }
        status = sink->take(sink->arg, words, count, err);
        if (!status && n % CANCEL_EVERY == 0)
            status = wm_cancel_check(cancel, err);
    }
    return status;
}

int lm_merge(struct wm_spool *runs, size_t n, unsigned order, struct wm_cancel *cancel,
             const struct lm_sink *sink, const struct lm_pause *pause, struct wm_error *err)
{
    struct source *sources = calloc(n, sizeof *sources);
    struct heap heap = {calloc(n, sizeof *heap.at), 0, order};
    int status = 0;
    if (!sources || !heap.at)
        status = wm_fail_nomem(err, n * sizeof *sources, "merging n-grams");
    for (size_t i = 0; !status && i < n; i++) {
        sources[i].run = &runs[i];
        int more = advance(&sources[i], order, err);
        if (more > 0)
            heap.at[heap.n++] = &sources[i];
        else
            status = more;
    }
    if (!status) {
        for (size_t i = heap.n / 2; i-- > 0;)
            sink_down(&heap, i);
        status = drain(&heap, sources, n, cancel, sink, pause, err);
    }
    free(heap.at);
    free(sources);
    for (size_t i = 0; i < n; i++)
        wm_spool_close(&runs[i]);
    return status;
}

int lm_run_open(struct wm_spool *run, struct wm_spool_pool *pool, unsigned order,
                struct wm_error *err)
{
    return wm_spool_open(run, pool, order * sizeof(uint32_t) + sizeof(uint64_t), err);
}

int lm_run_take(void *spool, const uint32_t *words, uint64_t count, struct wm_error *err)
{
    struct wm_spool *run = spool;
    unsigned char *record;
    int status = wm_spool_slot(run, &record, err);
    if (status)
        return status;
    size_t size = run->record - sizeof count;
    lm_copy(record, words, (unsigned)(size / sizeof *words));
    lm_put64(record + size, count);
    return 0;
}

/* `fan` runs become one in the place of the first. */
static int merge_some(struct wm_spool *runs, size_t n, unsigned order, struct wm_spool_pool *pool,
                      struct wm_cancel *cancel, struct wm_error *err)
{
    struct wm_spool merged = {0};
    int status = lm_run_open(&merged, pool, order, err);
    if (!status)
        status =
            lm_merge(runs, n, order, cancel, &(struct lm_sink){lm_run_take, &merged}, NULL, err);
    if (!status)
        status = wm_spool_rewind(&merged, err);
    if (status)
        wm_spool_close(&merged);
    else
        runs[0] = merged;
    return status;
}

int lm_merge_runs(struct wm_spool *runs, size_t n, unsigned order, size_t fan,
                  struct wm_spool_pool *pool, struct wm_cancel *cancel, const struct lm_sink *sink,
                  struct wm_error *err)
{
    int status = 0;
    while (!status && n > fan) {
        size_t to = 0;
        for (size_t i = 0; !status && i < n; i += fan, to++) {
            size_t some = n - i < fan ? n - i : fan;
            status = merge_some(runs + i, some, order, pool, cancel, err);
            if (!status && to != i) {
                runs[to] = runs[i];
                runs[i] = (struct wm_spool){0};
            }
        }
        if (!status)
            n = to;
    }
    if (!status)
        return lm_merge(runs, n, order, cancel, sink, NULL, err);
    for (size_t i = 0; i < n; i++)
        wm_spool_close(&runs[i]);
    return status;
}
