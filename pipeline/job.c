/* SPDX-License-Identifier: Apache-2.0 */
/* A job: its passes one after the other. */
#include <stdio.h>
#include <stdlib.h>

#include "pipeline/chain.h"
#include "pipeline/kept.h"
#include "pipeline/pass.h"
#include "pipeline/reduce.h"
#include "pipeline/resume.h"
#include "pipeline/verdict.h"

struct session {
    const struct wm_job *job;
    const struct wm_reading *reading;
    struct wm_crew crew;
    struct wm_plan plan;
    struct wm_ledger ledger;
    struct wm_packer rejects;
    struct wm_tables *tables; /* [ledger.n_surveys] */
    bool of_kept;             /* what failed was made of kept files */
    bool none_left;           /* no document came through the last pass */
};

static int check(const struct wm_job *job, struct wm_error *err)
{
    for (size_t i = 0; i < job->chain->n && !job->dir; i++) {
        if (!job->chain->links[i].stage->survey)
            continue;
        (void)wm_fail(err, WM_E_CONFIG,
                      "it surveys the whole corpus and needs a directory for that");
        return wm_error_where(err, "stage %s", job->chain->links[i].stage->name);
    }
    return 0;
}

static int open_chain(const struct wm_job *job, struct wm_error *err)
{
    unsigned n_workers = job->n_workers ? job->n_workers : 1;
    return job->chain->is_open ? 0 : wm_chain_open(job->chain, n_workers, job->inputs, err);
}

static int open_sink(struct session *s, struct wm_error *err)
{
    const struct wm_job *job = s->job;
    struct wm_env env = {.schema = &job->chain->schema,
                         .n_workers = job->n_workers ? job->n_workers : 1,
                         .inputs = job->inputs,
                         .cuts_lines = wm_chain_cuts(job->chain),
                         .crew = &s->crew};
    if (!job->sink || !job->sink->open || !job->sink->open(job->sink_shared, &env, err))
        return 0;
    return wm_error_where(err, "sink %s", job->sink->name);
}

static int open_session(struct session *s, struct wm_error *err)
{
    const struct wm_job *job = s->job;
    int status = check(job, err);
    if (!status)
        status = open_chain(job, err);
    if (!status && wm_chain_check_files(job->chain, err)) /* what is half done is not of that */
        status = err->status = err->status == WM_E_CHANGED ? WM_E_BUSY : err->status;
    if (!status)
        status = open_sink(s, err);
    if (!status)
        status = wm_plan_make(job, job->memory, &s->plan, err);
    if (!status)
        status = wm_ledger_open(&s->ledger, job, &s->crew.lock, err);
    if (!status && job->rejects)
        status = wm_packer_open(&s->rejects, WM_PACK_ZSTD, WM_ZSTD_LEVEL, err);
    if (status)
        return status;
    s->tables = calloc(s->ledger.n_surveys + 1, sizeof *s->tables);
    return s->tables ? 0 : wm_fail_nomem(err, sizeof *s->tables, "tables");
}

/* Stages let go of their tables before the tables go. */
static void close_session(struct session *s)
{
    wm_chain_shut(s->job->chain);
    for (size_t i = 0; s->tables && i < s->ledger.n_surveys; i++)
        wm_tables_close(&s->tables[i]);
    free(s->tables);
    wm_packer_close(&s->rejects);
    wm_ledger_close(&s->ledger);
    wm_crew_done(&s->crew);
}

static bool all_done(const struct session *s)
{
    for (uint32_t t = 0; t < s->job->inputs->n_tasks; t++)
        if (!s->ledger.done[t])
            return false;
    return true;
}

/* Tables of the surveys before this pass, if it has anything to apply them to. */
static int load_tables(struct session *s, size_t n_surveys, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < n_surveys && !all_done(s); i++)
        if (!s->tables[i].loaded)
            status = wm_tables_load(s->job, &s->ledger, i, &s->tables[i], err);
    return status;
}

static void start_progress(const struct session *s, size_t survey)
{
    char label[WM_PROGRESS_LABEL];
    const char *name = s->job->label ? s->job->label : "reading";
    if (s->ledger.n_surveys)
        (void)snprintf(label, sizeof label, "%s %zu/%zu", name, survey + 1,
                       s->ledger.n_surveys + !s->job->surveys_only);
    else
        (void)snprintf(label, sizeof label, "%s", name);
    wm_progress_start(s->job->progress, label, "bytes", s->job->limit ? 0 : s->job->inputs->bytes);
}

