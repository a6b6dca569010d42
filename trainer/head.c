/* SPDX-License-Identifier: Apache-2.0 */
/* The output head and cross-entropy. Logits exist for WM_LOSS_ROWS rows at a time; their gradient
 * takes their place and goes on at once into the head's and its input's. */
#include <string.h>

#include "trainer/activations.h"
#include "trainer/scalar.h"

enum { ITEM_ROWS = 8 };

struct chunk {
    const struct wm_pass_state *s;
    const struct wm_op *op;
    float *logits; /* [n, ld] */
    size_t ld;
    size_t first, n; /* rows of the batch */
};

/* Row of logits → its weighted loss, and weight × scale × (p − onehot target) in its place. */
static void loss_row(const struct chunk *chunk, size_t i)
{
    const struct wm_activations *acts = chunk->s->model->acts;
    const struct wm_kernels *kernels = acts->shop.kernels;
    const struct wm_lm_batch *batch = chunk->s->batch;
    const size_t v = chunk->s->model->config.vocabulary, row = chunk->first + i;
    const float weight = batch->weights ? batch->weights[row] : 1.0f, scale = chunk->s->scale;
    float *logits = chunk->logits + i * chunk->ld;
    if (weight == 0) {
        acts->row_nll[row] = 0;
        memset(logits, 0, v * sizeof *logits);
        return;
    }
    const uint32_t target = batch->targets[row];
    const float at_target = logits[target];
    float max;
    const float sum = kernels->softmax(logits, v, v, 1.0f, &max);
    acts->row_nll[row] = weight * (((double)max - at_target) + wm_log(sum));
    if (scale != 0) {
        kernels->scale(logits, weight * scale / sum, v);
        logits[target] -= weight * scale;
    }
}

static void loss_rows(void *arg, size_t item)
{
    const struct chunk *chunk = arg;
    for (size_t i = item * ITEM_ROWS; i < (item + 1) * ITEM_ROWS && i < chunk->n; i++)
        loss_row(chunk, i);
}

static void make_logits(const struct chunk *chunk)
{
    const struct wm_model *model = chunk->s->model;
    const size_t c = model->config.n_embd;
    const struct wm_gemm product = {
        .type = wm_product_type(model),
        .m = chunk->n,
        .n = model->config.vocabulary,
        .k = c,
        .a = {wm_at(chunk->s, chunk->op->in) + chunk->first * c, c, false},
        .b = {wm_param_of(model, (size_t)chunk->op->weight[0]), c, false},
        .c = chunk->logits,
        .ldc = chunk->ld,
    };
    wm_gemm(&model->acts->shop, &product);
}

static void chunk_backward(const struct chunk *chunk)
{
    const struct wm_model *model = chunk->s->model;
    const size_t c = model->config.n_embd, v = model->config.vocabulary;
    const size_t weight = (size_t)chunk->op->weight[0];
    if (chunk->s->input_wanted) {
        const struct wm_gemm to_input = {
            .type = wm_product_type(model),
            .m = chunk->n,
            .n = c,
            .k = v,
            .a = {chunk->logits, chunk->ld, false},
            .b = {wm_param_of(model, weight), c, true},
            .c = wm_gradient_at(chunk->s, chunk->op->in) + chunk->first * c,
            .ldc = c,
        };
        wm_gemm(&model->acts->shop, &to_input);
    }
    if (wm_trains(model, chunk->op->weight[0])) {
        const struct wm_gemm to_weight = {
            .type = wm_product_type(model),
            .m = v,
            .n = c,
            .k = chunk->n,
            .a = {chunk->logits, chunk->ld, true},
            .b = {wm_at(chunk->s, chunk->op->in) + chunk->first * c, c, true},
            .c = wm_grad_of(model, weight),
            .ldc = c,
            .start = chunk->s->fresh && chunk->first == 0 ? WM_START_ZERO : WM_START_C,
        };
        wm_gemm(&model->acts->shop, &to_weight);
    }
}

double wm_head(const struct wm_pass_state *s, const struct wm_op *op)
{
    const struct wm_activations *acts = s->model->acts;
    struct chunk chunk = {
        .s = s, .op = op, .logits = acts->block + acts->plan.logits, .ld = acts->ld_logits};
    for (; chunk.first < s->rows; chunk.first += WM_LOSS_ROWS) {
        chunk.n = s->rows - chunk.first < WM_LOSS_ROWS ? s->rows - chunk.first : WM_LOSS_ROWS;
        make_logits(&chunk);
        wm_parallel(s->model->team, (chunk.n + ITEM_ROWS - 1) / ITEM_ROWS, loss_rows, &chunk);
        if (s->scale != 0)
            chunk_backward(&chunk);
    }
    double nll = 0;
    for (size_t i = 0; i < s->rows; i++)
        nll += acts->row_nll[i];
    return nll;
}

void wm_head_logits(const struct wm_pass_state *s, const struct wm_op *op, float *logits)
{
    const struct chunk all = {
        .s = s, .op = op, .logits = logits, .ld = s->model->config.vocabulary, .n = s->rows};
    make_logits(&all);
}
