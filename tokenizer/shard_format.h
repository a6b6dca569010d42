/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file shard_format.h
 * Layouts of .idx and .prov.zst (docs/formats.md) and little-endian numbers in bytes, aligned or
 * not. What the writers and the readers of shards share.
 */
#ifndef WETMILL_TOKENIZER_SHARD_FORMAT_H
#define WETMILL_TOKENIZER_SHARD_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/shards.h"

static inline uint32_t wm_le16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t wm_le32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t wm_le64(const unsigned char *p)
{
    return (uint64_t)wm_le32(p) | (uint64_t)wm_le32(p + 4) << 32;
}
static inline void wm_set_le16(unsigned char *p, uint32_t v)
{
    p[0] = (unsigned char)v;
    p[1] = (unsigned char)(v >> 8);
}
static inline void wm_set_le32(unsigned char *p, uint32_t v)
{
    wm_set_le16(p, v);
    wm_set_le16(p + 2, v >> 16);
}
static inline void wm_set_le64(unsigned char *p, uint64_t v)
{
    wm_set_le32(p, (uint32_t)v);
    wm_set_le32(p + 4, (uint32_t)(v >> 32));
}

/* ---- .idx ---- */

#define WM_IDX_MAGIC "MMIDIDX\0" /* and the literal's own NUL: 9 bytes */

enum {
    WM_IDX_MAGIC_LEN = 9,
    WM_IDX_HEADER = 34, /* magic, u64 version, u8 type, u64 sequences, u64 document boundaries */
    WM_IDX_VERSION = 1,
    WM_IDX_INT32 = 4,
    WM_IDX_UINT16 = 8,
};

/** Bytes of a token for a vocabulary of that many ids. */
static inline unsigned wm_shard_width(uint32_t vocabulary)
{
    return vocabulary <= 65536 ? 2 : 4;
}

/** Check shard->idx against shard->bin and fill the rest of `shard`. */
int wm_shard_check(struct wm_shard *shard, struct wm_error *err);

/* ---- shards.json ---- */

/** Write DIR/shards.json: keys sorted, no times. The same `info` gives the same bytes. */
int wm_shards_info_write(const char *dir, const struct wm_shards_info *info, struct wm_error *err);
/** Bytes of the .idx of a shard whose documents are one sequence each. */
static inline uint64_t wm_idx_size(uint64_t n_documents)
{
    return WM_IDX_HEADER + 12 * n_documents + 8 * (n_documents + 1);
}

/* ---- .prov.zst ---- */

#define WM_SIDECAR_MAGIC "WETMPROV" /* 8 bytes, no NUL */

enum {
    WM_SIDECAR_HEADER = 24, /* skippable frame: u32 id, u32 16, magic, u32 version, u32 order */
    WM_SIDECAR_ENTRY = 24,  /* u64 offset, u32 compressed, u32 plain, u64 first row */
    WM_SIDECAR_FOOTER = 32, /* u64 rows, u64 frames, u64 checksum, magic */
    WM_SIDECAR_VERSION = 1,
    WM_SIDECAR_FRAME_ROWS = 512, /* most rows of a frame */
    WM_SIDECAR_FRAME_TEXT =
        256 << 10, /* a frame ends behind the row that reaches this many bytes */
    WM_SIDECAR_FRAMES_MAX = 1 << 27,
};
#define WM_SIDECAR_HEAD_FRAME 0x184D2A5Du /* zstd's skippable frames: magic ids 0x184D2A50 … 5F */
#define WM_SIDECAR_TAIL_FRAME 0x184D2A5Eu
#define WM_SIDECAR_ORDER 0x01020304u

#endif /* WETMILL_TOKENIZER_SHARD_FORMAT_H */
