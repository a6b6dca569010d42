/* SPDX-License-Identifier: Apache-2.0 */
/* Norms over all rows, and over the heads of queries and keys. Gradients of gains and biases are
 * summed by blocks of rows first, then the blocks in their order. */
#include <string.h>

#include "trainer/activations.h"

enum { COLUMNS = 64 }; /* of the parts added up by one item */

struct norm {
    const struct wm_pass_state *s;
    const struct wm_op *op;
    const float *x, *d_out;
    const float *gain, *bias; /* bias NULL: RMS */
    float *out, *mean, *rstd;
    float *d_x;
    size_t width;   /* floats of a gain */
    size_t n_parts; /* of which the sums are made: 2 × width floats each */
};

static size_t end_row(const struct norm *norm, size_t item)
{
    size_t end = (item + 1) * WM_NORM_ROWS;
    return end < norm->s->rows ? end : norm->s->rows;
}

size_t wm_norm_parts_floats(const struct wm_model_config *config, uint64_t rows)
{
    const size_t width = config->n_embd > config->head_dim ? config->n_embd : config->head_dim;
    return (size_t)((rows + WM_NORM_ROWS - 1) / WM_NORM_ROWS) * 2 * width;
}

static void run(struct norm *norm, void (*body)(void *, size_t))
{
    norm->n_parts = (norm->s->rows + WM_NORM_ROWS - 1) / WM_NORM_ROWS;
    wm_parallel(norm->s->model->team, norm->n_parts, body, norm);
}

/* The parts' sums are added to the gradients of two parameters. */
static void add_parts(void *arg, size_t item)
{
    const struct norm *norm = arg;
    const struct wm_model *model = norm->s->model;
    const size_t width = norm->width, at = item * COLUMNS;
    const size_t n = width - at < COLUMNS ? width - at : COLUMNS;
    const bool heads = norm->op->kind == WM_OP_QK_NORM;
    const int32_t params[2] = {norm->op->weight[0],
                               heads ? norm->op->weight[1] : norm->op->bias[0]};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < norm->n_parts && wm_trains(model, params[p]); i++)
            model->acts->shop.kernels->add(wm_grad_of(model, (size_t)params[p]) + at,
                                           model->acts->norm_parts + (2 * i + p) * width + at, n);
}

static void add_all_parts(struct norm *norm)
{
    wm_parallel(norm->s->model->team, (norm->width + COLUMNS - 1) / COLUMNS, add_parts, norm);
}

/* ---- of the stream ---- */

static void forward_rows(void *arg, size_t item)
{
    const struct norm *norm = arg;
    const struct wm_model *model = norm->s->model;
    const struct wm_kernels *kernels = model->acts->shop.kernels;
    const size_t c = norm->width;
    const float epsilon = model->config.norm_epsilon;
    for (size_t row = item * WM_NORM_ROWS; row < end_row(norm, item); row++) {
        const float *x = norm->x + row * c;
        float *y = norm->out + row * c;
        if (norm->bias)
            kernels->layer_norm(x, norm->gain, norm->bias, epsilon, c, y, &norm->mean[row],
                                &norm->rstd[row]);
        else
            kernels->rms_norm(x, norm->gain, epsilon, c, y, &norm->rstd[row]);
    }
}

static struct norm of_stream(const struct wm_pass_state *s, const struct wm_op *op)
{
    const struct wm_model *model = s->model;
    struct norm norm = {.s = s,
                        .op = op,
                        .x = wm_at(s, op->in),
                        .gain = wm_param_of(model, (size_t)op->weight[0]),
                        .rstd = wm_statistics_at(s, op->statistics),
                        .width = model->config.n_embd};
    if (op->bias[0] >= 0) {
        norm.bias = wm_param_of(model, (size_t)op->bias[0]);
        norm.mean = norm.rstd + s->rows;
    }
    return norm;
}

void wm_norm_forward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct norm norm = of_stream(s, op);
    norm.out = wm_at(s, op->out);
    run(&norm, forward_rows);
}

