/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A library for LD_PRELOAD that makes one call of a program fail: an allocation, or one to the
 * system. A call is known by its function and the hash of its call stack, so every way the program
 * gets to it is a place of its own. What it does stands in the environment:
 *
 *   WM_FAULT_RECORD=FILE   write the places that were passed:  FUNCTION HASH HITS FRAME…
 *   WM_FAULT=FUNCTION:HASH:N:ACTION  the N-th hit (from 1) of a place fails. ACTION is the number
 *                          of an errno, or "short" (read or write 1 byte), "shrink" or "vanish"
 *                          (the call works, but the file it is about is cut to half, or removed)
 *   WM_FAULT_FRAME=FRAME   the innermost frame of that place, as it was recorded: other calls then
 *                          cost next to nothing
 *   WM_FAULT_MODE=short:N  every read and write moves a random part of what it is asked for
 *   WM_FAULT_MODE=eintr:N  every third read, write or open is interrupted first
 *   WM_FAULT_MODE=disk:N   the disk is full after N bytes
 *   WM_FAULT_REPORT=FILE   write "fired", "harmed PATH" for a file that was cut or removed, and what
 *                          was allocated and not freed at the end: live SITE COUNT BYTES FRAME FRAME,
 *                          and as site 1 threads not joined
 *
 * Memory is filled when it is allocated and when it is freed, so that use of either shows.
 *
 * The program must be built with -fno-omit-frame-pointer (see stack.h).
 */
#define _GNU_SOURCE /* NOLINT(*-reserved-identifier,cert-dcl*) */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "live.h"

enum { PLACES = 1 << 15 };
enum { SHORT = -1, SHRINK = -2, VANISH = -3 };
enum { FILL = 4096 /* most bytes of a block that are filled */ };

#define KINDS(X)                                                                                   \
    X(malloc) X(calloc) X(realloc) X(aligned_alloc) X(posix_memalign) X(open) X(openat) X(fopen)   \
    X(opendir) X(fdopendir) X(readdir) X(mkstemp) X(mkdtemp) X(read) X(pread) X(write) X(pwrite)   \
    X(fsync) X(close) X(rename) X(link) X(unlink) X(unlinkat) X(rmdir) X(mkdir) X(stat) X(fstat)   \
    X(fstatat) X(statvfs) X(lseek) X(ftruncate) X(utimensat) X(realpath) X(readlink) X(getcwd)     \
    X(mmap) X(madvise) X(posix_fadvise) X(posix_fallocate) X(pthread_create)                       \
    X(pthread_mutex_init) X(pthread_cond_init) X(fflush)

#define X(name) K_##name,
enum kind { KINDS(X) N_KINDS };
#undef X
#define X(name) #name,
static const char *const kind_names[] = {KINDS(X)};
#undef X

/* glibc's own names: nothing to look up, so allocation works before anything else does */
extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

static struct place {
    uint64_t hash; /* 0: free */
    enum kind kind;
    unsigned hits, n_frames;
    uintptr_t frames[FRAMES];
} *places;
static atomic_flag place_lock = ATOMIC_FLAG_INIT;

static const char *record_path, *report_path;
static enum kind target_kind = N_KINDS;
static uint64_t target_hash;
static uintptr_t target_frame; /* 0: any */
static unsigned target_hit;
static int target_action;
static atomic_uint target_hits, calls;
static enum { NORMAL, PARTS, INTERRUPTED, FULL_DISK } mode;
static uint64_t mode_number;
static atomic_ullong on_disk;

/* ---- what becomes of a call ---- */

static void note_place(enum kind kind, uint64_t hash, const uintptr_t *frames, unsigned n)
{
    lock(&place_lock);
    for (size_t i = hash % PLACES, tried = 0; tried < PLACES; i = (i + 1) % PLACES, tried++) {
        struct place *p = &places[i];
        if (!p->hash) {
            p->hash = hash;
            p->kind = kind;
            p->n_frames = n;
            memcpy(p->frames, frames, n * sizeof *frames);
        }
        if (p->hash == hash) {
            p->hits++;
            break;
        }
    }
    unlock(&place_lock);
}

/* Before stacks are walked: can it be the target at all? */
static bool may_fail(enum kind kind, const uintptr_t *fp)
{
    return kind == target_kind && (!target_frame || fp[1] == target_frame) &&
           atomic_load_explicit(&target_hits, memory_order_relaxed) < target_hit;
}

