/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file bpe.h
 * What a tokenizer consists of, for the files of this folder. Everybody else: wetmill/tokenizer.h.
 *
 * A tokenizer is put together in this order, by whoever makes one (trainer, tokenizer.json, ranks):
 *
 *     bpe_new ─▶ bpe_put_token … ─▶ bpe_index_tokens ─▶ bpe_add_merge … ─▶ bpe_put_added … ─▶
 *     bpe_set_pattern ─▶ bpe_finish
 *
 * and never changes afterwards. wm_tokenizer_free takes it at any point.
 */
#ifndef WETMILL_TOKENIZER_BPE_H
#define WETMILL_TOKENIZER_BPE_H

#include "tokenizer/direct.h"
#include "tokenizer/split.h"
#include "wetmill/sentencepiece.h"
#include "wetmill/tokenizer.h"

enum {
    BPE_MAX_IDS = 1 << 24,   /**< Ids of a vocabulary. */
    BPE_MAX_TOKEN = 1 << 16, /**< Bytes of a token or a special token's name. */
    BPE_MAX_ADDED = 1 << 14, /**< Special and other added tokens. */
    BPE_MAX_TEXT = 1 << 30,  /**< Bytes of a text to encode or count. */
    BPE_MAX_BYTES = 1 << 30, /**< Bytes of all tokens together. */
};
#define BPE_NONE UINT32_MAX

enum bpe_kind {
    BPE_HOLE,    /**< No token has this id. */
    BPE_TOKEN,   /**< Bytes, reached by merging. */
    BPE_ADDED,   /**< Found in every text before it is split. */
    BPE_SPECIAL, /**< Found in a text only on request. */
};

struct bpe_token {
    uint32_t at, len; /**< In wm_tokenizer.bytes. */
};

/** Left and right next to each other become id. A merge's place in the list is its rank. */
struct bpe_merge {
    uint32_t left, right, id;
};

/** Open-addressing table (left, right) → rank and id of the merge. Most pairs that are looked up
 *  are no merge: `filter` says so for nearly all of them, from memory that stays in the cache. */
struct bpe_pair_slot {
    uint32_t left, right, rank, id; /**< rank BPE_NONE: empty */
};
struct bpe_pairs {
    struct bpe_pair_slot *slots;
    unsigned shift; /**< 64 − log2(slots) */
    size_t n_slots, n;
    uint64_t *filter; /**< From bpe_finish or bpe_pairs_reserve on: one bit for each hash, 1 if it
                           is some merge's. */
    unsigned filter_shift; /**< 64 − log2(bits) */
};

/** How a token comes about; for bytes left is BPE_NONE and order 0. */
struct bpe_origin {
    uint32_t left, right, order; /**< order: rank + 1 */
};

/** Open-addressing table token bytes → id; the bytes are the tokenizer's. */
struct bpe_index_slot {
    uint32_t tag, id; /**< id BPE_NONE: empty */
};
struct bpe_index {
    struct bpe_index_slot *slots;
    size_t n_slots, n;
};

struct bpe_added {
    uint32_t id;
    bool normalized; /**< Hugging Face's flag: looked for after the others have been found. */
};

enum { BPE_MAX_TEMPLATE = 16 }; /**< Special tokens before, and behind, a text. */

/** What stands around an encoded text on request: <s>, say. */
struct bpe_template {
    uint32_t before[BPE_MAX_TEMPLATE], after[BPE_MAX_TEMPLATE];
    uint32_t n_before, n_after;
};