static void backward_rows(void *arg, size_t item)
{
    const struct norm *norm = arg;
    const struct wm_activations *acts = norm->s->model->acts;
    const struct wm_kernels *kernels = acts->shop.kernels;
    const size_t c = norm->width;
    float *part = acts->norm_parts + item * 2 * c;
    memset(part, 0, 2 * c * sizeof *part);
    for (size_t row = item * WM_NORM_ROWS; row < end_row(norm, item); row++) {
        const size_t at = row * c;
        if (norm->bias)
            kernels->layer_norm_back(norm->d_out + at, norm->x + at, norm->gain, norm->mean[row],
                                     norm->rstd[row], c, norm->d_x + at, part, part + c);
        else
            kernels->rms_norm_back(norm->d_out + at, norm->x + at, norm->gain, norm->rstd[row], c,
                                   true, norm->d_x + at, part);
    }
}

void wm_norm_backward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct norm norm = of_stream(s, op);
    norm.d_out = wm_gradient_at(s, op->out);
    norm.d_x = wm_gradient_at(s, op->in);
    run(&norm, backward_rows);
    add_all_parts(&norm);
}

/* ---- of queries and keys, head by head ---- */

static void forward_heads(void *arg, size_t item)
{
    const struct norm *norm = arg;
    const struct wm_model *model = norm->s->model;
    const struct wm_model_config *config = &model->config;
    const size_t d = config->head_dim, queries = config->n_head, keys = config->n_kv_head;
    const size_t ld = (queries + 2 * keys) * d;
    for (size_t row = item * WM_NORM_ROWS; row < end_row(norm, item); row++) {
        const float *x = norm->x + row * ld;
        float *y = norm->out + row * ld;
        for (size_t h = 0; h < queries + keys; h++)
            model->acts->shop.kernels->rms_norm(x + h * d, h < queries ? norm->gain : norm->bias,
                                                config->norm_epsilon, d, y + h * d,
                                                &norm->rstd[row * (queries + keys) + h]);
        memcpy(y + (queries + keys) * d, x + (queries + keys) * d, keys * d * sizeof *y);
    }
}

/* `bias` is the keys' gain. */
static struct norm of_heads(const struct wm_pass_state *s, const struct wm_op *op)
{
    return (struct norm){.s = s,
                         .op = op,
                         .x = wm_at(s, op->in),
                         .gain = wm_param_of(s->model, (size_t)op->weight[0]),
                         .bias = wm_param_of(s->model, (size_t)op->weight[1]),
                         .rstd = wm_statistics_at(s, op->statistics),
                         .width = s->model->config.head_dim};
}

void wm_qk_norm_forward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct norm norm = of_heads(s, op);
    norm.out = wm_at(s, op->out);
    run(&norm, forward_heads);
}

/* In place: the values' gradient goes through as it is. */
static void backward_heads(void *arg, size_t item)
{
    const struct norm *norm = arg;
    const struct wm_model *model = norm->s->model;
    const struct wm_model_config *config = &model->config;
    const size_t d = config->head_dim, queries = config->n_head, keys = config->n_kv_head;
    const size_t ld = (queries + 2 * keys) * d;
    float *part = model->acts->norm_parts + item * 2 * d;
    memset(part, 0, 2 * d * sizeof *part);
    for (size_t row = item * WM_NORM_ROWS; row < end_row(norm, item); row++)
        for (size_t h = 0; h < queries + keys; h++) {
            const bool query = h < queries;
            float *dy = norm->d_x + row * ld + h * d;
            model->acts->shop.kernels->rms_norm_back(
                dy, norm->x + row * ld + h * d, query ? norm->gain : norm->bias,
                norm->rstd[row * (queries + keys) + h], d, false, dy, query ? part : part + d);
        }
}

void wm_qk_norm_backward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct norm norm = of_heads(s, op);
    norm.d_x = wm_gradient_at(s, op->in);
    run(&norm, backward_heads);
    add_all_parts(&norm);
}
