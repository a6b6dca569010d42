/* SPDX-License-Identifier: Apache-2.0 */
/* xz through libarchive, once the dictionary it asks for is known to be small enough. There is no
 * way on behind damage. Places are counted from the start of the file. */
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/members.h"

enum { SEE = 4096, STREAM_HEADER = 12, LZMA2 = 0x21, DICTIONARY_CODE = 40 };

struct wm_xz {
    struct archive *archive;
    size_t lent; /* bytes of the source that libarchive is looking at */
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

static la_ssize_t lend(struct archive *archive, void *context, const void **ret)
{
    struct wm_members *m = context;
    (void)archive;
    wm_source_skip(m->source, m->xz->lent);
    m->xz->lent = wm_source_see(m->source, 1);
    *ret = wm_source_bytes(m->source);
    return (la_ssize_t)m->xz->lent;
}

/* A number in 7-bit groups, least first (xz file format, 1.2). */
static bool read_vli(const unsigned char **at, const unsigned char *end, uint64_t *ret)
{
    *ret = 0;
    for (unsigned shift = 0; shift < 63 && *at < end; shift += 7) {
        unsigned char byte = *(*at)++;
        *ret |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return true;
    }
    return false;
}

/* Dictionary of the first block in bytes (xz file format, 3.1 and 5.3.1); 0 if it cannot be told. */
static uint64_t dictionary_size(const unsigned char *bytes, size_t len)
{
    if (len < STREAM_HEADER + 2 || bytes[STREAM_HEADER] == 0)
        return 0;
    const unsigned char *at = bytes + STREAM_HEADER;
    const unsigned char *end = at + ((size_t)at[0] + 1) * 4;
    unsigned flags = at[1];
    uint64_t ignored, id, props;
    if (end > bytes + len)
        return 0;
    at += 2;
    if (((flags & 0x40) && !read_vli(&at, end, &ignored)) ||
        ((flags & 0x80) && !read_vli(&at, end, &ignored)))
        return 0;
    for (unsigned i = 0; i <= (flags & 3); i++) {
        if (!read_vli(&at, end, &id) || !read_vli(&at, end, &props) || props > (uint64_t)(end - at))
            return 0;
        if (id == LZMA2 && props == 1 && at[0] <= DICTIONARY_CODE)
            return (uint64_t)(2 | (at[0] & 1)) << (at[0] / 2 + 11);
        at += props;
    }
    return 0;
}

static int fault(struct wm_members *m, struct wm_error *err)
{
    if (archive_errno(m->xz->archive) == ENOMEM)
        return wm_fail_nomem(err, 0, "xz");
    const char *why = archive_error_string(m->xz->archive);
    /* the second is how liblzma says that its input ran out */
    bool is_short = why && (strstr(why, "truncated") || strstr(why, "No progress"));
    size_t held = m->ready - m->len;
    if (is_short)
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
    uint64_t dictionary =
        dictionary_size(wm_source_bytes(m->source), wm_source_see(m->source, SEE));
    if (dictionary > WM_XZ_DICTIONARY) {
        wm_report_damage(m->report, m->file->at,
                         "the xz data need a dictionary of %llu MiB, over the limit of %d MiB; "
                         "skipped",
                         (unsigned long long)(dictionary >> 20), WM_XZ_DICTIONARY >> 20);
        m->ended = m->broken = true;
        return 0;
    }
    struct archive *archive = m->xz->archive = archive_read_new();
    if (!archive || archive_read_support_filter_xz(archive) < ARCHIVE_WARN ||
        archive_read_support_format_raw(archive) < ARCHIVE_WARN ||
        archive_read_support_format_empty(archive) < ARCHIVE_WARN)
        return wm_fail_nomem(err, 64 << 10, "xz");
    /* ours: libarchive does not look whether it got the one of its own */
    struct archive_entry *entry = archive_entry_new();
    if (!entry)
        return wm_fail_nomem(err, 0, "xz");
    int r = archive_read_open2(archive, m, NULL, lend, NULL, NULL);
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

const struct wm_codec_ops wm_codec_xz = {xz_start, xz_pull, xz_done};
