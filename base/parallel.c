/* SPDX-License-Identifier: Apache-2.0 */
/* Two backends behind one door: OpenMP's own threads, or a team of pthreads that sleep on a
 * condition between calls. Either way items are handed out one by one, first come first served. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "wetmill/parallel.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef WM_HAVE_OPENMP
#    include <pthread.h>
#    include <stdatomic.h>
#endif

static _Thread_local unsigned this_slot;

unsigned wm_team_slot(void)
{
    return this_slot;
}

/* ---- how many processors ---- */

/* "max 100000" or "200000 100000" (cgroup v2), or the quota and period of two files (v1). */
static double read_quota(const char *path, const char *period_path)
{
    double quota = 0, period = 0;
    char text[64] = "";
    FILE *f = fopen(path, "re");
    if (!f)
        return 0;
    if (fgets(text, sizeof text, f)) {
        char *rest = text;
        quota = (double)strtol(text, &rest, 10);
        period = (double)strtol(rest, NULL, 10);
    }
    (void)fclose(f);
    if (period_path && (f = fopen(period_path, "re"))) {
        if (fgets(text, sizeof text, f))
            period = (double)strtol(text, NULL, 10);
        (void)fclose(f);
    }
    return quota > 0 && period > 0 ? quota / period : 0;
}

unsigned wm_processors(void)
{
    unsigned n = 0;
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        n = (unsigned)CPU_COUNT(&set);
    if (!n) {
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        n = online > 0 ? (unsigned)online : 1;
    }
    double quota = read_quota("/sys/fs/cgroup/cpu.max", NULL);
    if (quota == 0)
        quota = read_quota("/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
                           "/sys/fs/cgroup/cpu/cpu.cfs_period_us");
    if (quota > 0 && quota < n) {
        unsigned whole = (unsigned)quota;
        n = whole + (quota > whole);
    }
    return n < WM_TEAM_MAX ? n : WM_TEAM_MAX;
}

static int check_size(unsigned *n_threads, struct wm_error *err)
{
    if (*n_threads == 0)
        *n_threads = wm_processors();
    if (*n_threads > WM_TEAM_MAX)
        return wm_fail(err, WM_E_CONFIG, "%u threads asked for; the most is %d", *n_threads,
                       WM_TEAM_MAX);
    return 0;
}

static void run_here(size_t n_items, void (*body)(void *, size_t), void *arg)
{
    for (size_t i = 0; i < n_items; i++)
        body(arg, i);
}

#ifdef WM_HAVE_OPENMP

#    include <omp.h>

struct wm_team {
    unsigned n_threads;
};

int wm_team_new(unsigned n_threads, struct wm_team **ret, struct wm_error *err)
{
    int status = check_size(&n_threads, err);
    if (status)
        return status;
    struct wm_team *team = malloc(sizeof *team);
    if (!team)
        return wm_fail_nomem(err, sizeof *team, "team of threads");
    team->n_threads = n_threads;
    *ret = team;
    return 0;
}

void wm_team_free(struct wm_team *team)
{
    free(team);
}

unsigned wm_team_size(const struct wm_team *team)
{
    return team->n_threads;
}

void wm_parallel(struct wm_team *team, size_t n_items, void (*body)(void *arg, size_t item),
                 void *arg)
{
    if (team->n_threads == 1 || n_items <= 1) {
        run_here(n_items, body, arg);
        return;
    }
#    pragma omp parallel num_threads(team->n_threads)
    {
        this_slot = (unsigned)omp_get_thread_num();
#    pragma omp for schedule(dynamic, 1)
        for (size_t i = 0; i < n_items; i++)
            body(arg, i);
        this_slot = 0;
    }
}

#else /* pthreads */

