/* SPDX-License-Identifier: Apache-2.0 */
/** @file file_fuzz.h  For readers that take a path: the bytes stand in a file while they run. */
#ifndef WETMILL_TEST_FILE_FUZZ_H
#define WETMILL_TEST_FILE_FUZZ_H

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wetmill/file.h"

static inline void fuzz_check(bool ok)
{
    if (!ok)
        abort();
}

/** A directory of this process: in memory where there is such a place, for what is tested waits for
 *  the disk; else below the working directory. */
static inline const char *fuzz_dir(const char *name)
{
    static char dir[64];
    if (!dir[0])
        (void)snprintf(dir, sizeof dir, "%swetmill-fuzz-%s.%ld",
                       access("/dev/shm", W_OK) == 0 ? "/dev/shm/" : "", name, (long)getpid());
    fuzz_check(mkdir(dir, 0700) == 0);
    return dir;
}

/** DIR/NAME in `out`. */
static inline void fuzz_path(char out[WM_PATH_MAX], const char *dir, const char *name)
{
    struct wm_error err;
    fuzz_check(wm_path_join(out, dir, name, &err) == 0);
}

/** Write without waiting for the disk, which would take most of the time. */
static inline void fuzz_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    fuzz_check(file && (!size || fwrite(bytes, 1, size, file) == size) && !fclose(file));
}

static inline void fuzz_remove(const char *dir)
{
    struct wm_error err;
    fuzz_check(wm_remove_tree(dir, &err) == 0);
}

#endif /* WETMILL_TEST_FILE_FUZZ_H */
