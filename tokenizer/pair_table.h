/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pair_table.h
 * The pairs a trainer may still merge: count, places, and which is next. Order: highest count
 * first, then smallest (left, right). Counts may only fall. One thread.
 */
#ifndef WETMILL_TOKENIZER_PAIR_TABLE_H
#define WETMILL_TOKENIZER_PAIR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"

struct bpe_pair {
    uint64_t count; /**< 0: empty slot */
    uint32_t left, right;
    uint32_t *places; /**< [n_places] rising */
    uint32_t n_places;
    bool owned; /**< places are freed with the pair. */
};

struct bpe_pair_entry;

struct bpe_pair_table {
    struct bpe_pair *slots; /**< Linear probing; deletion closes the gap. */
    size_t n_slots, n, most; /**< most: that n has been. */
    struct bpe_pair_entry *heap; /**< Counts as they were when entered. */
    size_t n_heap, cap_heap;
    uint64_t held; /**< Bytes of owned places. */
};

/** Bytes the table takes, places it owns included. */
uint64_t bpe_pair_table_memory(const struct bpe_pair_table *table);

int bpe_pair_table_init(struct bpe_pair_table *table, struct wm_error *err);
void bpe_pair_table_done(struct bpe_pair_table *table);

/** Enter a pair that is not there, count ≥ 1. Takes `places` if `owned`, also on failure. */
int bpe_pair_put(struct bpe_pair_table *table, uint32_t left, uint32_t right, uint64_t count,
                 uint32_t *places, uint32_t n_places, bool owned, struct wm_error *err);

/** Lower a pair's count; below `least` it is dropped. Nothing happens if it is not there. */
void bpe_pair_lower(struct bpe_pair_table *table, uint32_t left, uint32_t right, uint64_t by,
                    uint64_t least);

/** Take the next pair out; its places become the caller's. False if there is none. */
bool bpe_pair_pop(struct bpe_pair_table *table, struct bpe_pair *ret);

#endif /* WETMILL_TOKENIZER_PAIR_TABLE_H */
