/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file point.h
 * Points: where a task that is not finished can be gone on with. DIR/commits/passP/TTTTTT.point is
 * a state (state.h) that is replaced as the task gets on, each time after all that it speaks of is
 * on the disk, and removed once the task has its commit record.
 *
 *     "wetmill point", version, identity, pass, task, limit, hash of the task's rows      (point.c)
 *     documents read, the reader's state, tallies of the stages, then by what the pass does:
 *     the sink's state, that of the rejects' frames, the runs of the survey          (task_save.c)
 *
 * A point is a matter of time and bytes read; outputs do not depend on it. One that is damaged, of
 * another identity or other inputs, or whose files are gone, is none: the task is done from its
 * beginning.
 */
#ifndef WETMILL_PIPELINE_POINT_H
#define WETMILL_PIPELINE_POINT_H

#include "wetmill/job.h"
#include "wetmill/state.h"

enum { WM_POINT_VERSION = 4 };
/** A point is due after so many bytes of input, or seconds, whichever comes first (wm_job may say
 *  otherwise). What is under way in a ring comes on top of what a stop can cost. */
static const uint64_t WM_POINT_BYTES = (uint64_t)64 << 20;
static const double WM_POINT_SECONDS = 4;

int wm_point_path(char out[WM_PATH_MAX], const char *dir, unsigned pass, uint32_t task,
                  struct wm_error *err);
/** Begin a task's next point; wm_state_out_commit puts it in place, wm_state_out_done drops it. */
int wm_point_begin(const struct wm_job *job, unsigned pass, uint32_t task, struct wm_state_out *ret,
                   struct wm_error *err);
/** 1 = there is one for this job, ret->body stands behind its head; 0 = there is none; < 0 = error.
 *  Close it in any case. */
int wm_point_open(const struct wm_job *job, unsigned pass, uint32_t task, struct wm_state_file *ret,
                  struct wm_error *err);
int wm_point_remove(const struct wm_job *job, unsigned pass, uint32_t task, struct wm_error *err);

#endif /* WETMILL_PIPELINE_POINT_H */
