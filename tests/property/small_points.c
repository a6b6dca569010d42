/* SPDX-License-Identifier: Apache-2.0 */
/* The program for crash.sh: tasks are saved after little input, which none of its options says and
 * job.h allows, since no byte of a result depends on it. So tasks of a small crawl are gone on with
 * from many points, and what is done again can be held against a bound that means something. The
 * linker puts wm_job_run of here in the place of the library's (--wrap). */
#include "wetmill/job.h"

enum {
    SMALL_POINT = 1 << 20, /* bytes of input; crash.sh reckons with both */
    SMALL_BATCH = 2,       /* documents */
};

int __real_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err);
int __wrap_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err);

int __wrap_wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err)
{
    struct wm_job small = *job;
    small.point_bytes = SMALL_POINT;
    small.batch_docs = SMALL_BATCH;
    return __real_wm_job_run(&small, ret, err);
}
