/* SPDX-License-Identifier: Apache-2.0 */
#include "run/rehearse.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "pipeline/listing.h"
#include "run/memory_watch.h"

enum {
    TASK_LEAST = 32 << 20, /* bytes of text of a task: all it holds is filled for a while */
    LANE_LEAST = 128 << 20, /* … of those that run after each other: so that it meets the others' */
    SAMPLE_LEAST = 256 << 20, /* … in all: from several tasks, as files differ */
    LAST = WM_STEP_SHARDS,    /* step that is rehearsed */
};

/* ---- what steps call ---- */

/* The middle one of each of `n` equal stretches of tasks. */
static int choose_tasks(struct wm_rehearsal *r, const struct wm_inputs *inputs, uint32_t n,
                        struct wm_error *err)
{
    r->sample = *inputs;
    r->sample.n_tasks = n;
    r->sample.tasks = calloc(n, sizeof *r->sample.tasks);
    if (!r->sample.tasks)
        return wm_fail_nomem(err, n * sizeof *r->sample.tasks, "a sample of the input");
    for (uint32_t i = 0; i < n; i++)
        r->sample.tasks[i] = inputs->tasks[(2 * (uint64_t)i + 1) * inputs->n_tasks / (2 * n)];
    return 0;
}

/* As many as run at once; more where they are small. */
static uint32_t count_tasks(const struct wm_rehearsed *now, const struct wm_inputs *inputs,
                            uint64_t text)
{
    enum { UNPACKED = 2 /* text in a byte of input, at least, of most archives */ };
    uint64_t one = UNPACKED * inputs->bytes / inputs->n_tasks;
    one = one < TASK_LEAST ? one : TASK_LEAST;
    uint64_t n = one ? (text + one - 1) / one : 1;
    n = n > now->width.n_tasks ? n : now->width.n_tasks;
    return n < inputs->n_tasks ? (uint32_t)n : inputs->n_tasks;
}

/* The small sample is the beginning of the large one. */
static void choose_rate(const struct wm_rehearsal *r, uint64_t text, struct wm_job *job)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < r->sample.n_tasks; i++)
        bytes += r->sample.tasks[i].bytes;
    job->sample_rate = bytes ? (double)text / r->part / (double)bytes : 0;
}

int wm_rehearse_job(const struct wm_step_context *ctx, struct wm_job *job, struct wm_error *err)
{
    struct wm_rehearsal *r = ctx->run->rehearsal;
    if (!r)
        return 0;
    struct wm_rehearsed *now = r->now;
    int status = wm_job_width(job, &now->width, err);
    now->n_tasks = now->n_sampled = job->inputs->n_tasks;
    if (status || !now->n_tasks)
        return status;
    if (r->made[WM_STEP_CORPUS]) {
        double range = WM_RANGE * r->steps[WM_STEP_CORPUS].share;
        double finer = range > 0 ? (double)wm_rehearse_range(ctx->run) / range : 1;
        now->n_tasks = (uint32_t)ceil(now->n_tasks * finer);
        return 0;
    }
    uint64_t text = (uint64_t)LANE_LEAST * now->width.n_tasks;
    text = text > SAMPLE_LEAST ? text : SAMPLE_LEAST;
    status = choose_tasks(r, job->inputs, count_tasks(now, job->inputs, text), err);
    if (status)
        return status;
    now->n_sampled = r->sample.n_tasks;
    choose_rate(r, text, job);
    job->inputs = &r->sample;
    return 0;
}

/* Most records a survey's pass took: one for each line. */
static void note_surveys(struct wm_rehearsed *now, const struct wm_job *job,
                         const struct wm_job_result *result)
{
    for (size_t i = 0; i < result->tally.n_links && now->n_surveys < WM_REHEARSED_SURVEYS; i++) {
        const struct wm_link *link = &job->chain->links[i];
        if (!link->stage->survey)
            continue;
        size_t size = link->stage->survey_form(link->shared).record.size;
        now->records[now->n_surveys++] = size * result->tally.links[i].lines_in;
    }
}

