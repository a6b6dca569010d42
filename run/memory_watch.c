/* SPDX-License-Identifier: Apache-2.0 */
#include "run/memory_watch.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#    include <malloc.h>
#endif

enum { PAUSE_NS = 20 * 1000 * 1000, SECOND_NS = 1000 * 1000 * 1000 };

/* RssAnon of this process. No stdio: nothing is allocated. */
uint64_t wm_memory_now(void)
{
    static const char label[] = "RssAnon:";
    char text[4096];
    int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    text[n < 0 ? 0 : n] = '\0';
    const char *at = strstr(text, label);
    return at ? strtoull(at + sizeof label - 1, NULL, 10) << 10 : 0;
}

void wm_memory_give_back(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

static void look(struct wm_memory_watch *w)
{
    struct wm_phase phases[WM_PROGRESS_PHASES];
    size_t n = wm_progress_phases(w->progress, phases);
    uint64_t now = wm_memory_now(), *phase = &w->phases[n ? n - 1 : 0];
    w->peak = now > w->peak ? now : w->peak;
    *phase = now > *phase ? now : *phase;
}

static void *watch(void *arg)
{
    struct wm_memory_watch *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        struct timespec until;
        look(w);
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PAUSE_NS;
        until.tv_sec += until.tv_nsec / SECOND_NS;
        until.tv_nsec %= SECOND_NS;
        (void)pthread_cond_timedwait(&w->wake, &w->lock, &until);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

void wm_memory_watch_begin(struct wm_memory_watch *w, struct wm_progress *progress)
{
    *w = (struct wm_memory_watch){.progress = progress};
    (void)pthread_mutex_init(&w->lock, NULL);
    (void)pthread_cond_init(&w->wake, NULL);
    w->running = pthread_create(&w->thread, NULL, watch, w) == 0;
}

uint64_t wm_memory_watch_end(struct wm_memory_watch *w)
{
    if (w->running) {
        (void)pthread_mutex_lock(&w->lock);
        w->stop = true;
        (void)pthread_cond_signal(&w->wake);
        (void)pthread_mutex_unlock(&w->lock);
        (void)pthread_join(w->thread, NULL);
    }
    look(w);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    return w->peak;
}
