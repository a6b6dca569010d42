/* SPDX-License-Identifier: Apache-2.0 */
/* The two hash tables of a tokenizer: linear probing, at most half full, power-of-two sizes. */
#define XXH_INLINE_ALL
#include "tokenizer/bpe.h"

#include <stdlib.h>

static size_t slots_for(size_t n)
{
    size_t size = 16;
    while (size / 2 < n)
        size *= 2;
    return size;
}

/* ---- token bytes → id ---- */

int bpe_index_init(struct bpe_index *index, size_t n, struct wm_error *err)
{
    size_t n_slots = slots_for(n + 1);
    struct bpe_index_slot *slots = malloc(n_slots * sizeof *slots);
    if (!slots)
        return wm_fail_nomem(err, n_slots * sizeof *slots, "token index");
    memset(slots, 0xFF, n_slots * sizeof *slots);
    free(index->slots);
    *index = (struct bpe_index){.slots = slots, .n_slots = n_slots};
    return 0;
}

/* The slot of the token with these bytes, or the empty one where it would go. */
static struct bpe_index_slot *index_slot(const struct bpe_index *index,
                                         const struct wm_tokenizer *tok, struct wm_str bytes,
                                         uint32_t *ret_tag)
{
    uint64_t hash = XXH3_64bits(bytes.ptr, bytes.len);
    uint32_t tag = (uint32_t)(hash >> 32);
    *ret_tag = tag;
    for (size_t i = (size_t)hash & (index->n_slots - 1);; i = (i + 1) & (index->n_slots - 1)) {
        struct bpe_index_slot *slot = &index->slots[i];
        if (slot->id == BPE_NONE)
            return slot;
        if (slot->tag == tag && wm_str_eq(wm_token_bytes(tok, slot->id), bytes))
            return slot;
    }
}

void bpe_index_put(struct bpe_index *index, const struct wm_tokenizer *tok, uint32_t id)
{
    uint32_t tag;
    struct bpe_index_slot *slot = index_slot(index, tok, wm_token_bytes(tok, id), &tag);
    if (slot->id != BPE_NONE)
        return;
    *slot = (struct bpe_index_slot){tag, id};
    index->n++;
}

uint32_t bpe_index_find(const struct bpe_index *index, const struct wm_tokenizer *tok,
                        struct wm_str bytes)
{
    uint32_t tag;
    return index->n ? index_slot(index, tok, bytes, &tag)->id : BPE_NONE;
}

/* ---- pair → merge ---- */

static void pairs_put(struct bpe_pairs *pairs, struct bpe_pair_slot entry)
{
    size_t i = bpe_pair_hash(entry.left, entry.right) >> pairs->shift;
    for (;; i = (i + 1) & (pairs->n_slots - 1)) {
        struct bpe_pair_slot *slot = &pairs->slots[i];
        bool same = slot->left == entry.left && slot->right == entry.right;
        if (slot->rank != BPE_NONE && !same)
            continue;
        pairs->n += slot->rank == BPE_NONE;
        *slot = entry;
        return;
    }
}

static int pairs_grow(struct bpe_pairs *pairs, struct wm_error *err)
{
    struct bpe_pairs bigger = {.n_slots = pairs->n_slots ? pairs->n_slots * 2 : 1024};
    bigger.shift = 64;
    for (size_t n = bigger.n_slots; n > 1; n /= 2)
        bigger.shift--;
    bigger.slots = malloc(bigger.n_slots * sizeof *bigger.slots);
    if (!bigger.slots)
        return wm_fail_nomem(err, bigger.n_slots * sizeof *bigger.slots, "table of merges");
    memset(bigger.slots, 0xFF, bigger.n_slots * sizeof *bigger.slots);
    for (size_t i = 0; i < pairs->n_slots; i++)
        if (pairs->slots[i].rank != BPE_NONE)
            pairs_put(&bigger, pairs->slots[i]);
    free(pairs->slots);
    *pairs = bigger;
    return 0;
}

int bpe_pairs_put(struct bpe_pairs *pairs, uint32_t left, uint32_t right, uint32_t rank,
                  uint32_t id, struct wm_error *err)
{
    int status = pairs->n >= pairs->n_slots / 2 ? pairs_grow(pairs, err) : 0;
    if (!status)
        pairs_put(pairs, (struct bpe_pair_slot){left, right, rank, id});
    return status;
}
