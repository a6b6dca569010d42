/* SPDX-License-Identifier: Apache-2.0 */
/* A library to preload that logs all a process does to the files below a directory, and ends the
 * process at a chosen point of that. From the log powercut_replay.c makes what a disk could hold
 * after the power failed there.
 *
 *   POWERCUT_ROOT=DIR   the directory, absolute; made if it is not there
 *   POWERCUT_LOG=FILE   outside of it
 *   POWERCUT_AT=N       the N-th change is not made any more: SIGKILL. 0: all are.
 *   POWERCUT_COUNT=FILE gets the number of changes when the process ends by itself
 *
 * One change is made and logged at a time. Syncing is logged and not done: the disk is a model.
 * What the model does not know (a shared writable mapping of a file, copy_file_range and their
 * like, a symbolic link) ends the process with a message. */
#define _GNU_SOURCE
#undef _FORTIFY_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include "powercut_log.h"

#define REAL(type, name, ...)                \
    static type (*real_##name)(__VA_ARGS__); \
    if (!real_##name)                        \
    *(void **)(&real_##name) = dlsym(RTLD_NEXT, #name)

/* ---- opening ---- */

static int do_open(int at, const char *path, int flags, mode_t mode)
{
    REAL(int, openat, int, const char *, int, ...);
    char name[NAME_MAX + 1];
    uint64_t dir;
    if (!powercut_on())
        return real_openat(at, path, flags, mode);
    pthread_mutex_lock(&powercut_lock);
    bool ours = powercut_below(at, path, &dir, name);
    bool made = ours && (flags & O_CREAT) && !powercut_is_there(at, path);
    bool emptied = ours && (flags & O_TRUNC) && powercut_is_there(at, path);
    if (made || emptied)
        powercut_count();
    int fd = real_openat(at, path, flags, mode);
    uint64_t inode = powercut_remember(fd);
    if (inode && made)
        powercut_record((struct powercut_entry){.kind = POWERCUT_FILE, .inode = inode, .dir = dir},
                        name, NULL);
    else if (inode && emptied)
        powercut_record((struct powercut_entry){.kind = POWERCUT_RESIZE, .inode = inode}, NULL,
                        NULL);
    pthread_mutex_unlock(&powercut_lock);
    return fd;
}

static mode_t mode_of(int flags, va_list ap)
{
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(ap, mode_t) : 0;
}

#define OPEN(NAME)                                   \
    int NAME(const char *path, int flags, ...)       \
    {                                                \
        va_list ap;                                  \
        va_start(ap, flags);                         \
        mode_t mode = mode_of(flags, ap);            \
        va_end(ap);                                  \
        return do_open(AT_FDCWD, path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(NAME)                                   \
    int NAME(int at, const char *path, int flags, ...) \
    {                                                  \
        va_list ap;                                    \
        va_start(ap, flags);                           \
        mode_t mode = mode_of(flags, ap);              \
        va_end(ap);                                    \
        return do_open(at, path, flags, mode);         \
    }
OPENAT(openat)
OPENAT(openat64)

int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int at, const char *path, int flags);
int __openat64_2(int at, const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}
int __open64_2(const char *path, int flags)
{
    return do_open(AT_FDCWD, path, flags, 0);
}
int __openat_2(int at, const char *path, int flags)
{
    return do_open(at, path, flags, 0);
}
int __openat64_2(int at, const char *path, int flags)
{
    return do_open(at, path, flags, 0);
}

int creat(const char *path, mode_t mode)
{
    return do_open(AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode);
}

#define MKSTEMP(NAME, PARAMS, ARGS, TYPES)                                               \
    int NAME PARAMS                                                                      \
    {                                                                                    \
        REAL(int, NAME, TYPES);                                                          \
        char name[NAME_MAX + 1];                                                         \
        uint64_t dir;                                                                    \
        pthread_mutex_lock(&powercut_lock);                                              \
        bool ours = powercut_below(AT_FDCWD, path, &dir, name);                          \
        if (ours)                                                                        \
            powercut_count();                                                            \
        int fd = real_##NAME ARGS;                                                       \
        if (ours && powercut_remember(fd) && powercut_below(AT_FDCWD, path, &dir, name)) \
            powercut_record((struct powercut_entry){.kind = POWERCUT_FILE,               \
                                                    .inode = powercut_inode(fd),         \
                                                    .dir = dir},                         \
                            name, NULL);                                                 \
        pthread_mutex_unlock(&powercut_lock);                                            \
        return fd;                                                                       \
    }
MKSTEMP(mkstemp, (char *path), (path), char *)
MKSTEMP(mkstemp64, (char *path), (path), char *)

int close(int fd)
{
    REAL(int, close, int);
    if (!powercut_on())
        return real_close(fd);
    pthread_mutex_lock(&powercut_lock);
    powercut_forget(fd);
    int code = real_close(fd);
    pthread_mutex_unlock(&powercut_lock);
    return code;
}

/* ---- contents ---- */

static void wrote(int fd, uint64_t inode, const void *bytes, ssize_t n, off_t at)
{
    (void)fd;
    if (n > 0)
        powercut_record((struct powercut_entry){.kind = POWERCUT_WRITE,
                                                .inode = inode,
                                                .at = (uint64_t)at,
                                                .data_len = (uint64_t)n},
                        NULL, bytes);
}

static off_t write_place(int fd)
{
    struct stat st;
    if (fcntl(fd, F_GETFL) & O_APPEND)
        return fstat(fd, &st) ? 0 : st.st_size;
    return lseek(fd, 0, SEEK_CUR);
}

ssize_t write(int fd, const void *bytes, size_t len)
{
    REAL(ssize_t, write, int, const void *, size_t);
    if (!powercut_inode(fd))
        return real_write(fd, bytes, len);
    pthread_mutex_lock(&powercut_lock);
    uint64_t inode = powercut_inode(fd);
    if (inode)
        powercut_count();
    off_t at = inode ? write_place(fd) : 0;
    ssize_t n = real_write(fd, bytes, len);
    if (inode)
        wrote(fd, inode, bytes, n, at);
    pthread_mutex_unlock(&powercut_lock);
    return n;
}

#define PWRITE(NAME)                                              \
    ssize_t NAME(int fd, const void *bytes, size_t len, off_t at) \
    {                                                             \
        REAL(ssize_t, NAME, int, const void *, size_t, off_t);    \
        if (!powercut_inode(fd))                                  \
            return real_##NAME(fd, bytes, len, at);               \
        pthread_mutex_lock(&powercut_lock);                       \
        uint64_t inode = powercut_inode(fd);                      \
        if (inode)                                                \
            powercut_count();                                     \
        ssize_t n = real_##NAME(fd, bytes, len, at);              \
        if (inode)                                                \
            wrote(fd, inode, bytes, n, at);                       \
        pthread_mutex_unlock(&powercut_lock);                     \
        return n;                                                 \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

/* A vector is written piece by piece, which callers must expect of any write. */
ssize_t writev(int fd, const struct iovec *iov, int n)
{
    REAL(ssize_t, writev, int, const struct iovec *, int);
    return powercut_inode(fd) && n > 0 ? write(fd, iov[0].iov_base, iov[0].iov_len)
                                       : real_writev(fd, iov, n);
}

#define RESIZE(NAME)                                                         \
    int NAME(int fd, off_t size)                                             \
    {                                                                        \
        REAL(int, NAME, int, off_t);                                         \
        pthread_mutex_lock(&powercut_lock);                                  \
        uint64_t inode = powercut_inode(fd);                                 \
        if (inode)                                                           \
            powercut_count();                                                \
        int code = real_##NAME(fd, size);                                    \
        if (inode && !code)                                                  \
            powercut_record((struct powercut_entry){.kind = POWERCUT_RESIZE, \
                                                    .inode = inode,          \
                                                    .at = (uint64_t)size},   \
                            NULL, NULL);                                     \
        pthread_mutex_unlock(&powercut_lock);                                \
        return code;                                                         \
    }
RESIZE(ftruncate)
RESIZE(ftruncate64)

/* ---- syncing ---- */

#define SYNC(NAME, ALL)                                                                           \
    int NAME(int fd)                                                                              \
    {                                                                                             \
        REAL(int, NAME, int);                                                                     \
        pthread_mutex_lock(&powercut_lock);                                                       \
        uint64_t inode = powercut_inode(fd);                                                      \
        if (inode) {                                                                              \
            powercut_count();                                                                     \
            powercut_record(                                                                      \
                (struct powercut_entry){.kind = POWERCUT_SYNC, .inode = (ALL) ? 0 : inode}, NULL, \
                NULL);                                                                            \
        }                                                                                         \
        int code = inode ? 0 : real_##NAME(fd);                                                   \
        pthread_mutex_unlock(&powercut_lock);                                                     \
        return code;                                                                              \
    }
SYNC(fsync, false)
SYNC(fdatasync, false)
SYNC(syncfs, true)

/* ---- names ---- */

#define NAMED(KIND, CALL)                                                              \
    char name[NAME_MAX + 1];                                                           \
    uint64_t dir;                                                                      \
    struct stat st;                                                                    \
    pthread_mutex_lock(&powercut_lock);                                                \
    bool ours = powercut_below(at, path, &dir, name);                                  \
    if (ours)                                                                          \
        powercut_count();                                                              \
    int code = CALL;                                                                   \
    if (ours && !code)                                                                 \
        powercut_record(                                                               \
            (struct powercut_entry){                                                   \
                .kind = (KIND),                                                        \
                .dir = dir,                                                            \
                .inode = fstatat(at, path, &st, AT_SYMLINK_NOFOLLOW) ? 0 : st.st_ino}, \
            name, NULL);                                                               \
    pthread_mutex_unlock(&powercut_lock);                                              \
    return code

static int do_mkdir(int at, const char *path, mode_t mode)
{
    REAL(int, mkdirat, int, const char *, mode_t);
    if (powercut_on() && powercut_is_there(at, path))
        return real_mkdirat(at, path, mode); /* no change to count */
    NAMED(POWERCUT_DIR, real_mkdirat(at, path, mode));
}

static int do_unlink(int at, const char *path, int flags)
{
    REAL(int, unlinkat, int, const char *, int);
    if (powercut_on() && !powercut_is_there(at, path))
        return real_unlinkat(at, path, flags);
    NAMED(POWERCUT_REMOVE, real_unlinkat(at, path, flags));
}

int mkdir(const char *path, mode_t mode)
{
    return do_mkdir(AT_FDCWD, path, mode);
}
int mkdirat(int at, const char *path, mode_t mode)
{
    return do_mkdir(at, path, mode);
}
int unlink(const char *path)
{
    return do_unlink(AT_FDCWD, path, 0);
}
int rmdir(const char *path)
{
    return do_unlink(AT_FDCWD, path, AT_REMOVEDIR);
}
int unlinkat(int at, const char *path, int flags)
{
    return do_unlink(at, path, flags);
}

int linkat(int from_at, const char *from, int at, const char *path, int flags)
{
    REAL(int, linkat, int, const char *, int, const char *, int);
    NAMED(POWERCUT_LINK, real_linkat(from_at, from, at, path, flags));
}

int link(const char *from, const char *path)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, path, 0);
}

static int do_rename(int from_at, const char *from, int at, const char *path)
{
    REAL(int, renameat, int, const char *, int, const char *);
    char name[NAME_MAX + 1], to_name[NAME_MAX + 1];
    uint64_t dir, to_dir;
    pthread_mutex_lock(&powercut_lock);
    bool ours = powercut_below(from_at, from, &dir, name),
         into = powercut_below(at, path, &to_dir, to_name);
    if (ours != into)
        powercut_refuse("a rename into or out of the directory");
    if (ours)
        powercut_count();
    int code = real_renameat(from_at, from, at, path);
    if (ours && !code)
        powercut_record(
            (struct powercut_entry){
                .kind = POWERCUT_RENAME, .dir = dir, .to_dir = to_dir, .data_len = strlen(to_name)},
            name, to_name);
    pthread_mutex_unlock(&powercut_lock);
    return code;
}

int rename(const char *from, const char *path)
{
    return do_rename(AT_FDCWD, from, AT_FDCWD, path);
}
int renameat(int from_at, const char *from, int at, const char *path)
{
    return do_rename(from_at, from, at, path);
}

/* ---- what the model does not know ---- */

#define MMAP(NAME)                                                                 \
    void *NAME(void *where, size_t len, int prot, int flags, int fd, off_t at)     \
    {                                                                              \
        REAL(void *, NAME, void *, size_t, int, int, int, off_t);                  \
        if (fd >= 0 && (prot & PROT_WRITE) && (flags & MAP_TYPE) != MAP_PRIVATE && \
            powercut_inode(fd))                                                    \
            powercut_refuse("a shared writable mapping of a file");                \
        return real_##NAME(where, len, prot, flags, fd, at);                       \
    }
MMAP(mmap)
MMAP(mmap64)

static int refuse_on(int fd, const char *what)
{
    if (powercut_inode(fd))
        powercut_refuse(what);
    errno = ENOSYS;
    return -1;
}

ssize_t copy_file_range(int from, off64_t *a, int to, off64_t *b, size_t n, unsigned flags)
{
    (void)from, (void)a, (void)b, (void)n, (void)flags;
    return refuse_on(to, "copy_file_range");
}

ssize_t sendfile64(int to, int from, off64_t *at, size_t n)
{
    (void)from, (void)at, (void)n;
    return refuse_on(to, "sendfile");
}

int fallocate64(int fd, int mode, off64_t at, off64_t n)
{
    (void)mode, (void)at, (void)n;
    return refuse_on(fd, "fallocate");
}

int posix_fallocate64(int fd, off64_t at, off64_t n)
{
    (void)at, (void)n;
    return refuse_on(fd, "posix_fallocate") ? EOPNOTSUPP : 0;
}

int truncate64(const char *path, off64_t size)
{
    (void)size;
    (void)path;
    powercut_refuse("truncate");
    return -1;
}

int symlinkat(const char *to, int at, const char *path)
{
    (void)to, (void)at, (void)path;
    powercut_refuse("a symbolic link");
    return -1;
}
