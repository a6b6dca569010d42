/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ccnet_source.h
 * WARC files as cc_net reads them (profile ccnet): a text of lines, not bytes with lengths.
 *
 *  - A line ends with LF, CRLF or a lone CR; white space at its ends (wm_ccnet_strip) is no part
 *    of it.
 *  - A record's header goes to the first empty line. Behind that, a line that is "WARC/1.0" begins
 *    the next record, wherever it stands; WARC/1.1 does not. Content-Length frames nothing.
 *  - Fields are taken by position, whatever their names: of lines 2, 3, 4, 7 and 9 the second word is
 *    type, URI, date, digest and length.
 *  - Of the body, two empty lines at the end go, if both are there; the first line is the title, the
 *    others are the text.
 *
 * Where cc_net ends with an error these go on (docs/ccnet.md): invalid UTF-8 becomes U+FFFD, and behind damage the
 * next WARC/1.0 is looked for. The record that damage cuts counts as truncated unless its body
 * holds as many bytes as its header says.
 *
 * Functions of bytes; any thread.
 */
#ifndef WETMILL_PIPELINE_CCNET_SOURCE_H
#define WETMILL_PIPELINE_CCNET_SOURCE_H

#include "wetmill/batch.h"
#include "wetmill/inputs.h"

/** A line within some bytes. */
struct wm_ccnet_line {
    struct wm_str text; /**< Stripped. */
    size_t next;        /**< Where the next one starts. */
};

/** The line that starts at bytes[at]. `ended`: no more bytes will follow these. False if its end is
 *  not there yet, or `at` is their end. */
bool wm_ccnet_line(struct wm_str bytes, size_t at, bool ended, struct wm_ccnet_line *ret);

/** Fields by position; slices. */
struct wm_ccnet_header {
    struct wm_str type, url, date, record_id, digest;
    int64_t length; /**< As Python's int() reads it; may be negative. Over 63 bits: malformed. */
};

/** Read the header's lines: WM_READ_REASONS, or why the record is no document. */
enum wm_read_reason wm_ccnet_header_read(struct wm_str header, struct wm_ccnet_header *ret);

/** Title, text, lines of `doc` from a record's body, copied to `arena`. WM_E_NOMEM, WM_E_LIMIT. */
int wm_ccnet_body(struct wm_arena *arena, struct wm_str body, struct wm_doc *doc,
                  bool *ret_repaired, struct wm_error *err);

/** First byte of `s` that is '\n' or '\r', or s.len. */
size_t wm_ccnet_line_end(struct wm_str s);
size_t wm_ccnet_line_end_plain(struct wm_str s);

#endif /* WETMILL_PIPELINE_CCNET_SOURCE_H */
