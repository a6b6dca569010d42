/* SPDX-License-Identifier: Apache-2.0 */
/* WARC records: framed by Content-Length while it tells the truth.
 *
 * A record ends where its Content-Length says if, behind any line ends, the next record or the end
 * of the segment stands there; what the payload says is then of no matter. Otherwise the length is
 * wrong (or the file was rewritten with other line ends), and the record ends at the first place
 * behind its header where a whole plausible header stands at the start of a line. */
#include "pipeline/warc_header.h"

#include "pipeline/framer.h"
#include "pipeline/warc_digest.h"

enum {
    HEADER_FIRST = 4096,
    SEPARATOR_MOST = 64, /* line ends looked at behind a record */
    SCAN_PIECE = 256 << 10,
};
static const size_t NOWHERE = SIZE_MAX;

/* ---- looking for a record ---- */

/* Does a plausible record start at seen byte `at`? 1, 0 or < 0 on error. */
static int starts_at(struct wm_framer *f, size_t at, struct wm_error *err)
{
    for (size_t want = HEADER_FIRST;; want = WM_WARC_HEADER) {
        int status = wm_members_need(f->members, at + want, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        struct wm_str rest = {seen.ptr + at, seen.len - at};
        bool cut, found = wm_warc_header_plausible(rest, rest.len < want, &cut);
        if (!cut || want == WM_WARC_HEADER)
            return found;
    }
}

/* First plausible record among the lines that start in [*at, end) of what is in the window; *at moves behind what
 * was looked at. Looking ahead may move the window's bytes in memory, not their places. */
static int find_in_window(struct wm_framer *f, size_t *at, size_t end, size_t *ret,
                          struct wm_error *err)
{
    while (*at < end) {
        struct wm_str seen = wm_members_seen(f->members);
        struct wm_str rest = {seen.ptr + *at, seen.len - *at};
        bool line_start = *at == 0 || seen.ptr[*at - 1] == '\n';
        if (line_start && rest.len > 5 && wm_warc_starts(rest)) {
            int found = starts_at(f, *at, err);
            if (found > 0)
                *ret = *at;
            if (found)
                return found < 0 ? found : 0;
            seen = wm_members_seen(f->members);
        }
        const char *newline = memchr(seen.ptr + *at, '\n', end - *at);
        *at = newline ? (size_t)(newline - seen.ptr) + 1 : end;
    }
    return 0;
}

/* First byte in [from, to) of the segment where a plausible record starts, or NOWHERE. Byte 0 of
 * the window counts as the start of a line. */
static int find_record(struct wm_framer *f, size_t from, size_t to, size_t *ret,
                       struct wm_error *err)
{
    *ret = NOWHERE;
    for (size_t at = from; at < to;) {
        size_t want = to - at < SCAN_PIECE ? to : at + SCAN_PIECE;
        int status = wm_members_need(f->members, want + WM_WARC_VERSION, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        size_t end = seen.len < to ? seen.len : to;
        bool last = seen.len < want + WM_WARC_VERSION || want == to;
        status = find_in_window(f, &at, end, ret, err);
        if (status || *ret != NOWHERE)
            return status;
        if (last)
            return 0;
    }
    return 0;
}

/* Nothing stands here that is a record: skip to what is, or to the end of the segment. */
static int skip_junk(struct wm_framer *f, struct wm_error *err)
{
    if (!f->junk) {
        f->junk = true;
        f->junk_at = f->members->at;
        f->junk_file_at = wm_framer_file_at(f);
    }
    for (;;) {
        size_t at;
        int status = find_record(f, 1, SCAN_PIECE, &at, err);
        if (status)
            return status;
        size_t seen = wm_members_seen(f->members).len;
        bool found = at != NOWHERE;
        size_t n = found ? at : seen < SCAN_PIECE ? seen : SCAN_PIECE;
        /* keep a newline in the window: it is what makes the next byte a line's first */
        if (!found && n == SCAN_PIECE)
            n--;
        wm_framer_drop(f, n);
        if (found || n == seen || seen == 0)
            break;
        if (wm_framer_pauses(f))
            return WM_PAUSED;
    }
    f->junk = false;
    wm_report_damage(f->report, f->junk_file_at, "%llu bytes hold no WARC record; skipped",
                     (unsigned long long)(f->members->at - f->junk_at));
    return 0;
}

/* ---- where a record ends ---- */

/* Is byte `at` the end of a record: line ends, then a record or nothing? `*ret_lines` counts the
 * line ends. 1, 0, < 0 on error. */
static int ends_at(struct wm_framer *f, size_t at, size_t *ret_lines, struct wm_error *err)
{
    size_t want = at + SEPARATOR_MOST + WM_WARC_VERSION;
    int status = wm_members_need(f->members, want, err);
    if (status)
        return status;
    struct wm_str seen = wm_members_seen(f->members);
    size_t i = at;
    *ret_lines = 0;
    if (seen.len < at)
        return 0;
    while (i < seen.len && (seen.ptr[i] == '\r' || seen.ptr[i] == '\n'))
        *ret_lines += seen.ptr[i++] == '\n';
    struct wm_str rest = {seen.ptr + i, seen.len - i};
    return i == seen.len || wm_warc_starts(rest);
}

static size_t fitting(const struct wm_framer *f, size_t header, size_t more)
{
    uint64_t most = f->max_record + header + more;
    return most < SIZE_MAX / 4 ? (size_t)most : SIZE_MAX / 4;
}

/* The file ends before byte `stated`, and no record starts before that. Where lengths were wrong
 * already (all of them are in a file whose line ends were rewritten) this one is not believed
 * either: a record that ends as lines end is whole. */
static size_t end_with_file(const struct wm_framer *f)
{
    struct wm_str seen = wm_members_seen(f->members);
    bool whole = f->lengths_lie && !f->members->broken && seen.ptr[seen.len - 1] == '\n';
    return whole ? seen.len : NOWHERE;
}

/* Content-Length led to byte `stated`, where no record ends. `*ret` is where it does end, NOWHERE
 * if the segment ends first (then the record is cut short). */
static int find_end(struct wm_framer *f, const struct wm_warc_header *h, size_t stated,
                    size_t lines, size_t *ret, struct wm_error *err)
{
    size_t seen = wm_members_seen(f->members).len;
    bool beyond = stated > seen;
    int status = find_record(f, h->size, beyond ? seen : stated, ret, err);
    if (status || *ret != NOWHERE)
        return status;
    if (beyond || lines >= 2) {
        /* closed as a record is, so what follows is junk */
        *ret = beyond ? end_with_file(f) : stated;
        return 0;
    }
    status = find_record(f, stated, fitting(f, h->size, 1), ret, err);
    if (status || *ret != NOWHERE || f->members->broken)
        return status;
    seen = wm_members_seen(f->members).len;
    *ret = f->members->ended && seen <= fitting(f, h->size, 0) ? seen : stated;
    return 0;
}

/* ---- records ---- */

static bool starts_same(struct wm_str s, struct wm_str prefix)
{
    return s.len >= prefix.len && wm_str_same((struct wm_str){s.ptr, prefix.len}, prefix);
}

/* Why the record is no document, or WM_READ_REASONS if it is one. */
static enum wm_read_reason judge(const struct wm_warc_header *h)
{
    if (wm_str_same(h->type, WM_STR("conversion")))
        return h->content_type.len == 0 || starts_same(h->content_type, WM_STR("text/"))
                   ? WM_READ_REASONS
                   : WM_READ_NOT_TEXT;
    if (wm_str_same(h->type, WM_STR("response")) || wm_str_same(h->type, WM_STR("resource")))
        return WM_READ_NEEDS_EXTRACT;
    /* WAT: metadata about a page as JSON */
    if (wm_str_same(h->type, WM_STR("metadata")) &&
        starts_same(h->content_type, WM_STR("application/json")))
        return WM_READ_NEEDS_EXTRACT;
    return WM_READ_NOT_TEXT;
}

static int cut_short(struct wm_framer *f)
{
    wm_report_damage(f->report, wm_framer_file_at(f), "the %s ends inside a record",
                     f->members->broken ? "readable part" : "file");
    wm_framer_reject(f, wm_members_seen(f->members).len, WM_READ_TRUNCATED);
    return 0;
}

/* The first one is told, not each of thousands in a file whose line ends were rewritten. */
static void note_lie(struct wm_framer *f, uint64_t stated, uint64_t found)
{
    if (!f->lengths_lie)
        wm_report_skip(f->report, wm_framer_file_at(f),
                       "Content-Length is %llu, but the record holds %llu bytes; so taken, as are "
                       "further ones that are wrong",
                       (unsigned long long)stated, (unsigned long long)found);
    f->lengths_lie = true;
}

/* The bytes are of a damaged member: are they what was written? Decoders run astray without noticing.
 * A member too large to be held back may be sound: then digests count only where one was right
 * before. So it is where lengths are wrong: the file may have been rewritten. */
static bool is_altered(struct wm_framer *f, const struct wm_warc_header *h, struct wm_str body)
{
    bool held = !f->members->large;
    int agrees = h->of_block ? wm_warc_digest_agrees(h->digest, body) : -1;
    if (agrees > 0 || (agrees == 0 && held && f->members->broken && !f->lengths_lie))
        f->digests_hold = true;
    if (agrees > 0 || !f->digests_hold)
        return false;
    wm_report_damage(f->report, wm_framer_file_at(f),
                     "a record of a damaged member is not what its digest says; skipped");
    return true;
}

/* 1 = `ret` is a document, 0 = it was counted, < 0 = error. */
static int take_record(struct wm_framer *f, const struct wm_warc_header *h, struct wm_record *ret,
                       struct wm_error *err)
{
    const char *start = wm_members_seen(f->members).ptr;
    size_t stated = h->size + (size_t)h->length, end = stated, lines = 0;
    int ends = ends_at(f, stated, &lines, err);
    if (ends < 0)
        return ends;
    if (!ends) {
        int status = find_end(f, h, stated, lines, &end, err);
        if (status)
            return status;
        if (end == NOWHERE)
            return cut_short(f);
        if (end != stated)
            note_lie(f, h->length, end - h->size);
    }
    struct wm_str seen = wm_members_seen(f->members);
    struct wm_warc_header again = *h;
    if (seen.ptr != start) /* the window has moved under the slices */
        (void)wm_warc_header_read(seen, &again);
    enum wm_read_reason reason = judge(&again);
    struct wm_str body = {seen.ptr + h->size, end - h->size};
    if (reason == WM_READ_REASONS &&
        wm_members_doubt(f->members, f->members->at, f->members->at + end) &&
        is_altered(f, &again, body))
        reason = WM_READ_DAMAGED;
    if (reason != WM_READ_REASONS) {
        wm_framer_reject(f, end, reason);
        return 0;
    }
    ret->url = again.url;
    ret->date = again.date;
    ret->digest = again.digest;
    ret->record_id = again.record_id;
    return wm_framer_give(f, body, end, ret);
}

/* Uncompressed files can be looked into: does the long record end where it says? */
static bool ends_in_file(struct wm_framer *f, uint64_t size)
{
    char bytes[SEPARATOR_MOST + WM_WARC_VERSION];
    const struct wm_members *m = f->members;
    uint64_t at = m->source->start + m->at + size;
    struct wm_error ignored;
    size_t n, i = 0;
    if (wm_source_look(m->source, at, bytes, sizeof bytes, &n, &ignored))
        return false;
    while (i < n && (bytes[i] == '\r' || bytes[i] == '\n'))
        i++;
    return n > 0 && (i == n || wm_warc_starts((struct wm_str){bytes + i, n - i}));
}

/* Pass up to `left` bytes, but not beyond a place where a record starts; with `members` only one that
 * a compressed member starts with counts. What is left then was not there. */
static int pass_bytes(struct wm_framer *f, struct wm_passing *p, struct wm_error *err)
{
    while (p->left > 0) {
        size_t want = p->left < SCAN_PIECE ? (size_t)p->left : SCAN_PIECE, at = NOWHERE;
        int status = wm_members_need(f->members, want, err);
        if (!status && p->look)
            status = find_record(f, 1, want, &at, err);
        if (status)
            return status;
        size_t seen = wm_members_seen(f->members).len;
        bool found = at != NOWHERE;
        if (found && p->members) {
            uint64_t ignored[2], offset;
            wm_members_place(f->members, f->members->at + at, &ignored[0], &ignored[1], &offset);
            found = offset == 0;
        }
        size_t n = at != NOWHERE ? at : seen < want ? seen : want;
        if (at == NOWHERE && n == SCAN_PIECE && n > 1)
            n--;
        wm_framer_take(f, n);
        p->left -= n;
        if (found || n == 0)
            return 0;
        if (p->left > 0 && wm_framer_pauses(f))
            return WM_PAUSED;
    }
    return 0;
}

static int pass_long(struct wm_framer *f, struct wm_error *err)
{
    struct wm_passing *p = &f->passing;
    struct wm_members *m = f->members;
    int status = pass_bytes(f, p, err);
    if (status)
        return status;
    p->on = false;
    if (p->left > 0 && wm_members_seen(m).len == 0) {
        wm_report_damage(f->report, p->file_at, "the %s ends inside a record",
                         m->broken ? "readable part" : "file");
        p->reason = WM_READ_TRUNCATED;
    }
    wm_framer_reject(f, 0, p->reason);
    return 0;
}

/* A record beyond the limit is passed without being held. If its length cannot be checked, it ends
 * where the next record starts: a length that lies must not swallow the rest of the file. Where
 * every record has a member to itself, only a member's start counts. */
static int take_long(struct wm_framer *f, const struct wm_warc_header *h, struct wm_error *err)
{
    struct wm_members *m = f->members;
    uint64_t member, length, offset, size = h->size + h->length;
    bool plain = m->ops == &wm_codec_none && m->source == m->file;
    wm_members_place(m, m->at, &member, &length, &offset);
    f->passing = (struct wm_passing){
        .on = true,
        .look = !plain || !ends_in_file(f, size),
        .members = m->ops != &wm_codec_none && offset == 0,
        .reason = judge(h),
        .left = size,
        .file_at = wm_framer_file_at(f),
    };
    if (f->passing.reason == WM_READ_REASONS) {
        f->passing.reason = WM_READ_TOO_LONG;
        wm_report_skip(f->report, f->passing.file_at,
                       "a record of %llu bytes is longer than max_record",
                       (unsigned long long)h->length);
    }
    return pass_long(f, err);
}

/* Something starts as a record does. */
static int take_header(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    struct wm_warc_header h;
    struct wm_str seen = {0};
    int found = 0;
    for (size_t want = HEADER_FIRST; found == 0; want = WM_WARC_HEADER) {
        int status = wm_members_need(f->members, want, err);
        if (status)
            return status;
        seen = wm_members_seen(f->members);
        found = wm_warc_header_read(seen, &h);
        if (found == 0 && seen.len < want)
            return cut_short(f);
    }
    if (found < 0 || h.problem) {
        wm_report_damage(f->report, wm_framer_file_at(f), "a record's header is of no use: %s",
                         found < 0 ? "it does not end" : h.problem);
        wm_framer_reject(f, found < 0 ? sizeof "WARC/" - 1 : h.size, WM_READ_BAD_HEADER);
        return 0;
    }
    return h.length > f->max_record ? take_long(f, &h, err) : take_record(f, &h, ret, err);
}

static int pass_line_ends(struct wm_framer *f, struct wm_error *err)
{
    for (;;) {
        int status = wm_members_need(f->members, SEPARATOR_MOST, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        size_t n = 0;
        while (n < seen.len && (seen.ptr[n] == '\r' || seen.ptr[n] == '\n'))
            n++;
        wm_framer_take(f, n);
        if (n == 0 || n < seen.len)
            return 0;
    }
}

int wm_warc_next(struct wm_framer *f, struct wm_record *ret, struct wm_error *err)
{
    for (;;) {
        int status = f->junk ? skip_junk(f, err) : f->passing.on ? pass_long(f, err) : 0;
        if (!status)
            status = pass_line_ends(f, err);
        if (status)
            return status;
        struct wm_str seen = wm_members_seen(f->members);
        if (seen.len == 0 && wm_members_resume(f->members))
            continue;
        if (seen.len == 0)
            return 0;
        if (wm_framer_pauses(f))
            return WM_PAUSED;
        status =
            wm_warc_starts(seen) && seen.len > 5 ? take_header(f, ret, err) : skip_junk(f, err);
        if (status)
            return status;
    }
}
