/* SPDX-License-Identifier: Apache-2.0 */
/* What a run would do: state of each step, predicted memory and disk. Touches nothing of the run. */
#include <stdio.h>
#include <stdlib.h>

#include "run/manifest.h"
#include "run/rehearse.h"

/* Standard input can be read once; without a corpus step two steps would read it. */
static int check_stdin(const struct wm_run *run, struct wm_error *err)
{
    bool twice =
        !run->has[WM_STEP_CORPUS] && run->has[WM_STEP_TOKENIZER] && run->has[WM_STEP_SHARDS];
    for (size_t i = 0; twice && i < run->input.paths.n; i++)
        if (strcmp(run->input.paths.items[i], "-") == 0) {
            wm_fail(err, WM_E_CONFIG, "tokenizer and shards cannot both read standard input");
            return wm_error_hint(err, "add a section \"corpus:\", or name a file");
        }
    return 0;
}

static int check_directory(const char *path, struct wm_error *err)
{
    struct wm_error ignored;
    struct wm_stat stat;
    if (!wm_exists(path) || wm_stat(path, &stat, &ignored) || stat.is_dir)
        return 0;
    (void)wm_fail(err, WM_E_CONFIG, "this is a file, where a directory is wanted");
    return wm_error_where(err, "%s", path);
}

int wm_run_check(const struct wm_run *run, struct wm_error *err)
{
    bool any = false;
    for (int id = 0; id < WM_STEPS; id++) {
        const struct wm_step *step = wm_steps[id];
        any |= run->has[id];
        if (!run->has[id])
            continue;
        for (int need = 0; need < WM_STEPS; need++)
            if ((step->needs >> need & 1) && !run->has[need] && !run->given[need] &&
                !(need == WM_STEP_CORPUS && run->input.paths.n)) {
                wm_fail(err, WM_E_CONFIG, "step %s needs step %s", step->name,
                        wm_steps[need]->name);
                return wm_error_hint(err, "add a section \"%s:\" to the configuration",
                                     wm_steps[need]->name);
            }
        int status = step->check ? step->check(run, err) : 0;
        if (status)
            return status;
        if (!run->options.output && !run->directory[id]) {
            wm_fail(err, WM_E_CONFIG, "no output directory is given");
            return wm_error_hint(err, "add output: DIR to the configuration, or -o DIR");
        }
        status =
            check_directory(run->directory[id] ? run->directory[id] : run->options.output, err);
        if (status)
            return status;
    }
    if (any) {
        int status = wm_manifest_check_place(run, err);
        return status ? status : check_stdin(run, err);
    }
    wm_fail(err, WM_E_CONFIG, "the configuration has no step");
    return wm_error_hint(err, "add a section: corpus, tokenizer, shards, train or sample");
}

/* ---- what is to be done ---- */

/* A step as it stands, and what it is predicted to take. */
struct outlook {
    struct wm_step_context ctx;
    struct wm_prediction p;
    bool asked;         /* for this step */
    bool runs, only_if; /* only_if: what it reads changes */
};

static int look_at_step(struct wm_run *run, const struct wm_step *step, bool *upstream_changed,
                        struct wm_run_result *result, struct outlook *o, struct wm_error *err)
{
    int status = wm_step_open(&o->ctx, run, step, NULL, result, err);
    o->asked = true;
    if (!status && !*upstream_changed)
        status = wm_step_identify(&o->ctx, step, err);
    json_t *record = NULL;
    if (!status)
        status = wm_record_read(o->ctx.dir, &record, err);
    if (status)
        return status;
    bool stands = !*upstream_changed && record &&
                  wm_record_stands(record, o->ctx.dir, o->ctx.identity) &&
                  !wm_step_reads_pipe(run, step);
    result->steps[step->id] = record;
    o->runs = !stands;
    o->only_if = *upstream_changed && record;
    *upstream_changed |= !stands;
    return stands || !step->predict ? 0 : step->predict(&o->ctx, &o->p, err);
}

/* ---- a sample is tried ---- */

/* Documents come again only from files, and only where memory is enough. */
static unsigned rehearsable(const struct wm_run *run, const struct outlook *outlooks)
{
    unsigned todo = 0;
    for (int id = 0; id <= WM_STEP_SHARDS; id++) {
        const struct outlook *o = &outlooks[id];
        if (!o->runs)
            continue;
        if (wm_step_reads_pipe(run, wm_steps[id]) || o->p.memory_least > o->ctx.memory)
            return todo;
        todo |= 1u << id;
    }
    return todo;
}

