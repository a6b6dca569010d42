/* SPDX-License-Identifier: Apache-2.0 */
/* GPT-2's mapping of bytes to printable characters: ! to ~, ¡ to ¬ and ® to ÿ stand for
 * themselves; the other 68 bytes, in order, are U+0100 and on. */
#include "tokenizer/bpe.h"

enum { SHIFTED = 0x100, N_SHIFTED = 68 };

#define ROW8(n) (n), (n) + 1, (n) + 2, (n) + 3, (n) + 4, (n) + 5, (n) + 6, (n) + 7
#define ROW32(n) ROW8(n), ROW8((n) + 8), ROW8((n) + 16), ROW8((n) + 24)

const unsigned char bpe_byte_order[256] = {
    /* ! to ~ */
    ROW32(33), ROW32(65), ROW8(97), ROW8(105), ROW8(113), 121, 122, 123, 124, 125, 126,
    /* ¡ to ¬ */
    ROW8(161), 169, 170, 171, 172,
    /* ® to ÿ */
    ROW32(174), ROW32(206), ROW8(238), ROW8(246), 254, 255,
    /* U+0100 and on */
    ROW32(0), 32, 127, ROW32(128), 160, 173};

static bool itself(unsigned byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte != 173);
}

/* Place of a byte among those that do not stand for themselves. */
static unsigned shifted(unsigned byte)
{
    return byte <= 32 ? byte : byte <= 160 ? byte - 127 + 33 : N_SHIFTED - 1;
}

int bpe_map_bytes(struct wm_str bytes, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_reserve(out, bytes.len * BPE_MAPPED_MAX, err);
    if (status)
        return status;
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned byte = (unsigned char)bytes.ptr[i];
        unsigned c = itself(byte) ? byte : SHIFTED + shifted(byte);
        if (c < 0x80) {
            out->ptr[out->len++] = (char)c;
        } else {
            out->ptr[out->len++] = (char)(0xC0 | c >> 6);
            out->ptr[out->len++] = (char)(0x80 | (c & 0x3F));
        }
    }
    return 0;
}

/* The byte that the character c stands for, or -1. */
static int byte_of(unsigned c)
{
    if (c < SHIFTED)
        return itself(c) ? (int)c : -1;
    unsigned place = c - SHIFTED;
    if (place >= N_SHIFTED)
        return -1;
    return (int)(place <= 32 ? place : place < N_SHIFTED - 1 ? place - 33 + 127 : 173);
}

bool bpe_unmap_bytes(struct wm_str text, char *out, size_t *ret_len)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned c = (unsigned char)text.ptr[i];
        if (c >= 0x80) {
            if (c < 0xC2 || c > 0xDF || i + 1 == text.len)
                return false;
            unsigned second = (unsigned char)text.ptr[++i];
            if ((second & 0xC0) != 0x80)
                return false;
            c = (c & 0x1F) << 6 | (second & 0x3F);
        }
        int byte = byte_of(c);
        if (byte < 0)
            return false;
        out[n++] = (char)byte;
    }
    *ret_len = n;
    return true;
}
