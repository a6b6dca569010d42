/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/pair_table.h"

#include <stdlib.h>
#include <string.h>

#include "tokenizer/bpe.h"

enum { FIRST_SLOTS = 1 << 12 };

struct bpe_pair_entry {
    uint64_t count, key; /* key: left << 32 | right */
};

static uint64_t key_of(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

/* ---- heap ---- */

static bool stands_before(struct bpe_pair_entry a, struct bpe_pair_entry b)
{
    return a.count != b.count ? a.count > b.count : a.key < b.key;
}

static void sift_down(struct bpe_pair_table *t, struct bpe_pair_entry moving)
{
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < t->n_heap; i = child) {
        if (child + 1 < t->n_heap && stands_before(t->heap[child + 1], t->heap[child]))
            child++;
        if (!stands_before(t->heap[child], moving))
            break;
        t->heap[i] = t->heap[child];
    }
    t->heap[i] = moving;
}

static int push(struct bpe_pair_table *t, struct bpe_pair_entry entry, struct wm_error *err)
{
    if (t->n_heap == t->cap_heap) {
        size_t cap = t->cap_heap ? t->cap_heap * 2 : FIRST_SLOTS;
        struct bpe_pair_entry *heap = realloc(t->heap, cap * sizeof *heap);
        if (!heap)
            return wm_fail_nomem(err, cap * sizeof *heap, "queue of pairs");
        t->heap = heap;
        t->cap_heap = cap;
    }
    size_t i = t->n_heap++;
    for (size_t parent; i > 0 && stands_before(entry, t->heap[parent = (i - 1) / 2]); i = parent)
        t->heap[i] = t->heap[parent];
    t->heap[i] = entry;
    return 0;
}

/* ---- table ---- */

static size_t home(const struct bpe_pair_table *t, uint32_t left, uint32_t right)
{
    return (size_t)(bpe_pair_hash(left, right) >> 32) & (t->n_slots - 1);
}

/* The pair's slot, or the empty one where it would go. */
static size_t find(const struct bpe_pair_table *t, uint32_t left, uint32_t right)
{
    size_t i = home(t, left, right);
    while (t->slots[i].count && (t->slots[i].left != left || t->slots[i].right != right))
        i = (i + 1) & (t->n_slots - 1);
    return i;
}

static int grow(struct bpe_pair_table *t, struct wm_error *err)
{
    struct bpe_pair_table bigger = *t;
    bigger.n_slots = t->n_slots ? t->n_slots * 2 : FIRST_SLOTS;
    bigger.slots = calloc(bigger.n_slots, sizeof *bigger.slots);
    if (!bigger.slots)
        return wm_fail_nomem(err, bigger.n_slots * sizeof *bigger.slots, "table of pairs");
    for (size_t i = 0; i < t->n_slots; i++)
        if (t->slots[i].count)
            bigger.slots[find(&bigger, t->slots[i].left, t->slots[i].right)] = t->slots[i];
    free(t->slots);
    *t = bigger;
    return 0;
}

int bpe_pair_table_init(struct bpe_pair_table *table, struct wm_error *err)
{
    *table = (struct bpe_pair_table){0};
    return grow(table, err);
}

/* With what malloc adds. */
static uint64_t places_memory(uint32_t n_places)
{
    return (uint64_t)n_places * sizeof(uint32_t) + 2 * sizeof(void *);
}

uint64_t bpe_pair_table_memory(const struct bpe_pair_table *table)
{
    return table->held + table->n_slots * sizeof *table->slots +
           table->cap_heap * sizeof *table->heap;
}

void bpe_pair_table_done(struct bpe_pair_table *table)
{
    for (size_t i = 0; i < table->n_slots; i++)
        if (table->slots[i].count && table->slots[i].owned)
            free(table->slots[i].places);
    free(table->slots);
    free(table->heap);
    *table = (struct bpe_pair_table){0};
}

int bpe_pair_put(struct bpe_pair_table *table, uint32_t left, uint32_t right, uint64_t count,
                 uint32_t *places, uint32_t n_places, bool owned, struct wm_error *err)
{
    int status = table->n >= table->n_slots / 2 ? grow(table, err) : 0;
    if (!status)
        status = push(table, (struct bpe_pair_entry){count, key_of(left, right)}, err);
    if (status) {
        if (owned)
            free(places);
        return status;
    }
    table->slots[find(table, left, right)] =
        (struct bpe_pair){count, left, right, places, n_places, owned};
    table->n++;
    table->most = table->n > table->most ? table->n : table->most;
    table->held += owned ? places_memory(n_places) : 0;
    return 0;
}

/* Empty slot i; pairs behind it that probed past it move up (Knuth, TAOCP 6.4, algorithm R). */
static void erase(struct bpe_pair_table *t, size_t i)
{
    size_t mask = t->n_slots - 1;
    for (size_t j = (i + 1) & mask; t->slots[j].count; j = (j + 1) & mask) {
        size_t from_home = (j - home(t, t->slots[j].left, t->slots[j].right)) & mask;
        if (from_home >= ((j - i) & mask)) {
            t->slots[i] = t->slots[j];
            i = j;
        }
    }
    t->slots[i] = (struct bpe_pair){0};
    t->n--;
}

void bpe_pair_lower(struct bpe_pair_table *table, uint32_t left, uint32_t right, uint64_t by,
                    uint64_t least)
{
    size_t i = find(table, left, right);
    struct bpe_pair *pair = &table->slots[i];
    if (!pair->count || !by)
        return;
    if (pair->count >= by && pair->count - by >= least) {
        pair->count -= by;
        return;
    }
    if (pair->owned) {
        free(pair->places);
        table->held -= places_memory(pair->n_places);
    }
    erase(table, i);
}

bool bpe_pair_pop(struct bpe_pair_table *table, struct bpe_pair *ret)
{
    while (table->n_heap) {
        struct bpe_pair_entry top = table->heap[0];
        size_t i = find(table, (uint32_t)(top.key >> 32), (uint32_t)top.key);
        uint64_t count = table->slots[i].count;
        if (count && count < top.count) {
            sift_down(table, (struct bpe_pair_entry){count, top.key});
            continue;
        }
        table->n_heap--;
        if (table->n_heap)
            sift_down(table, table->heap[table->n_heap]);
        if (!count)
            continue;
        *ret = table->slots[i];
        table->held -= ret->owned ? places_memory(ret->n_places) : 0;
        erase(table, i);
        return true;
    }
    return false;
}
