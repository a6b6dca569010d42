/* SPDX-License-Identifier: Apache-2.0 */
/* A task's rows, one after the other, as batches of documents. */
#include <stdlib.h>
#include <string.h>

#include "pipeline/place.h"
#include "pipeline/reader.h"

enum { SPAN_TEXTS = 4 }; /* bytes read for one batch, in texts of one */

int wm_reader_open(const struct wm_inputs *inputs, const struct wm_task *task,
                   struct wm_reader **ret, struct wm_error *err)
{
    struct wm_reader *r = calloc(1, sizeof *r);
    if (!r)
        return wm_fail_nomem(err, sizeof *r, "reading");
    r->inputs = inputs;
    r->task = *task;
    r->row = task->first;
    wm_report_init(&r->report);
    wm_maker_init(&r->maker, &inputs->options, 0);
    r->hashes = calloc((size_t)task->n + 1, sizeof *r->hashes);
    r->stream.source.hash = XXH3_createState();
    if (!r->hashes || !r->stream.source.hash) {
        wm_reader_close(r);
        return wm_fail_nomem(err, (size_t)task->n * sizeof *r->hashes, "hashes of input files");
    }
    *ret = r;
    return 0;
}

void wm_reader_close(struct wm_reader *r)
{
    if (!r)
        return;
    wm_stream_done(&r->stream);
    wm_report_done(&r->report);
    wm_maker_done(&r->maker);
    free(r->hashes);
    free(r);
}

void wm_reader_begin_row(struct wm_reader *r)
{
    const struct wm_input *row = wm_reader_row(r);
    r->report.path = row->path;
    r->report.record = 0;
    r->report.damaged = false;
    r->path = wm_place_relative(row->path, r->inputs->options.root);
    r->segment = wm_place_segment(wm_str_of(row->path), r->inputs->options.prefix);
    if (r->segment.ptr == row->path)
        r->segment = r->path;
    r->is_open = true;
}

int wm_reader_open_row(struct wm_reader *r, struct wm_error *err)
{
    const struct wm_input *row = wm_reader_row(r);
    wm_reader_begin_row(r);
    if (row->start == 0)
        r->report.tally.files++;
    if (row->problem) {
        if (row->passing)
            wm_report_unread(&r->report, 0, "%s", row->problem);
        else
            wm_report_damage(&r->report, 0, "%s", row->problem);
        return 0;
    }
    r->stream.pause_source = r->span ? row->start + r->span : 0;
    return wm_stream_open(&r->stream, row->path, row->start, row->end, row->codec, row->framing,
                          &r->inputs->options, &r->report, err);
}

/* What the file should have held when it was listed. */
static uint64_t expected_end(const struct wm_input *row)
{
    return row->end < row->size ? row->end : row->size;
}

static void close_row(struct wm_reader *r)
{
    const struct wm_input *row = wm_reader_row(r);
    struct wm_source *source = &r->stream.source;
    bool opened = !row->problem && source->read;
    if (opened) {
        uint64_t unread = wm_source_drain(source);
        r->report.no_memory |= source->failed && source->failure.status == WM_E_NOMEM;
        r->stopped = source->failed && source->failure.status == WM_E_CANCELLED;
        if (source->failed)
            wm_report_unread(&r->report, source->at, "%s", source->failure.what);
        else if (!row->is_pipe && source->at < expected_end(row))
            wm_report_unread(&r->report, source->at,
                             "the file has become shorter: %llu bytes are missing at its end",
                             (unsigned long long)(expected_end(row) - source->at));
        if (r->report.damaged)
            r->report.tally.bytes_damaged += unread;
        r->hashes[r->row - r->task.first] = wm_source_hash(source);
        r->report.tally.bytes_compressed += source->at - row->start;
        r->done_bytes += source->at - row->start;
    }
    wm_stream_close(&r->stream);
    r->report.tally.bad_files += r->report.damaged;
    r->is_open = false;
    r->row++;
}

void wm_reader_set_pause(struct wm_reader *r)
{
    const uint64_t bytes = r->report.tally.bytes, position = wm_reader_position(r);
    r->stream.pause_at = r->span ? bytes + r->span : 0;
    r->stream.pause_source = r->span ? r->stream.source.at + r->span : 0;
    r->pause_at = r->span ? position + r->span : 0;
}

int wm_reader_next(struct wm_reader *r, struct wm_error *err)
{
    r->paused = false;
    while (r->row - r->task.first < r->task.n) {
        if (!r->is_open && r->pause_at && wm_reader_position(r) >= r->pause_at)
            return WM_PAUSED;
        int status = r->is_open ? 0 : wm_reader_open_row(r, err);
        if (!status)
            status = wm_stream_next(&r->stream, &r->record, err);
        if (status < 0)
            return wm_error_where(err, "%s", wm_reader_row(r)->path);
        r->paused = status == WM_PAUSED && !r->stream.in_tar;
        if (status > 0)
            return status;
        close_row(r);
        if (r->stopped) { /* that says nothing about the file */
            *err = r->stream.source.failure;
            return err->status;
        }
    }
    return r->report.no_memory ? wm_fail_nomem(err, 0, "reading") : 0;
}

