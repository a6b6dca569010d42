/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file resume.h
 * What an earlier start of the same job left: finished tasks are entered into the ledger, points
 * of tasks under way and what they name stay, all else is removed.
 */
#ifndef WETMILL_PIPELINE_RESUME_H
#define WETMILL_PIPELINE_RESUME_H

#include "pipeline/ledger.h"

/** For the pass the ledger has begun. Without job->dir it does nothing. */
int wm_resume(const struct wm_job *job, struct wm_ledger *ledger, struct wm_error *err);
/** Of a pass that has ended, and that nothing is made of yet: tasks to which the system did not give all
 *  there may be, and those under way, are done again by the next start. Without job->dir nothing. */
int wm_resume_forget(const struct wm_job *job, const struct wm_ledger *ledger,
                     struct wm_error *err);

#endif /* WETMILL_PIPELINE_RESUME_H */
