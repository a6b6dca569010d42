/* SPDX-License-Identifier: Apache-2.0 */
/* Reading local files. */
#include "base/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct wm_file {
    int fd;
    bool seekable;
    bool waits;    /* a pipe, a terminal: reading may wait for somebody, and for ever */
    uint64_t size; /* when it was opened, if seekable */
    char *path;
};

/* Linux moves at most this much in one call; larger requests are split. */
static const size_t MOST_AT_ONCE = 1u << 30;

/* Between two looks at whether to stop. */
enum { WAIT_MS = 100 };

static _Atomic(struct wm_cancel *) heeded;

void wm_file_heed(struct wm_cancel *cancel)
{
    atomic_store(&heeded, cancel);
}

const char *wm_shown(const char *path)
{
    return strcmp(path, "-") == 0 ? "standard input" : path;
}

int wm_open(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags);
    while (fd < 0 && errno == EINTR);
    return fd;
}

int wm_open_to_read(const char *path, int *ret_fd, struct stat *ret_stat, struct wm_error *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = STDIN_FILENO;
    if (!standard) {
        /* open() itself would wait for somebody who writes into a named pipe; on other files the flag
         * could have it fail (a lease) */
        bool fifo = stat(path, ret_stat) == 0 && S_ISFIFO(ret_stat->st_mode);
        fd = wm_open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | (fifo ? O_NONBLOCK : 0));
    }
    if (fd < 0 || fstat(fd, ret_stat) != 0) {
        int status = wm_fail_errno(err, "open", wm_shown(path));
        if (fd >= 0 && !standard)
            (void)close(fd);
        return status;
    }
    if (S_ISDIR(ret_stat->st_mode)) {
        if (!standard)
            (void)close(fd);
        errno = EISDIR;
        return wm_fail_errno(err, "read", wm_shown(path));
    }
    *ret_fd = fd;
    return 0;
}

int wm_file_open(const char *path, struct wm_file **ret, struct wm_error *err)
{
    struct wm_file *file = calloc(1, sizeof *file);
    if (!file || !(file->path = strdup(path))) {
        free(file);
        return wm_fail_nomem(err, sizeof *file + strlen(path), "opening a file");
    }
    struct stat st;
    int status = wm_open_to_read(path, &file->fd, &st, err);
    if (status) {
        free(file->path);
        free(file);
        return status;
    }
    file->seekable = S_ISREG(st.st_mode) && strcmp(path, "-") != 0;
    file->waits = !S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode);
    file->size = file->seekable ? (uint64_t)st.st_size : 0;
    if (file->seekable)
        (void)posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *ret = file;
    return 0;
}

void wm_file_close(struct wm_file *file)
{
    if (!file)
        return;
    if (strcmp(file->path, "-") != 0)
        (void)close(file->fd);
    free(file->path);
    free(file);
}

/* Until there is something to read, or the end: a named pipe has none before somebody wrote into it,
 * though read() would say so. */
static int wait_for_bytes(const struct wm_file *file, struct wm_error *err)
{
    if (!file->waits)
        return 0;
    for (int n = 0; n == 0 || (n < 0 && errno == EINTR);) {
        int status = wm_cancel_check(atomic_load(&heeded), err);
        if (status)
            return status;
        n = poll(&(struct pollfd){.fd = file->fd, .events = POLLIN}, 1, WAIT_MS);
    }
    return 0; /* if poll() failed, read() says why */
}

/* May read() be called again after it failed? */
static bool is_passing(const struct wm_file *file)
{
    return errno == EINTR || (file->waits && (errno == EAGAIN || errno == EWOULDBLOCK));
}

/* read or pread until `size` bytes are there or the file ends. */
static int read_fully(const struct wm_file *file, unsigned char *dst, size_t size,
                      const uint64_t *offset, size_t *ret_len, struct wm_error *err)
{
    size_t done = 0;
    while (done < size) {
        size_t want = size - done < MOST_AT_ONCE ? size - done : MOST_AT_ONCE;
        int status = wait_for_bytes(file, err);
        if (status)
            return status;
        ssize_t n = offset ? pread(file->fd, dst + done, want, (off_t)(*offset + done))
                           : read(file->fd, dst + done, want);
        if (n == 0)
            break;
        if (n > 0)
            done += (size_t)n;
        else if (!is_passing(file))
            return wm_fail_errno(err, "read", wm_shown(file->path));
    }
    *ret_len = done;
    return 0;
}

int wm_file_read(struct wm_file *file, void *dst, size_t size, size_t *ret_len,
                 struct wm_error *err)
{
    return read_fully(file, dst, size, NULL, ret_len, err);
}

int wm_file_read_some(struct wm_file *file, void *dst, size_t size, size_t *ret_len,
                      struct wm_error *err)
{
    ssize_t n;
    do {
        int status = wait_for_bytes(file, err);
        if (status)
            return status;
        n = read(file->fd, dst, size < MOST_AT_ONCE ? size : MOST_AT_ONCE);
    } while (n < 0 && is_passing(file));
    if (n < 0)
        return wm_fail_errno(err, "read", wm_shown(file->path));
    *ret_len = (size_t)n;
    return 0;
}

static int need_seekable(const struct wm_file *file, uint64_t offset, struct wm_error *err)
{
    if (!file->seekable)
        errno = ESPIPE;
    else if (offset > INT64_MAX / 2)
        errno = EOVERFLOW;
    else
        return 0;
    return wm_fail_errno(err, "seek", wm_shown(file->path));
}

