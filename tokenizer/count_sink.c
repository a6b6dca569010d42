/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/count_sink.h"

#include <pthread.h>
#include <stdlib.h>

/* A worker folds after this much text: so that its table stays small beside the trainer's, and
 * folding (a few percent of counting) does not make the others wait. */
enum { FOLD_TEXT = 16 << 20 };

struct wm_count_lock {
    pthread_mutex_t mutex;
};

struct local {
    struct wm_counter *counter;
    size_t bytes; /* counted since the last fold */
};

static int sink_open(void *state, const struct wm_env *env, struct wm_error *err)
{
    struct wm_count_sink *shared = state;
    (void)env;
    if (!shared->trainer)
        return wm_fail(err, WM_E_CONFIG, "count-pieces has no trainer");
    shared->lock = malloc(sizeof *shared->lock);
    if (!shared->lock)
        return wm_fail_nomem(err, sizeof *shared->lock, "counting pieces");
    (void)pthread_mutex_init(&shared->lock->mutex, NULL); /* cannot fail with default attributes */
    return 0;
}

static void sink_close(void *state)
{
    struct wm_count_sink *shared = state;
    if (shared->lock)
        (void)pthread_mutex_destroy(&shared->lock->mutex);
    free(shared->lock);
    shared->lock = NULL;
}

static size_t memory(const void *state, unsigned n_workers, unsigned n_tasks_at_once)
{
    const struct wm_count_sink *shared = state;
    (void)n_workers;
    (void)n_tasks_at_once;
    return (size_t)shared->memory;
}

static int open_local(const void *state, void *local_state, struct wm_error *err)
{
    const struct wm_count_sink *shared = state;
    struct local *local = local_state;
    return wm_counter_new(shared->trainer, &local->counter, err);
}

static int fold(const struct wm_count_sink *shared, struct local *local, struct wm_error *err)
{
    (void)pthread_mutex_lock(&shared->lock->mutex);
    int status = wm_trainer_fold(shared->trainer, local->counter, err);
    (void)pthread_mutex_unlock(&shared->lock->mutex);
    local->bytes = 0;
    return status;
}

/* Byte of the file at which the record begins, or the compressed member that holds it. */
static uint64_t start_of(const struct wm_location *location)
{
    return location->member_length || location->member_offset ? location->member_offset
                                                              : location->offset;
}

static int prepare(const void *state, void *local_state, struct wm_batch *batch,
                   struct wm_error *err)
{
    const struct wm_count_sink *shared = state;
    struct local *local = local_state;
    int status = 0;
    for (size_t i = 0; !status && i < batch->n_docs; i++) {
        const struct wm_doc *doc = &batch->docs[i];
        if ((shared->weights && !shared->weights[doc->row]) ||
            !wm_trainer_takes(shared->trainer, doc->text))
            continue;
        if (shared->weights)
            wm_counter_weigh(local->counter, shared->weights[doc->row]);
        status = wm_counter_add(local->counter, doc->text, err);
        if (status == WM_E_LIMIT)
            (void)wm_error_where(err, "%.*s: record at byte %llu", (int)doc->path.len,
                                 doc->path.ptr, (unsigned long long)start_of(&doc->location));
        local->bytes += doc->text.len;
        if (!status && wm_counter_is_full(local->counter))
            status = fold(shared, local, err);
    }
    uint64_t most = shared->fold_text ? shared->fold_text : FOLD_TEXT;
    return status || local->bytes < most ? status : fold(shared, local, err);
}

/* A task leaves nothing behind: what it counted is in the workers' counters. */
static int open_task(const void *state, void *task, const char *dir, uint32_t number,
                     struct wm_error *err)
{
    (void)state, (void)task, (void)dir, (void)number, (void)err;
    return 0;
}

static int write_batch(const void *state, void *task, struct wm_batch *batch, struct wm_error *err)
{
    (void)state, (void)task, (void)batch, (void)err;
    return 0;
}

static int commit_task(const void *state, void *task, struct wm_parts *parts, struct wm_error *err)
{
    (void)state, (void)task, (void)parts, (void)err;
    return 0;
}

static void close_task(void *task)
{
    (void)task;
}

static int merge(void *state, void *local_state, struct wm_error *err)
{
    return fold(state, local_state, err);
}

static void close_local(void *local_state)
{
    struct local *local = local_state;
    wm_counter_free(local->counter);
}

static const struct wm_option options[] = {{0}};

const struct wm_sink wm_sink_count = {
    .name = "count-pieces",
    .summary = "count the pieces that a tokenizer is trained on",
    .version = 1,
    .options = options,
    .shared_size = sizeof(struct wm_count_sink),
    .local_size = sizeof(struct local),
    .open = sink_open,
    .memory = memory,
    .open_local = open_local,
    .prepare = prepare,
    .open_task = open_task,
    .write = write_batch,
    .commit_task = commit_task,
    .close_task = close_task,
    .merge = merge,
    .close_local = close_local,
    .close = sink_close,
};
