/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file direct.h
 * Short pieces that are one token each, found with one cache miss and no byte loop: those of up to
 * 15 bytes are a 16-byte key (the bytes, zeros, the length), three keys and ids to a cache line.
 * Of longer ones it is known which are certainly no token.
 */
#ifndef WETMILL_TOKENIZER_DIRECT_H
#define WETMILL_TOKENIZER_DIRECT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

enum {
    BPE_KEY_BYTES = 16,
    BPE_DIRECT_MAX = BPE_KEY_BYTES - 1, /**< Bytes of the longest piece with a key. */
    BPE_DIRECT_WAYS = 3,
    BPE_LONG_WORDS = 1 << 10,
};

/** Bytes of a piece and its length: equal for equal pieces only. length 0: no piece. */
struct bpe_key {
    uint64_t low, high;
};

struct bpe_direct_bucket {
    struct bpe_key keys[BPE_DIRECT_WAYS];
    uint32_t ids[BPE_DIRECT_WAYS];
    uint32_t full; /**< Keys that belong here stand in the next bucket as well. */
};

/** Zeroed = empty. */
struct bpe_direct {
    struct bpe_direct_bucket *buckets;
    uint64_t n_buckets;                 /**< < 2³² */
    uint64_t long_ones[BPE_LONG_WORDS]; /**< A bit for each hash of a longer token's bytes. */
};

struct wm_tokenizer;
/** Make the table of `tok`, empty, for its tokens so far. */
int bpe_direct_init(struct wm_tokenizer *tok, struct wm_error *err);
/** Returns the id that has this key already, or puts `id` and returns UINT32_MAX. */
uint32_t bpe_direct_put(struct bpe_direct *direct, struct bpe_key key, uint32_t id);
/** There is a token of these more than 15 bytes. */
void bpe_direct_note_long(struct bpe_direct *direct, struct wm_str bytes);
/** Leave, in a tokenizer whose other tables are done, only what a piece with its bytes becomes; the
 *  index takes the others. */
int bpe_direct_finish(struct wm_tokenizer *tok, struct wm_error *err);

/** The key of `len` (1 to 15) bytes at `at`; reads no further than `end`. */
static inline struct bpe_key bpe_key(const char *at, size_t len, const char *end)
{
    static const unsigned char masks[2 * BPE_KEY_BYTES] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                           255, 255, 255, 255, 255, 255, 255, 255};
    char bytes[BPE_KEY_BYTES] = {0};
    struct bpe_key key, mask;
    if (end - at >= BPE_KEY_BYTES) {
        memcpy(&key, at, sizeof key);
        memcpy(&mask, masks + BPE_KEY_BYTES - len, sizeof mask);
        key.low &= mask.low;
        key.high &= mask.high;
    } else {
        memcpy(bytes, at, len);
        memcpy(&key, bytes, sizeof key);
    }
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    key.high |= len;
#else
    key.high |= (uint64_t)len << 56;
#endif
    return key;
}

/** 64 bits; the upper half chooses buckets. */
static inline uint64_t bpe_key_hash(struct bpe_key key)
{
    uint64_t h = key.low * UINT64_C(0x9E3779B97F4A7C15) ^
                 (key.high ^ key.low >> 32) * UINT64_C(0xC2B2AE3D27D4EB4F);
    h ^= h >> 29;
    return h * UINT64_C(0xD6E8FEB86659FD93);
}

static inline const struct bpe_direct_bucket *bpe_direct_bucket(const struct bpe_direct *direct,
                                                                uint64_t hash)
{
    return direct->buckets + ((hash >> 32) * direct->n_buckets >> 32);
}

/** Whether a piece that has no key may be a token; `hash` is XXH3_64bits of its bytes. */
static inline bool bpe_may_be_long(const struct bpe_direct *direct, uint64_t hash)
{
    return direct->long_ones[hash / 64 % BPE_LONG_WORDS] >> hash % 64 & 1;
}

/** Look in `bucket` and those it overflows into. Returns the id, or UINT32_MAX. */
static inline uint32_t bpe_direct_find(const struct bpe_direct *direct,
                                       const struct bpe_direct_bucket *bucket, struct bpe_key key)
{
    for (;;) {
        for (int i = 0; i < BPE_DIRECT_WAYS; i++)
            if (bucket->keys[i].low == key.low && bucket->keys[i].high == key.high)
                return bucket->ids[i];
        if (!bucket->full)
            return UINT32_MAX;
        if (++bucket == direct->buckets + direct->n_buckets)
            bucket = direct->buckets;
    }
}

#endif /* WETMILL_TOKENIZER_DIRECT_H */
