/* SPDX-License-Identifier: Apache-2.0 */
/* What the damage allows, and what it does not. */
#include <libdeflate.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "mutated.h"

enum {
    MAP_STEP = 64,
    HELD = 64 << 10, /* of a single member, what damage costs before itself */
    WHOLE = 8 << 20, /* up to which a member is held back until its end */
};

struct check {
    const struct mutation *m;
    const struct reading *r;
    char *why;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static bool wrong(const struct check *c, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(c->why, c->size, fmt, args);
    va_end(args);
    return false;
}

/* ---- what the archives hold ---- */

static bool same_text(XXH128_hash_t a, XXH128_hash_t b)
{
    return a.low64 == b.low64 && a.high64 == b.high64;
}

static bool holds_name(const struct archive *a, uint64_t name, const XXH128_hash_t *text)
{
    size_t low = 0, high = a->n_sorted;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (a->sorted[middle].name < name)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < a->n_sorted && a->sorted[low].name == name; low++)
        if (!text || same_text(a->sorted[low].text, *text))
            return true;
    return false;
}

static bool holds_text(const struct archive *a, XXH128_hash_t text)
{
    for (size_t i = 0; i < a->n_sorted; i++)
        if (same_text(a->sorted[i].text, text))
            return true;
    return false;
}

/* In the archive or in one of the donors. */
static bool is_known(const struct check *c, uint64_t name, const XXH128_hash_t *text)
{
    bool known = holds_name(c->m->base, name, text);
    for (size_t i = 0; !known && i < c->m->n_donors; i++)
        known = holds_name(c->m->donors[i], name, text);
    return known;
}

static bool is_known_text(const struct check *c, XXH128_hash_t text)
{
    bool known = holds_text(c->m->base, text);
    for (size_t i = 0; !known && i < c->m->n_donors; i++)
        known = holds_text(c->m->donors[i], text);
    return known;
}

/* The document that was read at a place. */
static const struct seen *read_at(const struct check *c, uint64_t member, uint64_t offset)
{
    size_t low = 0, high = c->r->n;
    while (low < high) { /* documents come in the order of the file */
        size_t middle = low + (high - low) / 2;
        const struct seen *d = &c->r->docs[middle];
        if (d->member < member || (d->member == member && d->offset < offset))
            low = middle + 1;
        else
            high = middle;
    }
    const struct seen *d = &c->r->docs[low];
    return low < c->r->n && d->member == member && d->offset == offset ? d : NULL;
}

/* ---- what must be there ---- */

static bool check_found(const struct check *c, const struct original *o, const struct seen *d)
{
    if (!d)
        return wrong(c, "the document of bytes %ju to %ju is lost", (uintmax_t)o->start,
                     (uintmax_t)o->end);
    if (d->name != o->doc.name || !same_text(d->text, o->doc.text))
        return wrong(c, "the document of bytes %ju to %ju is not the same", (uintmax_t)o->start,
                     (uintmax_t)o->end);
    return true;
}

/* All records whose bytes stand in the piece, but for the first behind damage. */
static bool check_piece(const struct check *c, const struct piece *p, uint64_t at)
{
    const struct archive *a = c->m->base;
    uint64_t spared = 0, to = p->from + p->len;
    bool first = at > 0 || p->from > 0;
    for (size_t i = 0; i < a->n; i++) {
        const struct original *o = &a->originals[i];
        if (o->start < p->from || o->end > to)
            continue;
        if (first)
            spared = o->end;
        first = false;
        if (o->end == spared)
            continue;
        uint64_t start = at + (o->start - p->from);
        bool plain = a->layout == LAYOUT_PLAIN;
        if (!check_found(c, o, read_at(c, plain ? 0 : start, plain ? start : o->doc.offset)))
            return false;
    }
    return true;
}

