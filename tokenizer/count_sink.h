/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file count_sink.h
 * The sink that counts the pieces of a job's documents for a BPE trainer. It writes no parts, so
 * such a job is not resumed by task. Every worker counts alone and folds into the trainer now and
 * then, under a lock; counts add up to the same in any order. A document the trainer cannot split
 * is an error: the pattern is at fault.
 */
#ifndef WETMILL_TOKENIZER_COUNT_SINK_H
#define WETMILL_TOKENIZER_COUNT_SINK_H

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

#endif /* WETMILL_TOKENIZER_COUNT_SINK_H */
