/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file survey.h
 * The records that one task's survey adds. Workers come from a common crew, so a task cannot give
 * each of them a writer of its own; they borrow one of the task's for a batch. A set of records
 * does not depend on who added which.
 */
#ifndef WETMILL_PIPELINE_SURVEY_H
#define WETMILL_PIPELINE_SURVEY_H

#include "pipeline/crew.h"
#include "wetmill/records.h"
#include "wetmill/state.h"

enum { WM_SURVEY_WRITERS = 64 }; /**< Most writers of one task. */

struct wm_survey {
    struct wm_crew *crew;
    char spill[WM_PATH_MAX]; /**< What the writers' runs are called. */
    struct wm_record_form form;
    size_t memory;                                 /**< Of each writer. */
    struct wm_records *writers[WM_SURVEY_WRITERS]; /**< Those before n_lent are in use. */
    struct wm_records *made[WM_SURVEY_WRITERS];    /**< The same, in the order of their making. */
    size_t n, n_lent, cap; /**< Writers made, in use, most in use at once. */
    struct wm_buf saved;   /**< Paths of runs that a point names, each with its NUL. */
    pthread_cond_t returned;
    bool is_open;
};

int wm_survey_open(struct wm_survey *survey, struct wm_crew *crew, const char *spill,
                   struct wm_record_form form, size_t n_writers, size_t memory,
                   struct wm_error *err);
/** A writer for one batch; waits until one is free. Return it before doing anything that waits. */
int wm_survey_borrow(struct wm_survey *survey, struct wm_records **ret, struct wm_error *err);
void wm_survey_return(struct wm_survey *survey, struct wm_records *writer);
/** All records, sorted, into one run at `path`. No writer may be lent. */
int wm_survey_finish(struct wm_survey *survey, const char *path, struct wm_digest *ret,
                     struct wm_error *err);
/** All records so far go to the disk, named by `state`; and back, right after wm_survey_open. No
 *  writer may be lent. */
int wm_survey_save(struct wm_survey *survey, struct wm_state_out *state, struct wm_error *err);
int wm_survey_load(struct wm_survey *survey, struct wm_state_in *state, struct wm_error *err);
/** The task has its commit record: runs that a point named are wanted no more. */
int wm_survey_sweep(struct wm_survey *survey, struct wm_error *err);
void wm_survey_close(struct wm_survey *survey); /**< Safe on a zeroed one. */

#endif /* WETMILL_PIPELINE_SURVEY_H */
