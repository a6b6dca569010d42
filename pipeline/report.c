/* SPDX-License-Identifier: Apache-2.0 */
/* The list of damage of one task, and the words that go with each way a record can fail. */
#include "pipeline/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS_MAX = 512, LIST_BYTES = 4 << 20 };

const char *const wm_read_reason_names[WM_READ_REASONS] = {
    [WM_READ_NOT_TEXT] = "not-text",     [WM_READ_NEEDS_EXTRACT] = "needs-extraction",
    [WM_READ_BAD_HEADER] = "bad-header", [WM_READ_TOO_LONG] = "too-long",
    [WM_READ_TRUNCATED] = "truncated",   [WM_READ_BAD_JSON] = "bad-json",
    [WM_READ_NO_TEXT] = "no-text",       [WM_READ_DAMAGED] = "damaged",
};

const char *const wm_read_reason_hints[WM_READ_REASONS] = {
    [WM_READ_NEEDS_EXTRACT] =
        "these records hold web pages or metadata, not text: use the WET files of the same crawl",
    [WM_READ_TOO_LONG] = "raise max_record to take longer records",
    [WM_READ_TRUNCATED] = "the file was cut short or damaged there: fetch it again",
    [WM_READ_DAMAGED] = "the file is damaged there: fetch it again",
    [WM_READ_NO_TEXT] = "name the member that holds the text with text_field",
};

void wm_report_init(struct wm_report *report)
{
    *report = (struct wm_report){.path = ""};
    wm_arena_init(&report->arena, LIST_BYTES);
}

void wm_report_done(struct wm_report *report)
{
    free(report->list);
    wm_arena_done(&report->arena);
    *report = (struct wm_report){.path = ""};
}

static bool make_room(struct wm_report *report)
{
    if (report->n < report->cap)
        return true;
    size_t cap = report->cap ? report->cap * 2 : 16;
    if (cap > WM_DAMAGE_MAX)
        cap = WM_DAMAGE_MAX;
    struct wm_damage *list = report->n < cap ? realloc(report->list, cap * sizeof *list) : NULL;
    report->no_memory |= !list && report->n < cap;
    if (!list)
        return false;
    report->list = list;
    report->cap = cap;
    return true;
}

__attribute__((format(printf, 4, 0))) static void add(struct wm_report *report, uint64_t at,
                                                      bool unread, const char *fmt, va_list args)
{
    report->tally.n_damage++;
    if (!make_room(report))
        return;
    char words[WORDS_MAX];
    int used = report->inside ? snprintf(words, sizeof words, "in %.200s: ", report->inside) : 0;
    (void)vsnprintf(words + used, sizeof words - (size_t)used, fmt, args);
    const char *what = wm_arena_cstr(&report->arena, wm_str_of(words));
    report->no_memory |= !what;
    if (what)
        report->list[report->n++] = (struct wm_damage){.path = report->path,
                                                       .at = at,
                                                       .record = report->record,
                                                       .what = what,
                                                       .unread = unread};
}

void wm_report_damage(struct wm_report *report, uint64_t at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(report, at, false, fmt, args);
    va_end(args);
    report->damaged = true;
}

void wm_report_unread(struct wm_report *report, uint64_t at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(report, at, true, fmt, args);
    va_end(args);
    report->damaged = true;
    report->tally.unread++;
}

void wm_report_skip(struct wm_report *report, uint64_t at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    add(report, at, false, fmt, args);
    va_end(args);
}
