/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kept.h
 * Mending a job: what an earlier start kept, or this one a moment ago, is found not to be what was
 * written. Everything kept is then compared with its records (wm_job_look), damaged files are told
 * of and removed with their records, and the job is run again, which does what has no record.
 */
#ifndef WETMILL_PIPELINE_KEPT_H
#define WETMILL_PIPELINE_KEPT_H

#include "wetmill/job.h"

/** Say a line to the job's hook, printf style, escaped. */
__attribute__((format(printf, 2, 3))) void wm_job_say(const struct wm_job *job, const char *fmt,
                                                      ...);

/** As wm_job_mend, after a failure of what the job itself made of kept files: also where none of them
 *  is damaged any more (a scratch file was), the job is to be run again. */
int wm_kept_mend(const struct wm_job *job, struct wm_error *err);

#endif /* WETMILL_PIPELINE_KEPT_H */
