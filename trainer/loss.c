/* SPDX-License-Identifier: Apache-2.0 */
/* The tied head and cross-entropy. Logits exist for WM_LOSS_ROWS rows at a time; their gradient
 * takes their place and goes on at once into the embedding's and the last norm's. */
#include <string.h>

#include "trainer/activations.h"
#include "trainer/scalar.h"

enum { ITEM_ROWS = 8 };

struct chunk {
    const struct wm_model *model;
    const struct wm_lm_batch *batch;
    size_t first, n; /* rows of the batch */
    float scale;     /* of the gradient; 0: none wanted */
};

/* Row of logits → its weighted loss, and weight × scale × (p − onehot target) in its place. */
static void loss_row(const struct chunk *chunk, size_t i)
{
    const struct wm_activations *acts = chunk->model->acts;
    const struct wm_kernels *kernels = acts->shop.kernels;
    const size_t v = chunk->model->config.vocabulary, row = chunk->first + i;
    const float weight = chunk->batch->weights ? chunk->batch->weights[row] : 1.0f;
    float *logits = acts->logits + i * v;
    if (weight == 0) {
        acts->row_nll[row] = 0;
        memset(logits, 0, v * sizeof *logits);
        return;
    }
    const uint32_t target = chunk->batch->targets[row];
    const float at_target = logits[target];
    float max;
    const float sum = kernels->softmax(logits, v, v, 1.0f, &max);
    acts->row_nll[row] = weight * (((double)max - at_target) + wm_log(sum));
    if (chunk->scale != 0) {
        kernels->scale(logits, weight * chunk->scale / sum, v);
        logits[target] -= weight * chunk->scale;
    }
}

static void loss_rows(void *arg, size_t item)
{
    const struct chunk *chunk = arg;
    for (size_t i = item * ITEM_ROWS; i < (item + 1) * ITEM_ROWS && i < chunk->n; i++)
        loss_row(chunk, i);
}

static void make_logits(const struct wm_model *model, size_t first, size_t n, float *logits)
{
    const size_t c = model->config.n_embd, v = model->config.vocabulary;
    const struct wm_gemm product = {
        .m = n,
        .n = v,
        .k = c,
        .a = {model->acts->last.out + first * c, c, false},
        .b = {wm_param_of(model, WM_TOKEN_EMBEDDING), c, false},
        .c = logits,
        .ldc = v,
    };
    wm_gemm(&model->acts->shop, &product);
}

static void head_backward(const struct wm_model *model, size_t first, size_t n)
{
    const struct wm_activations *acts = model->acts;
    const size_t c = model->config.n_embd, v = model->config.vocabulary;
    const struct wm_gemm to_norm = {
        .m = n,
        .n = c,
        .k = v,
        .a = {acts->logits, v, false},
        .b = {wm_param_of(model, WM_TOKEN_EMBEDDING), c, true},
        .c = acts->d_narrow + first * c,
        .ldc = c,
    };
    const struct wm_gemm to_embedding = {
        .m = v,
        .n = c,
        .k = n,
        .a = {acts->logits, v, true},
        .b = {acts->last.out + first * c, c, true},
        .c = wm_grad_of(model, WM_TOKEN_EMBEDDING),
        .ldc = c,
        .start = WM_START_C,
    };
    wm_gemm(&acts->shop, &to_norm);
    wm_gemm(&acts->shop, &to_embedding);
}

double wm_head_loss(const struct wm_model *model, const struct wm_lm_batch *batch, float scale)
{
    const size_t rows = (size_t)batch->b * batch->t;
    struct chunk chunk = {.model = model, .batch = batch, .scale = scale};
    for (; chunk.first < rows; chunk.first += WM_LOSS_ROWS) {
        chunk.n = rows - chunk.first < WM_LOSS_ROWS ? rows - chunk.first : WM_LOSS_ROWS;
        make_logits(model, chunk.first, chunk.n, model->acts->logits);
        wm_parallel(model->team, (chunk.n + ITEM_ROWS - 1) / ITEM_ROWS, loss_rows, &chunk);
        if (scale != 0)
            head_backward(model, chunk.first, chunk.n);
    }
    double nll = 0;
    for (size_t i = 0; i < rows; i++)
        nll += model->acts->row_nll[i];
    return nll;
}

int wm_model_loss(struct wm_model *model, const struct wm_lm_batch *batch, double *ret_nll,
                  struct wm_error *err)
{
    int status = wm_batch_check(model, batch, true, err);
    if (status)
        return status;
    wm_forward(model, batch);
    *ret_nll = wm_head_loss(model, batch, 0);
    return 0;
}

int wm_model_logits(struct wm_model *model, const struct wm_lm_batch *batch, float *ret_logits,
                    struct wm_error *err)
{
    int status = wm_batch_check(model, batch, false, err);
    if (status)
        return status;
    wm_forward(model, batch);
    make_logits(model, 0, (size_t)batch->b * batch->t, ret_logits);
    return 0;
}

int wm_model_forward_backward(struct wm_model *model, const struct wm_lm_batch *batch, float scale,
                              double *ret_nll, struct wm_error *err)
{
    if (!model->grads)
        return wm_fail(err, WM_E_CONFIG, "the model was made for inference: it has no gradients");
    int status = wm_batch_check(model, batch, true, err);
    if (status)
        return status;
    wm_forward(model, batch);
    *ret_nll = wm_head_loss(model, batch, scale);
    if (scale != 0)
        wm_backward(model, batch);
    return 0;
}
