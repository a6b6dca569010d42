/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

void wm_buf_init(struct wm_buf *buf, size_t max)
{
    *buf = (struct wm_buf){.max = max};
}

void wm_buf_done(struct wm_buf *buf)
{
    free(buf->ptr);
    wm_buf_init(buf, buf->max);
}

int wm_buf_reserve(struct wm_buf *buf, size_t more, struct wm_error *err)
{
    if (more <= buf->cap - buf->len)
        return 0;
    if (more > buf->max - buf->len)
        return wm_fail(err, WM_E_LIMIT, "a buffer would grow over its limit of %zu bytes",
                       buf->max);
    size_t cap = buf->cap < 256 ? 256 : buf->cap;
    if (cap > buf->max)
        cap = buf->max;
    while (cap - buf->len < more)
        cap = cap > buf->max / 2 ? buf->max : cap * 2;
    char *ptr = cap < SIZE_MAX ? realloc(buf->ptr, cap + 1) : NULL; /* 1: the NUL of printf */
    if (!ptr)
        return wm_fail_nomem(err, cap, "buffer");
    buf->ptr = ptr;
    buf->cap = cap;
    return 0;
}

int wm_buf_add(struct wm_buf *buf, const void *bytes, size_t len, struct wm_error *err)
{
    int status = wm_buf_reserve(buf, len, err);
    if (status)
        return status;
    if (len)
        memcpy(buf->ptr + buf->len, bytes, len);
    buf->len += len;
    return 0;
}

int wm_buf_printf(struct wm_buf *buf, struct wm_error *err, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    int status = n < 0 ? wm_fail(err, WM_E_FORMAT, "text cannot be formatted")
                       : wm_buf_reserve(buf, (size_t)n, err);
    if (!status && n > 0) {
        (void)vsnprintf(buf->ptr + buf->len, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    }
    va_end(again);
    return status;
}
