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

/* Value of a character of the alphabet plus one, else 0. */
static const unsigned char values[256] = {
    ['A'] = 1,  ['B'] = 2,  ['C'] = 3,  ['D'] = 4,  ['E'] = 5,  ['F'] = 6,  ['G'] = 7,  ['H'] = 8,
    ['I'] = 9,  ['J'] = 10, ['K'] = 11, ['L'] = 12, ['M'] = 13, ['N'] = 14, ['O'] = 15, ['P'] = 16,
    ['Q'] = 17, ['R'] = 18, ['S'] = 19, ['T'] = 20, ['U'] = 21, ['V'] = 22, ['W'] = 23, ['X'] = 24,
    ['Y'] = 25, ['Z'] = 26, ['a'] = 27, ['b'] = 28, ['c'] = 29, ['d'] = 30, ['e'] = 31, ['f'] = 32,
    ['g'] = 33, ['h'] = 34, ['i'] = 35, ['j'] = 36, ['k'] = 37, ['l'] = 38, ['m'] = 39, ['n'] = 40,
    ['o'] = 41, ['p'] = 42, ['q'] = 43, ['r'] = 44, ['s'] = 45, ['t'] = 46, ['u'] = 47, ['v'] = 48,
    ['w'] = 49, ['x'] = 50, ['y'] = 51, ['z'] = 52, ['0'] = 53, ['1'] = 54, ['2'] = 55, ['3'] = 56,
    ['4'] = 57, ['5'] = 58, ['6'] = 59, ['7'] = 60, ['8'] = 61, ['9'] = 62, ['+'] = 63, ['/'] = 64,
};

bool wm_base64_decode(struct wm_str text, char *out, size_t *ret_len)
{
    const unsigned char *in = (const unsigned char *)text.ptr;
    size_t pad = 0, n = 0, i = 0;
    while (pad < 2 && pad < text.len && in[text.len - 1 - pad] == '=')
        pad++;
    if (text.len % 4)
        return false;
    for (; i + 4 <= text.len - pad; i += 4) {
        uint32_t a = values[in[i]], b = values[in[i + 1]], c = values[in[i + 2]],
                 d = values[in[i + 3]];
        if (!a || !b || !c || !d)
            return false;
        uint32_t bits = (a - 1) << 18 | (b - 1) << 12 | (c - 1) << 6 | (d - 1);
        out[n++] = (char)(bits >> 16);
        out[n++] = (char)(bits >> 8);
        out[n++] = (char)bits;
    }
    uint32_t bits = 0;
    for (; i < text.len - pad; i++) {
        uint32_t value = values[in[i]];
        if (!value)
            return false;
        bits = bits << 6 | (value - 1);
        if (i % 4 > 0) /* 2 or 4 bits stay, which are 0 in the end */
            out[n++] = (char)(bits >> (6 - i % 4 * 2));
    }
    *ret_len = n;
    return pad == 0 || (bits & (pad == 1 ? 3u : 15u)) == 0;
}
