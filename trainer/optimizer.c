/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensor is updated how, where its state lies, and the element-wise methods. */
#include "trainer/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/activations.h"
#include "trainer/scalar.h"

unsigned wm_optimizer_n_slots(enum wm_optimizer_method method)
{
    static const unsigned n[] = {
        [WM_METHOD_NONE] = 0, [WM_METHOD_ADAMW] = 2, [WM_METHOD_SGD] = 1, [WM_METHOD_MUON] = 1};
    return n[method];
}

const char *wm_optimizer_slot_name(enum wm_optimizer_method method, unsigned slot)
{
    if (method == WM_METHOD_ADAMW)
        return slot ? "v" : "m";
    return "momentum";
}

enum wm_optimizer_method wm_optimizer_method_of(const struct wm_optimizer_config *config,
                                                const struct wm_param *param)
{
    if (!param->trainable)
        return WM_METHOD_NONE;
    if (config->kind == WM_OPTIMIZER_SGD)
        return WM_METHOD_SGD;
    if (config->kind == WM_OPTIMIZER_MUON && param->group == WM_GROUP_MATRIX)
        return WM_METHOD_MUON;
    return WM_METHOD_ADAMW;
}

/* ---- memory ---- */

static uint64_t padded(uint64_t n)
{
    return (n + 15) / 16 * 16;
}

/* Floats of all slots; `ret_offsets` (may be NULL) gets where each tensor's begin. */
static uint64_t plan(const struct wm_optimizer_config *config, const struct wm_params *params,
                     uint64_t *ret_offsets)
{
    uint64_t used = 0;
    for (size_t i = 0; i < params->n; i++) {
        const struct wm_param *p = &params->table[i];
        if (ret_offsets)
            ret_offsets[i] = used;
        used += padded(p->n) * wm_optimizer_n_slots(wm_optimizer_method_of(config, p));
    }
    return used;
}

static uint64_t scratch_floats(const struct wm_optimizer_config *config,
                               const struct wm_params *params)
{
    return config->kind == WM_OPTIMIZER_MUON ? padded(wm_muon_scratch(params)) : 0;
}

static size_t n_parts(const struct wm_params *params)
{
    uint64_t most = 0;
    for (size_t i = 0; i < params->n; i++)
        most = params->table[i].n > most ? params->table[i].n : most;
    return (size_t)(most / WM_SPAN + 1);
}

static uint64_t all_floats(const struct wm_optimizer_config *config, const struct wm_params *params)
{
    return plan(config, params, NULL) + scratch_floats(config, params) +
           (config->average ? params->n_floats : 0);
}

uint64_t wm_optimizer_bytes(const struct wm_optimizer_config *config,
                            const struct wm_params *params)
{
    return wm_pages_size(all_floats(config, params) * sizeof(float)) +
           params->n * (sizeof(enum wm_optimizer_method) + sizeof(uint64_t)) +
           n_parts(params) * sizeof(double);
}

int wm_optimizer_new(const struct wm_optimizer_config *config, struct wm_model *model,
                     struct wm_optimizer **ret, struct wm_error *err)
{
    const struct wm_params *params = &model->layout;
    struct wm_optimizer *o = calloc(1, sizeof *o);
    if (!o)
        return wm_fail_nomem(err, sizeof *o, "optimiser");
    *o = (struct wm_optimizer){.config = *config, .model = model};
    o->methods = calloc(params->n, sizeof *o->methods);
    o->offsets = calloc(params->n, sizeof *o->offsets);
    o->parts = calloc(n_parts(params), sizeof *o->parts);
    int status = o->methods && o->offsets && o->parts
                     ? 0
                     : wm_fail_nomem(err, params->n * sizeof *o->offsets, "optimiser");
    if (!status)
        status = wm_pages_map(all_floats(config, params) * sizeof(float), "optimiser's state",
                              &o->pages, err);
    if (status) {
        wm_optimizer_free(o);
        return status;
    }
    for (size_t i = 0; i < params->n; i++)
        o->methods[i] = wm_optimizer_method_of(config, &params->table[i]);
    o->state = o->pages.ptr;
    o->scratch = o->state + plan(config, params, o->offsets);
    o->scratch_floats = scratch_floats(config, params);
    o->average = config->average ? o->scratch + o->scratch_floats : NULL;
    *ret = o;
    return 0;
}

void wm_optimizer_free(struct wm_optimizer *o)
{
    if (!o)
        return;
    if (o->swapped)
        wm_optimizer_swap_average(o); /* the model's own memory goes back to it */
    wm_pages_unmap(&o->pages);
    free(o->methods);
    free(o->offsets);
    free(o->parts);
    free(o);
}

