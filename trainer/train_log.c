/* SPDX-License-Identifier: Apache-2.0 */
/* WORK/metrics.jsonl, samples.jsonl and TensorBoard's events, which grow while the training runs.
 * They tell of steps whose validation and texts are done. What a resumed training begins with is
 * written once more from the history, over the same bytes, and the rest is cut off. */
#include "trainer/training.h"

static const double seldom = 2; /* seconds between writes that no line goes with */

/* All of the steps up to `until`. */
static int write_steps(struct wm_training *t, uint64_t until, struct wm_error *err)
{
    struct wm_training_log *log = &t->log;
    struct wm_buf *piece = &log->piece;
    int status;
    do {
        piece->len = 0;
        status = wm_metrics_lines(&log->lines, &t->history, &t->scale, until, piece, err);
        if (!status)
            status = wm_append_write(log->metrics, piece->ptr, piece->len, err);
    } while (!status && piece->len);
    while (!status) {
        piece->len = 0;
        status = wm_tensorboard_records(&log->records, &t->history, &t->samples, &t->scale, until,
                                        piece, err);
        if (status || !piece->len)
            break;
        status = wm_append_write(log->events, piece->ptr, piece->len, err);
    }
    return status;
}

/* Without a text there is no such file. */
static int write_texts(struct wm_training *t, struct wm_error *err)
{
    struct wm_training_log *log = &t->log;
    const struct wm_str lines = wm_buf_str(&t->samples.lines);
    char path[WM_PATH_MAX];
    int status = 0;
    if (log->texts == lines.len)
        return 0;
    if (!log->samples) {
        status = wm_path_join(path, t->job->work, WM_TEXT_SAMPLES_NAME, err);
        if (!status)
            status = wm_append_open(path, &log->samples, err);
    }
    if (!status)
        status = wm_append_write(log->samples, lines.ptr + log->texts, lines.len - log->texts, err);
    if (!status)
        log->texts = lines.len;
    return status;
}

static int open_files(struct wm_training *t, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, t->job->work, WM_METRICS_NAME, err);
    if (!status)
        status = wm_append_open(path, &t->log.metrics, err);
    if (!status)
        status = wm_path_join(path, t->job->work, WM_TENSORBOARD_NAME, err);
    if (!status)
        status = wm_append_open(path, &t->log.events, err);
    if (!status)
        status = wm_path_join(path, t->job->work, WM_TEXT_SAMPLES_NAME, err);
    if (!status && !t->samples.lines.len)
        status = wm_remove(path, err);
    return status;
}

/* The newest step may still lack its validation. */
int wm_training_log_open(struct wm_training *t, struct wm_error *err)
{
    struct wm_training_log *log = &t->log;
    log->complete = t->history.n ? t->history.n - 1 : 0;
    wm_buf_init(&log->piece, WM_TENSORBOARD_MOST);
    int status = open_files(t, err);
    if (!status)
        status = wm_training_log_write(t, err);
    if (!status)
        status = wm_append_cut(log->metrics, err);
    if (!status)
        status = wm_append_cut(log->events, err);
    return status || !log->samples ? status : wm_append_cut(log->samples, err);
}

int wm_training_log_write(struct wm_training *t, struct wm_error *err)
{
    if (t->log.broken)
        return 0;
    int status = write_steps(t, t->log.complete, err);
    if (!status)
        status = write_texts(t, err);
    t->log.written = wm_seconds();
    t->log.broken = status != 0;
    return status;
}

int wm_training_log_step(struct wm_training *t, bool last, struct wm_error *err)
{
    t->log.complete = t->history.n;
    if (!last && !wm_training_tells(t) && wm_seconds() - t->log.written < seldom)
        return 0;
    return wm_training_log_write(t, err);
}

void wm_training_log_close(struct wm_training *t)
{
    wm_append_close(t->log.metrics);
    wm_append_close(t->log.events);
    wm_append_close(t->log.samples);
    wm_buf_done(&t->log.piece);
}
