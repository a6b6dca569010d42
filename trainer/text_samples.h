/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file text_samples.h
 * Texts that a model writes while it is trained, and samples.jsonl, a line a text:
 *
 *     {"step":1000,"prompt":"","text":"Once there was"}
 *
 * step: updates behind the weights that wrote it; text: what follows the prompt. The lines are kept
 * as they are written, in checkpoints too (their state), so samples.jsonl, like metrics.jsonl, never
 * has lines of steps that were done again. One thread at a time.
 */
#ifndef WETMILL_TRAINER_TEXT_SAMPLES_H
#define WETMILL_TRAINER_TEXT_SAMPLES_H

#include <stdint.h>

#include "wetmill/arena.h"
#include "wetmill/buf.h"

struct wm_text_sample {
    uint64_t step;
    struct wm_str prompt, text;
};

struct wm_text_samples {
    struct wm_buf lines;
    uint64_t step; /**< Of the newest; 0: there is none. */
};

/** Most bytes of all lines are those that a checkpoint's state may have. */
void wm_text_samples_init(struct wm_text_samples *samples);
void wm_text_samples_done(struct wm_text_samples *samples); /**< Safe on {0}. */

/** WM_E_LIMIT: there is no room for it. Nothing is added on failure. */
int wm_text_samples_add(struct wm_text_samples *samples, const struct wm_text_sample *sample,
                        struct wm_error *err);

/** Take the lines of a checkpoint of `step`, instead of those that are there. WM_E_FORMAT: they are
 *  no such lines, in their order and up to that step; nothing is changed then. */
int wm_text_samples_restore(struct wm_text_samples *samples, struct wm_str lines, uint64_t step,
                            struct wm_error *err);

/** Cut the next line off `*rest` and read it: 1, 0 at the end, < 0 on error. Strings are borrowed
 *  from the line or stand in `arena`. */
int wm_text_samples_next(struct wm_str *rest, struct wm_arena *arena, struct wm_text_sample *ret,
                         struct wm_error *err);

#define WM_TEXT_SAMPLES_NAME "samples.jsonl"

/** Write DIR/samples.jsonl, all or nothing; without a sample there is no such file. */
int wm_text_samples_write(const char *dir, const struct wm_text_samples *samples,
                          struct wm_error *err);

#endif /* WETMILL_TRAINER_TEXT_SAMPLES_H */
