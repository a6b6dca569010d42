/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON line as a document. A line that our own writer wrote remembers where its text is from
 * (doc_json.h): key, location and line map of the record in the archive come back. */
#include "pipeline/document.h"

#include "pipeline/jsonl_page.h"
#include "wetmill/json.h"
#include "wetmill/utf8.h"

enum { OURS_KEY, OURS_LOCATION, OURS_LINES, OURS_SOURCE_LINES, OURS };

/** What a line says, before it is known whether it is all there. */
struct line {
    struct wm_str text, raw_content;  /**< Unescaped; ptr NULL = absent. */
    struct wm_str raw_content_member; /**< Verbatim, in case `text` is there too. */
    struct wm_str date_download;
    struct wm_str value[OURS], member[OURS];
    struct wm_page page;
    char *extra; /**< Unknown members, verbatim, comma between. */
    size_t n_extra;
};

static int add_extra(struct wm_maker *maker, struct line *l, struct wm_str member, size_t line_len,
                     struct wm_error *err)
{
    if (!l->extra) /* no two members overlap: all together are shorter than the line */
        l->extra = wm_arena_bytes(&maker->scratch, line_len);
    if (!l->extra)
        return wm_fail_nomem(err, line_len, "members of a line");
    if (l->n_extra)
        l->extra[l->n_extra++] = ',';
    memcpy(l->extra + l->n_extra, member.ptr, member.len);
    l->n_extra += member.len;
    return 0;
}

/* Where a string member goes, or NULL. */
static struct wm_str *string_of(const struct wm_maker *maker, struct line *l, struct wm_doc *doc,
                                struct wm_str key)
{
    if (wm_str_eq(key, wm_str_of(maker->text_field)))
        return &l->text;
    if (wm_str_eq(key, WM_STR("raw_content")))
        return &l->raw_content;
    if (wm_str_eq(key, WM_STR("url")))
        return &doc->url;
    if (wm_str_eq(key, WM_STR("date")))
        return &doc->date;
    if (wm_str_eq(key, WM_STR("date_download")))
        return &l->date_download;
    if (wm_str_eq(key, WM_STR("digest")))
        return &doc->digest;
    if (wm_str_eq(key, WM_STR("record_id")))
        return &doc->record_id;
    return NULL;
}

static int ours_of(struct wm_str key)
{
    static const char *const names[OURS] = {"key", "location", "lines", "source_lines"};
    for (int i = 0; i < OURS; i++)
        if (wm_str_eq(key, wm_str_of(names[i])))
            return i;
    return -1;
}

static const char *member_start(const struct wm_json *r)
{
    const char *at = r->at;
    while (at < r->end && memchr(" \t\r\n,", *at, 5))
        at++;
    return at;
}

static int read_member(struct wm_maker *maker, struct wm_json *r, struct wm_str key,
                       const char *start, struct line *l, struct wm_doc *doc, struct wm_error *err)
{
    struct wm_str *string = string_of(maker, l, doc, key);
    bool is_string = wm_json_peek(r) == WM_JSON_STRING, is_raw = string == &l->raw_content;
    struct wm_str value;
    if (string && is_string) {
        int status = wm_json_string(r, string, err);
        if (!status && !string->ptr)
            string->ptr = "";
        if (!status && is_raw)
            l->raw_content_member = (struct wm_str){start, (size_t)(r->at - start)};
        return status;
    }
    int status = wm_json_skip(r, &value, err);
    if (status)
        return status;
    wm_page_note(&l->page, key, value);
    struct wm_str member = {start, (size_t)(value.ptr + value.len - start)};
    int ours = ours_of(key);
    if (ours < 0)
        return add_extra(maker, l, member, (size_t)(r->end - r->start), err);
    l->value[ours] = value;
    l->member[ours] = member;
    return 0;
}

static int read_line(struct wm_maker *maker, struct wm_str line, struct line *l, struct wm_doc *doc,
                     struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    wm_json_open(&r, line, &maker->scratch);
    int status = wm_json_object(&r, err);
    while (!status) {
        const char *start = member_start(&r);
        int more = wm_json_key(&r, &key, err);
        if (more < 0)
            return more;
        if (more == 0)
            return wm_json_finish(&r, err);
        status = read_member(maker, &r, key, start, l, doc, err);
    }
    return status;
}

/* ---- what our writer remembers ---- */

/* All numbers of the array at `value`, at most `max`; false if it is anything else. */
static bool read_numbers(struct wm_arena *scratch, struct wm_str value, uint64_t *out, size_t max,
                         size_t *ret_n)
{
    struct wm_json r;
    struct wm_error err;
    wm_json_open(&r, value, scratch);
    if (wm_json_peek(&r) != WM_JSON_ARRAY || wm_json_array(&r, &err))
        return false;
    size_t n = 0;
    int more;
    while ((more = wm_json_item(&r, &err)) > 0) {
        if (n == max || wm_json_peek(&r) != WM_JSON_NUMBER || wm_json_u64(&r, &out[n], &err))
            return false;
        n++;
    }
    *ret_n = n;
    return more == 0;
}

