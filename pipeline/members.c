/* SPDX-License-Identifier: Apache-2.0 */
/* The window over decompressed bytes, and what all codecs do alike: showing a member's bytes not
 * before they can be trusted. */
#include "pipeline/members.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WINDOW_FIRST = 1 << 20,
    PLAIN_PIECE = 1 << 20,
    FED_MOST = 1 << 20, /* of a large member, kept to look through behind damage */
    FED_KEPT = 256 << 10,
    MARKS_MAX = 1 << 26,
};

enum wm_codec wm_codec_detect(const unsigned char *bytes, size_t len)
{
    static const unsigned char xz[6] = {0xFD, '7', 'z', 'X', 'Z', 0};
    if (len >= 3 && bytes[0] == 0x1F && bytes[1] == 0x8B && bytes[2] == 8)
        return WM_CODEC_GZIP;
    if (len >= sizeof xz && memcmp(bytes, xz, sizeof xz) == 0)
        return WM_CODEC_XZ;
    if (len < 4)
        return WM_CODEC_NONE;
    bool frame = memcmp(bytes, "\x28\xB5\x2F\xFD", 4) == 0;
    bool skippable = (bytes[0] & 0xF0) == 0x50 && memcmp(bytes + 1, "\x2A\x4D\x18", 3) == 0;
    return frame || skippable ? WM_CODEC_ZSTD : WM_CODEC_NONE;
}

int wm_members_start(struct wm_members *m, struct wm_source *source, struct wm_source *file,
                     enum wm_codec codec, uint64_t max_ratio, struct wm_report *report,
                     struct wm_error *err)
{
    static const struct wm_codec_ops *const all[] = {&wm_codec_none, &wm_codec_gzip, &wm_codec_zstd,
                                                     &wm_codec_xz};
    m->source = source;
    m->file = file;
    m->report = report;
    m->ops = all[codec];
    m->max_ratio = max_ratio;
    m->pos = m->len = m->ready = 0;
    m->at = m->decoded = m->wasted = m->n_members = 0;
    m->doubt = m->doubt_end = UINT64_MAX;
    m->ended = m->broken = m->more = false;
    m->first_mark = m->n_marks = 0;
    m->inside = m->large = m->prefer_pieces = false;
    m->fed = m->noticed = 0;
    m->search.on = false;
    m->pause_at = 0;
    int status = wm_members_room(m, 1, err); /* the window is never NULL */
    return status ? status : m->ops->start(m, err);
}

void wm_members_end(struct wm_members *m)
{
    wm_codec_xz.done(m);
    if (m->window_held)
        wm_codec_zstd.done(m);
    wm_windows_give_back(m->windows, &m->window_held);
}

void wm_members_done(struct wm_members *m)
{
    wm_members_end(m);
    wm_codec_gzip.done(m);
    wm_codec_zstd.done(m);
    free(m->window);
    free(m->marks);
    *m = (struct wm_members){0};
}

/* ---- the window ---- */

int wm_members_room(struct wm_members *m, size_t room, struct wm_error *err)
{
    if (m->cap - m->ready >= room)
        return 0;
    if (m->pos > 0) {
        if (m->ready > m->pos)
            memmove(m->window, m->window + m->pos, m->ready - m->pos);
        m->len -= m->pos;
        m->ready -= m->pos;
        m->held_from -= m->held_from >= m->pos ? m->pos : m->held_from;
        m->pos = 0;
    }
    /* room for half as much again as stays, so that bytes are not moved over and over */
    if (m->ready / 2 > room)
        room = m->ready / 2;
    if (m->cap - m->ready >= room)
        return 0;
    size_t cap = m->cap ? m->cap : WINDOW_FIRST;
    while (cap - m->ready < room) {
        if (cap > SIZE_MAX / 4)
            return wm_fail_nomem(err, room, "reading a record");
        cap *= 2;
    }
    char *window = realloc(m->window, cap);
    if (!window)
        return wm_fail_nomem(err, cap, "reading a record");
    m->window = window;
    m->cap = cap;
    return 0;
}

int wm_members_window(struct wm_members *m, uint64_t window, const char *what, struct wm_error *err)
{
    char name[300];
    const char *inside = m->report->inside;
    (void)snprintf(name, sizeof name, "%s%.200s%s%s", inside ? "in " : "", inside ? inside : "",
                   inside ? ": " : "", what);
    return wm_windows_take(m->windows, &m->window_held, window, name, m->file->at, err);
}

/* A few kilobytes of file that unfold into gigabytes do so to do harm. */
static void check_ratio(struct wm_members *m)
{
    uint64_t taken = m->file->at - m->file->start + m->fed;
    if (!m->max_ratio || m->decoded <= WM_RATIO_FREE || m->decoded / m->max_ratio <= taken)
        return;
    wm_report_damage(m->report, m->file->at,
                     "unpacks to more than %llu times its size: taken for a decompression bomb, "
                     "the rest is skipped",
                     (unsigned long long)m->max_ratio);
    m->ready = m->len;
    m->ended = m->broken = true;
    m->more = false;
}

int wm_members_need(struct wm_members *m, size_t want, struct wm_error *err)
{
    while (m->len - m->pos < want && !m->ended) {
        int status = m->search.on ? wm_member_search(m, err) : m->ops->pull(m, err);
        if (status)
            return status;
        check_ratio(m);
    }
    return 0;
}

void wm_members_skip(struct wm_members *m, size_t n)
{
    m->pos += n;
    m->at += n;
}