static bool check_pieces(const struct check *c)
{
    uint64_t at = 0;
    for (size_t i = 0; i < c->m->n; at += c->m->pieces[i++].len)
        if (c->m->pieces[i].donor == c->m->base && !check_piece(c, &c->m->pieces[i], at))
            return false;
    return true;
}

/* Uncompressed bytes before the damage. */
static uint64_t sound_until(const struct mutation *m)
{
    const struct piece *p = &m->pieces[0];
    if (m->n == 0 || p->donor != m->base || p->from != 0)
        return 0;
    return m->base
        ->out_at[(p->len < m->base->bytes.len ? p->len : m->base->bytes.len - 1) / MAP_STEP];
}

static bool check_single(const struct check *c)
{
    const struct archive *a = c->m->base;
    uint64_t sound = sound_until(c->m);
    for (size_t i = 0; i < a->n && a->originals[i].to + HELD <= sound; i++)
        if (!check_found(c, &a->originals[i], read_at(c, 0, a->originals[i].doc.offset)))
            return false;
    return true;
}

/* ---- what must not be there ---- */

/* Where the header of the record (or the line) that starts at `at` ends in the mutated file. */
static uint64_t header_end(const struct mutation *m, uint64_t at)
{
    struct wm_str rest = {m->bytes.ptr + at, m->bytes.len - (size_t)at};
    const char *end =
        m->base->warc ? find_words(rest, "\r\n\r\n") : memchr(rest.ptr, '\n', rest.len);
    return end ? at + (uint64_t)(end - rest.ptr) + (m->base->warc ? 4 : 1) : m->bytes.len;
}

/* Bytes of the mutated file that are one stretch of an archive. */
static bool is_whole(const struct mutation *m, uint64_t from, uint64_t to)
{
    uint64_t at = 0;
    for (size_t i = 0; i < m->n; at += m->pieces[i++].len)
        if (from >= at && to <= at + m->pieces[i].len)
            return m->pieces[i].donor != NULL;
    return false;
}

/* Plain bytes have no checksum: what the damage lies in may be altered. Whose header is whole must
 * be named as a record was, and a line that is whole must be a line. */
static bool check_plain_doc(const struct check *c, const struct seen *d)
{
    uint64_t end = header_end(c->m, d->offset);
    if (!is_whole(c->m, d->offset, end))
        return true;
    return is_known(c, d->name, c->m->base->warc ? NULL : &d->text) ||
           wrong(c, "the document at byte %ju was never written", (uintmax_t)d->offset);
}

/* Does it stand where all is as it was? */
static bool is_sound(const struct check *c, const struct seen *d)
{
    uint64_t until = 0, sound = sound_until(c->m);
    for (size_t i = 0; i < c->m->base->n && c->m->base->originals[i].to <= sound; i++)
        until = c->m->base->originals[i].to;
    return d->offset < until;
}

/* In a member too large to hold back, digests count from the first one that is right; in a smaller
 * one, whose first record lost its digest to the damage, from the first one there is. */
static bool is_before_trust(const struct check *c, const struct seen *d)
{
    const struct archive *a = c->m->base;
    bool held = a->n == 0 || a->originals[a->n - 1].to <= WHOLE;
    if (held && is_known(c, d->name, NULL))
        return false;
    for (const struct seen *e = c->r->docs; e < d; e++)
        if (is_known(c, e->name, &e->text))
            return false;
    return true;
}

static bool check_doc(const struct check *c, const struct seen *d)
{
    const struct archive *a = c->m->base;
    if (a->layout == LAYOUT_PLAIN)
        return check_plain_doc(c, d);
    if (is_known(c, d->name, &d->text))
        return true;
    /* Behind damage within a member, an altered header (or line) cannot be told; a text can be,
     * where records have digests. */
    if (a->layout == LAYOUT_SINGLE && !is_sound(c, d) &&
        (!a->digests_hold || is_known_text(c, d->text) || is_before_trust(c, d)))
        return true;
    return wrong(c, "the document at %ju + %ju was never written", (uintmax_t)d->member,
                 (uintmax_t)d->offset);
}

