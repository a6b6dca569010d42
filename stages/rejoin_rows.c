/* SPDX-License-Identifier: Apache-2.0 */
/* Minified rows in memory. Ids are kept as runs: gap and length, each as a little-endian base-128
 * number. */
#include "stages/rejoin_rows.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/detect.h"
#include "pipeline/stream.h"
#include "wetmill/base64.h"
#include "wetmill/json.h"

enum { NAMES_MAX = 4096, ROW_MAX = 64 << 20, VARINT_MAX = 5 };

void wm_rejoin_init(struct wm_rejoin_rows *rows, uint64_t max_bytes)
{
    *rows = (struct wm_rejoin_rows){.max_bytes = max_bytes};
    wm_arena_init(&rows->arena, max_bytes < SIZE_MAX ? (size_t)max_bytes : SIZE_MAX);
}

void wm_rejoin_done(struct wm_rejoin_rows *rows)
{
    wm_arena_done(&rows->arena);
    free(rows->rows);
    free(rows->slots);
    free(rows->names);
    *rows = (struct wm_rejoin_rows){0};
}

uint64_t wm_rejoin_bytes(const struct wm_rejoin_rows *rows)
{
    return rows->arena.held + rows->cap * sizeof *rows->rows +
           (rows->slots ? (rows->mask + 1) * sizeof *rows->slots : 0) +
           rows->n_names * sizeof *rows->names;
}

static int too_many(const struct wm_rejoin_rows *rows, struct wm_error *err)
{
    (void)wm_fail(err, WM_E_LIMIT, "the minified rows take more than %ju bytes of memory",
                  (uintmax_t)rows->max_bytes);
    return wm_error_hint(err, "raise max_memory, or join fewer files at a time");
}

/* ---- the table ---- */

static struct wm_str last_part(struct wm_str path)
{
    char name[WM_PATH_MAX];
    size_t at = path.len;
    while (at > 0 && path.ptr[at - 1] != '/')
        at--;
    if (at == path.len)
        return WM_STR("");
    struct wm_str part = {path.ptr + at, path.len - at};
    if (part.len >= sizeof name)
        return part;
    memcpy(name, part.ptr, part.len);
    name[part.len] = '\0';
    return (struct wm_str){part.ptr, wm_name_unpacked(name).len};
}

static XXH128_hash_t key_of(struct wm_str digest, struct wm_str url, struct wm_str segment)
{
    struct wm_str part = last_part(segment), empty = WM_STR("");
    struct wm_str strings[] = {digest, url, part};
    XXH128_hash_t hashes[3];
    for (int i = 0; i < 3; i++) {
        struct wm_str s = strings[i].len ? strings[i] : empty;
        hashes[i] = XXH3_128bits(s.ptr, s.len);
    }
    return XXH3_128bits(hashes, sizeof hashes);
}

/* Slot of the key, or the free one where it belongs. */
static size_t slot_of(const struct wm_rejoin_rows *rows, XXH128_hash_t key)
{
    size_t slot = (size_t)key.low64 & rows->mask;
    while (rows->slots[slot] && !XXH128_isEqual(rows->rows[rows->slots[slot] - 1].key, key))
        slot = (slot + 1) & rows->mask;
    return slot;
}

static int grow(struct wm_rejoin_rows *rows, struct wm_error *err)
{
    size_t cap = rows->cap ? rows->cap * 2 : 1024;
    if (cap > UINT32_MAX || cap * sizeof *rows->rows + cap * 8 > rows->max_bytes)
        return too_many(rows, err);
    struct wm_rejoin_row *items = realloc(rows->rows, cap * sizeof *items);
    if (items)
        rows->rows = items;
    uint32_t *slots = items ? calloc(2 * cap, sizeof *slots) : NULL;
    if (!slots)
        return wm_fail_nomem(err, cap * sizeof *items, "minified rows");
    free(rows->slots);
    rows->slots = slots;
    rows->mask = 2 * cap - 1;
    rows->cap = cap;
    for (size_t i = 0; i < rows->n; i++)
        rows->slots[slot_of(rows, rows->rows[i].key)] = (uint32_t)i + 1;
    return wm_rejoin_bytes(rows) > rows->max_bytes ? too_many(rows, err) : 0;
}

static int add(struct wm_rejoin_rows *rows, const struct wm_rejoin_row *row, struct wm_error *err)
{
    int status = rows->n == rows->cap ? grow(rows, err) : 0;
    if (status)
        return status;
    size_t slot = slot_of(rows, row->key);
    if (rows->slots[slot])
        return 0;
    rows->rows[rows->n++] = *row;
    rows->slots[slot] = (uint32_t)rows->n;
    return 0;
}

