/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/count_sink.h"

#include <pthread.h>
#include <stdlib.h>

#include "tokenizer/count_task.h"
#include "tokenizer/trainer.h"
#include "wetmill/inputs.h"

/* A worker folds after this much text: so that its table stays small beside the trainer's, and
 * folding (a few percent of counting) does not make the others wait. */
enum { FOLD_TEXT = 16 << 20 };

struct local;
struct task;

struct wm_count_lock {
    pthread_mutex_t mutex; /* guards the trainer, and the list of tasks */
    struct task *tasks;    /* under way, where there is a directory */
    struct local *locals;  /* all; changes only while no task is under way */
    uint64_t table_memory; /* of a task's tables, each */
};

/* What a worker counts is of one epoch of one task at a time (count_task.h). */
struct local {
    pthread_mutex_t mutex; /* guards the rest, against who saves a task */
    struct local *next;
    const struct wm_count_sink *shared;
    struct wm_counter *counter;
    size_t bytes; /* counted since the last fold */
    struct task *task;
    uint32_t epoch;
};

struct task {
    struct task *next;
    struct wm_count_lock *lock; /* NULL: there is no directory, counts go to the trainer */
    struct bpe_count_task counts;
    uint32_t number, n_points;
};

static int sink_open(void *state, const struct wm_env *env, struct wm_error *err)
{
    struct wm_count_sink *shared = state;
    if (!shared->trainer)
        return wm_fail(err, WM_E_CONFIG, "count-pieces has no trainer");
    shared->lock = calloc(1, sizeof *shared->lock);
    if (!shared->lock)
        return wm_fail_nomem(err, sizeof *shared->lock, "counting pieces");
    (void)pthread_mutex_init(&shared->lock->mutex, NULL); /* cannot fail with default attributes */
    /* The trainer's own table is empty while tasks have theirs, two each. */
    uint64_t n = env->n_workers ? env->n_workers : 1;
    if (env->inputs && env->inputs->n_tasks && env->inputs->n_tasks < n)
        n = env->inputs->n_tasks;
    shared->lock->table_memory = shared->trainer->pieces.memory / 2 / n;
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

/* ---- one worker ---- */

static int spill(void *arg, struct bpe_pieces *pieces, struct wm_error *err)
{
    const struct local *local = arg;
    return local->task ? bpe_count_task_spill(&local->task->counts, local->epoch, pieces, err)
                       : bpe_spill_table(local->shared->trainer->spill, pieces, err);
}

static int open_local(const void *state, void *local_state, struct wm_error *err)
{
    const struct wm_count_sink *shared = state;
    struct local *local = local_state;
    int status = wm_counter_new(shared->trainer, &local->counter, err);
    if (status)
        return status;
    (void)pthread_mutex_init(&local->mutex, NULL);
    local->shared = shared;
    local->counter->spill = spill;
    local->counter->spill_arg = local;
    local->next = shared->lock->locals;
    shared->lock->locals = local;
    return 0;
}

/* With the local's mutex held. */
static int fold(struct local *local, struct wm_error *err)
{
    const struct wm_count_sink *shared = local->shared;
    int status;
    local->bytes = 0;
    if (local->task)
        return bpe_count_task_fold(&local->task->counts, local->epoch, local->counter, err);
    (void)pthread_mutex_lock(&shared->lock->mutex);
    status = wm_trainer_fold(shared->trainer, local->counter, err);
    (void)pthread_mutex_unlock(&shared->lock->mutex);
    return status;
}

static struct task *find_task(struct wm_count_lock *lock, uint32_t number)
{
    (void)pthread_mutex_lock(&lock->mutex);
    struct task *task = lock->tasks;
    while (task && task->number != number)
        task = task->next;
    (void)pthread_mutex_unlock(&lock->mutex);
    return task;
}

/* What is counted from now on is the batch's. */
static int turn_to(struct local *local, const struct wm_batch *batch, struct wm_error *err)
{
    struct task *task = find_task(local->shared->lock, batch->task);
    int status = 0;
    if (task != local->task || (task && local->epoch != batch->epoch))
        status = fold(local, err);
    local->task = task;
    local->epoch = batch->epoch;
    return status;
}

/* Byte of the file at which the record begins, or the compressed member that holds it. */
static uint64_t start_of(const struct wm_location *location)
{
    return location->member_length || location->member_offset ? location->member_offset
                                                              : location->offset;
}

static int count_batch(struct local *local, const struct wm_batch *batch, struct wm_error *err)
{
    const struct wm_count_sink *shared = local->shared;
    int status = turn_to(local, batch, err);
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
            status = fold(local, err);
    }
    uint64_t most = shared->fold_text ? shared->fold_text : FOLD_TEXT;
    return status || local->bytes < most ? status : fold(local, err);
}

