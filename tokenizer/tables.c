/* SPDX-License-Identifier: Apache-2.0 */
/* The two hash tables of a tokenizer: linear probing, at most half full, power-of-two sizes. */
#define XXH_INLINE_ALL
#include "tokenizer/bpe.h"

#include <stdlib.h>
#include <sys/mman.h>

void *bpe_table_alloc(size_t bytes)
{
    enum { LINE = 64, HUGE_PAGE = 2 << 20 };
    size_t align = bytes < HUGE_PAGE ? LINE : HUGE_PAGE;
    void *table = NULL;
    if (bytes > SIZE_MAX - align)
        return NULL;
    bytes = (bytes + align - 1) / align * align;
    if (posix_memalign(&table, align, bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (align == HUGE_PAGE)
        (void)madvise(table, bytes, MADV_HUGEPAGE); /* only a wish */
#endif
    return table;
}

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
    struct bpe_index_slot *slots = bpe_table_alloc(n_slots * sizeof *slots);
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
    bigger.slots = bpe_table_alloc(bigger.n_slots * sizeof *bigger.slots);
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

/* ---- what merging looks up ---- */

/* At least 16 bits for each merge: one look-up in 16 of pairs that are none gets past it. */
static int make_filter(struct bpe_pairs *pairs, struct wm_error *err)
{
    size_t words = 16;
    pairs->filter_shift = 64 - 10;
    for (; words * 4 < pairs->n; words *= 2)
        pairs->filter_shift--;
    pairs->filter = bpe_table_alloc(words * sizeof *pairs->filter);
    if (!pairs->filter)
        return wm_fail_nomem(err, words * sizeof *pairs->filter, "filter of merges");
    memset(pairs->filter, 0, words * sizeof *pairs->filter);
    for (size_t i = 0; i < pairs->n_slots; i++) {
        const struct bpe_pair_slot *slot = &pairs->slots[i];
        uint64_t bit = bpe_pair_hash(slot->left, slot->right) >> pairs->filter_shift;
        if (slot->rank != BPE_NONE)
            pairs->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return 0;
}

int bpe_byte_pairs_init(struct wm_tokenizer *tok, struct wm_error *err)
{
    enum { PAIRS = 256 * 256 };
    free(tok->byte_pairs);
    tok->byte_pairs = bpe_table_alloc(PAIRS * sizeof *tok->byte_pairs);
    if (!tok->byte_pairs)
        return wm_fail_nomem(err, PAIRS * sizeof *tok->byte_pairs, "table of byte pairs");
    memset(tok->byte_pairs, 0xFF, PAIRS * sizeof *tok->byte_pairs);
    for (uint32_t rank = 0; rank < tok->n_merges; rank++)
        bpe_byte_pairs_put(tok, rank);
    return 0;
}

void bpe_byte_pairs_put(struct wm_tokenizer *tok, uint32_t rank)
{
    const struct bpe_merge *merge = &tok->merges[rank];
    struct wm_str left = wm_token_bytes(tok, merge->left);
    struct wm_str right = wm_token_bytes(tok, merge->right);
    if (!tok->byte_pairs || left.len != 1 || right.len != 1)
        return;
    unsigned a = (unsigned char)left.ptr[0], b = (unsigned char)right.ptr[0];
    if (tok->byte_ids[a] == merge->left && tok->byte_ids[b] == merge->right)
        tok->byte_pairs[a << 8 | b] = rank;
}

/* Origins are of use where every token comes from one merge, of tokens that come from merges of
 * lower rank: piece_windows.c says why. */
static int make_origins(struct wm_tokenizer *tok, struct wm_error *err)
{
    struct bpe_origin *origins = malloc((tok->n_ids + (size_t)1) * sizeof *origins);
    bool usable = true;
    if (!origins)
        return wm_fail_nomem(err, tok->n_ids * sizeof *origins, "origins of tokens");
    for (uint32_t id = 0; id < tok->n_ids; id++)
        origins[id] = (struct bpe_origin){BPE_NONE, BPE_NONE, 0};
    for (uint32_t i = 0; i < tok->n_merges && usable; i++) {
        const struct bpe_merge *merge = &tok->merges[i];
        struct bpe_origin *origin = &origins[merge->id];
        const struct bpe_origin *parts[2] = {&origins[merge->left], &origins[merge->right]};
        usable = origin->order == 0 && wm_token_bytes(tok, merge->id).len > 1;
        for (int k = 0; k < 2; k++) /* of a rank before this one, or a byte */
            usable = usable && (parts[k]->order ||
                                wm_token_bytes(tok, k ? merge->right : merge->left).len == 1);
        *origin = (struct bpe_origin){merge->left, merge->right, i + 1};
    }
    if (tok->pairs.n != tok->n_merges) /* a pair named twice */
        usable = false;
    tok->origins = usable ? origins : NULL;
    if (!usable)
        free(origins);
    return 0;
}

int bpe_tables_finish(struct wm_tokenizer *tok, struct wm_error *err)
{
    for (uint32_t id = 0; id < tok->n_ids; id++)
        if (tok->kinds[id] != BPE_SPECIAL && tok->tokens[id].len > tok->max_token)
            tok->max_token = tok->tokens[id].len;
    int status = make_filter(&tok->pairs, err);
    return status ? status : make_origins(tok, err);
}
