/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/task.h"

#include <stdlib.h>

#include "pipeline/commit.h"
#include "pipeline/rejects.h"
#include "pipeline/survey.h"
#include "pipeline/tally.h"
#include "pipeline/thread.h"
#include "pipeline/verdict.h"

struct task {
    struct wm_pass *pass;
    const struct wm_task *rows;
    uint32_t number;
    uint64_t most, n_read; /* documents */
    struct wm_reader *reader;
    struct wm_ring ring;
    void *sink_task;
    struct wm_frames rejects;
    struct wm_survey survey;
    struct wm_outcome outcome;
};

/* ---- workers: one batch ---- */

static int survey_batch(struct task *task, struct wm_worker *worker, struct wm_carrier *carrier,
                        struct wm_error *err)
{
    const struct wm_link *link = task->pass->surveyed;
    size_t at = task->pass->n_links;
    carrier->links[at].documents_in += carrier->batch.n_docs;
    if (!carrier->batch.n_docs)
        return 0;
    struct wm_records *records;
    int status = wm_survey_borrow(&task->survey, &records, err);
    if (status)
        return status;
    carrier->batch.stage = (uint32_t)at;
    status =
        link->stage->survey(link->shared, worker->locals.items[at], &carrier->batch, records, err);
    wm_survey_return(&task->survey, records);
    return status ? wm_error_where(err, "stage %s", link->stage->name) : 0;
}

static int prepare_batch(struct wm_worker *worker, struct wm_carrier *carrier, struct wm_error *err)
{
    const struct wm_pass *pass = worker->pass;
    const struct wm_sink *sink = pass->job->sink;
    int status = 0;
    if (sink && sink->prepare && carrier->batch.n_docs)
        status = sink->prepare(pass->job->sink_shared, worker->sink_local, &carrier->batch, err);
    if (status)
        return wm_error_where(err, "sink %s", sink->name);
    return pass->rejects ? wm_rejects_prepare(pass->job->chain, carrier, &worker->buf, err) : 0;
}

static void work_on_batch(struct wm_work *work, void *worker_)
{
    struct wm_carrier *carrier = (struct wm_carrier *)(void *)work; /* its first member */
    struct wm_worker *worker = worker_;
    struct task *task = carrier->ring->owner;
    struct wm_pass *pass = task->pass;
    if (!wm_crew_stopped(pass->crew)) {
        struct wm_error err;
        int status = wm_chain_apply(&worker->locals, pass->n_links, &carrier->batch, carrier->links,
                                    pass->rejects ? &carrier->dropped : NULL, &err);
        if (!status)
            status = pass->surveyed ? survey_batch(task, worker, carrier, &err)
                                    : prepare_batch(worker, carrier, &err);
        if (status)
            wm_crew_fail(pass->crew, &err);
    }
    wm_ring_deliver(carrier);
}

/* ---- the sink thread: batches in order ---- */

static int write_batch(struct task *task, struct wm_carrier *carrier, struct wm_error *err)
{
    const struct wm_job *job = task->pass->job;
    wm_links_add(job->chain, task->outcome.links, carrier->links);
    int status = 0;
    if (task->sink_task && job->sink->write && carrier->batch.n_docs)
        status = job->sink->write(job->sink_shared, task->sink_task, &carrier->batch, err);
    if (status)
        return wm_error_where(err, "sink %s", job->sink->name);
    return task->pass->rejects ? wm_rejects_write(&task->rejects, carrier, err) : 0;
}

static void *write_batches(void *task_)
{
    struct task *task = task_;
    for (struct wm_carrier *carrier; (carrier = wm_ring_next(&task->ring));) {
        struct wm_error err;
        if (!wm_crew_stopped(task->pass->crew) && write_batch(task, carrier, &err))
            wm_crew_fail(task->pass->crew, &err);
        wm_ring_recycle(carrier);
    }
    return NULL;
}

/* ---- the lane's thread: reading ---- */

