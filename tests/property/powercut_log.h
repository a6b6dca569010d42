/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file powercut_log.h
 * What the interceptors of powercut.c ask. All but powercut_inode and powercut_is_there are called with
 * powercut_lock held: a change and its entry in the log are one.
 */
#ifndef WETMILL_TESTS_POWERCUT_LOG_H
#define WETMILL_TESTS_POWERCUT_LOG_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "powercut.h"

extern pthread_mutex_t powercut_lock;

/** Is anything under test? Not before the library has started, and not without its variables. */
bool powercut_on(void);
/** End the process: it did what the model of the disk does not know. */
void powercut_refuse(const char *what);
/** Before each change: the chosen one does not come to pass. */
void powercut_count(void);
/** Add to the log; `name` may be NULL, `data` has entry.data_len bytes. */
void powercut_record(struct powercut_entry entry, const char *name, const void *data);

/** Does the directory that holds `path` stand below the root (or is it)? Then its inode, and the
 *  last part of the path. */
bool powercut_below(int at, const char *path, uint64_t *ret_dir, char name[NAME_MAX + 1]);
bool powercut_is_there(int at, const char *path);
/** What a new descriptor is open on: the inode of a file or directory below the root, or 0. */
uint64_t powercut_remember(int fd);
void powercut_forget(int fd);
/** As remembered, if the descriptor still means it. */
uint64_t powercut_inode(int fd);

#endif /* WETMILL_TESTS_POWERCUT_LOG_H */
