/* SPDX-License-Identifier: Apache-2.0 */
/* What a directory holds: the results of a run, or of a single step. */
#include <stdio.h>
#include <stdlib.h>

#include "run/step.h"

static int open_alone(const char *dir, struct wm_results *ret, struct wm_error *err)
{
    json_t *record;
    int status = wm_record_read(dir, &record, err);
    if (status)
        return status;
    const char *name = json_string_value(json_object_get(record, "step"));
    ret->alone = true;
    for (int id = 0; name && id < WM_STEPS; id++)
        if (strcmp(wm_steps[id]->name, name) == 0) {
            ret->records[id] = record;
            return 0;
        }
    json_decref(record);
    wm_fail(err, WM_E_FORMAT, "step.json is damaged, or of a newer wetmill");
    (void)wm_error_where(err, "%s", dir);
    return wm_error_hint(err, "repeat the command that made the directory, with --verify");
}

/* The record of one step of a run. `*ret_any` is left alone if the step is not there. */
static int open_step(const char *dir, int id, struct wm_results *ret, bool *ret_any,
                     struct wm_error *err)
{
    char step_dir[WM_PATH_MAX];
    json_t *record = NULL;
    bool damaged = false;
    int status = wm_path_join(step_dir, dir, wm_steps[id]->directory, err);
    if (!status)
        status = wm_record_look(step_dir, &record, &damaged, err);
    if (status || (!record && !damaged))
        return status;
    *ret_any = true;
    const char *name = json_string_value(json_object_get(record, "step"));
    if (name && strcmp(name, wm_steps[id]->name) == 0) {
        ret->records[id] = record;
        return 0;
    }
    json_decref(record);
    ret->damaged[id] = true;
    return 0;
}

/* A step's directory that is not there yet: what is done of it stands beside it. */
static int none_here(const char *dir, struct wm_error *err)
{
    char work[WM_PATH_MAX], identity[WM_PATH_MAX];
    struct wm_error ignored;
    int len = (int)strlen(dir);
    while (len > 1 && dir[len - 1] == '/')
        len--;
    int n = snprintf(work, sizeof work, "%.*s.work", len, dir);
    wm_fail(err, WM_E_CONFIG, "there are no results of wetmill here");
    (void)wm_error_where(err, "%s", dir);
    if (n > 0 && (size_t)n < sizeof work && !wm_path_join(identity, work, "identity", &ignored) &&
        wm_exists(identity))
        return wm_error_hint(
            err, "%s holds unfinished work: the command that began it goes on with it", work);
    return wm_error_hint(err, "name the output directory of a run, or of a single step");
}

int wm_results_open(const char *dir, struct wm_results *ret, struct wm_error *err)
{
    static const char *const marks[] = {"manifest.json", "work", "step.json"};
    bool any = false, there = false;
    char path[WM_PATH_MAX];
    int status = 0;
    *ret = (struct wm_results){0};
    for (int id = 0; !status && id < WM_STEPS; id++)
        status = open_step(dir, id, ret, &any, err);
    for (int i = 0; !status && !any && i < 3 && !there; i++) {
        status = wm_path_join(path, dir, marks[i], err);
        if (!status)
            status = wm_is_there(path, &there, err);
        if (there && i == 2)
            status = open_alone(dir, ret, err);
    }
    if (!status && !any && !there)
        status = none_here(dir, err);
    if (status)
        wm_results_close(ret);
    return status;
}

void wm_results_close(struct wm_results *results)
{
    for (int id = 0; id < WM_STEPS; id++)
        json_decref(results->records[id]);
    *results = (struct wm_results){0};
}
