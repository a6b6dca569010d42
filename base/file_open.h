/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file file_open.h
 * What reading and mapping files share.
 */
#ifndef WETMILL_BASE_FILE_OPEN_H
#define WETMILL_BASE_FILE_OPEN_H

#include <sys/stat.h>

#include "wetmill/file.h"

/** A descriptor for reading ("-": standard input, which is not to be closed). WM_E_NOMEM where memory
 *  or descriptors ran out: that says nothing about the file. */
int wm_open_to_read(const char *path, int *ret_fd, struct stat *ret_stat, struct wm_error *err);

/** open(), again if it was interrupted. */
int wm_open(const char *path, int flags);

/** The path as people know it. */
const char *wm_shown(const char *path);

#endif /* WETMILL_BASE_FILE_OPEN_H */
