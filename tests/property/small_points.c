/* SPDX-License-Identifier: Apache-2.0 */
/* The program for crash.sh, and part of that for test_run_kept_damage.sh: tasks are saved after little
 * input, which none of its options says and job.h allows, since no byte of a result depends on it. So
 * tasks of a small crawl are gone on with from many points, and what is done again can be held against
 * a bound that means something. The linker puts wm_job_run of here in the place of the library's
 * (--wrap). The tokenizer step keeps nothing of a small corpus, unless the run says so. */
#include <string.h>

#include "wetmill/job.h"
#include "wetmill/run.h"

#ifndef SMALL_POINT
#    define SMALL_POINT (1 << 20)   /* bytes of input; crash.sh reckons with both */
#    define SMALL_BATCH 1           /* documents */
#    define SMALLER_POINT (1 << 14) /* bytes of a corpus, which is smaller, that other steps read */
#endif

enum { POSITION = 4 /* milliseconds: so well is known what was done before a stop */ };

int __real_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err);
int __wrap_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err);

int __wrap_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err)
{
    struct wm_job small = *job;
    bool corpus = job->label && strcmp(job->label, "corpus") == 0;
    small.point_bytes = corpus ? SMALL_POINT : SMALLER_POINT;
    small.batch_docs = SMALL_BATCH;
    return __real_wm_job_run(&small, ret, err);
}

int __real_wm_run_execute(struct wm_run *run, enum wm_step_id last,
                          const struct wm_run_hooks *hooks, struct wm_run_result *ret,
                          struct wm_error *err);
int __wrap_wm_run_execute(struct wm_run *run, enum wm_step_id last,
                          const struct wm_run_hooks *hooks, struct wm_run_result *ret,
                          struct wm_error *err);

int __wrap_wm_run_execute(struct wm_run *run, enum wm_step_id last,
                          const struct wm_run_hooks *hooks, struct wm_run_result *ret,
                          struct wm_error *err)
{
    run->point_bytes = SMALL_POINT;
    run->position_milliseconds = POSITION;
    return __real_wm_run_execute(run, last, hooks, ret, err);
}
