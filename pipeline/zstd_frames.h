/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file zstd_frames.h
 * The frames of zstd data, without decompressing them (RFC 8878 sections 3.1.1 and 3.1.2).
 */
#ifndef WETMILL_PIPELINE_ZSTD_FRAMES_H
#define WETMILL_PIPELINE_ZSTD_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WM_FRAME_HEADER = 18, /**< Longest frame header, magic number included. */
    WM_BLOCK_HEADER = 3,
    WM_BLOCK_MOST = 128 << 10,
};

struct wm_frame {
    bool skippable;
    unsigned nibble;  /**< Skippable: last hex digit of the magic number. */
    size_t header;    /**< Bytes of the header. */
    uint64_t size;    /**< Skippable: bytes behind the header. */
    uint64_t window;  /**< Bytes of window the decoder needs. */
    uint64_t content; /**< Uncompressed bytes, UINT64_MAX if not said. */
    bool checksum;    /**< 4 bytes of checksum follow the last block. */
};

/** Read the header of the frame that starts at bytes[0]. 1 = read, 0 = `len` is too short to tell,
 *  -1 = no frame starts here. */
int wm_frame_read(const unsigned char *bytes, size_t len, struct wm_frame *ret);

struct wm_block {
    bool last;
    size_t stored; /**< Bytes behind the block header. */
    size_t most;   /**< Uncompressed bytes at most. */
};
/** Read a block header (WM_BLOCK_HEADER bytes); false if it is of the reserved type or too long. */
bool wm_block_read(const unsigned char *bytes, struct wm_block *ret);

#endif /* WETMILL_PIPELINE_ZSTD_FRAMES_H */
