/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

/* Length of the valid UTF-8 character at s that a terminal shows harmlessly, or 0. */
static size_t harmless(const unsigned char *s, size_t len)
{
    if (s[0] < 0x80)
        return s[0] >= 0x20 && s[0] != 0x7F;
    size_t n = s[0] >= 0xF0 ? 4 : s[0] >= 0xE0 ? 3 : 2;
    if (s[0] < 0xC2 || s[0] > 0xF4 || n > len)
        return 0;
    uint32_t c = s[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return 0;
        c = c << 6 | (s[i] & 0x3F);
    }
    bool overlong = (n == 3 && c < 0x800) || (n == 4 && c < 0x10000);
    bool control = c < 0xA0 || c == 0xFEFF || (c >= 0x200B && c <= 0x200F) ||
                   (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
    bool surrogate = c >= 0xD800 && c <= 0xDFFF;
    return overlong || control || surrogate || c > 0x10FFFF ? 0 : n;
}

/* `keep`: a control character that may stay, or NUL. */
static void escape(char *dst, size_t size, const char *src, size_t len, char keep)
{
    static const char ellipsis[] = "...";
    size_t used = 0, safe = 0; /* safe: where "..." still fits */
    for (size_t i = 0; i < len;) {
        size_t n = harmless((const unsigned char *)src + i, len - i);
        if (keep && src[i] == keep)
            n = 1;
        size_t need = n ? n : 4;
        if (used + need >= size) {
            if (size >= sizeof ellipsis) {
                memcpy(dst + safe, ellipsis, sizeof ellipsis);
            } else if (size) {
                dst[0] = '\0';
            }
            return;
        }
        if (n)
            memcpy(dst + used, src + i, n);
        else
            (void)snprintf(dst + used, size - used, "\\x%02X", (unsigned)(unsigned char)src[i]);
        used += need;
        i += n ? n : 1;
        if (used + sizeof ellipsis <= size)
            safe = used;
    }
    if (size)
        dst[used] = '\0';
}

void wm_escape(char *dst, size_t size, const char *src, size_t len)
{
    escape(dst, size, src, len, '\0');
}

void wm_escape_lines(char *dst, size_t size, const char *src, size_t len)
{
    escape(dst, size, src, len, '\n');
}

__attribute__((format(printf, 3, 0))) static void put(char *dst, size_t size, const char *fmt,
                                                      va_list ap)
{
    char raw[2048];
    int n = vsnprintf(raw, sizeof raw, fmt, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof raw ? (size_t)n : sizeof raw - 1;
    wm_escape(dst, size, raw, len);
}

int wm_fail(struct wm_error *err, int status, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err->status = status;
    err->where[0] = err->hint[0] = err->excerpt[0] = '\0';
    put(err->what, sizeof err->what, fmt, ap);
    va_end(ap);
    return status;
}

void wm_fail_errno_(struct wm_error *err, const char *doing, const char *path)
{
    int code = errno;
    char reason[128];
    if (strerror_r(code, reason, sizeof reason) != 0)
        (void)snprintf(reason, sizeof reason, "error %d", code);
    const bool short_of = code == ENOMEM || code == EMFILE || code == ENFILE;
    wm_fail(err, short_of ? WM_E_NOMEM : WM_E_IO, "cannot %s: %s", doing, reason);
    if (code == ENOSPC || code == EDQUOT)
        wm_error_hint(err, "make room there, then run the same command again");
    if (code == EMFILE || code == ENFILE)
        wm_error_hint(err, "raise the limit of open files (ulimit -n) or use fewer workers (-j)");
    (void)wm_error_where(err, "%s", *path ? path : "\"\"");
}

void wm_fail_nomem_(struct wm_error *err, size_t bytes, const char *purpose)
{
    wm_fail(err, WM_E_NOMEM, "no memory for %zu bytes (%s)", bytes, purpose);
    (void)wm_error_hint(err, "use fewer workers (-j) or a machine with more memory");
}

int wm_error_where(struct wm_error *err, const char *fmt, ...)
{
    if (!err->where[0]) {
        va_list ap;
        va_start(ap, fmt);
        put(err->where, sizeof err->where, fmt, ap);
        va_end(ap);
    }
    return err->status;
}

int wm_error_hint(struct wm_error *err, const char *fmt, ...)
{
    if (!err->hint[0]) {
        va_list ap;
        va_start(ap, fmt);
        put(err->hint, sizeof err->hint, fmt, ap);
        va_end(ap);
    }
    return err->status;
}

/* Columns a terminal shows for escaped text: every character but UTF-8 continuation bytes. */
static size_t columns(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xC0) != 0x80;
    return n;
}

static bool continues(struct wm_str line, size_t at)
{
    return at < line.len && ((unsigned char)line.ptr[at] & 0xC0) == 0x80;
}

int wm_error_excerpt(struct wm_error *err, struct wm_str line, size_t column)
{
    enum { BEFORE = 64, AFTER = 32, MARGIN = 4 };
    if (column > line.len)
        column = line.len;
    size_t first = column > BEFORE ? column - BEFORE : 0;
    size_t end = line.len - column > AFTER ? column + AFTER : line.len;
    while (first < column && continues(line, first))
        first++;
    while (end > column && continues(line, end))
        end--;
    char before[100], after[40]; /* with margins and caret 250 at most */
    wm_escape(before, sizeof before, line.len ? line.ptr + first : "", column - first);
    wm_escape(after, sizeof after, line.len ? line.ptr + column : "", end - column);
    (void)snprintf(err->excerpt, sizeof err->excerpt, "%*s%s%s\n%*s^", MARGIN, "", before, after,
                   (int)(MARGIN + columns(before)), "");
    return err->status;
}