/* ---- the element-wise methods ---- */

struct update {
    struct wm_optimizer *o;
    const struct wm_optimizer_step *how;
    double bias1, bias2; /* 1 − beta^step */
};

static void adamw_span(const struct update *u, const struct wm_span *span)
{
    const struct wm_optimizer *o = u->o;
    const struct wm_model *model = o->model;
    const struct wm_param *p = &model->layout.table[span->tensor];
    const double lr = u->how->lr * p->lr_multiplier;
    const double decay = o->config.weight_decay * p->decay_multiplier;
    const struct wm_adamw_constants c = {
        .grad_scale = (float)u->how->grad_scale,
        .decay_keep = (float)(1 - lr * decay),
        .beta1 = (float)o->config.beta1,
        .one_minus_beta1 = (float)(1 - o->config.beta1),
        .beta2 = (float)o->config.beta2,
        .one_minus_beta2 = (float)(1 - o->config.beta2),
        .root_bias2 = (float)sqrt(u->bias2),
        .epsilon = (float)o->config.epsilon,
        .step_size = (float)(lr / u->bias1),
    };
    const uint64_t inside = span->offset - p->offset;
    model->acts->shop.kernels->adamw(model->params + span->offset, model->grads + span->offset,
                                     wm_optimizer_slot(o, span->tensor, 0) + inside,
                                     wm_optimizer_slot(o, span->tensor, 1) + inside, &c, span->n);
}

static void sgd_span(const struct update *u, const struct wm_span *span)
{
    const struct wm_optimizer *o = u->o;
    const struct wm_param *p = &o->model->layout.table[span->tensor];
    const double lr = u->how->lr * p->lr_multiplier;
    const float scale = (float)u->how->grad_scale, momentum = (float)o->config.momentum;
    const float keep = (float)(1 - lr * o->config.weight_decay * p->decay_multiplier);
    const float rate = (float)lr;
    float *w = o->model->params + span->offset;
    const float *g = o->model->grads + span->offset;
    float *m = wm_optimizer_slot(o, span->tensor, 0) + (span->offset - p->offset);
    for (uint32_t i = 0; i < span->n; i++) {
        m[i] = momentum * m[i] + g[i] * scale;
        w[i] = w[i] * keep - rate * m[i];
    }
}

static void update_span(void *arg, size_t item)
{
    const struct update *u = arg;
    const struct wm_span span = wm_span_of(u->o->model, item);
    const enum wm_optimizer_method method = u->o->methods[span.tensor];
    if (method == WM_METHOD_ADAMW)
        adamw_span(u, &span);
    else if (method == WM_METHOD_SGD)
        sgd_span(u, &span);
}

static void update_all(void *arg)
{
    const struct update *u = arg;
    wm_parallel(u->o->model->team, u->o->model->acts->n_spans, update_span, arg);
    for (size_t i = 0; i < u->o->model->layout.n; i++)
        if (u->o->methods[i] == WM_METHOD_MUON)
            wm_muon_update(u->o, i, u->how);
}

void wm_optimizer_update(struct wm_optimizer *o, const struct wm_optimizer_step *how)
{
    struct update u = {
        .o = o,
        .how = how,
        .bias1 = 1 - wm_power(o->config.beta1, how->step),
        .bias2 = 1 - wm_power(o->config.beta2, how->step),
    };
    wm_team_session(o->model->team, update_all, &u);
}

/* ---- averaging ---- */

static void average_span(void *arg, size_t item)
{
    const struct wm_optimizer *o = arg;
    const struct wm_span span = wm_span_of(o->model, item);
    const float share = (float)(1 / (double)o->n_averaged);
    const float *w = o->model->params + span.offset;
    float *a = o->average + span.offset;
    for (uint32_t i = 0; i < span.n; i++)
        a[i] += (w[i] - a[i]) * share;
}

static void average_all(void *arg)
{
    struct wm_optimizer *o = arg;
    wm_parallel(o->model->team, o->model->acts->n_spans, average_span, o);
}

void wm_optimizer_average(struct wm_optimizer *o)
{
    if (!o->average)
        return;
    o->n_averaged++;
    wm_team_session(o->model->team, average_all, o);
}

void wm_optimizer_swap_average(struct wm_optimizer *o)
{
    if (!o->average || !o->n_averaged)
        return;
    float *weights = o->model->params;
    o->model->params = o->average;
    o->average = weights;
    o->swapped = !o->swapped;
}
