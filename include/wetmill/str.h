/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file str.h
 * Borrowed bytes. A wm_str owns nothing: whoever made it says where the bytes live (usually in a
 * batch's arena). Not NUL-terminated. `ptr` may be NULL only when `len` is 0.
 */
#ifndef WETMILL_STR_H
#define WETMILL_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct wm_str {
    const char *ptr;
    size_t len;
};

/** A wm_str of a string literal. */
#define WM_STR(literal) ((struct wm_str){"" literal, sizeof(literal) - 1})

static inline struct wm_str wm_str_of(const char *cstr)
{
    return (struct wm_str){cstr, cstr ? strlen(cstr) : 0};
}

static inline bool wm_str_eq(struct wm_str a, struct wm_str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool wm_str_starts(struct wm_str s, struct wm_str prefix)
{
    return s.len >= prefix.len && (prefix.len == 0 || memcmp(s.ptr, prefix.ptr, prefix.len) == 0);
}

static inline bool wm_str_ends(struct wm_str s, struct wm_str suffix)
{
    return s.len >= suffix.len &&
           (suffix.len == 0 || memcmp(s.ptr + s.len - suffix.len, suffix.ptr, suffix.len) == 0);
}

/** Cut the first line off `*rest`, without its newline. */
static inline struct wm_str wm_str_line(struct wm_str *rest)
{
    const char *end = rest->len ? memchr(rest->ptr, '\n', rest->len) : NULL;
    struct wm_str line = {rest->ptr, end ? (size_t)(end - rest->ptr) : rest->len};
    size_t used = line.len + (end != NULL);
    if (used)
        rest->ptr += used;
    rest->len -= used;
    return line;
}

/** Without blanks and tabs at both ends. */
static inline struct wm_str wm_str_trim(struct wm_str s)
{
    while (s.len && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.len--;
    }
    while (s.len && (s.ptr[s.len - 1] == ' ' || s.ptr[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/** Bytes of `s` equal to `c`. */
size_t wm_str_count(struct wm_str s, char c);

#endif /* WETMILL_STR_H */