const struct wm_rejoin_row *wm_rejoin_find(const struct wm_rejoin_rows *rows, struct wm_str digest,
                                           struct wm_str url, struct wm_str segment)
{
    if (!rows->n)
        return NULL;
    size_t slot = slot_of(rows, key_of(digest, url, segment));
    return rows->slots[slot] ? &rows->rows[rows->slots[slot] - 1] : NULL;
}

static int name_of(struct wm_rejoin_rows *rows, struct wm_str name, uint16_t *ret,
                   struct wm_error *err)
{
    for (size_t i = 0; i < rows->n_names; i++)
        if (wm_str_eq(rows->names[i], name)) {
            *ret = (uint16_t)(i + 1);
            return 0;
        }
    if (rows->n_names == NAMES_MAX)
        return wm_fail(err, WM_E_LIMIT, "more than %d languages and buckets", (int)NAMES_MAX);
    if (!rows->names)
        rows->names = calloc(NAMES_MAX, sizeof *rows->names);
    struct wm_str copy = rows->names ? wm_arena_str(&rows->arena, name) : name;
    if (!rows->names || (name.len && !copy.ptr))
        return wm_fail_nomem(err, name.len, "a language");
    rows->names[rows->n_names++] = copy;
    *ret = (uint16_t)rows->n_names;
    return 0;
}

/* ---- line ids ---- */

static size_t put_varint(unsigned char *out, uint32_t v)
{
    size_t n = 0;
    for (; v >= 128; v >>= 7)
        out[n++] = (unsigned char)(v | 128);
    out[n++] = (unsigned char)v;
    return n;
}

static uint32_t get_varint(const unsigned char **at)
{
    uint32_t v = 0;
    for (unsigned shift = 0;; shift += 7) {
        unsigned char byte = *(*at)++;
        v |= (uint32_t)(byte & 127) << shift;
        if (byte < 128)
            return v;
    }
}

bool wm_rejoin_next(struct wm_rejoin_ids *ids, uint32_t *ret)
{
    if (!ids->left)
        return false;
    if (!ids->run) {
        ids->next += get_varint(&ids->at);
        ids->run = get_varint(&ids->at);
    }
    *ret = ids->next++;
    ids->run--;
    ids->left--;
    return true;
}

static uint32_t get_le(const char *at, size_t size)
{
    uint32_t v = 0;
    for (size_t i = size; i-- > 0;)
        v = v << 8 | (unsigned char)at[i];
    return v;
}

/* Ids of `size` bytes into runs. */
static int pack(struct wm_rejoin_rows *rows, struct wm_str bytes, size_t size,
                struct wm_arena *scratch, struct wm_rejoin_row *row, struct wm_error *err)
{
    size_t n = bytes.len / size, used = 0;
    uint32_t end = 0; /* one behind the last id */
    unsigned char *packed = (unsigned char *)wm_arena_bytes(scratch, 2 * VARINT_MAX * (n + 1));
    if (!packed)
        return wm_fail_nomem(err, 2 * VARINT_MAX * n, "line ids");
    for (size_t i = 0; i < n;) {
        uint32_t first = get_le(bytes.ptr + i * size, size), count = 0;
        if (first < end || first == UINT32_MAX)
            return wm_fail(err, WM_E_FORMAT, "its line ids do not rise");
        for (; i < n && first + count < UINT32_MAX; i++, count++)
            if (get_le(bytes.ptr + i * size, size) != first + count)
                break;
        used += put_varint(packed + used, first - end);
        used += put_varint(packed + used, count);
        end = first + count;
    }
    struct wm_str copy = wm_arena_str(&rows->arena, (struct wm_str){(const char *)packed, used});
    if (used && !copy.ptr)
        return too_many(rows, err);
    row->ids = (const unsigned char *)copy.ptr;
    row->n_ids = (uint32_t)n;
    return 0;
}

static int take_ids(struct wm_rejoin_rows *rows, struct wm_str text, size_t size,
                    struct wm_arena *scratch, struct wm_rejoin_row *row, struct wm_error *err)
{
    size_t len = 0;
    char *bytes = wm_arena_bytes(scratch, text.len);
    if (!bytes)
        return wm_fail_nomem(err, text.len, "line ids");
    if (!wm_base64_decode(text, bytes, &len) || len % size)
        return wm_fail(err, WM_E_FORMAT, "its line ids are not base64 of %zu-byte numbers", size);
    return pack(rows, (struct wm_str){bytes, len}, size, scratch, row, err);
}

/* ---- a row ---- */

