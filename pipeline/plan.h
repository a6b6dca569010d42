/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.h
 * How wide a job runs: workers, tasks at once, batches and their size, so that its memory fits.
 *
 * What is counted: batches (text, what stages and sink make of it, and the slack of doubling
 * arenas), one record of the largest size on its way, readers with the window that the input asks for
 * (window.h), stages, the sink, survey records, stacks. Mapped files are not. Readers may use what is
 * left for larger windows, each an equal share.
 */
#ifndef WETMILL_PIPELINE_PLAN_H
#define WETMILL_PIPELINE_PLAN_H

#include "wetmill/job.h"

enum {
    WM_STACK_BYTES = 2 << 20,     /**< Of each thread. */
    WM_TEXT_COPIES = 8,           /**< Memory of a batch, per byte of its text. */
    WM_BATCH_TEXT_LEAST = 1 << 20 /**< Batches are made no smaller than this to save memory. */
};

struct wm_plan {
    unsigned n_workers, n_tasks; /**< n_tasks: at once. */
    uint64_t reader_bytes; /**< Of one reader, but for records: by the windows of the input. */
    size_t n_batches, batch_text, batch_docs;
    size_t batch_bytes;             /**< Memory of one batch of normal size. */
    uint64_t large_limit;           /**< For documents larger than a batch, together. */
    size_t n_writers;               /**< Survey writers of one task … */
    size_t writer_memory;           /**< … and the bytes of each. */
    uint64_t need;                  /**< Predicted bytes of it all. */
    struct wm_window_limit windows; /**< Of each reader; of use where memory is limited. */
};

/** The chain must be open. `memory` 0 = as much as the full width takes. WM_E_NOMEM, naming the
 *  need, if not even the least fits. */
int wm_plan_make(const struct wm_job *job, uint64_t memory, struct wm_plan *ret,
                 struct wm_error *err);
/** The same at least and at full width, without a check. */
void wm_plan_least(const struct wm_job *job, struct wm_plan *ret);
void wm_plan_full(const struct wm_job *job, struct wm_plan *ret);

#endif /* WETMILL_PIPELINE_PLAN_H */
