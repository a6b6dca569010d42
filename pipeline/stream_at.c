/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a file for one record whose place is known. */
#include "pipeline/stream.h"
#include "pipeline/warc_header.h"

static const char mismatch[] = "no record starts at the place that is remembered";

static int no_record(struct wm_error *err)
{
    wm_fail(err, WM_E_MISMATCH, "%s", mismatch);
    return wm_error_hint(err, "the file has been changed or replaced since it was read");
}

static int open_source(struct wm_stream *s, const char *path, uint64_t start, struct wm_error *err)
{
    wm_source_end(&s->source);
    return wm_source_open(&s->source, path, start, UINT64_MAX, err);
}

int wm_stream_pass_stored(struct wm_source *source, uint64_t n, struct wm_error *err)
{
    while (n > 0) {
        size_t seen = wm_source_see(source, 1);
        size_t step = seen < n ? seen : (size_t)n;
        if (step == 0)
            return no_record(err);
        wm_source_skip(source, step);
        n -= step;
    }
    return 0;
}

int wm_stream_pass(struct wm_members *m, uint64_t n, struct wm_error *err)
{
    while (n > 0) {
        int status = wm_members_need(m, 1, err);
        if (status)
            return status;
        size_t seen = wm_members_seen(m).len;
        size_t step = seen < n ? seen : (size_t)n;
        if (step == 0 && !wm_members_resume(m))
            return no_record(err);
        wm_members_skip(m, step);
        n -= step;
    }
    return 0;
}

/* Decompress from the member on and stand at the record. */
static int stand(struct wm_stream *s, struct wm_members *m, struct wm_source *source,
                 enum wm_codec codec, uint64_t offset, struct wm_error *err)
{
    int status = wm_stream_start(s, m, source, codec, err);
    if (!status)
        status = wm_stream_pass(m, offset, err);
    s->members = m;
    do
        status = status ? status : wm_members_need(m, WM_DETECT_HEAD, err);
    while (!status && wm_members_seen(m).len == 0 && wm_members_resume(m));
    return !status && wm_members_seen(m).len == 0 ? no_record(err) : status;
}

static int stand_in_file(struct wm_stream *s, const char *path, const struct wm_location *place,
                         struct wm_error *err)
{
    int status = open_source(s, path, 0, err);
    if (status)
        return status;
    enum wm_codec codec = wm_stream_codec(&s->source, path);
    uint64_t offset = place->offset;
    if (codec == WM_CODEC_NONE) {
        status = open_source(s, path, offset, err);
        offset = 0;
    } else if (place->member_offset) {
        status = open_source(s, path, place->member_offset, err);
    }
    return status ? status : stand(s, &s->outer, &s->source, codec, offset, err);
}

static int stand_in_tar(struct wm_stream *s, const char *path, const struct wm_location *place,
                        struct wm_error *err)
{
    int status = open_source(s, path, 0, err);
    if (!status)
        status = wm_stream_start(s, &s->outer, &s->source, wm_stream_codec(&s->source, path), err);
    if (!status)
        status = wm_tar_open(&s->tar, &s->outer, err);
    s->in_tar = true;
    while (!status) {
        int more = wm_tar_next(&s->tar, err);
        if (more <= 0)
            return more ? more : no_record(err);
        if (wm_str_eq(wm_str_of(s->tar.name), place->tar_member))
            break;
    }
    if (!status)
        status = wm_source_start(&s->inner_source, wm_tar_read, &s->tar, err);
    if (status)
        return status;
    enum wm_codec codec = wm_stream_codec(&s->inner_source, s->tar.name);
    if (codec != WM_CODEC_NONE)
        status = wm_stream_pass_stored(&s->inner_source, place->member_offset, err);
    return status ? status : stand(s, &s->inner, &s->inner_source, codec, place->offset, err);
}

/* The framing by the record itself, or as the start of the file tells. */
static int find_framing(struct wm_stream *s, const char *path, const struct wm_location *place,
                        enum wm_framing *ret, struct wm_error *err)
{
    struct wm_str head = wm_members_seen(s->members);
    const struct wm_source_options *options = s->options;
    bool at_start = place->member_offset == 0 && place->offset == 0, cut;
    if (at_start || options->format != WM_FORMAT_AUTO)
        return wm_detect_framing(head, s->in_tar ? s->tar.name : path, options, ret)
                   ? 0
                   : no_record(err);
    if (wm_warc_header_plausible(head, false, &cut)) {
        *ret = wm_framing_of(WM_FRAMING_WARC, options);
        return 0;
    }
    struct wm_location first = {.tar_member = place->tar_member};
    struct wm_report *report = s->report;
    wm_stream_close(s);
    int status = wm_stream_open_at(s, path, &first, options, report, err);
    if (status)
        return status;
    *ret = s->framer.framing;
    wm_stream_close(s);
    return place->tar_member.len ? stand_in_tar(s, path, place, err)
                                 : stand_in_file(s, path, place, err);
}

int wm_stream_open_at(struct wm_stream *stream, const char *path,
                      const struct wm_location *location, const struct wm_source_options *options,
                      struct wm_report *report, struct wm_error *err)
{
    enum wm_framing framing;
    stream->options = options;
    stream->report = report;
    int status = location->tar_member.len ? stand_in_tar(stream, path, location, err)
                                          : stand_in_file(stream, path, location, err);
    if (!status)
        status = find_framing(stream, path, location, &framing, err);
    if (status)
        return status;
    wm_framer_start(&stream->framer, stream->members, framing, options->max_record, report);
    stream->framer.lengths_lie = true; /* it was a document when what stands before was read too */
    stream->framer.started = location->offset > 0 && framing != WM_FRAMING_FILE;
    return 0;
}
