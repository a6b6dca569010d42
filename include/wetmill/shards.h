/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file shards.h
 * Token shards: Megatron `.bin` + `.idx` pairs with a provenance sidecar each, and the directory
 * they stand in.
 *
 *     DIR/shards.json             what is here: tokenizer identity, vocabulary, eod id, for each split
 *                                 (train, validation) its shards with tokens, documents, text bytes,
 *                                 and the unigram entropy in nats
 *     DIR/train_00000.bin .idx    tokens (uint16 if the vocabulary is ≤ 65,536, else int32), one
 *                                 sequence a document, each ended by the end-of-document token
 *     DIR/train_00000.prov.zst    sidecar: one row a document: url, key, location, line map; and
 *                                 once the recipe: the input table and the stages with options
 *     DIR/tokenizer.json          the tokenizer they were made with
 *
 * Readers are immutable after opening: any number of threads. Shards are mapped, not counted in
 * --memory. Formats are specified in docs/formats.md.
 */
#ifndef WETMILL_SHARDS_H
#define WETMILL_SHARDS_H

#include <stdint.h>
#include <xxhash.h>

#include "wetmill/batch.h"
#include "wetmill/error.h"
#include "wetmill/file.h"

enum wm_shard_split { WM_TRAIN, WM_VALIDATION };
extern const char *const wm_shard_split_names[]; /**< "train", "validation", NULL */

/** One .bin/.idx pair. */
struct wm_shard {
    struct wm_map bin, idx;
    unsigned width;            /**< Bytes of a token: 2 or 4. */
    uint64_t n_sequences, n_tokens;
    const unsigned char *lengths;  /**< int32 LE [n_sequences] */
    const unsigned char *offsets;  /**< int64 LE [n_sequences], bytes into .bin */
};
/** Open and check the pair `base`.bin/.idx against each other (sizes, rising offsets). */
int wm_shard_open(const char *base, struct wm_shard *ret, struct wm_error *err);
void wm_shard_close(struct wm_shard *shard);
/** Copy `n` tokens from `first` on as uint32; the range must lie inside. */
void wm_shard_read(const struct wm_shard *shard, uint64_t first, size_t n, uint32_t *dst);
/** Sequence that holds token `at`, its first token and length. */
void wm_shard_find(const struct wm_shard *shard, uint64_t at, uint64_t *ret_sequence,
                   uint64_t *ret_first, uint64_t *ret_length);

/** All shards of one split of a directory, as one stream of tokens in shard order. */
struct wm_shard_set {
    struct wm_shard *shards;
    uint64_t *starts;             /**< [n + 1] first token of each shard; the last = n_tokens */
    size_t n;
    uint64_t n_tokens, n_documents, n_bytes; /**< n_bytes: of UTF-8 text */
    double unigram_nats;          /**< Entropy of the split's own token frequencies. */
    uint32_t vocabulary, eod;
    XXH128_hash_t tokenizer;      /**< wm_tokenizer_identity */
};
int wm_shard_set_open(const char *dir, enum wm_shard_split split, struct wm_shard_set *ret,
                      struct wm_error *err);
void wm_shard_set_close(struct wm_shard_set *set);
/** Copy tokens first … first + n − 1 of the stream. The range must lie inside. */
void wm_shard_set_read(const struct wm_shard_set *set, uint64_t first, size_t n, uint32_t *dst);

/** Provenance of one document, read from a sidecar. Strings live in the arena given. */
struct wm_provenance {
    struct wm_str url, path;      /**< path: of the input file, as listed */
    struct wm_key key;
    struct wm_location location;
    struct wm_line_map lines;
    uint32_t source_lines;
};
struct wm_sidecar;
/** Open `base`.prov.zst; rows are decoded when asked for. */
int wm_sidecar_open(const char *base, struct wm_sidecar **ret, struct wm_error *err);
uint64_t wm_sidecar_rows(const struct wm_sidecar *sidecar);
/** The recipe as JSON (see recipe.h of the pipeline), borrowed. */
struct wm_str wm_sidecar_recipe(const struct wm_sidecar *sidecar);
int wm_sidecar_read(struct wm_sidecar *sidecar, uint64_t row, struct wm_arena *arena,
                    struct wm_provenance *ret, struct wm_error *err);
void wm_sidecar_close(struct wm_sidecar *sidecar);

#endif /* WETMILL_SHARDS_H */
