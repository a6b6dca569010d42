/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file cutoffs.h
 * The perplexities of a corpus, for stage bucket's `cutoffs`.
 */
#ifndef WETMILL_RUN_CUTOFFS_H
#define WETMILL_RUN_CUTOFFS_H

#include "stages/perplexity_counts.h"
#include "wetmill/job.h"
#include "wetmill/run.h"

struct wm_cutoffs_result {
    uint64_t without; /**< Documents that say no language or no perplexity. */
    struct wm_job_result job; /**< Damage; done by the caller, in any case. */
};

/** Count `perplexity` by `language`, members of the JSONL that run->input names, into `counts`
 *  (initialised; done by the caller in any case). */
int wm_cutoffs_count(const struct wm_run *run, const struct wm_run_hooks *hooks,
                     struct wm_perplexity_counts *counts, struct wm_cutoffs_result *ret,
                     struct wm_error *err);

#endif /* WETMILL_RUN_CUTOFFS_H */
