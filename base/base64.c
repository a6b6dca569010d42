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

/* Value of a character of the alphabet, else a number over 63. */
enum { SIX_BITS = 63 };
static const unsigned char values[256] = {
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 62, 64, 64, 64, 63,
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 64, 64, 64, 64, 64, 64, 64, 0,  1,  2,  3,  4,  5,  6,
    7,  8,  9,  10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 64, 64, 64, 64, 64,
    64, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48,
    49, 50, 51, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
};

/* Four characters; over 24 bits if one is none of the alphabet. */
static uint32_t group(uint32_t a, uint32_t b, uint32_t c, uint32_t d)
{
    uint32_t wrong = (a | b | c | d) & ~(uint32_t)SIX_BITS;
    return wrong << 24 | a << 18 | b << 12 | c << 6 | d;
}

static void put(char *out, uint32_t bits)
{
    out[0] = (char)(bits >> 16);
    out[1] = (char)(bits >> 8);
    out[2] = (char)bits;
}

bool wm_base64_decode(struct wm_str text, char *out, size_t *ret_len)
{
    const unsigned char *in = (const unsigned char *)text.ptr;
    *ret_len = 0;
    if (text.len % 4)
        return false;
    if (text.len == 0)
        return true;
    const unsigned char *last = in + text.len - 4;
    for (; in < last; in += 4, out += 3) {
        uint32_t bits = group(values[in[0]], values[in[1]], values[in[2]], values[in[3]]);
        if (bits >> 24)
            return false;
        put(out, bits);
    }
    size_t pad = (last[3] == '=') + (size_t)((last[3] == '=') & (last[2] == '='));
    uint32_t bits = group(values[last[0]], values[last[1]], pad > 1 ? 0 : values[last[2]],
                          pad > 0 ? 0 : values[last[3]]);
    put(out, bits);
    *ret_len = text.len / 4 * 3 - pad;
    return bits >> 24 == 0 && (bits & ((UINT32_C(1) << pad * 8) - 1)) == 0;
}
