/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the gradients as a whole, span by span. */
#include <math.h>
#include <string.h>

#include "trainer/activations.h"

struct zero {
    const struct wm_model *model;
    bool all;
};

/* Whether the first product of a backward pass may begin with zero instead. */
static bool is_written(const struct wm_model *model, const struct wm_param *p)
{
    return p->trainable && (p->role == WM_PARAM_LINEAR || p->role == WM_PARAM_HEAD ||
                            (p->role == WM_PARAM_EMBEDDING && model->config.tied));
}

static void zero_span(void *arg, size_t item)
{
    const struct zero *zero = arg;
    const struct wm_model *model = zero->model;
    const struct wm_span span = wm_span_of(model, item);
    if (zero->all || !is_written(model, &model->layout.table[span.tensor]))
        memset(model->grads + span.offset, 0, span.n * sizeof *model->grads);
}

bool wm_zero_due_grads(const struct wm_model *model, bool all)
{
    struct zero zero = {model, all};
    if (!model->acts->zero_due)
        return false;
    wm_parallel(model->team, model->acts->n_spans, zero_span, &zero);
    model->acts->zero_due = false;
    return true;
}

void wm_model_zero_grads(struct wm_model *model)
{
    model->acts->zero_due = true;
}

static void square_span(void *arg, size_t item)
{
    const struct wm_model *model = arg;
    const struct wm_activations *acts = model->acts;
    const struct wm_span span = wm_span_of(model, item);
    acts->span_parts[item] =
        !model->layout.table[span.tensor].trainable
            ? 0
            : acts->shop.kernels->sum_squares(model->grads + span.offset, span.n);
}

static void square_all(void *arg)
{
    struct wm_model *model = arg;
    wm_parallel(model->team, model->acts->n_spans, square_span, model);
}

double wm_model_grad_norm(struct wm_model *model)
{
    double sum = 0;
    (void)wm_zero_due_grads(model, true);
    wm_team_session(model->team, square_all, model);
    for (size_t i = 0; i < model->acts->n_spans; i++)
        sum += model->acts->span_parts[i];
    return sqrt(sum);
}
