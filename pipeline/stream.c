/* SPDX-License-Identifier: Apache-2.0 */
/* Files opened layer by layer. */
#include "pipeline/stream.h"

enum { CODEC_HEAD = 16 };

enum wm_codec wm_stream_codec(struct wm_source *source, const char *name)
{
    size_t seen = wm_source_see(source, CODEC_HEAD);
    enum wm_codec codec = wm_codec_detect(wm_source_bytes(source), seen);
    if (codec != WM_CODEC_NONE || !seen)
        return codec;
    bool gzip = wm_str_ends(wm_str_of(name), WM_STR(".gz"));
    bool zstd = wm_str_ends(wm_str_of(name), WM_STR(".zst"));
    if (!gzip && !zstd)
        return codec;
    seen = wm_source_see(source, WM_DETECT_HEAD);
    struct wm_str head = {(const char *)wm_source_bytes(source), seen};
    if (wm_tar_detect(head) || wm_detect_readable(head))
        return codec;                            /* someone unpacked it and kept the name */
    return gzip ? WM_CODEC_GZIP : WM_CODEC_ZSTD; /* damaged at its start */
}

int wm_stream_start(struct wm_stream *stream, struct wm_members *members, struct wm_source *source,
                    enum wm_codec codec, struct wm_error *err)
{
    members->windows = &stream->windows;
    return wm_members_start(members, source, &stream->source, codec, stream->options->max_ratio,
                            stream->report, err);
}

/* The first bytes of the first segment that has any. */
static int see_head(struct wm_members *m, struct wm_str *ret, struct wm_error *err)
{
    do {
        int status = wm_members_need(m, WM_DETECT_HEAD, err);
        if (status)
            return status;
        *ret = wm_members_seen(m);
    } while (ret->len == 0 && wm_members_resume(m));
    return 0;
}

static void pass_over(struct wm_stream *stream, struct wm_members *m, const char *why)
{
    size_t seen = wm_members_seen(m).len;
    wm_report_damage(stream->report, stream->source.start, "%s", why);
    wm_members_skip(m, seen);
    wm_members_stop(m);
    stream->report->tally.bytes += seen;
    stream->report->tally.bytes_skipped += seen;
}

/* Start the framer on what `m` holds, if it is something. */
static int frame(struct wm_stream *stream, struct wm_members *m, const char *name, int framing,
                 struct wm_error *err)
{
    struct wm_str head;
    int status = see_head(m, &head, err);
    if (status || head.len == 0)
        return status;
    enum wm_framing found = framing < 0 ? WM_FRAMING_WARC : (enum wm_framing)framing;
    if (framing < 0 && !wm_detect_framing(head, name, stream->options, &found)) {
        pass_over(stream, m, "neither WARC, ARC, JSON lines nor UTF-8 text; skipped");
        return 0;
    }
    stream->members = m;
    wm_framer_start(&stream->framer, m, found, stream->options->max_record, stream->report);
    return 0;
}

static int open_tar(struct wm_stream *stream, struct wm_error *err)
{
    stream->in_tar = true;
    return wm_tar_open(&stream->tar, &stream->outer, err);
}

/* The file's first bytes tell what it is. */
static int find_start(struct wm_stream *stream, struct wm_error *err)
{
    struct wm_str head = {0};
    stream->outer.pause_at = stream->pause_source;
    int status = see_head(&stream->outer, &head, err);
    stream->outer.pause_at = 0;
    stream->opening = status == WM_PAUSED;
    if (status)
        return status;
    if (stream->framing < 0 && wm_tar_detect(head))
        return open_tar(stream, err);
    return frame(stream, &stream->outer, stream->path, stream->framing, err);
}