static bool read_key(struct wm_arena *scratch, struct wm_str value, struct wm_key *ret)
{
    uint64_t v[3];
    size_t n;
    if (!read_numbers(scratch, value, v, 3, &n) || n != 3 || v[0] > UINT32_MAX || v[2] > UINT32_MAX)
        return false;
    *ret = (struct wm_key){(uint32_t)v[0], v[1], (uint32_t)v[2]};
    return true;
}

static bool read_place(struct wm_json *r, struct wm_str key, struct wm_arena *scratch,
                       struct wm_str *path, struct wm_location *place)
{
    struct wm_error err;
    if (wm_str_eq(key, WM_STR("file")))
        return wm_json_peek(r) == WM_JSON_STRING && !wm_json_string(r, path, &err);
    if (wm_str_eq(key, WM_STR("tar")))
        return wm_json_peek(r) == WM_JSON_STRING && !wm_json_string(r, &place->tar_member, &err);
    if (wm_str_eq(key, WM_STR("offset")))
        return wm_json_peek(r) == WM_JSON_NUMBER && !wm_json_u64(r, &place->offset, &err);
    struct wm_str value;
    uint64_t v[2];
    size_t n;
    if (!wm_str_eq(key, WM_STR("member")) || wm_json_skip(r, &value, &err) ||
        !read_numbers(scratch, value, v, 2, &n) || n != 2)
        return false;
    place->member_offset = v[0];
    place->member_length = v[1];
    return true;
}

static bool read_location(struct wm_arena *scratch, struct wm_str value, struct wm_str *path,
                          struct wm_location *place)
{
    struct wm_json r;
    struct wm_error err;
    struct wm_str key;
    wm_json_open(&r, value, scratch);
    if (wm_json_peek(&r) != WM_JSON_OBJECT || wm_json_object(&r, &err))
        return false;
    int more;
    while ((more = wm_json_key(&r, &key, &err)) > 0)
        if (!read_place(&r, key, scratch, path, place))
            return false;
    return more == 0 && path->len > 0;
}

/* The map must hold as many lines as the text has, rising, within the record. */
static bool read_map(struct wm_arena *scratch, struct wm_arena *arena, const struct line *l,
                     size_t n_lines, struct wm_doc *doc)
{
    struct wm_json r;
    struct wm_error err;
    uint64_t source_lines, end = 0, total = 0, *v;
    size_t n, max = l->value[OURS_LINES].len / 2 + 1; /* a number and its comma */
    wm_json_open(&r, l->value[OURS_SOURCE_LINES], scratch);
    if (wm_json_peek(&r) != WM_JSON_NUMBER || wm_json_u64(&r, &source_lines, &err) ||
        source_lines > UINT32_MAX)
        return false;
    v = wm_arena_alloc(scratch, max, sizeof *v);
    if (!v || !read_numbers(scratch, l->value[OURS_LINES], v, max, &n) || n == 0 || n % 2)
        return false;
    struct wm_line_run *runs = wm_arena_alloc(arena, n / 2, sizeof *runs);
    if (!runs)
        return false;
    for (size_t i = 0; i < n; i += 2) {
        if (v[i] < end || v[i] > source_lines || v[i + 1] == 0 || v[i + 1] > source_lines - v[i])
            return false;
        end = v[i] + v[i + 1];
        total += v[i + 1];
        runs[i / 2] = (struct wm_line_run){(uint32_t)v[i], (uint32_t)v[i + 1]};
    }
    if (total != n_lines)
        return false;
    doc->source_lines = (uint32_t)source_lines;
    doc->lines = (struct wm_line_map){runs, n / 2};
    return true;
}

/* All four members, and all sound: the document is one of ours. Else they are somebody else's. */
static int recall(struct wm_maker *maker, struct wm_arena *arena, struct line *l,
                  struct wm_doc *doc, size_t line_len, struct wm_error *err)
{
    struct wm_key key;
    struct wm_str path = {0};
    struct wm_location place = {0};
    bool all = true;
    for (int i = 0; i < OURS; i++)
        all = all && l->value[i].len;
    if (all && read_key(&maker->scratch, l->value[OURS_KEY], &key) &&
        read_location(&maker->scratch, l->value[OURS_LOCATION], &path, &place) &&
        read_map(&maker->scratch, arena, l, wm_line_count(doc->text), doc)) {
        doc->key = key;
        doc->path = wm_arena_str(arena, path);
        doc->location = place;
        doc->location.tar_member = wm_arena_str(arena, place.tar_member);
        return doc->path.ptr ? 0 : wm_fail_nomem(err, path.len, "a document's path");
    }
    for (int i = 0; i < OURS; i++) {
        int status = l->member[i].len ? add_extra(maker, l, l->member[i], line_len, err) : 0;
        if (status)
            return status;
    }
    return 0;
}

