/* SPDX-License-Identifier: Apache-2.0 */
/* Merges out of ranks: a token's merge is what the merges of lower rank leave of its bytes, if
 * that is two parts.
 *
 * Two tokens that merges make are what their joined bytes come to if and only if bpe_stays_apart
 * says so (piece_windows.c), so no token is merged again: those among its prefixes that are tokens
 * are tried, longest first, with what is left behind them. */
#include <stdlib.h>

#include "tokenizer/ranks.h"

enum {
    MERGED_TOKEN_MAX = 1024, /* bytes; looking for prefixes takes time ∝ the square */
    TRIES = 16,              /* prefixes of a token, before its bytes are merged after all */
    BLOCK = 64,              /* tokens looked up at a time, so that memory is waited for once */
};

struct search {
    struct wm_tokenizer *tok;
    uint32_t *prefixes; /* [n_ids] longest token that is less than the whole token, or BPE_NONE */
    uint64_t *filter;   /* a bit for each hash of a key, 1 if it is some token's */
    size_t filter_mask; /* bits − 1 */
    uint16_t *made;     /* [n_ids] bytes of a token that is a byte or comes from merges, else 0 */
    struct bpe_scratch scratch;
    struct wm_ids ids;
};

static struct bpe_key key_of(const struct wm_tokenizer *tok, struct wm_str bytes)
{
    return bpe_key(bytes.ptr, bytes.len, tok->bytes.ptr + tok->bytes.len);
}

/* Id of the token with these bytes of some token, or BPE_NONE. */
static uint32_t find(const struct wm_tokenizer *tok, struct wm_str bytes)
{
    if (bytes.len == 0 || bytes.len > BPE_DIRECT_MAX)
        return bytes.len ? bpe_find(tok, bytes) : BPE_NONE;
    struct bpe_key key = key_of(tok, bytes);
    return bpe_direct_find(&tok->direct, bpe_direct_bucket(&tok->direct, bpe_key_hash(key)), key);
}

/* A piece of a token on its way to being found. */
struct query {
    struct wm_str bytes;
    struct bpe_key key;
    const struct bpe_direct_bucket *bucket; /* NULL: too long to have a key */
    uint32_t id;                            /* of the token */
};

static void ask(const struct search *s, struct query *q, uint64_t hash)
{
    q->bucket = bpe_direct_bucket(&s->tok->direct, hash);
    __builtin_prefetch(q->bucket);
}

static uint32_t answer(const struct search *s, const struct query *q)
{
    return q->bucket ? bpe_direct_find(&s->tok->direct, q->bucket, q->key) : find(s->tok, q->bytes);
}

static int make_filter(struct search *s, struct wm_error *err)
{
    enum { BITS = 8 }; /* at least, of a token: one of 9 that are none gets past it */
    const struct wm_tokenizer *tok = s->tok;
    size_t n = 64;
    while (n < (size_t)tok->n_ids * BITS)
        n *= 2;
    s->filter = calloc(n / 64, sizeof *s->filter);
    if (!s->filter)
        return wm_fail_nomem(err, n / 8, "filter of tokens");
    s->filter_mask = n - 1;
    for (uint32_t id = 0; id < tok->n_ids; id++) {
        struct wm_str bytes = bpe_bytes(tok, id);
        if (bytes.len == 0 || bytes.len > BPE_DIRECT_MAX)
            continue;
        uint64_t bit = bpe_key_hash(key_of(tok, bytes)) & s->filter_mask;
        s->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return 0;
}

/* Ask for the longest part of q->bytes, less one byte at least, that may be a token. False if there
 * is none. */
static bool ask_prefix(const struct search *s, struct query *q)
{
    while (q->bytes.len-- > 1) {
        q->bucket = NULL;
        if (q->bytes.len > BPE_DIRECT_MAX)
            return true;
        q->key = key_of(s->tok, q->bytes);
        uint64_t hash = bpe_key_hash(q->key), bit = hash & s->filter_mask;
        if (s->filter[bit / 64] >> bit % 64 & 1) {
            ask(s, q, hash);
            return true;
        }
    }
    return false;
}

/* Prefixes of the n tokens from `first` on. */
static void find_prefixes(struct search *s, uint32_t first, size_t n)
{
    struct query queries[BLOCK];
    size_t left = 0;
    for (uint32_t id = first; id < first + n; id++) {
        s->prefixes[id] = BPE_NONE;
        queries[left].id = id;
        queries[left].bytes = bpe_bytes(s->tok, id);
        left += ask_prefix(s, &queries[left]);
    }
    while (left) {
        size_t kept = 0;
        for (size_t i = 0; i < left; i++) {
            struct query *q = &queries[i];
            s->prefixes[q->id] = answer(s, q);
            if (s->prefixes[q->id] != BPE_NONE)
                continue;
            queries[kept] = *q;
            kept += ask_prefix(s, &queries[kept]);
        }
        left = kept;
    }
}

static int find_all_prefixes(struct search *s, struct wm_error *err)
{
    const struct wm_tokenizer *tok = s->tok;
    for (uint32_t id = 0; id < tok->n_ids; id++)
        if (tok->tokens[id].len > MERGED_TOKEN_MAX)
            return wm_fail(err, WM_E_LIMIT, "token %lu has %lu bytes, over the limit of %d",
                           (unsigned long)id, (unsigned long)tok->tokens[id].len, MERGED_TOKEN_MAX);
    s->prefixes = malloc((tok->n_ids + (size_t)1) * sizeof *s->prefixes);
    s->made = malloc((tok->n_ids + (size_t)1) * sizeof *s->made);
    if (!s->prefixes || !s->made)
        return wm_fail_nomem(err, tok->n_ids * sizeof *s->prefixes, "prefixes of tokens");
    int status = make_filter(s, err);
    for (uint32_t id = 0; id < tok->n_ids && !status; id += BLOCK)
        find_prefixes(s, id, tok->n_ids - id < BLOCK ? tok->n_ids - id : BLOCK);
    for (uint32_t id = 0; id < tok->n_ids; id++)
        s->made[id] = tok->tokens[id].len == 1;
    return status;
}

/* The same by merging. */
static int merge_bytes(struct search *s, struct wm_str bytes, struct bpe_merge *ret,
                       struct wm_error *err)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (s->tok->byte_ids[(unsigned char)bytes.ptr[i]] == BPE_NONE)
            return 0;
    s->ids.n = 0;
    int status = bpe_merge_piece(s->tok, &s->scratch, bytes, &s->ids, err);
    if (!status && s->ids.n == 2) {
        ret->left = s->ids.ids[0];
        ret->right = s->ids.ids[1];
    }
    return status;
}

