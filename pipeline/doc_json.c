/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/doc_json.h"

#include "wetmill/inputs.h"
#include "wetmill/json.h"

const char *const wm_layout_names[] = {[WM_LAYOUT_WETMILL] = "wetmill",
                                       [WM_LAYOUT_CCNET] = "ccnet",
                                       [WM_LAYOUT_MINIFIED] = "minified",
                                       NULL};
const char *const wm_provenance_names[] = {
    [WM_PROVENANCE_AUTO] = "auto", [WM_PROVENANCE_YES] = "yes", [WM_PROVENANCE_NO] = "no", NULL};

static const char *const our_fields[] = {"url",      "date",  "digest",       "record_id", "key",
                                         "location", "lines", "source_lines", NULL};

bool wm_layout_is_bare(int layout, int profile, int choice)
{
    if (choice != WM_PROVENANCE_AUTO)
        return choice == WM_PROVENANCE_NO;
    return layout == WM_LAYOUT_MINIFIED ||
           (layout == WM_LAYOUT_CCNET && profile == WM_PROFILE_CCNET);
}

/* What was added to a rejected document, and columns. */
static bool is_added(const struct wm_doc_json *how, struct wm_str name)
{
    if (how->stage && (wm_str_eq(name, WM_STR("stage")) || wm_str_eq(name, WM_STR("reason"))))
        return true;
    for (size_t i = 0; i < how->schema->n; i++)
        if (wm_str_eq(name, wm_str_of(how->schema->columns[i].name)))
            return true;
    return false;
}

static bool is_ours(const struct wm_doc_json *how, struct wm_str name)
{
    if (wm_str_eq(name, wm_str_of(how->text_field)))
        return true;
    if (how->profile == WM_PROFILE_CCNET && wm_str_eq(name, WM_STR("title")))
        return true;
    for (size_t i = 0; our_fields[i]; i++)
        if (wm_str_eq(name, wm_str_of(our_fields[i])))
            return true;
    return is_added(how, name);
}

void wm_doc_put_member(struct wm_json_out *w, const char *name, struct wm_str value)
{
    if (!value.len)
        return;
    wm_json_put_key(w, name);
    wm_json_put_str(w, value);
}

static void put_location(struct wm_json_out *w, const struct wm_doc *doc)
{
    const struct wm_location *at = &doc->location;
    wm_json_put_key(w, "location");
    wm_json_put_open(w, '{');
    wm_doc_put_member(w, "file", doc->path);
    if (at->member_offset || at->member_length) {
        wm_json_put_key(w, "member");
        wm_json_put_open(w, '[');
        wm_json_put_u64(w, at->member_offset);
        wm_json_put_u64(w, at->member_length);
        wm_json_put_close(w, ']');
    }
    wm_json_put_key(w, "offset");
    wm_json_put_u64(w, at->offset);
    wm_doc_put_member(w, "tar", at->tar_member);
    wm_json_put_close(w, '}');
}

void wm_doc_put_place(struct wm_json_out *w, const struct wm_doc *doc)
{
    wm_json_put_key(w, "key");
    wm_json_put_open(w, '[');
    wm_json_put_u64(w, doc->key.file);
    wm_json_put_u64(w, doc->key.record);
    wm_json_put_u64(w, doc->key.part);
    wm_json_put_close(w, ']');
    put_location(w, doc);
    wm_json_put_key(w, "lines");
    wm_json_put_open(w, '[');
    for (size_t i = 0; i < doc->lines.n_runs; i++) {
        wm_json_put_u64(w, doc->lines.runs[i].first);
        wm_json_put_u64(w, doc->lines.runs[i].count);
    }
    wm_json_put_close(w, ']');
    wm_json_put_key(w, "source_lines");
    wm_json_put_u64(w, doc->source_lines);
}

/* cc_net rounds the score of a language; other columns say themselves how they are written. */
static int decimals_of(const struct wm_doc_json *how, const struct wm_column *column)
{
    bool rounded = how->profile == WM_PROFILE_CCNET && strcmp(column->name, "language_score") == 0;
    return rounded ? 2 : column->decimals;
}

