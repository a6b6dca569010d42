/* SPDX-License-Identifier: Apache-2.0 */
/* Files that grow while others read them. */
#include <sys/stat.h>

#include "scratch.h"
#include "test.h"

static void holds(const char *path, const char *want)
{
    struct wm_buf is;
    wm_buf_init(&is, 1 << 20);
    CHECK_OK(wm_file_load(path, &is, &err), err);
    CHECK_STR(wm_buf_str(&is), wm_str_of(want));
    wm_buf_done(&is);
}

int main(void)
{
    make_top("append");
    struct wm_append *append = NULL;
    const char *path = in_top("file");
    struct stat before, after;
    CHECK_OK(wm_append_open(path, &append, &err), err);
    holds(path, "");
    CHECK_OK(wm_append_write(append, "one ", 4, &err), err);
    holds(path, "one "); /* others see it while it is open */
    CHECK_OK(wm_append_write(append, "two ", 4, &err), err);
    CHECK_OK(wm_append_write(append, "", 0, &err), err);
    CHECK_OK(wm_append_write(append, "three", 5, &err), err);
    CHECK_OK(wm_append_cut(append, &err), err);
    wm_append_close(append);
    holds(path, "one two three");

    CHECK(stat(path, &before) == 0);
    CHECK_OK(wm_append_open(path, &append, &err), err);
    holds(path, "one two three"); /* until it is written over */
    CHECK_OK(wm_append_write(append, "one ", 4, &err), err);
    holds(path, "one two three");
    CHECK_OK(wm_append_cut(append, &err), err);
    holds(path, "one ");
    CHECK_OK(wm_append_write(append, "2", 1, &err), err);
    wm_append_close(append);
    holds(path, "one 2");
    CHECK(stat(path, &after) == 0 && before.st_ino == after.st_ino);

    CHECK_FAILS(wm_append_open(in_top("."), &append, &err), WM_E_IO, err, "cannot write");
    CHECK_FAILS(wm_append_open(in_top("none/file"), &append, &err), WM_E_IO, err, "cannot write");
    CHECK(mkfifo(in_top("pipe"), 0600) == 0);
    CHECK_FAILS(wm_append_open(in_top("pipe"), &append, &err), WM_E_IO, err, "");
    CHECK_FAILS(wm_append_open("/dev/null", &append, &err), WM_E_IO, err, "no file");
    CHECK(strcmp(err.where, "/dev/null") == 0);
    wm_append_close(NULL);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