static bool is_partial(const struct wm_forecast forecasts[WM_STEPS])
{
    for (int id = 0; id < WM_STEPS; id++)
        if (forecasts[id].known && forecasts[id].share < 1)
            return true;
    return false;
}

/* Why it could not be tried goes to `why`; only being cancelled is an error. */
static int try_sample(const struct wm_run *run, const struct outlook *outlooks,
                      const struct wm_run_hooks *hooks, struct wm_forecast ret[WM_STEPS],
                      struct wm_error *why, struct wm_error *err)
{
    struct wm_rehearsal *both = calloc(2, sizeof *both);
    unsigned todo = rehearsable(run, outlooks);
    uint64_t memory = run->options.memory ? run->options.memory : wm_default_memory();
    if (!both)
        return wm_fail_nomem(err, 2 * sizeof *both, "a rehearsal");
    int status = todo ? wm_rehearse(run, todo, 1, hooks, &both[0], why) : 0;
    wm_forecast(memory, &both[0], NULL, ret);
    if (!status && is_partial(ret)) {
        status = wm_rehearse(run, todo, WM_REHEARSAL_PART, hooks, &both[1], why);
        if (!status)
            wm_forecast(memory, &both[0], &both[1], ret);
    }
    free(both);
    if (status != WM_E_CANCELLED)
        return 0;
    *err = *why;
    return status;
}

/* ---- words ---- */

/* What grows unlike its input (lines and pieces that are new) is known less well far beyond the sample. */
static const double small_share = 0.05;

static int put_forecast(const struct outlook *o, const struct wm_forecast *f, struct wm_buf *out,
                        struct wm_error *err)
{
    char least[32], most[32], memory[32], disk[32];
    uint64_t bound = o->p.memory_full < o->ctx.memory ? o->p.memory_full : o->ctx.memory;
    wm_memory_option(o->p.memory_least, least, sizeof least);
    wm_format_bytes(bound, most, sizeof most);
    wm_format_bytes(f->memory, memory, sizeof memory);
    wm_format_bytes(f->disk, disk, sizeof disk);
    int status = wm_buf_printf(
        out, err, "           %s%smemory %s (at most %s, needs --memory %s), disk %s\n", o->p.note,
        *o->p.note ? "; " : "", memory, most, least, disk);
    if (!status && f->share < 1)
        status =
            wm_buf_printf(out, err, "           estimated%s from a sample, %.3g %% of its input",
                          f->share < small_share ? " roughly" : "", 100 * f->share);
    else if (!status)
        status = wm_buf_printf(out, err, "           as tried on all of its input");
    return status ? status
                  : wm_buf_printf(out, err, "%s\n",
                                  f->spills ? "; --memory makes it spill to disk" : "");
}

static int put_bounds(const struct outlook *o, struct wm_buf *out, struct wm_error *err)
{
    char least[32], full[32], disk[32];
    bool more = o->p.memory_least > o->ctx.memory;
    uint64_t memory = o->p.memory_full < o->ctx.memory || more ? o->p.memory_full : o->ctx.memory;
    const char *up_to = o->p.is_estimate ? "" : "up to ";
    wm_memory_option(o->p.memory_least, least, sizeof least);
    wm_format_bytes(memory, full, sizeof full);
    wm_format_bytes(o->p.disk, disk, sizeof disk);
    return wm_buf_printf(out, err, "           %s%smemory %s%s (needs --memory %s%s), disk %s%s\n",
                         o->p.note, *o->p.note ? "; " : "", up_to, full, least,
                         more ? ", MORE THAN THE LIMIT" : "", up_to, disk);
}

static int put_step(const struct wm_step *step, struct outlook *o, const struct wm_forecast *f,
                    struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "%-10s %s%s\n", step->name, step->summary,
                               !o->runs     ? ": up to date"
                               : o->only_if ? ": would run, if what it reads changes"
                                            : ": would run");
    if (status || !o->runs || !step->predict)
        return status;
    status = f->known ? put_forecast(o, f, out, err) : put_bounds(o, out, err);
    if (!status && *o->p.unread) {
        char text[4 * sizeof o->p.unread];
        wm_escape(text, sizeof text, o->p.unread, strlen(o->p.unread));
        status = wm_buf_printf(out, err, "           the first that cannot be read is %s\n", text);
    }
    return status || !step->explain ? status : step->explain(&o->ctx, out, err);
}