struct wm_team {
    unsigned n_threads; /* the caller is slot 0, so n_threads - 1 are ours */
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    /* under lock */
    uint64_t round;   /* counts wm_parallel calls; a change wakes the helpers */
    unsigned working; /* helpers not yet through with this round */
    bool stop;
    /* written before a round starts, read by helpers within it */
    void (*body)(void *, size_t);
    void *arg;
    size_t n_items;
    atomic_size_t next;
    struct helper {
        struct wm_team *team;
        unsigned slot;
        pthread_t thread;
    } helpers[];
};

static void take_items(struct wm_team *team)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
        if (i >= team->n_items)
            return;
        team->body(team->arg, i);
    }
}

static void *helper_main(void *arg)
{
    struct helper *self = arg;
    struct wm_team *team = self->team;
    uint64_t seen = 0;
    this_slot = self->slot;
    (void)pthread_mutex_lock(&team->lock);
    for (;;) {
        while (!team->stop && team->round == seen)
            (void)pthread_cond_wait(&team->start, &team->lock);
        if (team->stop)
            break;
        seen = team->round;
        (void)pthread_mutex_unlock(&team->lock);
        take_items(team);
        (void)pthread_mutex_lock(&team->lock);
        if (--team->working == 0)
            (void)pthread_cond_signal(&team->done);
    }
    (void)pthread_mutex_unlock(&team->lock);
    return NULL;
}

static void stop_helpers(struct wm_team *team, unsigned n_started)
{
    (void)pthread_mutex_lock(&team->lock);
    team->stop = true;
    (void)pthread_cond_broadcast(&team->start);
    (void)pthread_mutex_unlock(&team->lock);
    for (unsigned i = 0; i < n_started; i++)
        (void)pthread_join(team->helpers[i].thread, NULL);
    (void)pthread_cond_destroy(&team->done);
    (void)pthread_cond_destroy(&team->start);
    (void)pthread_mutex_destroy(&team->lock);
    free(team);
}

int wm_team_new(unsigned n_threads, struct wm_team **ret, struct wm_error *err)
{
    int status = check_size(&n_threads, err);
    if (status)
        return status;
    size_t size = sizeof(struct wm_team) + (n_threads - 1) * sizeof(struct helper);
    struct wm_team *team = calloc(1, size);
    if (!team)
        return wm_fail_nomem(err, size, "team of threads");
    team->n_threads = n_threads;
    (void)pthread_mutex_init(&team->lock, NULL);
    (void)pthread_cond_init(&team->start, NULL);
    (void)pthread_cond_init(&team->done, NULL);
    for (unsigned i = 0; i + 1 < n_threads; i++) {
        struct helper *h = &team->helpers[i];
        *h = (struct helper){.team = team, .slot = i + 1};
        int error = pthread_create(&h->thread, NULL, helper_main, h);
        if (error) {
            stop_helpers(team, i);
            return wm_fail(err, WM_E_IO, "cannot start thread %u of %u: error %d", i + 2, n_threads,
                           error);
        }
    }
    *ret = team;
    return 0;
}

void wm_team_free(struct wm_team *team)
{
    if (team)
        stop_helpers(team, team->n_threads - 1);
}

unsigned wm_team_size(const struct wm_team *team)
{
    return team->n_threads;
}

void wm_parallel(struct wm_team *team, size_t n_items, void (*body)(void *arg, size_t item),
                 void *arg)
{
    if (team->n_threads == 1 || n_items <= 1) {
        run_here(n_items, body, arg);
        return;
    }
    (void)pthread_mutex_lock(&team->lock);
    team->body = body;
    team->arg = arg;
    team->n_items = n_items;
    atomic_store_explicit(&team->next, 0, memory_order_relaxed);
    team->working = team->n_threads - 1;
    team->round++;
    (void)pthread_cond_broadcast(&team->start);
    (void)pthread_mutex_unlock(&team->lock);
    take_items(team);
    (void)pthread_mutex_lock(&team->lock);
    while (team->working)
        (void)pthread_cond_wait(&team->done, &team->lock);
    (void)pthread_mutex_unlock(&team->lock);
}

#endif
