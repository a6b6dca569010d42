/* SPDX-License-Identifier: Apache-2.0 */
/* Large files as ranges, cut where a record is known to start. */
#include <stdlib.h>
#include <string.h>

#include "pipeline/listing.h"
#include "pipeline/stream.h"
#include "pipeline/warc_header.h"
#include "pipeline/zstd_frames.h"
#include "wetmill/file.h"

enum { HEADER_FIRST = 4096, PIECE = 64 << 10, SEPARATOR_MOST = 64 };

/** Where the walk through a file is. */
struct walk {
    struct wm_file *file;
    uint64_t size, at, range;
    unsigned char *piece; /* [PIECE] */
    const struct wm_source_options *options;
    const char *path;
    enum wm_framing framing;
};

static size_t look(struct walk *w, uint64_t at, size_t want)
{
    struct wm_error ignored;
    size_t got = 0;
    return wm_file_pread(w->file, w->piece, want, at, &got, &ignored) ? 0 : got;
}

/* Each of these moves w->at to the next place a range may start at: w->size = the file's end.
 * False: the file is not as it should be from here on. */

static bool next_record(struct walk *w)
{
    struct wm_warc_header h;
    int found = 0;
    for (size_t want = HEADER_FIRST; found == 0 && want <= PIECE; want *= 4) {
        struct wm_str bytes = {(const char *)w->piece, look(w, w->at, want)};
        found = wm_warc_header_read(bytes, &h);
        if (bytes.len < want)
            break;
    }
    if (found <= 0 || h.problem || h.length > w->size - w->at ||
        h.size > w->size - w->at - h.length)
        return false;
    uint64_t end = w->at + h.size + h.length;
    size_t n = look(w, end, SEPARATOR_MOST), i = 0;
    while (i < n && (w->piece[i] == '\r' || w->piece[i] == '\n'))
        i++;
    w->at = end + i;
    return (w->at == w->size && n < SEPARATOR_MOST) ||
           wm_warc_starts((struct wm_str){(const char *)w->piece + i, n - i});
}

static bool next_line(struct walk *w)
{
    for (;;) {
        size_t n = look(w, w->at, PIECE);
        const unsigned char *end = n ? memchr(w->piece, '\n', n) : NULL;
        w->at += end ? (size_t)(end - w->piece) + 1 : n;
        if (end || n < PIECE)
            return end || w->at == w->size;
    }
}

/* Past the frame at w->at, and the skippable ones behind it. */
static bool pass_frame(struct walk *w)
{
    struct wm_frame frame;
    struct wm_block block = {0};
    size_t n = look(w, w->at, WM_FRAME_HEADER);
    if (wm_frame_read(w->piece, n, &frame) != 1)
        return false;
    uint64_t at = w->at + frame.header + frame.size;
    while (!frame.skippable && !block.last) {
        if (look(w, at, WM_BLOCK_HEADER) < WM_BLOCK_HEADER || !wm_block_read(w->piece, &block))
            return false;
        at += WM_BLOCK_HEADER + block.stored;
    }
    at += frame.checksum ? 4 : 0;
    if (at > w->size)
        return false;
    w->at = at;
    return true;
}

static bool next_frame(struct walk *w)
{
    struct wm_frame frame = {.skippable = true};
    if (!pass_frame(w))
        return false;
    while (w->at < w->size && frame.skippable) {
        if (wm_frame_read(w->piece, look(w, w->at, WM_FRAME_HEADER), &frame) != 1)
            return false;
        if (frame.skippable && !pass_frame(w))
            return false;
    }
    return true;
}

/* Does the stream from w->at on start with a record, so that none spans the cut? Text by lines
 * cannot be told from the middle of a line. */
