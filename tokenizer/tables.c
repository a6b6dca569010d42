/* SPDX-License-Identifier: Apache-2.0 */
/* The two hash tables of a tokenizer: linear probing, at most half full, power-of-two sizes. */
#define XXH_INLINE_ALL
#include "tokenizer/bpe.h"

#include <stdlib.h>
#include <sys/mman.h>

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

static void want_huge_pages(void *at, size_t bytes)
{
#ifdef MADV_HUGEPAGE
    (void)madvise(at, bytes, MADV_HUGEPAGE); /* only a wish */
#else
    (void)at, (void)bytes;
#endif
}

void *bpe_table_alloc(size_t bytes)
{
    size_t align = bytes < HUGE_PAGE / 2 ? LINE : HUGE_PAGE;
    void *table = NULL;
    if (bytes > SIZE_MAX - align)
        return NULL;
    bytes = (bytes + align - 1) / align * align;
    if (posix_memalign(&table, align, bytes) != 0)
        return NULL;
    if (align == HUGE_PAGE)
        want_huge_pages(table, bytes);
    return table;
}

void *bpe_zeroed_alloc(size_t bytes, void **ret_memory)
{
    size_t align = bytes < HUGE_PAGE ? LINE : HUGE_PAGE;
    char *memory = bytes > SIZE_MAX - align ? NULL : calloc(1, bytes + align);
    *ret_memory = memory;
    if (!memory)
        return NULL;
    char *table = memory + (align - (uintptr_t)memory % align) % align;
    if (align == HUGE_PAGE)
        want_huge_pages(table, bytes / HUGE_PAGE * HUGE_PAGE);
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
        if (slot->tag == tag && wm_str_eq(bpe_bytes(tok, slot->id), bytes))
            return slot;
    }
}

uint32_t bpe_index_put(struct bpe_index *index, const struct wm_tokenizer *tok, uint32_t id)
{
    uint32_t tag;
    struct bpe_index_slot *slot = index_slot(index, tok, bpe_bytes(tok, id), &tag);
    if (slot->id != BPE_NONE)
        return slot->id;
    *slot = (struct bpe_index_slot){tag, id};
    index->n++;
    return BPE_NONE;
}

uint32_t bpe_index_find(const struct bpe_index *index, const struct wm_tokenizer *tok,
                        struct wm_str bytes)
{
    uint32_t tag;
    return index->n ? index_slot(index, tok, bytes, &tag)->id : BPE_NONE;
}

/* ---- pair → merge ---- */

static void set_filter(struct bpe_pairs *pairs, uint64_t hash)
{
    uint64_t bit = hash >> pairs->filter_shift;
    pairs->filter[bit / 64] |= UINT64_C(1) << bit % 64;
}

static void pairs_put(struct bpe_pairs *pairs, struct bpe_pair_slot entry)
{
    uint64_t hash = bpe_pair_hash(entry.left, entry.right);
    if (pairs->filter)
        set_filter(pairs, hash);
    for (size_t i = hash >> pairs->shift;; i = (i + 1) & (pairs->n_slots - 1)) {
        struct bpe_pair_slot *slot = &pairs->slots[i];
        bool same = slot->left == entry.left && slot->right == entry.right;
        if (slot->rank != BPE_NONE && !same)
            continue;
        pairs->n += slot->rank == BPE_NONE;
        *slot = entry;
        return;
    }
}

static int pairs_grow(struct bpe_pairs *pairs, size_t n_slots, struct wm_error *err)
{
    struct bpe_pairs bigger = *pairs;
    bigger.n_slots = n_slots;
    bigger.n = 0;
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
    int status = 0;
    if (pairs->n >= pairs->n_slots / 2)
        status = pairs_grow(pairs, pairs->n_slots ? pairs->n_slots * 2 : 1024, err);
    if (!status)
        pairs_put(pairs, (struct bpe_pair_slot){left, right, rank, id});
    return status;
}

/* ---- what merging looks up ---- */