struct wm_tokenizer {
    struct wm_buf bytes;
    struct bpe_token *tokens; /**< [cap_ids], n_ids in use */
    uint8_t *kinds;           /**< [cap_ids] enum bpe_kind */
    uint32_t n_ids, cap_ids;
    bool has_bytes;           /**< None of byte_ids is BPE_NONE. */
    uint32_t byte_ids[256];   /**< Id of every byte; BPE_NONE if the vocabulary lacks it. */
    struct bpe_merge *merges; /**< [n_merges] by rank */
    uint32_t n_merges, cap_merges;
    struct bpe_pairs pairs;
    struct bpe_direct direct;   /**< Pieces of up to 15 bytes that are one token. */
    struct bpe_index index;     /**< Tokens that are not special, nor in `direct`. */
    uint32_t *byte_pairs;       /**< [256 · 256] rank of the merge of two bytes, or BPE_NONE. */
    struct bpe_origin *origins; /**< [n_ids] (specials behind all others left out), or NULL if a
                                     token may come about in two ways. */
    uint32_t max_token;         /**< Bytes of the longest one that is not special. */
    bool ignore_merges;      /**< A piece that is a token needs no merging (tiktoken, LLaMA 3). */
    bool nfc;                /**< Text is brought to NFC before it is split (Qwen 2). */
    struct bpe_added *added; /**< [n_added] by id */
    uint32_t n_added, cap_added;
    struct bpe_index added_index;
    uint32_t *added_lengths; /**< [n_added_lengths] distinct lengths of names, falling */
    uint32_t n_added_lengths;
    int only_first;        /**< The byte that all their names start with, or -1. */
    bool added_first[256]; /**< Some name starts with this byte. */
    bool has_added[2][2];  /**< [normalized][special]: there is such a name. */
    struct bpe_pattern *pattern;
    struct bpe_template template; /**< Set before bpe_finish. */
    struct wm_sp *pieces;         /**< Not NULL: SentencePiece, tokenizer/sentencepiece.h. */
    struct wm_buf file;           /**< The model file of `pieces`. */
    XXH128_hash_t identity;       /**< Of `pieces`; others' is asked for: bpe_identity. */
};

/* ---- tokenizer.c, build.c: putting together ---- */

int bpe_new(struct wm_tokenizer **ret, struct wm_error *err);
/** Room for `n_ids` ids whose bytes are `bytes` together; more may come. */
int bpe_reserve(struct wm_tokenizer *tok, size_t n_ids, size_t bytes, struct wm_error *err);
/** Id `id` means `bytes`. WM_E_FORMAT if the id is taken or out of range, WM_E_LIMIT. */
int bpe_put_token(struct wm_tokenizer *tok, uint64_t id, struct wm_str bytes, enum bpe_kind kind,
                  struct wm_error *err);
/** The same for `len` bytes that stand already behind those of tok->bytes. */
int bpe_put_last(struct wm_tokenizer *tok, uint64_t id, size_t len, enum bpe_kind kind,
                 struct wm_error *err);
/** Ids that are not holes. A vocabulary of few tokens may have large ids. */
size_t bpe_count_tokens(const struct wm_tokenizer *tok);
/** After the last BPE_TOKEN: make bpe_find and byte_ids work. */
int bpe_index_tokens(struct wm_tokenizer *tok, struct wm_error *err);
/** Index the tokens that have no key (direct.h) anew; `more` others may be put. */
int bpe_index_long(struct wm_tokenizer *tok, size_t more, struct wm_error *err);
/** Append a merge of the next rank. A pair named again gets the later rank. */
int bpe_add_merge(struct wm_tokenizer *tok, uint32_t left, uint32_t right, uint32_t id,
                  struct wm_error *err);
/** The same, but for the table of pairs: bpe_pairs_put is to follow. */
int bpe_append_merge(struct wm_tokenizer *tok, struct bpe_merge merge, struct wm_error *err);
/** Token `id` (BPE_ADDED or BPE_SPECIAL, already put) is found in texts by name. */
int bpe_put_added(struct wm_tokenizer *tok, uint32_t id, bool normalized, struct wm_error *err);
int bpe_set_pattern(struct wm_tokenizer *tok, struct wm_str pattern, struct wm_error *err);
/** What finding added tokens in a text needs; bpe_finish does it. */
int bpe_index_added(struct wm_tokenizer *tok, struct wm_error *err);
/** Tables. Flags (ignore_merges, nfc) are set before. */
int bpe_finish(struct wm_tokenizer *tok, struct wm_error *err);
/** wm_tokenizer_identity of a finished tokenizer without `pieces`. */
XXH128_hash_t bpe_identity(const struct wm_tokenizer *tok);
/** Give a finished tokenizer, not in use yet, the normaliser NFC. */
int bpe_set_nfc(struct wm_tokenizer *tok, struct wm_error *err);

