/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ledger.h
 * What a job's tasks came to, all together: sums, parts and damage in task order, and whether one
 * pass saw what the other saw.
 */
#ifndef WETMILL_PIPELINE_LEDGER_H
#define WETMILL_PIPELINE_LEDGER_H

#include "pipeline/crew.h"
#include "pipeline/outcome.h"

struct wm_damage_slice {
    struct wm_damage *items;
    size_t n;
};

struct wm_ledger {
    const struct wm_job *job;
    pthread_mutex_t *lock; /**< Guards all that is below. */
    struct wm_arena arena; /**< Becomes the result's. */
    size_t n_surveys;
    size_t *survey_link; /**< [n_surveys] the link each survey is of */
    uint64_t *surveyed;  /**< [n_surveys × n_tasks] documents it saw */
    XXH128_hash_t *rows; /**< [n_rows], of the first pass that read them */
    bool *rows_known;    /**< [n_tasks] */
    bool *unread;        /**< [n_tasks] that pass was not given all there may be */
    /* of the present pass: */
    bool is_last, any_cut;
    size_t n_links, survey; /**< Links applied; which survey, if it is not the last. */
    struct wm_tally tally;
    bool *done;                     /**< [n_tasks] */
    uint64_t *documents;            /**< [n_tasks] */
    struct wm_digest *runs;         /**< [n_tasks] of a survey */
    struct wm_parts *parts;         /**< [n_tasks] of the last pass */
    struct wm_damage_slice *damage; /**< [n_tasks] */
    size_t n_damage;
};

int wm_ledger_open(struct wm_ledger *ledger, const struct wm_job *job, pthread_mutex_t *lock,
                   struct wm_error *err);
void wm_ledger_close(struct wm_ledger *ledger); /**< Safe on a zeroed one. */
/** Start a pass: the survey-th, or the last if survey = n_surveys. */
void wm_ledger_begin(struct wm_ledger *ledger, size_t survey);
/** Before anything of a task is kept: WM_E_CHANGED if an earlier pass read other bytes, WM_E_IO if only
 *  the system does not give them now. Takes the lock. */
int wm_ledger_compare(struct wm_ledger *ledger, const struct wm_outcome *outcome,
                      struct wm_error *err);
/** Enter one task, compared like that. Takes the lock. */
int wm_ledger_add(struct wm_ledger *ledger, const struct wm_outcome *outcome, bool reused,
                  struct wm_error *err);
/** End a pass: do the sums add up? */
int wm_ledger_check(const struct wm_ledger *ledger, struct wm_error *err);
/** After the last pass: everything goes over into `ret`. */
int wm_ledger_result(struct wm_ledger *ledger, struct wm_job_result *ret, struct wm_error *err);

#endif /* WETMILL_PIPELINE_LEDGER_H */
