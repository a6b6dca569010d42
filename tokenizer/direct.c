/* SPDX-License-Identifier: Apache-2.0 */
/* Which tokens are in the table: with ignore_merges every one, else those that merging the token's
 * own bytes leads to — a piece with those bytes is merged the same way, so it is that token. */
#define XXH_INLINE_ALL
#include "tokenizer/direct.h"

#include <stdlib.h>

#include "tokenizer/bpe.h"

static void put(struct bpe_direct *direct, struct bpe_key key, uint32_t id)
{
    struct bpe_direct_bucket *bucket =
        direct->buckets + (bpe_direct_bucket(direct, bpe_key_hash(key)) - direct->buckets);
    for (;;) {
        for (int i = 0; i < BPE_DIRECT_WAYS; i++) {
            if (bucket->keys[i].high)
                continue;
            bucket->keys[i] = key;
            bucket->ids[i] = id;
            return;
        }
        bucket->full = 1;
        if (++bucket == direct->buckets + direct->n_buckets)
            bucket = direct->buckets;
    }
}

/* Whether a piece with the bytes of token `id` becomes that token alone. */
static int is_direct(const struct wm_tokenizer *tok, struct bpe_scratch *scratch, uint32_t id,
                     struct wm_ids *ids, bool *ret, struct wm_error *err)
{
    *ret = tok->ignore_merges;
    if (*ret)
        return 0;
    ids->n = 0;
    struct wm_str bytes = wm_token_bytes(tok, id);
    for (size_t i = 0; i < bytes.len; i++)
        if (tok->byte_ids[(unsigned char)bytes.ptr[i]] == BPE_NONE)
            return 0;
    int status = bpe_merge_piece(tok, scratch, bytes, ids, err);
    *ret = !status && ids->n == 1 && ids->ids[0] == id;
    return status;
}

/* Token `id` will be put soon. */
static void prefetch(const struct wm_tokenizer *tok, uint32_t id, const char *end)
{
    struct wm_str bytes = wm_token_bytes(tok, id);
    if (bytes.len && bytes.len <= BPE_DIRECT_MAX)
        __builtin_prefetch(
            bpe_direct_bucket(&tok->direct, bpe_key_hash(bpe_key(bytes.ptr, bytes.len, end))), 1);
}

static int fill(struct wm_tokenizer *tok, struct wm_error *err)
{
    enum { AHEAD = 16 };
    struct bpe_scratch scratch = {0};
    struct wm_ids ids = {0};
    int status = 0;
    const char *end = tok->bytes.len ? tok->bytes.ptr + tok->bytes.len : NULL;
    /* Low ids, which are the frequent tokens of most vocabularies, come first in their buckets. */
    for (uint32_t id = 0; id < tok->n_ids && !status; id++) {
        bool direct;
        prefetch(tok, id + AHEAD, end);
        struct wm_str bytes = wm_token_bytes(tok, id);
        if (bytes.len > BPE_DIRECT_MAX && tok->kinds[id] != BPE_SPECIAL) {
            uint64_t hash = XXH3_64bits(bytes.ptr, bytes.len);
            tok->direct.long_ones[hash / 64 % BPE_LONG_WORDS] |= UINT64_C(1) << hash % 64;
        }
        if (bytes.len == 0 || bytes.len > BPE_DIRECT_MAX || tok->kinds[id] == BPE_SPECIAL ||
            (tok->kinds[id] == BPE_ADDED && bpe_find(tok, bytes) != id))
            continue;
        status = is_direct(tok, &scratch, id, &ids, &direct, err);
        if (!status && direct)
            put(&tok->direct, bpe_key(bytes.ptr, bytes.len, end), id);
    }
    bpe_scratch_done(&scratch);
    wm_ids_done(&ids);
    return status;
}

int bpe_direct_init(struct wm_tokenizer *tok, struct wm_error *err)
{
    struct bpe_direct *direct = &tok->direct;
    size_t n = 0;
    for (uint32_t id = 0; id < tok->n_ids; id++)
        n += tok->kinds[id] != BPE_HOLE && tok->tokens[id].len <= BPE_DIRECT_MAX;
    direct->n_buckets = n / 2 + 16; /* two thirds full */
    size_t size = direct->n_buckets * sizeof *direct->buckets;
    direct->buckets = bpe_table_alloc(size);
    if (!direct->buckets)
        return wm_fail_nomem(err, size, "table of short tokens");
    memset(direct->buckets, 0, size);
    return fill(tok, err);
}
