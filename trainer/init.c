/* SPDX-License-Identifier: Apache-2.0 */
/* The first weights. */
#include <math.h>

#include "trainer/activations.h"
#include "trainer/scalar.h"

struct wm_span wm_span_of(const struct wm_model *model, size_t item)
{
    const size_t *first = model->acts->first_span;
    size_t low = 0, high = model->layout.n; /* first[low] ≤ item < first[high] */
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (first[middle] <= item)
            low = middle;
        else
            high = middle;
    }
    const struct wm_param *p = &model->layout.table[low];
    const uint64_t at = (item - first[low]) * (uint64_t)WM_SPAN;
    const uint64_t n = p->n - at < WM_SPAN ? p->n - at : WM_SPAN;
    return (struct wm_span){p->offset + at, (uint32_t)n, (uint32_t)low};
}

struct init {
    const struct wm_model *model;
    enum wm_init kind;
    bool zero_output;
    uint64_t seed;
};

static float std_of(const struct init *init, const struct wm_param *p)
{
    const double n_in = p->shape[1], n_out = (double)p->shape[0] / p->n_stacked;
    if (!p->shape[1] || (p->residual && init->zero_output))
        return 0;
    if (p->role != WM_PARAM_LINEAR)
        return 0.02f;
    switch (init->kind) {
    case WM_MODEL_INIT_XAVIER:
        return (float)sqrt(2 / (n_in + n_out));
    case WM_MODEL_INIT_HE:
        return (float)sqrt(2 / n_in);
    case WM_MODEL_INIT_GPT2:
        break;
    }
    return p->residual ? (float)(0.02 / sqrt(2.0 * init->model->config.n_layer)) : 0.02f;
}

static void init_span(void *arg, size_t item)
{
    const struct init *init = arg;
    const struct wm_model *model = init->model;
    const struct wm_span span = wm_span_of(model, item);
    const struct wm_param *p = &model->layout.table[span.tensor];
    float *x = model->params + span.offset;
    const uint64_t first = span.offset - p->offset;
    const float std = std_of(init, p);
    for (uint32_t i = 0; i < span.n; i++) {
        if (std > 0)
            x[i] = (float)(wm_gaussian(init->seed, span.tensor, first + i) * std);
        else
            x[i] = p->role == WM_PARAM_NORM ? 1.0f : 0.0f;
    }
}

void wm_model_init(struct wm_model *model, enum wm_init kind, bool zero_output, uint64_t seed)
{
    struct init init = {model, kind, zero_output, seed};
    wm_parallel(model->team, model->acts->n_spans, init_span, &init);
}
