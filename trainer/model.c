/* SPDX-License-Identifier: Apache-2.0 */
/* Memory: every float of a model lives in one mapping, laid out once. Placing runs twice, first
 * without memory to count, then to place. */
#include "trainer/model.h"

#include <stdlib.h>
#include <string.h>

#include "trainer/activations.h"
#include "trainer/attention.h"
#include "trainer/rope.h"
#include "trainer/tile.h"

enum { LINE = 64 };

struct arena {
    unsigned char *base; /* NULL: only count */
    uint64_t used;
};

static void *take(struct arena *arena, uint64_t count, size_t size)
{
    void *at = arena->base ? arena->base + arena->used : NULL;
    arena->used += (count * size + LINE - 1) / LINE * LINE;
    return at;
}

static float *take_floats(struct arena *arena, uint64_t count)
{
    return take(arena, count, sizeof(float));
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* ---- what is placed ---- */

/* Room for the packed factors of every product of the model. */
static size_t shared_floats(const struct wm_model *model, uint64_t rows)
{
    const struct wm_ops *ops = &model->acts->ops;
    size_t floats = WM_GEMM_MIN_SHARED;
    for (size_t i = 0; i < ops->n; i++) {
        const struct wm_op *op = &ops->ops[i];
        if (op->kind != WM_OP_LINEAR && op->kind != WM_OP_HEAD)
            continue;
        const size_t n_in = model->layout.table[op->weight[0]].shape[1];
        const size_t n_out =
            op->kind == WM_OP_HEAD ? model->config.vocabulary : ops->activations[op->out].width;
        floats = most(floats, wm_gemm_shared_floats(n_out, n_in));
        floats = most(floats, wm_gemm_shared_floats(n_in, n_out));
        floats = most(floats, wm_gemm_shared_floats(n_in, rows));
    }
    return floats;
}

static void place_workshop(struct arena *arena, const struct wm_model *model, uint64_t rows,
                           unsigned n_threads)
{
    struct wm_workshop *shop = &model->acts->shop;
    shop->shared_floats = shared_floats(model, rows);
    shop->shared = take_floats(arena, shop->shared_floats);
    shop->scratch_floats =
        most(WM_GEMM_SCRATCH, wm_attention_scratch_floats(model->config.head_dim));
    shop->scratch_floats = (shop->scratch_floats + 15) / 16 * 16;
    shop->scratch = take_floats(arena, (uint64_t)shop->scratch_floats * n_threads);
}

/* All but the activations. */
static void place_model(struct arena *arena, struct wm_model *model, unsigned n_threads,
                        bool training)
{
    const struct wm_model_config *config = &model->config;
    struct wm_activations *acts = model->acts;
    const uint64_t rows = model->max_rows;
    model->params = take_floats(arena, model->n_params);
    if (training) {
        model->grads = take_floats(arena, model->n_params);
        acts->norm_parts = take_floats(arena, wm_norm_parts_floats(config, rows));
        if (model->dropout > 0)
            acts->dropped = take_floats(arena, rows * config->n_embd);
        acts->sorted = take(arena, 2 * rows, sizeof *acts->sorted);
        acts->span_parts = take(arena, acts->n_spans, sizeof(double));
    }
    if (wm_model_parts(config)->positions == WM_POSITIONS_ROTARY) {
        const uint64_t n = (uint64_t)config->n_ctx * (config->head_dim / 2);
        acts->cos = take_floats(arena, n);
        acts->sin = take_floats(arena, n);
    }
    acts->row_nll = take(arena, rows, sizeof(double));
    place_workshop(arena, model, rows, n_threads);
}

static uint64_t max_rows(const struct wm_model_config *c, const struct wm_model_options *options)
{
    const uint64_t all = (uint64_t)options->max_batch * c->n_ctx;
    return options->max_rows && options->max_rows < all ? options->max_rows : all;
}

static int check(const struct wm_model_config *c, const struct wm_model_options *options,
                 struct wm_error *err)
{
    int status = wm_model_config_check(c, err);
    if (status)
        return status;
    if (options->max_batch < 1 || max_rows(c, options) > WM_MODEL_MAX_ROWS)
        return wm_fail(err, WM_E_CONFIG,
                       "a micro-batch of %u × %u tokens; from 1 to %d are possible",
                       options->max_batch, c->n_ctx, WM_MODEL_MAX_ROWS);
    if (!(options->dropout >= 0 && options->dropout <= 0.99f))
        return wm_fail(err, WM_E_CONFIG, "a dropout of %g; from 0 to 0.99 is possible",
                       (double)options->dropout);
    return 0;
}

static void cut_spans(const struct wm_model *model)
{
    struct wm_activations *acts = model->acts;
    for (size_t i = 0; i < model->layout.n; i++) {
        acts->first_span[i] = acts->n_spans;
        acts->n_spans += (size_t)((model->layout.table[i].n + WM_SPAN - 1) / WM_SPAN);
    }
    acts->first_span[model->layout.n] = acts->n_spans;
}

/* What the activations may take, if all is to stay within `memory`. */
static int plan_activations(struct wm_model *model, const struct wm_model_options *options,
                            uint64_t others, struct wm_error *err)
{
    struct wm_activations *acts = model->acts;
    const uint64_t rows = model->max_rows;
    /* an odd number of lines, so that rows do not drive each other out of the cache */
    acts->ld_logits = ((size_t)(model->config.vocabulary + 15) / 16 | 1) * 16;
    const struct wm_plan_wish wish = {
        .rows = rows,
        .logit_floats = (rows < WM_LOSS_ROWS ? rows : WM_LOSS_ROWS) * acts->ld_logits,
        .training = options->training,
        .most_floats = !options->memory           ? UINT64_MAX
                       : options->memory > others ? (options->memory - others) / sizeof(float)
                                                  : 0,
    };
    return wm_plan_new(&acts->ops, &wish, &acts->plan, err);
}

static uint64_t frame_bytes(const struct wm_model *model)
{
    const struct wm_activations *acts = model->acts;
    return sizeof *model + sizeof *acts + model->layout.n * sizeof *model->layout.table +
           (model->layout.n + 1) * sizeof *acts->first_span +
           acts->ops.n * (sizeof *acts->ops.ops + 3 * sizeof *acts->plan.items) +
           acts->ops.n_activations * (sizeof *acts->ops.activations + 3 * sizeof(uint64_t));
}

int wm_model_frame(const struct wm_model_config *config, const struct wm_model_options *options,
                   unsigned n_threads, struct wm_model **ret, uint64_t *ret_bytes,
                   struct wm_error *err)
{
    int status = check(config, options, err);
    if (status)
        return status;
    struct wm_model *model = calloc(1, sizeof *model);
    struct wm_activations *acts = calloc(1, sizeof *acts);
    struct arena count = {NULL, 0};
    if (!model || !acts) {
        free(acts);
        free(model);
        return wm_fail_nomem(err, sizeof *model, "model");
    }
    model->config = *config;
    model->max_batch = options->max_batch;
    model->max_rows = max_rows(config, options);
    model->compute = options->compute;
    model->dropout = options->dropout;
    model->acts = acts;
    status = wm_params_new(config, &model->layout, err);
    if (!status)
        status = wm_ops_new(config, &model->layout, options->training, &acts->ops, err);
    if (status)
        goto fail;
    model->n_params = model->layout.n_floats;
    acts->first_span = calloc(model->layout.n + 1, sizeof *acts->first_span);
    if (!acts->first_span) {
        status = wm_fail_nomem(err, model->layout.n * sizeof *acts->first_span, "model");
        goto fail;
    }
    cut_spans(model);
    place_model(&count, model, n_threads, options->training);
    status = plan_activations(model, options, wm_pages_size(count.used) + frame_bytes(model), err);
    if (status)
        goto fail;
    (void)take_floats(&count, acts->plan.floats);
    acts->bytes = count.used;
    *ret_bytes = wm_pages_size(acts->bytes) + frame_bytes(model);
    *ret = model;
    return 0;
fail:
    wm_model_free(model);
    return status;
}

void wm_model_free(struct wm_model *model)
{
    if (!model)
        return;
    struct wm_activations *acts = model->acts;
    wm_pages_unmap(&acts->pages);
    free(acts->first_span);
    wm_plan_free(&acts->plan);
    wm_ops_free(&acts->ops);
    free(acts);
    wm_params_free(&model->layout);
    free(model);
}

int wm_model_open(const struct wm_model_config *config, const struct wm_model_options *options,
                  struct wm_team *team, struct wm_model **ret, struct wm_error *err)
{
    struct wm_model *model = NULL;
    struct arena arena = {NULL, 0};
    uint64_t bytes = 0;
    int status = wm_model_frame(config, options, wm_team_size(team), &model, &bytes, err);
    if (status)
        return status;
    struct wm_activations *acts = model->acts;
    status = wm_pages_map(acts->bytes, "model", &acts->pages, err);
    if (status) {
        wm_model_free(model);
        return wm_error_hint(err, "use a smaller micro-batch or a smaller model");
    }
    arena.base = acts->pages.ptr;
    place_model(&arena, model, wm_team_size(team), options->training);
    acts->block = take_floats(&arena, acts->plan.floats);
    model->team = team;
    acts->shop.team = team;
    acts->shop.kernels = wm_kernels_available()[0];
    if (acts->cos)
        wm_rope_table((double)config->rope_theta, config->head_dim, config->n_ctx, acts->cos,
                      acts->sin);
    *ret = model;
    return 0;
}

int wm_model_new(const struct wm_model_config *config, uint32_t max_batch, bool training,
                 struct wm_team *team, struct wm_model **ret, struct wm_error *err)
{
    const struct wm_model_options usual = {.max_batch = max_batch, .training = training};
    return wm_model_open(config, &usual, team, ret, err);
}

uint64_t wm_model_memory(const struct wm_model_config *config,
                         const struct wm_model_options *options, unsigned n_threads)
{
    struct wm_error err;
    struct wm_model *model = NULL;
    uint64_t bytes = 0;
    if (wm_model_frame(config, options, n_threads, &model, &bytes, &err))
        return 0;
    wm_model_free(model);
    return bytes;
}

const char *wm_model_kernels(const struct wm_model *model)
{
    return model->acts->shop.kernels->name;
}

bool wm_model_has_bf16(const struct wm_model *model)
{
    return model->acts->shop.kernels->bf16->native;
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
