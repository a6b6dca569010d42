/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/utf8.h"

#include "base/scan.h"
#include "base/text_scan.h"

/* Length of the valid character at s, or 0 and in *bad the length of the maximal subpart: the
 * longest start of a valid sequence, at least one byte. */
static size_t sequence(const unsigned char *s, size_t len, size_t *bad)
{
    unsigned lead = s[0], low = 0x80, high = 0xBF;
    *bad = 1;
    if (lead < 0x80)
        return 1;
    if (lead < 0xC2 || lead > 0xF4)
        return 0;
    size_t n = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    for (size_t i = 1; i < n; i++, low = 0x80, high = 0xBF) {
        if (i == len || s[i] < low || s[i] > high)
            return 0;
        *bad = i + 1;
    }
    return n;
}

size_t wm_utf8_prefix_from(struct wm_str s, size_t sound)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t bad;
    for (size_t i = sound; i < s.len;) {
        if (p[i] < 0x80) {
            i += wm_scan_ascii(p + i, s.len - i);
            continue;
        }
        size_t n = sequence(p + i, s.len - i, &bad);
        if (!n)
            return i;
        i += n;
    }
    return s.len;
}

size_t wm_utf8_prefix(struct wm_str s)
{
    return wm_utf8_prefix_from(s, wm_text_sound(s));
}

size_t wm_utf8_decode(struct wm_str s, uint32_t *ret_code)
{
    const unsigned char *p = (const unsigned char *)s.ptr;
    size_t bad;
    size_t n = sequence(p, s.len, &bad);
    *ret_code = WM_UTF8_REPLACEMENT;
    if (!n)
        return bad;
    uint32_t code = n == 1 ? p[0] : p[0] & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        code = code << 6 | (p[i] & 0x3F);
    *ret_code = code;
    return n;
}

size_t wm_utf8_encode(uint32_t code, char out[4])
{
    if (code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        code = WM_UTF8_REPLACEMENT;
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((0xF00u >> n & 0xF0) | code);
    return n;
}

size_t wm_utf8_count(struct wm_str s)
{
    return !s.len ? 0 : wm_scan_characters((const unsigned char *)s.ptr, s.len);
}

/* Copy with replacements to `dst`, or only measure if it is NULL. */
static size_t replace(struct wm_str s, char *dst, size_t *ret_replaced)
{
    size_t used = 0, replaced = 0;
    while (s.len) {
        size_t n = wm_utf8_prefix(s);
        if (dst && n)
            memcpy(dst + used, s.ptr, n);
        used += n;
        s.ptr += n;
        s.len -= n;
        if (!s.len)
            break;
        uint32_t code;
        n = wm_utf8_decode(s, &code);
        s.ptr += n;
        s.len -= n;
        if (dst)
            memcpy(dst + used, "\xEF\xBF\xBD", 3);
        used += 3;
        replaced++;
    }
    *ret_replaced = replaced;
    return used;
}

int wm_utf8_repair(struct wm_str s, struct wm_arena *arena, struct wm_str *ret,
                   size_t *ret_replaced, struct wm_error *err)
{
    size_t replaced;
    size_t len = replace(s, NULL, &replaced);
    if (replaced) {
        char *copy = wm_arena_bytes(arena, len);
        if (!copy)
            return wm_fail_nomem(err, len, "repaired text");
        (void)replace(s, copy, &replaced);
        s = (struct wm_str){copy, len};
    }
    *ret = s;
    if (ret_replaced)
        *ret_replaced = replaced;
    return 0;
}
