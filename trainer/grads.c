/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the gradients as a whole, span by span. */
#include <math.h>
#include <string.h>

#include "trainer/activations.h"

static void zero_span(void *arg, size_t item)
{
    const struct wm_model *model = arg;
    const struct wm_span span = wm_span_of(model, item);
    memset(model->grads + span.offset, 0, span.n * sizeof *model->grads);
}

void wm_model_zero_grads(struct wm_model *model)
{
    wm_parallel(model->team, model->acts->n_spans, zero_span, model);
}

static void square_span(void *arg, size_t item)
{
    const struct wm_model *model = arg;
    const struct wm_activations *acts = model->acts;
    const struct wm_span span = wm_span_of(model, item);
    acts->span_parts[item] =
        !model->table[span.tensor].trainable
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
    wm_team_session(model->team, square_all, model);
    for (size_t i = 0; i < model->acts->n_spans; i++)
        sum += model->acts->span_parts[i];
    return sqrt(sum);
}