/** A row as it stands in its line. */
struct parsed {
    struct wm_str digest, url, segment, ids, ids32;
    struct wm_str texts[WM_REJOIN_TEXTS];
    double reals[WM_REJOIN_REALS];
};

static int read_member(struct wm_json *r, struct wm_str key, struct parsed *p, struct wm_error *err)
{
    const struct {
        const char *name;
        struct wm_str *text;
        double *real;
    } members[] = {{"digest", &p->digest, NULL},
                   {"url", &p->url, NULL},
                   {"cc_segment", &p->segment, NULL},
                   {"line_ids", &p->ids, NULL},
                   {"line_ids32", &p->ids32, NULL},
                   {"language", &p->texts[WM_REJOIN_LANGUAGE], NULL},
                   {"bucket", &p->texts[WM_REJOIN_BUCKET], NULL},
                   {"language_score", NULL, &p->reals[WM_REJOIN_SCORE]},
                   {"perplexity", NULL, &p->reals[WM_REJOIN_PERPLEXITY]}};
    enum wm_json_type type = wm_json_peek(r);
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        if (!wm_str_eq(key, wm_str_of(members[i].name)) || type == WM_JSON_NULL)
            continue;
        if (members[i].real)
            return wm_json_real(r, members[i].real, err);
        int status = wm_json_string(r, members[i].text, err);
        if (!status && !members[i].text->ptr)
            members[i].text->ptr = "";
        return status;
    }
    return wm_json_skip(r, NULL, err);
}

static int read_row(struct wm_str line, struct wm_arena *scratch, struct parsed *p,
                    struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    wm_json_open(&r, line, scratch);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0)
        more = read_member(&r, key, p, err);
    return more ? more : wm_json_finish(&r, err);
}

static int add_row(struct wm_rejoin_rows *rows, struct wm_str line, bool wide,
                   struct wm_arena *scratch, struct wm_error *err)
{
    struct parsed p = {.reals = {NAN, NAN}};
    int status = read_row(line, scratch, &p, err);
    if (status)
        return status;
    if (!p.ids.ptr && !p.ids32.ptr)
        return wm_fail(err, WM_E_FORMAT, "it has no line_ids: is this a minified file?");
    if (!p.ids32.ptr && wide) {
        (void)wm_fail(err, WM_E_CONFIG, "its lines are those of profile ccnet");
        return wm_error_hint(err, "read the archives with profile: ccnet");
    }
    struct wm_rejoin_row row = {.key = key_of(p.digest, p.url, p.segment)};
    memcpy(row.reals, p.reals, sizeof row.reals);
    for (int i = 0; !status && i < WM_REJOIN_TEXTS; i++)
        if (p.texts[i].ptr)
            status = name_of(rows, p.texts[i], &row.texts[i], err);
    if (!status)
        status = p.ids32.ptr ? take_ids(rows, p.ids32, 4, scratch, &row, err)
                             : take_ids(rows, p.ids, 2, scratch, &row, err);
    return status ? status : add(rows, &row, err);
}

/* ---- a file ---- */

static int read_rows(struct wm_rejoin_rows *rows, struct wm_stream *stream,
                     struct wm_report *report, bool wide, struct wm_error *err)
{
    struct wm_arena scratch;
    struct wm_record line;
    int more;
    wm_arena_init(&scratch, 32 * (size_t)ROW_MAX);
    while ((more = wm_stream_next(stream, &line, err)) > 0) {
        wm_arena_reset(&scratch);
        more = add_row(rows, line.body, wide, &scratch, err);
        if (more) {
            (void)wm_error_where(err, "%s: row %ju", report->path, (uintmax_t)line.ordinal + 1);
            break;
        }
    }
    wm_arena_done(&scratch);
    if (!more && report->n > 0)
        more = wm_fail(err, WM_E_FORMAT, "it cannot be read to its end: %s", report->list[0].what);
    return more;
}

int wm_rejoin_load(struct wm_rejoin_rows *rows, const char *path, bool wide, struct wm_error *err)
{
    struct wm_source_options options = {.format = WM_FORMAT_JSONL, .max_record = ROW_MAX};
    struct wm_stream *stream = calloc(1, sizeof *stream);
    struct wm_report report;
    if (!stream)
        return wm_fail_nomem(err, sizeof *stream, "reading minified rows");
    wm_report_init(&report);
    report.path = path;
    int status =
        wm_stream_open(stream, path, 0, UINT64_MAX, -1, WM_FRAMING_JSONL, &options, &report, err);
    if (!status)
        status = read_rows(rows, stream, &report, wide, err);
    if (status)
        (void)wm_error_where(err, "%s", path);
    wm_stream_done(stream);
    wm_report_done(&report);
    free(stream);
    return status;
}
