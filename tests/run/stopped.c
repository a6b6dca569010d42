/* SPDX-License-Identifier: Apache-2.0 */
/* The program for test_run_kept_damage.sh: it kills itself right behind a given rename, the one that
 * puts a kept file in its place, so that what an interrupted run has kept is known to the file. Tasks
 * are saved after little input, as in tests/property/small_points.c. (--wrap; in the environment
 * WM_STOP, the end of a path, and WM_STOP_AT, which of such renames: 1.) */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wetmill/job.h"
#include "wetmill/run.h"

enum { POINT = 4 << 10 /* bytes of input */, BATCH = 4 /* documents */ };

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to)
{
    static unsigned n;
    const char *stop = getenv("WM_STOP"), *at = getenv("WM_STOP_AT");
    int status = __real_rename(from, to);
    if (!status && stop && wm_str_ends(wm_str_of(to), wm_str_of(stop)) &&
        ++n == (at ? strtoul(at, NULL, 10) : 1))
        (void)raise(SIGKILL);
    return status;
}

int __real_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err);
int __wrap_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err);

int __wrap_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err)
{
    struct wm_job small = *job;
    small.point_bytes = POINT;
    small.batch_docs = BATCH;
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
    run->point_bytes = POINT; /* the tokenizer step keeps nothing of a small corpus else */
    return __real_wm_run_execute(run, last, hooks, ret, err);
}
