/* SPDX-License-Identifier: Apache-2.0 */
/* The linear maps: three matrix products and a sum over rows. Maps side by side whose weights
 * follow one another in memory are one product. */
#include "trainer/activations.h"

enum {
    COLUMNS = 64,  /* of the bias gradient, per item */
    SUM_ROWS = 64, /* rows summed by themselves first: closer to the exact sum */
};

/* Maps of an op that one product makes. */
struct maps {
    size_t first, n; /* of the op's maps */
    size_t n_out, n_in;
    size_t column;        /* where their output begins in the op's */
    int32_t weight, bias; /* the first map's */
};

/* The maps from `first` on, `column` being where their output begins. */
static struct maps take_maps(const struct wm_model *model, const struct wm_op *op, size_t first,
                             size_t column)
{
    const struct wm_param *w = &model->layout.table[op->weight[first]];
    struct maps m = {.first = first,
                     .n = 1,
                     .n_out = w->shape[0],
                     .n_in = w->shape[1],
                     .column = column,
                     .weight = op->weight[first],
                     .bias = op->bias[first]};
    for (uint64_t end = w->offset + w->n; first + m.n < op->n_maps && m.bias < 0; m.n++) {
        const struct wm_param *next = &model->layout.table[op->weight[first + m.n]];
        if (next->offset != end || op->bias[first + m.n] >= 0 || next->trainable != w->trainable)
            break;
        end += next->n;
        m.n_out += next->shape[0];
    }
    return m;
}

void wm_linear_forward(const struct wm_pass_state *s, const struct wm_op *op, wm_finish *finish,
                       void *finish_arg)
{
    const struct wm_model *model = s->model;
    const size_t ld = wm_width(s, op->out);
    struct maps m = {0};
    for (size_t i = 0; i < op->n_maps; i += m.n) {
        m = take_maps(model, op, i, m.column + m.n_out);
        const struct wm_gemm product = {
            .type = wm_product_type(model),
            .m = s->rows,
            .n = m.n_out,
            .k = m.n_in,
            .a = {wm_at(s, op->in), m.n_in, false},
            .b = {wm_param_of(model, (size_t)m.weight), m.n_in, false},
            .c = wm_at(s, op->out) + m.column,
            .ldc = ld,
            .start = m.bias < 0 ? WM_START_ZERO : WM_START_BIAS,
            .bias = m.bias < 0 ? NULL : wm_param_of(model, (size_t)m.bias),
            .finish = finish,
            .finish_arg = finish_arg,
        };
        wm_gemm(&model->acts->shop, &product);
    }
}

struct bias_grad {
    const struct wm_kernels *kernels;
    const float *d_y;
    float *d_bias;
    size_t rows, n_out, ld;
};

static void bias_columns(void *arg, size_t item)
{
    const struct bias_grad *b = arg;
    const size_t at = item * COLUMNS, n = b->n_out - at < COLUMNS ? b->n_out - at : COLUMNS;
    for (size_t first = 0; first < b->rows; first += SUM_ROWS) {
        const size_t left = b->rows - first;
        b->kernels->add_rows(b->d_bias + at, b->d_y + first * b->ld + at, b->ld,
                             left < SUM_ROWS ? left : SUM_ROWS, n);
    }
}

/* The gradients of weights and bias. */
static void params_backward(const struct wm_pass_state *s, const struct wm_op *op,
                            const struct maps *m, const float *d_y)
{
    const struct wm_model *model = s->model;
    const size_t ld = wm_width(s, op->out);
    if (wm_trains(model, m->weight)) {
        const struct wm_gemm to_weight = {
            .type = wm_product_type(model),
            .m = m->n_out,
            .n = m->n_in,
            .k = s->rows,
            .a = {d_y, ld, true},
            .b = {wm_at(s, op->in), m->n_in, true},
            .c = wm_grad_of(model, (size_t)m->weight),
            .ldc = m->n_in,
            .start = s->fresh ? WM_START_ZERO : WM_START_C,
        };
        wm_gemm(&model->acts->shop, &to_weight);
    }
    if (wm_trains(model, m->bias)) {
        struct bias_grad bias = {.kernels = model->acts->shop.kernels,
                                 .d_y = d_y,
                                 .d_bias = wm_grad_of(model, (size_t)m->bias),
                                 .rows = s->rows,
                                 .n_out = m->n_out,
                                 .ld = ld};
        wm_parallel(model->team, (m->n_out + COLUMNS - 1) / COLUMNS, bias_columns, &bias);
    }
}

void wm_linear_backward(const struct wm_pass_state *s, const struct wm_op *op, wm_finish *finish,
                        void *finish_arg)
{
    const struct wm_model *model = s->model;
    const size_t ld = wm_width(s, op->out);
    const float *d_out = wm_gradient_at(s, op->out);
    if (op->added >= 0 && wm_drops(s)) { /* the stream's gradient goes on as it is */
        wm_drop_all(s, op, d_out, model->acts->dropped);
        d_out = model->acts->dropped;
    }
    struct maps m = {0};
    for (size_t i = 0; i < op->n_maps; i += m.n) {
        m = take_maps(model, op, i, m.column + m.n_out);
        const float *d_y = d_out + m.column;
        const bool last = i + m.n == op->n_maps;
        params_backward(s, op, &m, d_y);
        if (!s->input_wanted)
            continue;
        const struct wm_gemm to_input = {
            .type = wm_product_type(model),
            .m = s->rows,
            .n = m.n_in,
            .k = m.n_out,
            .a = {d_y, ld, false},
            .b = {wm_param_of(model, (size_t)m.weight), m.n_in, true},
            .c = wm_gradient_at(s, op->in),
            .ldc = m.n_in,
            .start = i ? WM_START_C : WM_START_ZERO,
            .finish = last ? finish : NULL,
            .finish_arg = finish_arg,
        };
        wm_gemm(&model->acts->shop, &to_input);
    }
}
