/* SPDX-License-Identifier: Apache-2.0 */
#include "run/manifest.h"

#include <stdio.h>
#include <stdlib.h>

#include "wetmill/json.h"
#include "wetmill/version.h"

enum { CONFIG_MAX = 16 << 20 }; /* bytes of a configuration with every default */

int wm_manifest_remove(const struct wm_run *run, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    if (!run->options.output)
        return 0;
    int status = wm_path_join(path, run->options.output, "manifest.json", err);
    if (status || !wm_exists(path))
        return status;
    status = wm_remove(path, err);
    return status ? status : wm_sync_dir(run->options.output, err);
}

/* The manifest of another configuration does not survive it. */
static int store_config(const struct wm_run *run, struct wm_str config, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_error none = {0};
    struct wm_digest old;
    int status = wm_path_join(path, run->options.output, "config.yaml", err);
    bool same = !status && wm_exists(path) && !wm_file_digest(path, &old, &none) &&
                XXH128_isEqual(old.hash, XXH3_128bits(config.ptr, config.len));
    if (status || same)
        return status;
    status = wm_manifest_remove(run, err);
    return status ? status : wm_file_store(path, config, err);
}

int wm_manifest_write(const struct wm_run *run, const struct wm_run_result *result,
                      struct wm_error *err)
{
    char path[WM_PATH_MAX], hex[WM_HEX128];
    struct wm_buf config;
    wm_buf_init(&config, CONFIG_MAX);
    int status = wm_run_print(run, true, &config, err);
    wm_hex128(XXH3_128bits(config.ptr ? config.ptr : "", config.len), hex);
    json_t *steps = json_array();
    json_t *manifest = json_pack("{s:i, s:s, s:s, s:O}", "format", 1, "wetmill", WM_VERSION,
                                 "config_xxh3", hex, "steps", steps);
    if (!status)
        status = wm_json_ok(manifest, err);
    for (int id = 0; !status && id < WM_STEPS; id++)
        if (result->steps[id] && json_array_append(steps, result->steps[id]))
            status = wm_fail_nomem(err, 0, "JSON");
    if (!status)
        status = wm_json_seal(manifest, err);
    if (!status)
        status = store_config(run, wm_buf_str(&config), err);
    if (!status)
        status = wm_path_join(path, run->options.output, "manifest.json", err);
    if (!status)
        status = wm_json_store(path, manifest, err);
    wm_buf_done(&config);
    json_decref(steps);
    json_decref(manifest);
    return status;
}

/* ---- files of others in their place ---- */

/* What stands in OUT under one of the two names. */
struct standing {
    char path[WM_PATH_MAX];
    bool there, regular;
};

static int look(const struct wm_run *run, const char *name, struct standing *ret,
                struct wm_error *err)
{
    struct wm_stat st;
    *ret = (struct standing){0};
    int status = wm_path_join(ret->path, run->options.output, name, err);
    if (!status)
        status = wm_is_there(ret->path, &ret->there, err);
    if (status || !ret->there)
        return status;
    status = wm_stat(ret->path, &st, err);
    ret->regular = !status && st.is_regular;
    return status;
}

/* `*ret` is NULL if it is not ours. */
static int load_manifest(const struct standing *s, json_t **ret, struct wm_error *err)
{
    *ret = NULL;
    int status = s->regular ? wm_json_load(s->path, ret, err) : 0;
    if (!status && json_integer_value(json_object_get(*ret, "format")) == 1 &&
        json_is_string(json_object_get(*ret, "wetmill")) &&
        json_is_array(json_object_get(*ret, "steps")))
        return 0;
    json_decref(*ret);
    *ret = NULL;
    return status;
}

/* Our copy begins like this. Where it is the file that is read somebody may have written into it: then
 * it must be what the manifest speaks of, or what would be written now. */
static int is_copy(const struct wm_run *run, const struct standing *s, const json_t *manifest,
                   bool is_read, bool *ret, struct wm_error *err)
{
    const struct wm_str head = WM_STR(WM_CONFIG_HEAD), output = WM_STR("output:");
    const char *known = json_string_value(json_object_get(manifest, "config_xxh3"));
    char hex[WM_HEX128];
    struct wm_buf old, new;
    wm_buf_init(&old, CONFIG_MAX);
    wm_buf_init(&new, CONFIG_MAX);
    int status = s->regular ? wm_file_load(s->path, &old, err) : 0;
    const struct wm_str text = wm_buf_str(&old);
    *ret = !status && wm_str_starts(text, head) &&
           !wm_str_starts((struct wm_str){text.ptr + head.len, text.len - head.len}, output);
    if (*ret && is_read && known) {
        wm_hex128(XXH3_128bits(text.ptr, text.len), hex);
        status = wm_run_print(run, true, &new, err);
        *ret = !status && (strcmp(hex, known) == 0 || wm_str_eq(text, wm_buf_str(&new)));
    }
    wm_buf_done(&old);
    wm_buf_done(&new);
    return status;
}

static bool has_results(const char *dir)
{
    struct wm_results results;
    struct wm_error none = {0};
    bool any = false;
    if (wm_results_open(dir, &results, &none))
        return false;
    for (int id = 0; id < WM_STEPS; id++)
        any = any || (results.records[id] && !results.alone);
    wm_results_close(&results);
    return any;
}

static int refuse(const struct wm_run *run, const struct standing *s, bool is_read,
                  struct wm_error *err)
{
    const bool damaged = !is_read && s->regular && has_results(run->options.output);
    if (damaged && run->options.verify)
        return 0;
    if (is_read)
        wm_fail(err, WM_E_CONFIG,
                "the configuration stands where its copy with every default would be written");
    else
        wm_fail(err, WM_E_CONFIG,
                "the output directory holds a file of this name that wetmill "
                "did not write");
    (void)wm_error_where(err, "%s", s->path);
    return damaged ? wm_error_hint(err, "--verify replaces it if it is one of this run that was "
                                        "damaged; else move it away")
                   : wm_error_hint(err, "name another output directory, or give the file another "
                                        "name");
}

int wm_manifest_check_place(const struct wm_run *run, struct wm_error *err)
{
    struct standing s;
    json_t *manifest;
    bool ours = false;
    if (!run->options.output)
        return 0;
    int status = look(run, "manifest.json", &s, err);
    if (status)
        return status;
    if ((status = load_manifest(&s, &manifest, err)))
        return status;
    if (s.there && !manifest)
        status = refuse(run, &s, false, err);
    if (!status)
        status = look(run, "config.yaml", &s, err);
    const bool is_read = !status && s.there && run->file && wm_same_path(s.path, run->file);
    if (!status && s.there)
        status = is_copy(run, &s, manifest, is_read, &ours, err);
    if (!status && s.there && !ours)
        status = refuse(run, &s, is_read, err);
    json_decref(manifest);
    return status;
}

int wm_log_root(const struct wm_run *run, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    char *root = realpath(run->input.root, NULL);
    int status = root ? wm_path_join(path, run->options.output, "log/root", err)
                      : wm_fail_errno(err, "resolve", run->input.root);
    if (!status)
        status = wm_store(path, wm_str_of(root), err);
    free(root);
    return status;
}
