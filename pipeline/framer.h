/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file framer.h
 * Cuts the stream of a file, or of a tar's member, into records.
 *
 * A framer counts what is no document, reports damage, and gives the rest as slices of the window,
 * which are valid until the next call. Bytes are accounted for as they are passed: in records
 * (with headers and the line ends between them), or skipped. One thread.
 */
#ifndef WETMILL_PIPELINE_FRAMER_H
#define WETMILL_PIPELINE_FRAMER_H

#include "pipeline/members.h"

enum wm_framing {
    WM_FRAMING_WARC,
    WM_FRAMING_CCNET, /**< WARC as cc_net reads it (ccnet_source.h). */
    WM_FRAMING_ARC,
    WM_FRAMING_JSONL,
    WM_FRAMING_LINES,
    WM_FRAMING_FILE
};

/** A record that may be a document. */
struct wm_record {
    uint64_t at;                                /**< Where it starts in the stream. */
    uint64_t ordinal;                           /**< Its place in the row. */
    struct wm_str body;                         /**< Payload, line, or file. */
    struct wm_str url, date, digest, record_id; /**< WARC: as in the header. */
    int64_t length;                             /**< CCNET: Content-Length. */
};

/** A record that is not held, being passed. */
struct wm_passing {
    bool on;
    bool look;    /**< WARC: for a record that starts before its end … */
    bool members; /**< … and only where a compressed member does. */
    enum wm_read_reason reason;
    uint64_t left;    /**< Bytes; a line has none. */
    uint64_t file_at; /**< Where it starts in the file, for reports. */
};

struct wm_framer {
    struct wm_members *members;
    struct wm_report *report;
    enum wm_framing framing;
    uint64_t max_record;
    size_t held; /**< Bytes of the record last given, to be passed by the next call. */
    bool started;
    bool lengths_lie;  /**< WARC: a Content-Length was wrong already. */
    bool digests_hold; /**< WARC: one was right already, or wrong where damage is known to be. */
    bool told;         /**< CCNET: of a malformed header already. */
    bool lost;         /**< CCNET: damage stood before; where a record starts is to be found. */
    bool junk;         /**< WARC: within bytes that are no record … */
    uint64_t junk_at, junk_file_at; /**< … since there in the stream and the file. */
    struct wm_passing passing;
    uint64_t pause_at; /**< Pause once so many bytes are accounted for; 0 = never. */
};

void wm_framer_start(struct wm_framer *f, struct wm_members *members, enum wm_framing framing,
                     uint64_t max_record, struct wm_report *report);

/** Next record that may be a document: 1, 0 = the stream is at its end, < 0 = out of memory. With
 *  pause_at WM_PAUSED: `ret` says where the next record stands, whatever it is, and is empty. */
int wm_framer_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err);

/** A record turned out to be no document. */
void wm_framer_count(struct wm_framer *f, enum wm_read_reason reason);

/* ---- for the framings ---- */

/** Where the framer knows what it is about, in its fields, when it is called again: time to pause? */
bool wm_framer_pauses(const struct wm_framer *f);

/** Pass `n` seen bytes that belong to a record, or that are skipped. */
void wm_framer_take(struct wm_framer *f, size_t n);
void wm_framer_drop(struct wm_framer *f, size_t n);
/** A record of `n` bytes that is no document. */
void wm_framer_reject(struct wm_framer *f, size_t n, enum wm_read_reason reason);
/** A record whose body is `body` and that ends `n` bytes on. */
int wm_framer_give(struct wm_framer *f, struct wm_str body, size_t n, struct wm_record *ret);
/** Byte of the file where the window stands, for reports. */
uint64_t wm_framer_file_at(struct wm_framer *f);
/** Length of the line the window starts with, newline included, or 0 if there is none within
 *  `most` bytes or before the segment ends. */
int wm_framer_line(struct wm_framer *f, size_t most, size_t *ret, struct wm_error *err);

int wm_warc_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err);
int wm_ccnet_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err);
int wm_arc_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err);
int wm_lines_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err);
int wm_file_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err);

#endif /* WETMILL_PIPELINE_FRAMER_H */
