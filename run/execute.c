/* SPDX-License-Identifier: Apache-2.0 */
/* The planner's loop: for each step, decide by identity, run into WORK/out, publish by rename. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "run/command.h"
#include "run/manifest.h"
#include "run/memory_watch.h"
#include "run/position.h"
#include "run/work.h"
#include "wetmill/parallel.h"

void wm_step_say(const struct wm_step_context *ctx, const char *fmt, ...)
{
    if (!ctx->hooks || !ctx->hooks->line)
        return;
    char raw[1024], text[1100];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(raw, sizeof raw, fmt, ap);
    va_end(ap);
    wm_escape(text, sizeof text, raw, n < 0 ? 0 : strlen(raw));
    ctx->hooks->line(ctx->hooks->arg, text);
}

static void tell_state(const struct wm_run_hooks *hooks, const struct wm_step *step,
                       const char *state)
{
    if (hooks && hooks->step)
        hooks->step(hooks->arg, step->name, state);
}

int wm_step_dir(const struct wm_run *run, enum wm_step_id id, char out[WM_PATH_MAX],
                struct wm_error *err)
{
    const char *own = run->given[id] ? run->given[id] : run->directory[id];
    return own ? wm_path_join(out, "", own, err)
               : wm_path_join(out, run->options.output, wm_steps[id]->directory, err);
}

int wm_step_open(struct wm_step_context *ctx, struct wm_run *run, const struct wm_step *step,
                 const struct wm_run_hooks *hooks, struct wm_run_result *result,
                 struct wm_error *err)
{
    *ctx = (struct wm_step_context){.run = run, .hooks = hooks, .result = result};
    ctx->n_workers = run->options.jobs ? (unsigned)run->options.jobs : wm_processors();
    ctx->memory = run->options.memory ? run->options.memory : wm_default_memory();
    char name[WM_PATH_MAX];
    const char *own = run->directory[step->id];
    int n = own ? snprintf(name, sizeof name, "%s.work", own)
                : snprintf(name, sizeof name, "work/%s", step->name);
    int status = n < 0 || (size_t)n >= sizeof name
                     ? wm_fail(err, WM_E_LIMIT, "a path is over %d bytes", WM_PATH_MAX - 1)
                     : wm_step_dir(run, step->id, ctx->dir, err);
    if (!status)
        status = wm_path_join(ctx->work_dir, own ? "" : run->options.output, name, err);
    return status ? status : wm_path_join(ctx->out_dir, ctx->work_dir, "out", err);
}

bool wm_step_reads_pipe(const struct wm_run *run, const struct wm_step *step)
{
    bool reads_input = step->id == WM_STEP_CORPUS ||
                       ((step->needs >> WM_STEP_CORPUS & 1) && !run->has[WM_STEP_CORPUS]);
    struct wm_error none = {0};
    struct wm_stat st;
    for (size_t i = 0; reads_input && i < run->input.paths.n; i++) {
        const char *path = run->input.paths.items[i];
        if (strcmp(path, "-") == 0 || (!wm_stat(path, &st, &none) && !st.is_dir && !st.is_regular))
            return true;
    }
    return false;
}

static int is_fresh(struct wm_step_context *ctx, const struct wm_step *step, const json_t *record,
                    bool *ret, struct wm_error *err)
{
    *ret = true;
    return step->fresh ? step->fresh(ctx, record, ret, err) : 0;
}

static void on_finding(void *arg, const struct wm_finding *finding)
{
    wm_step_say(arg, "%s: %s", finding->file, finding->what);
}

/* All of a result in `dir` is read before it counts. */
static int is_whole(struct wm_step_context *ctx, const struct wm_step *step, const char *dir,
                    const json_t *record, bool *ret, struct wm_error *err)
{
    struct wm_verify_result found = {0};
    const struct wm_verify_job job = {
        .dir = dir,
        .n_workers = ctx->n_workers,
        .memory = ctx->memory,
        .on_finding = on_finding,
        .arg = ctx,
        .progress = ctx->hooks ? ctx->hooks->progress : NULL,
        .cancel = ctx->hooks ? ctx->hooks->cancel : NULL,
    };
    struct wm_verifier v = {&job, &found, step->name, step->directory};
    tell_state(ctx->hooks, step, "is checked");
    int status = wm_step_check(&v, step, dir, record, err);
    *ret = !found.n_findings;
    return status;
}

