/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file outcome.h
 * What one task of one pass came to: what its commit record says, and what is read back from it.
 */
#ifndef WETMILL_PIPELINE_OUTCOME_H
#define WETMILL_PIPELINE_OUTCOME_H

#include "wetmill/job.h"

/** A file of a task that is not one of the sink's parts. */
struct wm_side_file {
    bool expected, written; /**< Expected but not written: there was nothing to put in. */
    struct wm_digest digest;
};

struct wm_outcome {
    struct wm_arena arena; /**< Owns what is below. */
    uint32_t task;
    bool cut; /**< Reading stopped at --limit. */
    struct wm_read_tally read;
    struct wm_link_tally *links; /**< [chain->n] */
    XXH128_hash_t *hashes;       /**< Of its rows. */
    struct wm_parts parts;
    struct wm_damage *damage; /**< [n_damage], at most WM_DAMAGE_MAX */
    size_t n_damage;
    struct wm_side_file run;     /**< Of a survey pass. */
    struct wm_side_file rejects; /**< Of the last pass. */
};

int wm_outcome_init(struct wm_outcome *outcome, const struct wm_job *job, uint32_t task,
                    struct wm_error *err);
void wm_outcome_done(struct wm_outcome *outcome); /**< Safe on a zeroed one. */

#endif /* WETMILL_PIPELINE_OUTCOME_H */