int wm_stream_open(struct wm_stream *stream, const char *path, uint64_t start, uint64_t end,
                   int codec, int framing, const struct wm_source_options *options,
                   struct wm_report *report, struct wm_error *err)
{
    stream->options = options;
    stream->report = report;
    struct wm_error trouble;
    int status = wm_source_open(&stream->source, path, start, end, &trouble);
    if (status == WM_E_NOMEM) {
        *err = trouble;
        return status;
    }
    if (status) {
        wm_report_unread(report, 0, "%s", trouble.what);
        return 0;
    }
    if (wm_source_see(&stream->source, 1) == 0) {
        if (!stream->source.failed)
            wm_report_damage(report, 0, "the file is empty");
        return 0;
    }
    if (codec < 0)
        codec = (int)wm_stream_codec(&stream->source, path);
    status = wm_stream_start(stream, &stream->outer, &stream->source, (enum wm_codec)codec, err);
    if (status)
        return status;
    stream->opening = true;
    stream->path = path;
    stream->framing = framing;
    status = find_start(stream, err);
    return status < 0 ? status : 0;
}

/* Fails where reading the tar did for want of memory. */
static int end_tar_file(struct wm_stream *stream, struct wm_error *err)
{
    const struct wm_error *failure = &stream->inner_source.failure;
    bool no_memory = stream->inner_source.failed && failure->status == WM_E_NOMEM;
    stream->members = NULL;
    wm_members_end(&stream->inner);
    if (no_memory)
        *err = *failure;
    else if (stream->inner_source.failed)
        wm_report_damage(stream->report, stream->source.at, "%s", failure->what);
    wm_source_end(&stream->inner_source);
    stream->report->inside = NULL;
    return no_memory ? err->status : 0;
}

/* 1 = a file of the tar is open (its framer may have nothing to give), 0 = no more. */
static int next_in_tar(struct wm_stream *stream, struct wm_error *err)
{
    int more = wm_tar_next(&stream->tar, err);
    if (more <= 0)
        return more;
    wm_escape(stream->inside, sizeof stream->inside, stream->tar.name, strlen(stream->tar.name));
    stream->report->inside = stream->inside;
    int status = wm_source_start(&stream->inner_source, wm_tar_read, &stream->tar, err);
    if (!status && wm_source_see(&stream->inner_source, 1) > 0) {
        status = wm_stream_start(stream, &stream->inner, &stream->inner_source,
                                 wm_stream_codec(&stream->inner_source, stream->tar.name), err);
        if (!status)
            status = frame(stream, &stream->inner, stream->tar.name, -1, err);
    }
    if (!status && !stream->members)
        status = end_tar_file(stream, err);
    return status ? status : 1;
}

int wm_stream_next(struct wm_stream *stream, struct wm_record *ret, struct wm_error *err)
{
    *ret = (struct wm_record){0};
    int status = stream->opening ? find_start(stream, err) : 0;
    if (status)
        return status;
    for (;;) {
        stream->framer.pause_at = stream->pause_at;
        if (stream->members)
            stream->members->pause_at = stream->pause_source;
        int more = stream->members ? wm_framer_next(&stream->framer, ret, err) : 0;
        if (more || !stream->in_tar)
            return more;
        if (stream->members && end_tar_file(stream, err))
            return err->status;
        if (stream->pause_source && stream->source.at >= stream->pause_source)
            return WM_PAUSED;
        more = next_in_tar(stream, err);
        if (more <= 0)
            return more;
    }
}

struct wm_location wm_stream_place(struct wm_stream *stream, const struct wm_record *record)
{
    struct wm_location place = {0};
    wm_members_place(stream->members, record->at, &place.member_offset, &place.member_length,
                     &place.offset);
    if (stream->in_tar)
        place.tar_member = wm_str_of(stream->tar.name);
    return place;
}

void wm_stream_close(struct wm_stream *stream)
{
    wm_tar_close(&stream->tar);
    wm_members_end(&stream->inner);
    wm_members_end(&stream->outer);
    wm_source_end(&stream->inner_source);
    wm_source_end(&stream->source);
    stream->members = NULL;
    stream->in_tar = stream->opening = false;
    if (stream->report)
        stream->report->inside = NULL;
}

void wm_stream_done(struct wm_stream *stream)
{
    wm_stream_close(stream);
    wm_members_done(&stream->inner);
    wm_members_done(&stream->outer);
    wm_source_done(&stream->inner_source);
    wm_source_done(&stream->source);
    *stream = (struct wm_stream){0};
}
