/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/gguf.h"

enum { SHOWN_KEY = 64, HEAD = 24 };

static uint64_t get_le(const char *p, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v |= (uint64_t)(unsigned char)p[i] << 8 * i;
    return v;
}

/* Bytes of a value of a type; 0: it has no fixed size. */
static size_t width(enum wm_gguf_type type)
{
    static const unsigned char widths[WM_GGUF_TYPES] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
    return widths[type];
}

static int shown(struct wm_str key)
{
    return (int)(key.len < SHOWN_KEY ? key.len : SHOWN_KEY);
}

static int cut_short(const struct wm_gguf *r, struct wm_error *err)
{
    return wm_fail(err, WM_E_FORMAT, "the file ends within pair %llu, at byte %zu",
                   (unsigned long long)r->done + 1, r->bytes.len);
}

static int take(struct wm_gguf *r, uint64_t len, struct wm_str *ret, struct wm_error *err)
{
    if (len > r->bytes.len - r->at)
        return cut_short(r, err);
    *ret = (struct wm_str){r->bytes.ptr + r->at, (size_t)len};
    r->at += (size_t)len;
    return 0;
}

static int take_le(struct wm_gguf *r, size_t bytes, uint64_t *ret, struct wm_error *err)
{
    struct wm_str s = {0};
    int status = take(r, bytes, &s, err);
    if (!status)
        *ret = get_le(s.ptr, bytes);
    return status;
}

static int take_type(struct wm_gguf *r, struct wm_str key, enum wm_gguf_type *ret,
                     struct wm_error *err)
{
    uint64_t type = 0;
    int status = take_le(r, 4, &type, err);
    if (!status && type >= WM_GGUF_TYPES)
        return wm_fail(err, WM_E_FORMAT, "%.*s has the unknown type %llu", shown(key), key.ptr,
                       (unsigned long long)type);
    *ret = (enum wm_gguf_type)type;
    return status;
}

static int skip_strings(struct wm_gguf *r, uint64_t n, struct wm_error *err)
{
    struct wm_str s = {0};
    uint64_t len = 0;
    int status = 0;
    for (uint64_t i = 0; i < n && !status; i++) {
        status = take_le(r, 8, &len, err);
        if (!status)
            status = take(r, len, &s, err);
    }
    return status;
}

int wm_gguf_open(struct wm_gguf *r, struct wm_str bytes, struct wm_error *err)
{
    if (bytes.len < HEAD || memcmp(bytes.ptr, "GGUF", 4) != 0)
        return wm_fail(err, WM_E_FORMAT, "this is no GGUF file");
    uint64_t version = get_le(bytes.ptr + 4, 4);
    if (version != 2 && version != WM_GGUF_VERSION)
        return wm_fail(err, WM_E_FORMAT, "GGUF version %llu, want 2 or 3 in little-endian order",
                       (unsigned long long)version);
    *r = (struct wm_gguf){.bytes = bytes,
                          .at = HEAD,
                          .n_tensors = get_le(bytes.ptr + 8, 8),
                          .n_pairs = get_le(bytes.ptr + 16, 8)};
    if (r->n_pairs > WM_GGUF_MAX_PAIRS)
        return wm_fail(err, WM_E_LIMIT, "%llu GGUF pairs, over the limit of %d",
                       (unsigned long long)r->n_pairs, WM_GGUF_MAX_PAIRS);
    return 0;
}

int wm_gguf_next(struct wm_gguf *r, struct wm_gguf_pair *ret, struct wm_error *err)
{
    if (r->done == r->n_pairs)
        return 0;
    struct wm_gguf_pair pair = {.n = 1};
    uint64_t len = 0;
    int status = take_le(r, 8, &len, err);
    if (!status && (len == 0 || len > WM_GGUF_MAX_KEY))
        status = wm_fail(err, WM_E_FORMAT, "pair %llu has a key of %llu bytes, want 1 to %d",
                         (unsigned long long)r->done + 1, (unsigned long long)len, WM_GGUF_MAX_KEY);
    if (!status)
        status = take(r, len, &pair.key, err);
    if (!status)
        status = take_type(r, pair.key, &pair.type, err);
    enum wm_gguf_type type = pair.type;
    if (!status && type == WM_GGUF_ARRAY) {
        status = take_type(r, pair.key, &pair.item, err);
        if (!status)
            status = take_le(r, 8, &pair.n, err);
        type = pair.item;
    }
    if (status)
        return status;
    if (type == WM_GGUF_ARRAY)
        return wm_fail(err, WM_E_FORMAT, "%.*s is an array of arrays", shown(pair.key),
                       pair.key.ptr);
    size_t at = r->at;
    if (pair.n > r->bytes.len - at) /* an item has at least one byte */
        return cut_short(r, err);
    status = type == WM_GGUF_STRING ? skip_strings(r, pair.n, err)
                                    : take(r, pair.n * width(type), &pair.data, err);
    if (status)
        return status;
    pair.data = (struct wm_str){r->bytes.ptr + at, r->at - at};
    r->done++;
    *ret = pair;
    return 1;
}

/* ---- values ---- */

static int wrong(const struct wm_gguf_pair *pair, const char *want, struct wm_error *err)
{
    return wm_fail(err, WM_E_FORMAT, "%.*s is not %s", shown(pair->key), pair->key.ptr, want);
}

int wm_gguf_str(const struct wm_gguf_pair *pair, struct wm_str *ret, struct wm_error *err)
{
    if (pair->type != WM_GGUF_STRING)
        return wrong(pair, "a string", err);
    *ret = (struct wm_str){pair->data.ptr + 8, pair->data.len - 8};
    return 0;
}

int wm_gguf_bool(const struct wm_gguf_pair *pair, bool *ret, struct wm_error *err)
{
    if (pair->type != WM_GGUF_BOOL || (pair->data.ptr[0] & ~1))
        return wrong(pair, "true or false", err);
    *ret = pair->data.ptr[0] != 0;
    return 0;
}

int wm_gguf_u64(const struct wm_gguf_pair *pair, uint64_t *ret, struct wm_error *err)
{
    enum wm_gguf_type type = pair->type;
    bool is_signed =
        type == WM_GGUF_I8 || type == WM_GGUF_I16 || type == WM_GGUF_I32 || type == WM_GGUF_I64;
    bool is_unsigned =
        type == WM_GGUF_U8 || type == WM_GGUF_U16 || type == WM_GGUF_U32 || type == WM_GGUF_U64;
    if (!is_signed && !is_unsigned)
        return wrong(pair, "a whole number", err);
    if (is_signed && (pair->data.ptr[pair->data.len - 1] & 0x80))
        return wrong(pair, "0 or more", err);
    *ret = get_le(pair->data.ptr, pair->data.len);
    return 0;
}

int wm_gguf_array(const struct wm_gguf_pair *pair, enum wm_gguf_type item, struct wm_error *err)
{
    if (pair->type == WM_GGUF_ARRAY && pair->item == item)
        return 0;
    return wrong(pair, item == WM_GGUF_STRING ? "a list of strings" : "a list of that type", err);
}

struct wm_str wm_gguf_next_str(struct wm_str *data)
{
    struct wm_str s = {data->ptr + 8, (size_t)get_le(data->ptr, 8)};
    data->ptr += 8 + s.len;
    data->len -= 8 + s.len;
    return s;
}

uint32_t wm_gguf_next_u32(struct wm_str *data)
{
    uint32_t v = (uint32_t)get_le(data->ptr, 4);
    data->ptr += 4;
    data->len -= 4;
    return v;
}
