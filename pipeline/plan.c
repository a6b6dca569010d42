/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/plan.h"

#include "pipeline/chain.h"
#include "pipeline/frames.h"
#include "pipeline/window.h"

enum {
    READER_BYTES = 24 << 20,    /* source buffer, members held back, WM_USUAL_WINDOW */
    BATCHES_BESIDE_WORKERS = 2, /* one being read, one being written */
    WRITER_LEAST = 2 << 20,     /* survey records in memory before they spill */
    WRITER_MOST = 64 << 20,
    DOC_BYTES = 1024, /* of a document, beside its text */
    JSON_COPIES = 3,  /* a large document in a frame: line, compressed, slack */
    MB = 1000 * 1000,
};

static uint64_t stage_bytes(const struct wm_chain *chain, unsigned n_workers)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < chain->n; i++) {
        const struct wm_link *link = &chain->links[i];
        bytes += link->stage->shared_size + (uint64_t)n_workers * link->stage->local_size;
        if (link->stage->memory)
            bytes += link->stage->memory(link->shared, n_workers);
    }
    return bytes;
}

static uint64_t sink_bytes(const struct wm_job *job, const struct wm_plan *plan)
{
    uint64_t large = JSON_COPIES * job->inputs->options.max_record, bytes = 0;
    if (job->sink) {
        bytes += job->sink->shared_size + (uint64_t)plan->n_workers * job->sink->local_size +
                 (uint64_t)plan->n_tasks * (job->sink->task_size + large);
        if (job->sink->memory)
            bytes += job->sink->memory(job->sink_shared, plan->n_workers, plan->n_tasks);
    }
    if (job->rejects)
        bytes += plan->n_workers *
                     (wm_packer_memory(WM_PACK_ZSTD, WM_ZSTD_LEVEL) + (uint64_t)4 * WM_BATCH_TEXT) +
                 plan->n_tasks * (wm_frames_memory() + large);
    return bytes;
}

/* Everything but the memory of survey writers. */
static uint64_t bytes_without_survey(const struct wm_job *job, const struct wm_plan *plan)
{
    uint64_t threads = plan->n_workers + 2 * (uint64_t)plan->n_tasks;
    return plan->n_batches * (uint64_t)plan->batch_bytes + plan->large_limit +
           plan->n_tasks * (plan->reader_bytes + 2 * job->inputs->options.max_record) +
           threads * WM_STACK_BYTES + stage_bytes(job->chain, plan->n_workers) +
           sink_bytes(job, plan) + (uint64_t)job->inputs->n_tasks * 128 +
           (uint64_t)job->inputs->n_rows * 16;
}

static uint64_t survey_bytes(const struct wm_job *job, const struct wm_plan *plan)
{
    return wm_chain_surveys(job->chain)
               ? (uint64_t)plan->n_tasks * plan->n_writers * plan->writer_memory
               : 0;
}

static uint64_t reader_bytes(const struct wm_job *job)
{
    uint64_t window = wm_window_most(job->inputs);
    return READER_BYTES + (window > WM_USUAL_WINDOW ? window - WM_USUAL_WINDOW : 0);
}

static void shape(const struct wm_job *job, uint64_t reader, unsigned n_workers, unsigned n_tasks,
                  size_t batch_text, struct wm_plan *plan)
{
    *plan = (struct wm_plan){.reader_bytes = reader,
                             .n_workers = n_workers,
                             .n_tasks = n_tasks,
                             .batch_text = batch_text};
    plan->batch_docs = job->batch_docs ? job->batch_docs : WM_BATCH_DOCS;
    plan->batch_bytes = WM_TEXT_COPIES * batch_text + plan->batch_docs * DOC_BYTES;
    plan->large_limit = WM_TEXT_COPIES * job->inputs->options.max_record;
    unsigned per_task = (n_workers + n_tasks - 1) / n_tasks;
    plan->n_batches = (size_t)n_tasks * (per_task + BATCHES_BESIDE_WORKERS);
    plan->n_writers = per_task;
    plan->writer_memory = WRITER_LEAST;
    plan->need = bytes_without_survey(job, plan) + survey_bytes(job, plan);
}

