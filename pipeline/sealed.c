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

static int parse(struct wm_str text, json_t **ret, struct wm_error *err)
{
    if (text.len < HEAD || memcmp(text.ptr, start, START) != 0)
        return 0;
    char hex[WM_HEX128];
    wm_hex128(XXH3_128bits(text.ptr + HEAD, text.len - HEAD), hex);
    if (memcmp(text.ptr + START, hex, WM_HEX128 - 1) != 0)
        return 0;
    return wm_json_parse(text, ret, NULL, err);
}

int wm_sealed_read(const char *path, json_t **ret, struct wm_error *err)
{
    struct wm_buf buf;
    bool there;
    *ret = NULL;
    int status = wm_is_there(path, &there, err);
    if (status || !there)
        return status;
    wm_buf_init(&buf, WM_SEALED_MAX);
    status = wm_file_load(path, &buf, err);
    if (!status)
        status = parse(wm_buf_str(&buf), ret, err);
    wm_buf_done(&buf);
    return status;
}
