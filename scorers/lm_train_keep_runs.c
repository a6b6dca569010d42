/* SPDX-License-Identifier: Apache-2.0 */
/* Runs in one file that only grows. Of more runs than are read at once the first become a new last
 * one; then all are merged into the adjusted counts, with points in between. */
#include <stdlib.h>

#include "scorers/lm_train_trainer.h"

static size_t record_size(const struct wm_lm_train *t)
{
    return t->settings.order * sizeof(uint32_t) + sizeof(uint64_t);
}

/* ---- writing ---- */

/* A sink. */
static int write_record(void *arg, const uint32_t *words, uint64_t count, struct wm_error *err)
{
    struct wm_lm_train *t = arg;
    unsigned char record[LM_WORDS * sizeof *words + sizeof count];
    size_t size = record_size(t);
    lm_copy(record, words, t->settings.order);
    lm_put64(record + size - sizeof count, count);
    t->keep.parts[t->keep.n_parts - 1].n++;
    return wm_out_write(t->keep.runs.out, record, size, err);
}

static int begin_part(struct wm_lm_train *t, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    k->behind = true;
    if (k->n_parts == k->cap_parts) {
        size_t cap = k->cap_parts ? 2 * k->cap_parts : 16;
        struct lm_part *grown = realloc(k->parts, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "runs of n-grams");
        k->parts = grown;
        k->cap_parts = cap;
    }
    int status = lm_keep_append(k, &k->runs, "runs", 0, err);
    if (!status)
        k->parts[k->n_parts++] = (struct lm_part){wm_out_size(k->runs.out) / record_size(t), 0};
    return status;
}

static void end_part(struct wm_lm_train *t)
{
    uint64_t size = wm_out_size(t->keep.runs.out);
    t->keep.most = t->keep.most < size ? size : t->keep.most;
}

int lm_keep_block(struct wm_lm_train *t, struct wm_error *err)
{
    int status = begin_part(t, err);
    if (!status) /* not stopped: the point is to be made */
        status = lm_sort_block(&t->block, t->settings.order, t->vocabulary.n, NULL,
                               &(struct lm_sink){write_record, t}, err);
    if (!status)
        end_part(t);
    return status;
}

/* ---- merging ---- */

static int open_runs(struct wm_lm_train *t, size_t n, struct wm_spool **ret, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    const size_t size = record_size(t);
    struct wm_spool *runs = calloc(n + 1, sizeof *runs);
    int status = runs ? lm_keep_read(k, &k->runs, "runs", 0, err)
                      : wm_fail_nomem(err, n * sizeof *runs, "runs of n-grams");
    for (size_t i = 0; !status && i < n; i++)
        status = wm_spool_from(&runs[i], t->pool, size, k->runs.in, k->parts[i].first * size,
                               k->parts[i].n, err);
    for (size_t i = 0; status && runs && i < n; i++)
        wm_spool_close(&runs[i]);
    if (status)
        free(runs);
    else
        *ret = runs;
    return status;
}

/* The first n runs become the last one. */
static int merge_some(struct wm_lm_train *t, size_t n, struct wm_error *err)
{
    struct lm_keep *k = &t->keep;
    struct wm_spool *runs = NULL;
    int status = open_runs(t, n, &runs, err);
    if (status)
        return status;
    status = begin_part(t, err);
    if (!status)
        status = lm_merge(runs, n, t->settings.order, t->cancel, &(struct lm_sink){write_record, t},
                          NULL, err);
    for (size_t i = 0; i < n; i++)
        wm_spool_close(&runs[i]);
    free(runs);
    if (status)
        return status;
    end_part(t);
    k->n_parts -= n;
    memmove(k->parts, k->parts + n, k->n_parts * sizeof *k->parts);
    return lm_keep_save(t, err);
}

static bool is_due(void *arg)
{
    const struct wm_lm_train *t = arg;
    return lm_keep_due(&t->keep, t->cancel);
}

/* A point in the last merge: runs are cut where they stand. */
static int pause_merge(void *arg, const uint64_t *left, struct wm_error *err)
{
    struct wm_lm_train *t = arg;
    struct lm_keep *k = &t->keep;
    int status = lm_adjust_flush(t->adjust, err);
    struct lm_adjust_state state = lm_adjust_state(t->adjust);
    for (unsigned n = 2; !status && n <= t->settings.order; n++)
        status = lm_keep_drain(k, &k->counts[n - 1], "counts", n, &state.spools[n - 1],
                               &k->n_counts[n - 1], err);
    for (size_t i = 0; !status && i < k->n_parts; i++) {
        k->parts[i].first += k->parts[i].n - left[i];
        k->parts[i].n = left[i];
    }
    k->phase = LM_ADJUSTING;
    return status ? status : lm_keep_save(t, err);
}

/* Adjusted counts so far, as the last point has them. */
static void take_up(struct wm_lm_train *t)
{
    struct lm_keep *k = &t->keep;
    struct lm_adjust_state state = lm_adjust_state(t->adjust);
    const size_t n = t->vocabulary.n;
    memcpy(state.orders, k->orders, t->settings.order * sizeof *k->orders);
    memcpy(state.counts, k->counts_of_words, n * sizeof *state.counts);
    memcpy(state.lefts, k->counts_of_words + n, n * sizeof *state.lefts);
    free(k->counts_of_words);
    k->counts_of_words = NULL;
}

int lm_keep_merge(struct wm_lm_train *t, size_t fan, const struct lm_sink *sink,
                  struct wm_error *err)
{
    struct wm_spool *runs = NULL;
    int status = 0;
    if (t->keep.phase == LM_ADJUSTING)
        take_up(t);
    while (!status && t->keep.n_parts > fan)
        status = merge_some(t, fan, err);
    if (!status)
        status = open_runs(t, t->keep.n_parts, &runs, err);
    if (!status)
        status = lm_merge(runs, t->keep.n_parts, t->settings.order, NULL, sink,
                          &(struct lm_pause){is_due, pause_merge, t}, err);
    free(runs);
    return status;
}