/* 0: let it pass; else an errno or SHORT, SHRINK, VANISH. */
static int judge(enum kind kind, const uintptr_t *fp)
{
    if (!ready || inside || (!places && !may_fail(kind, fp)))
        return 0;
    uintptr_t frames[FRAMES];
    int action = 0;
    inside = true;
    const int before = errno;
    const unsigned n = stack_of(fp, frames);
    const uint64_t hash = hash_stack(kind, frames, n);
    if (hash && places)
        note_place(kind, hash, frames, n);
    if (hash && kind == target_kind && hash == target_hash &&
        atomic_fetch_add(&target_hits, 1) + 1 == target_hit) {
        action = target_action;
        if (report_path)
            raw_write(report_path, "fired\n", 6);
    }
    errno = before;
    inside = false;
    return action;
}
#define JUDGE(kind) judge(K_##kind, __builtin_frame_address(0))

static void *next(const char *name)
{
    const bool before = inside;
    inside = true;
    void *found = dlsym(RTLD_NEXT, name);
    inside = before;
    return found;
}
#define NEXT(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
    real = (__typeof__(&name))next(#name)

/* The file behind a path or descriptor is cut or removed. */
static void harm(int action, int fd, const char *path)
{
    char link_name[64], name[4096];
    struct stat st;
    if (fd >= 0) {
        (void)snprintf(link_name, sizeof link_name, "/proc/self/fd/%d", fd);
        const long n = syscall(SYS_readlink, link_name, name, sizeof name - 1);
        if (n <= 0)
            return;
        name[n] = '\0';
        path = name;
    }
    if (!path || (!strstr(path, "/in/") && !strstr(path, "/base/")))
        return; /* what the program itself has written is nobody else's to change */
    if (syscall(SYS_newfstatat, AT_FDCWD, path, &st, 0) || !S_ISREG(st.st_mode))
        return;
    const long failed = action == SHRINK ? syscall(SYS_truncate, path, st.st_size / 2)
                                         : syscall(SYS_unlink, path);
    if (failed || !report_path)
        return;
    char line[4200];
    const int len = snprintf(line, sizeof line, "harmed %s\n", path);
    raw_write(report_path, line, (size_t)len);
}

static void fill(void *ptr, size_t from, size_t size, int byte)
{
    if (target_kind != N_KINDS && ptr && from < size)
        memset((char *)ptr + from, byte, size - from < FILL ? size - from : FILL);
}

/* ---- allocation ---- */

#define HERE ((const uintptr_t *)__builtin_frame_address(0))

void *malloc(size_t size)
{
    const int code = JUDGE(malloc);
    if (code) {
        errno = code;
        return NULL;
    }
    void *ptr = __libc_malloc(size);
    fill(ptr, 0, size, 0xCD);
    keep(ptr, size, HERE);
    return ptr;
}

void *calloc(size_t n, size_t size)
{
    const int code = JUDGE(calloc);
    if (code) {
        errno = code;
        return NULL;
    }
    void *ptr = __libc_calloc(n, size);
    keep(ptr, n * size, HERE);
    return ptr;
}

void *realloc(void *old, size_t size)
{
    const int code = JUDGE(realloc);
    if (code) {
        errno = code;
        return NULL;
    }
    const size_t before = old ? malloc_usable_size(old) : 0;
    forget(old);
    void *ptr = __libc_realloc(old, size);
    if (ptr)
        fill(ptr, before, size, 0xCD);
    keep(ptr ? ptr : size ? old : NULL, size, HERE);
    return ptr;
}

void *aligned_alloc(size_t alignment, size_t size)
{
    const int code = JUDGE(aligned_alloc);
    if (code) {
        errno = code;
        return NULL;
    }
    void *ptr = __libc_memalign(alignment, size);
    fill(ptr, 0, size, 0xCD);
    keep(ptr, size, HERE);
    return ptr;
}

int posix_memalign(void **ret, size_t alignment, size_t size)
{
    const int code = JUDGE(posix_memalign);
    if (code)
        return code;
    void *ptr = __libc_memalign(alignment, size);
    if (!ptr)
        return ENOMEM;
    fill(ptr, 0, size, 0xCD);
    keep(ptr, size, HERE);
    *ret = ptr;
    return 0;
}

void free(void *ptr)
{
    const int before = errno;
    forget(ptr);
    if (ptr)
        fill(ptr, 0, malloc_usable_size(ptr), 0xDD);
    __libc_free(ptr);
    errno = before;
}

/* ---- files ---- */

#define FAILS(kind, result)                                                                        \
    const int code = JUDGE(kind);                                                                  \
    if (code > 0) {                                                                                \
        errno = code;                                                                              \
        return result;                                                                             \
    }

/* The next call of a program that is interrupted now and then. */
static bool interrupted(void)
{
    if (mode != INTERRUPTED || !ready || atomic_fetch_add(&calls, 1) % 3)
        return false;
    errno = EINTR;
    return true;
}

static size_t part_of(size_t size)
{
    if (mode != PARTS || size < 2)
        return size;
    const size_t part = size < 4096 ? size : 1 + mix(mode_number, size) % size;
    return 1 + mix(mode_number, atomic_fetch_add(&calls, 1)) % part;
}

static mode_t mode_argument(int flags, va_list ap)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, mode_t) : 0;
}

