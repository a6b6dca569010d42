/* SPDX-License-Identifier: Apache-2.0 */
/* Merging a long piece with a heap of pairs.
 *
 * symbols[1 + p] is the id of the token whose first or last byte is byte p of the piece, BPE_NONE
 * inside a token and at both ends of the array: both neighbours are found from token lengths
 * alone. The heap holds rank << 32 | p; an entry whose two tokens are no longer there is stale.
 * Tokens only grow, so a token once gone from p never comes back. */
#include <stdlib.h>

#include "tokenizer/bpe.h"

static void heap_down(uint64_t *heap, size_t n, size_t i)
{
    uint64_t moving = heap[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (moving <= heap[child])
            break;
        heap[i] = heap[child];
    }
    heap[i] = moving;
}

static uint64_t heap_pop(struct bpe_scratch *s)
{
    uint64_t top = s->heap[0];
    s->heap[0] = s->heap[--s->n_heap];
    if (s->n_heap)
        heap_down(s->heap, s->n_heap, 0);
    return top;
}

static void heap_push(struct bpe_scratch *s, uint64_t entry)
{
    size_t i = s->n_heap++;
    for (size_t parent; i > 0 && entry < s->heap[parent = (i - 1) / 2]; i = parent)
        s->heap[i] = s->heap[parent];
    s->heap[i] = entry;
}

static int reserve(struct bpe_scratch *s, size_t n, struct wm_error *err)
{
    if (n + 2 > s->cap_symbols) {
        free(s->symbols);
        s->cap_symbols = n + 2;
        s->symbols = malloc(s->cap_symbols * sizeof *s->symbols);
        if (!s->symbols) {
            s->cap_symbols = 0;
            return wm_fail_nomem(err, (n + 2) * sizeof *s->symbols, "a long piece");
        }
    }
    if (n * 2 > s->cap_heap) {
        /* Every merge takes one entry out and brings at most two: n + n − 1 at most. */
        free(s->heap);
        s->cap_heap = n * 2;
        s->heap = malloc(s->cap_heap * sizeof *s->heap);
        if (!s->heap) {
            s->cap_heap = 0;
            return wm_fail_nomem(err, n * 2 * sizeof *s->heap, "a long piece");
        }
    }
    return 0;
}

static void push_pair(const struct wm_tokenizer *tok, struct bpe_scratch *s, size_t at,
                      uint32_t left, uint32_t right)
{
    const struct bpe_pair_slot *slot = bpe_merge_of(&tok->pairs, left, right);
    if (slot)
        heap_push(s, (uint64_t)slot->rank << 32 | at);
}

/* Do the merge of heap entry `top` if its tokens are still there. symbols as above. */
static void merge_at(const struct wm_tokenizer *tok, struct bpe_scratch *s, uint64_t top)
{
    const struct bpe_merge *merge = &tok->merges[top >> 32];
    size_t left = (size_t)(top & UINT32_MAX); /* index into symbols */
    size_t left_len = tok->tokens[merge->left].len, right_len = tok->tokens[merge->right].len;
    size_t right = left + left_len, end = right + right_len;
    uint32_t *symbols = s->symbols;
    if (symbols[left] != merge->left || symbols[right] != merge->right)
        return;
    symbols[right - 1] = symbols[right] = BPE_NONE;
    symbols[left] = symbols[end - 1] = merge->id;
    uint32_t before = symbols[left - 1], after = symbols[end];
    if (before != BPE_NONE)
        push_pair(tok, s, left - tok->tokens[before].len, before, merge->id);
    if (after != BPE_NONE)
        push_pair(tok, s, left, merge->id, after);
}

int bpe_merge_heap(const struct wm_tokenizer *tok, struct bpe_scratch *s, struct wm_str piece,
                   struct wm_ids *ids, struct wm_error *err)
{
    size_t n = piece.len;
    int status = reserve(s, n, err);
    if (status)
        return status;
    for (size_t i = 0; i < n; i++)
        s->symbols[1 + i] = tok->byte_ids[(unsigned char)piece.ptr[i]];
    s->symbols[0] = s->symbols[n + 1] = BPE_NONE;
    s->n_heap = 0;
    for (size_t i = 1; i < n; i++) {
        const unsigned char *pair = (const unsigned char *)piece.ptr + i - 1;
        uint32_t rank = tok->byte_pairs[pair[0] << 8 | pair[1]];
        if (rank != BPE_NONE)
            s->heap[s->n_heap++] = (uint64_t)rank << 32 | i;
    }
    for (size_t i = s->n_heap / 2; i-- > 0;)
        heap_down(s->heap, s->n_heap, i);
    while (s->n_heap)
        merge_at(tok, s, heap_pop(s));
    size_t n_left = 0;
    for (size_t i = 1; i <= n; i += tok->tokens[s->symbols[i]].len)
        n_left++;
    status = bpe_ids_reserve(ids, n_left, err);
    if (status)
        return status;
    for (size_t i = 1; i <= n; i += tok->tokens[s->symbols[i]].len)
        ids->ids[ids->n++] = s->symbols[i];
    return 0;
}
