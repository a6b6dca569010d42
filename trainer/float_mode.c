/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/float_mode.h"

#include <pthread.h>

#if defined(__x86_64__)

#    include <xmmintrin.h>

enum { FLUSH_RESULTS = 1 << 15, ZERO_INPUTS = 1 << 6 };

static uint64_t get(void)
{
    return _mm_getcsr();
}

static void set(uint64_t mode)
{
    _mm_setcsr((unsigned)mode);
}

#elif defined(__aarch64__)

enum { FLUSH_RESULTS = 1 << 24, ZERO_INPUTS = 0 }; /* one bit does both */

static uint64_t get(void)
{
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}

static void set(uint64_t mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
}

#else

enum { FLUSH_RESULTS = 0, ZERO_INPUTS = 0 };

static uint64_t get(void)
{
    return 0;
}

static void set(uint64_t mode)
{
    (void)mode;
}

#endif

uint64_t wm_float_mode_enter(void)
{
    const uint64_t before = get();
    set(before | FLUSH_RESULTS | ZERO_INPUTS);
    return before;
}

void wm_float_mode_leave(uint64_t before)
{
    set(before);
}

/* ---- the helpers ---- */

struct gathering {
    pthread_mutex_t lock;
    pthread_cond_t all_here;
    unsigned missing;
};

/* An item for every thread: as none returns before all have come, none takes two. */
static void gather(void *arg, size_t item)
{
    struct gathering *g = arg;
    (void)item;
    if (wm_team_slot() != 0)
        (void)wm_float_mode_enter();
    (void)pthread_mutex_lock(&g->lock);
    g->missing--;
    if (g->missing == 0)
        (void)pthread_cond_broadcast(&g->all_here);
    while (g->missing)
        (void)pthread_cond_wait(&g->all_here, &g->lock);
    (void)pthread_mutex_unlock(&g->lock);
}

void wm_float_mode_team(struct wm_team *team)
{
    struct gathering g = {.missing = wm_team_size(team)};
    if (g.missing == 1)
        return;
    (void)pthread_mutex_init(&g.lock, NULL);
    (void)pthread_cond_init(&g.all_here, NULL);
    wm_parallel(team, g.missing, gather, &g);
    (void)pthread_cond_destroy(&g.all_here);
    (void)pthread_mutex_destroy(&g.lock);
}
