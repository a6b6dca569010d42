/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file lock_holder.h
 * Who holds a lock, and whether he lives.
 */
#ifndef WETMILL_BASE_LOCK_HOLDER_H
#define WETMILL_BASE_LOCK_HOLDER_H

#include "wetmill/file.h"
#include "wetmill/lock.h"

enum {
    WM_HOLDER_FIELD = 128,      /**< Bytes of a field with NUL. */
    WM_HOLDER_TEXT_MAX = 4096,  /**< Bytes of a lock file. */
};

/** Fields hold no space, no control characters. */
struct wm_holder {
    char host[WM_HOLDER_FIELD];
    char boot[WM_HOLDER_FIELD];  /**< Boot id; "-" where the system has none. */
    char space[WM_HOLDER_FIELD]; /**< Process number space; "-" where the system has none. */
    char since[WM_HOLDER_FIELD]; /**< UTC, as in 2024-02-21T10:15:00Z */
    char name[WM_HOLDER_FIELD];  /**< Of this one lock. */
    uint64_t pid;
    uint64_t started; /**< Of the process, clock ticks since boot; 0 where the system does not say. */
};

/** This process, with a new name. */
void wm_holder_self(struct wm_holder *ret);
/** As a lock file's text; returns its length. */
size_t wm_holder_print(const struct wm_holder *holder, char text[WM_HOLDER_TEXT_MAX]);
/** The other way. False for what is no lock of ours. */
bool wm_holder_parse(struct wm_str text, struct wm_holder *ret);

/**
 * Is the holder of a lock dead, whose file was last touched at `beat_ns`? `now_ns` is the time, by
 * the same clock. `ret_why` says why: "its process is gone".
 */
bool wm_holder_dead(const struct wm_holder *holder, int64_t beat_ns, int64_t now_ns,
                    char ret_why[WM_HOLDER_FIELD]);
/** Does the holder run on this machine, where its process number means something? */
bool wm_holder_is_here(const struct wm_holder *holder);

#endif /* WETMILL_BASE_LOCK_HOLDER_H */
