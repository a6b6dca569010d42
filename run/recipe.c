/* SPDX-License-Identifier: Apache-2.0 */
/* The recipe: how a record becomes a document's text. The corpus step writes it, shards carry it,
 * tracing follows it. */
#include <stdio.h>

#include "run/step.h"
#include "wetmill/json.h"

enum { RECIPE_FORMAT = 1, RECIPE_MAX = 16 << 20 /* bytes of recipe.json */ };

int wm_recipe_write(const struct wm_run *run, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "{\"recipe\":%d,\"input\":", RECIPE_FORMAT);
    if (!status)
        status = wm_options_describe(wm_source_option_table, &run->input, out, err);
    if (!status)
        status = wm_buf_printf(out, err, ",\"stages\":");
    if (!status)
        status = wm_chain_describe(&run->chain, out, err);
    return status ? status : wm_buf_printf(out, err, "}\n");
}

/* The directory a path stands in, or itself if it is one. A pattern or "-" is no path. */
static int directory_of(const char *path, char out[WM_PATH_MAX], struct wm_error *err)
{
    struct wm_stat st = {0};
    bool there;
    (void)snprintf(out, WM_PATH_MAX, "%s", path);
    int status = wm_is_there(path, &there, err);
    if (!status && there)
        status = wm_stat(path, &st, err);
    if (status || st.is_dir)
        return status;
    char *slash = strrchr(out, '/');
    (void)snprintf(slash ? slash : out, slash ? 2 : WM_PATH_MAX, "%s", slash ? "" : ".");
    return 0;
}

int wm_recipe_find(const struct wm_run *run, struct wm_buf *out, struct wm_error *err)
{
    char dir[WM_PATH_MAX], path[WM_PATH_MAX];
    bool there = false;
    int status = run->has[WM_STEP_CORPUS]
                     ? wm_step_dir(run, WM_STEP_CORPUS, dir, err)
                     : directory_of(run->input.paths.n ? run->input.paths.items[0] : ".", dir, err);
    if (!status)
        status = wm_path_join(path, dir, "recipe.json", err);
    if (!status)
        status = wm_is_there(path, &there, err);
    if (status)
        return status;
    if (!there) {
        status = wm_run_check_copy(dir, "recipe.json", (struct wm_str){NULL, 0}, err);
        return status ? status : wm_recipe_write(run, out, err);
    }
    const size_t at = out->len;
    status = wm_file_load(path, out, err);
    const struct wm_str recipe = {out->ptr + at, out->len - at};
    if (!status && wm_json_check(recipe, err))
        status = wm_error_where(err, "%s", path);
    return status ? status : wm_run_check_copy(dir, "recipe.json", recipe, err);
}

/* Texts stand there as in YAML (wm_options_describe): in quotes, which are those of JSON, if bare they
 * could be taken for something else. */
static int set_option(const struct wm_option *option, void *target, struct wm_str text,
                      struct wm_arena *arena, struct wm_error *err)
{
    struct wm_json quoted;
    int status = 0;
    if (wm_str_starts(text, WM_STR("\""))) {
        wm_json_open(&quoted, text, arena);
        status = wm_json_string(&quoted, &text, err);
        if (!status)
            status = wm_json_finish(&quoted, err);
    }
    return status ? status : wm_option_set(option, target, text, arena, err);
}

/* Set what the recipe's JSON object says; options the table does not know are of a newer wetmill. */
static int set_options(const struct wm_option *table, void *target, json_t *object,
                       struct wm_arena *arena, struct wm_error *err)
{
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        const struct wm_option *option = wm_option_find(table, wm_str_of(name));
        const char *text = json_string_value(value);
        if (!option || !text)
            return wm_fail(err, WM_E_FORMAT, "the recipe has an unknown option \"%s\"", name);
        if (option->type == WM_OPTION_PATHS || option->type == WM_OPTION_PATH ||
            option->type == WM_OPTION_LIST || strcmp(text, "null") == 0)
            continue; /* none of them changes how a record's text is rewritten */
        int status = set_option(option, target, wm_str_of(text), arena, err);
        if (status)
            return status;
    }
    return 0;
}

static int add_stage(struct wm_chain *chain, json_t *row, struct wm_arena *arena,
                     struct wm_error *err)
{
    const char *name = json_string_value(json_object_get(row, "name"));
    const struct wm_stage *stage = name ? wm_stage_find(wm_str_of(name)) : NULL;
    json_int_t version = json_integer_value(json_object_get(row, "version"));
    void *shared;
    if (!stage)
        return wm_fail(err, WM_E_FORMAT, "the recipe has an unknown stage \"%s\"",
                       name ? name : "");
    if (!stage->rewrites)
        return 0; /* it only drops documents or lines: the line map says which */
    if (version != (json_int_t)stage->version) {
        wm_fail(err, WM_E_MISMATCH, "stage %s was version %d, this program has %u", name,
                (int)version, stage->version);
        return wm_error_hint(err, "trace with the wetmill that made the shards");
    }
    int status = wm_chain_add(chain, stage, &shared, err);
    return status
               ? status
               : set_options(stage->options, shared, json_object_get(row, "options"), arena, err);
}

int wm_recipe_read(struct wm_str text, struct wm_source_options *ret_input,
                   struct wm_chain *ret_chain, struct wm_arena *arena, struct wm_error *err)
{
    json_t *recipe, *row;
    size_t i;
    int status = wm_json_parse(text, &recipe, NULL, err);
    if (!status && json_integer_value(json_object_get(recipe, "recipe")) != RECIPE_FORMAT)
        status = wm_fail(err, WM_E_FORMAT, "the sidecar has no recipe this program knows");
    wm_options_default(wm_source_option_table, ret_input);
    if (!status)
        status = set_options(wm_source_option_table, ret_input, json_object_get(recipe, "input"),
                             arena, err);
    json_array_foreach(json_object_get(recipe, "stages"), i, row)
    {
        if (!status)
            status = add_stage(ret_chain, row, arena, err);
    }
    json_decref(recipe);
    return status;
}
