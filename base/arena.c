/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks from malloc, linked newest first; each allocation is cut from the newest. */
#include "wetmill/arena.h"

#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>

struct wm_arena_chunk {
    struct wm_arena_chunk *older;
    size_t used, size; /* of the bytes behind this header */
};

enum { ALIGN = alignof(max_align_t), FIRST_CHUNK = 16 << 10 };

static size_t header_size(void)
{
    return (sizeof(struct wm_arena_chunk) + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

void wm_arena_init(struct wm_arena *arena, size_t limit)
{
    *arena = (struct wm_arena){.limit = limit};
}

void wm_arena_done(struct wm_arena *arena)
{
    for (struct wm_arena_chunk *c = arena->chunk, *older; c; c = older) {
        older = c->older;
        free(c);
    }
    wm_arena_init(arena, arena->limit);
}

void wm_arena_reset(struct wm_arena *arena)
{
    struct wm_arena_chunk *largest = NULL;
    for (struct wm_arena_chunk *c = arena->chunk; c; c = c->older)
        if (!largest || c->size > largest->size)
            largest = c;
    for (struct wm_arena_chunk *c = arena->chunk, *older; c; c = older) {
        older = c->older;
        if (c != largest)
            free(c);
    }
    arena->chunk = largest;
    arena->held = 0;
    if (largest) {
        largest->older = NULL;
        largest->used = 0;
        arena->held = header_size() + largest->size;
    }
}

/* Chunks double, so a batch settles on one chunk after a few rounds; near the limit they shrink
 * to what is left. */
static struct wm_arena_chunk *grow(struct wm_arena *arena, size_t need)
{
    size_t left = arena->limit > arena->held ? arena->limit - arena->held : 0;
    if (left < header_size() || need > left - header_size())
        return NULL;
    size_t size = arena->chunk ? arena->chunk->size : FIRST_CHUNK / 2;
    size = size <= SIZE_MAX / 4 ? size * 2 : size;
    if (size < need)
        size = need;
    if (size > left - header_size())
        size = left - header_size();
    struct wm_arena_chunk *c = malloc(header_size() + size);
    if (!c)
        return NULL;
    *c = (struct wm_arena_chunk){.older = arena->chunk, .size = size};
    arena->chunk = c;
    arena->held += header_size() + size;
    return c;
}

char *wm_arena_bytes(struct wm_arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct wm_arena_chunk *c = arena->chunk;
    if (!c || need > c->size - c->used)
        c = grow(arena, need ? need : ALIGN);
    if (!c)
        return NULL;
    char *at = (char *)c + header_size() + c->used;
    c->used += need;
    return at;
}

void *wm_arena_alloc(struct wm_arena *arena, size_t count, size_t size)
{
    if (size != 0 && count > SIZE_MAX / 2 / size)
        return NULL;
    char *at = wm_arena_bytes(arena, count * size);
    return at ? memset(at, 0, count * size) : NULL;
}

struct wm_str wm_arena_str(struct wm_arena *arena, struct wm_str s)
{
    char *at = wm_arena_bytes(arena, s.len);
    if (!at)
        return (struct wm_str){NULL, 0};
    if (s.len)
        memcpy(at, s.ptr, s.len);
    return (struct wm_str){at, s.len};
}

char *wm_arena_cstr(struct wm_arena *arena, struct wm_str s)
{
    char *at = s.len < SIZE_MAX ? wm_arena_bytes(arena, s.len + 1) : NULL;
    if (!at)
        return NULL;
    if (s.len)
        memcpy(at, s.ptr, s.len);
    at[s.len] = '\0';
    return at;
}
