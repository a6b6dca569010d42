/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/base64.h"

#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void wm_base64_encode(struct wm_str bytes, char *out)
{
    const unsigned char *in = (const unsigned char *)bytes.ptr;
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t left = bytes.len - i;
        uint32_t v = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) |
                     (left > 2 ? in[i + 2] : 0);
        *out++ = alphabet[v >> 18];
        *out++ = alphabet[v >> 12 & 63];
        *out++ = left > 1 ? alphabet[v >> 6 & 63] : '=';
        *out++ = left > 2 ? alphabet[v & 63] : '=';
    }
}

static int value_of(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool wm_base64_decode(struct wm_str text, char *out, size_t *ret_len)
{
    size_t pad = 0, n = 0;
    while (pad < 2 && pad < text.len && text.ptr[text.len - 1 - pad] == '=')
        pad++;
    if (text.len % 4)
        return false;
    uint32_t bits = 0;
    for (size_t i = 0; i < text.len - pad; i++) {
        int value = value_of((unsigned char)text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 > 0) /* 2, 4 or no bits stay for the next byte */
            out[n++] = (char)(bits >> (6 - i % 4 * 2));
    }
    *ret_len = n;
    return pad == 0 || (bits & (pad == 1 ? 3u : 15u)) == 0;
}
