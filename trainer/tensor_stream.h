/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tensor_stream.h
 * Weights of a model directory into a file, tensor after tensor, converted by a team of threads.
 * Memory: about 0.5 MiB a thread for what is read and as much for what is written (more only where
 * a single row is longer). The bytes do not depend on the number of threads.
 *
 *     open ─▶ put for each tensor (the caller may write to `out` in between) ─▶ close
 */
#ifndef WETMILL_TRAINER_TENSOR_STREAM_H
#define WETMILL_TRAINER_TENSOR_STREAM_H

#include "trainer/weights.h"
#include "wetmill/cancel.h"
#include "wetmill/parallel.h"
#include "wetmill/progress.h"

struct wm_tensor_stream {
    const struct wm_weights *weights;
    struct wm_team *team;
    struct wm_out *out;
    struct wm_progress *progress; /**< May be NULL. */
    struct wm_cancel *cancel;     /**< May be NULL. */
    float *floats;                /**< [team, item_floats] */
    unsigned char *bytes;         /**< [window items, bytes of item_floats in f32] */
    size_t item_floats, window;   /**< Numbers of an item; items written at once. */
};

/** All but the last four fields are set by the caller. WM_E_NOMEM. */
int wm_tensor_stream_open(struct wm_tensor_stream *stream, struct wm_error *err);
void wm_tensor_stream_close(struct wm_tensor_stream *stream);

/**
 * Write parameter `i`. `head_dim` 0: rows as they are; else the rows of each head of so many are
 * put in the order of rotary pairs (0, D/2, 1, D/2 + 1, …) instead of halves, as llama.cpp and
 * llama2.c turn them. WM_E_FORMAT names a tensor with a number that the type cannot hold.
 */
int wm_tensor_stream_put(struct wm_tensor_stream *stream, size_t i, enum wm_weight_type type,
                         uint32_t head_dim, struct wm_error *err);

#endif /* WETMILL_TRAINER_TENSOR_STREAM_H */
