/* SPDX-License-Identifier: Apache-2.0 */
/* Going on with a stream in its middle, in the state it had there. */
#include "pipeline/stream.h"

static const struct wm_codec_ops *const codecs[] = {&wm_codec_none, &wm_codec_gzip, &wm_codec_zstd,
                                                    &wm_codec_xz};

bool wm_stream_is_lost(const struct wm_stream *stream)
{
    const struct wm_framer *f = &stream->framer;
    return stream->members && (stream->members->search.on || f->junk || f->passing.on);
}

/* Damage that the decoder has met, running ahead, was told of already: it must not be met again. */
bool wm_stream_entry(struct wm_stream *stream, const struct wm_record *record, struct wm_entry *ret)
{
    struct wm_members *m = stream->members;
    if (stream->in_tar || !m || m->broken || m->noticed || stream->source.failed)
        return false;
    *ret = (struct wm_entry){.mark = wm_members_mark_of(m, record->at),
                             .at = record->at,
                             .wasted = m->wasted,
                             .search = m->search,
                             .framer = stream->framer};
    if (m->search.on)
        ret->mark = (struct wm_mark){.at = m->at,
                                     .offset = m->source->at,
                                     .decoded = m->decoded,
                                     .ordinal = m->n_members,
                                     .pieces = m->prefer_pieces};
    while (ret->codec < WM_CODEC_XZ && codecs[ret->codec] != m->ops)
        ret->codec++;
    return true;
}

int wm_stream_enter(struct wm_stream *stream, const char *path, uint64_t start, uint64_t end,
                    const struct wm_entry *entry, const struct wm_source_options *options,
                    struct wm_report *report, struct wm_error *err)
{
    struct wm_members *m = &stream->outer;
    stream->options = options;
    stream->report = report;
    int status = wm_source_open(&stream->source, path, start, end, err);
    if (!status && (entry->mark.offset < start || entry->mark.at > entry->at ||
                    (entry->search.on && entry->search.from > entry->mark.offset)))
        status = wm_fail(err, WM_E_MISMATCH, "a record stands before its member");
    if (!status)
        status = wm_stream_pass_stored(&stream->source, entry->mark.offset - start, err);
    if (!status)
        status = wm_stream_start(stream, m, &stream->source, entry->codec, err);
    if (status)
        return status;
    wm_members_enter(m, &entry->mark, entry->wasted);
    m->search = entry->search;
    status = wm_stream_pass(m, entry->at - entry->mark.at, err);
    stream->members = m;
    wm_framer_start(&stream->framer, m, entry->framer.framing, options->max_record, report);
    struct wm_framer *f = &stream->framer;
    const struct wm_framer *was = &entry->framer;
    f->started = was->started;
    f->lengths_lie = was->lengths_lie;
    f->digests_hold = was->digests_hold;
    f->told = was->told;
    f->lost = was->lost;
    f->junk = was->junk;
    f->junk_at = was->junk_at;
    f->junk_file_at = was->junk_file_at;
    f->passing = was->passing;
    return status;
}