static size_t full_batch(const struct wm_job *job)
{
    return job->batch_text ? job->batch_text : WM_BATCH_TEXT;
}

/* With a limit on documents, tasks run one after the other: what is read must not depend on which
 * task is quicker. */
static unsigned most_tasks(const struct wm_job *job, unsigned n_workers)
{
    unsigned n = job->limit || !job->inputs->n_tasks ? 1 : job->inputs->n_tasks;
    return n < n_workers ? n : n_workers;
}

void wm_plan_least(const struct wm_job *job, struct wm_plan *ret)
{
    size_t text = full_batch(job);
    shape(job, reader_bytes(job), 1, 1, text < WM_BATCH_TEXT_LEAST ? text : WM_BATCH_TEXT_LEAST,
          ret);
}

void wm_plan_full(const struct wm_job *job, struct wm_plan *ret)
{
    unsigned n_workers = job->n_workers ? job->n_workers : 1;
    shape(job, reader_bytes(job), n_workers, most_tasks(job, n_workers), full_batch(job), ret);
}

/* Give survey writers what is left: fewer spills. */
static void widen_writers(const struct wm_job *job, uint64_t memory, struct wm_plan *plan)
{
    if (!wm_chain_surveys(job->chain))
        return;
    uint64_t fixed = plan->need - survey_bytes(job, plan);
    uint64_t left =
        memory ? (memory - fixed) / ((uint64_t)plan->n_tasks * plan->n_writers) : WRITER_MOST;
    plan->writer_memory = left < WRITER_MOST ? (size_t)left : WRITER_MOST;
    plan->need = fixed + survey_bytes(job, plan);
}

/* Windows get what is planned for, and a share of what is left. Full width and all that it can use is
 * what leaves everything beyond to them. */
static void share_rest(const struct wm_job *job, uint64_t memory, struct wm_plan *plan)
{
    uint64_t planned = plan->reader_bytes - READER_BYTES;
    uint64_t each = memory > plan->need ? (memory - plan->need) / plan->n_tasks : 0;
    uint64_t parts = job->spare ? 4 : 1; /* of --memory, one is the job's for certain */
    struct wm_plan full;
    wm_plan_full(job, &full);
    widen_writers(job, 0, &full);
    plan->windows = (struct wm_window_limit){
        .most = planned + each,
        .memory = parts * (full.need - job->spare + full.n_tasks * each),
        .readers = parts * full.n_tasks,
    };
}

/* Workers matter most, then tasks at once, then the size of batches. */
int wm_plan_make(const struct wm_job *job, uint64_t memory, struct wm_plan *ret,
                 struct wm_error *err)
{
    unsigned n_workers = job->n_workers ? job->n_workers : 1;
    size_t sizes[2] = {full_batch(job), WM_BATCH_TEXT_LEAST};
    uint64_t reader = reader_bytes(job);
    for (; n_workers; n_workers--) {
        for (unsigned n_tasks = most_tasks(job, n_workers); n_tasks; n_tasks--) {
            for (size_t i = 0; i < 2; i++) {
                shape(job, reader, n_workers, n_tasks, sizes[i] < sizes[0] ? sizes[i] : sizes[0],
                      ret);
                if (memory && ret->need > memory)
                    continue;
                widen_writers(job, memory, ret);
                share_rest(job, memory, ret);
                return 0;
            }
        }
    }
    wm_plan_least(job, ret);
    (void)wm_fail(err, WM_E_NOMEM, "%s needs at least %ju MB of memory, --memory is %ju MB",
                  job->label ? job->label : "the job", (uintmax_t)((ret->need + MB - 1) / MB),
                  (uintmax_t)(memory / MB));
    return wm_error_hint(err, "give it more with --memory, or a smaller max_record");
}
