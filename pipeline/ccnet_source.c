/* SPDX-License-Identifier: Apache-2.0 */
/* Framing of profile ccnet: records end where a line says WARC/1.0. */
#include "pipeline/ccnet_source.h"

#include "pipeline/framer.h"
#include "pipeline/warc_header.h"

enum { FIRST_LOOK = 64 << 10, PIECE = 256 << 10 };

/* Is this the line that is looked for? */
typedef bool is_wanted(struct wm_str line);

static bool is_empty(struct wm_str line)
{
    return line.len == 0;
}

static bool is_boundary(struct wm_str line)
{
    return wm_str_eq(line, WM_STR("WARC/1.0"));
}

enum found { FOUND, AT_END, TOO_FAR };

/** Where a line was found, in the window. */
struct place {
    enum found how;
    size_t start, next; /* AT_END: both where the segment ends */
};

/* The first wanted line that starts at or behind byte `from` (where a line starts) and ends before
 * byte `most`. */
static int find_line(struct wm_framer *f, size_t from, size_t most, is_wanted *wanted,
                     struct place *ret, struct wm_error *err)
{
    size_t at = from, want = from + FIRST_LOOK < most ? from + FIRST_LOOK : most;
    for (;;) {
        int status = wm_members_need(f->members, want, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        bool ended = seen.len < want;
        bool far = false;
        struct wm_ccnet_line line;
        while (!far && wm_ccnet_line(seen, at, ended, &line)) {
            far = line.next > most;
            if (!far && wanted(line.text)) {
                *ret = (struct place){FOUND, at, line.next};
                return 0;
            }
            at = line.next;
        }
        far = far || (!ended && want == most);
        if (ended || far) {
            *ret = (struct place){far ? TOO_FAR : AT_END, seen.len, seen.len};
            return 0;
        }
        want = most / 2 < want ? most : want * 2;
    }
}

/* Pass on, without holding it, to the next boundary or the segment's end. `pass` says how the bytes
 * count. `mid_line`: the window starts within a line. */
static int pass_to_boundary(struct wm_framer *f, void (*pass)(struct wm_framer *f, size_t n),
                            bool mid_line, struct wm_error *err)
{
    for (;;) {
        int status = wm_members_need(f->members, PIECE, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        bool ended = seen.len < PIECE;
        struct wm_ccnet_line line;
        size_t at = 0;
        while (wm_ccnet_line(seen, at, ended, &line)) {
            if (!mid_line && is_boundary(line.text)) {
                pass(f, at);
                return 0;
            }
            mid_line = false;
            at = line.next;
        }
        if (at == 0 && !ended) { /* a line longer than all that is seen; its CR may want its LF */
            mid_line = true;
            at = seen.len - 1;
        }
        pass(f, at);
        if (ended)
            return 0;
    }
}

static int cut_short(struct wm_framer *f)
{
    wm_report_damage(f->report, wm_framer_file_at(f), "the %s ends inside a record",
                     f->members->broken ? "readable part" : "file");
    wm_framer_reject(f, wm_members_seen(f->members).len, WM_READ_TRUNCATED);
    return 0;
}

static void tell_long(struct wm_framer *f)
{
    wm_report_skip(f->report, wm_framer_file_at(f), "a record is longer than max_record");
}

/* A record whose end is out of sight; what is seen up to `header` is its own. */
static int take_long(struct wm_framer *f, size_t header, enum wm_read_reason reason,
                     struct wm_error *err)
{
    wm_framer_take(f, header);
    int status = pass_to_boundary(f, wm_framer_take, header == 0, err);
    wm_framer_reject(f, 0, reason);
    return status;
}

static void tell_malformed(struct wm_framer *f)
{
    if (!f->told)
        wm_report_skip(
            f->report, wm_framer_file_at(f),
            "a header is not laid out as cc_net wants it: type, URI, date in lines 2 to 4, "
            "digest in 7, length in 9; dropped, as are further ones");
    f->told = true;
}

/* The record's bounds are known: is it a document? */
static int take_record(struct wm_framer *f, size_t header, const struct place *end,
                       struct wm_record *ret)
{
    struct wm_str seen = wm_members_seen(f->members);
    struct wm_ccnet_header h;
    enum wm_read_reason reason = wm_ccnet_header_read((struct wm_str){seen.ptr, header}, &h);
    size_t body = end->start - header;
    bool cut = end->how == AT_END && f->members->broken && (int64_t)body < h.length;
    if (reason == WM_READ_REASONS && (cut || (end->how == AT_END && body == 0)))
        return cut_short(f);
    if (reason == WM_READ_REASONS && body == 0)
        reason = WM_READ_BAD_HEADER;
    if (reason == WM_READ_REASONS && body > f->max_record)
        reason = WM_READ_TOO_LONG;
    if (reason == WM_READ_TOO_LONG)
        tell_long(f);
    if (reason == WM_READ_BAD_HEADER)
        tell_malformed(f);
    if (reason != WM_READ_REASONS) {
        wm_framer_reject(f, end->start, reason);
        return 0;
    }
    ret->url = h.url;
    ret->date = h.date;
    ret->digest = h.digest;
    ret->record_id = h.record_id;
    ret->length = h.length;
    return wm_framer_give(f, (struct wm_str){seen.ptr + header, body}, end->start, ret);
}

/* A record starts here: a boundary, or whatever a file starts with. */
static int next_record(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    uint64_t most = f->max_record + 2 * WM_WARC_HEADER;
    size_t limit = most < SIZE_MAX / 4 ? (size_t)most : SIZE_MAX / 4;
    struct place header, end = {0};
    int status = find_line(f, 0, limit, is_empty, &header, err);
    if (!status && header.how != TOO_FAR)
        status = find_line(f, header.next, limit, is_boundary, &end, err);
    if (status)
        return status;
    if (header.how == TOO_FAR) {
        struct wm_ccnet_line line = {.next = 0};
        (void)wm_ccnet_line(wm_members_seen(f->members), 0, false, &line);
        tell_malformed(f);
        return take_long(f, line.next, WM_READ_BAD_HEADER, err);
    }
    if (end.how == TOO_FAR) {
        tell_long(f);
        return take_long(f, header.next, WM_READ_TOO_LONG, err);
    }
    return take_record(f, header.next, &end, ret);
}

int wm_ccnet_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    for (;;) {
        int status = wm_members_need(f->members, 1, err);
        if (!status && f->lost) {
            f->lost = false;
            status = pass_to_boundary(f, wm_framer_drop, false, err);
        }
        if (status)
            return status;
        if (wm_members_seen(f->members).len > 0) {
            if (wm_framer_pauses(f))
                return WM_PAUSED;
            status = next_record(f, ret, err);
            if (status)
                return status;
            continue;
        }
        f->lost = wm_members_resume(f->members);
        if (!f->lost)
            return 0;
    }
}
