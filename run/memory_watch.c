/* SPDX-License-Identifier: Apache-2.0 */
#include "run/memory_watch.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#ifdef __GLIBC__
#    include <malloc.h>
#endif

#include "run/step.h"

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

/* Scratch files have no name: they are seen by their descriptors alone, which others open and close
 * meanwhile. */
static uint64_t nameless_bytes(void)
{
    uint64_t bytes = 0;
    DIR *dir = opendir("/proc/self/fd");
    struct stat st;
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) &&
            st.st_nlink == 0)
            bytes += (uint64_t)st.st_size;
    if (dir)
        (void)closedir(dir);
    return bytes;
}

static void raise_to(uint64_t *most, uint64_t now)
{
    *most = now > *most ? now : *most;
}

/* A twentieth of the time at most. */
static void look_at_disk(struct wm_memory_watch *w, size_t phase)
{
    enum { REST = 20 };
    struct wm_error none;
    uint64_t named = 0, nameless;
    double begin = wm_seconds();
    if (!w->dir)
        return;
    if (!wm_tree_size(w->dir, &named, &none)) {
        nameless = nameless_bytes();
        named += nameless > w->nameless ? nameless - w->nameless : 0;
        raise_to(&w->disk, named);
        raise_to(&w->disk_phases[phase], named);
    }
    double end = wm_seconds();
    w->disk_next = end + REST * (end - begin);
}

static void look(struct wm_memory_watch *w, bool last)
{
    struct wm_phase phases[WM_PROGRESS_PHASES];
    size_t n = wm_progress_phases(w->progress, phases), phase = n ? n - 1 : 0;
    uint64_t now = wm_memory_now();
    raise_to(&w->peak, now);
    raise_to(&w->phases[phase], now);
    if (w->begins[phase] <= 0)
        w->begins[phase] = wm_seconds();
    if (last || wm_seconds() >= w->disk_next)
        look_at_disk(w, phase);
}

static void *watch(void *arg)
{
    struct wm_memory_watch *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    while (!w->stop) {
        struct timespec until;
        look(w, false);
        (void)clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += PAUSE_NS;
        until.tv_sec += until.tv_nsec / SECOND_NS;
        until.tv_nsec %= SECOND_NS;
        (void)pthread_cond_timedwait(&w->wake, &w->lock, &until);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

void wm_memory_watch_begin(struct wm_memory_watch *w, struct wm_progress *progress, const char *dir)
{
    *w = (struct wm_memory_watch){.progress = progress, .dir = dir, .nameless = nameless_bytes()};
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
    look(w, true);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->lock);
    return w->peak;
}
