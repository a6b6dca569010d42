/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/survey.h"

#include <stdio.h>

int wm_survey_open(struct wm_survey *survey, struct wm_crew *crew, const char *spill,
                   struct wm_record_form form, size_t n_writers, size_t memory,
                   struct wm_error *err)
{
    *survey = (struct wm_survey){.crew = crew, .form = form, .memory = memory};
    survey->cap = n_writers < WM_SURVEY_WRITERS ? n_writers : WM_SURVEY_WRITERS;
    if ((size_t)snprintf(survey->spill, sizeof survey->spill, "%s", spill) >= sizeof survey->spill)
        return wm_fail(err, WM_E_LIMIT, "a path is longer than %d bytes", WM_PATH_MAX - 1);
    if (pthread_cond_init(&survey->returned, NULL))
        return wm_fail_nomem(err, sizeof survey->returned, "condition");
    wm_buf_init(&survey->saved, (size_t)1 << 30);
    survey->is_open = true;
    return 0;
}

/* Under the lock, and rarely: at most cap times for a task. */
static int add_writer(struct wm_survey *survey, struct wm_error *err)
{
    char prefix[WM_PATH_MAX];
    if ((size_t)snprintf(prefix, sizeof prefix, "%s%zu", survey->spill, survey->n) >= sizeof prefix)
        return wm_fail(err, WM_E_LIMIT, "a path is longer than %d bytes", WM_PATH_MAX - 1);
    int status =
        wm_records_new(prefix, survey->form, survey->memory, &survey->writers[survey->n], err);
    survey->made[survey->n] = survey->writers[survey->n];
    survey->n += !status;
    return status;
}

int wm_survey_borrow(struct wm_survey *survey, struct wm_records **ret, struct wm_error *err)
{
    int status = 0;
    pthread_mutex_lock(&survey->crew->lock);
    while (survey->n_lent >= survey->cap)
        pthread_cond_wait(&survey->returned, &survey->crew->lock);
    if (survey->n_lent == survey->n)
        status = add_writer(survey, err);
    if (!status)
        *ret = survey->writers[survey->n_lent++];
    pthread_mutex_unlock(&survey->crew->lock);
    return status;
}

void wm_survey_return(struct wm_survey *survey, struct wm_records *writer)
{
    pthread_mutex_lock(&survey->crew->lock);
    size_t at = 0;
    while (survey->writers[at] != writer)
        at++;
    survey->writers[at] = survey->writers[--survey->n_lent];
    survey->writers[survey->n_lent] = writer;
    pthread_cond_signal(&survey->returned);
    pthread_mutex_unlock(&survey->crew->lock);
}

static int note_saved(struct wm_survey *survey, const struct wm_records *writer,
                      struct wm_error *err)
{
    char path[WM_PATH_MAX];
    for (size_t i = 0;; i++) {
        int status = wm_records_saved(writer, i, path, err);
        if (status <= 0)
            return status;
        status = wm_buf_add(&survey->saved, path, strlen(path) + 1, err);
        if (status)
            return status;
    }
}

int wm_survey_finish(struct wm_survey *survey, const char *path, struct wm_digest *ret,
                     struct wm_error *err)
{
    int status = survey->n ? 0 : add_writer(survey, err); /* a run without records */
    if (status)
        return status;
    for (size_t i = 0; !status && i < survey->n; i++)
        status = note_saved(survey, survey->writers[i], err);
    if (status)
        return status;
    size_t n = survey->n;
    survey->n = 0; /* they are freed in any case */
    return wm_records_finish(survey->writers, n, path, ret, err);
}

int wm_survey_save(struct wm_survey *survey, struct wm_state_out *state, struct wm_error *err)
{
    wm_state_put(state, survey->n);
    return survey->n ? wm_records_save(survey->made, survey->n, state, err) : 0;
}

/* Another number of workers may have been at it; those that are too many only keep their runs. */
int wm_survey_load(struct wm_survey *survey, struct wm_state_in *state, struct wm_error *err)
{
    uint64_t n = wm_state_get(state);
    int status = n > WM_SURVEY_WRITERS ? wm_state_mismatch(err, "too many writers") : 0;
    while (!status && survey->n < n) {
        status = add_writer(survey, err);
        if (!status)
            status = wm_records_load(survey->made[survey->n - 1], state, err);
    }
    return status;
}

int wm_survey_sweep(struct wm_survey *survey, struct wm_error *err)
{
    int status = 0;
    for (size_t at = 0; !status && at < survey->saved.len; at += strlen(survey->saved.ptr + at) + 1)
        status = wm_remove(survey->saved.ptr + at, err);
    return status;
}

void wm_survey_close(struct wm_survey *survey)
{
    if (!survey->is_open)
        return;
    for (size_t i = 0; i < survey->n; i++)
        wm_records_free(survey->writers[i]);
    (void)pthread_cond_destroy(&survey->returned);
    wm_buf_done(&survey->saved);
    survey->is_open = false;
}
