/* SPDX-License-Identifier: Apache-2.0 */
#include "stages/page_lines.h"

#include <xxhash.h>

#include "wetmill/hashset.h"

static int prepare(struct wm_page_lines *lines, struct wm_hashset *seen, struct wm_arena *arena,
                   struct wm_error *err)
{
    wm_arena_reset(arena);
    lines->states = (unsigned char *)wm_arena_bytes(arena, lines->n);
    lines->hashes = (uint64_t *)(void *)wm_arena_bytes(arena, lines->n * sizeof *lines->hashes);
    if (!lines->states || !lines->hashes || !wm_hashset_init(seen, lines->n, arena))
        return wm_fail_nomem(err, lines->n * 9 + wm_hashset_bytes(lines->n), "lines of a page");
    return 0;
}

int wm_page_lines_hash(struct wm_line_hasher *hasher, struct wm_str text, size_t n_lines,
                       struct wm_arena *arena, struct wm_page_lines *ret, struct wm_error *err)
{
    struct wm_page_lines lines = {.n = n_lines};
    struct wm_hashset seen;
    struct wm_str rest = text;
    int status = prepare(&lines, &seen, arena, err);
    for (size_t i = 0; !status && i < lines.n; i++) {
        struct wm_str line = wm_str_line(&rest), form;
        status = wm_ccnet_dedup(&hasher->ccnet, line, &form, err);
        if (status)
            break;
        if (form.len < hasher->min_line) {
            bool blank = form.len == 0 && wm_ccnet_strip(line).len == 0;
            lines.states[i] = blank ? WM_LINE_BLANK : WM_LINE_UNCOMPARED;
            continue;
        }
        uint64_t hash = hasher->sha1 ? wm_ccnet_sha1_8(form) : XXH3_64bits(form.ptr, form.len);
        lines.hashes[i] = hash;
        lines.states[i] = wm_hashset_add(&seen, hash) ? WM_LINE_COMPARED : WM_LINE_REPEATED;
    }
    if (!status)
        *ret = lines;
    return status;
}

void wm_page_lines_keep(struct wm_page_lines *lines, bool tidy)
{
    bool dropped = false, after_blank = true;
    size_t end = 0; /* one behind the last line kept that is not blank */
    for (size_t i = 0; i < lines->n; i++) {
        unsigned char state = lines->states[i];
        bool goes = state == WM_LINE_GOES || state == WM_LINE_REPEATED;
        bool blank = state == WM_LINE_BLANK;
        dropped = dropped || goes;
        lines->states[i] = !goes && !(tidy && blank && dropped && after_blank);
        if (!lines->states[i])
            continue;
        after_blank = blank;
        dropped = dropped && blank;
        end = blank ? end : i + 1;
    }
    for (size_t i = end; tidy && dropped && i < lines->n; i++)
        lines->states[i] = 0;
}
