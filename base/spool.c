/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks in memory and slots of one nameless scratch file. A spool's list of chunks holds, for each,
 * the address of its memory, or its slot × 2 + 1: addresses are even. */
#include "wetmill/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spare {
    struct spare *next;
};

struct wm_spool_pool {
    pthread_mutex_t lock;
    char *scratch;
    int fd;             /* < 0: nothing was spilled yet */
    size_t limit, held; /* chunks; held: in use and spare */
    struct spare *spare;
    uint64_t n_slots, used_slots, most_slots;
    uint64_t *free_slots;
    size_t n_free, cap_free;
};

int wm_spool_pool_new(const char *scratch, uint64_t memory, struct wm_spool_pool **ret,
                      struct wm_error *err)
{
    struct wm_spool_pool *pool = calloc(1, sizeof *pool);
    if (!pool || !(pool->scratch = strdup(scratch))) {
        free(pool);
        return wm_fail_nomem(err, sizeof *pool, "spool");
    }
    pool->fd = -1;
    (void)pthread_mutex_init(&pool->lock, NULL);
    wm_spool_pool_limit(pool, memory);
    *ret = pool;
    return 0;
}

void wm_spool_pool_limit(struct wm_spool_pool *pool, uint64_t memory)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->limit = (size_t)(memory / WM_SPOOL_CHUNK);
    while (pool->spare && pool->held > pool->limit) {
        struct spare *first = pool->spare;
        pool->spare = first->next;
        pool->held--;
        free(first);
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

uint64_t wm_spool_pool_spilled(struct wm_spool_pool *pool)
{
    (void)pthread_mutex_lock(&pool->lock);
    uint64_t bytes = pool->most_slots * WM_SPOOL_CHUNK;
    (void)pthread_mutex_unlock(&pool->lock);
    return bytes;
}

void wm_spool_pool_free(struct wm_spool_pool *pool)
{
    if (!pool)
        return;
    wm_spool_pool_limit(pool, 0);
    if (pool->fd >= 0)
        (void)close(pool->fd);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool->free_slots);
    free(pool->scratch);
    free(pool);
}

/* ---- memory ---- */

/* NULL if that would exceed the limit (unless `must`) or there is no memory. */
static unsigned char *take_chunk(struct wm_spool_pool *pool, bool must)
{
    void *chunk = NULL;
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->spare) {
        chunk = pool->spare;
        pool->spare = pool->spare->next;
    } else if (must || pool->held < pool->limit) {
        chunk = malloc(WM_SPOOL_CHUNK);
        pool->held += chunk != NULL;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return chunk;
}

static void give_chunk(struct wm_spool_pool *pool, void *chunk)
{
    (void)pthread_mutex_lock(&pool->lock);
    if (pool->held > pool->limit) {
        pool->held--;
        free(chunk);
    } else {
        struct spare *spare = chunk;
        spare->next = pool->spare;
        pool->spare = spare;
    }
    (void)pthread_mutex_unlock(&pool->lock);
}

/* ---- disk ---- */

static int open_scratch(struct wm_spool_pool *pool, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, pool->scratch, "wetmill-spool.XXXXXX", err);
    if (status)
        return status;
    pool->fd = mkstemp(path);
    if (pool->fd < 0 || fcntl(pool->fd, F_SETFD, FD_CLOEXEC) != 0)
        return wm_fail_errno(err, "make a scratch file in", pool->scratch);
    if (unlink(path) != 0)
        return wm_fail_errno(err, "unlink", path);
    return 0;
}