void wm_doc_put_column(struct wm_json_out *w, const struct wm_doc_json *how,
                       const struct wm_doc *doc, size_t slot)
{
    const struct wm_column *column = &how->schema->columns[slot];
    if (!wm_doc_has(doc, (int)slot))
        return;
    wm_json_put_key(w, column->name);
    switch (column->type) {
    case WM_COLUMN_COUNT:
        wm_json_put_u64(w, doc->values[slot].count);
        break;
    case WM_COLUMN_REAL:
        wm_json_put_real(w, doc->values[slot].real, decimals_of(how, column));
        break;
    case WM_COLUMN_TEXT:
        wm_json_put_str(w, doc->values[slot].text);
        break;
    }
}

/* The members as an object, in `scratch`: the JSON reader reads whole values. */
static int braced(struct wm_str members, struct wm_arena *scratch, struct wm_str *ret,
                  struct wm_error *err)
{
    wm_arena_reset(scratch);
    char *object = wm_arena_bytes(scratch, members.len + 2);
    if (!object)
        return wm_fail_nomem(err, members.len + 2, "further members");
    object[0] = '{';
    memcpy(object + 1, members.ptr, members.len);
    object[members.len + 1] = '}';
    *ret = (struct wm_str){object, members.len + 2};
    return 0;
}

/* Read all members; write those that do not give way to ours. With `w` NULL nothing is written. */
static int sift_extra(struct wm_json_out *w, const struct wm_doc_json *how, struct wm_str object,
                      wm_doc_has_member *skip, struct wm_arena *scratch, size_t *ret_ours,
                      struct wm_error *err)
{
    struct wm_json r;
    wm_json_open(&r, object, scratch);
    int status = wm_json_object(&r, err);
    struct wm_str name, value;
    while (!status && (status = wm_json_key(&r, &name, err)) > 0) {
        status = wm_json_skip(&r, &value, err);
        bool ours = skip(how, name);
        *ret_ours += ours;
        if (status || ours || !w)
            continue;
        wm_json_put_str(w, name); /* not put_key: the name may hold a NUL */
        w->comma = false;
        if (!w->status)
            w->status = wm_buf_add(w->buf, ":", 1, err);
        wm_json_put_raw(w, value);
    }
    return status;
}

int wm_doc_put_extra(struct wm_json_out *w, const struct wm_doc_json *how, struct wm_str members,
                     wm_doc_has_member *skip, struct wm_arena *scratch, struct wm_error *err)
{
    if (!members.len)
        return 0;
    struct wm_str object = {0};
    size_t n_ours = 0;
    int status = braced(members, scratch, &object, err);
    if (!status)
        status = sift_extra(NULL, how, object, skip, scratch, &n_ours, err);
    if (status)
        return wm_error_where(err, "further members of a document");
    if (n_ours)
        return sift_extra(w, how, object, skip, scratch, &n_ours, err);
    wm_json_put_members(w, members);
    return 0;
}

static int put_wetmill(struct wm_json_out *w, const struct wm_doc_json *how,
                       const struct wm_doc *doc, struct wm_arena *scratch, struct wm_error *err)
{
    wm_json_put_key(w, how->text_field);
    wm_json_put_str(w, doc->text);
    if (how->profile == WM_PROFILE_CCNET)
        wm_doc_put_member(w, "title", doc->title);
    wm_doc_put_member(w, "url", doc->url);
    wm_doc_put_member(w, "date", doc->date);
    wm_doc_put_member(w, "digest", doc->digest);
    if (!how->bare) {
        wm_doc_put_member(w, "record_id", doc->record_id);
        wm_doc_put_place(w, doc);
    }
    for (size_t i = 0; i < how->schema->n; i++)
        wm_doc_put_column(w, how, doc, i);
    if (how->stage) {
        wm_doc_put_member(w, "stage", wm_str_of(how->stage));
        wm_doc_put_member(w, "reason", wm_str_of(how->reason));
    }
    return wm_doc_put_extra(w, how, doc->extra, is_ours, scratch, err);
}

int wm_doc_json_put(const struct wm_doc_json *how, const struct wm_doc *doc,
                    struct wm_arena *scratch, struct wm_buf *out, struct wm_error *err)
{
    struct wm_json_out w;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    int status = how->layout == WM_LAYOUT_CCNET ? wm_doc_ccnet_put(&w, how, doc, scratch, err)
                 : how->layout == WM_LAYOUT_MINIFIED
                     ? wm_doc_minified_put(&w, how, doc, scratch, err)
                     : put_wetmill(&w, how, doc, scratch, err);
    if (status)
        return status;
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}
