/* SPDX-License-Identifier: Apache-2.0 */
/* Layer normalisation over all rows (Ba, Kiros, Hinton 2016). */
#include <string.h>

#include "trainer/activations.h"

enum { COLUMNS = 64 }; /* of the parts added up by one item */

struct norm {
    const struct wm_model *model;
    const float *x, *d_out;
    const float *gain, *bias;
    const struct wm_norm_state *state;
    float *d_x, *d_gain, *d_bias;
    size_t rows;
};

static size_t end_row(const struct norm *norm, size_t item)
{
    size_t end = (item + 1) * WM_NORM_ROWS;
    return end < norm->rows ? end : norm->rows;
}

static void forward_rows(void *arg, size_t item)
{
    const struct norm *norm = arg;
    const struct wm_kernels *kernels = norm->model->acts->shop.kernels;
    const struct wm_norm_state *state = norm->state;
    const size_t c = norm->model->config.n_embd;
    for (size_t row = item * WM_NORM_ROWS; row < end_row(norm, item); row++)
        kernels->layer_norm(norm->x + row * c, norm->gain, norm->bias,
                            norm->model->config.norm_epsilon, c, state->out + row * c,
                            &state->mean[row], &state->rstd[row]);
}

void wm_norm_forward(const struct wm_model *model, const float *x, size_t gain_at,
                     struct wm_norm_state *state, size_t rows)
{
    struct norm norm = {.model = model,
                        .x = x,
                        .gain = wm_param_of(model, gain_at),
                        .bias = wm_param_of(model, gain_at + 1),
                        .state = state,
                        .rows = rows};
    wm_parallel(model->team, (rows + WM_NORM_ROWS - 1) / WM_NORM_ROWS, forward_rows, &norm);
}

static void backward_rows(void *arg, size_t item)
{
    const struct norm *norm = arg;
    const struct wm_activations *acts = norm->model->acts;
    const size_t c = norm->model->config.n_embd;
    float *part = acts->norm_parts + item * 2 * c;
    memset(part, 0, 2 * c * sizeof *part);
    for (size_t row = item * WM_NORM_ROWS; row < end_row(norm, item); row++)
        acts->shop.kernels->layer_norm_back(norm->d_out + row * c, norm->x + row * c, norm->gain,
                                            norm->state->mean[row], norm->state->rstd[row], c,
                                            norm->d_x + row * c, part, part + c);
}

static void add_parts(void *arg, size_t item)
{
    const struct norm *norm = arg;
    const struct wm_activations *acts = norm->model->acts;
    const size_t c = norm->model->config.n_embd, at = item * COLUMNS;
    const size_t n = c - at < COLUMNS ? c - at : COLUMNS;
    const size_t n_parts = (norm->rows + WM_NORM_ROWS - 1) / WM_NORM_ROWS;
    for (size_t i = 0; i < n_parts; i++) {
        acts->shop.kernels->add(norm->d_gain + at, acts->norm_parts + i * 2 * c + at, n);
        acts->shop.kernels->add(norm->d_bias + at, acts->norm_parts + i * 2 * c + c + at, n);
    }
}

void wm_norm_backward(const struct wm_model *model, const float *d_out, const float *x,
                      size_t gain_at, const struct wm_norm_state *state, float *d_x, size_t rows)
{
    struct norm norm = {.model = model,
                        .x = x,
                        .d_out = d_out,
                        .gain = wm_param_of(model, gain_at),
                        .state = state,
                        .d_x = d_x,
                        .d_gain = wm_grad_of(model, gain_at),
                        .d_bias = wm_grad_of(model, gain_at + 1),
                        .rows = rows};
    wm_parallel(model->team, (rows + WM_NORM_ROWS - 1) / WM_NORM_ROWS, backward_rows, &norm);
    wm_parallel(model->team, (model->config.n_embd + COLUMNS - 1) / COLUMNS, add_parts, &norm);
}
