/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file jsonl_page.h
 * What a JSON line in CCNet's form says of the page its text was cut from: title, cc_segment,
 * original_length (or length), original_nlines, line_ids. The members themselves stay among the
 * further members of the line; a layout that writes its own leaves them out.
 */
#ifndef WETMILL_PIPELINE_JSONL_PAGE_H
#define WETMILL_PIPELINE_JSONL_PAGE_H

#include "wetmill/batch.h"

enum wm_page_member {
    WM_PAGE_TITLE,
    WM_PAGE_SEGMENT,
    WM_PAGE_LENGTH,
    WM_PAGE_ORIGINAL_LENGTH,
    WM_PAGE_ORIGINAL_NLINES,
    WM_PAGE_LINE_IDS,
    WM_PAGE_MEMBERS,
};

/** Values, verbatim JSON; empty = absent. */
struct wm_page {
    struct wm_str value[WM_PAGE_MEMBERS];
};

/** Remember the value if `key` is one of the members. */
void wm_page_note(struct wm_page *page, struct wm_str key, struct wm_str value);

/** Set the facts of `doc`, whose text has `n_lines` lines, that are there and sound. WM_E_NOMEM. */
int wm_page_recall(const struct wm_page *page, size_t n_lines, struct wm_arena *scratch,
                   struct wm_arena *arena, struct wm_doc *doc, struct wm_error *err);

#endif /* WETMILL_PIPELINE_JSONL_PAGE_H */