static void show_progress(const struct task *task, uint64_t *shown, uint64_t now)
{
    if (now > *shown)
        wm_progress_add(task->pass->job->progress, now - *shown);
    *shown = now > *shown ? now : *shown;
}

/* 1 = filled, 0 = end, < 0 error. */
static int fill(struct task *task, struct wm_carrier *carrier, struct wm_error *err)
{
    const struct wm_plan *plan = task->pass->plan;
    size_t most = plan->batch_docs;
    if (most > task->most - task->n_read)
        most = (size_t)(task->most - task->n_read);
    if (most == 0)
        return 0;
    int status =
        task->pass->reading->fill(task->reader, &carrier->batch, task->pass->job->chain->schema.n,
                                  plan->batch_text, most, err);
    if (status > 0)
        task->n_read += carrier->batch.n_docs;
    return status;
}

static void read_batches(struct task *task)
{
    struct wm_pass *pass = task->pass;
    struct wm_carrier *carrier = NULL;
    uint64_t shown = 0;
    while (!wm_crew_stopped(pass->crew)) {
        struct wm_error err;
        carrier = wm_ring_take(&task->ring);
        int status = fill(task, carrier, &err);
        if (status < 0)
            wm_crew_fail(pass->crew, &err);
        if (status <= 0)
            break;
        size_t text = carrier->batch.text_bytes;
        wm_ring_put(&task->ring, carrier,
                    text > pass->plan->batch_text ? (uint64_t)WM_TEXT_COPIES * text : 0);
        carrier = NULL;
        show_progress(task, &shown, pass->reading->position(task->reader));
    }
    wm_ring_end(&task->ring, carrier);
    show_progress(task, &shown, task->rows->bytes);
}

/* ---- the whole task ---- */

static int open_sink_task(struct task *task, struct wm_error *err)
{
    const struct wm_job *job = task->pass->job;
    if (!job->sink || task->pass->surveyed)
        return 0;
    size_t size = job->sink->task_size ? job->sink->task_size : 1;
    task->sink_task = calloc(1, size);
    if (!task->sink_task)
        return wm_fail_nomem(err, size, job->sink->name);
    int status = job->sink->open_task ? job->sink->open_task(job->sink_shared, task->sink_task,
                                                             job->dir, task->number, err)
                                      : 0;
    return status ? wm_error_where(err, "sink %s", job->sink->name) : 0;
}

static int open_survey(struct task *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    char path[WM_PATH_MAX];
    int status = wm_run_path(path, pass->job->dir, pass->index, task->number, err);
    return status
               ? status
               : wm_survey_open(&task->survey, pass->crew, path,
                                pass->surveyed->stage->survey_form(pass->surveyed->shared).record,
                                pass->plan->n_writers, pass->plan->writer_memory, err);
}

static int open_task(struct task *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    char path[WM_PATH_MAX];
    int status = wm_outcome_init(&task->outcome, pass->job, task->number, err);
    if (!status)
        status = pass->reading->open(pass->job->inputs, task->rows, &task->reader, err);
    if (!status)
        status = open_sink_task(task, err);
    if (!status && pass->surveyed)
        status = open_survey(task, err);
    if (!status && pass->rejects)
        status = wm_rejects_path(path, pass->job->rejects, task->number, err);
    if (!status && pass->rejects)
        status = wm_frames_open(&task->rejects, pass->crew, pass->rejects, path, err);
    return status;
}

static void close_task(struct task *task)
{
    const struct wm_job *job = task->pass->job;
    wm_survey_close(&task->survey);
    wm_frames_close(&task->rejects);
    if (task->sink_task && job->sink->close_task)
        job->sink->close_task(task->sink_task);
    free(task->sink_task);
    if (task->reader)
        task->pass->reading->close(task->reader);
    wm_outcome_done(&task->outcome);
}

