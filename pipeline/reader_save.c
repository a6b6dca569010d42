/* SPDX-License-Identifier: Apache-2.0 */
/* Going on with a task that was read in part. The state says what had been counted and complained
 * about when the next record had just been read; so going on is to stand before that record, read
 * it, see that it is the same, and take over the counts. Where no document came for long the state is
 * that before a record that was not read. */
#include <stdlib.h>
#include <string.h>

#include "pipeline/commit.h"
#include "pipeline/reader.h"
#include "wetmill/state.h"

enum { PIECE = 1 << 20 };

/* ---- the report ---- */

static void put_report(struct wm_state_out *state, const struct wm_report *report)
{
    for (const struct wm_count_field *f = wm_read_fields; f->name; f++) {
        uint64_t value;
        memcpy(&value, (const char *)&report->tally + f->offset, sizeof value);
        wm_state_put(state, value);
    }
    for (size_t i = 0; i < WM_READ_REASONS; i++)
        wm_state_put(state, report->tally.reasons[i]);
    wm_state_put(state, report->record);
    wm_state_put(state, report->damaged);
    wm_state_put(state, report->n);
    for (size_t i = 0; i < report->n; i++) {
        wm_state_put_str(state, wm_str_of(report->list[i].path));
        wm_state_put(state, report->list[i].at);
        wm_state_put(state, report->list[i].record);
        wm_state_put_str(state, wm_str_of(report->list[i].what));
        wm_state_put(state, report->list[i].unread);
    }
}

static int get_damage(struct wm_state_in *state, struct wm_report *report, struct wm_error *err)
{
    struct wm_damage *damage = &report->list[report->n];
    damage->path = wm_arena_cstr(&report->arena, wm_state_get_str(state));
    damage->at = wm_state_get(state);
    damage->record = wm_state_get(state);
    damage->what = wm_arena_cstr(&report->arena, wm_state_get_str(state));
    damage->unread = wm_state_get(state) != 0;
    report->n++;
    return damage->path && damage->what ? 0 : wm_fail_nomem(err, WM_PATH_MAX, "list of damage");
}

/* In place of what reading up to here has counted. */
static int get_report(struct wm_state_in *state, struct wm_report *report, struct wm_error *err)
{
    for (const struct wm_count_field *f = wm_read_fields; f->name; f++) {
        uint64_t value = wm_state_get(state);
        memcpy((char *)&report->tally + f->offset, &value, sizeof value);
    }
    for (size_t i = 0; i < WM_READ_REASONS; i++)
        report->tally.reasons[i] = wm_state_get(state);
    report->record = wm_state_get(state);
    report->damaged = wm_state_get(state) != 0;
    uint64_t n = wm_state_get(state);
    const uint64_t counted = report->tally.n_damage;
    if (n != (counted < WM_DAMAGE_MAX ? counted : WM_DAMAGE_MAX))
        return wm_state_mismatch(err, "its damage is not listed");
    struct wm_damage *list = realloc(report->list, (size_t)(n + 1) * sizeof *list);
    if (!list)
        return wm_fail_nomem(err, (size_t)(n + 1) * sizeof *list, "list of damage");
    report->list = list;
    report->cap = (size_t)n;
    report->n = 0;
    int status = 0;
    while (!status && report->n < n)
        status = get_damage(state, report, err);
    return status ? status : wm_state_in_status(state, err);
}

/* ---- the place ---- */

static void put_entry(struct wm_state_out *state, const struct wm_entry *e)
{
    const uint64_t numbers[] = {e->codec,
                                e->mark.at,
                                e->mark.offset,
                                e->mark.decoded,
                                e->mark.ordinal,
                                e->mark.pieces,
                                e->at,
                                e->wasted,
                                e->framer.framing,
                                e->framer.started,
                                e->framer.lengths_lie,
                                e->framer.digests_hold,
                                e->framer.told};
    const struct wm_passing *p = &e->framer.passing;
    const uint64_t passed_over[] = {
        e->search.on,   e->search.fault, e->search.kept,    e->search.from,
        e->framer.lost, e->framer.junk,  e->framer.junk_at, e->framer.junk_file_at,
        p->on,          p->look,         p->members,        p->reason,
        p->left,        p->file_at};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        wm_state_put(state, numbers[i]);
    for (size_t i = 0; i < sizeof passed_over / sizeof *passed_over; i++)
        wm_state_put(state, passed_over[i]);
}

