/* SPDX-License-Identifier: Apache-2.0 */
/* The log of powercut.c, what of the process is below the directory under test, and the cut. */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include "powercut_log.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FDS = 4096, DEPTH = 32 };

pthread_mutex_t powercut_lock = PTHREAD_MUTEX_INITIALIZER;
static char root[PATH_MAX], count_path[PATH_MAX];
static dev_t device;
static int log_fd = -1;
static unsigned long n_changes, cut_at;
static ino_t open_inode[FDS]; /* of what is open below the root; 0: something else */

void powercut_refuse(const char *what)
{
    dprintf(STDERR_FILENO, "powercut: cannot model %s\n", what);
    kill(getpid(), SIGABRT);
    _exit(99);
}

bool powercut_on(void)
{
    return log_fd >= 0;
}

/* ---- the log ---- */

static void put(const void *bytes, size_t len)
{
    for (size_t done = 0; done < len;) {
        long n = syscall(SYS_write, log_fd, (const char *)bytes + done, len - done);
        if (n < 0 && errno != EINTR)
            powercut_refuse("anything: the log cannot be written");
        done += n > 0 ? (size_t)n : 0;
    }
}

void powercut_record(struct powercut_entry entry, const char *name, const void *data)
{
    int code = errno;
    entry.magic = POWERCUT_MAGIC;
    entry.name_len = name ? strlen(name) : 0;
    put(&entry, sizeof entry);
    put(name, entry.name_len);
    put(data, entry.data_len);
    errno = code;
}

/* Before a change, with the lock held. */
void powercut_count(void)
{
    if (++n_changes == cut_at) {
        kill(getpid(), SIGKILL);
        for (;;)
            pause();
    }
}

/* ---- what there is at the start ---- */

static void record_file(int at, const char *name, uint64_t dir, const struct stat *st)
{
    int fd = (int)syscall(SYS_openat, at, name, O_RDONLY | O_CLOEXEC);
    char *bytes = malloc((size_t)st->st_size + 1);
    if (fd < 0 || !bytes)
        powercut_refuse("what is there at the start");
    ssize_t n = 0, got = 0;
    while (got < st->st_size && (n = read(fd, bytes + got, (size_t)(st->st_size - got))) > 0)
        got += n;
    syscall(SYS_close, fd);
    powercut_record(
        (struct powercut_entry){
            .kind = POWERCUT_IS_FILE, .inode = st->st_ino, .dir = dir, .data_len = (uint64_t)got},
        name, bytes);
    free(bytes);
}

static void record_tree(int at, const char *name, uint64_t dir, int depth)
{
    int fd = (int)syscall(SYS_openat, at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    if (!d || depth == DEPTH)
        powercut_refuse("what is there at the start");
    for (struct dirent *e; (e = readdir(d));) {
        struct stat st;
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW))
            powercut_refuse("what is there at the start");
        if (S_ISREG(st.st_mode)) {
            record_file(fd, e->d_name, dir, &st);
        } else if (S_ISDIR(st.st_mode)) {
            powercut_record(
                (struct powercut_entry){.kind = POWERCUT_IS_DIR, .inode = st.st_ino, .dir = dir},
                e->d_name, NULL);
            record_tree(fd, e->d_name, st.st_ino, depth + 1);
        }
    }
    closedir(d);
}

