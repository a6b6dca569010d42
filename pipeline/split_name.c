/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/split_name.h"

#include <stdio.h>

#include "wetmill/file.h"

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-';
}

static bool is_word(struct wm_str value)
{
    return wm_str_eq(value, WM_STR("none")) || wm_str_eq(value, WM_STR("empty"));
}

/* The hash has 32 digits; the beginning is for people. Escapes are not cut in two. */
static size_t cut_name(struct wm_str value, size_t n, char out[WM_SPLIT_VALUE])
{
    enum { ROOM = WM_SPLIT_VALUE - (WM_HEX128 - 1) - 2 };
    char hex[WM_HEX128];
    wm_hex128(XXH3_128bits(value.ptr, value.len), hex);
    size_t keep = n < ROOM ? n : ROOM;
    for (size_t i = 0; i < keep; i += out[i] == '%' ? 3 : 1)
        if (out[i] == '%' && i + 3 > keep)
            keep = i;
    memcpy(out + keep, "%%", 2);
    memcpy(out + keep + 2, hex, sizeof hex - 1);
    return keep + 2 + sizeof hex - 1;
}

static size_t put_value(struct wm_str value, char out[WM_SPLIT_VALUE])
{
    static const char digits[] = "0123456789ABCDEF";
    bool word = is_word(value);
    size_t n = 0;
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        bool plain = is_plain(c) && (i > 0 || (!word && c != '.' && c != '-'));
        if (n + (plain ? 1 : 3) > WM_SPLIT_VALUE)
            return cut_name(value, n, out);
        if (plain) {
            out[n++] = c;
        } else {
            out[n++] = '%';
            out[n++] = digits[(unsigned char)c >> 4];
            out[n++] = digits[(unsigned char)c & 15];
        }
    }
    return n;
}

static size_t put_word(const char *word, char *out)
{
    size_t n = strlen(word);
    memcpy(out, word, n);
    return n;
}

size_t wm_split_name(const struct wm_doc *doc, const int *slots, size_t n, char out[WM_SPLIT_NAME])
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (i)
            out[len++] = '_';
        if (!wm_doc_has(doc, slots[i]))
            len += put_word("none", out + len);
        else if (!doc->values[slots[i]].text.len)
            len += put_word("empty", out + len);
        else
            len += put_value(doc->values[slots[i]].text, out + len);
    }
    out[len] = '\0';
    return len;
}

bool wm_split_name_valid(struct wm_str name)
{
    if (!name.len || name.len >= WM_SPLIT_NAME || name.ptr[0] == '.' || name.ptr[0] == '-')
        return false;
    for (size_t i = 0; i < name.len; i++)
        if (!is_plain(name.ptr[i]) && name.ptr[i] != '%' && name.ptr[i] != '_')
            return false;
    return true;
}
