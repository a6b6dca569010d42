/* SPDX-License-Identifier: Apache-2.0 */
#include "run/manifest.h"

#include <stdio.h>
#include <stdlib.h>

#include "wetmill/json.h"
#include "wetmill/version.h"

enum { COMMAND_MAX = 64 << 20 }; /* bytes of the command that is remembered */

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
    wm_buf_init(&config, 16 << 20);
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

int wm_log_command(const struct wm_run *run, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_buf buf;
    wm_buf_init(&buf, COMMAND_MAX);
    char *rejects = run->options.rejects ? realpath(run->options.rejects, NULL) : NULL;
    int status = wm_buf_printf(&buf, err, "%s", run->command);
    if (!status && run->options.limit)
        status = wm_buf_printf(&buf, err, " --limit %llu", (unsigned long long)run->options.limit);
    if (!status && rejects)
        status = wm_buf_printf(&buf, err, " --rejects '%s'", rejects);
    if (!status)
        status = wm_path_join(path, run->options.output, "log/command", err);
    if (!status)
        status = wm_store(path, wm_buf_str(&buf), err);
    free(rejects);
    wm_buf_done(&buf);
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
