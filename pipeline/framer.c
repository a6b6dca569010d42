/* SPDX-License-Identifier: Apache-2.0 */
/* What all framings do alike: accounting for bytes, numbering records, finding line ends. */
#include "pipeline/framer.h"

enum { LINE_FIRST = 64 << 10 };

void wm_framer_start(struct wm_framer *f, struct wm_members *members, enum wm_framing framing,
                     uint64_t max_record, struct wm_report *report)
{
    *f = (struct wm_framer){
        .members = members, .report = report, .framing = framing, .max_record = max_record};
}

void wm_framer_take(struct wm_framer *f, size_t n)
{
    wm_members_skip(f->members, n);
    f->report->tally.bytes += n;
    f->report->tally.bytes_in_records += n;
}

void wm_framer_drop(struct wm_framer *f, size_t n)
{
    wm_members_skip(f->members, n);
    f->report->tally.bytes += n;
    f->report->tally.bytes_skipped += n;
}

void wm_framer_count(struct wm_framer *f, enum wm_read_reason reason)
{
    f->report->tally.reasons[reason]++;
}

void wm_framer_reject(struct wm_framer *f, size_t n, enum wm_read_reason reason)
{
    wm_framer_take(f, n);
    wm_framer_count(f, reason);
    f->report->tally.records++;
    f->report->record++;
}

int wm_framer_give(struct wm_framer *f, struct wm_str body, size_t n, struct wm_record *ret)
{
    ret->at = f->members->at;
    ret->ordinal = f->report->record;
    ret->body = body;
    f->held = n;
    f->report->tally.records++;
    f->report->record++;
    return 1;
}

bool wm_framer_pauses(const struct wm_framer *f)
{
    return f->pause_at && f->report->tally.bytes >= f->pause_at;
}

uint64_t wm_framer_file_at(struct wm_framer *f)
{
    return wm_members_file_at(f->members, f->members->at);
}

int wm_framer_line(struct wm_framer *f, size_t most, size_t *ret, struct wm_error *err)
{
    size_t searched = 0, want = LINE_FIRST < most ? LINE_FIRST : most;
    *ret = 0;
    for (;;) {
        int status = wm_members_need(f->members, want, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        if (seen.len > most)
            seen.len = most;
        const char *end =
            seen.len > searched ? memchr(seen.ptr + searched, '\n', seen.len - searched) : NULL;
        if (end)
            *ret = (size_t)(end - seen.ptr) + 1;
        if (end || seen.len < want || want == most)
            return 0;
        searched = seen.len;
        want = most / 2 < want ? most : want * 2;
    }
}

static int next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    switch (f->framing) {
    case WM_FRAMING_WARC:
        return wm_warc_next(f, ret, err);
    case WM_FRAMING_CCNET:
        return wm_ccnet_next(f, ret, err);
    case WM_FRAMING_ARC:
        return wm_arc_next(f, ret, err);
    case WM_FRAMING_FILE:
        return wm_file_next(f, ret, err);
    case WM_FRAMING_JSONL:
    case WM_FRAMING_LINES:
        break;
    }
    return wm_lines_next(f, ret, err);
}

int wm_framer_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    wm_framer_take(f, f->held);
    f->held = 0;
    *ret = (struct wm_record){0};
    int more = next(f, ret, err);
    if (more == WM_PAUSED)
        *ret = (struct wm_record){.at = f->members->at, .ordinal = f->report->record};
    return more;
}
