/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/tensor_stream.h"

#include <stdlib.h>

#include "trainer/weight_types.h"

enum { ITEM_FLOATS = 1 << 16, ITEMS_PER_THREAD = 4 };

int wm_tensor_stream_open(struct wm_tensor_stream *stream, struct wm_error *err)
{
    const struct wm_params *params = &stream->weights->params;
    const size_t n_threads = wm_team_size(stream->team);
    size_t item = ITEM_FLOATS;
    for (size_t i = 0; i < params->n; i++)
        item = params->table[i].shape[1] > item ? params->table[i].shape[1] : item;
    stream->item_floats = item;
    stream->window = ITEMS_PER_THREAD * n_threads;
    stream->floats = malloc(n_threads * item * sizeof(float));
    stream->bytes = malloc(stream->window * item * sizeof(float));
    if (stream->floats && stream->bytes)
        return 0;
    wm_tensor_stream_close(stream);
    return wm_fail_nomem(err, (stream->window + n_threads) * item * sizeof(float),
                         "writing a model");
}

void wm_tensor_stream_close(struct wm_tensor_stream *stream)
{
    free(stream->floats);
    free(stream->bytes);
    stream->floats = NULL;
    stream->bytes = NULL;
}

/* One window of rows of a tensor. */
struct window {
    const struct wm_tensor_stream *stream;
    size_t param;
    enum wm_weight_type type;
    uint32_t head_dim;
    uint64_t first, n_rows; /* of the window */
    uint64_t item_rows, columns;
    _Atomic bool bad; /* a number does not fit the type */
};

/* Where the file's row stands with us. */
static uint64_t source_row(uint64_t row, uint32_t head_dim)
{
    const uint64_t in_head = row % head_dim;
    return row - in_head + in_head / 2 + in_head % 2 * (head_dim / 2);
}

static void convert_item(void *arg, size_t item)
{
    struct window *w = arg;
    const struct wm_tensor_stream *s = w->stream;
    float *floats = s->floats + (size_t)wm_team_slot() * s->item_floats;
    const uint64_t begin = item * w->item_rows;
    const uint64_t n = w->n_rows - begin < w->item_rows ? w->n_rows - begin : w->item_rows;
    unsigned char *dst = s->bytes + wm_weight_bytes(w->type, begin * w->columns);
    if (!w->head_dim)
        wm_weights_rows(s->weights, w->param, w->first + begin, n, floats);
    for (uint64_t r = 0; w->head_dim && r < n; r++)
        wm_weights_rows(s->weights, w->param, source_row(w->first + begin + r, w->head_dim), 1,
                        floats + r * w->columns);
    if (!wm_weight_encode(w->type, floats, (size_t)(n * w->columns), dst))
        w->bad = true;
}

static int write_window(struct window *w, struct wm_error *err)
{
    const struct wm_tensor_stream *s = w->stream;
    const size_t n_items = (size_t)((w->n_rows + w->item_rows - 1) / w->item_rows);
    const uint64_t n_bytes = wm_weight_bytes(w->type, w->n_rows * w->columns);
    int status = wm_cancel_check(s->cancel, err);
    if (status)
        return status;
    wm_parallel(s->team, n_items, convert_item, w);
    if (w->bad)
        return wm_fail(err, WM_E_FORMAT, "tensor %s has a number that %s cannot hold",
                       s->weights->params.table[w->param].name, wm_weight_type_names[w->type]);
    status = wm_out_write(s->out, s->bytes, (size_t)n_bytes, err);
    if (!status)
        wm_progress_add(s->progress, n_bytes);
    return status;
}

int wm_tensor_stream_put(struct wm_tensor_stream *stream, size_t i, enum wm_weight_type type,
                         uint32_t head_dim, struct wm_error *err)
{
    const struct wm_param *p = &stream->weights->params.table[i];
    const uint64_t columns = p->shape[1] ? p->shape[1] : 1, rows = p->shape[0];
    const uint64_t item_rows = stream->item_floats / columns;
    const uint64_t most = item_rows * stream->window;
    int status = 0;
    for (uint64_t at = 0; at < rows && !status; at += most) {
        struct window w = {.stream = stream,
                           .param = i,
                           .type = type,
                           .head_dim = head_dim,
                           .first = at,
                           .n_rows = rows - at < most ? rows - at : most,
                           .item_rows = item_rows,
                           .columns = columns};
        status = write_window(&w, err);
    }
    return status;
}
