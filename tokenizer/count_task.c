/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/count_task.h"

#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/trainer.h"

enum { SHIFT = 12 /* bits of the hash: neither the counters' order nor the trainer's */ };

struct bpe_epoch {
    struct bpe_epoch *next;
    uint32_t number;
    struct bpe_pieces pieces;
    struct bpe_counts counts; /* of what was added; runs it has so far */
};

int bpe_count_task_open(struct bpe_count_task *task, const char *dir, uint32_t number,
                        uint64_t memory, struct wm_error *err)
{
    *task = (struct bpe_count_task){.memory = memory};
    (void)snprintf(task->name, sizeof task->name, "parts/%06lu.pieces", (unsigned long)number);
    int status = wm_path_join(task->path, dir, task->name, err);
    if (status)
        return status;
    (void)pthread_mutex_init(&task->lock, NULL); /* cannot fail with default attributes */
    (void)pthread_mutex_init(&task->file_lock, NULL);
    bpe_pieces_init(&task->spare, memory);
    task->spare.shift = SHIFT;
    task->is_open = true;
    return 0;
}

static void epoch_free(struct bpe_epoch *epoch)
{
    bpe_pieces_done(&epoch->pieces);
    bpe_counts_done(&epoch->counts);
    free(epoch);
}

void bpe_count_task_done(struct bpe_count_task *task)
{
    if (!task->is_open)
        return;
    for (struct bpe_epoch *next; task->epochs; task->epochs = next) {
        next = task->epochs->next;
        epoch_free(task->epochs);
    }
    bpe_pieces_done(&task->spare);
    bpe_counts_done(&task->done);
    wm_out_abandon(task->out);
    (void)pthread_mutex_destroy(&task->file_lock);
    (void)pthread_mutex_destroy(&task->lock);
    *task = (struct bpe_count_task){0};
}

static int open_file(struct bpe_count_task *task, struct wm_error *err)
{
    return task->out ? 0 : bpe_counts_open(task->path, &task->out, err);
}

static int write_table(struct bpe_count_task *task, struct bpe_epoch *epoch,
                       struct bpe_pieces *pieces, struct wm_error *err)
{
    (void)pthread_mutex_lock(&task->file_lock);
    int status = open_file(task, err);
    if (!status)
        status = bpe_counts_write(&epoch->counts, task->out, pieces, err);
    (void)pthread_mutex_unlock(&task->file_lock);
    bpe_pieces_clear(pieces);
    return status;
}

/* What no table has room for. */
static int write_one(struct bpe_count_task *task, struct bpe_epoch *epoch, struct wm_str piece,
                     uint64_t count, struct wm_error *err)
{
    (void)pthread_mutex_lock(&task->file_lock);
    int status = open_file(task, err);
    if (!status)
        status = bpe_counts_write_one(&epoch->counts, task->out, piece, count, err);
    (void)pthread_mutex_unlock(&task->file_lock);
    return status;
}

/* ---- epochs; with the lock held ---- */

static int find_epoch(struct bpe_count_task *task, uint32_t number, struct bpe_epoch **ret,
                      struct wm_error *err)
{
    struct bpe_epoch **at = &task->epochs;
    while (*at && (*at)->number < number)
        at = &(*at)->next;
    if (!*at || (*at)->number != number) {
        struct bpe_epoch *epoch = calloc(1, sizeof *epoch);
        if (!epoch)
            return wm_fail_nomem(err, sizeof *epoch, "counting pieces");
        epoch->next = *at;
        epoch->number = number;
        epoch->pieces = task->spare;
        bpe_pieces_init(&task->spare, task->memory);
        task->spare.shift = SHIFT;
        *at = epoch;
    }
    *ret = *at;
    return 0;
}

static int add_piece(struct bpe_count_task *task, struct bpe_epoch *epoch, struct wm_str piece,
                     uint64_t count, struct wm_error *err)
{
    int status = bpe_pieces_add(&epoch->pieces, piece, count, err);
    if (status != BPE_PIECES_FULL)
        return status;
    status = write_table(task, epoch, &epoch->pieces, err);
    if (!status)
        status = bpe_pieces_add(&epoch->pieces, piece, count, err);
    return status == BPE_PIECES_FULL ? write_one(task, epoch, piece, count, err) : status;
}

