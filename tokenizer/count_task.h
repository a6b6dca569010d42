/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file count_task.h
 * The counts of one task of a job, apart from those of others and apart from those behind its next
 * point, so that it can be gone on with after a stop (sink.h). Epoch e is all between point e − 1
 * and point e; several may be under way at once, because workers do not wait for a point.
 *
 *     fold, spill (any worker) ─▶ a table for each epoch ─▶ _save closes epochs: runs of a file
 *
 * Memory: two tables as told; an epoch more than the one that is being closed rarely has much. A
 * table that is full becomes a run. Any thread; saving, loading and committing one at a time.
 */
#ifndef WETMILL_TOKENIZER_COUNT_TASK_H
#define WETMILL_TOKENIZER_COUNT_TASK_H

#include <pthread.h>

#include "tokenizer/counts_file.h"
#include "wetmill/sink.h"

struct wm_counter;
struct bpe_epoch;

struct bpe_count_task {
    pthread_mutex_t lock, file_lock; /**< Of epochs and spare; of out. Taken in this order. */
    char path[WM_PATH_MAX], name[64];
    struct wm_out *out;       /**< NULL until something is written. */
    uint64_t memory;          /**< Of a table, bytes. */
    struct bpe_epoch *epochs; /**< Under way, rising. */
    struct bpe_pieces spare;  /**< A cleared table: the next epoch need not grow its own. */
    struct bpe_counts done;   /**< Of the epochs that are closed. */
    bool is_open;
};

/** `dir`: the job's. */
int bpe_count_task_open(struct bpe_count_task *task, const char *dir, uint32_t number,
                        uint64_t memory, struct wm_error *err);
void bpe_count_task_done(struct bpe_count_task *task); /**< Safe on a zeroed one. */

/** Add what a counter has to an epoch, and empty it. */
int bpe_count_task_fold(struct bpe_count_task *task, uint32_t epoch, struct wm_counter *counter,
                        struct wm_error *err);
/** Write a table that is full, and empty it. */
int bpe_count_task_spill(struct bpe_count_task *task, uint32_t epoch, struct bpe_pieces *pieces,
                         struct wm_error *err);

/** Nothing is to be added to `epoch` and those before it any more: all of it goes to the disk, and
 *  into `state`. */
int bpe_count_task_save(struct bpe_count_task *task, uint32_t epoch, struct wm_state_out *state,
                        struct wm_error *err);
/** Into a task just opened, whose epochs begin with 0 again. */
int bpe_count_task_load(struct bpe_count_task *task, struct wm_state_in *state,
                        struct wm_error *err);
/** All that was added goes into one file, which is a part. */
int bpe_count_task_commit(struct bpe_count_task *task, struct wm_parts *parts,
                          struct wm_error *err);

#endif /* WETMILL_TOKENIZER_COUNT_TASK_H */
