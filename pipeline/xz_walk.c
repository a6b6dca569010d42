/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/xz_walk.h"

#include <string.h>

enum {
    STREAM_HEADER = 12,
    STREAM_FOOTER = 12,
    CRC = 4,
    LZMA2 = 0x21,
    DICTIONARY_CODE = 40,
    PACKED_SIZE = 0x40,
    UNPACKED_SIZE = 0x80,
    VLI_BITS = 63,
};

static void enter(struct wm_xz_walk *w, enum wm_xz_part part, uint64_t skip)
{
    w->part = part;
    w->skip = skip;
    w->n_held = 0;
}

/* A number in 7-bit groups, least first (1.2). */
static bool read_vli(const unsigned char **at, const unsigned char *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < VLI_BITS && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        *ret |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* Dictionary that the block with this header asks for (3.1, 5.3.1); 0 if there is no telling. */
static uint64_t dictionary_of(const unsigned char *header, size_t len)
{
    const unsigned char *at = header + 2, *end = header + len - CRC;
    unsigned flags = header[1];
    uint64_t ignored, id, props;
    if (((flags & PACKED_SIZE) && !read_vli(&at, end, &ignored)) ||
        ((flags & UNPACKED_SIZE) && !read_vli(&at, end, &ignored)))
        return 0;
    for (unsigned i = 0; i <= (flags & 3); i++) {
        if (!read_vli(&at, end, &id) || !read_vli(&at, end, &props) || props > (uint64_t)(end - at))
            return 0;
        if (id == LZMA2 && props == 1 && at[0] == DICTIONARY_CODE)
            return UINT32_MAX;
        if (id == LZMA2 && props == 1 && at[0] < DICTIONARY_CODE)
            return (uint64_t)(2 | (at[0] & 1)) << (at[0] / 2 + 11);
        at += props;
    }
    return 0;
}

static unsigned check_size(unsigned type)
{
    static const unsigned char sizes[16] = {0,  4,  4,  4,  8,  8,  8,  16,
                                            16, 16, 32, 32, 32, 64, 64, 64};
    return sizes[type & 15];
}

static void stream_header(struct wm_xz_walk *w)
{
    static const unsigned char magic[6] = {0xFD, '7', 'z', 'X', 'Z', 0};
    if (w->n_held == 1 && w->held[0] == 0) {
        w->n_held = 0; /* padding between streams */
        return;
    }
    if (w->n_held < STREAM_HEADER)
        return;
    w->check = check_size(w->held[7]);
    enter(w, memcmp(w->held, magic, sizeof magic) ? WM_XZ_LOST : WM_XZ_BLOCK, 0);
}

/* False: its dictionary is above `most`. */
static bool block_header(struct wm_xz_walk *w, uint64_t most)
{
    size_t size = ((size_t)w->held[0] + 1) * 4;
    if (w->held[0] == 0) {
        w->packed = 1;
        w->numbers = UINT64_MAX;
        w->number = w->shift = 0;
        enter(w, WM_XZ_INDEX, 0);
        return true;
    }
    if (w->n_held < size)
        return true;
    uint64_t dictionary = dictionary_of(w->held, size);
    if (dictionary > most) {
        w->dictionary = dictionary;
        return false;
    }
    w->largest = dictionary > w->largest ? dictionary : w->largest;
    w->packed = 0;
    enter(w, dictionary ? WM_XZ_CHUNK : WM_XZ_LOST, 0);
    return true;
}

static unsigned padding(uint64_t n)
{
    return (unsigned)(-n & 3);
}

static void chunk_header(struct wm_xz_walk *w)
{
    unsigned control = w->held[0];
    if (control == 0) {
        enter(w, WM_XZ_BLOCK, padding(w->packed + 1) + w->check);
        return;
    }
    if (control > 2 && control < 0x80) {
        enter(w, WM_XZ_LOST, 0);
        return;
    }
    size_t header = control <= 2 ? 3 : control < 0xC0 ? 5 : 6;
    if (w->n_held < header)
        return;
    size_t at = header == 3 ? 1 : 3;
    uint64_t size = ((uint64_t)w->held[at] << 8 | w->held[at + 1]) + 1;
    w->packed += header + size;
    enter(w, WM_XZ_CHUNK, size);
}

static void index_byte(struct wm_xz_walk *w)
{
    unsigned char byte = w->held[0];
    w->n_held = 0;
    w->packed++;
    w->number |= (uint64_t)(byte & 0x7F) << w->shift;
    w->shift += 7;
    if (byte & 0x80) {
        if (w->shift >= VLI_BITS)
            enter(w, WM_XZ_LOST, 0);
        return;
    }
    if (w->numbers == UINT64_MAX)
        w->numbers = w->number > UINT64_MAX / 4 ? UINT64_MAX / 2 : w->number * 2;
    else
        w->numbers--;
    w->number = w->shift = 0;
    if (w->numbers == 0)
        enter(w, WM_XZ_STREAM_HEADER, padding(w->packed) + CRC + STREAM_FOOTER);
}

size_t wm_xz_pass(struct wm_xz_walk *w, const unsigned char *bytes, size_t len, uint64_t most)
{
    for (size_t i = 0; i < len; i++) {
        if (w->part == WM_XZ_LOST)
            return len;
        if (w->skip) {
            size_t n = w->skip < len - i ? (size_t)w->skip : len - i;
            w->skip -= n;
            i += n - 1;
            continue;
        }
        w->held[w->n_held++] = bytes[i]; /* each part leaves before it is full */
        if (w->part == WM_XZ_STREAM_HEADER)
            stream_header(w);
        else if (w->part == WM_XZ_CHUNK)
            chunk_header(w);
        else if (w->part == WM_XZ_INDEX)
            index_byte(w);
        else if (!block_header(w, most))
            return i;
    }
    return len;
}
