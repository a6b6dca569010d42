/* SPDX-License-Identifier: Apache-2.0 */
/* Our own part: subjects as jobs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/corpus/corpus.h"

static const uint64_t memory = (uint64_t)4 << 30;

struct run {
    const struct bench *bench;
    const struct subject *subject;
    struct wm_arena arena;
    struct wm_chain chain;
    void *sink;
    struct wm_error *err;
};

/* ---- options ---- */

static int set(struct run *run, const struct wm_option *table, void *target, const char *name,
               struct wm_str value)
{
    const struct wm_option *option = table ? wm_option_find(table, wm_str_of(name)) : NULL;
    return option && value.len ? wm_option_set(option, target, value, &run->arena, run->err) : 0;
}

/* The models that were given, and the subject's profile, wherever there are such options. */
static int set_given(struct run *run, const struct wm_option *table, void *target)
{
    const struct bench *bench = run->bench;
    const struct {
        const char *name, *value;
    } given[] = {{"model", bench->language},
                 {"sentencepiece", bench->sentencepiece},
                 {"lm", bench->lm},
                 {"profile", wm_profile_names[run->subject->profile]}};
    int status = 0;
    for (size_t i = 0; !status && i < sizeof given / sizeof *given; i++)
        if (given[i].value)
            status = set(run, table, target, given[i].name, wm_str_of(given[i].value));
    return status;
}

static struct wm_str cut(struct wm_str *rest, char at)
{
    const char *end = rest->len ? memchr(rest->ptr, at, rest->len) : NULL;
    struct wm_str first = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
    size_t n = first.len + (end != NULL);
    *rest = (struct wm_str){rest->ptr + n, rest->len - n};
    return first;
}

/* option=value:option=value */
static int set_listed(struct run *run, const struct wm_option *table, void *target,
                      struct wm_str list)
{
    int status = 0;
    while (!status && list.len) {
        struct wm_str value = cut(&list, ':'), name = cut(&value, '=');
        const char *copy = wm_arena_cstr(&run->arena, name);
        if (!copy || !wm_option_find(table, name))
            return wm_fail(run->err, WM_E_CONFIG, "no option %.*s", (int)name.len, name.ptr);
        status = set(run, table, target, copy, value);
    }
    return status;
}

static int add_stage(struct run *run, const char *spec)
{
    struct wm_str rest = wm_str_of(spec), name = cut(&rest, ':');
    const struct wm_stage *stage = wm_stage_find(name);
    void *shared = NULL;
    if (!stage)
        return wm_fail(run->err, WM_E_CONFIG, "no stage %s", spec);
    int status = wm_chain_add(&run->chain, stage, &shared, run->err);
    if (!status)
        status = set_given(run, stage->options, shared);
    return status ? status : set_listed(run, stage->options, shared, rest);
}

static int open_sink(struct run *run)
{
    const struct wm_sink *sink = &wm_sink_jsonl;
    if (!run->subject->sink)
        return 0;
    run->sink = calloc(1, sink->shared_size);
    if (!run->sink)
        return wm_fail_nomem(run->err, sink->shared_size, sink->name);
    wm_options_default(sink->options, run->sink);
    int status = set_given(run, sink->options, run->sink);
    return status ? status
                  : set_listed(run, sink->options, run->sink, wm_str_of(run->subject->sink));
}

/* ---- a job ---- */

static int run_job(struct bench *bench, struct run *run, struct wm_error *err)
{
    const struct subject *subject = run->subject;
    struct wm_job_result result = {0};
    struct wm_job job = {.inputs = bench->inputs[subject->profile],
                         .chain = &run->chain,
                         .sink = run->sink ? &wm_sink_jsonl : NULL,
                         .sink_shared = run->sink,
                         .dir = subject->stages || run->sink ? bench->dir : NULL,
                         .identity = "00000000000000000000000000000000",
                         .n_workers = subject->n_workers,
                         .memory = memory,
                         .max_bad_files = 1,
                         .max_bad_records = 1,
                         .surveys_only = subject->passes == SURVEY};
    int status = wm_job_run(&job, &result, err);
    const struct wm_tally *tally = &result.tally;
    if (!status && tally->n_links && subject->passes == WHOLE)
        bench->kept = (double)tally->links[tally->n_links - 1].bytes_out /
                      ((double)tally->links[0].bytes_in + 1e-9);
    wm_job_result_done(&result);
    return status;
}

int bench_job(struct bench *bench, const struct subject *subject, struct wm_error *err)
{
    struct run run = {.bench = bench, .subject = subject, .err = err};
    int status = 0;
    wm_arena_init(&run.arena, 1 << 20);
    wm_chain_init(&run.chain);
    for (size_t i = 0; !status && subject->stages && subject->stages[i]; i++)
        status = add_stage(&run, subject->stages[i]);
    if (!status)
        status = open_sink(&run);
    if (!status)
        status = run_job(bench, &run, err);
    if (run.sink && wm_sink_jsonl.close)
        wm_sink_jsonl.close(run.sink);
    free(run.sink);
    wm_chain_close(&run.chain);
    wm_arena_done(&run.arena);
    return status;
}

/* ---- the documents' text: a sink ---- */

static FILE *text_file;

static int write_text(const void *shared, void *task, struct wm_batch *batch, struct wm_error *err)
{
    (void)shared, (void)task;
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_str rest = batch->docs[i].text;
        while (rest.len) {
            struct wm_str line = wm_str_line(&rest);
            if (line.len && fwrite(line.ptr, 1, line.len, text_file) != line.len)
                return wm_fail(err, WM_E_IO, "the text cannot be written");
            if (rest.len)
                (void)fputc(' ', text_file);
        }
        (void)fputc('\n', text_file);
    }
    return 0;
}

static const struct wm_sink sink_text = {.name = "text", .summary = "bench", .write = write_text};

int bench_write_text(const struct bench *bench, const char *path, struct wm_error *err)
{
    struct wm_chain chain;
    struct wm_job_result result = {0};
    text_file = fopen(path, "wb");
    if (!text_file)
        return wm_fail(err, WM_E_IO, "%s cannot be written", path);
    wm_chain_init(&chain);
    /* with a limit, tasks run one after the other: one file, in order */
    struct wm_job job = {.inputs = bench->inputs[WM_PROFILE_STRICT],
                         .chain = &chain,
                         .sink = &sink_text,
                         .n_workers = 1,
                         .limit = UINT64_MAX,
                         .max_bad_files = 1,
                         .max_bad_records = 1};
    int status = wm_job_run(&job, &result, err);
    wm_job_result_done(&result);
    wm_chain_close(&chain);
    if (fclose(text_file) && !status)
        status = wm_fail(err, WM_E_IO, "%s cannot be written", path);
    return status;
}
