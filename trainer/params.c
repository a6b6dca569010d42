/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of parameters, in Hugging Face's order and under its names. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "trainer/activations.h"
#include "trainer/scalar.h"

enum { ALIGN_FLOATS = 16 };

size_t wm_params_count(const struct wm_model_config *config)
{
    return WM_FIRST_LAYER + (size_t)config->n_layer * WM_PER_LAYER + 2;
}

struct builder {
    struct wm_param *next;
    uint64_t used; /* floats */
};

static void put(struct builder *b, enum wm_param_role role, uint32_t rows, uint32_t columns,
                float std, const char *prefix, const char *name)
{
    struct wm_param *p = b->next++;
    *p = (struct wm_param){.role = role,
                           .shape = {rows, columns},
                           .offset = b->used,
                           .n = (uint64_t)rows * (columns ? columns : 1),
                           .init_std = std,
                           .decay = columns != 0};
    (void)snprintf(p->name, sizeof p->name, "%s%s", prefix, name);
    b->used += (p->n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
}

/* The two maps that write into the residual stream begin smaller, by 1 / √(2 layers): GPT-2. */
static void put_layer(struct builder *b, const struct wm_model_config *config, uint32_t layer)
{
    const uint32_t c = config->n_embd;
    const float residual_std = (float)(0.02 / sqrt(2.0 * config->n_layer));
    char at[40];
    (void)snprintf(at, sizeof at, "transformer.h.%u.", layer);
    put(b, WM_PARAM_NORM, c, 0, 0, at, "ln_1.weight");
    put(b, WM_PARAM_BIAS, c, 0, 0, at, "ln_1.bias");
    put(b, WM_PARAM_LINEAR, 3 * c, c, 0.02f, at, "attn.c_attn.weight");
    put(b, WM_PARAM_BIAS, 3 * c, 0, 0, at, "attn.c_attn.bias");
    put(b, WM_PARAM_LINEAR, c, c, residual_std, at, "attn.c_proj.weight");
    put(b, WM_PARAM_BIAS, c, 0, 0, at, "attn.c_proj.bias");
    put(b, WM_PARAM_NORM, c, 0, 0, at, "ln_2.weight");
    put(b, WM_PARAM_BIAS, c, 0, 0, at, "ln_2.bias");
    put(b, WM_PARAM_LINEAR, 4 * c, c, 0.02f, at, "mlp.c_fc.weight");
    put(b, WM_PARAM_BIAS, 4 * c, 0, 0, at, "mlp.c_fc.bias");
    put(b, WM_PARAM_LINEAR, c, 4 * c, residual_std, at, "mlp.c_proj.weight");
    put(b, WM_PARAM_BIAS, c, 0, 0, at, "mlp.c_proj.bias");
}

uint64_t wm_params_table(const struct wm_model_config *config, struct wm_param *table)
{
    static const char prefix[] = "transformer.";
    struct builder b = {.next = table};
    put(&b, WM_PARAM_EMBEDDING, config->vocabulary, config->n_embd, 0.02f, prefix, "wte.weight");
    put(&b, WM_PARAM_POSITION, config->n_ctx, config->n_embd, 0.02f, prefix, "wpe.weight");
    for (uint32_t layer = 0; layer < config->n_layer; layer++)
        put_layer(&b, config, layer);
    put(&b, WM_PARAM_NORM, config->n_embd, 0, 0, prefix, "ln_f.weight");
    put(&b, WM_PARAM_BIAS, config->n_embd, 0, 0, prefix, "ln_f.bias");
    return b.used;
}

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
    for (uint32_t i = 0; i < span.n; i++) {
        if (p->init_std > 0)
            x[i] = (float)(wm_gaussian(init->seed, span.tensor, first + i) * p->init_std);
        else
            x[i] = p->role == WM_PARAM_NORM ? 1.0f : 0.0f;
    }
}

void wm_model_init(struct wm_model *model, uint64_t seed)
{
    struct init init = {model, seed};
    wm_parallel(model->team, model->acts->n_spans, init_span, &init);
}