/* What would not fit; a bound may. */
static int put_excess(const struct outlook *outlooks, const struct wm_forecast forecasts[WM_STEPS],
                      uint64_t free_bytes, struct wm_buf *out, struct wm_error *err)
{
    int status = 0;
    for (int id = 0; !status && id < WM_STEPS; id++) {
        const struct outlook *o = &outlooks[id];
        const bool known = forecasts[id].known;
        uint64_t disk = known ? forecasts[id].disk : o->p.disk;
        char text[32];
        if (o->runs && disk > free_bytes)
            status = wm_buf_printf(out, err, "more than the free disk: step %s, %s%s\n",
                                   wm_steps[id]->name, known || o->p.is_estimate ? "" : "up to ",
                                   wm_format_bytes_up(disk, text, sizeof text));
    }
    return status;
}

static int put_limits(const struct wm_run *run, const struct outlook *outlooks,
                      const struct wm_forecast forecasts[WM_STEPS], struct wm_buf *out,
                      struct wm_error *err)
{
    uint64_t free_bytes = 0;
    struct wm_error none = {0};
    char text[32], memory[32];
    const char *at = run->options.output;
    for (int id = 0; !at && id < WM_STEPS; id++)
        at = outlooks[id].asked ? outlooks[id].ctx.dir : NULL;
    if (!at || wm_disk_free(at, &free_bytes, &none))
        return 0;
    wm_format_bytes_down(free_bytes, text, sizeof text);
    wm_format_bytes_down(run->options.memory ? run->options.memory : wm_default_memory(), memory,
                         sizeof memory);
    int status = wm_buf_printf(out, err, "memory limit %s, free disk %s\n", memory, text);
    return status ? status : put_excess(outlooks, forecasts, free_bytes, out, err);
}

/* The first step that surely runs and has too little memory, as the run itself says it. */
static int refuse(const struct outlook *outlooks, struct wm_error *err)
{
    for (int id = 0; id < WM_STEPS; id++) {
        const struct outlook *o = &outlooks[id];
        struct wm_error why = {0};
        if (!o->runs || o->only_if || o->p.memory_least <= o->ctx.memory)
            continue;
        (void)wm_step_too_large(&o->ctx, wm_steps[id], &o->p, &why);
        (void)wm_fail(err, WM_E_CONFIG, "this would be refused: %s", why.what);
        return wm_error_hint(err, "%s", why.hint);
    }
    return 0;
}

static int put_all(const struct wm_run *run, struct outlook *outlooks,
                   const struct wm_forecast forecasts[WM_STEPS], const struct wm_error *why,
                   struct wm_buf *out, struct wm_error *err)
{
    int status = 0;
    for (int id = 0; !status && id < WM_STEPS; id++)
        if (outlooks[id].asked)
            status = put_step(wm_steps[id], &outlooks[id], &forecasts[id], out, err);
    if (!status && why->status) {
        char text[sizeof why->what];
        wm_escape(text, sizeof text, why->what, strlen(why->what));
        status = wm_buf_printf(out, err, "not all could be tried on a sample: %s\n", text);
    }
    return status ? status : put_limits(run, outlooks, forecasts, out, err);
}

int wm_run_explain(struct wm_run *run, enum wm_step_id last, bool rehearse,
                   const struct wm_run_hooks *hooks, struct wm_buf *out, struct wm_error *err)
{
    struct wm_run_result result = {0};
    struct wm_forecast forecasts[WM_STEPS] = {{0}};
    struct wm_error why = {0};
    bool changed = false;
    const size_t before = out->len;
    struct outlook *outlooks = calloc(WM_STEPS, sizeof *outlooks);
    int status = outlooks ? wm_run_check(run, err)
                          : wm_fail_nomem(err, WM_STEPS * sizeof *outlooks, "steps");
    for (int id = 0; !status && id <= (int)last; id++)
        if (run->has[id])
            status = look_at_step(run, wm_steps[id], &changed, &result, &outlooks[id], err);
    if (!status && rehearse)
        status = try_sample(run, outlooks, hooks, forecasts, &why, err);
    if (!status)
        status = put_all(run, outlooks, forecasts, &why, out, err);
    if (status)
        out->len = before;
    else
        status = refuse(outlooks, err);
    wm_run_result_done(&result);
    free(outlooks);
    return status;
}
