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
    survey->n += !status;
    return status;
}

int wm_survey_borrow(struct wm_survey *survey, struct wm_records **ret, struct wm_error *err)
{
    int status = 0;
    pthread_mutex_lock(&survey->crew->lock);
    while (survey->n_lent == survey->n && survey->n == survey->cap)
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

int wm_survey_finish(struct wm_survey *survey, const char *path, struct wm_digest *ret,
                     struct wm_error *err)
{
    int status = survey->n ? 0 : add_writer(survey, err); /* a run without records */
    if (status)
        return status;
    size_t n = survey->n;
    survey->n = 0; /* they are freed in any case */
    return wm_records_finish(survey->writers, n, path, ret, err);
}

void wm_survey_close(struct wm_survey *survey)
{
    if (!survey->is_open)
        return;
    for (size_t i = 0; i < survey->n; i++)
        wm_records_free(survey->writers[i]);
    (void)pthread_cond_destroy(&survey->returned);
    survey->is_open = false;
}
