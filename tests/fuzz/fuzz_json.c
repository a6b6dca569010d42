/* SPDX-License-Identifier: Apache-2.0 */
/* covers: base/json_read.c base/json_write.c */
/* The JSON reader takes what jansson takes (but for depth and the range of numbers), and what it
 * takes survives being written and read again. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "wetmill/json.h"
#include "wetmill/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int copy_value(struct wm_json *r, struct wm_json_out *w, struct wm_error *err);

static int copy_object(struct wm_json *r, struct wm_json_out *w, struct wm_error *err)
{
    struct wm_str key;
    int more = wm_json_object(r, err);
    wm_json_put_open(w, '{');
    while (!more && (more = wm_json_key(r, &key, err)) > 0) {
        char name[32] = "";
        memcpy(name, key.len ? key.ptr : "", key.len < 31 ? key.len : 31);
        wm_json_put_key(w, name);
        more = copy_value(r, w, err);
    }
    wm_json_put_close(w, '}');
    return more;
}

static int copy_array(struct wm_json *r, struct wm_json_out *w, struct wm_error *err)
{
    int more = wm_json_array(r, err);
    wm_json_put_open(w, '[');
    while (!more && (more = wm_json_item(r, err)) > 0)
        more = copy_value(r, w, err);
    wm_json_put_close(w, ']');
    return more;
}

/* As it stands; and what can be read as a number is written and read as the same one. */
static int copy_number(struct wm_json *r, struct wm_json_out *w, struct wm_error *err)
{
    struct wm_json whole = *r, real = *r, again;
    struct wm_json_out out;
    struct wm_error ignored;
    struct wm_str s;
    struct wm_buf buf;
    uint64_t n, n_again;
    double x, x_again;
    wm_buf_init(&buf, 1 << 10);
    if (wm_json_u64(&whole, &n, &ignored) == 0) {
        wm_json_out_open(&out, &buf, &ignored);
        wm_json_put_u64(&out, n);
        wm_json_open(&again, wm_buf_str(&buf), r->arena);
        if (out.status || wm_json_u64(&again, &n_again, &ignored) || n != n_again)
            abort();
    }
    buf.len = 0;
    if (wm_json_real(&real, &x, &ignored) == 0) {
        wm_json_out_open(&out, &buf, &ignored);
        wm_json_put_real(&out, x, -1);
        wm_json_open(&again, wm_buf_str(&buf), r->arena);
        if (out.status || wm_json_real(&again, &x_again, &ignored) || x != x_again)
            abort();
    }
    wm_buf_done(&buf);
    int status = wm_json_skip(r, &s, err);
    if (!status)
        wm_json_put_raw(w, s);
    return status;
}

static int copy_value(struct wm_json *r, struct wm_json_out *w, struct wm_error *err)
{
    struct wm_str s;
    bool flag;
    int status;
    switch (wm_json_peek(r)) {
    case WM_JSON_OBJECT:
        return copy_object(r, w, err);
    case WM_JSON_ARRAY:
        return copy_array(r, w, err);
    case WM_JSON_STRING:
        status = wm_json_string(r, &s, err);
        if (!status && !wm_utf8_valid(s))
            abort();
        if (!status)
            wm_json_put_str(w, s);
        return status;
    case WM_JSON_TRUE:
    case WM_JSON_FALSE:
        status = wm_json_bool(r, &flag, err);
        if (!status)
            wm_json_put_bool(w, flag);
        return status;
    case WM_JSON_NUMBER:
        return copy_number(r, w, err);
    case WM_JSON_NULL:
        wm_json_put_null(w);
        return wm_json_skip(r, NULL, err);
    default:
        return wm_json_skip(r, &s, err); /* fails */
    }
}

static int copy_text(struct wm_str text, struct wm_arena *arena, struct wm_buf *buf)
{
    struct wm_error err;
    struct wm_json r;
    struct wm_json_out w;
    wm_json_open(&r, text, arena);
    wm_json_out_open(&w, buf, &err);
    int status = copy_value(&r, &w, &err);
    if (!status)
        status = wm_json_finish(&r, &err);
    return status ? status : w.status;
}

static int check_text(struct wm_str text, struct wm_arena *arena)
{
    struct wm_error err;
    struct wm_json r;
    wm_json_open(&r, text, arena);
    int status = wm_json_skip(&r, NULL, &err);
    return status ? status : wm_json_finish(&r, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct wm_str text = {(const char *)data, size};
    struct wm_arena arena;
    struct wm_buf first, second;
    wm_arena_init(&arena, 64 << 20);
    wm_buf_init(&first, 64 << 20);
    wm_buf_init(&second, 64 << 20);
    int skipped = check_text(text, &arena);
    int copied = copy_text(text, &arena, &first);
    if ((skipped == 0) != (copied == 0))
        abort(); /* reading and skipping must agree */
    if (!copied) {
        if (copy_text(wm_buf_str(&first), &arena, &second) != 0 ||
            !wm_str_eq(wm_buf_str(&first), wm_buf_str(&second)))
            abort();
    }
    json_error_t why;
    json_t *j = json_loadb(text.len ? text.ptr : "", size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    /* we check the range of a number when it is read as one; its keys hold no NUL */
    bool exempt = !j && (json_error_code(&why) == json_error_numeric_overflow ||
                         json_error_code(&why) == json_error_null_byte_in_key);
    if (skipped == 0 && !j && !exempt)
        abort();
    /* jansson takes a NUL byte between tokens for white space */
    if (skipped != 0 && j && !memchr(data, 0, size)) {
        struct wm_error err;
        struct wm_json r;
        wm_json_open(&r, text, &arena);
        (void)wm_json_skip(&r, NULL, &err);
        if (!strstr(err.what, "nested deeper"))
            abort();
    }
    json_decref(j);
    wm_buf_done(&first);
    wm_buf_done(&second);
    wm_arena_done(&arena);
    return 0;
}
