/* SPDX-License-Identifier: Apache-2.0 */
/* From YAML to a run: sections are bound to the option tables of their owners. */
#include <stdio.h>
#include <stdlib.h>

#include "run/command.h"

enum {
    RUN_ARENA = 256 << 20,  /* bytes of strings and option values of one configuration */
    COMMAND_MAX = 16 << 20, /* bytes of its file name and overrides */
};

int wm_run_init(struct wm_run *run, struct wm_error *err)
{
    *run = (struct wm_run){0};
    wm_arena_init(&run->arena, RUN_ARENA);
    wm_chain_init(&run->chain);
    run->jsonl = wm_arena_alloc(&run->arena, 1, wm_sink_jsonl.shared_size);
    run->shards = wm_arena_alloc(&run->arena, 1, wm_sink_shards.shared_size);
    if (!run->jsonl || !run->shards)
        return wm_fail_nomem(err, wm_sink_jsonl.shared_size + wm_sink_shards.shared_size,
                             "configuration");
    wm_options_default(wm_run_option_table, &run->options);
    wm_options_default(wm_source_option_table, &run->input);
    wm_options_default(wm_sink_jsonl.options, run->jsonl);
    wm_options_default(wm_tokenizer_option_table, &run->tokenizer);
    wm_options_default(wm_sink_shards.options, run->shards);
    wm_options_default(wm_train_option_table, &run->train);
    wm_options_default(wm_sample_option_table, &run->sample);
    return 0;
}

/* The run's profile is the default of every option of that name. */
static int inherit(struct wm_run *run, const struct wm_option *table, void *target,
                   struct wm_error *err)
{
    const struct wm_option *own = table ? wm_option_find(table, WM_STR("profile")) : NULL;
    return own ? wm_option_set(own, target, wm_str_of(wm_profile_names[run->options.profile]),
                               &run->arena, err)
               : 0;
}

int wm_run_take_profile(struct wm_run *run, struct wm_error *err)
{
    int status = inherit(run, wm_source_option_table, &run->input, err);
    return status ? status : inherit(run, wm_sink_jsonl.options, run->jsonl, err);
}

void wm_run_done(struct wm_run *run)
{
    wm_lock_release(run->lock);
    wm_chain_close(&run->chain);
    wm_arena_done(&run->arena);
    *run = (struct wm_run){0};
}

/* `at` may be NULL: the command line. */
static int no_stage(const struct wm_yaml_node *at, struct wm_str name, struct wm_error *err)
{
    const char *names[256];
    size_t n = 0;
    while (wm_stages[n] && n < sizeof names / sizeof *names - 1) {
        names[n] = wm_stages[n]->name;
        n++;
    }
    names[n++] = wm_sink_jsonl.name;
    const char *nearest = wm_nearest(name, names, n);
    if (at)
        (void)wm_yaml_fail(at, err, "there is no stage \"%.*s\"", (int)name.len, name.ptr);
    else
        (void)wm_fail(err, WM_E_CONFIG, "there is no stage \"%.*s\"", (int)name.len, name.ptr);
    for (size_t i = 0; i < name.len && !at; i++)
        if (strchr(", =", name.ptr[i]))
            return wm_error_hint(err, "each stage has a -s of its own: -s NAME:OPTION=VALUE:…");
    return nearest ? wm_error_hint(err, "did you mean \"%s\"?", nearest)
                   : wm_error_hint(err, "wetmill stages lists them");
}

static int no_option(const struct wm_option *table, struct wm_str name, struct wm_error *err)
{
    const char *names[WM_YAML_TABLE];
    size_t n = 0;
    for (const struct wm_option *o = table; o->type && n < WM_YAML_TABLE; o++)
        names[n++] = o->name;
    (void)wm_fail(err, WM_E_CONFIG, "there is no option \"%.*s\"", (int)name.len, name.ptr);
    return wm_hint_names(err, name, names, n);
}