/** wm_token_bytes of an id < n_ids. */
static inline struct wm_str bpe_bytes(const struct wm_tokenizer *tok, uint32_t id)
{
    struct bpe_token token = tok->tokens[id];
    return (struct wm_str){tok->bytes.ptr + token.at, token.len};
}

/** Id of the token with these bytes that is not special, or BPE_NONE. */
uint32_t bpe_find(const struct wm_tokenizer *tok, struct wm_str bytes);
/** Id of the added or special token of this name, or BPE_NONE. */
uint32_t bpe_find_added(const struct wm_tokenizer *tok, struct wm_str name);

/** Bytes on their way to the token that has them: many are asked for before the first is answered,
 *  so that memory is waited for once. Between bpe_index_tokens and bpe_finish. */
struct bpe_query {
    struct wm_str bytes;
    struct bpe_key key;
    const struct bpe_direct_bucket *bucket; /**< NULL: too long to have a key, or empty */
};

/** `bytes` stay where they are until the answer; what is before `end` may be read. */
static inline void bpe_ask(const struct wm_tokenizer *tok, struct bpe_query *q, struct wm_str bytes,
                           const char *end)
{
    q->bytes = bytes;
    q->bucket = NULL;
    if (bytes.len == 0 || bytes.len > BPE_DIRECT_MAX)
        return;
    q->key = bpe_key(bytes.ptr, bytes.len, end);
    q->bucket = bpe_direct_bucket(&tok->direct, bpe_key_hash(q->key));
    __builtin_prefetch(q->bucket);
}

/** What bpe_find says. */
static inline uint32_t bpe_answer(const struct wm_tokenizer *tok, const struct bpe_query *q)
{
    if (q->bucket)
        return bpe_direct_find(&tok->direct, q->bucket, q->key);
    return q->bytes.len ? bpe_find(tok, q->bytes) : BPE_NONE;
}

/* ---- tables.c ---- */

/** Memory for a table read at random, on huge pages where there are any; free() it. NULL: none. */
void *bpe_table_alloc(size_t bytes);
/** The same, zeroed, of which only what is used is touched; free() `*ret_memory` instead. */
void *bpe_zeroed_alloc(size_t bytes, void **ret_memory);

int bpe_index_init(struct bpe_index *index, size_t n, struct wm_error *err);
/** The first of two tokens with the same bytes stays; returns its id, or BPE_NONE for the first.
 *  The table must have room. */
uint32_t bpe_index_put(struct bpe_index *index, const struct wm_tokenizer *tok, uint32_t id);
uint32_t bpe_index_find(const struct bpe_index *index, const struct wm_tokenizer *tok,
                        struct wm_str bytes);
int bpe_pairs_put(struct bpe_pairs *pairs, uint32_t left, uint32_t right, uint32_t rank,
                  uint32_t id, struct wm_error *err);

/** Room for n merges, and a filter from now on. */
int bpe_pairs_reserve(struct bpe_pairs *pairs, size_t n, struct wm_error *err);
/** Origins of tokens that no merge makes so far. Whoever calls this before bpe_finish keeps them up
 *  with the merges, each of which must be of tokens that have origins, or bytes. */
int bpe_origins_init(struct wm_tokenizer *tok, struct wm_error *err);

/** Table of the merges of two bytes; those to come are put one by one. */
int bpe_byte_pairs_init(struct wm_tokenizer *tok, struct wm_error *err);
/** Merge `rank`, if it is one of two bytes. A pair named again has the later rank. */
void bpe_byte_pairs_put(struct wm_tokenizer *tok, uint32_t rank);
/** After the last merge: filter, origins, max_token. */
int bpe_tables_finish(struct wm_tokenizer *tok, struct wm_error *err);

/** Mixes a pair of ids to 64 bits. */
static inline uint64_t bpe_pair_hash(uint32_t left, uint32_t right)
{
    uint64_t h = ((uint64_t)left << 32 | right) * UINT64_C(0x9E3779B97F4A7C15);
    h ^= h >> 32;
    return h * UINT64_C(0xD6E8FEB86659FD93);
}

