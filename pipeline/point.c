/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/point.h"

#include <stdio.h>
#include <string.h>

#include "pipeline/commit.h"
#include "pipeline/kept.h"

static const char magic[] = "wetmill point";

static struct wm_str identity_of(const struct wm_job *job)
{
    return wm_str_of(job->identity ? job->identity : "");
}

int wm_point_path(char out[WM_PATH_MAX], const char *dir, unsigned pass, uint32_t task,
                  struct wm_error *err)
{
    char name[64];
    (void)snprintf(name, sizeof name, "commits/pass%u/%06u.point", pass, task);
    return wm_path_join(out, dir, name, err);
}

int wm_point_begin(const struct wm_job *job, unsigned pass, uint32_t task, struct wm_state_out *ret,
                   struct wm_error *err)
{
    char path[WM_PATH_MAX];
    *ret = (struct wm_state_out){0};
    int status = wm_point_path(path, job->dir, pass, task, err);
    if (!status)
        status = wm_state_out_file(ret, path, err);
    if (status)
        return status;
    wm_state_put_str(ret, wm_str_of(magic));
    wm_state_put(ret, WM_POINT_VERSION);
    wm_state_put_str(ret, identity_of(job));
    wm_state_put(ret, pass);
    wm_state_put(ret, task);
    wm_state_put(ret, job->limit);
    wm_state_put_hash(ret, wm_commit_source(job->inputs, task));
    return 0;
}

static bool is_ours(const struct wm_job *job, unsigned pass, uint32_t task, struct wm_state_in *in)
{
    return wm_str_eq(wm_state_get_str(in), wm_str_of(magic)) &&
           wm_state_get(in) == WM_POINT_VERSION &&
           wm_str_eq(wm_state_get_str(in), identity_of(job)) && wm_state_get(in) == pass &&
           wm_state_get(in) == task && wm_state_get(in) == job->limit &&
           XXH128_isEqual(wm_state_get_hash(in), wm_commit_source(job->inputs, task)) && !in->bad;
}

int wm_point_open(const struct wm_job *job, unsigned pass, uint32_t task, struct wm_state_file *ret,
                  struct wm_error *err)
{
    char path[WM_PATH_MAX];
    *ret = (struct wm_state_file){0};
    int status = wm_point_path(path, job->dir, pass, task, err);
    if (!status)
        status = wm_state_file_open(path, ret, err);
    if (!status && wm_exists(path))
        wm_job_say(job, "%s is damaged: task %u is done from its beginning", path, (unsigned)task);
    return status > 0 ? is_ours(job, pass, task, &ret->body) : status;
}

int wm_point_remove(const struct wm_job *job, unsigned pass, uint32_t task, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_point_path(path, job->dir, pass, task, err);
    return status ? status : wm_remove(path, err);
}
