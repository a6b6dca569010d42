/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file buf.h
 * A byte buffer that grows up to a stated maximum. One thread at a time.
 */
#ifndef WETMILL_BUF_H
#define WETMILL_BUF_H

#include <stddef.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

struct wm_buf {
    char *ptr;
    size_t len, cap;
    size_t max; /**< Most bytes it may hold. */
};

/** An empty buffer of at most `max` bytes. */
void wm_buf_init(struct wm_buf *buf, size_t max);

/** Free the bytes; the buffer is empty again with the same maximum. Safe on a zeroed one. */
void wm_buf_done(struct wm_buf *buf);

/** Make room for `more` bytes behind `len`. WM_E_LIMIT over the maximum, WM_E_NOMEM. */
int wm_buf_reserve(struct wm_buf *buf, size_t more, struct wm_error *err);

/** Append bytes. Errors as wm_buf_reserve; the buffer is unchanged then. */
int wm_buf_add(struct wm_buf *buf, const void *bytes, size_t len, struct wm_error *err);

/** Append formatted text (without NUL). */
__attribute__((format(printf, 3, 4))) int wm_buf_printf(struct wm_buf *buf, struct wm_error *err,
                                                        const char *fmt, ...);

static inline struct wm_str wm_buf_str(const struct wm_buf *buf)
{
    return (struct wm_str){buf->ptr, buf->len};
}

#endif /* WETMILL_BUF_H */