/** Where looking for (left, right) begins, for prefetching. */
static inline const struct bpe_pair_slot *bpe_pairs_slot(const struct bpe_pairs *pairs,
                                                         uint32_t left, uint32_t right)
{
    return &pairs->slots[bpe_pair_hash(left, right) >> pairs->shift];
}

/** The merge of (left, right), or NULL. There must be some merge. */
static inline const struct bpe_pair_slot *bpe_merge_of(const struct bpe_pairs *pairs, uint32_t left,
                                                       uint32_t right)
{
    uint64_t hash = bpe_pair_hash(left, right), bit = hash >> pairs->filter_shift;
    if (pairs->filter && !(pairs->filter[bit / 64] >> bit % 64 & 1))
        return NULL;
    for (size_t i = hash >> pairs->shift;; i = (i + 1) & (pairs->n_slots - 1)) {
        const struct bpe_pair_slot *slot = &pairs->slots[i];
        if (slot->left == left && slot->right == right)
            return slot;
        if (slot->rank == BPE_NONE)
            return NULL;
    }
}

/* ---- piece.c: the merging of one piece ---- */

enum {
    BPE_SHORT_PIECE = 64, /**< Bytes; the quadratic way is faster up to about here. */
    BPE_GROUP = 8,        /**< Pieces merged side by side. */
};

/** Working memory, reused; free with bpe_scratch_done. Zeroed = empty. */
struct bpe_scratch {
    uint32_t *symbols;
    uint64_t *heap;
    size_t cap_symbols, cap_heap, n_heap;
};
void bpe_scratch_done(struct bpe_scratch *scratch);

int bpe_ids_reserve(struct wm_ids *ids, size_t more, struct wm_error *err);

/** Append the ids of one piece: its bytes, merged by rank, leftmost first among equals. Also
 *  before bpe_finish, by the merges added so far. */
int bpe_merge_piece(const struct wm_tokenizer *tok, struct bpe_scratch *scratch,
                    struct wm_str piece, struct wm_ids *ids, struct wm_error *err);

/** The same for 1 to BPE_SHORT_PIECE bytes that all have tokens; `ret` has room for as many ids.
 *  Returns how many. */
size_t bpe_merge_short(const struct wm_tokenizer *tok, struct wm_str piece, uint32_t *ret);
/** The same for n ≤ BPE_GROUP pieces side by side: while one waits for memory another goes on. */
void bpe_merge_group(const struct wm_tokenizer *tok, const struct wm_str *pieces, size_t n,
                     uint32_t (*ret)[BPE_SHORT_PIECE], size_t *ret_n);

/* ---- piece_heap.c, piece_windows.c: long pieces ---- */

/** Any length, any tokenizer: O(n log n). */
int bpe_merge_heap(const struct wm_tokenizer *tok, struct bpe_scratch *scratch, struct wm_str piece,
                   struct wm_ids *ids, struct wm_error *err);
/** Where tok->origins is: any length, in time ∝ n for nearly any text. */
int bpe_merge_windows(const struct wm_tokenizer *tok, struct bpe_scratch *scratch,
                      struct wm_str piece, struct wm_ids *ids, struct wm_error *err);
/** Where tok->origins is: whether tokens `left` and `right`, each what its bytes merge to, are also
 *  what the bytes of both merge to. */
bool bpe_stays_apart(const struct wm_tokenizer *tok, uint32_t left, uint32_t right);

/* ---- bytes.c: bytes as the characters tokenizer.json writes them with ---- */

enum { BPE_MAPPED_MAX = 2 }; /**< Most UTF-8 bytes of a mapped byte. */
/** Bytes in the order of their characters: the ids Hugging Face's trainer gives them. */
extern const unsigned char bpe_byte_order[256];
/** Append the mapped form of `bytes`. */
int bpe_map_bytes(struct wm_str bytes, struct wm_buf *out, struct wm_error *err);
/** Undo into `out` (room for text.len bytes); false if a character stands for no byte. */
bool bpe_unmap_bytes(struct wm_str text, char *out, size_t *ret_len);

#endif /* WETMILL_TOKENIZER_BPE_H */
