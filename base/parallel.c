/* SPDX-License-Identifier: Apache-2.0 */
/* A team that waits between calls, on threads from OpenMP (its placement and limits apply) or from
 * pthreads. The waiting is ours in both: a short spin, then sleep. OpenMP's own barriers spin for
 * milliseconds by a policy that is read before main, and fall to a tenth of the speed when another
 * process holds a core. So one OpenMP region lives as long as the team, opened by a host thread.
 * Items are handed out one by one, first come first served. */
#define _GNU_SOURCE /* sched_getaffinity; NOLINT(*-reserved-identifier,cert-dcl*) */
#include "wetmill/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifdef WM_HAVE_OPENMP
#    include <omp.h>
#endif

enum { SPINS = 1000 }; /* looks before sleeping: some 20 to 60 microseconds */

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

/* ---- the team ---- */

struct wm_team {
    unsigned n_threads; /* the caller is slot 0, the helpers are 1, 2, … */
    unsigned n_hosts;
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    atomic_uint started, waiting; /* helpers that arrived; helpers asleep on start */
    atomic_uint round;            /* counts calls; a change begins one */
    atomic_uint working;          /* helpers not yet through with this round */
    atomic_bool stop;
    /* written before a round begins, read by helpers within it */
    void (*body)(void *, size_t);
    void *arg;
    size_t n_items;
    atomic_size_t next;
    struct host {
        struct wm_team *team;
        unsigned slot;
        pthread_t thread;
    } hosts[];
};

static inline void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static void take_items(struct wm_team *team)
{
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&team->next, 1, memory_order_relaxed);
        if (i >= team->n_items)
            return;
        team->body(team->arg, i);
    }
}

/* Until the round is no longer `seen`. */
static void await_round(struct wm_team *team, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&team->round) != seen)
            return;
        relax();
    }
    (void)pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->waiting, 1);
    while (atomic_load(&team->round) == seen)
        (void)pthread_cond_wait(&team->start, &team->lock);
    atomic_fetch_sub(&team->waiting, 1);
    (void)pthread_mutex_unlock(&team->lock);
}

static void begin_round(struct wm_team *team)
{
    (void)pthread_mutex_lock(&team->lock);
    atomic_fetch_add(&team->round, 1);
    if (atomic_load(&team->waiting))
        (void)pthread_cond_broadcast(&team->start);
    (void)pthread_mutex_unlock(&team->lock);
}

static void leave(struct wm_team *team, atomic_uint *counter)
{
    if (atomic_fetch_sub(counter, 1) == 1) {
        (void)pthread_mutex_lock(&team->lock);
        (void)pthread_cond_signal(&team->done);
        (void)pthread_mutex_unlock(&team->lock);
    }
}

static void await_zero(struct wm_team *team, atomic_uint *counter)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(counter) == 0)
            return;
        relax();
    }
    (void)pthread_mutex_lock(&team->lock);
    while (atomic_load(counter))
        (void)pthread_cond_wait(&team->done, &team->lock);
    (void)pthread_mutex_unlock(&team->lock);
}

static void help(struct wm_team *team, unsigned slot)
{
    this_slot = slot;
    for (unsigned seen = 0;; seen++) {
        await_round(team, seen);
        if (atomic_load(&team->stop))
            return;
        take_items(team);
        leave(team, &team->working);
    }
}

#ifdef WM_HAVE_OPENMP

enum { HOSTS_MOST = 1 };

#    if defined(__clang__) && defined(__has_feature)
#        if __has_feature(address_sanitizer)
/* LLVM's runtime keeps a kilobyte for every thread that once opened a region. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libomp.so";
}
#        endif
#    endif

/* OpenMP may give fewer threads than asked for: the team is then that much smaller. */
static void *host_main(void *arg)
{
    struct wm_team *team = ((struct host *)arg)->team;
#    pragma omp parallel num_threads(team->n_threads - 1)
    {
#    pragma omp single
        {
            team->n_threads = 1 + (unsigned)omp_get_num_threads();
            leave(team, &team->started);
        }
        help(team, 1 + (unsigned)omp_get_thread_num());
    }
    return NULL;
}

#else

enum { HOSTS_MOST = WM_TEAM_MAX };

static void *host_main(void *arg)
{
    struct host *self = arg;
    leave(self->team, &self->team->started);
    help(self->team, self->slot);
    return NULL;
}

#endif

static void stop_hosts(struct wm_team *team, unsigned n_hosts)
{
    atomic_store(&team->stop, true);
    begin_round(team);
    for (unsigned i = 0; i < n_hosts; i++)
        (void)pthread_join(team->hosts[i].thread, NULL);
    (void)pthread_cond_destroy(&team->done);
    (void)pthread_cond_destroy(&team->start);
    (void)pthread_mutex_destroy(&team->lock);
    free(team);
}

int wm_team_new(unsigned n_threads, struct wm_team **ret, struct wm_error *err)
{
    if (n_threads == 0)
        n_threads = wm_processors();
    if (n_threads > WM_TEAM_MAX)
        return wm_fail(err, WM_E_CONFIG, "%u threads asked for; the most is %d", n_threads,
                       WM_TEAM_MAX);
    unsigned n_hosts = n_threads - 1 < HOSTS_MOST ? n_threads - 1 : HOSTS_MOST;
    size_t size = sizeof(struct wm_team) + n_hosts * sizeof(struct host);
    struct wm_team *team = calloc(1, size);
    if (!team)
        return wm_fail_nomem(err, size, "team of threads");
    team->n_threads = n_threads;
    team->n_hosts = n_hosts;
    (void)pthread_mutex_init(&team->lock, NULL);
    (void)pthread_cond_init(&team->start, NULL);
    (void)pthread_cond_init(&team->done, NULL);
    atomic_init(&team->started, n_hosts);
    for (unsigned i = 0; i < n_hosts; i++) {
        struct host *h = &team->hosts[i];
        *h = (struct host){.team = team, .slot = i + 1};
        int error = pthread_create(&h->thread, NULL, host_main, h);
        if (error) {
            stop_hosts(team, i);
            return wm_fail(err, WM_E_IO, "cannot start thread %u of %u: error %d", i + 2, n_threads,
                           error);
        }
    }
    await_zero(team, &team->started);
    *ret = team;
    return 0;
}

void wm_team_free(struct wm_team *team)
{
    if (team)
        stop_hosts(team, team->n_hosts);
}

unsigned wm_team_size(const struct wm_team *team)
{
    return team->n_threads;
}

void wm_parallel(struct wm_team *team, size_t n_items, void (*body)(void *arg, size_t item),
                 void *arg)
{
    if (team->n_threads == 1 || n_items <= 1) {
        for (size_t i = 0; i < n_items; i++)
            body(arg, i);
        return;
    }
    team->body = body;
    team->arg = arg;
    team->n_items = n_items;
    atomic_store(&team->next, 0);
    atomic_store(&team->working, team->n_threads - 1);
    begin_round(team);
    take_items(team);
    await_zero(team, &team->working);
}