static bool starts_with_record(struct walk *w, enum wm_codec codec, struct wm_error *err)
{
    if (codec == WM_CODEC_NONE || w->at == w->size)
        return true;
    struct wm_stream *stream = calloc(1, sizeof *stream);
    struct wm_report report;
    if (!stream) {
        (void)wm_fail_nomem(err, sizeof *stream, "cutting a file");
        return false;
    }
    wm_report_init(&report);
    bool starts = false;
    if (!wm_stream_open(stream, w->path, w->at, UINT64_MAX, (int)codec, (int)w->framing, w->options,
                        &report, err) &&
        stream->members) {
        struct wm_str head = wm_members_seen(stream->members);
        starts = w->framing == WM_FRAMING_WARC ? wm_warc_starts(head)
                                               : wm_str_starts(head, WM_STR("{\""));
    }
    wm_stream_done(stream);
    wm_report_done(&report);
    free(stream);
    return starts;
}

typedef bool next_place(struct walk *w);

/* How to walk the file, by what it holds; NULL if there is no way. */
static next_place *way_through(struct walk *w, enum wm_codec *ret_codec, struct wm_error *err)
{
    struct wm_stream *stream = calloc(1, sizeof *stream);
    struct wm_report report;
    next_place *way = NULL;
    if (!stream) {
        (void)wm_fail_nomem(err, sizeof *stream, "cutting a file");
        return NULL;
    }
    wm_report_init(&report);
    if (!wm_stream_open(stream, w->path, 0, UINT64_MAX, -1, -1, w->options, &report, err) &&
        stream->members && !stream->in_tar) {
        const struct wm_codec_ops *codec = stream->members->ops;
        w->framing = stream->framer.framing;
        bool lines = w->framing == WM_FRAMING_JSONL || w->framing == WM_FRAMING_LINES;
        *ret_codec = codec == &wm_codec_zstd ? WM_CODEC_ZSTD : WM_CODEC_NONE;
        if (codec == &wm_codec_none && w->framing == WM_FRAMING_WARC)
            way = next_record;
        else if (codec == &wm_codec_none && lines)
            way = next_line;
        else if (codec == &wm_codec_zstd &&
                 (w->framing == WM_FRAMING_WARC || w->framing == WM_FRAMING_JSONL))
            way = next_frame;
    }
    wm_stream_done(stream);
    wm_report_done(&report);
    free(stream);
    return way;
}

static int cut(struct wm_rows *rows, const struct wm_input *row, struct walk *w, next_place *next,
               enum wm_codec codec, struct wm_error *err)
{
    struct wm_input range = *row;
    range.codec = (int)codec;
    range.framing = (int)w->framing;
    while (w->at < w->size) {
        if (next == next_line && w->at == range.start)
            w->at += w->size - w->at < w->range ? w->size - w->at : w->range;
        err->status = 0;
        if (!next(w))
            break;
        if (w->at - range.start < w->range || w->at >= w->size)
            continue;
        bool starts = starts_with_record(w, codec, err);
        if (err->status == WM_E_NOMEM)
            return err->status;
        if (!starts)
            continue;
        range.end = w->at;
        int status = wm_rows_add(rows, &range, err);
        if (status)
            return status;
        range.start = w->at;
    }
    range.end = UINT64_MAX;
    return wm_rows_add(rows, range.start ? &range : row, err);
}

int wm_cut_row(struct wm_rows *rows, const struct wm_input *row,
               const struct wm_source_options *options, uint64_t range, struct wm_error *err)
{
    struct walk w = {.size = row->size, .range = range, .options = options, .path = row->path};
    struct wm_error trouble = {0};
    enum wm_codec codec;
    if (wm_file_open(row->path, &w.file, &trouble)) /* the reader will report it */
        return wm_rows_add(rows, row, err);
    w.piece = malloc(PIECE);
    if (!w.piece)
        trouble.status = wm_fail_nomem(err, PIECE, "cutting a file");
    next_place *next = w.piece ? way_through(&w, &codec, &trouble) : NULL;
    int status = trouble.status == WM_E_NOMEM ? trouble.status : 0;
    if (status)
        *err = trouble;
    else
        status = next ? cut(rows, row, &w, next, codec, err) : wm_rows_add(rows, row, err);
    free(w.piece);
    wm_file_close(w.file);
    return status;
}
