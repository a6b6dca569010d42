/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file powercut.h
 * The log that powercut.c writes and powercut_replay.c reads: an entry a change to the directory
 * under test, in the order in which they happened, each followed by its name and its data. Files
 * and directories are known by their inode number; one that is made anew gets a fresh meaning.
 */
#ifndef WETMILL_TESTS_POWERCUT_H
#define WETMILL_TESTS_POWERCUT_H

#include <stdint.h>

#define POWERCUT_MAGIC 0x3174756372776f70u

enum powercut_kind {
    POWERCUT_ROOT = 1, /* inode: the directory under test */
    POWERCUT_IS_FILE,  /* there before the start, on the disk: dir, name, inode, data */
    POWERCUT_IS_DIR,   /* dir, name, inode */
    POWERCUT_FILE,     /* created: dir, name, inode */
    POWERCUT_DIR,
    POWERCUT_LINK,   /* another name: dir, name, inode */
    POWERCUT_REMOVE, /* dir, name */
    POWERCUT_RENAME, /* dir, name to to_dir, data */
    POWERCUT_WRITE,  /* inode, at, data */
    POWERCUT_RESIZE, /* inode, at = size */
    POWERCUT_SYNC,   /* inode of a file or directory; 0 = all */
};

struct powercut_entry {
    uint64_t magic, kind, inode, dir, to_dir, at, name_len, data_len;
};

#endif /* WETMILL_TESTS_POWERCUT_H */
