/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "trainer/schedule.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

enum { LINE_MAX_BYTES = 4096 };

int wm_history_init(struct wm_history *history, uint64_t n_steps, struct wm_error *err)
{
    struct wm_step_metrics *steps = calloc(n_steps, sizeof *steps);
    if (!steps)
        return wm_fail_nomem(err, n_steps * sizeof *steps, "history of the training");
    *history = (struct wm_history){.steps = steps, .cap = n_steps};
    return 0;
}

void wm_history_done(struct wm_history *history)
{
    free(history->steps);
    *history = (struct wm_history){0};
}

double wm_bits_per_byte(double nats_per_token, double tokens_per_byte)
{
    static const double ln2 = 0.69314718055994530942;
    return nats_per_token * tokens_per_byte / ln2;
}

static int put_line(struct wm_buf *buf, const struct wm_step_metrics *m, uint64_t step,
                    uint64_t tokens, const struct wm_metrics_scale *scale, struct wm_error *err)
{
    const struct wm_train_options *options = scale->options;
    struct wm_json_out w;
    wm_json_out_open(&w, buf, err);
    wm_json_put_open(&w, '{');
    wm_json_put_key(&w, "step");
    wm_json_put_u64(&w, step);
    wm_json_put_key(&w, "tokens");
    wm_json_put_u64(&w, tokens);
    wm_json_put_key(&w, "loss");
    wm_json_put_real(&w, m->loss, -1);
    wm_json_put_key(&w, "lr");
    wm_json_put_real(&w, wm_schedule_lr(options, scale->n_steps, step), -1);
    wm_json_put_key(&w, "grad_norm");
    wm_json_put_real(&w, m->grad_norm, -1);
    if (!isnan(m->validation)) {
        wm_json_put_key(&w, "validation_loss");
        wm_json_put_real(&w, m->validation, -1);
        if (scale->tokens_per_byte > 0) {
            wm_json_put_key(&w, "validation_bits_per_byte");
            wm_json_put_real(&w, wm_bits_per_byte(m->validation, scale->tokens_per_byte), -1);
        }
    }
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(buf, "\n", 1, err);
}

int wm_metrics_lines(struct wm_metrics_cursor *cursor, const struct wm_history *history,
                     const struct wm_metrics_scale *scale, uint64_t until, struct wm_buf *out,
                     struct wm_error *err)
{
    const struct wm_train_options *o = scale->options;
    const size_t most = out->len + WM_METRICS_PIECE;
    while (cursor->step < until && out->len < most) {
        const uint64_t step = cursor->step + 1;
        const uint64_t tokens = cursor->tokens + wm_schedule_batch(o, step) * o->context;
        int status = put_line(out, &history->steps[step - 1], step, tokens, scale, err);
        if (status)
            return status;
        *cursor = (struct wm_metrics_cursor){step, tokens};
    }
    return 0;
}

int wm_metrics_write(const char *dir, const struct wm_history *history,
                     const struct wm_metrics_scale *scale, struct wm_error *err)
{
    struct wm_metrics_cursor cursor = {0};
    char path[WM_PATH_MAX];
    struct wm_out *out;
    struct wm_buf piece;
    int status = wm_path_join(path, dir, WM_METRICS_NAME, err);
    if (!status)
        status = wm_out_open(path, &out, err);
    if (status)
        return status;
    wm_buf_init(&piece, WM_METRICS_PIECE + LINE_MAX_BYTES);
    do {
        piece.len = 0;
        status = wm_metrics_lines(&cursor, history, scale, history->n, &piece, err);
        if (!status)
            status = wm_out_write(out, piece.ptr, piece.len, err);
    } while (!status && piece.len);
    wm_buf_done(&piece);
    if (!status)
        return wm_out_commit(out, NULL, err);
    wm_out_abandon(out);
    return status;
}