/* A result replaces a result of the same step, never somebody's files. */
static int check_place(const struct wm_step_context *ctx, const struct wm_step *step,
                       struct wm_error *err)
{
    const char **names;
    size_t n = 0;
    struct wm_arena arena;
    bool there, damaged = false;
    int status = wm_is_there(ctx->dir, &there, err);
    if (status || !there)
        return status;
    wm_arena_init(&arena, 256 << 20);
    status = wm_list_dir(ctx->dir, &arena, &names, &n, err);
    wm_arena_done(&arena);
    json_t *record = NULL;
    if (!status && n)
        status = wm_record_look(ctx->dir, &record, &damaged, err);
    if (status || !n)
        return status;
    const char *made_by = json_string_value(json_object_get(record, "step"));
    /* A record that cannot be read is damage, which --verify is there to mend. */
    bool ours = damaged ? ctx->run->options.verify : made_by && strcmp(made_by, step->name) == 0;
    if (!ours && damaged) {
        wm_fail(err, WM_E_FORMAT, "the record of step %s is damaged", step->name);
        (void)wm_error_where(err, "%s/step.json", ctx->dir);
        status = wm_error_hint(err, "--verify replaces the results in this directory");
    } else if (!ours) {
        wm_fail(err, WM_E_CONFIG, "the directory holds files that are no result of step %s",
                step->name);
        (void)wm_error_where(err, "%s", ctx->dir);
        status =
            wm_error_hint(err, "name an empty or new directory, or move or remove what is there");
    }
    json_decref(record);
    return status;
}

static int publish(struct wm_step_context *ctx, const struct wm_step *step, struct wm_error *err)
{
    int status = wm_lock_check(ctx->run->lock, err);
    if (!status)
        status = wm_manifest_remove(ctx->run, err);
    if (!status)
        status = wm_replace_dir(ctx->out_dir, ctx->dir, err);
    if (!status)
        status = wm_remove_tree(ctx->work_dir, err);
    if (!status)
        wm_work_tell(ctx, step);
    return status;
}

/* Finished before, and stopped while it was put in its place: that it is what was written is looked at
 * once more, so that no damage gets there. What it was made of stays. */
static int is_intact(struct wm_step_context *ctx, const struct wm_step *step, const json_t *record,
                     bool *ret, struct wm_error *err)
{
    struct wm_step files = *step;
    files.verify = NULL;
    int status = is_whole(ctx, &files, ctx->out_dir, record, ret, err);
    if (!status && !*ret)
        wm_step_say(ctx, "%s is damaged: it is made again", ctx->out_dir);
    return status;
}