static int fold(struct bpe_count_task *task, uint32_t number, struct wm_counter *counter,
                struct wm_error *err)
{
    struct bpe_epoch *epoch;
    int status = find_epoch(task, number, &epoch, err);
    for (size_t i = 0; !status && i < counter->pieces.n_slots; i++) {
        const struct bpe_piece *piece = &counter->pieces.slots[i];
        if (piece->count)
            status =
                add_piece(task, epoch, bpe_piece_bytes(&counter->pieces, piece), piece->count, err);
    }
    if (status)
        return status;
    for (size_t i = 0; i < sizeof counter->pieces.seen; i++)
        epoch->counts.seen[i] |= counter->pieces.seen[i];
    memset(counter->pieces.seen, 0, sizeof counter->pieces.seen);
    epoch->counts.documents += counter->documents;
    epoch->counts.bytes += counter->bytes;
    epoch->counts.pieces += counter->n_pieces;
    bpe_counter_clear(counter);
    return 0;
}

/* The first epoch, if it is over: it is no longer the task's. */
static struct bpe_epoch *take_first(struct bpe_count_task *task, uint32_t last)
{
    struct bpe_epoch *epoch = task->epochs;
    if (!epoch || epoch->number > last)
        return NULL;
    task->epochs = epoch->next;
    return epoch;
}

static void give_back(struct bpe_count_task *task, struct bpe_epoch *epoch)
{
    if (!task->spare.slots) {
        bpe_pieces_done(&task->spare);
        task->spare = epoch->pieces;
        memset(task->spare.seen, 0, sizeof task->spare.seen);
        bpe_pieces_init(&epoch->pieces, 0);
    }
    epoch_free(epoch);
}

/* ---- for all threads ---- */

int bpe_count_task_fold(struct bpe_count_task *task, uint32_t epoch, struct wm_counter *counter,
                        struct wm_error *err)
{
    (void)pthread_mutex_lock(&task->lock);
    int status = fold(task, epoch, counter, err);
    (void)pthread_mutex_unlock(&task->lock);
    return status;
}

int bpe_count_task_spill(struct bpe_count_task *task, uint32_t number, struct bpe_pieces *pieces,
                         struct wm_error *err)
{
    struct bpe_epoch *epoch;
    (void)pthread_mutex_lock(&task->lock);
    int status = find_epoch(task, number, &epoch, err);
    if (!status)
        status = write_table(task, epoch, pieces, err);
    (void)pthread_mutex_unlock(&task->lock);
    return status;
}

/* Workers fold into later epochs meanwhile. */
static int close_epochs(struct bpe_count_task *task, uint32_t last, struct wm_error *err)
{
    int status = 0;
    for (struct bpe_epoch *epoch;;) {
        (void)pthread_mutex_lock(&task->lock);
        epoch = take_first(task, last);
        (void)pthread_mutex_unlock(&task->lock);
        if (!epoch)
            break;
        if (!status && epoch->pieces.n)
            status = write_table(task, epoch, &epoch->pieces, err);
        if (!status)
            status = bpe_counts_take(&task->done, &epoch->counts, err);
        (void)pthread_mutex_lock(&task->lock);
        give_back(task, epoch);
        (void)pthread_mutex_unlock(&task->lock);
    }
    return status;
}

int bpe_count_task_save(struct bpe_count_task *task, uint32_t epoch, struct wm_state_out *state,
                        struct wm_error *err)
{
    int status = close_epochs(task, epoch, err);
    (void)pthread_mutex_lock(&task->file_lock);
    if (!status)
        status = open_file(task, err);
    if (!status)
        status = wm_out_save(task->out, state, err);
    (void)pthread_mutex_unlock(&task->file_lock);
    if (!status)
        bpe_counts_put(&task->done, state);
    return status;
}

int bpe_count_task_load(struct bpe_count_task *task, struct wm_state_in *state,
                        struct wm_error *err)
{
    int status = wm_out_load(task->path, state, &task->out, err);
    return status ? status : bpe_counts_get(&task->done, wm_out_size(task->out), state, err);
}

int bpe_count_task_commit(struct bpe_count_task *task, struct wm_parts *parts, struct wm_error *err)
{
    struct wm_part part = {.name = task->name};
    int status = close_epochs(task, UINT32_MAX, err);
    if (!status)
        status = open_file(task, err);
    if (!status)
        status = bpe_counts_close(&task->done, task->out, err);
    if (status)
        return status;
    struct wm_out *out = task->out;
    task->out = NULL;
    status = wm_out_commit(out, &part.digest, err);
    part.documents = task->done.documents;
    part.text_bytes = task->done.bytes;
    return status ? status : wm_parts_add(parts, &part, err);
}