static bool check_docs(const struct check *c)
{
    for (size_t i = 0; i < c->r->n; i++)
        if (!check_doc(c, &c->r->docs[i]))
            return false;
    return true;
}

/* ---- the accounts ---- */

static bool check_accounts(const struct check *c)
{
    const struct wm_read_tally *t = &c->r->tally;
    uint64_t told = t->documents;
    for (int i = 0; i < WM_READ_REASONS; i++)
        told += t->reasons[i];
    if (t->bytes != t->bytes_in_records + t->bytes_skipped)
        return wrong(c, "%ju bytes, but %ju in records and %ju skipped", (uintmax_t)t->bytes,
                     (uintmax_t)t->bytes_in_records, (uintmax_t)t->bytes_skipped);
    if (t->records != told || t->documents != c->r->n)
        return wrong(c, "%ju records, but %ju are accounted for", (uintmax_t)t->records,
                     (uintmax_t)told);
    if (t->bytes_compressed != c->m->bytes.len)
        return wrong(c, "%ju bytes of %zu were read", (uintmax_t)t->bytes_compressed,
                     c->m->bytes.len);
    bool lost = t->bytes_skipped || t->bytes_damaged || t->reasons[WM_READ_TRUNCATED] ||
                t->reasons[WM_READ_BAD_HEADER] || t->reasons[WM_READ_DAMAGED];
    if (lost && !t->n_damage)
        return wrong(c, "something is lost, and nobody is told");
    return true;
}

/* Bytes that are no member that decodes, found the slow way. */
static uint64_t damaged_gzip(struct wm_str s)
{
    static char out[8 << 20];
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    uint64_t lost = 0;
    bool behind = false;
    if (!d)
        give_up("no memory");
    for (size_t at = 0; at < s.len;) {
        size_t in = 0, n = 0;
        bool zeros = s.ptr[at] == 0 && !behind; /* padding, unless behind damage */
        const char *magic = memchr(s.ptr + at, 0x1f, s.len - at);
        size_t gap = (magic ? (size_t)(magic - s.ptr) : s.len) - at;
        if (gap && !zeros) {
            lost += gap;
            at += gap;
            behind = true;
        } else if (gap) {
            at++;
        } else if (libdeflate_gzip_decompress_ex(d, s.ptr + at, s.len - at, out, sizeof out, &in,
                                                 &n) == LIBDEFLATE_SUCCESS) {
            at += in;
            behind = false;
        } else {
            lost++;
            at++;
            behind = true;
        }
    }
    libdeflate_free_decompressor(d);
    return lost;
}

/* Bytes of the skippable frame that starts here, 0 if none does: its length must lead to a frame, or
 * to the end. */
static size_t skippable_size(struct wm_str s)
{
    const unsigned char *b = (const unsigned char *)s.ptr;
    if (s.len < 8 || (b[0] & 0xF0) != 0x50 || memcmp(b + 1, "\x2A\x4D\x18", 3) != 0)
        return 0;
    size_t size = 8 + ((size_t)b[4] | (size_t)b[5] << 8 | (size_t)b[6] << 16 | (size_t)b[7] << 24);
    if (size > s.len || (size < s.len && size + 4 > s.len))
        return 0;
    b += size;
    bool frame = size < s.len && memcmp(b, "\x28\xB5\x2F\xFD", 4) == 0;
    bool other = size < s.len && (b[0] & 0xF0) == 0x50 && memcmp(b + 1, "\x2A\x4D\x18", 3) == 0;
    return size == s.len || frame || other ? size : 0;
}

