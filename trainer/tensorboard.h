/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tensorboard.h
 * The history as TensorBoard reads it: DIR/events.out.tfevents.0.wetmill.
 *
 * A file of TFRecords (u64 length, masked CRC-32C of it, protobuf Event, masked CRC-32C of that),
 * with the scalars train/loss, train/learning_rate, train/grad_norm, validation/loss and
 * validation/bits_per_byte, and the texts samples/0, samples/1 … of
 * its prompts. Events carry the step as their time, so that the same training gives
 * the same file. Format: tensorflow/core/lib/io/record_writer and util/event.proto.
 */
#ifndef WETMILL_TRAINER_TENSORBOARD_H
#define WETMILL_TRAINER_TENSORBOARD_H

#include "trainer/metrics.h"
#include "trainer/text_samples.h"

#define WM_TENSORBOARD_NAME "events.out.tfevents.0.wetmill"

/** How much of a training has become records. {0}: nothing yet. */
struct wm_tensorboard_cursor {
    bool begun;
    uint64_t step;       /**< Steps. */
    size_t text;         /**< Bytes of the samples' lines. */
    uint64_t text_step;  /**< Step of the line that was read last, */
    unsigned text_index; /**< … and which of its step's texts comes next. */
};
enum { WM_TENSORBOARD_MOST = 256 << 20 /**< More than any call of wm_tensorboard_records adds. */ };

/** Append the records of the next steps up to step `until`, and of their texts: some WM_METRICS_PIECE
 *  bytes; none: all are told. */
int wm_tensorboard_records(struct wm_tensorboard_cursor *cursor, const struct wm_history *history,
                           const struct wm_text_samples *samples,
                           const struct wm_metrics_scale *scale, uint64_t until, struct wm_buf *out,
                           struct wm_error *err);

/** Write the whole file, all or nothing. */
int wm_tensorboard_write(const char *dir, const struct wm_history *history,
                         const struct wm_text_samples *samples,
                         const struct wm_metrics_scale *scale, struct wm_error *err);

/** CRC-32C (Castagnoli) of `n` bytes. */
uint32_t wm_crc32c(const void *bytes, size_t n);

#endif /* WETMILL_TRAINER_TENSORBOARD_H */
