/* SPDX-License-Identifier: Apache-2.0 */
/* tar through libarchive, which is given bytes that are decompressed already. */
#include "pipeline/members_tar.h"

#include <archive_entry.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 512, CHECKSUM_AT = 148, CHECKSUM_LEN = 8 };

/* The sum of the header's bytes, its own field counted as spaces, as octal digits (POSIX ustar). */
bool wm_tar_detect(struct wm_str head)
{
    if (head.len < BLOCK || head.ptr[0] == '\0')
        return false;
    unsigned long sum = 0, said = 0;
    for (size_t i = 0; i < BLOCK; i++)
        sum += i - CHECKSUM_AT < CHECKSUM_LEN ? ' ' : (unsigned char)head.ptr[i];
    size_t i = CHECKSUM_AT, digits = 0;
    while (i < CHECKSUM_AT + CHECKSUM_LEN && head.ptr[i] == ' ')
        i++;
    for (; i < CHECKSUM_AT + CHECKSUM_LEN && head.ptr[i] >= '0' && head.ptr[i] <= '7'; i++) {
        said = said * 8 + (unsigned long)(head.ptr[i] - '0');
        digits++;
    }
    return digits > 0 && said == sum;
}

static la_ssize_t lend(struct archive *archive, void *context, const void **ret)
{
    struct wm_tar *tar = context;
    (void)archive;
    wm_members_skip(tar->outer, tar->lent);
    tar->lent = 0;
    if (wm_members_need(tar->outer, 1, &tar->failure))
        return -1;
    struct wm_str seen = wm_members_seen(tar->outer);
    tar->lent = seen.len;
    *ret = seen.ptr;
    return (la_ssize_t)seen.len;
}

/* Memory ended, here or in libarchive: no damage. */
static int fail_nomem(const struct wm_tar *tar, struct wm_error *err)
{
    if (tar->failure.status)
        *err = tar->failure;
    else if (archive_errno(tar->archive) == ENOMEM)
        (void)wm_fail_nomem(err, 0, "tar");
    else
        return 0;
    return err->status;
}

int wm_tar_open(struct wm_tar *tar, struct wm_members *outer, struct wm_error *err)
{
    wm_tar_close(tar);
    tar->outer = outer;
    tar->archive = archive_read_new();
    tar->entry = archive_entry_new(); /* libarchive does not look whether it got its own */
    if (!tar->archive || !tar->entry ||
        archive_read_support_format_tar(tar->archive) < ARCHIVE_WARN)
        return wm_fail_nomem(err, 64 << 10, "tar");
    tar->failure = (struct wm_error){0};
    /* not archive_read_open2: that does not look whether there was room for `tar` */
    if (archive_read_set_read_callback(tar->archive, lend) >= ARCHIVE_WARN &&
        archive_read_set_callback_data(tar->archive, tar) >= ARCHIVE_WARN &&
        archive_read_open1(tar->archive) >= ARCHIVE_WARN)
        return 0;
    int status = fail_nomem(tar, err);
    if (!status)
        wm_report_damage(outer->report, outer->file->at, "the tar cannot be read");
    return status;
}

/* Names are bytes to us. libarchive turns those of pax headers into the locale's encoding, which
 * fails in the C locale; as UTF-8 they are there in any. */
static const char *name_of(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname_utf8(entry);
    return name ? name : archive_entry_pathname(entry);
}

static bool is_wanted(struct archive_entry *entry, const char *name)
{
    if (!name || archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
        return false;
    const char *slash = strrchr(name, '/');
    return (slash ? slash[1] : name[0]) != '.';
}

int wm_tar_next(struct wm_tar *tar, struct wm_error *err)
{
    free(tar->name);
    tar->name = NULL;
    for (;;) {
        struct archive_entry *entry = tar->entry;
        int r = archive_read_next_header2(tar->archive, entry);
        if (r == ARCHIVE_EOF)
            return 0;
        if (r == ARCHIVE_RETRY)
            continue;
        if (r < ARCHIVE_WARN) {
            int status = fail_nomem(tar, err);
            if (status)
                return status;
            wm_report_damage(tar->outer->report, tar->outer->file->at,
                             "damaged tar; the rest is skipped");
            return 0;
        }
        errno = 0;
        const char *name = name_of(entry);
        if (!name && errno == ENOMEM)
            return wm_fail_nomem(err, 0, "name in a tar");
        if (!is_wanted(entry, name))
            continue;
        tar->name = strdup(name);
        return tar->name ? 1 : wm_fail_nomem(err, strlen(name) + 1, "name in a tar");
    }
}

int wm_tar_read(void *context, void *dst, size_t size, size_t *ret_len, struct wm_error *err)
{
    struct wm_tar *tar = context;
    *ret_len = 0;
    while (*ret_len < size) {
        la_ssize_t n = archive_read_data(tar->archive, (char *)dst + *ret_len, size - *ret_len);
        if (n == ARCHIVE_RETRY)
            continue;
        if (n < 0 && fail_nomem(tar, err))
            return err->status;
        if (n < 0)
            return wm_fail(err, WM_E_FORMAT, "the tar ends inside this file, or is damaged");
        if (n == 0)
            break;
        *ret_len += (size_t)n;
    }
    return 0;
}

void wm_tar_close(struct wm_tar *tar)
{
    if (tar->archive)
        (void)archive_read_free(tar->archive);
    archive_entry_free(tar->entry);
    free(tar->name);
    *tar = (struct wm_tar){0};
}
