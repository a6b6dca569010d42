/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/json.h"

#include <math.h>

#include "base/scan.h"
#include "wetmill/number.h"
#include "wetmill/utf8.h"

void wm_json_out_open(struct wm_json_out *w, struct wm_buf *buf, struct wm_error *err)
{
    *w = (struct wm_json_out){.buf = buf, .err = err};
}

static void add(struct wm_json_out *w, const char *bytes, size_t len)
{
    if (!w->status)
        w->status = wm_buf_add(w->buf, bytes, len, w->err);
}

static void add_comma(struct wm_json_out *w)
{
    if (w->comma)
        add(w, ",", 1);
}

void wm_json_put_open(struct wm_json_out *w, char bracket)
{
    add_comma(w);
    add(w, &bracket, 1);
    w->comma = false;
}

void wm_json_put_close(struct wm_json_out *w, char bracket)
{
    add(w, &bracket, 1);
    w->comma = true;
}

static void add_escape(struct wm_json_out *w, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    static const char named[] = "\b\f\n\r\t\"\\", letters[] = "bfnrt\"\\";
    const char *at = c ? strchr(named, c) : NULL;
    if (at) {
        add(w, (char[]){'\\', letters[at - named]}, 2);
        return;
    }
    add(w, (char[]){'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]}, 6);
}

/* Text without special characters, perhaps with invalid UTF-8. */
static void add_repaired(struct wm_json_out *w, struct wm_str run)
{
    while (run.len) {
        size_t n = wm_utf8_prefix(run);
        add(w, run.ptr, n);
        run.ptr += n;
        run.len -= n;
        if (!run.len)
            return;
        (void)wm_utf8_next(&run);
        add(w, "\xEF\xBF\xBD", 3);
    }
}

static void add_string(struct wm_json_out *w, struct wm_str s)
{
    if (!w->status && s.len < SIZE_MAX - 2)
        w->status = wm_buf_reserve(w->buf, s.len + 2, w->err);
    add(w, "\"", 1);
    while (s.len && !w->status) {
        bool high = false;
        size_t n = wm_scan_json((const unsigned char *)s.ptr, s.len, &high);
        if (high)
            add_repaired(w, (struct wm_str){s.ptr, n});
        else
            add(w, s.ptr, n);
        if (n < s.len)
            add_escape(w, (unsigned char)s.ptr[n++]);
        s.ptr += n;
        s.len -= n;
    }
    add(w, "\"", 1);
}

void wm_json_put_key(struct wm_json_out *w, const char *key)
{
    add_comma(w);
    add_string(w, wm_str_of(key));
    add(w, ":", 1);
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
