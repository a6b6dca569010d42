/* SPDX-License-Identifier: Apache-2.0 */
/* Reading one record again, by its location. */
#include <stdlib.h>
#include <string.h>

#include "pipeline/document.h"
#include "pipeline/place.h"
#include "pipeline/stream.h"

/* The record must be the one that starts where the stream stands, and be a document. */
static int read_one(struct wm_stream *stream, struct wm_maker *maker, struct wm_batch *batch,
                    struct wm_error *err)
{
    struct wm_record record;
    struct wm_doc *doc;
    enum wm_read_reason reason;
    bool repaired;
    uint64_t at = stream->members->at;
    int found = wm_framer_next(&stream->framer, &record, err);
    if (found < 0)
        return found;
    if (found == 0 || record.at != at)
        return wm_fail(err, WM_E_MISMATCH, "no document starts at the place that is remembered");
    int status = wm_doc_new(maker, batch, &doc, err);
    if (status)
        return status;
    found =
        wm_doc_make(maker, batch, stream->framer.framing, &record, doc, &reason, &repaired, err);
    if (found == 0)
        return wm_fail(err, WM_E_MISMATCH, "the record there is no document: %s",
                       wm_read_reason_names[reason]);
    batch->n_docs = found > 0;
    batch->text_bytes = found > 0 ? doc->text.len : 0;
    return found < 0 ? found : 0;
}

/* A line of our own corpus keeps the place it remembers; all else is where it was read. */
static int say_where(struct wm_batch *batch, const char *path, const struct wm_location *location,
                     struct wm_error *err)
{
    struct wm_doc *doc = &batch->docs[0];
    if (doc->path.len)
        return 0;
    struct wm_str tar = location->tar_member;
    doc->path = wm_arena_str(&batch->arena, wm_str_of(path));
    doc->location = *location;
    doc->location.tar_member = wm_arena_str(&batch->arena, tar);
    return doc->path.ptr && (!tar.len || doc->location.tar_member.ptr)
               ? 0
               : wm_fail_nomem(err, strlen(path) + tar.len, "a document's path");
}

int wm_reader_at(const struct wm_source_options *options, const char *path,
                 const struct wm_location *location, struct wm_batch *batch, struct wm_error *err)
{
    char where[WM_PATH_MAX];
    if (strcmp(path, "-") == 0)
        return wm_fail(err, WM_E_MISMATCH,
                       "the document came through standard input, "
                       "which cannot be read again");
    int status = wm_place_absolute(where, path, options->root, err);
    if (status)
        return status;
    struct wm_source_options unbounded = *options;
    unbounded.max_ratio = 0; /* it was judged when the file was read from its start */
    struct wm_report report;
    struct wm_maker maker;
    struct wm_stream *stream = calloc(1, sizeof *stream);
    if (!stream)
        return wm_fail_nomem(err, sizeof *stream, "reading");
    wm_report_init(&report);
    wm_maker_init(&maker, options, WM_COLUMNS_MAX);
    batch->n_docs = 0;
    status = wm_stream_open_at(stream, where, location, &unbounded, &report, err);
    if (!status)
        status = read_one(stream, &maker, batch, err);
    if (!status)
        status = say_where(batch, path, location, err);
    if (status)
        wm_error_where(err, "%s: record at byte %llu", where,
                       (unsigned long long)(location->member_length || location->member_offset
                                                ? location->member_offset
                                                : location->offset));
    wm_stream_done(stream);
    wm_report_done(&report);
    wm_maker_done(&maker);
    free(stream);
    return status;
}