static int run_pass(struct session *s, size_t survey, struct wm_error *err)
{
    const struct wm_job *job = s->job;
    struct wm_ledger *ledger = &s->ledger;
    start_progress(s, survey);
    wm_ledger_begin(ledger, survey);
    struct wm_pass pass = {
        .job = job,
        .reading = s->reading,
        .plan = &s->plan,
        .crew = &s->crew,
        .ledger = ledger,
        .rejects = ledger->is_last && job->rejects ? &s->rejects : NULL,
        .index = (unsigned)survey,
        .n_links = ledger->n_links,
        .surveyed = ledger->is_last ? NULL : &job->chain->links[ledger->n_links],
    };
    int status = wm_resume(job, ledger, err);
    if (!status && (status = load_tables(s, survey, err)))
        s->of_kept = true;
    if (!status)
        status = wm_pass_run(&pass, err);
    s->of_kept = s->of_kept || pass.of_kept;
    if (!status)
        status = wm_ledger_check(ledger, err);
    if (!status)
        status = wm_verdict_files(job, ledger, err);
    if (!status)
        status = wm_verdict_records(job, ledger, err);
    if (!status)
        wm_progress_finish(job->progress);
    return status;
}

static int run_passes(struct session *s, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < s->ledger.n_surveys; i++) {
        status = run_pass(s, i, err);
        if (!status && (status = wm_reduce(s->job, &s->ledger, &s->plan, &s->crew, err)))
            s->of_kept = true;
    }
    if (status || s->job->surveys_only)
        return status;
    status = run_pass(s, s->ledger.n_surveys, err);
    if (!status && (status = wm_verdict_left(s->job, &s->ledger, err)))
        s->none_left = true;
    return status;
}

/* A verdict over input that the system did not give: what is kept of it would say it for ever. */
static int forget_unread(const struct session *s, struct wm_error *err)
{
    struct wm_error more = {0};
    if (!s->ledger.tally.read.unread ||
        (!s->none_left && !wm_verdict_files(s->job, &s->ledger, &more)))
        return err->status;
    if (s->ledger.survey > 0) /* tables are made of it */
        return err->status = WM_E_CHANGED;
    return wm_resume_forget(s->job, &s->ledger, &more) ? (*err = more).status : err->status;
}

/* `*ret_of_kept`: it failed at what was made of kept files. */
static int run_once(const struct wm_job *job, const struct wm_reading *reading,
                    struct wm_job_result *ret, bool *ret_of_kept, struct wm_error *err)
{
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        return wm_fail_nomem(err, sizeof *s, "a job");
    s->job = job;
    s->reading = reading;
    int status = wm_crew_init(&s->crew, job->cancel, err);
    if (!status)
        status = open_session(s, err);
    if (!status)
        status = run_passes(s, err);
    if (status == WM_E_FORMAT && !s->of_kept) /* which is mended whatever the input is like */
        status = forget_unread(s, err);
    if (!status)
        status = wm_chain_check_files(job->chain, err);
    if (!status)
        status = wm_ledger_result(&s->ledger, ret, err);
    *ret_of_kept = s->of_kept;
    close_session(s);
    free(s);
    return status;
}

int wm_job_run_with(const struct wm_job *job, const struct wm_reading *reading,
                    struct wm_job_result *ret, struct wm_error *err)
{
    struct wm_job own = *job;
    unsigned mended = 0;
    bool of_kept = false;
    if (!own.mended)
        own.mended = &mended;
    int status = run_once(&own, reading, ret, &of_kept, err);
    while (status && of_kept && (status = wm_kept_mend(&own, err)) > 0) {
        if (own.sink && own.sink->close)
            own.sink->close(own.sink_shared);
        status = run_once(&own, reading, ret, &of_kept, err);
    }
    return status;
}

void wm_job_result_done(struct wm_job_result *result)
{
    wm_arena_done(&result->arena);
    *result = (struct wm_job_result){0};
}

int wm_job_memory(const struct wm_job *job, uint64_t *ret_least, uint64_t *ret_full,
                  struct wm_error *err)
{
    bool was_open = job->chain->is_open;
    int status = open_chain(job, err);
    if (status)
        return status;
    struct wm_plan least, full;
    wm_plan_least(job, &least);
    wm_plan_full(job, &full);
    if (!was_open)
        wm_chain_shut(job->chain);
    *ret_least = least.need;
    *ret_full = full.need;
    return 0;
}

int wm_job_width(const struct wm_job *job, struct wm_job_width *ret, struct wm_error *err)
{
    bool was_open = job->chain->is_open;
    struct wm_plan plan;
    int status = open_chain(job, err);
    if (status)
        return status;
    status = wm_plan_make(job, job->memory, &plan, err);
    if (!was_open)
        wm_chain_shut(job->chain);
    if (status)
        return status;
    *ret = (struct wm_job_width){.n_workers = plan.n_workers,
                                 .n_tasks = plan.n_tasks,
                                 .n_batches = plan.n_batches,
                                 .batch_text = plan.batch_text};
    if (wm_chain_surveys(job->chain))
        ret->survey_bytes = (uint64_t)plan.n_tasks * plan.n_writers * plan.writer_memory;
    return 0;
}