/* "option=value:option=value" */
static int set_pairs(const struct wm_option *table, void *target, struct wm_str text,
                     struct wm_arena *arena, struct wm_error *err)
{
    int status = 0;
    while (!status && text.len) {
        const char *colon = memchr(text.ptr, ':', text.len);
        struct wm_str pair = {text.ptr, colon ? (size_t)(colon - text.ptr) : text.len};
        const char *equals = memchr(pair.ptr, '=', pair.len);
        text.ptr += pair.len + (colon != NULL);
        text.len -= pair.len + (colon != NULL);
        if (!equals)
            return wm_fail(err, WM_E_CONFIG, "\"%.*s\" wants the form option=value", (int)pair.len,
                           pair.ptr);
        struct wm_str name = {pair.ptr, (size_t)(equals - pair.ptr)};
        struct wm_str value = {equals + 1, pair.len - name.len - 1};
        const struct wm_option *option = wm_option_find(table, name);
        if (!option)
            return no_option(table, name, err);
        status = wm_option_set(option, target, value, arena, err);
    }
    return status;
}

int wm_run_add_stage(struct wm_run *run, struct wm_str name, struct wm_str options,
                     struct wm_error *err)
{
    const struct wm_stage *stage = wm_stage_find(name);
    void *shared = NULL;
    if (!stage)
        return no_stage(NULL, name, err);
    int status = wm_chain_add(&run->chain, stage, &shared, err);
    if (!status)
        status = inherit(run, stage->options, shared, err);
    if (!status && options.len)
        status = set_pairs(stage->options, shared, options, &run->arena, err);
    if (!status && stage->options)
        status = wm_options_required(stage->options, shared, err);
    if (status)
        (void)wm_error_where(err, "stage %s", stage->name);
    return status;
}

/* One item of corpus.stages: `name` or `name: {options}`. */
static int load_stage(struct wm_run *run, const struct wm_yaml_node *item, bool last,
                      struct wm_error *err)
{
    const struct wm_yaml_node *options = NULL, *name = item;
    if (item->kind == WM_YAML_MAP && item->n == 1) {
        name = item->children[0].key;
        options = item->children[0].value;
    } else if (item->kind != WM_YAML_SCALAR) {
        return wm_yaml_fail(item, err, "a stage is a name, or a name with its options");
    }
    void *target = run->jsonl;
    const struct wm_option *table = wm_sink_jsonl.options;
    if (!wm_str_eq(name->text, wm_str_of(wm_sink_jsonl.name))) {
        const struct wm_stage *stage = wm_stage_find(name->text);
        if (!stage)
            return no_stage(name, name->text, err);
        int status = wm_chain_add(&run->chain, stage, &target, err);
        if (!status)
            status = inherit(run, stage->options, target, err);
        if (status)
            return status;
        table = stage->options;
    } else if (!last) {
        return wm_yaml_fail(name, err, "write-jsonl must be the last stage");
    }
    if (options)
        return wm_yaml_bind(options, table, target, NULL, run->input.root, &run->arena, err);
    return wm_options_required(table, target, err) ? wm_yaml_at(name, err) : 0;
}

static int load_corpus(struct wm_run *run, const struct wm_yaml_node *node, struct wm_error *err)
{
    static const char *const keys[] = {"stages", NULL};
    static const struct wm_option none[] = {{0}};
    int status = wm_yaml_bind(node, none, NULL, keys, NULL, &run->arena, err);
    const struct wm_yaml_node *stages = status ? NULL : wm_yaml_get(node, "stages");
    if (status || !stages)
        return status;
    if (stages->kind != WM_YAML_SEQUENCE)
        return wm_yaml_fail(stages, err, "stages wants a list");
    for (size_t i = 0; !status && i < stages->n; i++)
        status = load_stage(run, stages->children[i].value, i + 1 == stages->n, err);
    return status;
}

static const char *const sections[] = {"version", "input", "corpus", "tokenizer",
                                       "shards",  "train", "sample", NULL};

/* `tokenizer: PATH` is one that is there already: no step. */
static bool is_path(const struct wm_yaml_node *node)
{
    return node->kind == WM_YAML_SCALAR && node->text.len > 0;
}

static int take_tokenizer(struct wm_run *run, const struct wm_yaml_node *node, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    bool here = node->source->command_line || strcmp(run->input.root, ".") == 0;
    const char *text = wm_arena_cstr(&run->arena, node->text), *joined = NULL;
    int status = text ? wm_path_join(path, here || *text == '/' ? "" : run->input.root, text, err)
                      : wm_fail_nomem(err, node->text.len, "path");
    if (!status && !wm_exists(path)) {
        (void)wm_yaml_fail(node, err, "there is no such tokenizer");
        return wm_error_hint(err, "a file or directory to use as it is, or options to train one");
    }
    if (!status && !(joined = wm_arena_cstr(&run->arena, wm_str_of(path))))
        status = wm_fail_nomem(err, strlen(path), "path");
    run->given[WM_STEP_TOKENIZER] = joined;
    return status;
}