static bool get_passed_over(struct wm_state_in *state, struct wm_entry *e)
{
    struct wm_passing *p = &e->framer.passing;
    e->search.on = wm_state_get(state) != 0;
    uint64_t fault = wm_state_get(state);
    e->search.kept = wm_state_get(state) != 0;
    e->search.from = wm_state_get(state);
    e->framer.lost = wm_state_get(state) != 0;
    e->framer.junk = wm_state_get(state) != 0;
    e->framer.junk_at = wm_state_get(state);
    e->framer.junk_file_at = wm_state_get(state);
    p->on = wm_state_get(state) != 0;
    p->look = wm_state_get(state) != 0;
    p->members = wm_state_get(state) != 0;
    uint64_t reason = wm_state_get(state);
    p->left = wm_state_get(state);
    p->file_at = wm_state_get(state);
    e->search.fault = (enum wm_member_fault)fault;
    p->reason = (enum wm_read_reason)reason;
    bool searches = e->codec == WM_CODEC_GZIP || e->codec == WM_CODEC_ZSTD;
    return fault < WM_FAULTS && reason < WM_READ_REASONS && (searches || !e->search.on);
}

static bool get_entry(struct wm_state_in *state, struct wm_entry *e)
{
    *e = (struct wm_entry){0};
    uint64_t codec = wm_state_get(state);
    e->mark.at = wm_state_get(state);
    e->mark.offset = wm_state_get(state);
    e->mark.decoded = wm_state_get(state);
    e->mark.ordinal = wm_state_get(state);
    e->mark.pieces = wm_state_get(state) != 0;
    e->at = wm_state_get(state);
    e->wasted = wm_state_get(state);
    uint64_t framing = wm_state_get(state);
    e->framer.started = wm_state_get(state) != 0;
    e->framer.lengths_lie = wm_state_get(state) != 0;
    e->framer.digests_hold = wm_state_get(state) != 0;
    e->framer.told = wm_state_get(state) != 0;
    e->codec = (enum wm_codec)codec;
    e->framer.framing = (enum wm_framing)framing;
    return get_passed_over(state, e) && codec <= WM_CODEC_XZ && framing <= WM_FRAMING_FILE;
}

/* What of the row has gone through the hash. */
static uint64_t hashed(const struct wm_source *source)
{
    return source->at + wm_source_seen(source) - source->start;
}

/* Is the file, as far as it had been read, what it was? */
static int check_prefix(const struct wm_input *row, uint64_t len, XXH128_hash_t want,
                        struct wm_error *err)
{
    struct wm_file *file = NULL;
    XXH3_state_t *hash = XXH3_createState();
    unsigned char *piece = malloc(PIECE);
    int status = hash && piece ? 0 : wm_fail_nomem(err, PIECE, "reading");
    if (!status && (wm_file_open(row->path, &file, err) || !wm_file_seekable(file)))
        status = wm_state_mismatch(err, "a file that was being read is gone");
    if (hash)
        (void)XXH3_128bits_reset(hash);
    for (uint64_t at = 0; !status && at < len;) {
        size_t n = len - at < PIECE ? (size_t)(len - at) : PIECE, got = 0;
        struct wm_error ignored;
        if (wm_file_pread(file, piece, n, row->start + at, &got, &ignored) || got < n)
            status = wm_state_mismatch(err, "a file that was being read is shorter now");
        else
            (void)XXH3_128bits_update(hash, piece, n);
        at += n;
    }
    if (!status && !XXH128_isEqual(XXH3_128bits_digest(hash), want))
        status = wm_state_mismatch(err, "a file that was being read has changed");
    wm_file_close(file);
    free(piece);
    (void)XXH3_freeState(hash);
    return status;
}

/* ---- saving ---- */

