/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file xz_walk.h
 * Walks through xz data as they pass (The .xz File Format, 1.2.0; LZMA2 chunks as xz and 7-Zip
 * write them), without decoding them, to see the dictionary that each block asks for before the
 * decoder does: files may hold many blocks and streams, and each may ask for 4 GiB. What the walk
 * cannot follow no decoder takes. No memory beyond the struct. One thread.
 */
#ifndef WETMILL_PIPELINE_XZ_WALK_H
#define WETMILL_PIPELINE_XZ_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WM_XZ_BLOCK_HEADER = 1024 /**< Largest, bytes. */ };

enum wm_xz_part {
    WM_XZ_STREAM_HEADER, /**< Or zeros between streams, or the end. */
    WM_XZ_BLOCK,         /**< A block's header, or the index. */
    WM_XZ_CHUNK,         /**< The header of a chunk of LZMA2. */
    WM_XZ_INDEX,
    WM_XZ_LOST, /**< These are no xz data. */
};

/** Zeroed at the start of the file. */
struct wm_xz_walk {
    enum wm_xz_part part;
    unsigned char held[WM_XZ_BLOCK_HEADER]; /**< What is there of the present header. */
    size_t n_held;
    uint64_t skip;       /**< Bytes to pass before `part` goes on. */
    uint64_t packed;     /**< Bytes of the block's LZMA2 data so far, or of the index. */
    uint64_t numbers;    /**< Left in the index; UINT64_MAX: how many there are comes first. */
    uint64_t number;     /**< The one that is being read … */
    unsigned shift;      /**< … and its bits so far. */
    unsigned check;      /**< Bytes of a block's checksum. */
    uint64_t dictionary; /**< Over the limit: what the block asks for. */
    uint64_t largest;    /**< Of those within the limit. */
};

/**
 * The next bytes of the file. Returns how many of them the decoder may see: all, or those before a
 * block header is whole that asks for a dictionary above `most`; then w->dictionary is set, and
 * nothing may follow.
 */
size_t wm_xz_pass(struct wm_xz_walk *w, const unsigned char *bytes, size_t len, uint64_t most);

#endif /* WETMILL_PIPELINE_XZ_WALK_H */