static int load_sections(struct wm_run *run, const struct wm_yaml_node *root, struct wm_error *err)
{
    const struct {
        const char *name;
        const struct wm_option *table;
        void *target;
    } bound[] = {
        {"input", wm_source_option_table, &run->input},
        {"tokenizer", wm_tokenizer_option_table, &run->tokenizer},
        {"shards", wm_sink_shards.options, run->shards},
        {"train", wm_train_option_table, &run->train},
        {"sample", wm_sample_option_table, &run->sample},
    };
    const char *dir = run->input.root;
    int status =
        wm_yaml_bind(root, wm_run_option_table, &run->options, sections, dir, &run->arena, err);
    if (!status)
        status = wm_run_take_profile(run, err);
    for (size_t i = 0; !status && i < sizeof bound / sizeof *bound; i++) {
        const struct wm_yaml_node *node = wm_yaml_get(root, bound[i].name);
        if (node && bound[i].target == &run->tokenizer && is_path(node))
            status = take_tokenizer(run, node, err);
        else if (node)
            status =
                wm_yaml_bind(node, bound[i].table, bound[i].target, NULL, dir, &run->arena, err);
    }
    for (int id = 0; !status && id < WM_STEPS; id++)
        run->has[id] = !run->given[id] && wm_yaml_get(root, wm_steps[id]->name) != NULL;
    const struct wm_yaml_node *corpus = status ? NULL : wm_yaml_get(root, "corpus");
    return corpus ? load_corpus(run, corpus, err) : status;
}

static int check_version(const struct wm_yaml_node *root, struct wm_error *err)
{
    const struct wm_yaml_node *version = wm_yaml_get(root, "version");
    if (!version) {
        (void)wm_yaml_fail(root, err, "the configuration has no version");
        return wm_error_hint(err, "begin it with version: 1");
    }
    if (version->kind != WM_YAML_SCALAR || !wm_str_eq(version->text, WM_STR("1"))) {
        (void)wm_yaml_fail(version, err, "this wetmill knows version 1 only");
        return wm_error_hint(err, "a newer wetmill may read it");
    }
    return 0;
}

/* Where it was read, and what to give `wetmill run` to get this run again, from any directory. */
static int note_command(struct wm_run *run, const char *path, const char *const *overrides,
                        size_t n_overrides, struct wm_error *err)
{
    struct wm_buf buf;
    char *whole = realpath(path, NULL);
    if (!whole)
        return 0; /* a pipe that is gone by now */
    wm_buf_init(&buf, COMMAND_MAX);
    int status = wm_command_word(&buf, whole, err);
    for (size_t i = 0; !status && i < n_overrides; i++) {
        status = wm_buf_add(&buf, " --set", 6, err);
        if (!status)
            status = wm_command_word(&buf, overrides[i], err);
    }
    if (!status && (!(run->command = wm_arena_cstr(&run->arena, wm_buf_str(&buf))) ||
                    !(run->file = wm_arena_cstr(&run->arena, wm_str_of(whole)))))
        status = wm_fail_nomem(err, buf.len, "command");
    free(whole);
    wm_buf_done(&buf);
    return status;
}

int wm_run_load(const char *path, const char *const *overrides, size_t n_overrides,
                struct wm_run *ret, struct wm_error *err)
{
    struct wm_yaml_node *root = NULL;
    const char *slash = strrchr(path, '/');
    size_t dir = slash ? (size_t)(slash - path) : 0;
    int status = wm_run_init(ret, err);
    if (!status)
        status = wm_yaml_load(path, &ret->arena, &root, err);
    for (size_t i = 0; !status && i < n_overrides; i++)
        status = wm_yaml_set(root, wm_str_of(overrides[i]), &ret->arena, err);
    if (!status)
        status = check_version(root, err);
    if (!status) {
        ret->input.root =
            wm_arena_cstr(&ret->arena, slash ? (struct wm_str){path, dir ? dir : 1} : WM_STR("."));
        status = ret->input.root ? load_sections(ret, root, err)
                                 : wm_fail_nomem(err, dir, "configuration");
    }
    if (!status)
        status = note_command(ret, path, overrides, n_overrides, err);
    if (status)
        wm_run_done(ret);
    return status;
}