bool wm_members_resume(struct wm_members *m)
{
    if (m->noticed) /* decoding runs ahead: only now is it known which record the damage is at */
        m->report->list[m->noticed - 1].record = m->report->record;
    m->noticed = 0;
    if (!m->ended || !m->more)
        return false;
    m->ended = m->broken = m->more = false;
    m->doubt = m->doubt_end = UINT64_MAX;
    return true;
}

void wm_members_stop(struct wm_members *m)
{
    m->ready = m->len;
    m->ended = true;
    m->more = false;
}

/* ---- where bytes are stored ---- */

int wm_members_mark(struct wm_members *m, uint64_t offset, uint64_t length, struct wm_error *err)
{
    if (m->n_marks == m->cap_marks && m->first_mark > 0) {
        m->n_marks -= m->first_mark;
        memmove(m->marks, m->marks + m->first_mark, m->n_marks * sizeof *m->marks);
        m->first_mark = 0;
    }
    if (m->n_marks == m->cap_marks) {
        size_t cap = m->cap_marks ? m->cap_marks * 2 : 64;
        struct wm_mark *marks = cap <= MARKS_MAX ? realloc(m->marks, cap * sizeof *marks) : NULL;
        if (!marks)
            return wm_fail_nomem(err, cap * sizeof *marks, "places of members");
        m->marks = marks;
        m->cap_marks = cap;
    }
    m->marks[m->n_marks++] = (struct wm_mark){.at = m->at + (m->ready - m->pos),
                                              .offset = offset,
                                              .length = length,
                                              .decoded = m->decoded,
                                              .ordinal = m->n_members++,
                                              .pieces = m->prefer_pieces};
    return 0;
}

/* An empty member starts where the next one does: the last one at a place is the one meant. */
static const struct wm_mark *mark_of(struct wm_members *m, uint64_t at)
{
    while (m->first_mark + 1 < m->n_marks && m->marks[m->first_mark + 1].at <= m->at)
        m->first_mark++;
    size_t i = m->first_mark;
    while (i + 1 < m->n_marks && m->marks[i + 1].at <= at)
        i++;
    return i < m->n_marks ? &m->marks[i] : NULL;
}

void wm_members_place(struct wm_members *m, uint64_t at, uint64_t *ret_member, uint64_t *ret_length,
                      uint64_t *ret_offset)
{
    const struct wm_mark *mark = mark_of(m, at);
    *ret_member = mark ? mark->offset : 0;
    *ret_length = mark ? mark->length : 0;
    *ret_offset = mark ? at - mark->at : m->source->start + at;
}

struct wm_mark wm_members_mark_of(struct wm_members *m, uint64_t at)
{
    const struct wm_mark *mark = mark_of(m, at);
    if (mark)
        return *mark;
    uint64_t start = m->source->start; /* xz: all of it; plain: anywhere */
    bool plain = m->ops == &wm_codec_none;
    return plain ? (struct wm_mark){.at = at, .offset = start + at, .decoded = at}
                 : (struct wm_mark){.offset = start};
}

void wm_members_enter(struct wm_members *m, const struct wm_mark *mark, uint64_t wasted)
{
    m->at = mark->at;
    m->decoded = mark->decoded;
    m->n_members = mark->ordinal;
    m->prefer_pieces = mark->pieces;
    m->wasted = wasted;
}

uint64_t wm_members_file_at(struct wm_members *m, uint64_t at)
{
    if (m->source != m->file)
        return m->file->at;
    const struct wm_mark *mark = mark_of(m, at);
    return mark ? mark->offset : m->source->start + at;
}

/* ---- a member piece by piece ---- */

int wm_member_begin(struct wm_members *m, struct wm_error *err)
{
    m->inside = true;
    m->large = false;
    m->fed = 0;
    m->held_from = m->ready;
    m->member_offset = m->source->at;
    return wm_members_mark(m, m->source->at, 0, err);
}

void wm_member_step(struct wm_members *m, size_t in, size_t out)
{
    m->fed += in;
    m->ready += out;
    m->decoded += out;
    if (!m->large && m->ready - m->held_from > WM_MEMBER_WHOLE) {
        m->large = true;
        m->doubt = wm_member_at(m);
        m->doubt_end = UINT64_MAX;
    }
    if (m->large && m->ready - m->len > WM_MEMBER_HELD)
        m->len = m->held_from = m->ready - WM_MEMBER_HELD;
    if (m->fed > FED_MOST) {
        wm_source_skip(m->source, m->fed - FED_KEPT);
        m->fed = FED_KEPT;
    }
}

void wm_member_end(struct wm_members *m)
{
    wm_source_skip(m->source, m->fed);
    m->fed = 0;
    m->inside = false;
    m->prefer_pieces = m->large;
    if (m->large)
        m->doubt_end = m->at + (m->ready - m->pos);
    m->len = m->ready;
}

/* ---- no compression ---- */

static int none_start(struct wm_members *m, struct wm_error *err)
{
    (void)m;
    (void)err;
    return 0;
}

static int none_pull(struct wm_members *m, struct wm_error *err)
{
    int status = wm_members_room(m, PLAIN_PIECE, err);
    if (status)
        return status;
    size_t n = wm_source_take(m->source, m->window + m->ready, m->cap - m->ready);
    m->ready += n;
    m->len = m->ready;
    m->decoded += n;
    m->ended = n == 0;
    return 0;
}

static void none_done(struct wm_members *m)
{
    (void)m;
}

const struct wm_codec_ops wm_codec_none = {
    .start = none_start, .pull = none_pull, .done = none_done};
