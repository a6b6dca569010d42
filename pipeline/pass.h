/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pass.h
 * One pass over the input: lanes that each run one task after the other, and the crew of workers
 * that serves them all.
 *
 *     lane 1: task 0 ─▶ task 2 ─▶ …   each task: this lane's thread reads, one more thread writes
 *     lane 2: task 1 ─▶ …             (ring.h)
 *     crew:   n_workers threads, for whatever batch comes
 */
#ifndef WETMILL_PIPELINE_PASS_H
#define WETMILL_PIPELINE_PASS_H

#include "pipeline/ledger.h"
#include "pipeline/packer.h"
#include "pipeline/plan.h"
#include "pipeline/reading.h"
#include "pipeline/ring.h"

struct wm_pass {
    const struct wm_job *job;
    const struct wm_reading *reading;
    const struct wm_plan *plan;
    struct wm_crew *crew;
    struct wm_ledger *ledger;
    struct wm_packer *rejects;      /**< NULL: rejects are not kept. */
    unsigned index;                 /**< 0, 1, …: names the directories. */
    size_t n_links;                 /**< Links applied. */
    const struct wm_link *surveyed; /**< … and then surveyed; NULL in the last pass. */
    bool of_kept; /**< A task failed at joining what points kept. Guarded by the crew's lock. */
    struct wm_stock stock;
    uint32_t next;     /**< Task to look at next, counted in the order they start. */
    uint64_t n_before; /**< With a limit: documents of the tasks before it. */
};

/** What one worker thread has. */
struct wm_worker {
    struct wm_pass *pass;
    struct wm_locals locals; /**< Of the links applied, and of the one surveyed. */
    void *sink_local;
    struct wm_buf buf; /**< Scratch for rejects. */
    pthread_t thread;
};

/** Do every task that ledger->done does not list. The first error stops it. */
int wm_pass_run(struct wm_pass *pass, struct wm_error *err);

#endif /* WETMILL_PIPELINE_PASS_H */
