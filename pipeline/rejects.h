/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rejects.h
 * Documents that were dropped, with the stage and the reason: REJECTS/000003.jsonl.zst for each
 * task, in the order of the input, in frames as write-jsonl's.
 */
#ifndef WETMILL_PIPELINE_REJECTS_H
#define WETMILL_PIPELINE_REJECTS_H

#include "pipeline/frames.h"
#include "pipeline/ring.h"

/** Path of a task's file. */
int wm_rejects_path(char out[WM_PATH_MAX], const char *dir, uint32_t task, struct wm_error *err);
/** Worker: turn carrier->dropped into carrier->rejected. `buf` is scratch. */
int wm_rejects_prepare(const struct wm_chain *chain, struct wm_carrier *carrier, struct wm_buf *buf,
                       struct wm_error *err);
/** Sink thread: add a carrier's rejected documents to the task's file. */
int wm_rejects_write(struct wm_frames *frames, const struct wm_carrier *carrier,
                     struct wm_error *err);

#endif /* WETMILL_PIPELINE_REJECTS_H */
