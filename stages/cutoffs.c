/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/cutoffs.h"

#include <math.h>
#include <stdlib.h>

#include "wetmill/file.h"
#include "wetmill/number.h"

static const struct {
    const char *language;
    double head, tail;
} ccnet[] = {
#define WM_CUTOFF(language, head, tail) {#language, head, tail},
#include "stages/cutoffs_ccnet.def"
#undef WM_CUTOFF
};

static int compare(struct wm_str a, struct wm_str b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static int by_language(const void *a, const void *b)
{
    return compare(((const struct wm_cutoff *)a)->language,
                   ((const struct wm_cutoff *)b)->language);
}

static int new_items(struct wm_arena *arena, size_t n, struct wm_cutoffs *ret, struct wm_error *err)
{
    *ret = (struct wm_cutoffs){.items = wm_arena_alloc(arena, n + 1, sizeof *ret->items), .n = n};
    return ret->items ? 0 : wm_fail_nomem(err, n * sizeof *ret->items, "cutoffs");
}

int wm_cutoffs_ccnet(struct wm_arena *arena, struct wm_cutoffs *ret, struct wm_error *err)
{
    int status = new_items(arena, sizeof ccnet / sizeof *ccnet, ret, err);
    for (size_t i = 0; !status && i < ret->n; i++)
        ret->items[i] =
            (struct wm_cutoff){wm_str_of(ccnet[i].language), ccnet[i].head, ccnet[i].tail};
    return status;
}

const struct wm_cutoff *wm_cutoffs_find(const struct wm_cutoffs *cutoffs, struct wm_str language)
{
    struct wm_cutoff key = {.language = language};
    return bsearch(&key, cutoffs->items, cutoffs->n, sizeof key, by_language);
}

/* ---- CSV ---- */

/* Cut the first cell off `*rest`; false if there is none left. */
static bool next_cell(struct wm_str *rest, struct wm_str *ret)
{
    if (!rest->ptr)
        return false;
    const char *comma = rest->len ? memchr(rest->ptr, ',', rest->len) : NULL;
    size_t n = comma ? (size_t)(comma - rest->ptr) : rest->len;
    *ret = wm_str_trim((struct wm_str){rest->ptr, n});
    rest->ptr = comma ? comma + 1 : NULL;
    rest->len -= n + (comma != NULL);
    return true;
}

static struct wm_str next_line(struct wm_str *rest)
{
    struct wm_str line = wm_str_line(rest);
    line.len -= line.len && line.ptr[line.len - 1] == '\r';
    return line;
}

static int read_heading(struct wm_str line, struct wm_arena *arena, struct wm_cutoffs *ret,
                        struct wm_error *err)
{
    struct wm_str cells = line, cell;
    size_t n = 0;
    while (next_cell(&cells, &cell))
        n++;
    if (n < 2 || n > WM_CUTOFFS_LANGUAGES)
        return wm_fail(err, WM_E_FORMAT, "line 1 names %zu languages, want 1 to %d", n ? n - 1 : 0,
                       WM_CUTOFFS_LANGUAGES);
    int status = new_items(arena, n - 1, ret, err);
    (void)next_cell(&line, &cell);
    for (size_t i = 0; !status && i < ret->n; i++) {
        (void)next_cell(&line, &cell);
        struct wm_str name = wm_arena_str(arena, cell);
        if (cell.len && !name.ptr)
            return wm_fail_nomem(err, cell.len, "cutoffs");
        ret->items[i] = (struct wm_cutoff){name, NAN, NAN};
    }
    return status;
}

static int read_values(struct wm_str cells, unsigned line, bool is_head, struct wm_cutoffs *cutoffs,
                       struct wm_error *err)
{
    struct wm_str cell;
    size_t n = 0;
    for (; next_cell(&cells, &cell); n++) {
        double value = NAN;
        if (n == cutoffs->n || (cell.len && !wm_parse_real(cell, &value)))
            return wm_fail(err, WM_E_FORMAT, "line %u: cell %zu %s", line, n + 2,
                           n == cutoffs->n ? "is under no language" : "is no number");
        *(is_head ? &cutoffs->items[n].head : &cutoffs->items[n].tail) = value;
    }
    return n == cutoffs->n ? 0
                           : wm_fail(err, WM_E_FORMAT, "line %u has %zu values for %zu languages",
                                     line, n, cutoffs->n);
}

static int check_languages(const struct wm_cutoffs *cutoffs, struct wm_error *err)
{
    for (size_t i = 0; i + 1 < cutoffs->n; i++)
        if (by_language(&cutoffs->items[i], &cutoffs->items[i + 1]) == 0)
            return wm_fail(err, WM_E_FORMAT, "line 1 names a language twice");
    return 0;
}

int wm_cutoffs_parse(struct wm_str csv, unsigned head, unsigned tail, struct wm_arena *arena,
                     struct wm_cutoffs *ret, struct wm_error *err)
{
    unsigned line = 1;
    bool has_head = false, has_tail = false;
    int status = read_heading(next_line(&csv), arena, ret, err);
    while (!status && csv.len) {
        struct wm_str cells = next_line(&csv), cell = {0};
        uint64_t percentile;
        line++;
        if (!cells.len)
            continue;
        (void)next_cell(&cells, &cell);
        if (!wm_parse_u64(cell, &percentile) || percentile > 100)
            return wm_fail(err, WM_E_FORMAT,
                           "line %u does not start with a percentile from 0 to 100", line);
        bool is_head = percentile == head, is_tail = percentile == tail;
        if (is_head)
            status = read_values(cells, line, true, ret, err);
        if (!status && is_tail)
            status = read_values(cells, line, false, ret, err);
        has_head = has_head || is_head;
        has_tail = has_tail || is_tail;
    }
    if (status)
        return status;
    if (!has_head || !has_tail)
        return wm_fail(err, WM_E_FORMAT, "there is no row for percentile %u",
                       has_head ? tail : head);
    qsort(ret->items, ret->n, sizeof *ret->items, by_language);
    return check_languages(ret, err);
}

int wm_cutoffs_read(const char *path, unsigned head, unsigned tail, struct wm_arena *arena,
                    struct wm_cutoffs *ret, struct wm_error *err)
{
    struct wm_buf buf;
    wm_buf_init(&buf, WM_CUTOFFS_BYTES);
    int status = wm_file_load(path, &buf, err);
    if (!status) {
        status = wm_cutoffs_parse(wm_buf_str(&buf), head, tail, arena, ret, err);
        if (status)
            (void)wm_error_where(err, "%s", path);
    }
    wm_buf_done(&buf);
    return status;
}
