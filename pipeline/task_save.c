/* SPDX-License-Identifier: Apache-2.0 */
/* Points of a running task: what of it goes into one, and comes back. */
#include <stdlib.h>

#include "pipeline/commit.h"
#include "pipeline/point.h"
#include "pipeline/task.h"

enum { READER_STATE = 64 << 20 }; /* most bytes: hashes of rows, a list of damage */

bool wm_task_saves(const struct wm_pass *pass)
{
    const struct wm_job *job = pass->job;
    bool sink = pass->surveyed || !job->sink || (job->sink->save_task && job->sink->load_task);
    return job->dir && job->sample_rate <= 0 && sink && pass->reading->save && pass->reading->load;
}

bool wm_task_is_due(const struct wm_running *task)
{
    const struct wm_job *job = task->pass->job;
    uint64_t bytes = job->point_bytes ? job->point_bytes : WM_POINT_BYTES;
    double seconds = job->point_seconds > 0 ? job->point_seconds : WM_POINT_SECONDS;
    return task->saves &&
           (task->shown - task->point_at >= bytes || wm_seconds() - task->point_time >= seconds);
}

void wm_point_mark_free(struct wm_point_mark *mark)
{
    if (mark)
        wm_state_out_done(&mark->reader);
    free(mark);
}

int wm_task_mark(struct wm_running *task, struct wm_point_mark **ret, struct wm_error *err)
{
    struct wm_point_mark *mark = calloc(1, sizeof *mark);
    *ret = NULL;
    if (!mark)
        return wm_fail_nomem(err, sizeof *mark, "saving a task");
    wm_state_out_open(&mark->reader, READER_STATE);
    mark->n_read = task->n_read;
    int saved = task->pass->reading->save(task->reader, &mark->reader, err);
    if (saved == WM_E_LIMIT)
        saved = 0;
    if (saved > 0)
        *ret = mark;
    else
        wm_point_mark_free(mark);
    task->point_at = task->shown;
    task->point_time = wm_seconds();
    return saved < 0 ? saved : 0;
}

/* ---- tallies ---- */

static void put_links(struct wm_state_out *state, const struct wm_running *task)
{
    const struct wm_chain *chain = task->pass->job->chain;
    wm_state_put(state, chain->n);
    for (size_t i = 0; i < chain->n; i++) {
        const struct wm_link_tally *link = &task->outcome.links[i];
        for (const struct wm_count_field *f = wm_link_fields; f->name; f++) {
            uint64_t value;
            memcpy(&value, (const char *)link + f->offset, sizeof value);
            wm_state_put(state, value);
        }
        for (size_t r = 0; r < wm_stage_reasons(chain->links[i].stage); r++)
            wm_state_put(state, link->reasons[r]);
    }
}

static int get_links(struct wm_state_in *state, struct wm_running *task, struct wm_error *err)
{
    const struct wm_chain *chain = task->pass->job->chain;
    if (wm_state_get(state) != chain->n)
        return wm_state_mismatch(err, "there are other stages");
    for (size_t i = 0; i < chain->n; i++) {
        struct wm_link_tally *link = &task->outcome.links[i];
        for (const struct wm_count_field *f = wm_link_fields; f->name; f++) {
            uint64_t value = wm_state_get(state);
            memcpy((char *)link + f->offset, &value, sizeof value);
        }
        for (size_t r = 0; r < wm_stage_reasons(chain->links[i].stage); r++)
            link->reasons[r] = wm_state_get(state);
    }
    return wm_state_in_status(state, err);
}

/* ---- saving and going on ---- */

static int save_outputs(struct wm_running *task, struct wm_state_out *state, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    const struct wm_job *job = pass->job;
    int status = 0;
    if (pass->surveyed)
        status = wm_survey_save(&task->survey, state, err);
    if (!status && task->sink_task)
        status = job->sink->save_task(job->sink_shared, task->sink_task, state, err);
    if (!status && pass->rejects)
        status = wm_frames_save(&task->rejects, state, err);
    return status;
}

int wm_task_save(struct wm_running *task, const struct wm_point_mark *mark, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    struct wm_state_out state;
    int status = wm_point_begin(pass->job, pass->index, task->number, &state, err);
    if (!status) {
        wm_state_put_str(&state, wm_buf_str(&mark->reader.buf));
        wm_state_put(&state, mark->n_read);
        put_links(&state, task);
        status = save_outputs(task, &state, err);
    }
    if (status)
        wm_state_out_done(&state);
    else
        status = wm_state_out_commit(&state, err);
    task->has_point = task->has_point || !status;
    return status;
}

static int load_outputs(struct wm_running *task, struct wm_state_in *body, struct wm_error *err)
{
    const struct wm_pass *pass = task->pass;
    const struct wm_job *job = pass->job;
    int status = 0;
    if (pass->surveyed)
        status = wm_survey_load(&task->survey, body, err);
    if (!status && task->sink_task)
        status = job->sink->load_task(job->sink_shared, task->sink_task, body, err);
    if (!status && pass->rejects)
        status = wm_frames_load(&task->rejects, body, err);
    return status ? status : wm_state_in_status(body, err);
}

int wm_task_load(struct wm_running *task, struct wm_state_in *body, struct wm_error *err)
{
    struct wm_state_in reader = {.rest = wm_state_get_str(body)};
    task->n_read = wm_state_get(body);
    int status = get_links(body, task, err);
    if (!status && task->n_read > task->most)
        status = wm_state_mismatch(err, "more documents were read than are wanted");
    if (!status)
        status = task->pass->reading->load(task->reader, &reader, err);
    if (!status)
        status = load_outputs(task, body, err);
    if (status)
        return status;
    task->has_point = true;
    task->shown = task->pass->reading->position(task->reader);
    if (task->shown > task->rows->bytes)
        task->shown = task->rows->bytes;
    wm_progress_skip(task->pass->job->progress, task->shown);
    return 0;
}