void wm_rehearse_read(const struct wm_step_context *ctx, const struct wm_job *job,
                      const struct wm_job_result *result)
{
    struct wm_rehearsal *r = ctx->run->rehearsal;
    if (!r)
        return;
    if (result) {
        const struct wm_read_tally *read = &result->tally.read;
        struct wm_rehearsed *now = r->now;
        double all = (double)job->inputs->bytes, documents = (double)read->documents;
        double share = all > 0 ? (double)read->bytes_compressed / all : 1;
        if (job->limit && documents > share * (double)job->limit)
            share = documents / (double)job->limit;
        now->share = job->sample_rate <= 0 || share > 1 ? 1 : share;
        note_surveys(now, job, result);
    }
    free(r->sample.tasks);
    r->sample = (struct wm_inputs){0};
}

uint64_t wm_rehearse_range(const struct wm_run *run)
{
    enum { RANGE_LEAST = 12 << 20 /* compressed, of JSONL: TASK_LEAST of text */ };
    const struct wm_rehearsal *r = run->rehearsal;
    if (!r || !r->made[WM_STEP_CORPUS])
        return WM_RANGE;
    uint64_t range = (uint64_t)(WM_RANGE * r->steps[WM_STEP_CORPUS].share);
    uint64_t least = RANGE_LEAST / r->part;
    return range > least ? range : least;
}

uint64_t wm_rehearse_bytes(const struct wm_step_context *ctx, uint64_t bytes)
{
    const struct wm_rehearsal *r = ctx->run->rehearsal;
    double share = r && r->made[WM_STEP_CORPUS] ? r->steps[WM_STEP_CORPUS].share : 1;
    return share > 0 ? (uint64_t)((double)bytes / share) : bytes;
}

void wm_rehearse_phase(const struct wm_step_context *ctx, const char *label)
{
    if (ctx->run->rehearsal && ctx->hooks && ctx->hooks->progress)
        wm_progress_start(ctx->hooks->progress, label, "", 0);
}

void wm_rehearse_pieces(const struct wm_step_context *ctx, const struct wm_trainer_stats *stats,
                        const struct wm_tokenizer_options *options, double keeps)
{
    struct wm_rehearsal *r = ctx->run->rehearsal;
    if (!r)
        return;
    r->now->pieces = *stats;
    r->now->table_memory = options->memory / 2;
    r->now->merge_memory = options->merge_memory;
    r->now->keeps = keeps;
}

/* ---- the rehearsal itself ---- */

static void note_phases(struct wm_rehearsed *now, const struct wm_memory_watch *watch,
                        struct wm_progress *progress)
{
    struct wm_phase phases[WM_PROGRESS_PHASES];
    size_t n = wm_progress_phases(progress, phases);
    now->n_phases = n ? n : 1;
    memcpy(now->phases, watch->phases, sizeof now->phases);
    memcpy(now->disk, watch->disk_phases, sizeof now->disk);
    now->first_seconds = n > 1 ? watch->begins[1] - watch->begins[0] : 0;
}

static void note_text(struct wm_rehearsed *now, const json_t *record)
{
    struct wm_corpus_counts counts = {0};
    wm_corpus_kept(record, &counts);
    now->text = counts.bytes;
    now->text_known = counts.known;
}

static int do_step(struct wm_step_context *ctx, const struct wm_step *step, json_t *facts,
                   struct wm_rehearsed *now, struct wm_error *err)
{
    struct wm_memory_watch watch;
    struct wm_progress progress;
    struct wm_run_hooks hooks = {.progress = &progress,
                                 .cancel = ctx->hooks ? ctx->hooks->cancel : NULL};
    wm_progress_init(&progress);
    ctx->hooks = &hooks;
    wm_memory_give_back();
    now->before = wm_memory_now();
    wm_memory_watch_begin(&watch, &progress, ctx->work_dir);
    int status = step->run(ctx, facts, err);
    uint64_t peak = wm_memory_watch_end(&watch);
    note_phases(now, &watch, &progress);
    wm_progress_done(&progress);
    now->known = !status && peak;
    return status;
}