static int run_step(struct wm_step_context *ctx, const struct wm_step *step, json_t **ret,
                    struct wm_error *err)
{
    json_t *record;
    int status = wm_record_read(ctx->out_dir, &record, err);
    if (status)
        return status;
    bool done = record && wm_record_stands(record, ctx->out_dir, ctx->identity) &&
                !wm_step_reads_pipe(ctx->run, step);
    bool intact = true;
    if (done)
        status = is_fresh(ctx, step, record, &done, err);
    if (!status && done)
        status = is_intact(ctx, step, record, &intact, err);
    if (!status && done && intact) {
        *ret = record; /* finished before, interrupted while being published */
        return publish(ctx, step, err);
    }
    if (!status && record && !done) /* of other input, as may be what else there is */
        status = wm_remove_tree(ctx->work_dir, err);
    json_decref(record);
    if (status)
        return status;
    json_t *facts = json_object();
    status = wm_json_ok(facts, err);
    if (!status)
        status = wm_work_prepare(ctx, step, err);
    if (!status) {
        struct wm_position position;
        struct wm_memory_watch memory;
        wm_memory_give_back();
        wm_memory_watch_begin(&memory, NULL, ctx->work_dir);
        wm_position_begin(&position, ctx->work_dir, ctx->run->position_milliseconds,
                          ctx->hooks ? ctx->hooks->progress : NULL);
        status = step->run(ctx, facts, err);
        /* Since a mapped file was cut nothing was committed: checkpoints are of what it was before. */
        const bool stands = status == WM_E_CHANGED && step->unfinished;
        if (!status)
            status = wm_step_same_needs(ctx, step, err);
        wm_position_end(&position, &ctx->result->redone[step->id]);
        ctx->result->memory[step->id] = wm_memory_watch_end(&memory);
        ctx->result->disk[step->id] = memory.disk;
        if (status == WM_E_CHANGED && !stands)
            status = wm_work_disown(ctx, err);
    }
    if (!status)
        status = wm_record_write(ctx, step, facts, ret, err);
    json_decref(facts);
    return status ? status : publish(ctx, step, err);
}

/* Too small a limit is said before the step touches anything; before any step has, it is a mistake in
 * the configuration like another. */
static int check_memory(struct wm_step_context *ctx, const struct wm_step *step,
                        struct wm_error *err)
{
    struct wm_prediction p = {0};
    int status = step->predict ? step->predict(ctx, &p, err) : 0;
    if (status || p.memory_least <= ctx->memory)
        return status;
    bool first = true;
    for (int id = 0; id < WM_STEPS; id++)
        first = first && !ctx->result->ran[id];
    (void)wm_step_too_large(ctx, step, &p, err);
    err->status = first ? WM_E_CONFIG : WM_E_NOMEM;
    return err->status;
}

static int do_step(struct wm_run *run, const struct wm_step *step, const struct wm_run_hooks *hooks,
                   struct wm_run_result *result, struct wm_error *err)
{
    struct wm_step_context ctx;
    int status = wm_step_open(&ctx, run, step, hooks, result, err);
    if (!status)
        status = wm_step_identify(&ctx, step, err);
    if (status)
        return status;
    json_t *record;
    if ((status = wm_record_read(ctx.dir, &record, err)))
        return status;
    bool stands =
        record && wm_record_stands(record, ctx.dir, ctx.identity) && !wm_step_reads_pipe(run, step);
    if (stands)
        status = is_fresh(&ctx, step, record, &stands, err);
    if (!status && stands && run->options.verify)
        status = is_whole(&ctx, step, ctx.dir, record, &stands, err);
    if (!status && stands)
        status = wm_work_remove_rest(&ctx, step, err);
    if (status || stands) {
        tell_state(hooks, step, status ? "failed" : "up to date");
        result->steps[step->id] = record;
        return status;
    }
    json_decref(record);
    status = check_place(&ctx, step, err);
    if (!status)
        status = check_memory(&ctx, step, err);
    if (!status && run->command && run->options.output)
        status = wm_log_command(run, err);
    if (status)
        return status;
    tell_state(hooks, step, "runs");
    result->ran[step->id] = true;
    status = run_step(&ctx, step, &result->steps[step->id], err);
    tell_state(hooks, step, status ? "stopped" : "done");
    return status;
}

static uint64_t count_skipped(const struct wm_run_result *result)
{
    uint64_t n = 0;
    for (int id = 0; id < WM_STEPS; id++) {
        json_t *facts = json_object_get(result->steps[id], "facts");
        n += json_array_size(json_object_get(facts, "damage"));
    }
    return n;
}

/* Half-written files that a stop has left go, with the lock held. */
static int remove_leftovers(const struct wm_run *run, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = run->lock ? wm_remove_leftovers(run->options.output, err) : 0;
    if (!status && run->lock)
        status = wm_path_join(path, run->options.output, "log", err);
    return status || !run->lock ? status : wm_remove_leftovers(path, err);
}

