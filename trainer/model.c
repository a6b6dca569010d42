/* SPDX-License-Identifier: Apache-2.0 */
/* Planning: every float of a model lives in one mapping, laid out once. The plan runs twice, first
 * without memory to count, then to place. */
#include "trainer/model.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "trainer/activations.h"

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

struct plan {
    unsigned char *base; /* NULL: only count */
    uint64_t used;
};

static void *take(struct plan *plan, uint64_t count, size_t size)
{
    void *at = plan->base ? plan->base + plan->used : NULL;
    plan->used += (count * size + LINE - 1) / LINE * LINE;
    return at;
}

static float *take_floats(struct plan *plan, uint64_t count)
{
    return take(plan, count, sizeof(float));
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static void plan_norm(struct plan *plan, struct wm_norm_state *norm, uint64_t rows, uint32_t c)
{
    norm->out = take_floats(plan, rows * c);
    norm->mean = take_floats(plan, rows);
    norm->rstd = take_floats(plan, rows);
}

static void plan_layer(struct plan *plan, struct wm_layer_acts *layer, uint64_t rows, uint32_t c,
                       uint32_t n_head, bool training)
{
    plan_norm(plan, &layer->norm1, rows, c);
    layer->qkv = take_floats(plan, rows * c * 3);
    layer->mixed = take_floats(plan, rows * c);
    layer->scores = take_floats(plan, rows * n_head);
    layer->middle = take_floats(plan, rows * c);
    plan_norm(plan, &layer->norm2, rows, c);
    layer->fc = take_floats(plan, rows * c * 4);
    layer->gelu = training ? take_floats(plan, rows * c * 4) : layer->fc;
    layer->out = training ? take_floats(plan, rows * c) : NULL;
}

/* Inference writes the residual stream over itself: nothing below needs a layer's input. */
static void plan_layers(struct plan *plan, const struct wm_model *model, uint64_t rows,
                        bool training)
{
    struct wm_activations *acts = model->acts;
    float *stream = acts->embedded;
    for (uint32_t i = 0; i < model->config.n_layer; i++) {
        struct wm_layer_acts *layer = &acts->layers[i];
        if (training || i == 0)
            plan_layer(plan, layer, rows, model->config.n_embd, model->config.n_head, training);
        else
            *layer = acts->layers[0];
        layer->in = stream;
        layer->out = training ? layer->out : stream;
        stream = layer->out;
    }
}

static void plan_workshop(struct plan *plan, struct wm_workshop *shop,
                          const struct wm_model_config *config, uint64_t rows, unsigned n_threads,
                          bool training)
{
    const size_t c = config->n_embd, v = config->vocabulary;
    size_t shared = most(wm_gemm_shared_floats(4 * c, c), wm_gemm_shared_floats(c, 4 * c));
    shared = most(shared, wm_gemm_shared_floats(v, c));
    if (training) {
        shared = most(shared, wm_gemm_shared_floats(c, v));
        shared = most(shared, wm_gemm_shared_floats(4 * c, rows));
    }
    shop->shared_floats = shared;
    shop->shared = take_floats(plan, shared);
    shop->scratch_floats = most(WM_GEMM_SCRATCH, wm_attention_scratch_floats(config->head_dim));
    shop->scratch_floats = (shop->scratch_floats + 15) / 16 * 16;
    shop->scratch = take_floats(plan, (uint64_t)shop->scratch_floats * n_threads);
}

static void plan_model(struct plan *plan, struct wm_model *model, unsigned n_threads, bool training)
{
    const struct wm_model_config *config = &model->config;
    struct wm_activations *acts = model->acts;
    const uint64_t rows = (uint64_t)model->max_batch * config->n_ctx, c = config->n_embd;
    model->params = take_floats(plan, model->n_params);
    if (training) {
        model->grads = take_floats(plan, model->n_params);
        acts->d_stream = take_floats(plan, rows * c);
        acts->d_narrow = take_floats(plan, rows * c);
        acts->d_wide = take_floats(plan, rows * c * 4);
        acts->norm_parts = take_floats(plan, (rows + WM_NORM_ROWS - 1) / WM_NORM_ROWS * 2 * c);
        acts->span_parts = take(plan, acts->n_spans, sizeof(double));
    }
    acts->embedded = take_floats(plan, rows * c);
    plan_layers(plan, model, rows, training);
    plan_norm(plan, &acts->last, rows, config->n_embd);
    acts->logits = take_floats(plan, (rows < WM_LOSS_ROWS ? rows : WM_LOSS_ROWS) *
                                         (uint64_t)config->vocabulary);
    acts->row_nll = take(plan, rows, sizeof(double));
    plan_workshop(plan, &acts->shop, config, rows, n_threads, training);
}

static int check(const struct wm_model_config *c, uint32_t max_batch, struct wm_error *err)
{
    int status = wm_model_config_check(c, err);
    if (status)
        return status;
    if (c->architecture != WM_ARCH_GPT2 || c->n_hidden != 4 * c->n_embd)
        return wm_fail(err, WM_E_CONFIG, "architecture %s cannot be computed",
                       wm_model_parts(c)->name);
    if (max_batch < 1 || (uint64_t)max_batch * c->n_ctx > WM_MODEL_MAX_ROWS)
        return wm_fail(err, WM_E_CONFIG,
                       "a micro-batch of %u × %u tokens; from 1 to %d are possible", max_batch,
                       c->n_ctx, WM_MODEL_MAX_ROWS);
    return 0;
}

static void cut_spans(const struct wm_model *model)
{
    struct wm_activations *acts = model->acts;
    for (size_t i = 0; i < model->n_table; i++) {
        acts->first_span[i] = acts->n_spans;
        acts->n_spans += (size_t)((model->table[i].n + WM_SPAN - 1) / WM_SPAN);
    }
    acts->first_span[model->n_table] = acts->n_spans;
}

/* The model without its floats: everything that is small. */
static struct wm_model *new_frame(const struct wm_model_config *config, uint32_t max_batch)
{
    struct wm_model *model = calloc(1, sizeof *model);
    if (!model)
        return NULL;
    model->config = *config;
    model->max_batch = max_batch;
    struct wm_error ignored;
    model->acts = calloc(1, sizeof *model->acts);
    if (model->acts && !wm_params_new(config, &model->layout, &ignored)) {
        struct wm_activations *acts = model->acts;
        model->table = model->layout.table;
        model->n_table = model->layout.n;
        model->n_params = model->layout.n_floats;
        acts->first_span = calloc(model->n_table + 1, sizeof *acts->first_span);
        acts->layers = calloc(config->n_layer, sizeof *acts->layers);
        if (acts->first_span && acts->layers) {
            cut_spans(model);
            return model;
        }
    }
    wm_model_free(model);
    return NULL;
}

void wm_model_free(struct wm_model *model)
{
    if (!model)
        return;
    struct wm_activations *acts = model->acts;
    if (acts) {
        if (acts->memory)
            (void)munmap(acts->memory, acts->memory_bytes);
        free(acts->first_span);
        free(acts->layers);
    }
    free(acts);
    wm_params_free(&model->layout);
    free(model);
}

/* One mapping, a huge page larger than asked for so that it can begin at one. */
static int map(struct wm_activations *acts, uint64_t bytes, unsigned char **ret,
               struct wm_error *err)
{
    uint64_t size = bytes + HUGE_PAGE;
    void *at = size > SIZE_MAX / 2 ? MAP_FAILED
                                   : mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE,
                                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) {
        (void)wm_fail_nomem(err, (size_t)size, "model");
        return wm_error_hint(err, "use a smaller micro-batch or a smaller model");
    }
    acts->memory = at;
    acts->memory_bytes = (size_t)size;
    *ret = (unsigned char *)at + (HUGE_PAGE - (uintptr_t)at % HUGE_PAGE) % HUGE_PAGE;
#ifdef MADV_HUGEPAGE
    (void)madvise(*ret, (size_t)bytes, MADV_HUGEPAGE); /* only a wish */
#endif
    return 0;
}

