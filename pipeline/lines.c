/* SPDX-License-Identifier: Apache-2.0 */
/* Dropping lines and keeping account of it; and the way back, from a record's text to what was
 * kept of it. */
#include "wetmill/batch.h"

/* The longest stretches of kept lines, one after the other. `at` moves behind the stretch found. */
static bool next_stretch(const unsigned char *keep, size_t n_lines, size_t *at, size_t *ret_first)
{
    while (*at < n_lines && !keep[*at])
        (*at)++;
    *ret_first = *at;
    while (*at < n_lines && keep[*at])
        (*at)++;
    return *at > *ret_first;
}

static int keep_text(struct wm_batch *batch, struct wm_doc *doc, const unsigned char *keep,
                     size_t n_lines, struct wm_error *err)
{
    char *start = wm_arena_bytes(&batch->arena, doc->text.len);
    if (!start)
        return wm_fail_nomem(err, doc->text.len, "text without its dropped lines");
    bool any = false;
    struct wm_str rest = doc->text, line = {0};
    char *to = start;
    for (size_t i = 0; i < n_lines;) {
        const char *from = rest.ptr;
        size_t first = i;
        for (; i < n_lines && keep[i]; i++)
            line = wm_str_line(&rest);
        if (i == first) {
            (void)wm_str_line(&rest);
            i++;
            continue;
        }
        if (any)
            *to++ = '\n';
        any = true;
        size_t n = (size_t)(line.ptr + line.len - from);
        if (n)
            memcpy(to, from, n);
        to += n;
    }
    doc->text = (struct wm_str){start, (size_t)(to - start)};
    return 0;
}

/* Compose: the kept lines of the present text, told as lines of the record's own text. A stretch
 * may span several old runs, and two stretches may touch in one: runs are split and joined. */
static int keep_map(struct wm_batch *batch, struct wm_doc *doc, const unsigned char *keep,
                    size_t n_lines, struct wm_error *err)
{
    size_t n_stretches = 0, at = 0, first;
    while (next_stretch(keep, n_lines, &at, &first))
        n_stretches++;
    const struct wm_line_map *old = &doc->lines;
    size_t cap = n_stretches + old->n_runs;
    struct wm_line_run *runs = wm_arena_alloc(&batch->arena, cap, sizeof *runs);
    if (!runs)
        return wm_fail_nomem(err, cap * sizeof *runs, "line map");
    size_t n = 0, run = 0, run_start = 0; /* the present line that old run `run` starts with */
    for (at = 0; next_stretch(keep, n_lines, &at, &first);) {
        while (first < at) {
            while (first - run_start >= old->runs[run].count)
                run_start += old->runs[run++].count;
            size_t end = run_start + old->runs[run].count;
            if (end > at)
                end = at;
            runs[n++] = (struct wm_line_run){
                .first = old->runs[run].first + (uint32_t)(first - run_start),
                .count = (uint32_t)(end - first),
            };
            first = end;
        }
    }
    doc->lines = (struct wm_line_map){runs, n};
    return 0;
}

uint64_t wm_line_map_count(const struct wm_line_map *map)
{
    uint64_t n = 0;
    for (size_t i = 0; i < map->n_runs; i++)
        n += map->runs[i].count;
    return n;
}

int wm_doc_keep_lines(struct wm_batch *batch, struct wm_doc *doc, const unsigned char *keep,
                      size_t n_lines, struct wm_error *err)
{
    if (batch->rederive)
        return 0;
    size_t n_kept = 0;
    for (size_t i = 0; i < n_lines; i++)
        n_kept += keep[i] != 0;
    if (n_kept == n_lines)
        return 0;
    if (n_kept == 0) {
        doc->text.len = 0;
        doc->lines = (struct wm_line_map){NULL, 0};
        return 0;
    }
    if (wm_line_map_count(&doc->lines) != n_lines)
        return wm_fail(err, WM_E_FORMAT,
                       "internal: %zu lines to keep or drop, the line map has %ju", n_lines,
                       (uintmax_t)wm_line_map_count(&doc->lines));
    int status = keep_map(batch, doc, keep, n_lines, err);
    return status ? status : keep_text(batch, doc, keep, n_lines, err);
}

/* Bytes of lines first … first + count − 1 from `*rest` on, newlines between them included; `*rest`
 * moves behind. */
static int take_run(struct wm_str *rest, uint64_t *line, uint64_t n_lines, struct wm_line_run run,
                    struct wm_str *ret, struct wm_error *err)
{
    uint64_t end = (uint64_t)run.first + run.count;
    if (run.first < *line || run.count == 0 || end > n_lines)
        return wm_fail(err, WM_E_MISMATCH, "the line map names lines %ju to %ju, the text has %ju",
                       (uintmax_t)run.first, (uintmax_t)end - 1, (uintmax_t)n_lines);
    for (; *line < run.first; (*line)++)
        (void)wm_str_line(rest);
    const char *start = rest->ptr;
    struct wm_str last = {start, 0};
    for (; *line < end; (*line)++)
        last = wm_str_line(rest);
    *ret = (struct wm_str){start, last.ptr ? (size_t)(last.ptr - start) + last.len : 0};
    return 0;
}

int wm_lines_pick(struct wm_str text, const struct wm_line_map *map, struct wm_arena *arena,
                  struct wm_str *ret, struct wm_error *err)
{
    char *start = wm_arena_bytes(arena, text.len), *to = start;
    if (!start)
        return wm_fail_nomem(err, text.len, "the lines that were kept");
    uint64_t n_lines = wm_line_count(text), line = 0;
    struct wm_str rest = text;
    for (size_t i = 0; i < map->n_runs; i++) {
        struct wm_str piece = {0};
        int status = take_run(&rest, &line, n_lines, map->runs[i], &piece, err);
        if (status)
            return status;
        if (i)
            *to++ = '\n';
        if (piece.len)
            memcpy(to, piece.ptr, piece.len);
        to += piece.len;
    }
    *ret = (struct wm_str){start, (size_t)(to - start)};
    return 0;
}
