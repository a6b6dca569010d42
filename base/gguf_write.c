/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/gguf.h"

enum { COUNTS_AT = 8, HEAD = 24 }; /* magic, version; u64 tensors, u64 pairs */

static void put(struct wm_gguf_out *w, const void *bytes, size_t len)
{
    if (!w->status)
        w->status = wm_buf_add(w->buf, bytes, len, w->err);
}

static void set_le(unsigned char *out, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        out[i] = (unsigned char)(v >> 8 * i);
}

static void put_le(struct wm_gguf_out *w, uint64_t v, size_t bytes)
{
    unsigned char le[8];
    set_le(le, v, bytes);
    put(w, le, bytes);
}

static void put_text(struct wm_gguf_out *w, struct wm_str s)
{
    put_le(w, s.len, 8);
    put(w, s.ptr, s.len);
}

static void begin(struct wm_gguf_out *w, const char *key, enum wm_gguf_type type)
{
    if (!w->status && w->items)
        w->status = wm_fail(w->err, WM_E_FORMAT, "an array before %s lacks items", key);
    w->pairs++;
    put_text(w, wm_str_of(key));
    put_le(w, type, 4);
}

void wm_gguf_out_open(struct wm_gguf_out *w, struct wm_buf *buf, struct wm_error *err)
{
    unsigned char head[HEAD] = "GGUF";
    *w = (struct wm_gguf_out){.buf = buf, .err = err, .start = buf->len};
    set_le(head + 4, WM_GGUF_VERSION, 4);
    put(w, head, sizeof head);
}

void wm_gguf_put_str(struct wm_gguf_out *w, const char *key, struct wm_str value)
{
    begin(w, key, WM_GGUF_STRING);
    put_text(w, value);
}

void wm_gguf_put_u32(struct wm_gguf_out *w, const char *key, uint32_t value)
{
    begin(w, key, WM_GGUF_U32);
    put_le(w, value, 4);
}

void wm_gguf_put_f32(struct wm_gguf_out *w, const char *key, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    begin(w, key, WM_GGUF_F32);
    put_le(w, bits, 4);
}

void wm_gguf_put_bool(struct wm_gguf_out *w, const char *key, bool value)
{
    begin(w, key, WM_GGUF_BOOL);
    put_le(w, value, 1);
}

void wm_gguf_put_array(struct wm_gguf_out *w, const char *key, enum wm_gguf_type type, uint64_t n)
{
    begin(w, key, WM_GGUF_ARRAY);
    put_le(w, type, 4);
    put_le(w, n, 8);
    w->items = n;
}

void wm_gguf_item_str(struct wm_gguf_out *w, struct wm_str value)
{
    w->items--;
    put_text(w, value);
}

void wm_gguf_item_u32(struct wm_gguf_out *w, uint32_t value)
{
    w->items--;
    put_le(w, value, 4);
}

int wm_gguf_out_close(struct wm_gguf_out *w, uint64_t n_tensors)
{
    if (!w->status && w->items)
        w->status = wm_fail(w->err, WM_E_FORMAT, "the last array has not as many items as it says");
    if (!w->status && w->pairs > WM_GGUF_MAX_PAIRS)
        w->status = wm_fail(w->err, WM_E_LIMIT, "more than %d GGUF pairs", WM_GGUF_MAX_PAIRS);
    if (w->status)
        return w->status;
    unsigned char *counts = (unsigned char *)w->buf->ptr + w->start + COUNTS_AT;
    set_le(counts, n_tensors, 8);
    set_le(counts + 8, w->pairs, 8);
    return 0;
}