int wm_model_new(const struct wm_model_config *config, uint32_t max_batch, bool training,
                 struct wm_team *team, struct wm_model **ret, struct wm_error *err)
{
    int status = check(config, max_batch, err);
    if (status)
        return status;
    struct wm_model *model = new_frame(config, max_batch);
    if (!model)
        return wm_fail_nomem(err, sizeof *model, "model");
    struct plan plan = {NULL, 0};
    plan_model(&plan, model, wm_team_size(team), training);
    struct plan place = {NULL, 0};
    status = map(model->acts, plan.used, &place.base, err);
    if (status) {
        wm_model_free(model);
        return status;
    }
    plan_model(&place, model, wm_team_size(team), training);
    model->team = team;
    model->acts->shop.team = team;
    model->acts->shop.kernels = wm_kernels_available()[0];
    *ret = model;
    return 0;
}

uint64_t wm_model_bytes(const struct wm_model_config *config, uint32_t max_batch, bool training)
{
    struct wm_error err;
    struct wm_model *model = check(config, max_batch, &err) ? NULL : new_frame(config, max_batch);
    if (!model)
        return 0;
    struct plan plan = {NULL, 0};
    plan_model(&plan, model, wm_processors(), training);
    uint64_t frame = sizeof *model + sizeof *model->acts + model->n_table * sizeof *model->table +
                     model->n_table * sizeof *model->acts->first_span +
                     config->n_layer * sizeof *model->acts->layers;
    wm_model_free(model);
    return plan.used + HUGE_PAGE + frame;
}

/* Two per multiply-add forward, twice that backward: 6 × (weights of the maps + attention's scores
 * and mixing over the half of the square that the causal mask leaves). */
double wm_model_flops_per_token(const struct wm_model_config *config)
{
    double c = config->n_embd, layers = config->n_layer;
    double weights = 12 * layers * c * c + config->vocabulary * c;
    return 6 * weights + 6 * layers * c * config->n_ctx;
}

const char *wm_model_kernels(const struct wm_model *model)
{
    return model->acts->shop.kernels->name;
}

int wm_model_use_kernels(struct wm_model *model, const char *name, struct wm_error *err)
{
    const struct wm_kernels *const *k = wm_kernels_available();
    while (*k && strcmp((*k)->name, name) != 0)
        k++;
    if (!*k)
        return wm_fail(err, WM_E_CONFIG, "this CPU has no kernels \"%s\"", name);
    model->acts->shop.kernels = *k;
    return 0;
}
