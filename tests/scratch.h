/* SPDX-License-Identifier: Apache-2.0 */
/* A directory for a test's files, below the working directory. */
#ifndef WETMILL_TESTS_SCRATCH_H
#define WETMILL_TESTS_SCRATCH_H

#include <unistd.h>

#include "test.h"
#include "wetmill/file.h"

static struct wm_error err;
static char top[64];

/** top/name; eight such paths are valid at a time. */
static inline const char *in_top(const char *name)
{
    static char paths[8][WM_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 8];
    (void)snprintf(path, WM_PATH_MAX, "%s/%s", top, name);
    return path;
}

static inline void make_top(const char *name)
{
    (void)snprintf(top, sizeof top, "%s.XXXXXX", name);
    if (!mkdtemp(top))
        exit(1);
}

#endif /* WETMILL_TESTS_SCRATCH_H */
