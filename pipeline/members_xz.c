/* SPDX-License-Identifier: Apache-2.0 */
/* xz through libarchive, which is given a block only once the dictionary it asks for is known to be
 * small enough. There is no way on behind damage. Places are counted from the start of the file. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/members.h"
#include "pipeline/xz_walk.h"

struct wm_xz {
    struct archive *archive;
    struct wm_xz_walk walk;
    size_t lent;    /* bytes of the source, from source->pos on, that libarchive has a pointer to */
    uint64_t given; /* bytes that it has got so far, those that are lent included */
    struct wm_error refused; /* no memory is left for a dictionary */
};

static void close_archive(struct wm_members *m)
{
    if (m->xz && m->xz->archive)
        (void)archive_read_free(m->xz->archive);
    if (m->xz)
        *m->xz = (struct wm_xz){0};
}

static void xz_done(struct wm_members *m)
{
    close_archive(m);
    free(m->xz);
    m->xz = NULL;
}

/* The source goes along with what the decoder has taken of the piece that is lent: much can come out
 * of a piece, and how much may is judged by what went in. The bytes stay where they are. */
static void follow(struct wm_members *m)
{
    struct wm_xz *xz = m->xz;
    la_int64_t taken = archive_filter_bytes(xz->archive, -1);
    uint64_t passed = xz->given - xz->lent;
    if (taken < 0 || (uint64_t)taken <= passed)
        return;
    size_t n = (uint64_t)taken - passed < xz->lent ? (size_t)((uint64_t)taken - passed) : xz->lent;
    wm_source_skip(m->source, n);
    xz->lent -= n;
}

static la_ssize_t lend(struct archive *archive, void *context, const void **ret)
{
    struct wm_members *m = context;
    (void)archive;
    wm_source_skip(m->source, m->xz->lent);
    m->xz->lent = 0;
    *ret = wm_source_bytes(m->source);
    if (m->xz->walk.dictionary)
        return 0;
    size_t seen = wm_source_see(m->source, 1);
    *ret = wm_source_bytes(m->source);
    size_t n = wm_xz_pass(&m->xz->walk, *ret, seen, WM_XZ_DICTIONARY);
    if (wm_members_window(m, m->xz->walk.largest, "an xz block", &m->xz->refused))
        return -1;
    m->xz->lent = n;
    m->xz->given += m->xz->lent;
    return (la_ssize_t)m->xz->lent;
}

static int fault(struct wm_members *m, struct wm_error *err)
{
    if (m->xz->refused.status) {
        *err = m->xz->refused;
        return err->status;
    }
    if (archive_errno(m->xz->archive) == ENOMEM)
        return wm_fail_nomem(err, 0, "xz");
    const char *why = archive_error_string(m->xz->archive);
    /* the second is how liblzma says that its input ran out */
    bool is_short = why && (strstr(why, "truncated") || strstr(why, "No progress"));
    size_t held = m->ready - m->len;
    if (m->xz->walk.dictionary)
        wm_report_damage(m->report, m->file->at,
                         "the xz data need a dictionary of %llu MiB, over the limit of %d MiB; "
                         "the rest is skipped",
                         (unsigned long long)(m->xz->walk.dictionary >> 20),
                         WM_XZ_DICTIONARY >> 20);
    else if (is_short)
        wm_report_damage(m->report, m->file->at, "the file ends inside xz data");
    else
        wm_report_damage(m->report, m->file->at, "damaged xz data; the rest is skipped");
    m->len = is_short ? m->ready : m->len;
    m->ready = m->len;
    m->wasted += held;
    m->ended = m->broken = true;
    return 0;
}

static int xz_start(struct wm_members *m, struct wm_error *err)
{
    if (!m->xz)
        m->xz = calloc(1, sizeof *m->xz);
    if (!m->xz)
        return wm_fail_nomem(err, sizeof *m->xz, "xz");
    close_archive(m);
    m->doubt = 0; /* its checksum comes at the end, which is not waited for */
    m->large = true;
    struct archive *archive = m->xz->archive = archive_read_new();
    if (!archive || archive_read_support_filter_xz(archive) < ARCHIVE_WARN ||
        archive_read_support_format_raw(archive) < ARCHIVE_WARN ||
        archive_read_support_format_empty(archive) < ARCHIVE_WARN)
        return wm_fail_nomem(err, 64 << 10, "xz");
    /* ours: libarchive does not look whether it got the one of its own */
    struct archive_entry *entry = archive_entry_new();
    if (!entry)
        return wm_fail_nomem(err, 0, "xz");
    /* not archive_read_open2: that does not look whether there was room for `m` */
    int r = archive_read_set_read_callback(archive, lend);
    if (r >= ARCHIVE_WARN)
        r = archive_read_set_callback_data(archive, m);
    if (r >= ARCHIVE_WARN)
        r = archive_read_open1(archive);
    if (r >= ARCHIVE_WARN)
        r = archive_read_next_header2(archive, entry);
    archive_entry_free(entry);
    if (r == ARCHIVE_EOF)
        m->ended = true;
    else if (r < ARCHIVE_WARN)
        return fault(m, err);
    return 0;
}

static int xz_pull(struct wm_members *m, struct wm_error *err)
{
    /* not archive_read_data: that forgets what it has when it meets the damage */
    const void *block = NULL;
    size_t n = 0;
    la_int64_t ignored;
    int r = archive_read_data_block(m->xz->archive, &block, &n, &ignored);
    follow(m);
    if (r < ARCHIVE_WARN)
        return fault(m, err);
    int status = wm_members_room(m, n, err);
    if (status)
        return status;
    if (n > 0)
        memcpy(m->window + m->ready, block, n);
    m->ready += n;
    m->decoded += n;
    if (r == ARCHIVE_EOF) {
        m->len = m->ready;
        m->ended = true;
        wm_source_skip(m->source, m->xz->lent);
        m->xz->lent = 0;
    } else if (m->ready - m->len > WM_MEMBER_HELD) {
        m->len = m->ready - WM_MEMBER_HELD;
    }
    return 0;
}

const struct wm_codec_ops wm_codec_xz = {.start = xz_start, .pull = xz_pull, .done = xz_done};
