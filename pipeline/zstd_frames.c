/* SPDX-License-Identifier: Apache-2.0 */
/* Headers of zstd frames and blocks (RFC 8878). */
#include <string.h>

#include "pipeline/zstd_frames.h"

static uint64_t little_endian(const unsigned char *bytes, size_t n)
{
    uint64_t v = 0;
    while (n-- > 0)
        v = v << 8 | bytes[n];
    return v;
}

static int read_frame(const unsigned char *bytes, size_t len, struct wm_frame *ret)
{
    static const size_t id_sizes[4] = {0, 1, 2, 4}, content_sizes[4] = {0, 2, 4, 8};
    if (len < 5)
        return 0;
    unsigned descriptor = bytes[4];
    bool single = descriptor & 0x20;
    size_t id = id_sizes[descriptor & 3], content = content_sizes[descriptor >> 6];
    if (single && content == 0)
        content = 1;
    size_t window_at = 5, id_at = window_at + !single, content_at = id_at + id;
    if (descriptor & 0x08)
        return -1; /* reserved bit */
    if (len < content_at + content)
        return 0;
    *ret = (struct wm_frame){
        .header = content_at + content, .content = UINT64_MAX, .checksum = descriptor & 0x04};
    if (content)
        ret->content = little_endian(bytes + content_at, content) + (content == 2 ? 256 : 0);
    if (single) {
        ret->window = ret->content;
    } else {
        uint64_t base = (uint64_t)1 << (10 + (bytes[window_at] >> 3));
        ret->window = base + base / 8 * (bytes[window_at] & 7);
    }
    return 1;
}

int wm_frame_read(const unsigned char *bytes, size_t len, struct wm_frame *ret)
{
    if (len < 4)
        return 0;
    if (memcmp(bytes, "\x28\xB5\x2F\xFD", 4) == 0)
        return read_frame(bytes, len, ret);
    if ((bytes[0] & 0xF0) != 0x50 || memcmp(bytes + 1, "\x2A\x4D\x18", 3) != 0)
        return -1;
    if (len < 8)
        return 0;
    *ret = (struct wm_frame){.skippable = true,
                             .nibble = bytes[0] & 0x0F,
                             .header = 8,
                             .size = little_endian(bytes + 4, 4)};
    return 1;
}

bool wm_block_read(const unsigned char *bytes, struct wm_block *ret)
{
    enum { RAW, RUN, COMPRESSED, RESERVED };
    uint64_t header = little_endian(bytes, WM_BLOCK_HEADER);
    unsigned type = header >> 1 & 3;
    size_t size = (size_t)(header >> 3);
    *ret = (struct wm_block){.last = header & 1,
                             .stored = type == RUN ? 1 : size,
                             .most = type == COMPRESSED ? WM_BLOCK_MOST : size};
    return type != RESERVED && size <= WM_BLOCK_MOST;
}
