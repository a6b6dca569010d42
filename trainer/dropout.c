/* SPDX-License-Identifier: Apache-2.0 */
/* Dropout (Srivastava et al. 2014) where GPT-2 has it on the residual stream: on the embedding and
 * on what each branch adds. Whether an element stays is a function of the batch's noise, the
 * operation and the element, so nothing is stored and the backward pass asks again. */
#include "trainer/activations.h"
#include "trainer/scalar.h"

enum { ROWS = 16, A_WORD = 4 /* elements of one random word, 16 bits each */ };

bool wm_drops(const struct wm_pass_state *s)
{
    return s->scale != 0 && s->model->dropout > 0;
}

void wm_drop(const struct wm_pass_state *s, const struct wm_op *op, size_t first, size_t n,
             const float *from, float *to)
{
    const uint64_t stream = (uint64_t)(op - s->model->acts->ops.ops);
    const uint32_t dropped = (uint32_t)(s->model->dropout * 65536.0f + 0.5f);
    const float scale = 65536.0f / (float)(65536 - dropped);
    uint64_t word = 0;
    for (size_t i = 0; i < n; i++) {
        const size_t element = first + i;
        if (i == 0 || element % A_WORD == 0)
            word = wm_random(s->batch->noise, stream, element / A_WORD);
        const uint32_t bits = (uint32_t)(word >> (16 * (element % A_WORD))) & 0xFFFF;
        to[i] = bits < dropped ? 0.0f : from[i] * scale;
    }
}

struct rows {
    const struct wm_pass_state *s;
    const struct wm_op *op;
    const float *from;
    float *to;
};

static void drop_rows(void *arg, size_t item)
{
    const struct rows *r = arg;
    const size_t c = r->s->model->config.n_embd, first = item * ROWS * c;
    const size_t left = r->s->rows * c - first, n = left < ROWS * c ? left : ROWS * c;
    wm_drop(r->s, r->op, first, n, r->from + first, r->to + first);
}

void wm_drop_all(const struct wm_pass_state *s, const struct wm_op *op, const float *from,
                 float *to)
{
    struct rows rows = {s, op, from, to};
    wm_parallel(s->model->team, (s->rows + ROWS - 1) / ROWS, drop_rows, &rows);
}