static int rehearse_step(struct wm_run *run, const struct wm_step *step,
                         const struct wm_run_hooks *hooks, struct wm_run_result *result,
                         struct wm_error *err)
{
    struct wm_rehearsal *r = run->rehearsal;
    struct wm_step_context ctx;
    json_t *facts = json_object();
    int status = wm_json_ok(facts, err);
    if (!status)
        status = wm_step_open(&ctx, run, step, hooks, result, err);
    if (!status)
        status = wm_mkdirs(ctx.out_dir, err);
    r->now = &r->steps[step->id];
    r->now->share = 1;
    if (!status) {
        memset(ctx.identity, '0', WM_HEX128 - 1);
        status = do_step(&ctx, step, facts, r->now, err);
    }
    if (!status)
        status = wm_record_write(&ctx, step, facts, &result->steps[step->id], err);
    if (!status)
        status = wm_replace_dir(ctx.out_dir, ctx.dir, err);
    if (!status)
        status = wm_remove_tree(ctx.work_dir, err);
    if (!status && step->id == WM_STEP_CORPUS)
        note_text(r->now, result->steps[step->id]);
    r->made[step->id] = !status;
    json_decref(facts);
    return status;
}

static int rehearse_steps(struct wm_run *run, unsigned todo, const struct wm_run_hooks *hooks,
                          struct wm_error *err)
{
    struct wm_run_result result = {0};
    int status = 0;
    for (int id = 0; !status && id <= LAST; id++)
        if (todo >> id & 1)
            status = rehearse_step(run, wm_steps[id], hooks, &result, err);
    wm_run_result_done(&result);
    return status;
}

/* Results that stand are read where they are. */
static int place_results(const struct wm_run *run, struct wm_run *copy, unsigned todo,
                         char dirs[WM_STEPS][WM_PATH_MAX], struct wm_error *err)
{
    int status = 0;
    for (int id = 0; !status && id <= LAST; id++) {
        copy->directory[id] = NULL;
        if (todo >> id & 1 || (!run->has[id] && !run->given[id]))
            continue;
        status = wm_step_dir(run, (enum wm_step_id)id, dirs[id], err);
        copy->given[id] = dirs[id];
    }
    return status;
}

static int make_scratch(char dir[WM_PATH_MAX], struct wm_error *err)
{
    const char *tmp = getenv("TMPDIR");
    tmp = tmp && *tmp ? tmp : "/tmp";
    int n = snprintf(dir, WM_PATH_MAX, "%s/wetmill.XXXXXX", tmp);
    if (n < 0 || n >= WM_PATH_MAX)
        return wm_fail(err, WM_E_LIMIT, "TMPDIR is longer than a path may be");
    return mkdtemp(dir) ? 0 : wm_fail_errno(err, "make a directory below", tmp);
}

int wm_rehearse(const struct wm_run *run, unsigned todo, unsigned part,
                const struct wm_run_hooks *hooks, struct wm_rehearsal *ret, struct wm_error *err)
{
    struct wm_error none = {0};
    char dir[WM_PATH_MAX], rejects[WM_PATH_MAX];
    char(*dirs)[WM_PATH_MAX] = calloc(WM_STEPS, sizeof *dirs);
    *ret = (struct wm_rehearsal){.part = part};
    int status = dirs ? make_scratch(dir, err) : wm_fail_nomem(err, WM_PATH_MAX, "paths");
    if (status) {
        free(dirs);
        return status;
    }
    struct wm_run copy = *run;
    copy.options.output = dir;
    copy.options.max_bad_files = copy.options.max_bad_records = 1;
    copy.rehearsal = ret;
    copy.lock = NULL;
    copy.command = NULL;
    status = place_results(run, &copy, todo, dirs, err);
    if (!status && run->options.rejects) {
        status = wm_path_join(rejects, dir, "work/corpus/rejects", err);
        copy.options.rejects = rejects;
    }
    if (!status)
        status = rehearse_steps(&copy, todo, hooks, err);
    ret->now = NULL;
    (void)wm_remove_tree(dir, &none);
    free(dirs);
    return status;
}
