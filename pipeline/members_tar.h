/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file members_tar.h
 * The files in a tar, one after the other, as sources. Links, directories and hidden files are
 * passed over. A tar that is damaged is read up to there. One thread.
 */
#ifndef WETMILL_PIPELINE_MEMBERS_TAR_H
#define WETMILL_PIPELINE_MEMBERS_TAR_H

#include <archive.h>

#include "pipeline/members.h"

struct wm_tar {
    struct archive *archive;
    struct archive_entry *entry; /**< Of the present file. */
    struct wm_members *outer; /**< The tar's own bytes, decompressed. */
    size_t lent;              /**< Of them, what libarchive is looking at. */
    char *name;               /**< Of the present file, as stored. */
    struct wm_error failure;  /**< Of reading the outer bytes, which libarchive does not pass on. */
};

/** True if `head` (at least 512 bytes) starts with a tar header whose checksum agrees. */
bool wm_tar_detect(struct wm_str head);

/** WM_E_NOMEM, or 0; what is wrong with the tar is reported. */
int wm_tar_open(struct wm_tar *tar, struct wm_members *outer, struct wm_error *err);
/** Go to the next file: 1 and tar->name, 0 at the end, < 0 WM_E_NOMEM. */
int wm_tar_next(struct wm_tar *tar, struct wm_error *err);
/** A wm_source_read of the present file; the context is the wm_tar. */
int wm_tar_read(void *context, void *dst, size_t size, size_t *ret_len, struct wm_error *err);
void wm_tar_close(struct wm_tar *tar); /**< Safe on a zeroed one. */

#endif /* WETMILL_PIPELINE_MEMBERS_TAR_H */
