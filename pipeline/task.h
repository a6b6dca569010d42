/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file task.h
 * One task of one pass, from opening its first file, or going on where a point says, to its commit
 * record.
 */
#ifndef WETMILL_PIPELINE_TASK_H
#define WETMILL_PIPELINE_TASK_H

#include "pipeline/frames.h"
#include "pipeline/pass.h"
#include "pipeline/survey.h"

/** Run task `number` on the calling thread, one more, and the crew. Reads `most` documents at most
 *  (UINT64_MAX = all). Errors go to the crew. */
void wm_task_run(struct wm_pass *pass, uint32_t number, uint64_t most);

/* ---- between task.c and task_save.c ---- */

/** A task that runs. */
struct wm_running {
    struct wm_pass *pass;
    const struct wm_task *rows;
    uint32_t number;
    uint64_t most, n_read; /**< Documents. */
    uint64_t text;         /**< Bytes of text read. */
    bool sampled;          /**< Reading stopped where job->sample_rate says. */
    bool complete;         /**< All is read. */
    bool saves;            /**< Points are made. */
    bool has_point;
    uint64_t shown, point_at; /**< Positions in the input: of progress, and of the last point … */
    double point_time;        /**< … and when that was. */
    uint32_t n_marks;         /**< Points the reader has marked. */
    struct wm_reader *reader;
    struct wm_ring ring;
    void *sink_task;
    struct wm_frames rejects;
    struct wm_survey survey;
    struct wm_outcome outcome;
};

/** Where the reader stood behind a batch. */
struct wm_point_mark {
    struct wm_state_out reader;
    uint64_t n_read;
};

/** Can its input, its sink and where it writes to be gone on with? */
bool wm_task_saves(const struct wm_pass *pass);
/** Reader: has it come so far that it should be saved? */
bool wm_task_is_due(const struct wm_running *task);
/** Reader: remember where it stands; `*ret` NULL if it cannot be entered here. */
int wm_task_mark(struct wm_running *task, struct wm_point_mark **ret, struct wm_error *err);
void wm_point_mark_free(struct wm_point_mark *mark); /**< NULL is fine. */
/** Whoever writes, all batches up to the mark being written: all that was written to the disk, then
 *  the point. */
int wm_task_save(struct wm_running *task, const struct wm_point_mark *mark, struct wm_error *err);
/** A task just opened takes up where `body` says. WM_E_MISMATCH: it is to be closed, and done from
 *  its beginning. */
int wm_task_load(struct wm_running *task, struct wm_state_in *body, struct wm_error *err);

#endif /* WETMILL_PIPELINE_TASK_H */
