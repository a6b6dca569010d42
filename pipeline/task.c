/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/task.h"

#include <stdio.h>
#include <stdlib.h>

#include "pipeline/commit.h"
#include "pipeline/kept.h"
#include "pipeline/point.h"
#include "pipeline/rejects.h"
#include "pipeline/tally.h"
#include "pipeline/thread.h"
#include "pipeline/verdict.h"

/* ---- workers: one batch ---- */

static int survey_batch(struct wm_running *task, struct wm_worker *worker,
                        struct wm_carrier *carrier, struct wm_error *err)
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

/* With points, what is under way when the job is cancelled is finished, and saved. */
static bool drops_work(const struct wm_running *task)
{
    return task->saves ? wm_crew_broken(task->pass->crew) : wm_crew_stopped(task->pass->crew);
}

static void work_on_batch(struct wm_work *work, void *worker_)
{
    struct wm_carrier *carrier = (struct wm_carrier *)(void *)work; /* its first member */
    struct wm_worker *worker = worker_;
    struct wm_running *task = carrier->ring->owner;
    struct wm_pass *pass = task->pass;
    if (!drops_work(task)) {
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

static int write_batch(struct wm_running *task, struct wm_carrier *carrier, struct wm_error *err)
{
    const struct wm_job *job = task->pass->job;
    wm_links_add(job->chain, task->outcome.links, carrier->links);
    int status = 0;
    if (task->sink_task && job->sink->write && carrier->batch.n_docs)
        status = job->sink->write(job->sink_shared, task->sink_task, &carrier->batch, err);
    if (status)
        return wm_error_where(err, "sink %s", job->sink->name);
    if (task->pass->rejects)
        status = wm_rejects_write(&task->rejects, carrier, err);
    return status || !carrier->mark ? status : wm_task_save(task, carrier->mark, err);
}

static void *write_batches(void *task_)
{
    struct wm_running *task = task_;
    for (struct wm_carrier *carrier; (carrier = wm_ring_next(&task->ring));) {
        struct wm_error err;
        if (!drops_work(task) && write_batch(task, carrier, &err))
            wm_crew_fail(task->pass->crew, &err);
        wm_point_mark_free(carrier->mark);
        carrier->mark = NULL;
        wm_ring_recycle(carrier);
    }
    return NULL;
}

/* ---- the lane's thread: reading ---- */

static void show_progress(struct wm_running *task, uint64_t now)
{
    if (now <= task->shown)
        return;
    wm_progress_add(task->pass->job->progress, now - task->shown);
    task->shown = now;
}

/* Text that may still be read. */
static uint64_t rest_of_sample(const struct wm_running *task)
{
    double rate = task->pass->job->sample_rate;
    uint64_t most = (uint64_t)(rate * (double)task->rows->bytes) + 1;
    return rate <= 0 ? UINT64_MAX : task->text < most ? most - task->text : 0;
}

/* 1 = filled, 0 = end, < 0 error. */
static int fill(struct wm_running *task, struct wm_carrier *carrier, struct wm_error *err)
{
    const struct wm_plan *plan = task->pass->plan;
    size_t most = plan->batch_docs, text = plan->batch_text;
    uint64_t rest = rest_of_sample(task);
    if (most > task->most - task->n_read)
        most = (size_t)(task->most - task->n_read);
    task->sampled = rest == 0;
    if (most == 0 || task->sampled)
        return 0;
    int status =
        task->pass->reading->fill(task->reader, &carrier->batch, task->pass->job->chain->schema.n,
                                  text < rest ? text : (size_t)rest, most, err);
    if (status > 0) {
        task->n_read += carrier->batch.n_docs;
        task->text += carrier->batch.text_bytes;
    }
    return status;
}

/* Records of a survey come from batches in any order: they are those up to the point only when no
 * later batch is under way. */
static void put(struct wm_running *task, struct wm_carrier *carrier)
{
    const struct wm_plan *plan = task->pass->plan;
    size_t text = carrier->batch.text_bytes;
    bool waits = task->pass->surveyed && carrier->mark;
    carrier->batch.task = task->number;
    carrier->batch.epoch = task->n_marks;
    task->n_marks += carrier->mark != NULL;
    wm_ring_put(&task->ring, carrier,
                text > plan->batch_text ? (uint64_t)WM_TEXT_COPIES * text : 0);
    if (waits)
        wm_ring_drain(&task->ring);
}

/* Asked to stop: one more batch, empty, for the point behind it. */
static void save_last(struct wm_running *task, struct wm_carrier **ret_unused)
{
    struct wm_error err;
    if (!task->saves || task->complete || wm_crew_broken(task->pass->crew))
        return;
    struct wm_carrier *carrier = wm_ring_take(&task->ring);
    if (wm_task_mark(task, &carrier->mark, &err))
        wm_crew_fail(task->pass->crew, &err);
    if (carrier->mark)
        put(task, carrier);
    else
        *ret_unused = carrier;
}

static void read_batches(struct wm_running *task)
{
    struct wm_pass *pass = task->pass;
    struct wm_carrier *carrier = NULL;
    while (!wm_crew_stopped(pass->crew)) {
        struct wm_error err;
        carrier = wm_ring_take(&task->ring);
        int status = fill(task, carrier, &err);
        if (status > 0 && wm_task_is_due(task) && wm_task_mark(task, &carrier->mark, &err))
            status = err.status;
        if (status < 0)
            wm_crew_fail(pass->crew, &err);
        task->complete = status == 0;
        if (status <= 0)
            break;
        put(task, carrier);
        carrier = NULL;
        show_progress(task, pass->reading->position(task->reader));
    }
    if (!carrier)
        save_last(task, &carrier);
    wm_ring_end(&task->ring, carrier);
    if (task->complete)
        show_progress(task, task->rows->bytes);
}

/* ---- the whole task ---- */

static int open_sink_task(struct wm_running *task, struct wm_error *err)
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

static int open_survey(struct wm_running *task, struct wm_error *err)
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

static int open_task(struct wm_running *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    char path[WM_PATH_MAX];
    int status = wm_outcome_init(&task->outcome, pass->job, task->number, err);
    if (!status)
        status = pass->reading->open(pass->job->inputs, task->rows, &task->reader, err);
    if (!status && pass->reading->allow && pass->job->memory)
        pass->reading->allow(task->reader, &pass->plan->windows);
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

static void close_task(struct wm_running *task)
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
static int note_reading(struct wm_running *task, struct wm_error *err)
{
    const struct wm_reading *reading = task->pass->reading;
    struct wm_outcome *outcome = &task->outcome;
    outcome->read = *reading->tally(task->reader);
    outcome->cut = task->n_read == task->most || task->sampled;
    if (task->sampled && reading->passed)
        outcome->read.bytes_compressed = reading->passed(task->reader);
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

static int commit_survey(struct wm_running *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    char path[WM_PATH_MAX];
    struct wm_side_file *run = &task->outcome.run;
    run->expected = run->written = true;
    int status = wm_run_path(path, pass->job->dir, pass->index, task->number, err);
    if (status || !(status = wm_survey_finish(&task->survey, path, &run->digest, err)))
        return status;
    pthread_mutex_lock(&pass->crew->lock);
    task->pass->of_kept = true;
    pthread_mutex_unlock(&pass->crew->lock);
    return status;
}

static int commit_rejects(struct wm_running *task, struct wm_error *err)
{
    struct wm_side_file *file = &task->outcome.rejects;
    file->expected = true;
    return wm_frames_commit(&task->rejects, &file->written, &file->digest, err);
}

static int commit_task(struct wm_running *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    const struct wm_job *job = pass->job;
    int status = note_reading(task, err);
    if (!status)
        status = wm_ledger_compare(pass->ledger, &task->outcome, err);
    if (!status && pass->surveyed)
        status = commit_survey(task, err);
    if (!status && task->sink_task && job->sink->commit_task)
        status =
            job->sink->commit_task(job->sink_shared, task->sink_task, &task->outcome.parts, err);
    if (!status && pass->rejects)
        status = commit_rejects(task, err);
    if (!status && job->dir)
        status = wm_commit_write(job, pass->index, &task->outcome, err);
    if (!status && task->has_point)
        status = wm_point_remove(job, pass->index, task->number, err);
    if (!status && pass->surveyed)
        status = wm_survey_sweep(&task->survey, err);
    if (!status)
        status = wm_ledger_add(pass->ledger, &task->outcome, false, err);
    if (status)
        return status;
    pthread_mutex_lock(&pass->crew->lock); /* too many bad files: the rest need not be read */
    status = wm_verdict_files(job, pass->ledger, err);
    pthread_mutex_unlock(&pass->crew->lock);
    return status;
}

/* The point does not fit after all. */
static int begin_anew(struct wm_running *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    char path[WM_PATH_MAX], part[WM_PATH_MAX];
    close_task(task);
    *task = (struct wm_running){.pass = task->pass,
                                .rows = task->rows,
                                .number = task->number,
                                .most = task->most,
                                .saves = task->saves};
    int status = wm_point_remove(pass->job, pass->index, task->number, err);
    if (!status && pass->rejects) { /* nobody clears that directory later */
        status = wm_rejects_path(path, pass->job->rejects, task->number, err);
        if (!status && snprintf(part, sizeof part, "%s" WM_OUT_PART, path) < WM_PATH_MAX)
            status = wm_remove(part, err);
    }
    return status ? status : open_task(task, err);
}

/* Where its point says, or at its start. */
static int begin(struct wm_running *task, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    struct wm_state_file point = {0};
    int found = task->saves ? wm_point_open(pass->job, pass->index, task->number, &point, err) : 0;
    int status = found < 0 ? found : open_task(task, err);
    if (!status && found) {
        status = wm_task_load(task, &point.body, err);
        if (status && status != WM_E_NOMEM) {
            wm_job_say(pass->job, "%s%s%s: task %u is done from its beginning", err->where,
                       *err->where ? ": " : "", err->what, (unsigned)task->number);
            status = begin_anew(task, err);
        }
    }
    wm_state_file_close(&point);
    task->point_at = task->shown;
    task->point_time = wm_seconds();
    return status;
}

static int run_task(struct wm_running *task, struct wm_error *err)
{
    int status = begin(task, err);
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
    if (!status && task->complete && !wm_crew_broken(task->pass->crew))
        status = commit_task(task, err);
    return status;
}

void wm_task_run(struct wm_pass *pass, uint32_t number, uint64_t most)
{
    struct wm_error err;
    struct wm_running *task = calloc(1, sizeof *task);
    int status = task ? 0 : wm_fail_nomem(&err, sizeof *task, "a task");
    if (!status) {
        task->pass = pass;
        task->rows = &pass->job->inputs->tasks[number];
        task->number = number;
        task->most = most;
        task->saves = wm_task_saves(pass);
        status = run_task(task, &err);
    }
    if (status)
        wm_crew_fail(pass->crew, &err);
    if (task)
        close_task(task);
    free(task);
}
