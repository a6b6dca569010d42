/* SPDX-License-Identifier: Apache-2.0 */
/* Part of inject.c: blocks that are allocated and not freed, by who asked for them. */
#ifndef WETMILL_FAULT_LIVE_H
#define WETMILL_FAULT_LIVE_H

#include "stack.h"

enum { SITES = 1 << 14, SHARDS = 64, BLOCKS = 1 << 14 };

static struct site {
    uint64_t key;
    uintptr_t frames[2];
    unsigned count;
    size_t bytes;
} *sites;
static struct block {
    void *ptr;
    uint32_t site, size;
} *blocks[SHARDS];
static atomic_int n_threads;
static atomic_flag site_lock = ATOMIC_FLAG_INIT, block_locks[SHARDS];

static bool live_open(void)
{
    sites = pages(SITES * sizeof *sites);
    bool whole = sites != NULL;
    for (size_t i = 0; i < SHARDS; i++)
        whole &= (blocks[i] = pages(BLOCKS * sizeof **blocks)) != NULL;
    return whole;
}

static uint32_t site_of(const uintptr_t *fp)
{
    uintptr_t frames[2] = {fp[1], 0};
    if (in_program(frames[0])) {
        const uintptr_t *up = (const uintptr_t *)fp[0];
        if (up > fp && (uintptr_t)up - (uintptr_t)fp < 8u << 20)
            frames[1] = up[1];
    }
    uint64_t key = 1;
    for (int i = 0; i < 2; i++) {
        const struct module *m = module_of(frames[i]);
        key = mix(mix(key, m ? m->id : 0), frames[i] - (m ? m->base : 0));
    }
    uint32_t i = (uint32_t)(key % SITES);
    lock(&site_lock);
    for (unsigned tried = 0; sites[i].key && sites[i].key != key && tried < SITES; tried++)
        i = (i + 1) % SITES;
    if (!sites[i].key)
        sites[i] = (struct site){key, {frames[0], frames[1]}, 0, 0};
    unlock(&site_lock);
    return i;
}

static size_t shard_of(const void *ptr, size_t *slot)
{
    const uint64_t h = mix(7, (uintptr_t)ptr >> 4);
    *slot = h / SHARDS % BLOCKS;
    return h % SHARDS;
}

static void keep(void *ptr, size_t size, const uintptr_t *fp)
{
    size_t slot;
    if (!ready || !ptr || inside)
        return;
    const uint32_t site = site_of(fp);
    const size_t shard = shard_of(ptr, &slot);
    struct block *b = blocks[shard];
    lock(&block_locks[shard]);
    for (size_t tried = 0; tried < BLOCKS; tried++, slot = (slot + 1) % BLOCKS)
        if (!b[slot].ptr) {
            b[slot] = (struct block){ptr, site, size > UINT32_MAX ? UINT32_MAX : (uint32_t)size};
            break;
        }
    unlock(&block_locks[shard]);
}

static void forget(const void *ptr)
{
    size_t slot, home;
    if (!ready || !ptr)
        return;
    const size_t shard = shard_of(ptr, &slot);
    struct block *b = blocks[shard];
    lock(&block_locks[shard]);
    while (b[slot].ptr && b[slot].ptr != ptr)
        slot = (slot + 1) % BLOCKS;
    /* what stands behind moves up, unless it would come before its home */
    for (size_t k = slot; b[slot].ptr;) {
        b[slot].ptr = NULL;
        for (;;) {
            k = (k + 1) % BLOCKS;
            if (!b[k].ptr)
                goto out;
            (void)shard_of(b[k].ptr, &home);
            if ((k - home) % BLOCKS >= (k - slot) % BLOCKS)
                break;
        }
        b[slot] = b[k];
        slot = k;
    }
out:
    unlock(&block_locks[shard]);
}

/* Stacks of threads that have ended are libc's, which keeps some: as many as ran at once. */
static bool of_loader(uintptr_t at)
{
    const struct module *m = module_of(at);
    return m && strncmp(m->name, "ld-linux", 8) == 0;
}

static void live_write(const char *path)
{
    char line[512];
    if (atomic_load(&n_threads) > 0)
        raw_write(path, line,
                  (size_t)snprintf(line, sizeof line, "live 1 %d 0 threads\n",
                                   atomic_load(&n_threads)));
    for (size_t s = 0; s < SHARDS; s++)
        for (size_t i = 0; i < BLOCKS; i++)
            if (blocks[s][i].ptr) {
                sites[blocks[s][i].site].count++;
                sites[blocks[s][i].site].bytes += blocks[s][i].size;
            }
    for (size_t i = 0; i < SITES; i++) {
        const struct site *s = &sites[i];
        if (!s->count || of_loader(s->frames[0]))
            continue;
        size_t len = (size_t)snprintf(line, sizeof line, "live %016llx %u %zu",
                                      (unsigned long long)s->key, s->count, s->bytes);
        for (unsigned k = 0; k < 2; k++)
            len += print_frame(line + len, sizeof line - len, s->frames[k]);
        len = len < sizeof line ? len : sizeof line - 1;
        line[len] = '\n';
        raw_write(path, line, len + 1);
    }
}

#endif /* WETMILL_FAULT_LIVE_H */
