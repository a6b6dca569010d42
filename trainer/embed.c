/* SPDX-License-Identifier: Apache-2.0 */
/* The token embedding and learned positions, and their gradients. */
#include <string.h>

#include "trainer/activations.h"

enum {
    FORWARD_ROWS = 64, /* of one item */
    SORTED_ROWS = 64,  /* of one item: runs of one id that begin among these */
    COLUMNS = 256,
    RADIX_BITS = 11,
};

struct embed {
    const struct wm_pass_state *s;
    const struct wm_op *op;
    float *table;           /* backward: [n ids, C] gradient */
    const uint64_t *sorted; /* backward: id << 32 | row */
};

static uint32_t position_of(const struct wm_lm_batch *batch, size_t row)
{
    return batch->positions ? batch->positions[row] : (uint32_t)(row % batch->t);
}

static void embed_rows(void *arg, size_t item)
{
    const struct embed *e = arg;
    const struct wm_pass_state *s = e->s;
    const size_t c = s->model->config.n_embd;
    const size_t end = (item + 1) * FORWARD_ROWS < s->rows ? (item + 1) * FORWARD_ROWS : s->rows;
    const float *tokens = wm_param_of(s->model, (size_t)e->op->weight[0]);
    const float *positions =
        e->op->n_maps < 2 ? NULL : wm_param_of(s->model, (size_t)e->op->weight[1]);
    float *out = wm_at(s, e->op->out);
    for (size_t row = item * FORWARD_ROWS; row < end; row++) {
        float *x = out + row * c;
        memcpy(x, tokens + s->batch->inputs[row] * c, c * sizeof *x);
        if (positions)
            s->model->acts->shop.kernels->add(x, positions + position_of(s->batch, row) * c, c);
    }
}

void wm_embed_forward(const struct wm_pass_state *s, const struct wm_op *op)
{
    struct embed embed = {.s = s, .op = op};
    wm_parallel(s->model->team, (s->rows + FORWARD_ROWS - 1) / FORWARD_ROWS, embed_rows, &embed);
    if (wm_drops(s))
        wm_drop_all(s, op, wm_at(s, op->out), wm_at(s, op->out));
}

/* ---- gradients: each id's rows are added in their order ---- */

/* Stable: by id, then by row. Returns the half of the memory [2, n] that holds the result. */
static uint64_t *sort_ids(uint64_t *from, size_t n, uint32_t n_ids)
{
    uint64_t *to = from + n;
    for (unsigned shift = 0; shift < 32 && (n_ids - 1) >> shift; shift += RADIX_BITS) {
        size_t at[1 << RADIX_BITS] = {0}, sum = 0;
        const uint64_t mask = (1 << RADIX_BITS) - 1;
        for (size_t i = 0; i < n; i++)
            at[from[i] >> (32 + shift) & mask]++;
        for (size_t i = 0; i <= mask; i++) {
            const size_t count = at[i];
            at[i] = sum;
            sum += count;
        }
        for (size_t i = 0; i < n; i++)
            to[at[from[i] >> (32 + shift) & mask]++] = from[i];
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    return from;
}

static void add_rows(void *arg, size_t item)
{
    const struct embed *e = arg;
    const struct wm_pass_state *s = e->s;
    const size_t c = s->model->config.n_embd, n_blocks = (c + COLUMNS - 1) / COLUMNS;
    const size_t column = item % n_blocks * COLUMNS, begin = item / n_blocks * SORTED_ROWS;
    const size_t n = c - column < COLUMNS ? c - column : COLUMNS;
    const size_t end = begin + SORTED_ROWS < s->rows ? begin + SORTED_ROWS : s->rows;
    const float *d = wm_gradient_at(s, e->op->out) + column;
    const uint64_t *sorted = e->sorted;
    size_t i = begin;
    while (begin && i < end && sorted[i] >> 32 == sorted[i - 1] >> 32)
        i++; /* of a run that began before */
    if (i == end)
        return;
    for (uint64_t id = sorted[i] >> 32; i < s->rows && (i < end || sorted[i] >> 32 == id); i++) {
        id = sorted[i] >> 32;
        s->model->acts->shop.kernels->add(e->table + id * c + column, d + (uint32_t)sorted[i] * c,
                                          n);
    }
}

static void scatter(const struct wm_pass_state *s, const struct wm_op *op, size_t map,
                    uint32_t n_ids)
{
    uint64_t *memory = s->model->acts->sorted;
    if (!wm_trains(s->model, op->weight[map]))
        return;
    for (size_t row = 0; row < s->rows; row++) {
        uint64_t id = map ? position_of(s->batch, row) : s->batch->inputs[row];
        memory[row] = id << 32 | row;
    }
    struct embed embed = {.s = s, .op = op, .table = wm_grad_of(s->model, (size_t)op->weight[map])};
    embed.sorted = sort_ids(memory, s->rows, n_ids);
    const size_t n_blocks = (s->model->config.n_embd + COLUMNS - 1) / COLUMNS;
    wm_parallel(s->model->team, (s->rows + SORTED_ROWS - 1) / SORTED_ROWS * n_blocks, add_rows,
                &embed);
}

void wm_embed_backward(const struct wm_pass_state *s, const struct wm_op *op)
{
    if (wm_drops(s))
        wm_drop_all(s, op, wm_gradient_at(s, op->out), wm_gradient_at(s, op->out));
    scatter(s, op, 0, s->model->config.vocabulary);
    if (op->n_maps > 1)
        scatter(s, op, 1, s->model->config.n_ctx);
}