#define OPEN(name)                                                                                 \
    int name(const char *path, int flags, ...)                                                     \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        const mode_t rights = mode_argument(flags, ap);                                            \
        va_end(ap);                                                                                \
        FAILS(open, -1)                                                                            \
        if (interrupted())                                                                         \
            return -1;                                                                             \
        const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, rights);                    \
        if (code < 0)                                                                              \
            harm(code, fd, path);                                                                  \
        return fd;                                                                                 \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                               \
    int name(int dir, const char *path, int flags, ...)                                            \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, flags);                                                                       \
        const mode_t rights = mode_argument(flags, ap);                                            \
        va_end(ap);                                                                                \
        FAILS(openat, -1)                                                                          \
        return (int)syscall(SYS_openat, dir, path, flags, rights);                                 \
    }
OPENAT(openat)
OPENAT(openat64)

static ssize_t some(const long call, int fd, const void *bytes, size_t size, long offset, int code)
{
    if (interrupted())
        return -1;
    size = code == SHORT && size ? 1 : part_of(size);
    const ssize_t n = syscall(call, fd, bytes, size, offset);
    if (code < SHORT)
        harm(code, fd, NULL);
    return n;
}

/* How much of a write a full disk still takes; 0: none. */
static size_t disk_takes(int fd, size_t size)
{
    struct stat st;
    if (mode != FULL_DISK || syscall(SYS_fstat, fd, &st) || !S_ISREG(st.st_mode) || !size)
        return size;
    const uint64_t before = atomic_fetch_add(&on_disk, size);
    if (before >= mode_number)
        return 0;
    return mode_number - before < size ? mode_number - before : size;
}

ssize_t read(int fd, void *bytes, size_t size)
{
    FAILS(read, -1)
    return some(SYS_read, fd, bytes, size, 0, code);
}

#define PREAD(name, offset_type)                                                                   \
    ssize_t name(int fd, void *bytes, size_t size, offset_type offset)                             \
    {                                                                                              \
        FAILS(pread, -1)                                                                           \
        return some(SYS_pread64, fd, bytes, size, offset, code);                                   \
    }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

ssize_t write(int fd, const void *bytes, size_t size)
{
    FAILS(write, -1)
    const size_t takes = disk_takes(fd, size);
    if (takes || !size)
        return some(SYS_write, fd, bytes, takes, 0, code);
    errno = ENOSPC;
    return -1;
}