/* Behind damage only a frame that decodes ends it. */
static uint64_t damaged_zstd(struct wm_str s)
{
    static char out[8 << 20];
    uint64_t lost = 0;
    bool behind = false;
    for (size_t at = 0; at < s.len;) {
        struct wm_str rest = {s.ptr + at, s.len - at};
        size_t skipped = behind ? 0 : skippable_size(rest);
        if (skipped) {
            at += skipped;
            continue;
        }
        const char *magic = memchr(rest.ptr, 0x28, rest.len);
        size_t gap = magic ? (size_t)(magic - rest.ptr) : rest.len;
        lost += gap;
        at += gap;
        if (at == s.len)
            break;
        size_t size = ZSTD_findFrameCompressedSize(s.ptr + at, s.len - at);
        behind =
            ZSTD_isError(size) || ZSTD_isError(ZSTD_decompress(out, sizeof out, s.ptr + at, size));
        at += behind ? 1 : size;
        lost += behind;
    }
    return lost;
}

static bool check_damaged(const struct check *c)
{
    const struct archive *a = c->m->base;
    struct wm_str s = wm_buf_str(&c->m->bytes);
    uint64_t got = c->r->tally.bytes_damaged, want = 0;
    if (a->layout == LAYOUT_EACH)
        want = wm_str_ends(wm_str_of(a->name), WM_STR(".gz")) ? damaged_gzip(s) : damaged_zstd(s);
    else if (a->layout == LAYOUT_SINGLE)
        return true;
    if (got != want)
        return wrong(c, "%ju bytes are said to be damaged, %ju are", (uintmax_t)got,
                     (uintmax_t)want);
    return true;
}

/* Formats go by the first bytes: with others, it is another kind of file. */
static int kind_of(struct wm_str s)
{
    static const char *const heads[] = {"\x1f\x8b\x08", "\x28\xb5\x2f\xfd",
                                        "\xfd\x37zXZ",  "{",
                                        "filedesc:",    "WARC/",
                                        "\xef\xbb\xbf"};
    while (s.len && strchr(" \t\r\n", s.ptr[0]) && s.ptr[0])
        s.ptr++, s.len--;
    for (int i = 0; i < (int)(sizeof heads / sizeof *heads); i++)
        if (wm_str_starts(s, wm_str_of(heads[i])))
            return i + 1;
    bool skippable =
        s.len >= 4 && (s.ptr[0] & 0xF0) == 0x50 && memcmp(s.ptr + 1, "\x2A\x4D\x18", 3) == 0;
    return skippable ? 2 : 0;
}

/* A name does not make text a packed file: someone may have unpacked it and kept the name. Nor are a
 * few bytes one. */
static bool is_text(struct wm_str s)
{
    enum { MEMBER_LEAST = 18 };
    if (s.len < MEMBER_LEAST)
        return true;
    size_t i = 0, head = s.len < 64 ? s.len : 64;
    while (i < head && ((unsigned char)s.ptr[i] >= ' ' || s.ptr[i] == '\n'))
        i++;
    return i == head;
}

/* What the file holds is told by the first bytes that can be read: they may be another archive's. */
static bool may_start_otherwise(const struct mutation *m)
{
    const struct piece *p = &m->pieces[0];
    bool whole =
        p->donor == m->base && p->from == 0 && m->base->n && p->len >= m->base->originals[0].end;
    return m->n_donors && !whole;
}

bool expect_all(const struct mutation *m, const struct reading *r, bool strict, char *why,
                size_t size)
{
    struct check c = {m, r, why, size};
    int kind = kind_of(wm_buf_str(&m->bytes));
    if (m->bytes.len == 0 || !check_accounts(&c))
        return m->bytes.len == 0;
    if (!strict || m->base->layout == LAYOUT_ANY || may_start_otherwise(m))
        return true;
    if (kind && kind != kind_of(wm_buf_str(&m->base->bytes)))
        return true;
    if (!kind && m->base->layout != LAYOUT_PLAIN && is_text(wm_buf_str(&m->bytes)))
        return true;
    bool found = m->base->layout == LAYOUT_SINGLE ? check_single(&c) : check_pieces(&c);
    return found && check_docs(&c) && check_damaged(&c);
}
