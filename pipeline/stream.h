/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file stream.h
 * An opened file, or range of one, as records: source, decompression, tar, framing in their order.
 *
 *     file ─▶ members ─▶ framer                      a.warc.wet.gz
 *     file ─▶ members ─▶ tar ─▶ members ─▶ framer    a.tar.gz with b.jsonl.zst in it
 *
 * Memory is kept from one file to the next. One thread.
 */
#ifndef WETMILL_PIPELINE_STREAM_H
#define WETMILL_PIPELINE_STREAM_H

#include "pipeline/detect.h"
#include "pipeline/members_tar.h"

struct wm_stream {
    const struct wm_source_options *options;
    struct wm_report *report;
    struct wm_source source, inner_source;
    struct wm_windows windows; /**< Of outer and inner. */
    struct wm_members outer, inner;
    struct wm_tar tar;
    struct wm_framer framer;
    struct wm_members
        *members; /**< What the framer reads: outer or inner; NULL if nothing is open. */
    bool in_tar;
    char inside[256]; /**< Escaped tar->name, for reports. */
    /** Still looking for what the file starts with: `framing` as asked for. */
    bool opening;
    const char *path; /**< Borrowed. */
    int framing;
    /** Pause once so many bytes are accounted for, or between files of a tar once the file has been
     *  read up to there; 0 = never. */
    uint64_t pause_at, pause_source;
};

/** Start on bytes [start, end) of a file. `codec`, `framing` < 0: by content. What is wrong with the file is
 *  reported, not returned; WM_E_NOMEM. `path` is borrowed. With pause_source it may
 *  come back before it is known what the file holds (stream->opening). */
int wm_stream_open(struct wm_stream *stream, const char *path, uint64_t start, uint64_t end,
                   int codec, int framing, const struct wm_source_options *options,
                   struct wm_report *report, struct wm_error *err);
/** As wm_framer_next, over all files of a tar. WM_PAUSED, with pause_source, also while damage is being
 *  searched for what stands behind it. */
int wm_stream_next(struct wm_stream *stream, struct wm_record *ret, struct wm_error *err);
/** Where the record is; the tar member is borrowed. */
struct wm_location wm_stream_place(struct wm_stream *stream, const struct wm_record *record);

/**
 * Open `path` for the one record at `location`: the framer's next record starts there, if one does.
 * WM_E_MISMATCH, or what hinders opening.
 */
int wm_stream_open_at(struct wm_stream *stream, const char *path,
                      const struct wm_location *location, const struct wm_source_options *options,
                      struct wm_report *report, struct wm_error *err);

/** Where a stream can be entered, and what was known there. */
struct wm_entry {
    enum wm_codec codec;
    struct wm_mark mark;
    uint64_t at, wasted;     /**< Of the record, and of the decoder. */
    struct wm_search search; /**< On: the next segment has not been found yet. */
    struct wm_framer framer; /**< Its framing and what it has learnt. */
};

/** Is it within what is passed over? */
bool wm_stream_is_lost(const struct wm_stream *stream);
/** Where the record given last can be reached without reading what stands before; false for one in
 *  a tar, or with damage in sight. */
bool wm_stream_entry(struct wm_stream *stream, const struct wm_record *record,
                     struct wm_entry *ret);
/** As wm_stream_open, but the next record is the one of `entry`. What is skipped is hashed as if it
 *  was read. WM_E_MISMATCH if the file has no such place. */
int wm_stream_enter(struct wm_stream *stream, const char *path, uint64_t start, uint64_t end,
                    const struct wm_entry *entry, const struct wm_source_options *options,
                    struct wm_report *report, struct wm_error *err);

void wm_stream_close(struct wm_stream *stream); /**< Memory is kept. */
void wm_stream_done(struct wm_stream *stream);  /**< Frees all; safe on a zeroed one. */

/* ---- for stream_at.c ---- */

/** Pass `n` bytes of what is stored, or of what it says; WM_E_MISMATCH if it ends before. */
int wm_stream_pass_stored(struct wm_source *source, uint64_t n, struct wm_error *err);
int wm_stream_pass(struct wm_members *m, uint64_t n, struct wm_error *err);
/** Start decompressing `source`. */
int wm_stream_start(struct wm_stream *stream, struct wm_members *members, struct wm_source *source,
                    enum wm_codec codec, struct wm_error *err);
/** Codec by the source's first bytes; by the name where they are nothing that is read. */
enum wm_codec wm_stream_codec(struct wm_source *source, const char *name);

#endif /* WETMILL_PIPELINE_STREAM_H */