#define PWRITE(name, offset_type)                                                                  \
    ssize_t name(int fd, const void *bytes, size_t size, offset_type offset)                       \
    {                                                                                              \
        FAILS(pwrite, -1)                                                                          \
        return some(SYS_pwrite64, fd, bytes, size, offset, code);                                  \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

#define MAP(name, offset_type)                                                                     \
    void *name(void *at, size_t size, int protection, int flags, int fd, offset_type offset)       \
    {                                                                                              \
        FAILS(mmap, MAP_FAILED)                                                                    \
        void *got = (void *)syscall(SYS_mmap, at, size, protection, flags, fd, offset);            \
        if (code < 0)                                                                              \
            harm(code, fd, NULL);                                                                  \
        return got;                                                                                \
    }
MAP(mmap, off_t)
MAP(mmap64, off64_t)

/* The descriptor is closed all the same. */
int close(int fd)
{
    const int code = JUDGE(close);
    const int result = (int)syscall(SYS_close, fd);
    if (code > 0) {
        errno = code;
        return -1;
    }
    return result;
}

/* Functions that return `failed` and set errno, and pass their arguments on. */
#define SIMPLE(kind, name, type, failed, parameters, arguments)                                    \
    type name parameters                                                                           \
    {                                                                                              \
        NEXT(name);                                                                                \
        FAILS(kind, failed)                                                                        \
        return real arguments;                                                                     \
    }
SIMPLE(fopen, fopen, FILE *, NULL, (const char *path, const char *how), (path, how))
SIMPLE(fopen, fopen64, FILE *, NULL, (const char *path, const char *how), (path, how))
SIMPLE(opendir, opendir, DIR *, NULL, (const char *path), (path))
SIMPLE(fdopendir, fdopendir, DIR *, NULL, (int fd), (fd))
SIMPLE(readdir, readdir, struct dirent *, NULL, (DIR * dir), (dir))
SIMPLE(readdir, readdir64, struct dirent64 *, NULL, (DIR * dir), (dir))
SIMPLE(mkstemp, mkstemp, int, -1, (char *name), (name))
SIMPLE(mkstemp, mkstemp64, int, -1, (char *name), (name))
SIMPLE(mkdtemp, mkdtemp, char *, NULL, (char *name), (name))
SIMPLE(fsync, fsync, int, -1, (int fd), (fd))
SIMPLE(rename, rename, int, -1, (const char *from, const char *to), (from, to))
SIMPLE(link, link, int, -1, (const char *from, const char *to), (from, to))
SIMPLE(unlink, unlink, int, -1, (const char *path), (path))
SIMPLE(unlinkat, unlinkat, int, -1, (int dir, const char *path, int flags), (dir, path, flags))
SIMPLE(rmdir, rmdir, int, -1, (const char *path), (path))
SIMPLE(mkdir, mkdir, int, -1, (const char *path, mode_t rights), (path, rights))
SIMPLE(stat, stat, int, -1, (const char *restrict path, struct stat *restrict st), (path, st))
SIMPLE(stat, stat64, int, -1, (const char *restrict path, struct stat64 *restrict st), (path, st))
SIMPLE(fstat, fstat, int, -1, (int fd, struct stat *st), (fd, st))
SIMPLE(fstat, fstat64, int, -1, (int fd, struct stat64 *st), (fd, st))
SIMPLE(fstatat, fstatat, int, -1,
       (int dir, const char *restrict path, struct stat *restrict st, int flags),
       (dir, path, st, flags))
SIMPLE(fstatat, fstatat64, int, -1,
       (int dir, const char *restrict path, struct stat64 *restrict st, int flags),
       (dir, path, st, flags))
SIMPLE(statvfs, statvfs, int, -1, (const char *restrict path, struct statvfs *restrict fs),
       (path, fs))
SIMPLE(lseek, lseek, off_t, -1, (int fd, off_t to, int whence), (fd, to, whence))
SIMPLE(lseek, lseek64, off64_t, -1, (int fd, off64_t to, int whence), (fd, to, whence))
SIMPLE(ftruncate, ftruncate, int, -1, (int fd, off_t size), (fd, size))
SIMPLE(utimensat, utimensat, int, -1,
       (int dir, const char *path, const struct timespec times[2], int flags),
       (dir, path, times, flags))
SIMPLE(realpath, realpath, char *, NULL, (const char *restrict path, char *restrict to), (path, to))
SIMPLE(readlink, readlink, ssize_t, -1,
       (const char *restrict path, char *restrict to, size_t size), (path, to, size))
SIMPLE(getcwd, getcwd, char *, NULL, (char *to, size_t size), (to, size))
SIMPLE(madvise, madvise, int, -1, (void *at, size_t size, int advice), (at, size, advice))
SIMPLE(fflush, fflush, int, EOF, (FILE * to), (to))
/* These return the number of the error. */
SIMPLE(posix_fadvise, posix_fadvise, int, code, (int fd, off_t at, off_t len, int advice),
       (fd, at, len, advice))
SIMPLE(posix_fadvise, posix_fadvise64, int, code, (int fd, off64_t at, off64_t len, int advice),
       (fd, at, len, advice))
SIMPLE(posix_fallocate, posix_fallocate, int, code, (int fd, off_t at, off_t len), (fd, at, len))
SIMPLE(pthread_mutex_init, pthread_mutex_init, int, code,
       (pthread_mutex_t * mutex, const pthread_mutexattr_t *attr), (mutex, attr))
SIMPLE(pthread_cond_init, pthread_cond_init, int, code,
       (pthread_cond_t *restrict cond, const pthread_condattr_t *restrict attr), (cond, attr))

/* ---- threads ---- */

/* The program's own, not those of libraries, are to be joined. */
static void count_thread(int code, const void *caller, int change)
{
    if (!code && in_program((uintptr_t)caller))
        atomic_fetch_add(&n_threads, change);
}

int pthread_create(pthread_t *restrict ret, const pthread_attr_t *restrict attr,
                   void *(*body)(void *), void *restrict arg)
{
    NEXT(pthread_create);
    const int failed = JUDGE(pthread_create);
    const int code = failed ? failed : real(ret, attr, body, arg);
    count_thread(code, __builtin_return_address(0), 1);
    return code;
}

int pthread_join(pthread_t thread, void **ret)
{
    NEXT(pthread_join);
    const int code = real(thread, ret);
    count_thread(code, __builtin_return_address(0), -1);
    return code;
}

/* ---- beginning and end ---- */

static void read_target(const char *text)
{
    char name[32], action[32];
    unsigned long long hash;
    if (sscanf(text, "%31[a-z_]:%llx:%u:%31s", name, &hash, &target_hit, action) != 4)
        return;
    for (unsigned k = 0; k < N_KINDS; k++)
        if (strcmp(name, kind_names[k]) == 0)
            target_kind = (enum kind)k;
    target_hash = hash;
    target_action = strcmp(action, "short") == 0    ? SHORT
                    : strcmp(action, "shrink") == 0 ? SHRINK
                    : strcmp(action, "vanish") == 0 ? VANISH
                                                    : atoi(action);
}

/* LIBRARY+ADDRESS, without LIBRARY in the program itself. */
static void read_frame(const char *text)
{
    const char *plus = strrchr(text, '+');
    for (size_t i = 0; plus && i < n_modules; i++)
        if (strlen(modules[i].name) == (size_t)(plus - text) &&
            strncmp(modules[i].name, text, (size_t)(plus - text)) == 0)
            target_frame = modules[i].base + strtoul(plus + 1, NULL, 16);
}

static void read_mode(const char *text)
{
    char name[16];
    unsigned long long number;
    if (sscanf(text, "%15[a-z]:%llu", name, &number) != 2)
        return;
    mode_number = number;
    mode = strcmp(name, "short") == 0   ? PARTS
           : strcmp(name, "eintr") == 0 ? INTERRUPTED
           : strcmp(name, "disk") == 0  ? FULL_DISK
                                        : NORMAL;
}

__attribute__((constructor)) static void begin(void)
{
    void *frames[4];
    inside = true;
    (void)backtrace(frames, 4); /* loads what it needs */
    (void)dl_iterate_phdr(add_module, NULL);
    record_path = getenv("WM_FAULT_RECORD");
    report_path = getenv("WM_FAULT_REPORT");
    if (getenv("WM_FAULT"))
        read_target(getenv("WM_FAULT"));
    if (getenv("WM_FAULT_FRAME"))
        read_frame(getenv("WM_FAULT_FRAME"));
    if (getenv("WM_FAULT_MODE"))
        read_mode(getenv("WM_FAULT_MODE"));
    bool whole = live_open();
    if (record_path)
        whole &= (places = pages(PLACES * sizeof *places)) != NULL;
    inside = false;
    ready = whole;
}

static void write_places(void)
{
    char line[FRAMES * 96];
    for (size_t i = 0; i < PLACES; i++) {
        const struct place *p = &places[i];
        if (!p->hash)
            continue;
        size_t len = (size_t)snprintf(line, sizeof line, "%s %016llx %u", kind_names[p->kind],
                                      (unsigned long long)p->hash, p->hits);
        for (unsigned k = 0; k < p->n_frames; k++)
            len += print_frame(line + len, sizeof line - len, p->frames[k]);
        len = len < sizeof line ? len : sizeof line - 1;
        line[len] = '\n';
        raw_write(record_path, line, len + 1);
    }
}

__attribute__((destructor)) static void end(void)
{
    if (!ready)
        return;
    inside = true;
    if (places)
        write_places();
    if (report_path)
        live_write(report_path);
}
