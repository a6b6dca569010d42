/* SPDX-License-Identifier: Apache-2.0 */
/* What is done to the flat buffers as a whole, span by span. */
#include <math.h>
#include <string.h>

#include "trainer/activations.h"
#include "trainer/scalar.h"

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
    acts->span_parts[item] = acts->shop.kernels->sum_squares(model->grads + span.offset, span.n);
}

double wm_model_grad_norm(struct wm_model *model)
{
    double sum = 0;
    wm_parallel(model->team, model->acts->n_spans, square_span, model);
    for (size_t i = 0; i < model->acts->n_spans; i++)
        sum += model->acts->span_parts[i];
    return sqrt(sum);
}

struct update {
    struct wm_model *model;
    struct wm_adamw_constants plain, decayed;
};

static void update_span(void *arg, size_t item)
{
    const struct update *u = arg;
    const struct wm_model *model = u->model;
    const struct wm_span span = wm_span_of(model, item);
    const uint64_t at = span.offset;
    const bool decay = model->table[span.tensor].decay_multiplier != 0;
    model->acts->shop.kernels->adamw(model->params + at, model->grads + at, model->m + at,
                                     model->v + at, decay ? &u->decayed : &u->plain, span.n);
}

void wm_model_adamw(struct wm_model *model, const struct wm_adamw *how)
{
    struct update u = {.model = model};
    u.plain = (struct wm_adamw_constants){
        .grad_scale = (float)how->grad_scale,
        .decay_keep = 1.0f,
        .beta1 = (float)how->beta1,
        .one_minus_beta1 = (float)(1 - how->beta1),
        .beta2 = (float)how->beta2,
        .one_minus_beta2 = (float)(1 - how->beta2),
        .root_bias2 = (float)sqrt(1 - wm_power(how->beta2, how->step)),
        .epsilon = (float)how->epsilon,
        .step_size = (float)(how->lr / (1 - wm_power(how->beta1, how->step))),
    };
    u.decayed = u.plain;
    u.decayed.decay_keep = (float)(1 - how->lr * how->weight_decay);
    wm_parallel(model->team, model->acts->n_spans, update_span, &u);
}
