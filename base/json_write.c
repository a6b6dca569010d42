/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/json.h"

#include <math.h>

#include "base/json_escape.h"
#include "wetmill/number.h"
#include "wetmill/utf8.h"

void wm_json_out_open(struct wm_json_out *w, struct wm_buf *buf, struct wm_error *err)
{
    *w = (struct wm_json_out){.buf = buf, .err = err};
}

/* Room for `n` more bytes, or NULL. */
static char *room(struct wm_json_out *w, size_t n)
{
    if (!w->status && n > w->buf->cap - w->buf->len)
        w->status = wm_buf_reserve(w->buf, n, w->err);
    return w->status ? NULL : w->buf->ptr + w->buf->len;
}

static void add(struct wm_json_out *w, const char *bytes, size_t len)
{
    char *to = room(w, len);
    if (!to)
        return;
    if (len)
        memcpy(to, bytes, len);
    w->buf->len += len;
}

static void add_char(struct wm_json_out *w, char c)
{
    char *to = room(w, 1);
    if (!to)
        return;
    *to = c;
    w->buf->len++;
}

static void add_comma(struct wm_json_out *w)
{
    if (w->comma)
        add_char(w, ',');
}

void wm_json_put_open(struct wm_json_out *w, char bracket)
{
    add_comma(w);
    add_char(w, bracket);
    w->comma = false;
}

void wm_json_put_close(struct wm_json_out *w, char bracket)
{
    add_char(w, bracket);
    w->comma = true;
}

/* Where the buffer may not grow to the most that escapes could take: no more than they do take. */
static void add_escaped_tightly(struct wm_json_out *w, struct wm_str s)
{
    enum { PIECE = 256 };
    char bytes[WM_JSON_ESCAPED * PIECE + WM_JSON_SLACK];
    while (s.len && !w->status) {
        size_t n = s.len < PIECE ? s.len : PIECE;
        add(w, bytes, wm_json_escape(bytes, s.ptr, n));
        s.ptr += n;
        s.len -= n;
    }
}

/* Valid UTF-8, a piece at a time: the room that must be there for the worst case stays small. */
static void add_escaped(struct wm_json_out *w, struct wm_str s)
{
    enum { PIECE = 16 << 10 };
    while (s.len && !w->status) {
        size_t n = s.len < PIECE ? s.len : PIECE, most = WM_JSON_ESCAPED * n + WM_JSON_SLACK;
        if (most > w->buf->max - w->buf->len) {
            add_escaped_tightly(w, s);
            return;
        }
        char *to = room(w, most);
        if (!to)
            return;
        w->buf->len += wm_json_escape(to, s.ptr, n);
        s.ptr += n;
        s.len -= n;
    }
}

static void add_string(struct wm_json_out *w, struct wm_str s)
{
    add_char(w, '"');
    while (s.len && !w->status) {
        size_t valid = wm_utf8_prefix(s);
        add_escaped(w, (struct wm_str){s.ptr, valid});
        s.ptr += valid;
        s.len -= valid;
        if (s.len) {
            (void)wm_utf8_next(&s);
            add(w, "\xEF\xBF\xBD", 3);
        }
    }
    add_char(w, '"');
}

void wm_json_put_key(struct wm_json_out *w, const char *key)
{
    add_comma(w);
    add_string(w, wm_str_of(key));
    add_char(w, ':');
    w->comma = false;
}

void wm_json_put_str(struct wm_json_out *w, struct wm_str s)
{
    add_comma(w);
    add_string(w, s);
    w->comma = true;
}

void wm_json_put_raw(struct wm_json_out *w, struct wm_str json)
{
    add_comma(w);
    add(w, json.ptr, json.len);
    w->comma = true;
}

void wm_json_put_u64(struct wm_json_out *w, uint64_t v)
{
    char text[20];
    size_t at = sizeof text;
    do
        text[--at] = (char)('0' + v % 10);
    while (v /= 10);
    wm_json_put_raw(w, (struct wm_str){text + at, sizeof text - at});
}

void wm_json_put_real(struct wm_json_out *w, double v, int decimals)
{
    char text[WM_REAL_TEXT];
    if (!isfinite(v)) {
        wm_json_put_null(w);
        return;
    }
    size_t len = wm_format_real(text, v, decimals);
    wm_json_put_raw(w, (struct wm_str){text, len});
}

void wm_json_put_bool(struct wm_json_out *w, bool v)
{
    wm_json_put_raw(w, v ? WM_STR("true") : WM_STR("false"));
}

void wm_json_put_null(struct wm_json_out *w)
{
    wm_json_put_raw(w, WM_STR("null"));
}

void wm_json_put_members(struct wm_json_out *w, struct wm_str members)
{
    if (members.len)
        wm_json_put_raw(w, members);
}

void wm_json_member_text(struct wm_json_out *w, const char *key, const char *value)
{
    wm_json_put_key(w, key);
    if (value)
        wm_json_put_str(w, wm_str_of(value));
    else
        wm_json_put_null(w);
}

void wm_json_member_str(struct wm_json_out *w, const char *key, struct wm_str value)
{
    wm_json_put_key(w, key);
    wm_json_put_str(w, value);
}

void wm_json_member_u64(struct wm_json_out *w, const char *key, uint64_t value)
{
    wm_json_put_key(w, key);
    wm_json_put_u64(w, value);
}

void wm_json_member_bool(struct wm_json_out *w, const char *key, bool value)
{
    wm_json_put_key(w, key);
    wm_json_put_bool(w, value);
}
