/* SPDX-License-Identifier: Apache-2.0 */
/* Records that are lines (JSONL, or plain text by lines), and plain text that is one document. */
#include "pipeline/framer.h"

/* JSON writes many characters with an escape: a text within the limit may need a longer line. */
enum { JSON_GROWTH = 2, JSON_SLACK = 64 << 10 };

static size_t line_limit(const struct wm_framer *f)
{
    uint64_t most = f->max_record + 1;
    if (f->framing == WM_FRAMING_JSONL)
        most = most * JSON_GROWTH + JSON_SLACK;
    return most < SIZE_MAX / 4 ? (size_t)most : SIZE_MAX / 4;
}

static int skip_mark(struct wm_framer *f, struct wm_error *err)
{
    f->started = true;
    int status = wm_members_need(f->members, 3, err);
    if (!status && wm_str_starts(wm_members_seen(f->members), WM_STR("\xEF\xBB\xBF")))
        wm_framer_take(f, 3);
    return status;
}

static bool is_blank(struct wm_str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t' && line.ptr[i] != '\r' && line.ptr[i] != '\n')
            return false;
    return true;
}

/* Up to its newline or the segment's end. */
static int pass_line(struct wm_framer *f, struct wm_error *err)
{
    for (;;) {
        int status = wm_members_need(f->members, 1, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        const char *end = seen.len ? memchr(seen.ptr, '\n', seen.len) : NULL;
        if (end || seen.len == 0) {
            f->passing.on = false;
            wm_framer_reject(f, end ? (size_t)(end - seen.ptr) + 1 : 0, f->passing.reason);
            return 0;
        }
        wm_framer_take(f, seen.len);
        if (wm_framer_pauses(f))
            return WM_PAUSED;
    }
}

/* A line beyond the limit, or one the damage cuts. */
static int reject_line(struct wm_framer *f, enum wm_read_reason reason, struct wm_error *err)
{
    uint64_t at = wm_framer_file_at(f);
    if (reason == WM_READ_TOO_LONG)
        wm_report_skip(f->report, at, "a line is longer than max_record");
    else
        wm_report_damage(f->report, at, "the damage cuts a line");
    f->passing = (struct wm_passing){.on = true, .reason = reason};
    return pass_line(f, err);
}

int wm_lines_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    size_t most = line_limit(f), line;
    int status = f->started ? 0 : skip_mark(f, err);
    for (;;) {
        if (!status && f->passing.on)
            status = pass_line(f, err);
        if (!status)
            status = wm_framer_line(f, most, &line, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        if (seen.len == 0 && wm_members_resume(f->members))
            continue;
        if (seen.len == 0)
            return 0;
        if (wm_framer_pauses(f))
            return WM_PAUSED;
        if (line == 0 && seen.len >= most) {
            status = reject_line(f, WM_READ_TOO_LONG, err);
            continue;
        }
        if (line == 0 && f->members->broken) {
            status = reject_line(f, WM_READ_TRUNCATED, err);
            continue;
        }
        if (line)
            seen.len = line;
        if (!is_blank(seen))
            return wm_framer_give(f, seen, seen.len, ret);
        wm_framer_take(f, seen.len);
    }
}

static int skip_segment(struct wm_framer *f, struct wm_error *err)
{
    for (;;) {
        int status = wm_members_need(f->members, 1, err);
        if (status)
            return status;
        size_t seen = wm_members_seen(f->members).len;
        if (seen == 0 && !wm_members_resume(f->members))
            return 0;
        wm_framer_take(f, seen);
    }
}

int wm_file_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    if (f->started)
        return skip_segment(f, err);
    int status = skip_mark(f, err);
    size_t most = f->max_record < SIZE_MAX / 4 ? (size_t)f->max_record : SIZE_MAX / 4;
    if (!status)
        status = wm_members_need(f->members, most + 1, err);
    if (status)
        return status;
    struct wm_str seen = wm_members_seen(f->members);
    if (seen.len <= most && !f->members->broken)
        return seen.len ? wm_framer_give(f, seen, seen.len, ret) : 0;
    enum wm_read_reason reason = seen.len > most ? WM_READ_TOO_LONG : WM_READ_TRUNCATED;
    uint64_t at = wm_framer_file_at(f);
    if (reason == WM_READ_TOO_LONG)
        wm_report_skip(f->report, at, "the text is longer than max_record");
    else
        wm_report_damage(f->report, at, "the damage cuts the text");
    status = skip_segment(f, err);
    wm_framer_reject(f, 0, reason);
    return status;
}