/* The reader's words die with it. A task that was cut has read no file to its end: no hashes. */
static int note_reading(struct task *task, struct wm_error *err)
{
    const struct wm_reading *reading = task->pass->reading;
    struct wm_outcome *outcome = &task->outcome;
    outcome->read = *reading->tally(task->reader);
    outcome->cut = task->n_read == task->most;
    if (outcome->cut)
        outcome->read.documents = task->n_read;
    else if (task->rows->n)
        memcpy(outcome->hashes, reading->hashes(task->reader),
               task->rows->n * sizeof *outcome->hashes);
    uint64_t n = outcome->read.n_damage;
    outcome->n_damage = n < WM_DAMAGE_MAX ? (size_t)n : WM_DAMAGE_MAX;
    outcome->damage = wm_arena_alloc(&outcome->arena, outcome->n_damage, sizeof *outcome->damage);
    if (!outcome->damage)
        return wm_fail_nomem(err, outcome->n_damage * sizeof *outcome->damage, "list of damage");
    const struct wm_damage *list = reading->damage(task->reader);
    for (size_t i = 0; i < outcome->n_damage; i++) {
        struct wm_damage *to = &outcome->damage[i];
        *to = list[i];
        to->path = wm_arena_cstr(&outcome->arena, wm_str_of(list[i].path));
        to->what = wm_arena_cstr(&outcome->arena, wm_str_of(list[i].what));
        if (!to->path || !to->what)
            return wm_fail_nomem(err, WM_PATH_MAX, "list of damage");
    }
    return 0;
}

static int commit_survey(struct task *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    char path[WM_PATH_MAX];
    struct wm_side_file *run = &task->outcome.run;
    run->expected = run->written = true;
    int status = wm_run_path(path, pass->job->dir, pass->index, task->number, err);
    return status ? status : wm_survey_finish(&task->survey, path, &run->digest, err);
}

static int commit_rejects(struct task *task, struct wm_error *err)
{
    struct wm_side_file *file = &task->outcome.rejects;
    file->expected = true;
    return wm_frames_commit(&task->rejects, &file->written, &file->digest, err);
}

static int commit_task(struct task *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    const struct wm_job *job = pass->job;
    int status = note_reading(task, err);
    if (!status && pass->surveyed)
        status = commit_survey(task, err);
    if (!status && task->sink_task && job->sink->commit_task)
        status =
            job->sink->commit_task(job->sink_shared, task->sink_task, &task->outcome.parts, err);
    if (!status && pass->rejects)
        status = commit_rejects(task, err);
    if (!status && job->dir)
        status = wm_commit_write(job, pass->index, &task->outcome, err);
    if (!status)
        status = wm_ledger_add(pass->ledger, &task->outcome, false, err);
    if (status)
        return status;
    pthread_mutex_lock(&pass->crew->lock); /* too many bad files: the rest need not be read */
    status = wm_verdict_files(job, pass->ledger, err);
    pthread_mutex_unlock(&pass->crew->lock);
    return status;
}

static int run_task(struct task *task, struct wm_error *err)
{
    int status = open_task(task, err);
    if (status)
        return status;
    status = wm_ring_init(&task->ring, &task->pass->stock, work_on_batch, task, err);
    if (status)
        return status;
    pthread_t sink;
    status = wm_thread_start(&sink, write_batches, task, err);
    if (!status) {
        read_batches(task);
        (void)pthread_join(sink, NULL);
    }
    wm_ring_done(&task->ring);
    if (!status && !wm_crew_stopped(task->pass->crew))
        status = commit_task(task, err);
    return status;
}

void wm_task_run(struct wm_pass *pass, uint32_t number, uint64_t most)
{
    struct wm_error err;
    struct task *task = calloc(1, sizeof *task);
    int status = task ? 0 : wm_fail_nomem(&err, sizeof *task, "a task");
    if (!status) {
        task->pass = pass;
        task->rows = &pass->job->inputs->tasks[number];
        task->number = number;
        task->most = most;
        status = run_task(task, &err);
    }
    if (status)
        wm_crew_fail(pass->crew, &err);
    if (task)
        close_task(task);
    free(task);
}
