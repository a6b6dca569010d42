/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file memory_watch.h
 * The most anonymous memory the process held, and the most bytes that were on disk for it, while
 * someone watched: what --memory is about and --explain predicts; in all, and for each phase that the
 * progress tells of. Linux; elsewhere memory is not known. One watch at a time, on a thread of its own
 * that looks 50 times a second, at directories of many files more rarely: what comes and goes in
 * between is missed.
 */
#ifndef WETMILL_RUN_MEMORY_WATCH_H
#define WETMILL_RUN_MEMORY_WATCH_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "wetmill/progress.h"

struct wm_memory_watch {
    bool running, stop;
    uint64_t peak;
    uint64_t phases[WM_PROGRESS_PHASES]; /**< Peaks, in the order of wm_progress_phases. */
    const char *dir;
    uint64_t disk, nameless; /**< nameless: bytes of scratch files when it began. */
    uint64_t disk_phases[WM_PROGRESS_PHASES];
    double begins[WM_PROGRESS_PHASES]; /**< When a phase was first seen, seconds; 0: never. */
    double disk_next;                  /**< When to look at the disk again. */
    struct wm_progress *progress;
    pthread_t thread;
    pthread_mutex_t lock; /**< Guards stop and peak. */
    pthread_cond_t wake;
};

/** Without a thread or /proc nothing is known. `progress` may be NULL: no phases. On disk there are
 *  files below `dir`, and those this process has open that have no name. */
void wm_memory_watch_begin(struct wm_memory_watch *w, struct wm_progress *progress,
                           const char *dir);
/** Bytes at the peak, 0 = not known; those on disk are in w->disk. */
uint64_t wm_memory_watch_end(struct wm_memory_watch *w);
/** What was freed goes back to the system, so that a step does not hold what the one before let go. */
void wm_memory_give_back(void);
/** Bytes now, 0 = not known. */
uint64_t wm_memory_now(void);

#endif /* WETMILL_RUN_MEMORY_WATCH_H */
