/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file count_sink.h
 * The sink that counts the pieces of a job's documents for a BPE trainer. Every worker counts alone
 * and folds its counts now and then; they add up to the same in any order. A document the trainer
 * cannot split is an error: the pattern is at fault.
 *
 * A job without a directory leaves nothing on the disk: counts are folded into the trainer. With one
 * each task has counts of its own (count_task.h) and writes them to a part, and into its points; so
 * it can be gone on with. When the job is done and the sink closed, wm_count_load gives all parts to
 * the trainer. That costs a few percent of counting, which a small corpus need not pay.
 */
#ifndef WETMILL_TOKENIZER_COUNT_SINK_H
#define WETMILL_TOKENIZER_COUNT_SINK_H

#include "wetmill/cancel.h"
#include "wetmill/sink.h"
#include "wetmill/tokenizer.h"

/** Shared state of wm_sink_count. */
struct wm_count_sink {
    struct wm_bpe_trainer *trainer; /**< Set by the caller, who keeps it. */
    const uint64_t *weights;        /**< [rows of the input table] of their documents, or NULL. */
    uint64_t memory;                /**< Bytes the trainer may use (its option), for predictions. */
    uint64_t fold_text;             /**< Bytes a worker counts before it folds; 0 = 16 MiB. Cannot
                                         change the result. */
    struct wm_count_lock *lock;     /**< The sink's. */
};

extern const struct wm_sink wm_sink_count; /**< "count-pieces" */

/** Add the parts of a job in `dir` to the trainer's counts. WM_E_FORMAT names one that is damaged;
 *  WM_E_CANCELLED. `cancel` may be NULL. */
int wm_count_load(const char *dir, const struct wm_parts *parts, struct wm_bpe_trainer *trainer,
                  struct wm_cancel *cancel, struct wm_error *err);

#endif /* WETMILL_TOKENIZER_COUNT_SINK_H */
