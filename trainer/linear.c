/* SPDX-License-Identifier: Apache-2.0 */
/* The linear maps: three matrix products and a sum over rows. */
#include "trainer/activations.h"

enum {
    COLUMNS = 64,  /* of the bias gradient, per item */
    SUM_ROWS = 64, /* rows summed by themselves first: closer to the exact sum */
};

void wm_linear_forward(const struct wm_model *model, const float *x, size_t weight_at, float *y,
                       size_t rows, void (*finish)(void *, size_t, size_t, size_t, size_t),
                       void *finish_arg)
{
    const struct wm_param *w = &model->table[weight_at];
    const size_t n_out = w->shape[0], n_in = w->shape[1];
    const struct wm_gemm product = {
        .m = rows,
        .n = n_out,
        .k = n_in,
        .a = {x, n_in, false},
        .b = {wm_param_of(model, weight_at), n_in, false},
        .c = y,
        .ldc = n_out,
        .start = WM_START_BIAS,
        .bias = wm_param_of(model, weight_at + 1),
        .finish = finish,
        .finish_arg = finish_arg,
    };
    wm_gemm(&model->acts->shop, &product);
}

struct bias_grad {
    const struct wm_kernels *kernels;
    const float *d_y;
    float *d_bias;
    size_t rows, n_out;
};

static void bias_columns(void *arg, size_t item)
{
    const struct bias_grad *b = arg;
    const size_t at = item * COLUMNS, n = b->n_out - at < COLUMNS ? b->n_out - at : COLUMNS;
    for (size_t first = 0; first < b->rows; first += SUM_ROWS) {
        float sum[COLUMNS] = {0};
        size_t end = b->rows - first < SUM_ROWS ? b->rows : first + SUM_ROWS;
        for (size_t row = first; row < end; row++)
            b->kernels->add(sum, b->d_y + row * b->n_out + at, n);
        b->kernels->add(b->d_bias + at, sum, n);
    }
}

void wm_linear_backward(const struct wm_model *model, const float *d_y, const float *x,
                        size_t weight_at, float *d_x, size_t rows,
                        void (*finish)(void *, size_t, size_t, size_t, size_t), void *finish_arg)
{
    const struct wm_workshop *shop = &model->acts->shop;
    const struct wm_param *w = &model->table[weight_at];
    const size_t n_out = w->shape[0], n_in = w->shape[1];
    const struct wm_gemm to_weight = {
        .m = n_out,
        .n = n_in,
        .k = rows,
        .a = {d_y, n_out, true},
        .b = {x, n_in, true},
        .c = wm_grad_of(model, weight_at),
        .ldc = n_in,
        .start = WM_START_C,
    };
    const struct wm_gemm to_input = {
        .m = rows,
        .n = n_in,
        .k = n_out,
        .a = {d_y, n_out, false},
        .b = {wm_param_of(model, weight_at), n_in, true},
        .c = d_x,
        .ldc = n_in,
        .finish = finish,
        .finish_arg = finish_arg,
    };
    struct bias_grad bias = {shop->kernels, d_y, wm_grad_of(model, weight_at + 1), rows, n_out};
    wm_gemm(shop, &to_weight);
    wm_parallel(model->team, (n_out + COLUMNS - 1) / COLUMNS, bias_columns, &bias);
    wm_gemm(shop, &to_input);
}
