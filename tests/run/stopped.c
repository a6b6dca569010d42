/* SPDX-License-Identifier: Apache-2.0 */
/* The program for test_run_kept_damage.sh: it kills itself right behind a given rename, the one that
 * puts a kept file in its place, so that what an interrupted run has kept is known to the file. Tasks
 * are saved after little input (tests/property/small_points.c). (--wrap; in the environment WM_STOP,
 * the end of a path, and WM_STOP_AT, which of such renames: 1.) */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wetmill/str.h"

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);

int __wrap_rename(const char *from, const char *to)
{
    static unsigned n;
    const char *stop = getenv("WM_STOP"), *at = getenv("WM_STOP_AT");
    int status = __real_rename(from, to);
    if (!status && stop && wm_str_ends(wm_str_of(to), wm_str_of(stop)) &&
        ++n == (at ? strtoul(at, NULL, 10) : 1))
        (void)raise(SIGKILL);
    return status;
}