static int take_slot(struct wm_spool_pool *pool, uint64_t *ret, struct wm_error *err)
{
    (void)pthread_mutex_lock(&pool->lock);
    int status = pool->fd < 0 ? open_scratch(pool, err) : 0;
    if (!status) {
        *ret = pool->n_free ? pool->free_slots[--pool->n_free] : pool->n_slots++;
        if (++pool->used_slots > pool->most_slots)
            pool->most_slots = pool->used_slots;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    return status;
}

/* A slot for which there is no memory to remember that it is free is not used again. */
static void give_slot(struct wm_spool_pool *pool, uint64_t slot)
{
    (void)pthread_mutex_lock(&pool->lock);
    pool->used_slots--;
    if (pool->n_free == pool->cap_free) {
        size_t cap = pool->cap_free ? pool->cap_free * 2 : 256;
        uint64_t *grown = realloc(pool->free_slots, cap * sizeof *grown);
        if (grown) {
            pool->free_slots = grown;
            pool->cap_free = cap;
        }
    }
    if (pool->n_free < pool->cap_free)
        pool->free_slots[pool->n_free++] = slot;
    (void)pthread_mutex_unlock(&pool->lock);
}

static int store(struct wm_spool_pool *pool, const unsigned char *chunk, uint64_t slot,
                 struct wm_error *err)
{
    for (size_t done = 0; done < WM_SPOOL_CHUNK;) {
        ssize_t n = pwrite(pool->fd, chunk + done, WM_SPOOL_CHUNK - done,
                           (off_t)(slot * WM_SPOOL_CHUNK + done));
        if (n < 0 && errno != EINTR)
            return wm_fail_errno(err, "write scratch data in", pool->scratch);
        done += n > 0 ? (size_t)n : 0;
    }
    return 0;
}

static int load(struct wm_spool_pool *pool, unsigned char *chunk, uint64_t slot,
                struct wm_error *err)
{
    for (size_t done = 0; done < WM_SPOOL_CHUNK;) {
        ssize_t n = pread(pool->fd, chunk + done, WM_SPOOL_CHUNK - done,
                          (off_t)(slot * WM_SPOOL_CHUNK + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wm_fail_errno(err, "read scratch data in", pool->scratch);
        if (n == 0)
            return wm_fail(err, WM_E_IO, "scratch data in %s were cut short", pool->scratch);
        done += (size_t)n;
    }
    return 0;
}

/* ---- spools ---- */

static size_t room(const struct wm_spool *spool)
{
    return WM_SPOOL_CHUNK / spool->record * spool->record;
}

int wm_spool_open(struct wm_spool *spool, struct wm_spool_pool *pool, size_t record,
                  struct wm_error *err)
{
    *spool = (struct wm_spool){.pool = pool, .record = record};
    spool->chunk = take_chunk(pool, true);
    if (!spool->chunk)
        return wm_fail_nomem(err, WM_SPOOL_CHUNK, "spool");
    spool->at = spool->chunk;
    spool->end = spool->chunk + room(spool);
    return 0;
}

/* The current chunk is full: keep it if there is memory for another, else write it. */
int wm_spool_flush_(struct wm_spool *spool, struct wm_error *err)
{
    if (spool->n_chunks == spool->cap) {
        size_t cap = spool->cap ? spool->cap * 2 : 16;
        uint64_t *grown = realloc(spool->chunks, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "spool");
        spool->chunks = grown;
        spool->cap = cap;
    }
    unsigned char *fresh = take_chunk(spool->pool, false);
    if (fresh) {
        spool->chunks[spool->n_chunks++] = (uint64_t)(uintptr_t)spool->chunk;
        spool->chunk = fresh;
    } else {
        uint64_t slot;
        int status = take_slot(spool->pool, &slot, err);
        if (status)
            return status;
        spool->chunks[spool->n_chunks++] = slot * 2 + 1;
        status = store(spool->pool, spool->chunk, slot, err);
        if (status)
            return status;
    }
    spool->at = spool->chunk;
    spool->end = spool->chunk + room(spool);
    return 0;
}

/* The last chunk joins the list; what is read first becomes current. */
int wm_spool_rewind(struct wm_spool *spool, struct wm_error *err)
{
    if (spool->at == spool->chunk && !spool->n_chunks) {
        spool->end = spool->at;
        return 0;
    }
    spool->tail = (size_t)(spool->at - spool->chunk);
    int status = wm_spool_flush_(spool, err);
    give_chunk(spool->pool, spool->chunk);
    spool->chunk = spool->at = spool->end = NULL;
    return status;
}

static int refill_from_file(struct wm_spool *spool, struct wm_error *err)
{
    size_t n = 0, want = room(spool);
    if (spool->file_end - spool->file_at < want)
        want = (size_t)(spool->file_end - spool->file_at);
    if (!want)
        return 0;
    int status = wm_file_pread(spool->file, spool->chunk, want, spool->file_at, &n, err);
    if (!status && n < want) {
        wm_fail(err, WM_E_IO, "the file was cut short");
        status = wm_error_where(err, "%s", wm_file_path(spool->file));
    }
    if (status)
        return status;
    spool->file_at += n;
    spool->at = spool->chunk;
    spool->end = spool->chunk + n;
    return 1;
}

int wm_spool_refill_(struct wm_spool *spool, struct wm_error *err)
{
    if (spool->file)
        return refill_from_file(spool, err);
    if (spool->next == spool->n_chunks)
        return 0;
    bool last = spool->next + 1 == spool->n_chunks;
    uint64_t ref = spool->chunks[spool->next];
    if (ref & 1) {
        if (!spool->chunk && !(spool->chunk = take_chunk(spool->pool, true)))
            return wm_fail_nomem(err, WM_SPOOL_CHUNK, "spool");
        int status = load(spool->pool, spool->chunk, ref / 2, err);
        if (status)
            return status;
        give_slot(spool->pool, ref / 2);
    } else {
        if (spool->chunk)
            give_chunk(spool->pool, spool->chunk);
        spool->chunk = (unsigned char *)(uintptr_t)ref;
    }
    spool->next++;
    spool->at = spool->chunk;
    spool->end = spool->chunk + (last ? spool->tail : room(spool));
    return spool->at < spool->end;
}

int wm_spool_drain(struct wm_spool *spool, struct wm_out *out, struct wm_error *err)
{
    struct wm_spool_pool *pool = spool->pool;
    size_t record = spool->record;
    int status = wm_spool_rewind(spool, err), more = status ? 0 : 1;
    while (more > 0) {
        if (spool->at == spool->end)
            more = wm_spool_refill_(spool, err);
        if (more > 0) {
            status = wm_out_write(out, spool->at, (size_t)(spool->end - spool->at), err);
            spool->at = spool->end;
        }
        more = status ? 0 : more;
    }
    wm_spool_close(spool);
    if (!status)
        status = more;
    return status ? status : wm_spool_open(spool, pool, record, err);
}

int wm_spool_from(struct wm_spool *spool, struct wm_spool_pool *pool, size_t record,
                  struct wm_file *file, uint64_t offset, uint64_t n, struct wm_error *err)
{
    int status = wm_spool_open(spool, pool, record, err);
    spool->end = spool->at;
    spool->file = file;
    spool->file_at = offset;
    spool->file_end = offset + n * record;
    return status;
}

uint64_t wm_spool_left(const struct wm_spool *spool)
{
    return (spool->file_end - spool->file_at + (uint64_t)(spool->end - spool->at)) / spool->record;
}

void wm_spool_close(struct wm_spool *spool)
{
    if (spool->chunk)
        give_chunk(spool->pool, spool->chunk);
    for (; spool->next < spool->n_chunks; spool->next++) {
        uint64_t ref = spool->chunks[spool->next];
        if (ref & 1)
            give_slot(spool->pool, ref / 2);
        else
            give_chunk(spool->pool, (void *)(uintptr_t)ref);
    }
    free(spool->chunks);
    *spool = (struct wm_spool){0};
}