/* The directory of working state goes when nothing is left in it. */
static int tidy_work(const struct wm_run *run, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    wm_arena_init(&arena, 1 << 20);
    int status = wm_path_join(path, run->options.output, "work", err);
    bool there = false;
    if (!status)
        status = wm_is_there(path, &there, err);
    if (!status && there)
        status = wm_list_dir(path, &arena, &names, &n, err);
    if (!status && there && !n)
        status = wm_remove_tree(path, err);
    wm_arena_done(&arena);
    return status;
}

static int do_steps(struct wm_run *run, enum wm_step_id last, const struct wm_run_hooks *hooks,
                    struct wm_run_result *ret, struct wm_error *err)
{
    int status = 0;
    bool changed = false, whole = true;
    for (int id = 0; !status && id < WM_STEPS; id++) {
        if (!run->has[id])
            continue;
        if (id > (int)last)
            whole = false;
        else
            status = do_step(run, wm_steps[id], hooks, ret, err);
        changed |= ret->ran[id];
    }
    ret->n_skipped = count_skipped(ret);
    /* A whole run looks again even where nothing was done: the last one may have been stopped
     * between its last step and here. */
    if (!status && (changed || whole) && run->options.output) {
        status = wm_manifest_write(run, ret, err);
        if (!status && run->input.root)
            status = wm_log_root(run, err);
        if (!status && run->command)
            status = wm_log_command(run, err);
        if (!status)
            status = remove_leftovers(run, err);
        if (!status)
            status = tidy_work(run, err);
    }
    return status;
}

int wm_run_lock(struct wm_run *run, const struct wm_run_hooks *hooks, struct wm_error *err)
{
    char path[WM_PATH_MAX], note[WM_LOCK_TEXT];
    const char *alone = NULL;
    int status = 0;
    if (run->lock)
        return 0;
    for (int id = 0; !alone && id < WM_STEPS; id++)
        alone = run->directory[id];
    if (run->options.output)
        status = wm_path_join(path, run->options.output, "lock", err);
    else if (!alone)
        return 0;
    else if ((size_t)snprintf(path, sizeof path, "%s.lock", alone) >= sizeof path)
        return wm_fail(err, WM_E_LIMIT, "a path is over %d bytes", WM_PATH_MAX - 1);
    if (!status)
        status = wm_lock_take(path, hooks ? hooks->cancel : NULL, &run->lock, note, err);
    if (!status && *note && hooks && hooks->line)
        hooks->line(hooks->arg, note);
    return status;
}

int wm_run_execute(struct wm_run *run, enum wm_step_id last, const struct wm_run_hooks *hooks,
                   struct wm_run_result *ret, struct wm_error *err)
{
    struct wm_cancel cancel = {0};
    struct wm_progress progress;
    struct wm_run_hooks own = hooks ? *hooks : (struct wm_run_hooks){0};
    struct wm_error lost = {0};
    bool held = run->lock != NULL;
    if (!own.cancel)
        own.cancel = &cancel; /* a lost lock stops the work, whether others can or not */
    *ret = (struct wm_run_result){0};
    int status = wm_run_check(run, err);
    if (!status)
        status = wm_run_lock(run, &own, err);
    if (status)
        return status;
    wm_progress_init(&progress);
    if (!own.progress)
        own.progress = &progress; /* also where nobody looks it says what is done again */
    status = do_steps(run, last, &own, ret, err);
    wm_progress_done(&progress);
    if (wm_lock_check(run->lock, &lost)) {
        *err = lost;
        status = lost.status;
    }
    if (!held) {
        wm_lock_release(run->lock);
        run->lock = NULL;
    }
    return status;
}

void wm_run_result_done(struct wm_run_result *result)
{
    for (int id = 0; id < WM_STEPS; id++)
        json_decref(result->steps[id]);
    *result = (struct wm_run_result){0};
}
