/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pass.h"

#include <stdlib.h>

#include "pipeline/task.h"
#include "pipeline/thread.h"

/* Last resort against a runaway; what a batch holds is bounded by the reader. */
static const size_t max_scratch = (size_t)1 << 32;

/* With a limit, tasks go one after the other: what the earlier ones gave is known. */
static bool find_task(struct wm_pass *pass, uint32_t *ret_number, uint64_t *ret_most)
{
    const struct wm_job *job = pass->job;
    uint32_t n = job->inputs->n_tasks;
    while (pass->next < n) {
        uint32_t at = pass->next++, number = job->reverse && !job->limit ? n - 1 - at : at;
        if (job->limit && number > 0)
            pass->n_before += pass->ledger->documents[number - 1];
        if (job->limit && pass->n_before >= job->limit)
            return false;
        if (pass->ledger->done[number])
            continue;
        *ret_number = number;
        *ret_most = job->limit ? job->limit - pass->n_before : UINT64_MAX;
        return true;
    }
    return false;
}

static bool next_task(struct wm_pass *pass, uint32_t *ret_number, uint64_t *ret_most)
{
    if (wm_crew_stopped(pass->crew))
        return false;
    pthread_mutex_lock(&pass->crew->lock);
    bool found = find_task(pass, ret_number, ret_most);
    pthread_mutex_unlock(&pass->crew->lock);
    return found;
}

static void *run_lane(void *pass_)
{
    struct wm_pass *pass = pass_;
    uint32_t number;
    uint64_t most;
    while (next_task(pass, &number, &most))
        wm_task_run(pass, number, most);
    wm_stock_leave(&pass->stock);
    return NULL;
}

static void *run_worker(void *worker_)
{
    struct wm_worker *worker = worker_;
    wm_crew_serve(worker->pass->crew, worker);
    return NULL;
}

static int open_worker(struct wm_worker *worker, struct wm_pass *pass, struct wm_error *err)
{
    const struct wm_job *job = pass->job;
    const struct wm_sink *sink = pass->surveyed ? NULL : job->sink;
    worker->pass = pass;
    wm_buf_init(&worker->buf, max_scratch);
    int status =
        wm_locals_open(&worker->locals, job->chain, pass->n_links + (pass->surveyed != NULL), err);
    if (status || !sink)
        return status;
    size_t size = sink->local_size ? sink->local_size : 1;
    worker->sink_local = calloc(1, size);
    if (!worker->sink_local)
        return wm_fail_nomem(err, size, sink->name);
    status = sink->open_local ? sink->open_local(job->sink_shared, worker->sink_local, err) : 0;
    return status ? wm_error_where(err, "sink %s", sink->name) : 0;
}

static int merge_worker(struct wm_worker *worker, struct wm_error *err)
{
    const struct wm_job *job = worker->pass->job;
    int status = wm_locals_merge(&worker->locals, err);
    if (!status && worker->sink_local && job->sink->merge) {
        status = job->sink->merge(job->sink_shared, worker->sink_local, err);
        if (status)
            (void)wm_error_where(err, "sink %s", job->sink->name);
    }
    return status;
}

static void close_worker(struct wm_worker *worker)
{
    const struct wm_sink *sink = worker->pass ? worker->pass->job->sink : NULL;
    if (sink && worker->sink_local && sink->close_local)
        sink->close_local(worker->sink_local);
    free(worker->sink_local);
    wm_locals_close(&worker->locals);
    wm_buf_done(&worker->buf);
}

/* Start workers, then lanes; wait for lanes, then workers. Lanes never start without a worker. */
static void run_threads(struct wm_pass *pass, struct wm_worker *workers, pthread_t *lanes,
                        size_t n_lanes)
{
    struct wm_error err;
    size_t n_workers = 0, started = 0;
    int status = 0;
    for (; !status && n_workers < pass->plan->n_workers; n_workers += !status)
        status = wm_thread_start(&workers[n_workers].thread, run_worker, &workers[n_workers], &err);
    for (; !status && started < n_lanes; started += !status)
        status = wm_thread_start(&lanes[started], run_lane, pass, &err);
    if (status)
        wm_crew_fail(pass->crew, &err);
    for (size_t i = started; i < n_lanes; i++)
        wm_stock_leave(&pass->stock);
    for (size_t i = 0; i < started; i++)
        (void)pthread_join(lanes[i], NULL);
    wm_crew_close(pass->crew);
    for (size_t i = 0; i < n_workers; i++)
        (void)pthread_join(workers[i].thread, NULL);
    wm_crew_reopen(pass->crew);
}

static int run(struct wm_pass *pass, struct wm_worker *workers, size_t n_lanes,
               struct wm_error *err)
{
    pthread_t *lanes = calloc(n_lanes, sizeof *lanes);
    if (!lanes)
        return wm_fail_nomem(err, n_lanes * sizeof *lanes, "threads");
    int status = 0;
    for (unsigned i = 0; !status && i < pass->plan->n_workers; i++)
        status = open_worker(&workers[i], pass, err);
    if (!status)
        run_threads(pass, workers, lanes, n_lanes);
    free(lanes);
    if (!status && wm_crew_stopped(pass->crew)) {
        *err = pass->crew->error;
        return err->status;
    }
    for (unsigned i = 0; !status && !pass->surveyed && i < pass->plan->n_workers; i++)
        status = merge_worker(&workers[i], err);
    return status;
}

static size_t count_tasks(const struct wm_pass *pass)
{
    size_t n = 0;
    for (uint32_t t = 0; t < pass->job->inputs->n_tasks; t++)
        n += !pass->ledger->done[t];
    return n;
}

int wm_pass_run(struct wm_pass *pass, struct wm_error *err)
{
    /* no text is longer than a record; what stages and sinks make of it has room to spare, and
     * memory is kept in bounds by admission, not by this */
    const size_t copies = 256;
    size_t n_tasks = count_tasks(pass), n_workers = pass->plan->n_workers;
    if (!n_tasks)
        return 0;
    uint64_t record = pass->job->inputs->options.max_record;
    size_t largest = record > WM_BATCH_TEXT ? (size_t)record : WM_BATCH_TEXT;
    size_t n_lanes = n_tasks < pass->plan->n_tasks ? n_tasks : pass->plan->n_tasks;
    struct wm_worker *workers = calloc(n_workers, sizeof *workers);
    if (!workers)
        return wm_fail_nomem(err, n_workers * sizeof *workers, "workers");
    pass->next = 0;
    pass->n_before = 0;
    int status = wm_stock_init(&pass->stock, pass->crew, pass->job->chain, pass->plan->n_batches,
                               n_lanes, copies * largest, err);
    pass->stock.keep_bytes = pass->plan->batch_bytes;
    pass->stock.large_limit = pass->plan->large_limit;
    if (!status)
        status = run(pass, workers, n_lanes, err);
    for (size_t i = 0; i < n_workers; i++)
        close_worker(&workers[i]);
    free(workers);
    wm_stock_done(&pass->stock);
    return status;
}
