/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/crew.h"

int wm_crew_init(struct wm_crew *crew, struct wm_cancel *cancel, struct wm_error *err)
{
    *crew = (struct wm_crew){.cancel = cancel};
    /* with default attributes these fail only for want of memory */
    if (pthread_mutex_init(&crew->lock, NULL))
        return wm_fail_nomem(err, sizeof crew->lock, "lock");
    if (pthread_cond_init(&crew->work_ready, NULL) || pthread_cond_init(&crew->stock_freed, NULL) ||
        pthread_cond_init(&crew->errand_done, NULL))
        return wm_fail_nomem(err, sizeof crew->work_ready, "condition");
    return 0;
}

void wm_crew_done(struct wm_crew *crew)
{
    (void)pthread_cond_destroy(&crew->errand_done);
    (void)pthread_cond_destroy(&crew->stock_freed);
    (void)pthread_cond_destroy(&crew->work_ready);
    (void)pthread_mutex_destroy(&crew->lock);
}

void wm_crew_put(struct wm_crew *crew, struct wm_work *work, bool urgent)
{
    if (urgent) {
        work->next = crew->first;
        crew->first = work;
    } else {
        work->next = NULL;
        if (crew->first)
            crew->last->next = work;
        else
            crew->first = work;
    }
    if (!work->next)
        crew->last = work;
    pthread_cond_signal(&crew->work_ready);
}

static struct wm_work *take(struct wm_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    while (!crew->first && !crew->closed)
        pthread_cond_wait(&crew->work_ready, &crew->lock);
    struct wm_work *work = crew->first;
    if (work)
        crew->first = work->next;
    pthread_mutex_unlock(&crew->lock);
    return work;
}

void wm_crew_serve(struct wm_crew *crew, void *worker)
{
    for (struct wm_work *work; (work = take(crew));)
        work->run(work, worker);
}

void wm_crew_close(struct wm_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->closed = true;
    pthread_cond_broadcast(&crew->work_ready);
    pthread_mutex_unlock(&crew->lock);
}

void wm_crew_reopen(struct wm_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    crew->closed = false;
    pthread_mutex_unlock(&crew->lock);
}

void wm_crew_fail(struct wm_crew *crew, const struct wm_error *error)
{
    pthread_mutex_lock(&crew->lock);
    crew->broken = crew->broken || error->status != WM_E_CANCELLED;
    if (!crew->failed) {
        crew->failed = true;
        crew->error = *error;
    }
    pthread_mutex_unlock(&crew->lock);
}

bool wm_crew_stopped(struct wm_crew *crew)
{
    struct wm_error err;
    if (wm_cancel_check(crew->cancel, &err))
        wm_crew_fail(crew, &err);
    pthread_mutex_lock(&crew->lock);
    bool stopped = crew->failed;
    pthread_mutex_unlock(&crew->lock);
    return stopped;
}

bool wm_crew_broken(struct wm_crew *crew)
{
    pthread_mutex_lock(&crew->lock);
    bool broken = crew->broken;
    pthread_mutex_unlock(&crew->lock);
    return broken;
}

static void run_errand(struct wm_work *work, void *worker)
{
    (void)worker;
    struct wm_errand *errand = (struct wm_errand *)(void *)work; /* its first member */
    struct wm_crew *crew = errand->crew;
    errand->status = wm_crew_broken(crew) ? wm_fail(&errand->error, WM_E_CANCELLED, "stopped")
                                           : errand->run(errand, &errand->error);
    if (errand->status)
        wm_crew_fail(crew, &errand->error);
    pthread_mutex_lock(&crew->lock);
    errand->busy = false;
    pthread_cond_broadcast(&crew->errand_done);
    pthread_mutex_unlock(&crew->lock);
}

void wm_errand_start(struct wm_crew *crew, struct wm_errand *errand)
{
    errand->work.run = run_errand;
    errand->crew = crew;
    pthread_mutex_lock(&crew->lock);
    errand->busy = true;
    wm_crew_put(crew, &errand->work, true);
    pthread_mutex_unlock(&crew->lock);
}

int wm_errand_wait(struct wm_errand *errand, struct wm_error *err)
{
    if (!errand->crew)
        return 0;
    pthread_mutex_lock(&errand->crew->lock);
    while (errand->busy)
        pthread_cond_wait(&errand->crew->errand_done, &errand->crew->lock);
    pthread_mutex_unlock(&errand->crew->lock);
    if (errand->status)
        *err = errand->error;
    return errand->status;
}
