/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file error.h
 * How every part of wetmill says that something went wrong.
 *
 * A function that can fail returns 0 (WM_OK) or a negative enum wm_status, takes a
 * `struct wm_error *err` as its last argument and fills it with wm_fail() on failure. `err` is
 * never NULL. Callers higher up add where it happened (wm_error_where) and how to mend it
 * (wm_error_hint); the innermost word stands, later ones are ignored. Only cli/ prints it:
 *
 *     wetmill: error: WHERE: WHAT
 *     EXCERPT            (may be empty; whole lines, the last without a newline)
 *       hint: HINT
 *
 * All text in a wm_error is escaped by these functions: no byte from an archive reaches a terminal.
 * Only the newline within `excerpt` is ours.
 */
#ifndef WETMILL_ERROR_H
#define WETMILL_ERROR_H

#include <stddef.h>

#include "wetmill/str.h"

enum wm_status {
    WM_OK = 0,
    WM_E_NOMEM = -1,     /**< No memory or file descriptors, or over --memory. Exit 1. */
    WM_E_IO = -2,        /**< The system refused a read, a write, a rename. Exit 1. */
    WM_E_FORMAT = -3,    /**< Input is not what it should be. Exit 1. */
    WM_E_CONFIG = -4,    /**< Wrong usage or configuration; nothing was touched. Exit 2. */
    WM_E_CANCELLED = -5, /**< SIGINT or SIGTERM; state is saved. Exit 130 / 143. */
    WM_E_LIMIT = -6,     /**< Input goes over a named limit. Exit 1. */
    WM_E_MISMATCH = -7,  /**< Two files that do not belong together. Exit 2. */
    WM_E_PIPE = -8,      /**< Whoever read our output has gone away (`| head`). Exit 0, silently. */
    WM_E_BUSY = -9,      /**< Somebody else is at work there, or writes to what is read. Exit 1. */
    WM_E_CHANGED = -10,  /**< Input changed while it was read; what was made of it is void. Exit 1. */
};

struct wm_error {
    int status; /**< enum wm_status of the failure, 0 if none. */
    char what[512];
    char where[1024];
    char hint[512];
    char excerpt[256]; /**< The offending line, a newline, and a caret below the column. */
};

/** Fill `err` and return `status`. `where`, `hint` and `excerpt` are emptied. */
__attribute__((format(printf, 3, 4))) int wm_fail(struct wm_error *err, int status, const char *fmt,
                                                  ...);

/** As wm_fail(WM_E_IO), from errno: where = `path` (in quotes if it is empty), what = "cannot DOING:
 *  strerror". Full disks, missing rights and too many open files get a hint. WM_E_NOMEM where memory
 *  or descriptors ran out: that says nothing about the file. */
void wm_fail_errno_(struct wm_error *err, const char *doing, const char *path);
static inline int wm_fail_errno(struct wm_error *err, const char *doing, const char *path)
{
    wm_fail_errno_(err, doing, path);
    /* inline, so that compilers see it is not 0 */
    return err->status == WM_E_NOMEM ? WM_E_NOMEM : WM_E_IO;
}

/** As wm_fail(WM_E_NOMEM): "no memory for `bytes` bytes (`purpose`)". */
void wm_fail_nomem_(struct wm_error *err, size_t bytes, const char *purpose);
static inline int wm_fail_nomem(struct wm_error *err, size_t bytes, const char *purpose)
{
    wm_fail_nomem_(err, bytes, purpose);
    return WM_E_NOMEM;
}

/** Say where (file, record, byte) if that is not known yet. Returns err->status. */
__attribute__((format(printf, 2, 3))) int wm_error_where(struct wm_error *err, const char *fmt,
                                                         ...);

/** Say how to mend it if that has not been said yet. Returns err->status. */
__attribute__((format(printf, 2, 3))) int wm_error_hint(struct wm_error *err, const char *fmt, ...);

/**
 * Show the source line `line` (without its newline) with a caret below byte `column` (from 0; past
 * the end is allowed), cut to a window of about 96 bytes around it. Returns err->status.
 */
int wm_error_excerpt(struct wm_error *err, struct wm_str line, size_t column);

/**
 * Copy `len` bytes into `dst` with every byte that is not printable UTF-8 written as \xNN (also C1
 * controls and bidirectional overrides), cut with "..." to fit `size`. Always ends with NUL.
 */
void wm_escape(char *dst, size_t size, const char *src, size_t len);
/** The same, but newlines stay: for a text of several lines. */
void wm_escape_lines(char *dst, size_t size, const char *src, size_t len);

#endif /* WETMILL_ERROR_H */
