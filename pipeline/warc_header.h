/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file warc_header.h
 * The header of one WARC record (ISO 28500; versions 1.0 and 1.1, and the drafts 0.17 and 0.18):
 * named fields in any order and case, folded or not, lines ended by CRLF or LF. Pure functions.
 */
#ifndef WETMILL_PIPELINE_WARC_HEADER_H
#define WETMILL_PIPELINE_WARC_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/str.h"

enum {
    WM_WARC_HEADER = 64 << 10, /**< Longest header, bytes. */
    WM_WARC_VERSION = 32,      /**< Longest version line. */
};

/** Values are slices of the bytes read, trimmed; a folded one still holds its line ends. */
struct wm_warc_header {
    size_t size; /**< Bytes of the header, blank line included. */
    struct wm_str type, url, date, digest, record_id, content_type;
    bool of_block;       /**< `digest` is of the block, not of the payload in it. */
    bool has_length;     /**< Content-Length is there, once, and a whole number. */
    uint64_t length;     /**< Its value. */
    bool strict;         /**< Every line looks like `Name: value`; only if that was asked. */
    const char *problem; /**< Why the header is of no use, or NULL. */
};

/** True if `bytes` starts as a version line does; it may be cut. */
bool wm_warc_starts(struct wm_str bytes);

/**
 * Read the header that starts at bytes[0]: 1 = read (it may still have a `problem`), 0 = more bytes
 * are needed to tell, -1 = there is no header, or none that ends within WM_WARC_HEADER.
 */
int wm_warc_header_read(struct wm_str bytes, struct wm_warc_header *ret);

/**
 * For a place where no record is known to start: true only if a header stands there beyond doubt:
 * every line is a field, and type and length are there. Where the file `ended` within it, what
 * there is of it decides. `*ret_cut`: more bytes are needed to tell.
 */
bool wm_warc_header_plausible(struct wm_str bytes, bool ended, bool *ret_cut);

/** Equal but for ASCII case. */
bool wm_str_same(struct wm_str a, struct wm_str b);

#endif /* WETMILL_PIPELINE_WARC_HEADER_H */
