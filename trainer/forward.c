/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass, from ids to the last norm's output:
 *
 *   x = wte[id] + wpe[t];  per layer: x += mix(attention(qkv(norm1 x)));  x += down(gelu(fc(norm2 x)))
 */
#include <string.h>

#include "trainer/activations.h"

enum { EMBED_ROWS = 64 };

int wm_batch_check(const struct wm_model *model, const struct wm_lm_batch *batch, bool targets,
                   struct wm_error *err)
{
    const struct wm_model_config *config = &model->config;
    if (batch->positions || batch->first_key)
        return wm_fail(err, WM_E_CONFIG, "this model takes neither positions nor first keys");
    if (batch->b < 1 || batch->b > model->max_batch || batch->t < 1 || batch->t > config->n_ctx)
        return wm_fail(err, WM_E_LIMIT,
                       "a batch of %u × %u tokens; the model was planned for %u × %u", batch->b,
                       batch->t, model->max_batch, config->n_ctx);
    for (size_t i = 0; i < (size_t)batch->b * batch->t; i++) {
        bool scored = targets && (!batch->weights || batch->weights[i] != 0);
        uint32_t id =
            batch->inputs[i] < config->vocabulary && scored ? batch->targets[i] : batch->inputs[i];
        if (id >= config->vocabulary)
            return wm_fail(err, WM_E_FORMAT, "token %u is outside the vocabulary of %u", id,
                           config->vocabulary);
    }
    return 0;
}

struct embed {
    const struct wm_model *model;
    const struct wm_lm_batch *batch;
};

static void embed_rows(void *arg, size_t item)
{
    const struct embed *e = arg;
    const struct wm_activations *acts = e->model->acts;
    const size_t c = e->model->config.n_embd, rows = (size_t)e->batch->b * e->batch->t;
    const float *tokens = wm_param_of(e->model, WM_TOKEN_EMBEDDING);
    const float *positions = wm_param_of(e->model, WM_POSITION_EMBEDDING);
    const size_t end = (item + 1) * EMBED_ROWS < rows ? (item + 1) * EMBED_ROWS : rows;
    for (size_t row = item * EMBED_ROWS; row < end; row++) {
        float *x = acts->embedded + row * c;
        memcpy(x, tokens + e->batch->inputs[row] * c, c * sizeof *x);
        acts->shop.kernels->add(x, positions + row % e->batch->t * c, c);
    }
}

/* ---- what is done to a product's block while it is in cache ---- */

struct finish {
    const struct wm_kernels *kernels;
    const float *from; /* [rows, n] */
    float *to;
    size_t n;
};

/* to += from: the residual connection. */
static void finish_residual(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const struct finish *f = arg;
    for (size_t at = row * f->n + col; n_rows; n_rows--, at += f->n)
        f->kernels->add(f->to + at, f->from + at, n_cols);
}

/* to = gelu(from) */
static void finish_gelu(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const struct finish *f = arg;
    for (size_t at = row * f->n + col; n_rows; n_rows--, at += f->n)
        f->kernels->gelu(f->from + at, f->to + at, n_cols);
}

struct wm_attention wm_layer_attention(const struct wm_model *model,
                                       const struct wm_layer_acts *layer, uint32_t b, uint32_t t)
{
    const struct wm_model_config *config = &model->config;
    const size_t c = config->n_embd;
    return (struct wm_attention){
        .b = b,
        .t = t,
        .t_kv = t,
        .n_head = config->n_head,
        .n_kv_head = config->n_kv_head,
        .head_dim = config->head_dim,
        .q = layer->qkv,
        .ld_q = 3 * c,
        .k = layer->qkv + c,
        .v = layer->qkv + 2 * c,
        .ld_kv = 3 * c,
        .mask = WM_MASK_CAUSAL,
        .out = layer->mixed,
        .ld_out = c,
        .norm = layer->scores,
    };
}

static void forward_layer(const struct wm_model *model, uint32_t index, uint32_t b, uint32_t t)
{
    const struct wm_kernels *kernels = model->acts->shop.kernels;
    struct wm_layer_acts *layer = &model->acts->layers[index];
    const size_t rows = (size_t)b * t, c = model->config.n_embd;
    struct finish to_middle = {kernels, layer->in, layer->middle, c};
    struct finish to_gelu = {kernels, layer->fc, layer->gelu, 4 * c};
    struct finish to_out = {kernels, layer->middle, layer->out, c};

    wm_norm_forward(model, layer->in, wm_layer_at(index, WM_NORM1_GAIN), &layer->norm1, rows);
    wm_linear_forward(model, layer->norm1.out, wm_layer_at(index, WM_QKV_WEIGHT), layer->qkv, rows,
                      NULL, NULL);
    const struct wm_attention attention = wm_layer_attention(model, layer, b, t);
    wm_attention_forward(&model->acts->shop, &attention);
    wm_linear_forward(model, layer->mixed, wm_layer_at(index, WM_MIX_WEIGHT), layer->middle, rows,
                      finish_residual, &to_middle);

    wm_norm_forward(model, layer->middle, wm_layer_at(index, WM_NORM2_GAIN), &layer->norm2, rows);
    wm_linear_forward(model, layer->norm2.out, wm_layer_at(index, WM_FC_WEIGHT), layer->fc, rows,
                      finish_gelu, &to_gelu);
    wm_linear_forward(model, layer->gelu, wm_layer_at(index, WM_DOWN_WEIGHT), layer->out, rows,
                      finish_residual, &to_out);
}

void wm_forward(const struct wm_model *model, const struct wm_lm_batch *batch)
{
    const size_t rows = (size_t)batch->b * batch->t;
    struct embed embed = {model, batch};
    wm_parallel(model->team, (rows + EMBED_ROWS - 1) / EMBED_ROWS, embed_rows, &embed);
    for (uint32_t i = 0; i < model->config.n_layer; i++)
        forward_layer(model, i, batch->b, batch->t);
    const struct wm_layer_acts *top = &model->acts->layers[model->config.n_layer - 1];
    wm_norm_forward(model, top->out, wm_layer_at(model->config.n_layer, WM_NORM1_GAIN),
                    &model->acts->last, rows);
}