/* ---- lines that are not quite JSON ---- */

static int hex4(const char *at, const char *end)
{
    int v = 0;
    for (int i = 0; i < 4; i++) {
        char c = at + i < end ? at[i] : '\0';
        int digit = c >= '0' && c <= '9'                     ? c - '0'
                    : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                             : -1;
        if (digit < 0)
            return -1;
        v = v * 16 + digit;
    }
    return v;
}

/* Some writers escape half a surrogate pair: it becomes \ufffd, in place. */
static size_t mend_surrogates(char *line, size_t len)
{
    static const char replacement[] = "fffd";
    size_t n = 0;
    const char *end = line + len;
    for (size_t i = 0; i + 1 < len; i++) {
        if (line[i] != '\\')
            continue;
        i++;
        int code = line[i] == 'u' ? hex4(line + i + 1, end) : -1;
        if (code < 0xD800 || code > 0xDFFF)
            continue;
        int low = code < 0xDC00 && i + 6 < len && line[i + 5] == '\\' && line[i + 6] == 'u'
                      ? hex4(line + i + 7, end)
                      : -1;
        if (low >= 0xDC00 && low <= 0xDFFF) {
            i += 10;
            continue;
        }
        memcpy(line + i + 1, replacement, 4);
        n++;
    }
    return n;
}

/* Repair invalid UTF-8 and lone surrogates; `*ret_mended` if there was something to repair. */
static int mend(struct wm_maker *maker, struct wm_str *line, bool *ret_mended, struct wm_error *err)
{
    struct wm_str valid;
    size_t n = 0;
    int status = wm_utf8_repair(*line, &maker->scratch, &valid, &n, err);
    if (status)
        return status;
    char *copy = wm_arena_bytes(&maker->scratch, valid.len);
    if (!copy)
        return wm_fail_nomem(err, valid.len, "repairing a line");
    memcpy(copy, valid.ptr, valid.len);
    n += mend_surrogates(copy, valid.len);
    *ret_mended = n > 0;
    *line = (struct wm_str){copy, valid.len};
    return 0;
}

/* ---- the document ---- */

static int copy_field(struct wm_arena *arena, struct wm_str *field, struct wm_error *err)
{
    size_t len = field->len;
    *field = wm_arena_str(arena, *field);
    return len && !field->ptr ? wm_fail_nomem(err, len, "a document's fields") : 0;
}

static int copy_fields(struct wm_maker *maker, struct wm_arena *arena, struct line *l,
                       struct wm_doc *doc, size_t line_len, size_t n_lines, struct wm_error *err)
{
    if (!doc->date.ptr)
        doc->date = l->date_download;
    int status = copy_field(arena, &doc->url, err);
    if (!status)
        status = copy_field(arena, &doc->date, err);
    if (!status)
        status = copy_field(arena, &doc->digest, err);
    if (!status)
        status = copy_field(arena, &doc->record_id, err);
    if (!status)
        status = recall(maker, arena, l, doc, line_len, err);
    if (!status)
        status = wm_page_recall(&l->page, n_lines, &maker->scratch, arena, doc, err);
    if (!status && l->text.ptr && l->raw_content_member.len &&
        !wm_str_eq(wm_str_of(maker->text_field), WM_STR("raw_content")))
        status = add_extra(maker, l, l->raw_content_member, line_len, err);
    doc->extra = (struct wm_str){l->extra, l->n_extra};
    return status ? status : copy_field(arena, &doc->extra, err);
}

int wm_jsonl_read(struct wm_maker *maker, struct wm_arena *arena, struct wm_str line,
                  struct wm_doc *doc, size_t *ret_lines, enum wm_read_reason *ret_reason,
                  bool *ret_repaired, struct wm_error *err)
{
    struct line l = {0};
    union wm_value *values = doc->values;
    wm_arena_reset(&maker->scratch);
    int status = read_line(maker, line, &l, doc, err);
    bool mended = false, ignored = false;
    if (status == WM_E_FORMAT) {
        status = mend(maker, &line, &mended, err);
        l = (struct line){0};
        *doc = (struct wm_doc){.values = values};
        if (!status)
            status = mended ? read_line(maker, line, &l, doc, err) : WM_E_FORMAT;
    }
    if (status == WM_E_FORMAT || status == WM_E_LIMIT) {
        *ret_reason = WM_READ_BAD_JSON;
        return 0;
    }
    if (status)
        return status;
    struct wm_str text = l.text.ptr ? l.text : l.raw_content;
    if (!text.ptr || text.len > maker->max_record) {
        *ret_reason = text.ptr ? WM_READ_TOO_LONG : WM_READ_NO_TEXT;
        return 0;
    }
    *ret_repaired = mended;
    status = wm_text_take(arena, text, false, &doc->text, ret_lines, &ignored, err);
    if (!status)
        status = copy_fields(maker, arena, &l, doc, line.len, *ret_lines, err);
    return status ? status : 1;
}
