/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lock.h
 * A lock file that keeps two processes out of one directory, also from different machines that
 * share a file system. It rests on what those agree on: creating a file that must not be there
 * (O_EXCL), and times a file server gives; not on fcntl or flock.
 *
 * The file says who holds it, a line a field: host, boot id, process number space, process, when
 * that started (so that a number used again is not taken for it), since when, and a name of its own
 * (docs/formats.md). A thread renews its time every WM_LOCK_BEAT seconds.
 *
 * A lock is dead, and is taken over, if
 *   - its process is gone: same boot id and process number space;
 *   - its machine has started again: same host, another boot id, no sign of life since that start;
 *   - or, whoever it is, there was no sign of life for WM_LOCK_STALE seconds, by the clock of the
 *     file system. On one machine that rule does not count: a stopped process is not dead.
 * Who wants to take over first makes PATH.claim, so that only one judges at a time; one of those
 * left by a crash is stepped over after WM_LOCK_STALE.
 *
 * A holder that was taken for dead (asleep for longer than that) sees it at its next sign of life
 * and stops: `cancel` is raised, and wm_lock_check fails.
 */
#ifndef WETMILL_LOCK_H
#define WETMILL_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/cancel.h"
#include "wetmill/error.h"

enum {
    WM_LOCK_BEAT = 10,  /**< Seconds between signs of life. */
    WM_LOCK_STALE = 60, /**< Seconds without one after which a holder elsewhere is dead. */
    WM_LOCK_TEXT = 512, /**< Bytes of a sentence about a lock, with NUL. */
};

struct wm_lock;

/**
 * Take the lock file `path`; missing parent directories are made. `cancel` (may be NULL) is raised
 * with SIGTERM if the lock is lost later. `note` is a sentence for people if a dead lock was taken
 * over, else empty. WM_E_BUSY if somebody alive holds it: says who, since when, and what to do. What
 * was left by somebody killed in the moment of taking it has no name to be judged by: then this waits
 * up to WM_LOCK_STALE seconds, or until `cancel`.
 *
 * `*ret` is NULL, with 0, where the directory may not be written: then nobody can change it.
 */
int wm_lock_take(const char *path, struct wm_cancel *cancel, struct wm_lock **ret,
                 char note[WM_LOCK_TEXT], struct wm_error *err);

/** Give a sign of life, and see whether the lock is still ours: WM_E_BUSY if not. Any thread.
 *  NULL is fine. */
int wm_lock_check(struct wm_lock *lock, struct wm_error *err);

/** Remove the lock and the directories made for it that are still empty. NULL is fine. */
void wm_lock_release(struct wm_lock *lock);

/** Does somebody alive hold `path`? 0 if not; WM_E_BUSY says who. Touches nothing, so a lock is
 *  as fresh as this machine's clock says. */
int wm_lock_look(const char *path, struct wm_error *err);

#endif /* WETMILL_LOCK_H */
