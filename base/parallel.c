/* SPDX-License-Identifier: Apache-2.0 */
/* A team that waits between calls, on threads from OpenMP (its placement and limits apply) or from
 * pthreads. The waiting is ours in both: a short spin, then sleep. OpenMP's own barriers spin for
 * milliseconds by a policy that is read before main, and fall to a tenth of the speed when another
 * process holds a core. So one OpenMP region lives as long as the team, opened by a host thread.
 * Items are handed out one by one, first come first served: among shared processors no two threads
 * get equally far. */
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

enum {
    SPINS = 1000,         /* looks before sleeping: some 20 to 60 microseconds */
    SESSION_SPINS = 4000, /* where the next call is known to come soon */
    CROWDED_SPINS = 20,   /* where another of the team waits for the processor */
};

static _Thread_local unsigned this_slot;
static _Thread_local const struct wm_team *this_works_for; /* whose item this thread is in */

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
    bool crowded; /* more threads than processors */
    pthread_mutex_t lock;
    pthread_cond_t start, done;
    atomic_uint waiting;       /* helpers asleep on start */
    atomic_uint round;         /* a change is news: items, or stop */
    atomic_bool driver_sleeps; /* on done */
    atomic_bool in_session;
    atomic_bool stop;
    atomic_uint started; /* hosts still to come */
    /* What a call is about: written while no item is left, read by whoever holds one. */
    void (*body)(void *, size_t);
    void *arg;
    size_t n_items;
    atomic_llong left; /* items to take; ≤ 0: none */
    atomic_size_t undone;
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

static int n_spins(struct wm_team *team)
{
    return team->crowded                                                   ? CROWDED_SPINS
           : atomic_load_explicit(&team->in_session, memory_order_relaxed) ? SESSION_SPINS
                                                                           : SPINS;
}

/* Whoever goes to sleep says so before it looks once more, and whoever has news makes them visible
 * before looking for sleepers; so the lock is only taken where somebody sleeps. */

/* Until the round is no longer `seen`. */
static void await_round(struct wm_team *team, unsigned seen)
{
    for (int i = n_spins(team); i; i--) {
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

/* News for at most n helpers. */
static void begin_round(struct wm_team *team, size_t n)
{
    atomic_fetch_add(&team->round, 1);
    const unsigned waiting = atomic_load(&team->waiting);
    if (!waiting)
        return;
    (void)pthread_mutex_lock(&team->lock);
    if (n >= waiting)
        (void)pthread_cond_broadcast(&team->start);
    else
        for (; n; n--)
            (void)pthread_cond_signal(&team->start);
    (void)pthread_mutex_unlock(&team->lock);
}

static void tell_driver(struct wm_team *team)
{
    if (atomic_load(&team->driver_sleeps)) {
        (void)pthread_mutex_lock(&team->lock);
        (void)pthread_cond_signal(&team->done);
        (void)pthread_mutex_unlock(&team->lock);
    }
}

static bool all_done(struct wm_team *team)
{
    return atomic_load(&team->undone) == 0 && atomic_load(&team->started) == 0;
}

static void await_done(struct wm_team *team)
{
    for (int i = n_spins(team); i; i--) {
        if (all_done(team))
            return;
        relax();
    }
    (void)pthread_mutex_lock(&team->lock);
    atomic_store(&team->driver_sleeps, true);
    while (!all_done(team))
        (void)pthread_cond_wait(&team->done, &team->lock);
    atomic_store(&team->driver_sleeps, false);
    (void)pthread_mutex_unlock(&team->lock);
}

/* ---- subnormals ---- */

#if defined(__x86_64__)
typedef unsigned float_mode;
enum { FLUSH = 0x8040 }; /* FTZ, DAZ */
static float_mode get_float_mode(void)
{
    return __builtin_ia32_stmxcsr();
}
static void set_float_mode(float_mode mode)
{
    __builtin_ia32_ldmxcsr(mode);
}
#elif defined(__aarch64__)
typedef uint64_t float_mode;
enum { FLUSH = 1 << 24 }; /* FZ */
static float_mode get_float_mode(void)
{
    float_mode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static void set_float_mode(float_mode mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode));
}
#else
typedef unsigned float_mode;
enum { FLUSH = 0 };
static float_mode get_float_mode(void)
{
    return 0;
}
static void set_float_mode(float_mode mode)
{
    (void)mode;
}
#endif

void wm_team_session(struct wm_team *team, void (*body)(void *arg), void *arg)
{
    if (atomic_load(&team->in_session)) {
        body(arg);
        return;
    }
    const float_mode before = get_float_mode();
    atomic_store(&team->in_session, true);
    set_float_mode(before | FLUSH);
    body(arg);
    set_float_mode(before);
    atomic_store(&team->in_session, false);
}

/* ---- items ---- */

/* A call is over when its items are done: a helper that sleeps, or whose processor another process
 * has, holds nobody up. It may come late and then take an item of the next call; hence what a call
 * is about is only read with an item in hand, which keeps that call from ending. */
static void take_items(struct wm_team *team, float_mode usual, float_mode *mode)
{
    const struct wm_team *outer = this_works_for;
    size_t n_done = 0;
    this_works_for = team;
    for (;;) {
        const long long left = atomic_fetch_sub(&team->left, 1);
        if (left <= 0)
            break;
        const float_mode wanted = atomic_load(&team->in_session) ? usual | FLUSH : usual;
        if (wanted != *mode)
            set_float_mode(*mode = wanted);
        team->body(team->arg, team->n_items - (size_t)left);
        n_done++;
    }
    this_works_for = outer;
    if (n_done && atomic_fetch_sub(&team->undone, n_done) == n_done)
        tell_driver(team);
}

static void help(struct wm_team *team, unsigned slot)
{
    const float_mode usual = get_float_mode();
    float_mode mode = usual;
    this_slot = slot;
    while (!atomic_load(&team->stop)) {
        const unsigned seen = atomic_load(&team->round);
        take_items(team, usual, &mode);
        if (!atomic_load(&team->stop))
            await_round(team, seen);
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
            atomic_store(&team->started, 0);
            tell_driver(team);
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
    atomic_fetch_sub(&self->team->started, 1);
    tell_driver(self->team);
    help(self->team, self->slot);
    return NULL;
}

#endif

static void stop_hosts(struct wm_team *team, unsigned n_hosts)
{
    atomic_store(&team->stop, true);
    begin_round(team, SIZE_MAX);
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
    team->crowded = n_threads > wm_processors();
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
    await_done(team);
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
    if (team->n_threads == 1 || n_items <= 1 || this_works_for == team) {
        for (size_t i = 0; i < n_items; i++)
            body(arg, i);
        return;
    }
    team->body = body;
    team->arg = arg;
    team->n_items = n_items;
    atomic_store(&team->undone, n_items);
    atomic_store(&team->left, (long long)n_items);
    begin_round(team, n_items - 1);
    float_mode mode = get_float_mode();
    take_items(team, mode, &mode);
    await_done(team);
}
