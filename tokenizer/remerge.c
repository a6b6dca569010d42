/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/remerge.h"

#include <stdlib.h>

enum {
    SHORT = 32, /* ids merged by looking at all pairs */
    KEEP = 1 << 16,
};

void bpe_remerge_done(struct bpe_remerge *scratch)
{
    free(scratch->before);
    free(scratch->after);
    free(scratch->heap);
    *scratch = (struct bpe_remerge){0};
}

int bpe_fresh_init(struct bpe_fresh *fresh, const struct wm_tokenizer *tok, uint32_t from,
                   struct wm_error *err)
{
    enum { BITS_FOR_A_MERGE = 32, LEAST_LOG = 12 };
    unsigned log = LEAST_LOG;
    while ((uint64_t)1 << log < (uint64_t)(tok->n_merges - from) * BITS_FOR_A_MERGE)
        log++;
    *fresh = (struct bpe_fresh){.shift = 64 - log, .n_ids = tok->n_ids};
    fresh->roles = calloc(tok->n_ids + 1, sizeof *fresh->roles);
    fresh->bits = calloc((size_t)1 << (log - 6), sizeof *fresh->bits);
    if (!fresh->roles || !fresh->bits)
        return wm_fail_nomem(err, (size_t)1 << (log - 3), "merges");
    for (uint32_t i = from; i < tok->n_merges; i++) {
        const struct bpe_merge *merge = &tok->merges[i];
        uint64_t bit = bpe_pair_hash(merge->left, merge->right) >> fresh->shift;
        fresh->roles[merge->left] |= 1;
        fresh->roles[merge->right] |= 2;
        fresh->bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return 0;
}

void bpe_fresh_done(struct bpe_fresh *fresh)
{
    free(fresh->roles);
    free(fresh->bits);
    *fresh = (struct bpe_fresh){0};
}

struct merger {
    const struct wm_tokenizer *tok;
    const struct bpe_fresh *fresh;
};

/* Rank of the merge of (left, right), or BPE_NONE. */
static uint32_t rank_of(const struct merger *m, uint32_t left, uint32_t right)
{
    const struct bpe_pairs *pairs = &m->tok->pairs;
    if (!bpe_may_be_fresh(m->fresh, left, right))
        return BPE_NONE;
    for (size_t i = bpe_pair_hash(left, right) >> pairs->shift;;
         i = (i + 1) & (pairs->n_slots - 1)) {
        const struct bpe_pair_slot *slot = &pairs->slots[i];
        if (slot->rank == BPE_NONE || (slot->left == left && slot->right == right))
            return slot->rank;
    }
}

static size_t merge_short(const struct merger *m, uint32_t *ids, size_t n)
{
    uint32_t ranks[SHORT];
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = rank_of(m, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (ranks[best] == BPE_NONE)
            break;
        ids[best] = m->tok->merges[ranks[best]].id;
        n--;
        for (size_t i = best + 1; i < n; i++) {
            ids[i] = ids[i + 1];
            ranks[i - 1] = ranks[i];
        }
        if (best + 1 < n)
            ranks[best] = rank_of(m, ids[best], ids[best + 1]);
        if (best > 0)
            ranks[best - 1] = rank_of(m, ids[best - 1], ids[best]);
    }
    return n;
}

/* ---- long ones: a list of places, and a heap of merges, some of which are no longer there ---- */

static int reserve(struct bpe_remerge *s, size_t n, struct wm_error *err)
{
    if (n > INT32_MAX)
        return wm_fail(err, WM_E_LIMIT, "a piece of %zu tokens", n);
    if (n <= s->cap)
        return 0;
    bpe_remerge_done(s);
    s->before = malloc(n * sizeof *s->before);
    s->after = malloc(n * sizeof *s->after);
    s->heap = malloc(2 * n * sizeof *s->heap); /* a merge takes one out and brings at most two */
    s->cap = n;
    if (s->before && s->after && s->heap)
        return 0;
    bpe_remerge_done(s);
    return wm_fail_nomem(err, n * 24, "a long piece");
}

static void push(struct bpe_remerge *s, uint64_t entry)
{
    size_t i = s->n_heap++;
    for (size_t parent; i > 0 && entry < s->heap[parent = (i - 1) / 2]; i = parent)
        s->heap[i] = s->heap[parent];
    s->heap[i] = entry;
}

static uint64_t pop(struct bpe_remerge *s)
{
    uint64_t top = s->heap[0], moving = s->heap[--s->n_heap];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < s->n_heap; i = child) {
        if (child + 1 < s->n_heap && s->heap[child + 1] < s->heap[child])
            child++;
        if (moving <= s->heap[child])
            break;
        s->heap[i] = s->heap[child];
    }
    s->heap[i] = moving;
    return top;
}

static void push_pair(const struct merger *m, struct bpe_remerge *s, const uint32_t *ids,
                      uint32_t left, uint32_t right)
{
    uint32_t rank = rank_of(m, ids[left], ids[right]);
    if (rank != BPE_NONE)
        push(s, (uint64_t)rank << 32 | left);
}

static void merge_long(const struct merger *m, struct bpe_remerge *s, uint32_t *ids, uint32_t n)
{
    s->n_heap = 0;
    for (uint32_t i = 0; i < n; i++) {
        s->before[i] = i - 1;
        s->after[i] = i + 1;
        if (i + 1 < n)
            push_pair(m, s, ids, i, i + 1);
    }
    while (s->n_heap) {
        uint64_t top = pop(s);
        const struct bpe_merge *merge = &m->tok->merges[top >> 32];
        uint32_t left = (uint32_t)top, right = s->after[left];
        if (ids[left] != merge->left || right >= n || ids[right] != merge->right)
            continue;
        uint32_t end = s->after[right];
        ids[left] = merge->id;
        ids[right] = BPE_NONE;
        s->after[left] = end;
        if (end < n) {
            s->before[end] = left;
            push_pair(m, s, ids, left, end);
        }
        if (left > 0)
            push_pair(m, s, ids, s->before[left], left);
    }
}

int bpe_remerge(const struct wm_tokenizer *tok, const struct bpe_fresh *fresh,
                struct bpe_remerge *scratch, uint32_t *ids, size_t *n, struct wm_error *err)
{
    const struct merger m = {tok, fresh};
    if (*n <= SHORT) {
        *n = merge_short(&m, ids, *n);
        return 0;
    }
    int status = reserve(scratch, *n, err);
    if (status)
        return status;
    merge_long(&m, scratch, ids, (uint32_t)*n);
    size_t kept = 0;
    for (size_t i = 0; i < *n; i++)
        if (ids[i] != BPE_NONE)
            ids[kept++] = ids[i];
    *n = kept;
    if (scratch->cap > KEEP)
        bpe_remerge_done(scratch);
    return 0;
}
