/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration with every default, as YAML. Paths are given from the configuration's own
 * directory, so the text is the same wherever the tree stands. */
#include <stdio.h>

#include "run/manifest.h"

static const char *below(const struct wm_run *run, const char *path)
{
    const char *root = run->input.root;
    size_t n = root ? strlen(root) : 0;
    return path && n && strncmp(path, root, n) == 0 && path[n] == '/' ? path + n + 1 : path;
}

/* Paths are formatted through a copy that stands at offset 0. */
static int put_value(const struct wm_run *run, const struct wm_option *option, const void *target,
                     struct wm_buf *out, struct wm_error *err)
{
    const char *at = (const char *)target + option->offset;
    struct wm_option copy = *option;
    copy.offset = 0;
    if (option->type == WM_OPTION_PATH) {
        const char *path;
        memcpy(&path, at, sizeof path);
        path = below(run, path);
        return wm_option_format(&copy, &path, out, err);
    }
    if (option->type != WM_OPTION_PATHS)
        return wm_option_format(option, target, out, err);
    struct wm_list list;
    struct wm_arena arena;
    memcpy(&list, at, sizeof list);
    wm_arena_init(&arena, 64 << 20);
    const char **items = wm_arena_alloc(&arena, list.n + 1, sizeof *items);
    for (size_t i = 0; items && i < list.n; i++)
        items[i] = below(run, list.items[i]);
    list.items = items;
    int status = items ? wm_option_format(&copy, &list, out, err)
                       : wm_fail_nomem(err, list.n * sizeof *items, "paths");
    wm_arena_done(&arena);
    return status;
}

static int put_table(const struct wm_run *run, const struct wm_option *table, const void *target,
                     const char *indent, bool results_only, struct wm_buf *out,
                     struct wm_error *err)
{
    int status = 0;
    for (const struct wm_option *o = table; !status && o->name; o++) {
        if (results_only && (o->flags & WM_OPTION_SPEED))
            continue;
        status = wm_buf_printf(out, err, "%s%s: ", indent, o->name);
        if (!status)
            status = put_value(run, o, target, out, err);
        if (!status)
            status = wm_buf_add(out, "\n", 1, err);
    }
    return status;
}

static int put_stages(const struct wm_run *run, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "\ncorpus:\n  stages:\n");
    for (size_t i = 0; !status && i < run->chain.n; i++) {
        const struct wm_link *link = &run->chain.links[i];
        bool plain = !link->stage->options || !link->stage->options->name;
        status = wm_buf_printf(out, err, "    - %s%s\n", link->stage->name, plain ? "" : ":");
        if (!status && !plain)
            status =
                put_table(run, link->stage->options, link->shared, "        ", false, out, err);
    }
    if (!status)
        status = wm_buf_printf(out, err, "    - %s:\n", wm_sink_jsonl.name);
    return status ? status
                  : put_table(run, wm_sink_jsonl.options, run->jsonl, "        ", false, out, err);
}

static int put_given(const struct wm_run *run, struct wm_buf *out, struct wm_error *err)
{
    static const struct wm_option option = {.name = "tokenizer", .type = WM_OPTION_PATH};
    const char *path = below(run, run->given[WM_STEP_TOKENIZER]);
    int status = wm_buf_printf(out, err, "\ntokenizer: ");
    if (!status)
        status = wm_option_format(&option, &path, out, err);
    return status ? status : wm_buf_add(out, "\n", 1, err);
}

int wm_run_print(const struct wm_run *run, bool stored, struct wm_buf *out, struct wm_error *err)
{
    const struct {
        enum wm_step_id id;
        const struct wm_option *table;
        const void *target;
    } sections[] = {
        {WM_STEP_TOKENIZER, wm_tokenizer_option_table, &run->tokenizer},
        {WM_STEP_SHARDS, wm_sink_shards.options, run->shards},
        {WM_STEP_TRAIN, wm_train_option_table, &run->train},
        {WM_STEP_SAMPLE, wm_sample_option_table, &run->sample},
    };
    int status = wm_buf_printf(out, err, WM_CONFIG_HEAD);
    if (!status) /* where results stand is no part of what they are: output is the first option */
        status = put_table(run, wm_run_option_table + stored, &run->options, "", stored, out, err);
    if (!status)
        status = wm_buf_printf(out, err, "\ninput:\n");
    if (!status)
        status = put_table(run, wm_source_option_table, &run->input, "  ", stored, out, err);
    if (!status && run->has[WM_STEP_CORPUS])
        status = put_stages(run, out, err);
    if (!status && run->given[WM_STEP_TOKENIZER])
        status = put_given(run, out, err);
    for (size_t i = 0; !status && i < sizeof sections / sizeof *sections; i++) {
        if (!run->has[sections[i].id])
            continue;
        status = wm_buf_printf(out, err, "\n%s:\n", wm_steps[sections[i].id]->name);
        if (!status)
            status = put_table(run, sections[i].table, sections[i].target, "  ", stored, out, err);
    }
    return status;
}
