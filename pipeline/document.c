/* SPDX-License-Identifier: Apache-2.0 */
/* Text and fields of a record, copied once into the batch. */
#include "pipeline/document.h"

#include "base/text_scan.h"
#include "pipeline/ccnet_source.h"
#include "wetmill/utf8.h"

enum { DOCS_FIRST = 64, SCRATCH_FACTOR = 16 };

void wm_maker_init(struct wm_maker *maker, const struct wm_source_options *options, size_t n_values)
{
    *maker = (struct wm_maker){
        .text_field = options->text_field, .max_record = options->max_record, .n_values = n_values};
    uint64_t most = options->max_record * SCRATCH_FACTOR + (16 << 20);
    wm_arena_init(&maker->scratch, most < SIZE_MAX / 2 ? (size_t)most : SIZE_MAX / 2);
}

void wm_maker_done(struct wm_maker *maker)
{
    wm_arena_done(&maker->scratch);
}

/* Takes the CRs out that stand before an LF; returns the end. */
static char *drop_crs(char *text, size_t len)
{
    char *to = memchr(text, '\r', len);
    const char *from = to, *end = text + len;
    while (from < end) {
        size_t run = 0;
        while (from + run < end && from[run] == '\r')
            run++;
        if (from + run == end || from[run] != '\n') {
            memset(to, '\r', run);
            to += run;
        }
        from += run;
        const char *cr = memchr(from, '\r', (size_t)(end - from));
        size_t n = (size_t)((cr ? cr : end) - from);
        memmove(to, from, n);
        to += n;
        from += n;
    }
    return to;
}

int wm_text_take(struct wm_arena *arena, struct wm_str raw, bool at_end, struct wm_str *ret,
                 size_t *ret_lines, bool *ret_repaired, struct wm_error *err)
{
    while (at_end && raw.len && (raw.ptr[raw.len - 1] == '\n' || raw.ptr[raw.len - 1] == '\r'))
        raw.len--;
    char *copy = wm_arena_bytes(arena, raw.len);
    if (!copy)
        return wm_fail_nomem(err, raw.len, "a document's text");
    struct wm_text_facts facts = wm_text_copy(copy, raw);
    *ret = (struct wm_str){copy, raw.len};
    *ret_lines = facts.n_newlines + 1;
    if (facts.has_cr)
        ret->len = (size_t)(drop_crs(copy, raw.len) - copy);
    if (facts.is_utf8) /* CR stands alone: without some of them it is as valid as before */
        return 0;
    *ret_repaired = true;
    return wm_utf8_repair(*ret, arena, ret, NULL, err);
}

int wm_doc_new(struct wm_maker *maker, struct wm_batch *batch, struct wm_doc **ret,
               struct wm_error *err)
{
    if (batch->n_docs == 0)
        maker->cap = 0;
    if (batch->n_docs == maker->cap) {
        size_t cap = maker->cap ? maker->cap * 2 : DOCS_FIRST;
        struct wm_doc *docs = wm_arena_alloc(&batch->arena, cap, sizeof *docs);
        if (!docs)
            return wm_fail_nomem(err, cap * sizeof *docs, "documents of a batch");
        if (batch->n_docs)
            memcpy(docs, batch->docs, batch->n_docs * sizeof *docs);
        batch->docs = docs;
        maker->cap = cap;
    }
    struct wm_doc *doc = &batch->docs[batch->n_docs];
    *doc = (struct wm_doc){0};
    doc->values = wm_arena_alloc(&batch->arena, maker->n_values + 1, sizeof *doc->values);
    if (!doc->values)
        return wm_fail_nomem(err, maker->n_values * sizeof *doc->values, "a document's values");
    *ret = doc;
    return 0;
}

/* A header's value; a line end and the blanks behind it (folding) are one space. */
static int take_value(struct wm_arena *arena, struct wm_str raw, struct wm_str *ret,
                      struct wm_error *err)
{
    char *copy = wm_arena_bytes(arena, raw.len);
    if (!copy)
        return wm_fail_nomem(err, raw.len, "a header's value");
    struct wm_text_facts facts = wm_text_copy(copy, raw);
    *ret = (struct wm_str){copy, raw.len};
    if (facts.n_newlines == 0 && facts.is_utf8)
        return 0;
    size_t n = 0;
    for (size_t i = 0; i < raw.len;) {
        size_t run = i;
        bool folded = false;
        while (run < raw.len && memchr(" \t\r\n", raw.ptr[run], 4))
            folded |= raw.ptr[run++] == '\n';
        copy[n++] = folded ? ' ' : raw.ptr[i];
        i = folded ? run : i + 1;
    }
    return wm_utf8_repair((struct wm_str){copy, n}, arena, ret, NULL, err);
}

static int take_header(struct wm_arena *arena, const struct wm_record *record, struct wm_doc *doc,
                       struct wm_error *err)
{
    int status = take_value(arena, record->url, &doc->url, err);
    if (!status)
        status = take_value(arena, record->date, &doc->date, err);
    if (!status)
        status = take_value(arena, record->digest, &doc->digest, err);
    if (!status)
        status = take_value(arena, record->record_id, &doc->record_id, err);
    return status;
}

static int make_ccnet(struct wm_arena *arena, const struct wm_record *record, struct wm_doc *doc,
                      bool *ret_repaired, struct wm_error *err)
{
    int status = wm_ccnet_body(arena, record->body, doc, ret_repaired, err);
    doc->has_length = true;
    doc->source_length = record->length;
    if (!status)
        status = take_header(arena, record, doc, err);
    return status ? status : 1;
}

static struct wm_str first_line(struct wm_str text)
{
    return wm_str_line(&text);
}

static int all_lines(struct wm_arena *arena, struct wm_doc *doc, size_t n, struct wm_error *err)
{
    if (n > UINT32_MAX)
        return wm_fail(err, WM_E_LIMIT, "a document of more than 2^32 lines");
    doc->lines.runs = wm_arena_alloc(arena, 1, sizeof *doc->lines.runs);
    if (!doc->lines.runs)
        return wm_fail_nomem(err, sizeof *doc->lines.runs, "line map");
    doc->lines.runs[0] = (struct wm_line_run){0, (uint32_t)n};
    doc->lines.n_runs = 1;
    doc->source_lines = (uint32_t)n;
    return 0;
}

int wm_doc_make(struct wm_maker *maker, struct wm_batch *batch, enum wm_framing framing,
                const struct wm_record *record, struct wm_doc *doc, enum wm_read_reason *ret_reason,
                bool *ret_repaired, struct wm_error *err)
{
    int status;
    size_t n_lines = 0;
    *ret_repaired = false;
    if (framing == WM_FRAMING_CCNET)
        return make_ccnet(&batch->arena, record, doc, ret_repaired, err);
    if (framing == WM_FRAMING_JSONL) {
        status = wm_jsonl_read(maker, &batch->arena, record->body, doc, &n_lines, ret_reason,
                               ret_repaired, err);
        if (status <= 0)
            return status;
        status = 0;
    } else {
        status = wm_text_take(&batch->arena, record->body, true, &doc->text, &n_lines, ret_repaired,
                              err);
        if (!status && framing == WM_FRAMING_WARC)
            status = take_header(&batch->arena, record, doc, err);
    }
    if (!status && doc->lines.n_runs == 0)
        status = all_lines(&batch->arena, doc, n_lines, err);
    if (!doc->title.ptr)
        doc->title = first_line(doc->text);
    return status ? status : 1;
}