static int prepare(const void *state, void *local_state, struct wm_batch *batch,
                   struct wm_error *err)
{
    struct local *local = local_state;
    (void)state;
    (void)pthread_mutex_lock(&local->mutex);
    int status = count_batch(local, batch, err);
    (void)pthread_mutex_unlock(&local->mutex);
    return status;
}

/* ---- one task ---- */

static int open_task(const void *state, void *task_state, const char *dir, uint32_t number,
                     struct wm_error *err)
{
    const struct wm_count_sink *shared = state;
    struct task *task = task_state;
    if (!dir)
        return 0;
    int status = bpe_count_task_open(&task->counts, dir, number, shared->lock->table_memory, err);
    if (status)
        return status;
    task->lock = shared->lock;
    task->number = number;
    (void)pthread_mutex_lock(&task->lock->mutex);
    task->next = task->lock->tasks;
    task->lock->tasks = task;
    (void)pthread_mutex_unlock(&task->lock->mutex);
    return 0;
}

/* Batches are counted before they come here. */
static int write_batch(const void *state, void *task, struct wm_batch *batch, struct wm_error *err)
{
    (void)state, (void)task, (void)batch, (void)err;
    return 0;
}

/* What workers have counted of the task, in epochs up to `last`; they are at later ones, if at any
 * of this task. */
static int collect(struct task *task, uint32_t last, struct wm_error *err)
{
    int status = 0;
    for (struct local *l = task->lock->locals; !status && l; l = l->next) {
        (void)pthread_mutex_lock(&l->mutex);
        if (l->task == task && l->epoch <= last)
            status = fold(l, err);
        (void)pthread_mutex_unlock(&l->mutex);
    }
    return status;
}

static int save_task(const void *state, void *task_state, struct wm_state_out *point,
                     struct wm_error *err)
{
    struct task *task = task_state;
    uint32_t epoch = task->n_points++;
    (void)state;
    int status = collect(task, epoch, err);
    return status ? status : bpe_count_task_save(&task->counts, epoch, point, err);
}

static int load_task(const void *state, void *task_state, struct wm_state_in *point,
                     struct wm_error *err)
{
    struct task *task = task_state;
    (void)state;
    return bpe_count_task_load(&task->counts, point, err);
}

static int commit_task(const void *state, void *task_state, struct wm_parts *parts,
                       struct wm_error *err)
{
    struct task *task = task_state;
    (void)state;
    if (!task->lock)
        return 0;
    int status = collect(task, UINT32_MAX, err);
    return status ? status : bpe_count_task_commit(&task->counts, parts, err);
}

/* Counts of a task that failed, or was stopped, are of no use. */
static void close_task(void *task_state)
{
    struct task *task = task_state;
    if (!task->lock)
        return;
    for (struct local *l = task->lock->locals; l; l = l->next) {
        (void)pthread_mutex_lock(&l->mutex);
        if (l->task == task) {
            bpe_counter_clear(l->counter);
            l->task = NULL;
        }
        (void)pthread_mutex_unlock(&l->mutex);
    }
    (void)pthread_mutex_lock(&task->lock->mutex);
    struct task **at = &task->lock->tasks;
    while (*at != task)
        at = &(*at)->next;
    *at = task->next;
    (void)pthread_mutex_unlock(&task->lock->mutex);
    bpe_count_task_done(&task->counts);
}

/* ---- all of it ---- */

static int merge(void *state, void *local_state, struct wm_error *err)
{
    (void)state;
    return fold(local_state, err);
}

static void close_local(void *local_state)
{
    struct local *local = local_state;
    if (!local->counter)
        return;
    wm_counter_free(local->counter);
    (void)pthread_mutex_destroy(&local->mutex);
}

int wm_count_load(const char *dir, const struct wm_parts *parts, struct wm_bpe_trainer *trainer,
                  struct wm_cancel *cancel, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < parts->n; i++) {
        char path[WM_PATH_MAX];
        status = wm_path_join(path, dir, parts->items[i].name, err);
        if (!status)
            status = wm_cancel_check(cancel, err);
        if (!status)
            status = bpe_counts_load(trainer, path, err);
    }
    return status;
}

static const struct wm_option options[] = {{0}};

const struct wm_sink wm_sink_count = {
    .name = "count-pieces",
    .summary = "count the pieces that a tokenizer is trained on",
    .version = 1,
    .options = options,
    .shared_size = sizeof(struct wm_count_sink),
    .local_size = sizeof(struct local),
    .task_size = sizeof(struct task),
    .open = sink_open,
    .memory = memory,
    .open_local = open_local,
    .prepare = prepare,
    .open_task = open_task,
    .write = write_batch,
    .commit_task = commit_task,
    .save_task = save_task,
    .load_task = load_task,
    .close_task = close_task,
    .merge = merge,
    .close_local = close_local,
    .close = sink_close,
};
