/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file memory_watch.h
 * Peaks of this process's memory and of a directory's size, looked at 100 times a second by a thread
 * of its own. One at a time. Linux: other systems have no /proc, and all peaks are 0.
 */
#ifndef WETMILL_TESTS_MEMORY_WATCH_H
#define WETMILL_TESTS_MEMORY_WATCH_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "wetmill/arena.h"
#include "wetmill/file.h"

static struct {
    pthread_t thread;
    atomic_bool stop;
    const char *dir;
    uint64_t before;                    /**< Anonymous memory at the start, bytes. */
    uint64_t anonymous, resident, disk; /**< Peaks, bytes; anonymous with what was before. */
    uint64_t tables;                    /**< Most files in `dir` that are partitions' tables. */
} watch;

static inline uint64_t watch_field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? strtoull(at + strlen(name), NULL, 10) << 10 : 0;
}

/** Bytes in files below `path`; `*tables` goes up by those of them that are tables, and not empty. */
static inline uint64_t watch_disk(const char *path, uint64_t *tables)
{
    struct wm_arena arena;
    struct wm_error err = {0};
    struct wm_stat st;
    const char **names = NULL;
    char below[WM_PATH_MAX];
    size_t n = 0;
    uint64_t sum = 0;
    if (wm_stat(path, &st, &err))
        return 0;
    if (!st.is_dir) {
        *tables += st.size > 0 && wm_str_ends(wm_str_of(path), WM_STR(".table"));
        return st.size;
    }
    wm_arena_init(&arena, 64 << 20);
    if (!wm_list_dir(path, &arena, &names, &n, &err))
        for (size_t i = 0; i < n; i++)
            if (!wm_path_join(below, path, names[i], &err))
                sum += watch_disk(below, tables);
    wm_arena_done(&arena);
    return sum;
}

static inline void watch_most(uint64_t *peak, uint64_t now)
{
    *peak = now > *peak ? now : *peak;
}

static inline void watch_look(unsigned round)
{
    char text[8192];
    FILE *file = fopen("/proc/self/status", "r");
    size_t n = file ? fread(text, 1, sizeof text - 1, file) : 0;
    text[n] = '\0';
    if (file)
        (void)fclose(file);
    watch_most(&watch.anonymous, watch_field(text, "RssAnon:"));
    watch_most(&watch.resident, watch_field(text, "VmRSS:"));
    if (round % 10)
        return;
    uint64_t tables = 0;
    watch_most(&watch.disk, watch_disk(watch.dir, &tables));
    watch_most(&watch.tables, tables);
}

static inline void *watch_go_on(void *unused)
{
    struct timespec pause = {0, 10 * 1000 * 1000};
    for (unsigned round = 1; !atomic_load(&watch.stop); round++) {
        watch_look(round);
        (void)nanosleep(&pause, NULL);
    }
    return unused;
}

static inline void watch_begin(const char *dir)
{
    watch.dir = dir;
    watch.anonymous = watch.resident = watch.disk = watch.tables = 0;
    watch_look(1);
    watch.before = watch.anonymous;
    atomic_store(&watch.stop, false);
    if (pthread_create(&watch.thread, NULL, watch_go_on, NULL))
        abort();
}

static inline void watch_end(void)
{
    atomic_store(&watch.stop, true);
    (void)pthread_join(watch.thread, NULL);
}

#endif /* WETMILL_TESTS_MEMORY_WATCH_H */
