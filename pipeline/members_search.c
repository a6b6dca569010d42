/* SPDX-License-Identifier: Apache-2.0 */
/* Finding the next member behind damage. A little is looked through before the segment that the damage
 * ends is given; what is further on is looked for when the next one is asked for, piece by piece, so
 * that the caller can look up from its work. What is found does not depend on that. */
#include <string.h>

#include "pipeline/members.h"

enum {
    WASTE_FACTOR = 16, /* decoded in vain, for each byte of the file */
    WASTE_FREE = 256 << 20,
    SEARCH_AT_ONCE = 8 << 20,
    SEARCH_PIECE = 1 << 20,
};

enum found { FOUND, NONE, NOT_YET };

/* Moves source->pos to the next place where a member starts, if there is one before byte `until`. */
static int find_member(struct wm_members *m, uint64_t until, enum found *ret, struct wm_error *err)
{
    struct wm_source *s = m->source;
    for (bool found = false; !found;) {
        size_t seen = wm_source_see(s, WM_MEMBER_HELD);
        *ret = seen == 0 ? NONE : NOT_YET;
        if (seen == 0 || s->at >= until)
            return 0;
        if (seen > until - s->at)
            seen = (size_t)(until - s->at);
        const unsigned char *at = memchr(wm_source_bytes(s), m->ops->magic, seen);
        wm_source_skip(s, at ? (size_t)(at - wm_source_bytes(s)) : seen);
        if (!at)
            continue;
        *ret = NONE;
        if (m->wasted / WASTE_FACTOR > s->at - s->start + WASTE_FREE / WASTE_FACTOR)
            return 0; /* made to waste time: what is left counts as damaged */
        int status = m->ops->probe(m, &found, err);
        if (status)
            return status;
        if (!found)
            wm_source_skip(s, 1);
    }
    *ret = FOUND;
    return 0;
}

static void report_fault(struct wm_members *m, const struct wm_search *search, bool found)
{
    static const char *const words[WM_FAULTS] = {
        [WM_FAULT_JUNK] = "",
        [WM_FAULT_LONG] = " (a skippable frame is longer than the file)",
        [WM_FAULT_LOOSE] = " (no frame stands behind a skippable one)",
        [WM_FAULT_INNER] = " (a frame starts inside a skippable one)",
    };
    unsigned long long bytes = m->source->at - search->from;
    uint64_t at = m->source == m->file ? search->from : m->file->at;
    if (words[search->fault])
        wm_report_damage(m->report, at, "%llu bytes are no %s data%s; skipped", bytes, m->ops->name,
                         words[search->fault]);
    else if (search->fault == WM_FAULT_SHORT && !found)
        wm_report_damage(m->report, at, "the file ends inside a %s", m->ops->member);
    else
        wm_report_damage(m->report, at, "damaged %s; skipped to the next one%s, %llu bytes on%s",
                         m->ops->member, found ? "" : " (there is none)", bytes,
                         search->kept ? "; what stood well before the damage is kept" : "");
}

static void end_search(struct wm_members *m, bool found)
{
    report_fault(m, &m->search, found);
    if (m->source == m->file)
        m->report->tally.bytes_damaged += m->source->at - m->search.from;
    m->search.on = false;
}

/* The segment ends at window[shown]; source->pos is where the search for the next one has come to. */
static void end_segment(struct wm_members *m, enum found found, size_t shown)
{
    size_t listed = m->report->n;
    if (found != NOT_YET)
        end_search(m, found == FOUND);
    m->noticed = m->report->n > listed ? m->report->n : 0;
    if (m->inside && !m->large && shown == m->len && m->n_marks > m->first_mark)
        m->n_marks--;
    if (m->inside && !m->large && shown > m->len) {
        m->doubt = wm_member_at(m);
        m->doubt_end = UINT64_MAX;
    }
    m->len = m->ready = shown;
    m->inside = false;
    m->ended = m->broken = true;
    m->more = found != NONE;
}

int wm_member_damaged(struct wm_members *m, enum wm_member_fault fault, struct wm_error *err)
{
    struct wm_source *s = m->source;
    bool first = m->inside && m->n_members == 1;
    size_t decoded = m->inside ? m->ready - m->len : 0;
    enum found found;
    m->search = (struct wm_search){
        .on = true, .fault = fault, .from = m->inside ? m->member_offset : s->at};
    m->fed = 0;
    m->wasted += decoded;
    if (m->inside && wm_source_seen(s) > 0)
        wm_source_skip(s, 1);
    int status = find_member(m, s->at + SEARCH_AT_ONCE, &found, err);
    if (status)
        return status;
    size_t shown = m->len;
    if (fault == WM_FAULT_SHORT && found == NONE)
        shown = m->ready;
    else if (first && !m->large && decoded > WM_MEMBER_HELD)
        shown = m->ready - WM_MEMBER_HELD;
    m->search.kept = m->large || shown > m->len;
    end_segment(m, found, shown);
    return 0;
}

void wm_member_lost(struct wm_members *m, enum wm_member_fault fault, uint64_t from)
{
    m->search = (struct wm_search){.on = true, .fault = fault, .from = from};
    end_segment(m, FOUND, m->len);
}

int wm_member_pass(struct wm_members *m, uint64_t until, bool *ret, struct wm_error *err)
{
    enum found found;
    int status = find_member(m, until, &found, err);
    *ret = found == FOUND;
    return status;
}

int wm_member_search(struct wm_members *m, struct wm_error *err)
{
    enum found found;
    int status = find_member(m, m->source->at + SEARCH_PIECE, &found, err);
    if (status)
        return status;
    if (found == NOT_YET)
        return m->pause_at && m->file->at >= m->pause_at ? WM_PAUSED : 0;
    end_search(m, found == FOUND);
    m->ended = m->broken = found == NONE;
    m->more = false;
    return 0;
}
