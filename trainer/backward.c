/* SPDX-License-Identifier: Apache-2.0 */
/* The backward pass: forward.c from its last line to its first. `d_stream` holds the gradient of
 * the residual stream, to which every branch adds its own. */
#include <string.h>

#include "trainer/activations.h"

enum { COLUMNS = 64 }; /* of the embedding gradients, per item */

struct gelu_grad {
    const struct wm_kernels *kernels;
    const float *fc;
    float *d;
    size_t n;
};

/* A block of the gradient after GELU becomes that before it. */
static void finish_gelu(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols)
{
    const struct gelu_grad *g = arg;
    for (size_t at = row * g->n + col; n_rows; n_rows--, at += g->n)
        g->kernels->gelu_back(g->fc + at, g->d + at, n_cols);
}

static void backward_layer(const struct wm_model *model, uint32_t index, uint32_t b, uint32_t t)
{
    const struct wm_activations *acts = model->acts;
    const struct wm_layer_acts *layer = &acts->layers[index];
    const size_t rows = (size_t)b * t, c = model->config.n_embd;
    struct gelu_grad gelu = {acts->shop.kernels, layer->fc, acts->d_wide,
                             (size_t)4 * model->config.n_embd};

    wm_linear_backward(model, acts->d_stream, layer->gelu, wm_layer_at(index, WM_DOWN_WEIGHT),
                       acts->d_wide, rows, finish_gelu, &gelu);
    wm_linear_backward(model, acts->d_wide, layer->norm2.out, wm_layer_at(index, WM_FC_WEIGHT),
                       acts->d_narrow, rows, NULL, NULL);
    wm_norm_backward(model, acts->d_narrow, layer->middle, wm_layer_at(index, WM_NORM2_GAIN),
                     &layer->norm2, acts->d_stream, rows);

    wm_linear_backward(model, acts->d_stream, layer->mixed, wm_layer_at(index, WM_MIX_WEIGHT),
                       acts->d_narrow, rows, NULL, NULL);
    const struct wm_attention attention = wm_layer_attention(model, layer, b, t);
    wm_attention_backward(&acts->shop, &attention, acts->d_narrow, c, acts->d_wide,
                          acts->d_wide + c, acts->d_wide + 2 * c, 3 * c, 3 * c);
    wm_linear_backward(model, acts->d_wide, layer->norm1.out, wm_layer_at(index, WM_QKV_WEIGHT),
                       acts->d_narrow, rows, NULL, NULL);
    wm_norm_backward(model, acts->d_narrow, layer->in, wm_layer_at(index, WM_NORM1_GAIN),
                     &layer->norm1, acts->d_stream, rows);
}

struct embed {
    const struct wm_model *model;
    const struct wm_lm_batch *batch;
};

/* An item owns some columns of both tables and walks the rows in order, so that a token's
 * gradients are always added in the same order. */
static void embed_columns(void *arg, size_t item)
{
    const struct embed *e = arg;
    const struct wm_activations *acts = e->model->acts;
    const size_t c = e->model->config.n_embd, rows = (size_t)e->batch->b * e->batch->t;
    const size_t at = item * COLUMNS, n = c - at < COLUMNS ? c - at : COLUMNS;
    float *d_tokens = wm_grad_of(e->model, WM_TOKEN_EMBEDDING) + at;
    float *d_positions = wm_grad_of(e->model, WM_POSITION_EMBEDDING) + at;
    for (size_t row = 0; row < rows; row++) {
        const float *d = acts->d_stream + row * c + at;
        acts->shop.kernels->add(d_tokens + e->batch->inputs[row] * c, d, n);
        acts->shop.kernels->add(d_positions + row % e->batch->t * c, d, n);
    }
}

void wm_backward(const struct wm_model *model, const struct wm_lm_batch *batch)
{
    const struct wm_activations *acts = model->acts;
    const size_t rows = (size_t)batch->b * batch->t, c = model->config.n_embd;
    const uint32_t n_layer = model->config.n_layer;
    memset(acts->d_stream, 0, rows * c * sizeof(float));
    wm_norm_backward(model, acts->d_narrow, acts->layers[n_layer - 1].out,
                     wm_layer_at(n_layer, WM_NORM1_GAIN), &acts->last, acts->d_stream, rows);
    for (uint32_t i = n_layer; i--;)
        backward_layer(model, i, batch->b, batch->t);
    struct embed embed = {model, batch};
    wm_parallel(model->team, (c + COLUMNS - 1) / COLUMNS, embed_columns, &embed);
}
