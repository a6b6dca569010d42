/* SPDX-License-Identifier: Apache-2.0 */
/* The first weights. */
#include <math.h>

#include "trainer/activations.h"
#include "trainer/scalar.h"

struct wm_span wm_span_of(const struct wm_model *model, size_t item)
{
    const size_t *first = model->acts->first_span;
    size_t low = 0, high = model->n_table; /* first[low] ≤ item < first[high] */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (first[middle] <= item)
            low = middle;
        else
            high = middle;
    }
    const struct wm_param *p = &model->table[low];
    const uint64_t at = (item - first[low]) * (uint64_t)WM_SPAN;
    const uint64_t n = p->n - at < WM_SPAN ? p->n - at : WM_SPAN;
    return (struct wm_span){p->offset + at, (uint32_t)n, (uint32_t)low};
}

/* GPT-2's: the maps that write into the residual stream begin smaller, by 1 / √(2 layers). */
static float std_of(const struct wm_model *model, const struct wm_param *p)
{
    if (!p->shape[1])
        return 0;
    return p->residual ? (float)(0.02 / sqrt(2.0 * model->config.n_layer)) : 0.02f;
}

struct init {
    const struct wm_model *model;
    uint64_t seed;
};

static void init_span(void *arg, size_t item)
{
    const struct init *init = arg;
    const struct wm_model *model = init->model;
    const struct wm_span span = wm_span_of(model, item);
    const struct wm_param *p = &model->table[span.tensor];
    float *x = model->params + span.offset;
    const uint64_t first = span.offset - p->offset;
    const float std = std_of(model, p);
    for (uint32_t i = 0; i < span.n; i++) {
        if (std > 0)
            x[i] = (float)(wm_gaussian(init->seed, span.tensor, first + i) * std);
        else
            x[i] = p->role == WM_PARAM_NORM ? 1.0f : 0.0f;
    }
}

void wm_model_init(struct wm_model *model, uint64_t seed)
{
    struct init init = {model, seed};
    wm_parallel(model->team, model->acts->n_spans, init_span, &init);
}
