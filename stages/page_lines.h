/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file page_lines.h
 * The lines of one document as paragraph-dedup compares them: their hashes, which of them count,
 * and which stay once it is known which ones go.
 *
 * Two lines are the same if their normal forms are (ccnet.h, wm_ccnet_dedup). Their hash is XXH3-64
 * (seed 0) of that, or in profile ccnet the first 8 bytes of its SHA-1 as a little-endian number.
 */
#ifndef WETMILL_STAGES_PAGE_LINES_H
#define WETMILL_STAGES_PAGE_LINES_H

#include "wetmill/batch.h"
#include "wetmill/ccnet.h"
#include "wetmill/inputs.h"

enum wm_line_state {
    WM_LINE_COMPARED,   /**< It counts, and has a hash. */
    WM_LINE_REPEATED,   /**< … but an earlier line of the document has the same one. */
    WM_LINE_GOES,       /**< … but other documents have it. */
    WM_LINE_BLANK,      /**< Too short to be compared, and blank. */
    WM_LINE_UNCOMPARED, /**< Too short to be compared. */
};

/** How lines are hashed; one thread. */
struct wm_line_hasher {
    struct wm_ccnet ccnet;
    bool sha1;
    uint64_t min_line; /**< Bytes of a normal form below which a line is not compared. */
};

struct wm_page_lines {
    size_t n;
    unsigned char *states; /**< [n] enum wm_line_state */
    uint64_t *hashes;      /**< [n], of those that are compared */
};

/** The `n_lines` (wm_line_count) lines of `text`: COMPARED, REPEATED, BLANK or UNCOMPARED. Memory is
 *  `arena`'s, which is reset; about 30 bytes a line. */
int wm_page_lines_hash(struct wm_line_hasher *hasher, struct wm_str text, size_t n_lines,
                       struct wm_arena *arena, struct wm_page_lines *ret, struct wm_error *err);

/**
 * Turn states into 1 (keep) and 0. What is REPEATED or GOES is not kept. With `tidy`, a blank line
 * is not kept either if a line was dropped since the last line that stays, and that is blank as
 * well, or there is none; nor are the blank ones behind the last line, if one was dropped there.
 */
void wm_page_lines_keep(struct wm_page_lines *lines, bool tidy);

#endif /* WETMILL_STAGES_PAGE_LINES_H */