/* At least 16 bits for each of n merges: one look-up in 16 of pairs that are none gets past it. */
static int make_filter(struct bpe_pairs *pairs, size_t n, struct wm_error *err)
{
    size_t words = 16;
    unsigned shift = 64 - 10;
    for (; words * 4 < n; words *= 2)
        shift--;
    if (pairs->filter && pairs->filter_shift <= shift)
        return 0;
    uint64_t *filter = bpe_table_alloc(words * sizeof *filter);
    if (!filter)
        return wm_fail_nomem(err, words * sizeof *filter, "filter of merges");
    memset(filter, 0, words * sizeof *filter);
    free(pairs->filter);
    pairs->filter = filter;
    pairs->filter_shift = shift;
    for (size_t i = 0; i < pairs->n_slots; i++)
        if (pairs->slots[i].rank != BPE_NONE)
            set_filter(pairs, bpe_pair_hash(pairs->slots[i].left, pairs->slots[i].right));
    return 0;
}

int bpe_pairs_reserve(struct bpe_pairs *pairs, size_t n, struct wm_error *err)
{
    int status = n >= pairs->n_slots / 2 ? pairs_grow(pairs, slots_for(n + 1), err) : 0;
    return status ? status : make_filter(pairs, n, err);
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
    if (!tok->byte_pairs || tok->tokens[merge->id].len != 2)
        return;
    if (tok->tokens[merge->left].len != 1 || tok->tokens[merge->right].len != 1)
        return;
    struct wm_str left = wm_token_bytes(tok, merge->left);
    struct wm_str right = wm_token_bytes(tok, merge->right);
    unsigned a = (unsigned char)left.ptr[0], b = (unsigned char)right.ptr[0];
    if (tok->byte_ids[a] == merge->left && tok->byte_ids[b] == merge->right)
        tok->byte_pairs[a << 8 | b] = rank;
}

int bpe_origins_init(struct wm_tokenizer *tok, struct wm_error *err)
{
    tok->origins = malloc((tok->n_ids + (size_t)1) * sizeof *tok->origins);
    if (!tok->origins)
        return wm_fail_nomem(err, tok->n_ids * sizeof *tok->origins, "origins of tokens");
    for (uint32_t id = 0; id < tok->n_ids; id++)
        tok->origins[id] = (struct bpe_origin){BPE_NONE, BPE_NONE, 0};
    return 0;
}

/* Whether merge i joins tokens of a rank before it, or bytes, to one that no other merge makes. */
static bool has_origin(const struct wm_tokenizer *tok, uint32_t i)
{
    const struct bpe_merge *merge = &tok->merges[i];
    const struct bpe_origin *origins = tok->origins;
    return origins[merge->id].order == 0 && tok->tokens[merge->id].len > 1 &&
           (origins[merge->left].order || tok->tokens[merge->left].len == 1) &&
           (origins[merge->right].order || tok->tokens[merge->right].len == 1);
}

/* Origins are of use where every token comes from one merge, of tokens that come from merges of
 * lower rank: piece_windows.c says why. */
static int make_origins(struct wm_tokenizer *tok, struct wm_error *err)
{
    int status = bpe_origins_init(tok, err);
    bool usable = tok->pairs.n == tok->n_merges; /* else a pair is named twice */
    for (uint32_t i = 0; i < tok->n_merges && !status && usable; i++) {
        const struct bpe_merge *merge = &tok->merges[i];
        usable = has_origin(tok, i);
        tok->origins[merge->id] = (struct bpe_origin){merge->left, merge->right, i + 1};
    }
    if (!status && !usable) {
        free(tok->origins);
        tok->origins = NULL;
    }
    return status;
}

int bpe_tables_finish(struct wm_tokenizer *tok, struct wm_error *err)
{
    for (uint32_t id = 0; id < tok->n_ids; id++)
        if (tok->kinds[id] != BPE_SPECIAL && tok->tokens[id].len > tok->max_token)
            tok->max_token = tok->tokens[id].len;
    int status = make_filter(&tok->pairs, tok->pairs.n, err);
    return status || tok->origins ? status : make_origins(tok, err);
}
