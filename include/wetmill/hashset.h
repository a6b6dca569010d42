/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hashset.h
 * A set of 64-bit hashes with room for a number of them that is known beforehand. Its memory is the
 * arena's. Hashes must be well mixed (XXH3). One thread at a time.
 */
#ifndef WETMILL_HASHSET_H
#define WETMILL_HASHSET_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/arena.h"

struct wm_hashset {
    uint64_t *slots;
    size_t mask;
    bool has_zero; /* 0 marks a free slot */
};

/** Bytes a set for `max_items` takes: at most 21 for each. */
static inline size_t wm_hashset_bytes(size_t max_items)
{
    size_t n_slots = 8;
    while (n_slots / 4 * 3 < max_items)
        n_slots *= 2;
    return n_slots * sizeof(uint64_t);
}

/** An empty set; false if the arena has no memory for it. */
static inline bool wm_hashset_init(struct wm_hashset *set, size_t max_items, struct wm_arena *arena)
{
    if (max_items > SIZE_MAX / 64)
        return false;
    size_t n_slots = wm_hashset_bytes(max_items) / sizeof *set->slots;
    set->slots = (uint64_t *)wm_arena_alloc(arena, n_slots, sizeof *set->slots);
    set->mask = n_slots - 1;
    set->has_zero = false;
    return set->slots != NULL;
}

/** Returns false if `hash` was in the set already. */
static inline bool wm_hashset_add(struct wm_hashset *set, uint64_t hash)
{
    if (!hash) {
        bool was = set->has_zero;
        set->has_zero = true;
        return !was;
    }
    size_t slot = (size_t)hash & set->mask;
    while (set->slots[slot] && set->slots[slot] != hash)
        slot = (slot + 1) & set->mask;
    bool fresh = !set->slots[slot];
    set->slots[slot] = hash;
    return fresh;
}

#endif /* WETMILL_HASHSET_H */
