/* SPDX-License-Identifier: Apache-2.0 */
/* Which tokens are in the table: first every short one, so that merges are read by it; of a finished
 * tokenizer without ignore_merges those that merging the token's own bytes leads to — a piece with
 * those bytes is merged the same way, so it is that token. */
#define XXH_INLINE_ALL
#include "tokenizer/direct.h"

#include <stdlib.h>

#include "tokenizer/bpe.h"

/* The place in the bucket that has this key, or BPE_DIRECT_WAYS. Which one it is is as good as random,
 * so there is no branch. */
static uint32_t way_of(const struct bpe_direct_bucket *bucket, struct bpe_key key)
{
    uint32_t way = 0, none = 1; /* of the keys so far is it */
    for (int i = 0; i < BPE_DIRECT_WAYS; i++) {
        none &= ((bucket->keys[i].low ^ key.low) | (bucket->keys[i].high ^ key.high)) != 0;
        way += none;
    }
    return way;
}

uint32_t bpe_direct_put(struct bpe_direct *direct, struct bpe_key key, uint32_t id)
{
    struct bpe_direct_bucket *bucket =
        direct->buckets + (bpe_direct_bucket(direct, bpe_key_hash(key)) - direct->buckets);
    for (;;) {
        uint32_t way = way_of(bucket, key);
        if (way < BPE_DIRECT_WAYS)
            return bucket->ids[way];
        way = way_of(bucket, (struct bpe_key){0, 0});
        if (way < BPE_DIRECT_WAYS) {
            bucket->keys[way] = key;
            bucket->ids[way] = id;
            return BPE_NONE;
        }
        bucket->full = 1;
        if (++bucket == direct->buckets + direct->n_buckets)
            bucket = direct->buckets;
    }
}

void bpe_direct_note_long(struct bpe_direct *direct, struct wm_str bytes)
{
    uint64_t hash = XXH3_64bits(bytes.ptr, bytes.len);
    direct->long_ones[hash / 64 % BPE_LONG_WORDS] |= UINT64_C(1) << hash % 64;
}

static void take_out(struct bpe_direct *direct, struct bpe_key key, uint32_t id)
{
    struct bpe_direct_bucket *bucket =
        direct->buckets + (bpe_direct_bucket(direct, bpe_key_hash(key)) - direct->buckets);
    for (;;) {
        for (int i = 0; i < BPE_DIRECT_WAYS; i++) {
            if (bucket->ids[i] == id && bucket->keys[i].low == key.low &&
                bucket->keys[i].high == key.high) {
                bucket->keys[i] = (struct bpe_key){0, 0}; /* a length no piece has */
                return;
            }
        }
        if (++bucket == direct->buckets + direct->n_buckets)
            bucket = direct->buckets;
    }
}

/* Whether merging the bytes of token `id` makes that token alone. */
static int is_direct(const struct wm_tokenizer *tok, struct bpe_scratch *scratch, uint32_t id,
                     struct wm_ids *ids, bool *ret, struct wm_error *err)
{
    *ret = false;
    ids->n = 0;
    struct wm_str bytes = wm_token_bytes(tok, id);
    for (size_t i = 0; i < bytes.len; i++)
        if (tok->byte_ids[(unsigned char)bytes.ptr[i]] == BPE_NONE)
            return 0;
    int status = bpe_merge_piece(tok, scratch, bytes, ids, err);
    *ret = !status && ids->n == 1 && ids->ids[0] == id;
    return status;
}

static bool is_short(const struct wm_tokenizer *tok, uint32_t id)
{
    return tok->kinds[id] != BPE_HOLE && tok->kinds[id] != BPE_SPECIAL &&
           tok->tokens[id].len <= BPE_DIRECT_MAX;
}

/* Those that are to leave the table. */
static int find_others(const struct wm_tokenizer *tok, struct wm_ids *others, struct wm_error *err)
{
    struct bpe_scratch scratch = {0};
    struct wm_ids ids = {0};
    int status = 0;
    for (uint32_t id = 0; id < tok->n_ids && !status; id++) {
        bool direct;
        if (!is_short(tok, id) || bpe_find(tok, bpe_bytes(tok, id)) != id)
            continue;
        status = is_direct(tok, &scratch, id, &ids, &direct, err);
        if (status || direct)
            continue;
        status = bpe_ids_reserve(others, 1, err);
        if (!status)
            others->ids[others->n++] = id;
    }
    bpe_scratch_done(&scratch);
    wm_ids_done(&ids);
    return status;
}

int bpe_direct_finish(struct wm_tokenizer *tok, struct wm_error *err)
{
    struct wm_ids others = {0};
    if (tok->ignore_merges)
        return 0;
    int status = find_others(tok, &others, err);
    if (!status && others.n)
        status = bpe_index_long(tok, others.n, err);
    for (size_t i = 0; i < others.n && !status; i++) {
        struct wm_str bytes = bpe_bytes(tok, others.ids[i]);
        take_out(&tok->direct, bpe_key(bytes.ptr, bytes.len, bytes.ptr + bytes.len), others.ids[i]);
        (void)bpe_index_put(&tok->index, tok, others.ids[i]);
    }
    wm_ids_done(&others);
    return status;
}

int bpe_direct_init(struct wm_tokenizer *tok, struct wm_error *err)
{
    struct bpe_direct *direct = &tok->direct;
    size_t n = 0;
    for (uint32_t id = 0; id < tok->n_ids; id++)
        n += is_short(tok, id);
    free(direct->buckets);
    *direct = (struct bpe_direct){.n_buckets = n / 2 + 16}; /* two thirds full */
    size_t size = direct->n_buckets * sizeof *direct->buckets;
    direct->buckets = bpe_table_alloc(size);
    if (!direct->buckets)
        return wm_fail_nomem(err, size, "table of short tokens");
    memset(direct->buckets, 0, size);
    return 0;
}
