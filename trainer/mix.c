/* SPDX-License-Identifier: Apache-2.0 */
/* What stands between the linear maps: rotary positions, attention, GELU and SwiGLU. */
#include "trainer/activations.h"
#include "trainer/attention.h"

enum { ROWS = 16 }; /* of one item */

struct rows {
    const struct wm_pass_state *s;
    float *x;                  /* rope: turned in place */
    const float *wide, *d_act; /* [rows, 2F], [rows, F] */
    float *act, *d_wide;
    bool back;
};

static void run(struct rows *rows, void (*body)(void *, size_t))
{
    wm_parallel(rows->s->model->team, (rows->s->rows + ROWS - 1) / ROWS, body, rows);
}

static size_t end_row(const struct rows *r, size_t item)
{
    return (item + 1) * ROWS < r->s->rows ? (item + 1) * ROWS : r->s->rows;
}

/* ---- rotary positions ---- */

static void turn_rows(void *arg, size_t item)
{
    const struct rows *r = arg;
    const struct wm_model *model = r->s->model;
    const struct wm_model_config *config = &model->config;
    const struct wm_lm_batch *batch = r->s->batch;
    const size_t half = config->head_dim / 2, heads = config->n_head + config->n_kv_head;
    const size_t ld = (heads + config->n_kv_head) * config->head_dim;
    for (size_t row = item * ROWS; row < end_row(r, item); row++) {
        const size_t at = (batch->positions ? batch->positions[row] : row % batch->t) * half;
        model->acts->shop.kernels->rope(r->x + row * ld, model->acts->cos + at,
                                        model->acts->sin + at, half, heads, r->back);
    }
}

void wm_rope(const struct wm_pass_state *s, const struct wm_op *op)
{
    const bool back = s->pass == WM_PASS_BACKWARD;
    struct rows rows = {
        .s = s, .x = back ? wm_gradient_at(s, op->out) : wm_at(s, op->out), .back = back};
    run(&rows, turn_rows);
}

/* ---- attention ---- */

static struct wm_attention describe(const struct wm_pass_state *s, const struct wm_op *op)
{
    const struct wm_model_config *config = &s->model->config;
    const struct wm_lm_batch *batch = s->batch;
    const size_t d = config->head_dim, ld = wm_width(s, op->in);
    const float *qkv = wm_at(s, op->in);
    return (struct wm_attention){
        .b = batch->b,
        .t = batch->t,
        .t_kv = batch->t,
        .n_head = config->n_head,
        .n_kv_head = config->n_kv_head,
        .head_dim = config->head_dim,
        .type = wm_product_type(s->model),
        .q = qkv,
        .ld_q = ld,
        .k = qkv + config->n_head * d,
        .v = qkv + (config->n_head + config->n_kv_head) * d,
        .ld_kv = ld,
        .mask = batch->prefix ? WM_MASK_PREFIX : WM_MASK_CAUSAL,
        .prefix = batch->prefix,
        .first_key = batch->first_key,
        .out = wm_at(s, op->out),
        .ld_out = wm_width(s, op->out),
        .norm = wm_statistics_at(s, op->statistics),
    };
}

void wm_attend_forward(const struct wm_pass_state *s, const struct wm_op *op)
{
    const struct wm_attention attention = describe(s, op);
    wm_attention_forward(&s->model->acts->shop, &attention);
}

void wm_attend_backward(const struct wm_pass_state *s, const struct wm_op *op)
{
    const struct wm_model_config *config = &s->model->config;
    const struct wm_attention attention = describe(s, op);
    const size_t d = config->head_dim, ld = wm_width(s, op->in);
    float *d_qkv = wm_gradient_at(s, op->in);
    wm_attention_backward(&s->model->acts->shop, &attention, wm_gradient_at(s, op->out),
                          attention.ld_out, d_qkv, d_qkv + config->n_head * d,
                          d_qkv + (config->n_head + config->n_kv_head) * d, ld, ld);
}

/* ---- the MLP's middle ---- */

static void gelu_rows(void *arg, size_t item)
{
    const struct rows *r = arg;
    const size_t f = r->s->model->config.n_hidden, at = item * ROWS * f;
    r->s->model->acts->shop.kernels->gelu(r->wide + at, r->act + at,
                                          (end_row(r, item) - item * ROWS) * f);
}

static void swiglu_rows(void *arg, size_t item)
{
    const struct rows *r = arg;
    const size_t f = r->s->model->config.n_hidden;
    for (size_t row = item * ROWS; row < end_row(r, item); row++) {
        const float *gate = r->wide + row * 2 * f;
        r->s->model->acts->shop.kernels->swiglu(gate, gate + f, r->act + row * f, f);
    }
}

void wm_activate_forward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct rows rows = {.s = s, .wide = wm_at(s, op->in), .act = wm_at(s, op->out)};
    run(&rows, op->kind == WM_OP_GELU ? gelu_rows : swiglu_rows);
}

static void swiglu_back_rows(void *arg, size_t item)
{
    const struct rows *r = arg;
    const size_t f = r->s->model->config.n_hidden;
    for (size_t row = item * ROWS; row < end_row(r, item); row++) {
        const float *gate = r->wide + row * 2 * f;
        float *d_gate = r->d_wide + row * 2 * f;
        r->s->model->acts->shop.kernels->swiglu_back(gate, gate + f, r->d_act + row * f, d_gate,
                                                     d_gate + f, f);
    }
}

void wm_swiglu_backward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct rows rows = {.s = s,
                        .wide = wm_at(s, op->in),
                        .d_act = wm_gradient_at(s, op->out),
                        .d_wide = wm_gradient_at(s, op->in)};
    run(&rows, swiglu_back_rows);
}
