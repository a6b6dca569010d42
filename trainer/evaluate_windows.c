/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>

#include "trainer/evaluate.h"
#include "wetmill/cancel.h"

enum { BATCHES = 8 /* that wait: enough to find windows of like length */ };

static size_t stride_of(const struct wm_scorer *s)
{
    return s->context + (size_t)1;
}

int wm_scorer_init(struct wm_scorer *s, struct wm_model *model, uint32_t context,
                   struct wm_cancel *cancel, struct wm_error *err)
{
    const size_t most = (size_t)BATCHES * model->max_batch;
    const size_t batch = (size_t)model->max_batch * context;
    *s = (struct wm_scorer){
        .model = model, .context = context, .cancel = cancel, .most = (uint32_t)most};
    s->windows = calloc(most, sizeof *s->windows);
    s->order = calloc(most, sizeof *s->order);
    s->ids = calloc(most * stride_of(s), sizeof *s->ids);
    s->inputs = calloc(batch, sizeof *s->inputs);
    s->targets = calloc(batch, sizeof *s->targets);
    s->weights = calloc(batch, sizeof *s->weights);
    if (s->windows && s->order && s->ids && s->inputs && s->targets && s->weights)
        return 0;
    return wm_fail_nomem(err, (most * stride_of(s) + 3 * batch) * sizeof *s->ids, "windows");
}

void wm_scorer_done(struct wm_scorer *s)
{
    free(s->windows);
    free(s->order);
    free(s->ids);
    free(s->inputs);
    free(s->targets);
    free(s->weights);
    *s = (struct wm_scorer){0};
}

/* By length, longest first, the earlier of equals: an insertion sort of a few dozen. */
static void sort(struct wm_scorer *s)
{
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t at = i;
        while (at > 0 && s->windows[s->order[at - 1]].n < s->windows[i].n) {
            s->order[at] = s->order[at - 1];
            at--;
        }
        s->order[at] = i;
    }
}

/* A window becomes row `row` of a batch of `t` columns. */
static void load(struct wm_scorer *s, uint32_t window, uint32_t row, uint32_t t)
{
    const struct wm_window *w = &s->windows[window];
    const uint32_t *ids = s->ids + window * stride_of(s);
    const size_t at = (size_t)row * t;
    memset(s->inputs + at, 0, t * sizeof *s->inputs);
    memset(s->targets + at, 0, t * sizeof *s->targets);
    memcpy(s->inputs + at, ids, w->n * sizeof *ids);
    memcpy(s->targets + at, ids + 1, w->n * sizeof *ids);
    for (uint32_t i = 0; i < t; i++)
        s->weights[at + i] = i + 1 >= w->first && i < w->n ? 1.0f : 0.0f;
}

static int score_batch(struct wm_scorer *s, const uint32_t *windows, uint32_t b,
                       struct wm_error *err)
{
    const uint32_t t = s->windows[windows[0]].n;
    const struct wm_lm_batch batch = {
        .b = b, .t = t, .inputs = s->inputs, .targets = s->targets, .weights = s->weights};
    double all;
    for (uint32_t row = 0; row < b; row++)
        load(s, windows[row], row, t);
    int status = wm_cancel_check(s->cancel, err);
    if (!status)
        status = wm_model_loss(s->model, &batch, &all, err);
    if (status)
        return status;
    const double *nats = wm_model_target_nats(s->model);
    for (uint32_t row = 0; row < b; row++) {
        struct wm_window *w = &s->windows[windows[row]];
        w->nats = 0;
        for (uint32_t i = w->first - 1; i < w->n; i++)
            w->nats += nats[(size_t)row * t + i];
    }
    return 0;
}

int wm_scorer_flush(struct wm_scorer *s, struct wm_error *err)
{
    int status = 0;
    sort(s);
    for (uint32_t at = 0; at < s->n && !status; at += s->model->max_batch) {
        const uint32_t left = s->n - at;
        status = score_batch(s, s->order + at,
                             left < s->model->max_batch ? left : s->model->max_batch, err);
    }
    for (uint32_t i = 0; i < s->n && !status; i++)
        *s->windows[i].sum += s->windows[i].nats;
    s->n = 0;
    return status;
}

int wm_scorer_add(struct wm_scorer *s, const uint32_t *ids, uint32_t n, uint32_t first, double *sum,
                  struct wm_error *err)
{
    memcpy(s->ids + s->n * stride_of(s), ids, ((size_t)n + 1) * sizeof *ids);
    s->windows[s->n++] = (struct wm_window){.n = n, .first = first, .sum = sum};
    return s->n == s->most ? wm_scorer_flush(s, err) : 0;
}
