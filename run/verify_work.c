/* SPDX-License-Identifier: Apache-2.0 */
/* What stopped steps have kept in OUT/work: is it what was written? The same command finds out as well,
 * when it needs it; here it is told before. */
#include <stdio.h>
#include <stdlib.h>

#include "run/work.h"
#include "trainer/checkpoint.h"
#include "wetmill/state.h"

static int on_damage(void *arg, const struct wm_job_damage *damage, struct wm_error *err)
{
    (void)err;
    wm_found(arg, damage->name, "%s: %s is done again", damage->what, damage->again);
    return 0;
}

static int check_merges(struct wm_verifier *v, const char *work, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_state_file file = {0};
    int status = wm_path_join(path, work, "merges", err);
    if (status || !wm_exists(path))
        return status;
    int whole = wm_state_file_open(path, &file, err);
    wm_state_file_close(&file);
    if (!whole)
        wm_found(v, "merges",
                 "its bytes are not those that were written: merges are learned again");
    return whole < 0 ? whole : 0;
}

static int check_checkpoint(struct wm_verifier *v, const char *path, struct wm_error *err)
{
    struct wm_checkpoint checkpoint;
    struct wm_error problem = {0};
    const char *slash = strrchr(path, '/');
    int status = wm_checkpoint_open(path, &checkpoint, &problem);
    if (status)
        return wm_found_error(v, slash ? slash + 1 : path, &problem, err);
    wm_checkpoint_close(&checkpoint);
    return 0;
}

static int check_training(struct wm_verifier *v, const char *work, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    uint64_t *steps = NULL;
    size_t n = 0;
    int status = wm_checkpoint_list(work, &steps, &n, err);
    for (size_t i = 0; !status && i < n; i++) {
        status = wm_checkpoint_path(path, work, steps[i], err);
        if (!status)
            status = check_checkpoint(v, path, err);
    }
    free(steps);
    if (!status)
        status = wm_path_join(path, work, "best.ckpt", err);
    return status || !wm_exists(path) ? status : check_checkpoint(v, path, err);
}

/* Nothing of what a stop left half removed is looked for. */
static int is_kept(struct wm_verifier *v, const char *work, const json_t *record, bool *ret,
                   struct wm_error *err)
{
    const char *published = json_string_value(json_object_get(record, "identity"));
    struct wm_error problem = {0};
    bool over;
    *ret = false;
    int status = wm_is_there(work, ret, err);
    if (status || !*ret)
        return status;
    if (wm_work_is_over(work, published ? published : "", &over, &problem))
        return wm_found_error(v, "identity", &problem, err);
    *ret = !over;
    return 0;
}

int wm_work_verify(struct wm_verifier *v, int id, const json_t *record, struct wm_error *err)
{
    char directory[64], work[WM_PATH_MAX];
    bool there = false;
    v->step = wm_steps[id]->name;
    v->directory = directory;
    (void)snprintf(directory, sizeof directory, "work/%s", v->step);
    int status = wm_path_join(work, v->job->dir, directory, err);
    if (!status)
        status = is_kept(v, work, record, &there, err);
    if (!status && there)
        status = wm_job_look(work, NULL, v->job->cancel, on_damage, v, err);
    if (!status && there && id == WM_STEP_TOKENIZER)
        status = check_merges(v, work, err);
    if (!status && there && id == WM_STEP_TRAIN)
        status = check_training(v, work, err);
    v->directory = "";
    return status;
}
