/* SPDX-License-Identifier: Apache-2.0 */
/* ARC, the format before WARC. Its records are pages as fetched, so they are only counted. A record
 * is a line `URL IP-address Archive-date … Archive-length` and that many bytes; the first one
 * (filedesc://) describes the file. */
#include "pipeline/framer.h"

#include "wetmill/number.h"

enum { LINE_MOST = 64 << 10, FIELDS_LEAST = 5, DATE_DIGITS = 14 };

static bool all_digits(struct wm_str s)
{
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] < '0' || s.ptr[i] > '9')
            return false;
    return s.len > 0;
}

static struct wm_str trim_end(struct wm_str s)
{
    while (s.len && (s.ptr[s.len - 1] == '\n' || s.ptr[s.len - 1] == '\r'))
        s.len--;
    return s;
}

/* URLs may hold spaces: the fields are counted from the end. Version 1 has three behind the date
 * (counting it), version 2 has eight. */
static bool read_line(struct wm_str line, uint64_t *ret_length)
{
    struct wm_str last = {0};
    size_t n = 0;
    bool dated = false;
    for (struct wm_str rest = trim_end(line);; n++) {
        size_t start = rest.len;
        while (start > 0 && rest.ptr[start - 1] != ' ')
            start--;
        struct wm_str field = {rest.ptr + start, rest.len - start};
        if (n == 0)
            last = field;
        else if (field.len >= DATE_DIGITS && all_digits(field))
            dated = true;
        if (start == 0)
            break;
        rest.len = start - 1;
    }
    return n + 1 >= FIELDS_LEAST && dated && wm_parse_u64(last, ret_length);
}

/* A record's content. */
static int pass(struct wm_framer *f, struct wm_error *err)
{
    struct wm_passing *p = &f->passing;
    while (p->left > 0) {
        int status = wm_members_need(f->members, 1, err);
        if (status)
            return status;
        size_t seen = wm_members_seen(f->members).len;
        if (seen == 0)
            break;
        size_t n = seen < p->left ? seen : (size_t)p->left;
        wm_framer_take(f, n);
        p->left -= n;
        if (p->left > 0 && wm_framer_pauses(f))
            return WM_PAUSED;
    }
    if (p->left > 0) {
        wm_report_damage(f->report, p->file_at, "the file ends inside a record");
        p->reason = WM_READ_TRUNCATED;
    }
    p->on = false;
    wm_framer_reject(f, 0, p->reason);
    return 0;
}

/* Drop lines until one could be a record's. */
static int skip_lines(struct wm_framer *f, struct wm_error *err)
{
    uint64_t length;
    for (;;) {
        size_t line;
        int status = wm_framer_line(f, LINE_MOST, &line, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        if (line && read_line((struct wm_str){seen.ptr, line}, &length))
            return 0;
        if (seen.len == 0)
            return 0;
        wm_framer_drop(f, line ? line : seen.len < LINE_MOST ? seen.len : LINE_MOST);
    }
}

static int take_record(struct wm_framer *f, size_t line, struct wm_error *err)
{
    struct wm_str seen = wm_members_seen(f->members);
    uint64_t length, at = wm_framer_file_at(f);
    if (!line || !read_line((struct wm_str){seen.ptr, line}, &length)) {
        wm_report_damage(f->report, at, "an ARC record's line does not end in a length");
        wm_framer_reject(f, 0, WM_READ_BAD_HEADER);
        wm_framer_drop(f, line ? line : seen.len < LINE_MOST ? seen.len : LINE_MOST);
        return skip_lines(f, err);
    }
    f->passing = (struct wm_passing){
        .on = true,
        .reason =
            wm_str_starts(seen, WM_STR("filedesc://")) ? WM_READ_NOT_TEXT : WM_READ_NEEDS_EXTRACT,
        .left = length,
        .file_at = at,
    };
    wm_framer_take(f, line);
    return pass(f, err);
}

int wm_arc_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    (void)ret;
    for (;;) {
        size_t line;
        int status = f->passing.on ? pass(f, err) : 0;
        if (!status)
            status = wm_framer_line(f, LINE_MOST, &line, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        if (seen.len == 0 && wm_members_resume(f->members))
            continue;
        if (seen.len == 0)
            return 0;
        if (wm_framer_pauses(f))
            return WM_PAUSED;
        if (line > 0 && trim_end((struct wm_str){seen.ptr, line}).len == 0) {
            wm_framer_take(f, line);
            continue;
        }
        status = take_record(f, line, err);
        if (status)
            return status;
    }
}