__attribute__((constructor)) static void start(void)
{
    const char *dir = getenv("POWERCUT_ROOT"), *log = getenv("POWERCUT_LOG");
    const char *at = getenv("POWERCUT_AT"), *counted = getenv("POWERCUT_COUNT");
    struct stat st;
    if (!dir || !log)
        return;
    syscall(SYS_mkdir, dir, 0777);
    if (!realpath(dir, root) || stat(root, &st))
        powercut_refuse("a directory that cannot be made");
    int fd = (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    log_fd = fd < 0 ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 1000); /* out of the way of other numbers */
    if (fd >= 0 && log_fd < 0)
        log_fd = fd; /* under a low limit of descriptors */
    else
        syscall(SYS_close, fd);
    if (log_fd < 0)
        powercut_refuse("anything: the log cannot be made");
    device = st.st_dev;
    cut_at = at ? strtoul(at, NULL, 10) : 0;
    if (counted)
        snprintf(count_path, sizeof count_path, "%s", counted);
    unsetenv("LD_PRELOAD"); /* what the process starts is not under test */
    powercut_record((struct powercut_entry){.kind = POWERCUT_ROOT, .inode = st.st_ino}, NULL, NULL);
    record_tree(AT_FDCWD, root, st.st_ino, 0);
}

__attribute__((destructor)) static void end(void)
{
    char text[32];
    int len = snprintf(text, sizeof text, "%lu\n", n_changes);
    if (log_fd < 0 || !*count_path)
        return;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, count_path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    (void)!syscall(SYS_write, fd, text, (size_t)len);
}

/* ---- places ---- */

/* Is `path` a name below the root (or the root)? Then its directory's inode and its last part. */
bool powercut_below(int at, const char *path, uint64_t *ret_dir, char name[NAME_MAX + 1])
{
    char parent[PATH_MAX], real[PATH_MAX];
    size_t len = path ? strlen(path) : 0;
    struct stat st;
    int code = errno;
    while (len > 1 && path[len - 1] == '/')
        len--;
    if (log_fd < 0 || !len || len >= sizeof parent - 64)
        return false;
    if (path[0] != '/' && at != AT_FDCWD) {
        snprintf(real, sizeof real, "/proc/self/fd/%d", at);
        ssize_t n = readlink(real, parent, sizeof parent - 1);
        if (n < 0 || (size_t)n + len + 2 > sizeof parent)
            return false;
        snprintf(parent + n, sizeof parent - (size_t)n, "/%.*s", (int)len, path);
    } else {
        snprintf(parent, sizeof parent, "%s%.*s", path[0] == '/' ? "" : "./", (int)len, path);
    }
    char *slash = strrchr(parent, '/');
    if (strlen(slash + 1) > NAME_MAX)
        return false;
    snprintf(name, NAME_MAX + 1, "%s", slash + 1);
    slash[slash == parent] = '\0';
    bool known = realpath(parent, real) && !stat(real, &st);
    errno = code;
    size_t n = strlen(root);
    if (!known || strncmp(real, root, n) != 0 || (real[n] && real[n] != '/'))
        return false;
    *ret_dir = st.st_ino;
    return true;
}

bool powercut_is_there(int at, const char *path)
{
    struct stat st;
    int code = errno;
    bool there = fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
    errno = code;
    return there;
}

/* Remember what a new descriptor means: regular files and directories below the root. */
uint64_t powercut_remember(int fd)
{
    struct stat st;
    char link[64], path[PATH_MAX];
    int code = errno;
    size_t n = strlen(root);
    if (fd < 0 || fd >= FDS)
        return 0;
    open_inode[fd] = 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    path[len > 0 ? len : 0] = '\0';
    if (!fstat(fd, &st) && st.st_dev == device && (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)) &&
        strncmp(path, root, n) == 0 && (!path[n] || path[n] == '/'))
        open_inode[fd] = st.st_ino;
    errno = code;
    return open_inode[fd];
}

/* 0: not below the root. A number may have been closed and used again behind our back. */
uint64_t powercut_inode(int fd)
{
    struct stat st;
    int code = errno;
    bool known = log_fd >= 0 && fd >= 0 && fd < FDS && open_inode[fd] && !fstat(fd, &st) &&
                 st.st_dev == device && st.st_ino == open_inode[fd];
    errno = code;
    return known ? open_inode[fd] : 0;
}

void powercut_forget(int fd)
{
    if (fd >= 0 && fd < FDS)
        open_inode[fd] = 0;
}
