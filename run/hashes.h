/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hashes.h
 * Archives into a set of the hashes of their lines, for paragraph-dedup's `known` (hash_set.h).
 */
#ifndef WETMILL_RUN_HASHES_H
#define WETMILL_RUN_HASHES_H

#include "wetmill/job.h"
#include "wetmill/run.h"

struct wm_hashes_result {
    uint64_t n_hashes, n_documents; /**< Documents: that the stage was given. */
    struct wm_job_result job;       /**< Damage; done by the caller, in any case. */
};

/**
 * Put run->input through run->chain, whose last stage is paragraph-dedup, up to its survey, and
 * write all hashes to `path`. Half-done work stands in PATH.work until the set is there: the same
 * call again goes on. WM_E_CONFIG if the last stage is another one.
 */
int wm_hashes_build(struct wm_run *run, const char *path, const struct wm_run_hooks *hooks,
                    struct wm_hashes_result *ret, struct wm_error *err);

#endif /* WETMILL_RUN_HASHES_H */