/* What the merges so far leave of token ret->id; ret->left stays BPE_NONE if it is not two parts:
 * then it is reached only as a whole piece. `right` stands behind its longest prefix. */
static int find_parts(struct search *s, uint32_t right, struct bpe_merge *ret, struct wm_error *err)
{
    const struct wm_tokenizer *tok = s->tok;
    struct wm_str bytes = bpe_bytes(tok, ret->id);
    uint32_t left = s->prefixes[ret->id];
    for (int tries = 0; left != BPE_NONE; tries++) {
        if (tries == TRIES)
            return merge_bytes(s, bytes, ret, err);
        size_t cut = s->made[left];
        if (cut && tries)
            right = find(tok, (struct wm_str){bytes.ptr + cut, bytes.len - cut});
        if (cut && right != BPE_NONE && s->made[right] && bpe_stays_apart(tok, left, right)) {
            ret->left = left;
            ret->right = right;
            break;
        }
        left = s->prefixes[left];
    }
    return 0;
}

/* Ask for what stands behind a prefix of token `id`. */
static void ask_rest(const struct search *s, struct query *q, uint32_t id, uint32_t prefix)
{
    struct wm_str bytes = bpe_bytes(s->tok, id);
    size_t cut = prefix == BPE_NONE ? bytes.len : s->tok->tokens[prefix].len;
    q->bucket = NULL;
    q->bytes = (struct wm_str){bytes.ptr + cut, bytes.len - cut};
    if (q->bytes.len == 0 || q->bytes.len > BPE_DIRECT_MAX)
        return;
    q->key = key_of(s->tok, q->bytes);
    ask(s, q, bpe_key_hash(q->key));
}

/* Merges of the n tokens from `first` on. */
static int put_merges(struct search *s, uint32_t first, size_t n, struct wm_error *err)
{
    struct wm_tokenizer *tok = s->tok;
    struct query queries[BLOCK], second;
    uint32_t right[BLOCK];
    int status = 0;
    for (size_t i = 0; i < n; i++)
        ask_rest(s, &queries[i], first + (uint32_t)i, s->prefixes[first + i]);
    for (size_t i = 0; i < n; i++) {
        uint32_t left = s->prefixes[first + i];
        right[i] = answer(s, &queries[i]);
        if (left == BPE_NONE)
            continue;
        ask_rest(s, &second, first + (uint32_t)i, s->prefixes[left]);
        if (right[i] == BPE_NONE)
            continue;
        __builtin_prefetch(&tok->origins[right[i]]);
        __builtin_prefetch(&tok->origins[left]);
        __builtin_prefetch(bpe_pairs_slot(&tok->pairs, left, right[i]));
    }
    for (size_t i = 0; i < n && !status; i++) {
        struct bpe_merge merge = {BPE_NONE, BPE_NONE, first + (uint32_t)i};
        status = find_parts(s, right[i], &merge, err);
        if (status || merge.left == BPE_NONE)
            continue;
        status = bpe_add_merge(tok, merge.left, merge.right, merge.id, err);
        tok->origins[merge.id] = (struct bpe_origin){merge.left, merge.right, tok->n_merges};
        s->made[merge.id] = (uint16_t)tok->tokens[merge.id].len;
    }
    return status;
}

int bpe_merge_ranks(struct wm_tokenizer *tok, struct wm_error *err)
{
    struct search s = {.tok = tok};
    tok->ignore_merges = true;
    int status = bpe_direct_init(tok, err);
    if (!status)
        status = bpe_pairs_reserve(&tok->pairs, tok->n_ids, err);
    if (!status)
        status = bpe_origins_init(tok, err);
    if (!status)
        status = find_all_prefixes(&s, err);
    for (uint32_t id = 0; id < tok->n_ids && !status; id += BLOCK)
        status = put_merges(&s, id, tok->n_ids - id < BLOCK ? tok->n_ids - id : BLOCK, err);
    free(s.prefixes);
    free(s.filter);
    free(s.made);
    bpe_scratch_done(&s.scratch);
    wm_ids_done(&s.ids);
    return status;
}