static void reject(struct wm_reader *r, enum wm_read_reason reason)
{
    struct wm_framer *framer = &r->stream.framer;
    wm_framer_count(framer, reason);
    uint64_t ordinal = r->report.record;
    r->report.record = r->record.ordinal;
    uint64_t at = wm_members_file_at(r->stream.members, r->record.at);
    if (reason == WM_READ_BAD_JSON)
        wm_report_skip(&r->report, at, "a line is no JSON object");
    else if (reason == WM_READ_TOO_LONG)
        wm_report_skip(&r->report, at, "a text is longer than max_record");
    r->report.record = ordinal;
}

/* Make the pending record a document of `batch`, if it is one. */
static int take(struct wm_reader *r, struct wm_batch *batch, struct wm_error *err)
{
    struct wm_doc *doc;
    enum wm_read_reason reason;
    bool repaired;
    r->pending = false;
    int status = wm_doc_new(&r->maker, batch, &doc, err);
    if (!status)
        status = wm_doc_make(&r->maker, batch, r->stream.framer.framing, &r->record, doc, &reason,
                             &repaired, err);
    if (status < 0)
        return wm_error_where(err, "%s", wm_reader_row(r)->path);
    if (status == 0) {
        reject(r, reason);
        return 0;
    }
    doc->row = r->row;
    if (!doc->path.len) {
        doc->key = (struct wm_key){r->row, r->record.ordinal, 0};
        doc->path = r->path;
        doc->location = wm_stream_place(&r->stream, &r->record);
        struct wm_str name = doc->location.tar_member;
        doc->location.tar_member = wm_arena_str(&batch->arena, name);
        if (name.len && !doc->location.tar_member.ptr)
            return wm_fail_nomem(err, name.len, "name in a tar");
    }
    if (!doc->segment.ptr)
        doc->segment = r->segment;
    uint64_t len = doc->text.len + doc->extra.len;
    if (r->report.tally.longest < len)
        r->report.tally.longest = len;
    batch->n_docs++;
    batch->text_bytes += doc->text.len;
    r->report.tally.documents++;
    r->report.tally.repaired_utf8 += repaired;
    return 0;
}

int wm_reader_fill(struct wm_reader *r, struct wm_batch *batch, size_t n_values, size_t max_text,
                   size_t max_docs, struct wm_error *err)
{
    batch->n_docs = 0;
    batch->text_bytes = 0;
    r->maker.n_values = n_values;
    r->span = max_text < UINT64_MAX / SPAN_TEXTS ? (uint64_t)max_text * SPAN_TEXTS : 0;
    wm_reader_set_pause(r);
    do {
        if (!r->pending) {
            int more = wm_reader_next(r, err);
            if (more < 0)
                return more;
            if (more == 0)
                return batch->n_docs > 0;
            if (more == WM_PAUSED)
                return 1;
            r->pending = true;
        }
        /* a body is at least as long as its text, but for the U+FFFD that stand for bad bytes */
        if (batch->n_docs > 0 &&
            (batch->text_bytes >= max_text || r->record.body.len > max_text - batch->text_bytes))
            return 1;
        int status = take(r, batch, err);
        if (status)
            return status;
    } while (batch->n_docs < max_docs && batch->text_bytes <= max_text);
    return 1;
}

void wm_reader_allow(struct wm_reader *r, const struct wm_window_limit *limit)
{
    r->stream.windows.limited = true;
    r->stream.windows.limit = *limit;
}

const struct wm_read_tally *wm_reader_tally(const struct wm_reader *r)
{
    return &r->report.tally;
}

const struct wm_damage *wm_reader_damage(const struct wm_reader *r)
{
    return r->report.list;
}

const XXH128_hash_t *wm_reader_hashes(const struct wm_reader *r)
{
    return r->hashes;
}

uint64_t wm_reader_position(const struct wm_reader *r)
{
    const struct wm_source *source = &r->stream.source;
    return r->done_bytes + (r->is_open && source->read ? source->at - source->start : 0);
}

uint64_t wm_reader_passed(const struct wm_reader *r)
{
    const struct wm_members *m = &r->stream.outer;
    const struct wm_source *source = &r->stream.source;
    if (!r->is_open || !source->read || r->stream.in_tar)
        return wm_reader_position(r);
    if (m->ops == &wm_codec_none)
        return r->done_bytes + m->at;
    if (!m->decoded)
        return wm_reader_position(r);
    uint64_t decoder = source->at - source->start + (m->inside ? m->fed : 0);
    double share = (double)m->at / (double)m->decoded;
    return r->done_bytes + (uint64_t)((double)decoder * (share < 1 ? share : 1));
}
