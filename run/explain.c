/* SPDX-License-Identifier: Apache-2.0 */
/* What a run would do: state of each step, predicted memory and disk. Touches nothing. */
#include <stdio.h>

#include "run/step.h"

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
    if (any)
        return check_stdin(run, err);
    wm_fail(err, WM_E_CONFIG, "the configuration has no step");
    return wm_error_hint(err, "add a section: corpus, tokenizer, shards, train or sample");
}

static int explain_step(struct wm_run *run, const struct wm_step *step, bool *upstream_changed,
                        struct wm_run_result *result, struct wm_buf *out, struct wm_error *err)
{
    struct wm_step_context ctx;
    struct wm_prediction p = {0};
    int status = wm_step_open(&ctx, run, step, NULL, result, err);
    if (!status && !*upstream_changed)
        status = wm_step_identify(&ctx, step, err);
    if (status)
        return status;
    json_t *record;
    if ((status = wm_record_read(ctx.dir, &record, err)))
        return status;
    bool stands = !*upstream_changed && record && wm_record_stands(record, ctx.dir, ctx.identity) &&
                  !wm_step_reads_pipe(run, step);
    result->steps[step->id] = record;
    status = wm_buf_printf(out, err, "%-10s %s%s\n", step->name, step->summary,
                           stands                        ? ": up to date"
                           : *upstream_changed && record ? ": would run, if what it reads changes"
                                                         : ": would run");
    *upstream_changed |= !stands;
    if (status || stands || !step->predict)
        return status;
    status = step->predict(&ctx, &p, err);
    char least[32], full[32], disk[32];
    wm_format_bytes(p.memory_least, least, sizeof least);
    wm_format_bytes(p.memory_full, full, sizeof full);
    wm_format_bytes(p.disk, disk, sizeof disk);
    if (!status)
        status =
            wm_buf_printf(out, err, "           %s%smemory %s (at least %s%s), disk up to %s\n",
                          p.note, *p.note ? "; " : "", full, least,
                          p.memory_least > ctx.memory ? ", MORE THAN THE LIMIT" : "", disk);
    return status || !step->explain ? status : step->explain(&ctx, out, err);
}

int wm_run_explain(struct wm_run *run, struct wm_buf *out, struct wm_error *err)
{
    struct wm_run_result result = {0};
    bool changed = false;
    int status = wm_run_check(run, err);
    for (int id = 0; !status && id < WM_STEPS; id++)
        if (run->has[id])
            status = explain_step(run, wm_steps[id], &changed, &result, out, err);
    uint64_t free_bytes = 0;
    struct wm_error none = {0};
    if (!status && run->options.output && !wm_disk_free(run->options.output, &free_bytes, &none)) {
        char text[32], memory[32];
        wm_format_bytes(free_bytes, text, sizeof text);
        wm_format_bytes(run->options.memory ? run->options.memory : wm_default_memory(), memory,
                        sizeof memory);
        status = wm_buf_printf(out, err, "memory limit %s, free disk %s\n", memory, text);
    }
    wm_run_result_done(&result);
    return status;
}
