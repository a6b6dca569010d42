/* SPDX-License-Identifier: Apache-2.0 */
/* Files that grow while others read them. */
#include "base/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct wm_append {
    int fd;
    char *path;
    uint64_t size;
};

void wm_append_close(struct wm_append *append)
{
    if (!append)
        return;
    if (append->fd >= 0)
        (void)close(append->fd);
    free(append->path);
    free(append);
}

static int open_it(struct wm_append *append, struct wm_error *err)
{
    struct stat st;
    do {
        append->fd =
            open(append->path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0666);
    } while (append->fd < 0 && errno == EINTR);
    if (append->fd < 0 || fstat(append->fd, &st) != 0)
        return wm_fail_errno(err, "write", append->path);
    if (S_ISREG(st.st_mode))
        return 0;
    (void)wm_fail(err, WM_E_IO, "this is no file");
    return wm_error_where(err, "%s", append->path);
}

int wm_append_open(const char *path, struct wm_append **ret, struct wm_error *err)
{
    struct wm_append *append = calloc(1, sizeof *append);
    if (!append)
        return wm_fail_nomem(err, sizeof *append, "writing a file");
    append->fd = -1;
    append->path = strdup(path);
    int status =
        append->path ? open_it(append, err) : wm_fail_nomem(err, strlen(path), "file name");
    if (status)
        wm_append_close(append);
    else
        *ret = append;
    return status;
}

int wm_append_write(struct wm_append *append, const void *bytes, size_t len, struct wm_error *err)
{
    static const size_t most = 1u << 30;
    const unsigned char *at = bytes;
    for (size_t done = 0; done < len;) {
        const size_t want = len - done < most ? len - done : most;
        const ssize_t n = write(append->fd, at + done, want);
        if (n >= 0)
            done += (size_t)n;
        else if (errno != EINTR)
            return wm_fail_errno(err, "write", append->path);
    }
    append->size += len;
    return 0;
}

int wm_append_cut(struct wm_append *append, struct wm_error *err)
{
    int cut;
    do {
        cut = ftruncate(append->fd, (off_t)append->size);
    } while (cut != 0 && errno == EINTR);
    return cut ? wm_fail_errno(err, "write", append->path) : 0;
}
