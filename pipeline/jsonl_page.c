/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/jsonl_page.h"

#include "wetmill/json.h"

void wm_page_note(struct wm_page *page, struct wm_str key, struct wm_str value)
{
    static const char *const names[WM_PAGE_MEMBERS] = {
        "title", "cc_segment", "length", "original_length", "original_nlines", "line_ids"};
    for (int i = 0; i < WM_PAGE_MEMBERS; i++)
        if (wm_str_eq(key, wm_str_of(names[i])))
            page->value[i] = value;
}

/* 1 if the value is a string, 0 if not. */
static int recall_string(struct wm_str value, struct wm_arena *scratch, struct wm_arena *arena,
                         struct wm_str *ret, struct wm_error *err)
{
    struct wm_json r;
    struct wm_error ignored;
    struct wm_str string;
    wm_json_open(&r, value, scratch);
    if (wm_json_peek(&r) != WM_JSON_STRING || wm_json_string(&r, &string, &ignored))
        return 0;
    *ret = string.len ? wm_arena_str(arena, string) : WM_STR("");
    return ret->ptr ? 0 : wm_fail_nomem(err, string.len, "a document's fields");
}

/* Whole numbers that a double holds. */
static bool read_whole(struct wm_str value, struct wm_arena *scratch, int64_t *ret)
{
    static const double most = 9007199254740992.0; /* 2^53 */
    struct wm_json r;
    struct wm_error ignored;
    double real;
    wm_json_open(&r, value, scratch);
    if (wm_json_peek(&r) != WM_JSON_NUMBER || wm_json_real(&r, &real, &ignored) || real > most ||
        real < -most)
        return false;
    *ret = (int64_t)real;
    return (double)*ret == real;
}

/* As many ids as the text has lines, rising, below `n_page`. */
static bool read_ids(struct wm_str value, struct wm_arena *scratch, uint64_t n_page, uint32_t *ids,
                     size_t n_lines)
{
    struct wm_json r;
    struct wm_error ignored;
    uint64_t id, end = 0;
    size_t n = 0;
    int more;
    wm_json_open(&r, value, scratch);
    if (wm_json_peek(&r) != WM_JSON_ARRAY || wm_json_array(&r, &ignored))
        return false;
    while ((more = wm_json_item(&r, &ignored)) > 0) {
        if (n == n_lines || wm_json_peek(&r) != WM_JSON_NUMBER || wm_json_u64(&r, &id, &ignored) ||
            id < end || id >= n_page)
            return false;
        ids[n++] = (uint32_t)id;
        end = id + 1;
    }
    return more == 0 && n == n_lines;
}

static int recall_ids(const struct wm_page *page, size_t n_lines, struct wm_arena *scratch,
                      struct wm_arena *arena, struct wm_doc *doc, struct wm_error *err)
{
    int64_t n_page;
    if (!read_whole(page->value[WM_PAGE_ORIGINAL_NLINES], scratch, &n_page) || n_page < 0 ||
        n_page > UINT32_MAX || (uint64_t)n_page < n_lines)
        return 0;
    uint32_t *ids = wm_arena_alloc(arena, n_lines, sizeof *ids);
    if (!ids)
        return wm_fail_nomem(err, n_lines * sizeof *ids, "line ids");
    if (read_ids(page->value[WM_PAGE_LINE_IDS], scratch, (uint64_t)n_page, ids, n_lines)) {
        doc->page_ids = ids;
        doc->page_lines = (uint32_t)n_page;
    }
    return 0;
}

int wm_page_recall(const struct wm_page *page, size_t n_lines, struct wm_arena *scratch,
                   struct wm_arena *arena, struct wm_doc *doc, struct wm_error *err)
{
    const struct wm_str *value = page->value;
    bool ccnet = value[WM_PAGE_SEGMENT].len > 0;
    int status = 0;
    if (value[WM_PAGE_TITLE].len)
        status = recall_string(value[WM_PAGE_TITLE], scratch, arena, &doc->title, err);
    if (!status && ccnet)
        status = recall_string(value[WM_PAGE_SEGMENT], scratch, arena, &doc->segment, err);
    enum wm_page_member length =
        value[WM_PAGE_ORIGINAL_LENGTH].len ? WM_PAGE_ORIGINAL_LENGTH : WM_PAGE_LENGTH;
    if (ccnet && value[length].len)
        doc->has_length = read_whole(value[length], scratch, &doc->source_length);
    /* what remembers its record has its lines' numbers in the line map */
    bool cut = value[WM_PAGE_LINE_IDS].len && value[WM_PAGE_ORIGINAL_NLINES].len && !doc->path.len;
    return !status && cut ? recall_ids(page, n_lines, scratch, arena, doc, err) : status;
}
