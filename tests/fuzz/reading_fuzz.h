/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reading_fuzz.h
 * Reading hostile bytes from memory as the reader reads a file; what must hold is checked.
 */
#ifndef WETMILL_READING_FUZZ_H
#define WETMILL_READING_FUZZ_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/document.h"
#include "pipeline/framer.h"
#include "pipeline/members.h"
#include "wetmill/utf8.h"

struct fuzz_bytes {
    const uint8_t *ptr;
    size_t left;
};

static inline int fuzz_give(void *context, void *dst, size_t size, size_t *ret_len,
                            struct wm_error *err)
{
    struct fuzz_bytes *bytes = context;
    (void)err;
    *ret_len = size < bytes->left ? size : bytes->left;
    if (*ret_len)
        memcpy(dst, bytes->ptr, *ret_len);
    bytes->ptr += *ret_len;
    bytes->left -= *ret_len;
    return 0;
}

static inline void fuzz_must(int holds)
{
    if (!holds)
        abort();
}

/* One record as a document: its text must be valid and its line map must cover it. */
static inline void fuzz_document(struct wm_maker *maker, enum wm_framing framing,
                                 const struct wm_record *record, struct wm_read_tally *tally)
{
    struct wm_batch batch = {0};
    struct wm_error err;
    struct wm_doc *doc;
    enum wm_read_reason reason = WM_READ_BAD_JSON;
    bool repaired;
    wm_arena_init(&batch.arena, (size_t)1 << 30);
    fuzz_must(wm_doc_new(maker, &batch, &doc, &err) == 0);
    int made = wm_doc_make(maker, &batch, framing, record, doc, &reason, &repaired, &err);
    fuzz_must(made >= 0);
    tally->documents += made > 0;
    tally->reasons[reason] += made == 0;
    if (made > 0) {
        uint64_t lines = 0;
        for (size_t i = 0; i < doc->lines.n_runs; i++)
            lines += doc->lines.runs[i].count;
        bool none = doc->text.len == 0 && doc->lines.n_runs == 0;
        fuzz_must(wm_utf8_valid(doc->text) && wm_utf8_valid(doc->title));
        fuzz_must(lines == (none ? 0 : wm_line_count(doc->text)));
        fuzz_must(lines <= doc->source_lines);
    }
    wm_arena_done(&batch.arena);
}

/** Read all of it; `max_record` small, so that limits are met too. */
static inline int fuzz_read(const uint8_t *data, size_t size, enum wm_codec codec,
                            enum wm_framing framing)
{
    static struct wm_source source;
    static struct wm_members members;
    struct fuzz_bytes bytes = {data, size};
    struct wm_source_options options = {.text_field = "text", .max_record = 20000};
    struct wm_error err;
    struct wm_report report;
    struct wm_maker maker;
    struct wm_framer framer;
    struct wm_record record;
    wm_report_init(&report);
    wm_maker_init(&maker, &options, 2);
    fuzz_must(wm_source_start(&source, fuzz_give, &bytes, &err) == 0);
    fuzz_must(wm_members_start(&members, &source, &source, codec, 1000, &report, &err) == 0);
    wm_framer_start(&framer, &members, framing, options.max_record, &report);
    int more;
    while ((more = wm_framer_next(&framer, &record, &err)) > 0)
        fuzz_document(&maker, framing, &record, &report.tally);
    fuzz_must(more == 0);
    uint64_t rejected = 0;
    for (int i = 0; i < WM_READ_REASONS; i++)
        rejected += report.tally.reasons[i];
    fuzz_must(report.tally.records == report.tally.documents + rejected);
    fuzz_must(report.tally.bytes == report.tally.bytes_in_records + report.tally.bytes_skipped);
    fuzz_must(codec != WM_CODEC_NONE || report.tally.bytes == size);
    wm_source_end(&source);
    if (size % 16 == 0) { /* else memory is kept for the next one, as a reader does */
        wm_members_done(&members);
        wm_source_done(&source);
    }
    wm_maker_done(&maker);
    wm_report_done(&report);
    return 0;
}

#endif /* WETMILL_READING_FUZZ_H */
