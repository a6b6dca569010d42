/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file arena.h
 * Memory that is freed all at once. An arena grows by chunks up to `limit` bytes; wm_arena_reset
 * forgets everything and keeps the largest chunk for the next round. One thread at a time.
 */
#ifndef WETMILL_ARENA_H
#define WETMILL_ARENA_H

#include <stddef.h>

#include "wetmill/str.h"

struct wm_arena_chunk;

struct wm_arena {
    struct wm_arena_chunk *chunk; /**< Newest chunk; older ones are linked from it. */
    size_t held;                  /**< Bytes held from malloc, chunk headers included. */
    size_t limit;                 /**< Most bytes to hold. */
};

/** An empty arena of at most `limit` bytes. Allocates nothing yet; a zeroed arena has limit 0. */
void wm_arena_init(struct wm_arena *arena, size_t limit);

/** Free everything and be empty again with the same limit. Safe on a zeroed arena. */
void wm_arena_done(struct wm_arena *arena);

/** Forget all allocations; keep the largest chunk. */
void wm_arena_reset(struct wm_arena *arena);

/** `count` × `size` zeroed bytes, aligned for any type; NULL if over the limit or out of memory. */
void *wm_arena_alloc(struct wm_arena *arena, size_t count, size_t size);

/** `size` bytes, not zeroed, aligned for any type; NULL as above. A size of 0 gives a valid pointer. */
char *wm_arena_bytes(struct wm_arena *arena, size_t size);

/** A copy of `s` in the arena; ptr NULL (and len 0) if there is no memory and s.len > 0. */
struct wm_str wm_arena_str(struct wm_arena *arena, struct wm_str s);

/** A NUL-terminated copy of `s`, or NULL. */
char *wm_arena_cstr(struct wm_arena *arena, struct wm_str s);

#endif /* WETMILL_ARENA_H */
