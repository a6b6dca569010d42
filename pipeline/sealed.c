/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/sealed.h"

#include "wetmill/file.h"

static const char start[] = "{\"xxh3\":\"";
enum { START = sizeof start - 1, HEAD = START + WM_HEX128 - 1 + 2 };

int wm_sealed_write(const char *path, struct wm_str members, struct wm_error *err)
{
    char hex[WM_HEX128] = "";
    struct wm_buf buf;
    wm_buf_init(&buf, WM_SEALED_MAX);
    int status = wm_buf_printf(&buf, err, "%s%*s\",", start, WM_HEX128 - 1, "");
    if (!status)
        status = wm_buf_add(&buf, members.ptr, members.len, err);
    if (!status)
        status = wm_buf_add(&buf, "}\n", 2, err);
    if (!status) {
        wm_hex128(XXH3_128bits(buf.ptr + HEAD, buf.len - HEAD), hex);
        memcpy(buf.ptr + START, hex, WM_HEX128 - 1);
        status = wm_file_store(path, wm_buf_str(&buf), err);
    }
    wm_buf_done(&buf);
    return status;
}

static json_t *parse(struct wm_str text)
{
    if (text.len < HEAD || memcmp(text.ptr, start, START) != 0)
        return NULL;
    char hex[WM_HEX128];
    wm_hex128(XXH3_128bits(text.ptr + HEAD, text.len - HEAD), hex);
    if (memcmp(text.ptr + START, hex, WM_HEX128 - 1) != 0)
        return NULL;
    return json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
}

json_t *wm_sealed_read(const char *path)
{
    struct wm_buf buf;
    struct wm_error ignored;
    if (!wm_exists(path))
        return NULL;
    wm_buf_init(&buf, WM_SEALED_MAX);
    json_t *object = wm_file_load(path, &buf, &ignored) == 0 ? parse(wm_buf_str(&buf)) : NULL;
    wm_buf_done(&buf);
    return object;
}
