/* SPDX-License-Identifier: Apache-2.0 */
/* Mapping files. All maps stand in one list of tables, where the handler of SIGBUS finds them: pages
 * that others cut from a file are replaced by zeros, and nothing is committed from then on. A table
 * is linked in when it is whole and stays for good, so that the handler needs no lock. */
#define _GNU_SOURCE /* MAP_ANONYMOUS; NOLINT(*-reserved-identifier,cert-dcl*) */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file_open.h"

enum { SLOTS = 1024 };

struct slot {
    atomic_uintptr_t start; /* 0: free */
    atomic_size_t len;
    atomic_bool cut;
    dev_t device;
    ino_t inode;
    char *path;
};

struct table {
    struct slot slots[SLOTS];
    _Atomic(struct table *) next;
};

static struct table first;
static pthread_mutex_t lock =
    PTHREAD_MUTEX_INITIALIZER; /* who changes or reads more than numbers */
static atomic_bool any_cut;
static char cut_path[1024]; /* of a map that is closed; with the lock */
static atomic_size_t page;
static struct sigaction before;

/* ---- the guard ---- */

/* The map that holds the byte `at`, or NULL. */
static struct slot *find(uintptr_t at)
{
    for (struct table *t = &first; t; t = atomic_load(&t->next))
        for (size_t i = 0; i < SLOTS; i++) {
            const uintptr_t start = atomic_load(&t->slots[i].start);
            if (start && at >= start && at - start < atomic_load(&t->slots[i].len))
                return &t->slots[i];
        }
    return NULL;
}

static bool mend(uintptr_t at)
{
    const size_t size = atomic_load(&page);
    struct slot *map = find(at);
    if (!map)
        return false;
    void *zeros = mmap((void *)(at - at % size), size, PROT_READ,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    if (zeros == MAP_FAILED)
        return false;
    atomic_store(&map->cut, true);
    atomic_store(&any_cut, true);
    return true;
}

static void on_bus_error(int number, siginfo_t *info, void *context)
{
    const int code = errno;
    if (!mend((uintptr_t)info->si_addr)) {
        if (before.sa_flags & SA_SIGINFO)
            before.sa_sigaction(number, info, context);
        else if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN)
            before.sa_handler(number);
        else
            (void)signal(number, SIG_DFL); /* the access comes again, and ends the process */
    }
    errno = code;
}

void wm_map_guard(void)
{
    struct sigaction action = {.sa_flags = SA_SIGINFO | SA_ONSTACK};
    action.sa_sigaction = on_bus_error;
    (void)sigemptyset(&action.sa_mask);
    const long size = sysconf(_SC_PAGESIZE);
    atomic_store(&page, size > 0 ? (size_t)size : 4096);
    (void)sigaction(SIGBUS, &action, &before);
}

/* With the lock. Within its last page a file that was cut gives zeros without a signal. */
static void look_at(struct slot *map)
{
    struct stat st;
    if (stat(map->path, &st) == 0 && st.st_dev == map->device && st.st_ino == map->inode &&
        (uint64_t)st.st_size < atomic_load(&map->len)) {
        atomic_store(&map->cut, true);
        atomic_store(&any_cut, true);
    }
    if (atomic_load(&map->cut) && !*cut_path)
        (void)snprintf(cut_path, sizeof cut_path, "%s", map->path);
}

int wm_map_check(struct wm_error *err)
{
    int status = 0;
    (void)pthread_mutex_lock(&lock);
    for (struct table *t = &first; t; t = atomic_load(&t->next))
        for (size_t i = 0; i < SLOTS; i++)
            if (atomic_load(&t->slots[i].start))
                look_at(&t->slots[i]);
    if (atomic_load(&any_cut)) {
        (void)wm_fail(err, WM_E_CHANGED, "the file was cut short while it was read");
        status = wm_error_where(err, "%s", cut_path);
    }
    (void)pthread_mutex_unlock(&lock);
    return status;
}

/* With the lock: a slot that is free, of one more table if need be; NULL without memory. */
static struct slot *find_free(void)
{
    struct table *t = &first;
    for (;;) {
        for (size_t i = 0; i < SLOTS; i++)
            if (!atomic_load(&t->slots[i].start))
                return &t->slots[i];
        struct table *next = atomic_load(&t->next);
        if (!next) {
            next = calloc(1, sizeof *next);
            if (!next)
                return NULL;
            atomic_store(&t->next, next);
        }
        t = next;
    }
}

static int enter(const struct wm_map *map, const char *path, const struct stat *st,
                 struct wm_error *err)
{
    char *copy = strdup(path);
    if (!copy)
        return wm_fail_nomem(err, strlen(path), "mapping a file");
    (void)pthread_mutex_lock(&lock);
    struct slot *slot = find_free();
    if (slot) {
        slot->path = copy;
        slot->device = st->st_dev;
        slot->inode = st->st_ino;
        atomic_store(&slot->cut, false);
        atomic_store(&slot->len, map->len);
        atomic_store(&slot->start, (uintptr_t)map->ptr);
    }
    (void)pthread_mutex_unlock(&lock);
    if (slot)
        return 0;
    free(copy);
    return wm_fail_nomem(err, sizeof(struct table), "mapping a file");
}

static void leave(const struct wm_map *map)
{
    (void)pthread_mutex_lock(&lock);
    struct slot *slot = find((uintptr_t)map->ptr);
    if (slot) {
        look_at(slot);
        atomic_store(&slot->start, 0);
        free(slot->path);
    }
    (void)pthread_mutex_unlock(&lock);
}

/* ---- maps ---- */

int wm_map_open(const char *path, struct wm_map *ret, struct wm_error *err)
{
    static const unsigned char nothing[1];
    struct stat st;
    int fd;
    int status = wm_open_to_read(path, &fd, &st, err);
    if (status)
        return status;
    struct wm_map map = {nothing, 0};
    if (!S_ISREG(st.st_mode)) {
        wm_fail(err, WM_E_IO, "not a regular file, which is needed to map it");
        status = wm_error_where(err, "%s", wm_shown(path));
    } else if (st.st_size > 0) {
        map.len = (size_t)st.st_size;
        void *at = mmap(NULL, map.len, PROT_READ, MAP_PRIVATE, fd, 0);
        if (at == MAP_FAILED)
            status = wm_fail_errno(err, "map", path);
        else
            map.ptr = at;
    }
    if (strcmp(path, "-") != 0)
        (void)close(fd);
    if (!status && map.len && (status = enter(&map, path, &st, err)) != 0)
        (void)munmap((void *)(uintptr_t)map.ptr, map.len);
    if (!status)
        *ret = map;
    return status;
}

void wm_map_want_large_pages(const struct wm_map *map)
{
#ifdef MADV_HUGEPAGE
    enum { LARGE_PAGE = 2 << 20 };
    if (map->len >= LARGE_PAGE)
        (void)madvise((void *)(uintptr_t)map->ptr, map->len, MADV_HUGEPAGE);
#else
    (void)map;
#endif
}

void wm_map_close(struct wm_map *map)
{
    if (map->len) {
        leave(map);
        (void)munmap((void *)(uintptr_t)map->ptr, map->len);
    }
    *map = (struct wm_map){NULL, 0};
}
