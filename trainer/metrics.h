/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file metrics.h
 * What each step came to, and metrics.jsonl, a line a step:
 *
 *     {"step":1,"tokens":8192,"loss":9.01,"lr":1e-05,"grad_norm":1.2}
 *     {"step":2,…,"validation_loss":8.9,"validation_bits_per_byte":3.1}
 *
 * loss: mean nats per token of the step's sequences, before the update. No times stand here: the
 * file is the same for the same training. A training's
 * result has it from the whole history, which checkpoints hold. While it runs the file grows
 * (train_log.c), and what steps told that are done again is cut off.
 */
#ifndef WETMILL_TRAINER_METRICS_H
#define WETMILL_TRAINER_METRICS_H

#include <stdint.h>

#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/train.h"

struct wm_step_metrics {
    double loss;       /**< nats per token */
    double grad_norm;  /**< Before clipping. */
    double validation; /**< nats per token, or NaN: not validated after this step */
};

/** Entry i is step i + 1. */
struct wm_history {
    struct wm_step_metrics *steps;
    uint64_t n, cap;
};
int wm_history_init(struct wm_history *history, uint64_t n_steps, struct wm_error *err);
void wm_history_done(struct wm_history *history);

/** What turns history into metrics. */
struct wm_metrics_scale {
    const struct wm_train_options *options;
    uint64_t n_steps;       /**< Of the whole training. */
    double tokens_per_byte; /**< Of the validation text; 0 without one. */
};

/** Nats per token → bits per byte of text: nats × tokens / (ln 2 × bytes). */
double wm_bits_per_byte(double nats_per_token, double tokens_per_byte);

#define WM_METRICS_NAME "metrics.jsonl"
enum { WM_METRICS_PIECE = 64 << 10 /**< Bytes that are made at a time, about. */ };

/** How many steps have become lines, and their tokens. {0}: none yet. */
struct wm_metrics_cursor {
    uint64_t step, tokens;
};

/** Append the lines of the next steps up to step `until`: some WM_METRICS_PIECE bytes; none: all are
 *  told. */
int wm_metrics_lines(struct wm_metrics_cursor *cursor, const struct wm_history *history,
                     const struct wm_metrics_scale *scale, uint64_t until, struct wm_buf *out,
                     struct wm_error *err);

/** Write the whole DIR/metrics.jsonl, all or nothing. */
int wm_metrics_write(const char *dir, const struct wm_history *history,
                     const struct wm_metrics_scale *scale, struct wm_error *err);

#endif /* WETMILL_TRAINER_METRICS_H */