int wm_reader_save(struct wm_reader *r, struct wm_state_out *state, struct wm_error *err)
{
    if (!r->pending &&
        !r->paused) { /* what is rejected before the next record is counted with it */
        wm_reader_set_pause(r);
        int more = wm_reader_next(r, err);
        r->pending = more == 1;
        if (more <= 0 || (more == WM_PAUSED && !r->paused))
            return more < 0 ? more : 0;
    }
    const struct wm_source *source = &r->stream.source;
    uint32_t n_done = r->row - r->task.first;
    bool first = r->record.ordinal == 0 && !(r->paused && wm_stream_is_lost(&r->stream));
    if (wm_reader_row(r)->is_pipe || source->failed || (first && n_done == 0))
        return 0;
    struct wm_entry entry;
    bool enter = !first && wm_stream_entry(&r->stream, &r->record, &entry);
    if (r->paused && !enter)
        return 0;
    wm_state_put(state, n_done);
    for (uint32_t i = 0; i < n_done; i++)
        wm_state_put_hash(state, r->hashes[i]);
    wm_state_put(state, r->done_bytes);
    wm_state_put(state, hashed(source));
    wm_state_put_hash(state, wm_source_hash(source));
    wm_state_put(state, enter);
    if (enter)
        put_entry(state, &entry);
    wm_state_put(state, r->paused);
    wm_state_put(state, r->record.ordinal);
    wm_state_put(state, r->record.at);
    wm_state_put(state, r->record.body.len);
    wm_state_put_hash(state, XXH3_128bits(r->record.body.ptr, r->record.body.len));
    wm_state_put(state, r->stream.outer.noticed);
    wm_state_put(state, r->stream.inner.noticed);
    put_report(state, &r->report);
    int status = wm_state_out_status(state, err);
    return status ? status : 1;
}

/* ---- going on ---- */

/* All again up to the record, but no documents are made. */
static int read_again(struct wm_reader *r, uint64_t ordinal, struct wm_error *err)
{
    int more = wm_reader_open_row(r, err);
    if (!more)
        do
            more = wm_stream_next(&r->stream, &r->record, err);
        while (more > 0 && r->record.ordinal < ordinal);
    return more;
}

/* To the record at `ordinal`; `paused`: before it. */
static int enter_row(struct wm_reader *r, const struct wm_entry *entry, uint64_t ordinal,
                     bool paused, struct wm_error *err)
{
    const struct wm_input *row = wm_reader_row(r);
    wm_reader_begin_row(r);
    int status = wm_stream_enter(&r->stream, row->path, row->start, row->end, entry,
                                 &r->inputs->options, &r->report, err);
    r->report.record = ordinal;
    r->record = (struct wm_record){.at = entry->at, .ordinal = ordinal};
    if (!status && paused)
        return r->stream.members->at == entry->at ? WM_PAUSED : 0;
    return status ? status : wm_stream_next(&r->stream, &r->record, err);
}

static int stand(struct wm_reader *r, struct wm_state_in *state, struct wm_error *err)
{
    struct wm_entry entry;
    uint64_t n_hashed = wm_state_get(state);
    XXH128_hash_t hash = wm_state_get_hash(state);
    bool enter = wm_state_get(state) != 0;
    if (enter && !get_entry(state, &entry))
        return wm_state_mismatch(err, "it names no known format");
    bool paused = wm_state_get(state) != 0;
    uint64_t ordinal = wm_state_get(state), at = wm_state_get(state), len = wm_state_get(state);
    XXH128_hash_t body = wm_state_get_hash(state);
    int status = wm_state_in_status(state, err);
    if (!status)
        status = check_prefix(wm_reader_row(r), n_hashed, hash, err);
    if (status)
        return status;
    int more = enter ? enter_row(r, &entry, ordinal, paused, err) : read_again(r, ordinal, err);
    if (more == WM_E_NOMEM)
        return more;
    if (more <= 0 || r->record.ordinal != ordinal || r->record.at != at ||
        r->record.body.len != len || !XXH128_isEqual(XXH3_128bits(r->record.body.ptr, len), body))
        return wm_state_mismatch(err, "the next record is another one");
    r->paused = enter && paused;
    r->pending = !r->paused;
    return 0;
}

int wm_reader_load(struct wm_reader *r, struct wm_state_in *state, struct wm_error *err)
{
    uint64_t n_done = wm_state_get(state);
    if (n_done >= r->task.n)
        return wm_state_mismatch(err, "the task has fewer files");
    for (uint64_t i = 0; i < n_done; i++)
        r->hashes[i] = wm_state_get_hash(state);
    r->row = r->task.first + (uint32_t)n_done;
    r->done_bytes = wm_state_get(state);
    if (wm_reader_row(r)->is_pipe || wm_reader_row(r)->problem)
        return wm_state_mismatch(err, "the file cannot be read again");
    int status = stand(r, state, err);
    uint64_t outer = wm_state_get(state), inner = wm_state_get(state);
    if (!status)
        status = get_report(state, &r->report, err);
    if (!status && (outer > r->report.n || inner > r->report.n))
        status = wm_state_mismatch(err, "its damage is not listed");
    r->stream.outer.noticed = (size_t)outer;
    r->stream.inner.noticed = (size_t)inner;
    return status;
}
