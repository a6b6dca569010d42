/* SPDX-License-Identifier: Apache-2.0 */
/* Merging one piece: always the pair of lowest rank, the leftmost among equals. Short pieces by
 * looking at every pair again after each merge; long ones with a heap, O(n log n). */
#include "tokenizer/bpe.h"

#include <stdlib.h>

enum {
    SHORT_PIECE = 64,    /* bytes; the quadratic way is faster up to about here */
    KEEP_PIECE = 1 << 20 /* bytes; working memory of a longer piece is given back */
};

void bpe_scratch_done(struct bpe_scratch *scratch)
{
    free(scratch->symbols);
    free(scratch->heap);
    *scratch = (struct bpe_scratch){0};
}

int bpe_ids_reserve(struct wm_ids *ids, size_t more, struct wm_error *err)
{
    if (more <= ids->cap - ids->n)
        return 0;
    if (more > SIZE_MAX / 16 - ids->n)
        return wm_fail(err, WM_E_LIMIT, "too many ids");
    size_t cap = ids->cap < 64 ? 64 : ids->cap;
    while (cap - ids->n < more)
        cap *= 2;
    uint32_t *grown = realloc(ids->ids, cap * sizeof *grown);
    if (!grown)
        return wm_fail_nomem(err, cap * sizeof *grown, "list of ids");
    ids->ids = grown;
    ids->cap = cap;
    return 0;
}

void wm_ids_done(struct wm_ids *ids)
{
    free(ids->ids);
    *ids = (struct wm_ids){0};
}

/* The ids of the single bytes; WM_E_FORMAT if the vocabulary lacks one. */
static int byte_ids(const struct wm_tokenizer *tok, struct wm_str piece, uint32_t *ret,
                    struct wm_error *err)
{
    for (size_t i = 0; i < piece.len; i++) {
        unsigned char byte = (unsigned char)piece.ptr[i];
        ret[i] = tok->byte_ids[byte];
        if (ret[i] == BPE_NONE)
            return wm_fail(err, WM_E_FORMAT, "the vocabulary has no token for the byte 0x%02X",
                           byte);
    }
    return 0;
}

/* ids [n], in place. Returns how many are left. */
static size_t merge_short(const struct wm_tokenizer *tok, uint32_t *ids, size_t n)
{
    uint32_t ranks[SHORT_PIECE];
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = bpe_rank(&tok->pairs, ids[i], ids[i + 1]);
    while (n > 1) {
        size_t best = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[best])
                best = i;
        if (ranks[best] == BPE_NONE)
            break;
        ids[best] = tok->merges[ranks[best]].id;
        n--;
        memmove(ids + best + 1, ids + best + 2, (n - best - 1) * sizeof *ids);
        if (best + 1 < n) {
            memmove(ranks + best + 1, ranks + best + 2, (n - best - 2) * sizeof *ranks);
            ranks[best] = bpe_rank(&tok->pairs, ids[best], ids[best + 1]);
        }
        if (best > 0)
            ranks[best - 1] = bpe_rank(&tok->pairs, ids[best - 1], ids[best]);
    }
    return n;
}

/* ---- long pieces ----
 * symbols[1 + p] is the id of the token whose first or last byte is byte p of the piece, BPE_NONE
 * inside a token and at both ends of the array: both neighbours are found from token lengths
 * alone. The heap holds rank << 32 | p; an entry whose two tokens are no longer there is stale.
 * Tokens only grow, so a token once gone from p never comes back. */

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
    if (n > BPE_MAX_TEXT)
        return wm_fail(err, WM_E_LIMIT, "a piece of %zu bytes is over the limit of %d", n,
                       BPE_MAX_TEXT);
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
    uint32_t rank = bpe_rank(&tok->pairs, left, right);
    if (rank != BPE_NONE)
        heap_push(s, (uint64_t)rank << 32 | at);
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

static int merge_long(const struct wm_tokenizer *tok, struct bpe_scratch *s, struct wm_str piece,
                      struct wm_ids *ids, struct wm_error *err)
{
    size_t n = piece.len;
    int status = reserve(s, n, err);
    if (!status)
        status = byte_ids(tok, piece, s->symbols + 1, err);
    if (status)
        return status;
    s->symbols[0] = s->symbols[n + 1] = BPE_NONE;
    s->n_heap = 0;
    for (size_t i = 1; i < n; i++) {
        uint32_t rank = bpe_rank(&tok->pairs, s->symbols[i], s->symbols[i + 1]);
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

int bpe_merge_piece(const struct wm_tokenizer *tok, struct bpe_scratch *scratch,
                    struct wm_str piece, struct wm_ids *ids, struct wm_error *err)
{
    int status;
    if (piece.len > SHORT_PIECE) {
        status = merge_long(tok, scratch, piece, ids, err);
        if (scratch->cap_symbols > KEEP_PIECE)
            bpe_scratch_done(scratch);
        return status;
    }
    status = bpe_ids_reserve(ids, SHORT_PIECE, err);
    if (!status)
        status = byte_ids(tok, piece, ids->ids + ids->n, err);
    if (status)
        return status;
    ids->n += merge_short(tok, ids->ids + ids->n, piece.len);
    return 0;
}
