/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file progress.h
 * How far the work is, kept by the library and shown by the program:
 *
 *     corpus  43.1 MB/s  61 %  ETA 0:12
 *
 * One thread starts and finishes phases; any thread may add, set, or ask for the text. All
 * functions but init take NULL for "nobody is watching". Times are from the monotonic clock and
 * never enter an output.
 */
#ifndef WETMILL_PROGRESS_H
#define WETMILL_PROGRESS_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WM_PROGRESS_LABEL = 48,
    WM_PROGRESS_UNIT = 16,
    WM_PROGRESS_TEXT = 160,
    WM_PROGRESS_PHASES = 32, /**< Remembered; later ones are not. */
};

/** A phase that was begun. */
struct wm_phase {
    char label[WM_PROGRESS_LABEL], unit[WM_PROGRESS_UNIT];
    uint64_t done, skipped; /**< As in struct wm_progress. */
};

struct wm_progress {
    pthread_mutex_t lock; /**< Guards what is not atomic. */
    char label[WM_PROGRESS_LABEL], unit[WM_PROGRESS_UNIT];
    double start;                     /**< Seconds, monotonic; 0 = no phase yet. */
    double end;                       /**< When the phase finished; 0 = running. */
    atomic_uint_fast64_t done, total; /**< Units; total 0 = unknown. */
    atomic_uint_fast64_t
        skipped; /**< Of `done`: was there before the start, no part of the rate. */
    struct wm_phase past[WM_PROGRESS_PHASES]; /**< [n_past] phases before this one */
    size_t n_past;
};

void wm_progress_init(struct wm_progress *progress);
void wm_progress_done(struct wm_progress *progress);

/** Begin a phase: counters 0, the clock starts. `unit` "bytes", "documents", "tokens" … */
void wm_progress_start(struct wm_progress *progress, const char *label, const char *unit,
                       uint64_t total);
/** The phase is complete: only now 100 %. */
void wm_progress_finish(struct wm_progress *progress);

void wm_progress_add(struct wm_progress *progress, uint64_t n);
void wm_progress_set(struct wm_progress *progress, uint64_t done, uint64_t total);
/** `n` units were done by an earlier run that this one resumes. */
void wm_progress_skip(struct wm_progress *progress, uint64_t n);

/** The phases since the last wm_progress_forget, in the order they were begun; one that was begun
 *  again counts as it is now. `ret` [WM_PROGRESS_PHASES]; returns how many. */
size_t wm_progress_phases(struct wm_progress *progress, struct wm_phase *ret);
void wm_progress_forget(struct wm_progress *progress);

/** Write the line (cut to `size`); empty before the first phase. Returns its length. */
size_t wm_progress_text(struct wm_progress *progress, char *out, size_t size);

/** Seconds of the monotonic clock. */
double wm_seconds(void);

/* ---- figures for people; each returns `out` ---- */

/** "999 B", "43.1 MB": decimal units, three figures. */
const char *wm_format_bytes(uint64_t bytes, char *out, size_t size);
/** The same rounded up, for what is needed at least, and down, for what there is at most: of two that
 *  differ, a need shown is more than what falls short of it, and enough when it is given. */
const char *wm_format_bytes_up(uint64_t bytes, char *out, size_t size);
const char *wm_format_bytes_down(uint64_t bytes, char *out, size_t size);
/** "1,234,567" */
const char *wm_format_count(uint64_t n, char *out, size_t size);
/** What a noun ends with behind the number `n`: "" for 1, else "s". */
static inline const char *wm_plural(uint64_t n)
{
    return n == 1 ? "" : "s";
}
/** "0:07", "12:34", "1:02:03", "2 d 03:04:05" */
const char *wm_format_duration(double seconds, char *out, size_t size);

#endif /* WETMILL_PROGRESS_H */