int wm_file_pread(struct wm_file *file, void *dst, size_t size, uint64_t offset, size_t *ret_len,
                  struct wm_error *err)
{
    int status = need_seekable(file, offset, err);
    return status ? status : read_fully(file, dst, size, &offset, ret_len, err);
}

int wm_file_seek(struct wm_file *file, uint64_t offset, struct wm_error *err)
{
    int status = need_seekable(file, offset, err);
    if (status)
        return status;
    if (lseek(file->fd, (off_t)offset, SEEK_SET) < 0)
        return wm_fail_errno(err, "seek", file->path);
    return 0;
}

int wm_file_check_end(const struct wm_file *file, uint64_t end, struct wm_error *err)
{
    struct stat st;
    if (end >= file->size)
        return 0;
    if (fstat(file->fd, &st) != 0)
        return wm_fail_errno(err, "look at", file->path);
    if ((uint64_t)st.st_size >= file->size)
        return 0; /* files of the system itself may say more than they hold */
    wm_fail(err, WM_E_CHANGED, "the file was cut to %llu of its %llu bytes while it was read",
            (unsigned long long)st.st_size, (unsigned long long)file->size);
    (void)wm_error_where(err, "%s", file->path);
    return wm_error_hint(err, "start again once nothing writes to it");
}

bool wm_file_seekable(const struct wm_file *file)
{
    return file->seekable;
}

const char *wm_file_path(const struct wm_file *file)
{
    return file->path;
}

int wm_stat(const char *path, struct wm_stat *ret, struct wm_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return wm_fail_errno(err, errno == ENOENT ? "open" : "look at", path);
    *ret = (struct wm_stat){
        .size = (uint64_t)st.st_size,
        .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        .ctime_ns = (int64_t)st.st_ctim.tv_sec * 1000000000 + st.st_ctim.tv_nsec,
        .device = (uint64_t)st.st_dev,
        .inode = (uint64_t)st.st_ino,
        .is_dir = S_ISDIR(st.st_mode),
        .is_regular = S_ISREG(st.st_mode),
    };
    return 0;
}

bool wm_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool wm_same_path(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int wm_is_there(const char *path, bool *ret, struct wm_error *err)
{
    struct stat st;
    *ret = stat(path, &st) == 0;
    return *ret || errno == ENOENT || errno == ENOTDIR ? 0 : wm_fail_errno(err, "look at", path);
}

/* Reads one byte more than `buf` may hold, so that a file of exactly the limit is taken. */
static int load(struct wm_file *file, struct wm_buf *buf, struct wm_error *err)
{
    const size_t start = buf->len;
    for (size_t step = 64 << 10, len;; step = step < (16 << 20) ? step * 2 : step) {
        size_t room = buf->max - buf->len;
        if (room == 0) {
            char extra;
            int status = wm_file_read(file, &extra, 1, &len, err);
            if (status || len == 0)
                return status;
            return wm_fail(err, WM_E_LIMIT, "the file is over the limit of %zu bytes", buf->max);
        }
        size_t want = step < room ? step : room;
        int status = wm_buf_reserve(buf, want, err);
        if (!status)
            status = wm_file_read(file, buf->ptr + buf->len, want, &len, err);
        if (status)
            return status;
        buf->len += len;
        if (len < want)
            return wm_file_check_end(file, buf->len - start, err);
    }
}

int wm_file_load(const char *path, struct wm_buf *buf, struct wm_error *err)
{
    struct wm_file *file;
    int status = wm_file_open(path, &file, err);
    if (status)
        return status;
    status = load(file, buf, err);
    if (status)
        wm_error_where(err, "%s", wm_shown(path));
    wm_file_close(file);
    return status;
}

void wm_file_forget(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    (void)close(fd);
}

/* Not opened: whoever writes into a pipe would lose his reader. */
static int need_regular(const char *path, struct wm_error *err)
{
    struct stat st;
    if (strcmp(path, "-") != 0 &&
        (stat(path, &st) != 0 || S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return 0; /* what else is wrong with it, opening says */
    wm_fail(err, WM_E_CONFIG, "a pipe or device: it is read more than once");
    (void)wm_error_where(err, "%s", wm_shown(path));
    return wm_error_hint(err, "write what it gives to a file, and name that");
}

int wm_file_digest(const char *path, struct wm_digest *ret, struct wm_error *err)
{
    enum { BLOCK = 256 << 10 };
    struct wm_file *file;
    int status = need_regular(path, err);
    if (!status)
        status = wm_file_open(path, &file, err);
    if (status)
        return status;
    XXH3_state_t *hash = XXH3_createState();
    unsigned char *block = malloc(BLOCK);
    if (!hash || !block) {
        status = wm_fail_nomem(err, BLOCK, "hashing a file");
        goto out;
    }
    (void)XXH3_128bits_reset(hash);
    uint64_t size = 0;
    for (size_t len = BLOCK; len == BLOCK; size += len) {
        status = wm_file_read(file, block, BLOCK, &len, err);
        if (status)
            goto out;
        (void)XXH3_128bits_update(hash, block, len);
    }
    if ((status = wm_file_check_end(file, size, err)))
        goto out;
    *ret = (struct wm_digest){size, XXH3_128bits_digest(hash)};
out:
    free(block);
    (void)XXH3_freeState(hash);
    wm_file_close(file);
    return status;
}
