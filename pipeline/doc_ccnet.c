/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts ccnet and minified (doc_json.h). */
#include <stdio.h>

#include "pipeline/doc_json.h"
#include "wetmill/base64.h"
#include "wetmill/inputs.h"
#include "wetmill/json.h"
#include "wetmill/records.h"
#include "wetmill/utf8.h"

/* ---- what a page is ---- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Where the scheme ends, behind its colon; 0 if there is none. */
static size_t scheme_of(struct wm_str url)
{
    for (size_t i = 0; i < url.len; i++) {
        char c = url.ptr[i];
        bool more = (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.';
        if (c == ':')
            return i ? i + 1 : 0;
        if (!is_letter(c) && (i == 0 || !more))
            return 0;
    }
    return 0;
}

struct wm_str wm_url_authority(struct wm_str url)
{
    while (url.len && (unsigned char)url.ptr[0] <= ' ') {
        url.ptr++;
        url.len--;
    }
    if (!url.len)
        return WM_STR("");
    size_t scheme = scheme_of(url);
    struct wm_str rest = {url.ptr + scheme, url.len - scheme};
    if (!wm_str_starts(rest, WM_STR("//")))
        return WM_STR("");
    rest.ptr += 2;
    rest.len -= 2;
    size_t n = 0;
    while (n < rest.len && rest.ptr[n] != '/' && rest.ptr[n] != '?' && rest.ptr[n] != '#')
        n++;
    return (struct wm_str){rest.ptr, n};
}

/* Were lines dropped, or could they have been: then the page before it is told too. */
static bool was_cut(const struct wm_doc_json *how, const struct wm_doc *doc)
{
    return how->cut || doc->page_ids || wm_line_map_count(&doc->lines) != doc->source_lines;
}

static uint32_t page_id(const struct wm_doc *doc, uint64_t line)
{
    return doc->page_ids ? doc->page_ids[line] : (uint32_t)line;
}

static uint32_t last_id(const struct wm_doc *doc)
{
    if (!doc->lines.n_runs)
        return 0;
    const struct wm_line_run *run = &doc->lines.runs[doc->lines.n_runs - 1];
    return page_id(doc, (uint64_t)run->first + run->count - 1);
}

/* ---- layout ccnet ---- */

static void put_integer(struct wm_json_out *w, int64_t v)
{
    if (v >= 0) {
        wm_json_put_u64(w, (uint64_t)v);
        return;
    }
    char text[24];
    int n = snprintf(text, sizeof text, "%jd", (intmax_t)v);
    wm_json_put_raw(w, (struct wm_str){text, (size_t)n});
}

static void put_string(struct wm_json_out *w, const char *name, struct wm_str value)
{
    wm_json_put_key(w, name);
    wm_json_put_str(w, value);
}

static void put_count(struct wm_json_out *w, const char *name, int64_t value)
{
    wm_json_put_key(w, name);
    put_integer(w, value);
}

static void put_page(struct wm_json_out *w, const struct wm_doc *doc)
{
    put_count(w, "original_nlines", doc->page_ids ? doc->page_lines : doc->source_lines);
    put_count(w, "original_length", doc->source_length);
    wm_json_put_key(w, "line_ids");
    wm_json_put_open(w, '[');
    for (size_t i = 0; i < doc->lines.n_runs; i++)
        for (uint32_t k = 0; k < doc->lines.runs[i].count; k++)
            wm_json_put_u64(w, page_id(doc, (uint64_t)doc->lines.runs[i].first + k));
    wm_json_put_close(w, ']');
}

static bool is_column(const struct wm_doc_json *how, struct wm_str name)
{
    for (size_t i = 0; i < how->schema->n; i++)
        if (wm_str_eq(name, wm_str_of(how->schema->columns[i].name)))
            return true;
    return false;
}

static bool is_one_of(const char *const *names, struct wm_str name)
{
    for (size_t i = 0; names[i]; i++)
        if (wm_str_eq(name, wm_str_of(names[i])))
            return true;
    return false;
}

static bool is_ours(const struct wm_doc_json *how, struct wm_str name)
{
    static const char *const ours[] = {"url",      "date_download",   "digest",
                                       "length",   "nlines",          "source_domain",
                                       "title",    "raw_content",     "cc_segment",
                                       "date",     "record_id",       "key",
                                       "location", "lines",           "source_lines",
                                       "line_ids", "original_nlines", "original_length",
                                       NULL};
    return is_one_of(ours, name) || is_column(how, name);
}

int wm_doc_ccnet_put(struct wm_json_out *w, const struct wm_doc_json *how, const struct wm_doc *doc,
                     struct wm_arena *scratch, struct wm_error *err)
{
    bool cut = was_cut(how, doc), as_crawled = how->profile == WM_PROFILE_CCNET && !cut;
    put_string(w, "url", doc->url);
    put_string(w, "date_download", doc->date);
    put_string(w, "digest", doc->digest);
    put_count(w, "length",
              as_crawled && doc->has_length ? doc->source_length
                                            : (int64_t)wm_utf8_count(doc->text));
    put_count(w, "nlines", (int64_t)wm_line_map_count(&doc->lines));
    put_string(w, "source_domain", wm_url_authority(doc->url));
    put_string(w, "title", doc->title);
    put_string(w, "raw_content", doc->text);
    put_string(w, "cc_segment", doc->segment);
    if (cut)
        put_page(w, doc);
    for (size_t i = 0; i < how->schema->n; i++)
        wm_doc_put_column(w, how, doc, i);
    if (!how->bare) {
        wm_doc_put_member(w, "record_id", doc->record_id);
        wm_doc_put_place(w, doc);
    }
    return wm_doc_put_extra(w, how, doc->extra, is_ours, scratch, err);
}

/* ---- layout minified ---- */

static const char *const kept[] = {"language", "language_score", "bucket", "perplexity", NULL};

static bool is_not_kept(const struct wm_doc_json *how, struct wm_str name)
{
    return !is_one_of(kept, name) || is_column(how, name);
}

static void put_le(char *at, uint32_t v, size_t size)
{
    for (size_t i = 0; i < size; i++)
        at[i] = (char)(v >> 8 * i);
}

static int put_packed_ids(struct wm_json_out *w, const struct wm_doc *doc, size_t size,
                          struct wm_arena *scratch, struct wm_error *err)
{
    uint64_t n = wm_line_map_count(&doc->lines);
    wm_arena_reset(scratch);
    char *bytes = n < SIZE_MAX / 16 ? wm_arena_bytes(scratch, (size_t)n * size) : NULL;
    char *text = bytes ? wm_arena_bytes(scratch, wm_base64_size((size_t)n * size)) : NULL;
    if (!text)
        return wm_fail_nomem(err, (size_t)n * size, "line ids");
    char *at = bytes;
    for (size_t i = 0; i < doc->lines.n_runs; i++)
        for (uint32_t k = 0; k < doc->lines.runs[i].count; k++, at += size)
            put_le(at, page_id(doc, (uint64_t)doc->lines.runs[i].first + k), size);
    wm_base64_encode((struct wm_str){bytes, (size_t)n * size}, text);
    put_string(w, size == 2 ? "line_ids" : "line_ids32",
               (struct wm_str){text, wm_base64_size((size_t)n * size)});
    return 0;
}

int wm_doc_minified_put(struct wm_json_out *w, const struct wm_doc_json *how,
                        const struct wm_doc *doc, struct wm_arena *scratch, struct wm_error *err)
{
    bool narrow = how->profile == WM_PROFILE_CCNET && last_id(doc) <= UINT16_MAX;
    put_string(w, "url", doc->url);
    put_string(w, "digest", doc->digest);
    put_string(w, "cc_segment", doc->segment);
    for (size_t i = 0; kept[i]; i++) {
        int slot = wm_schema_slot(how->schema, kept[i]);
        if (slot >= 0)
            wm_doc_put_column(w, how, doc, (size_t)slot);
    }
    int status = wm_doc_put_extra(w, how, doc->extra, is_not_kept, scratch, err);
    if (!status)
        status = put_packed_ids(w, doc, narrow ? 2 : 4, scratch, err);
    if (!status && !how->bare) {
        wm_doc_put_member(w, "record_id", doc->record_id);
        wm_doc_put_place(w, doc);
    }
    return status;
}
