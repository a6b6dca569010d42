/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file shards.h
 * Token shards: Megatron `.bin` + `.idx` pairs with a provenance sidecar each, and the directory
 * they stand in.
 *
 *     DIR/shards.json             what is here: tokenizer identity, vocabulary, eod id, for each
 * split (train, validation) its shards with tokens, documents, text bytes and digests, and the
 * unigram entropy in nats DIR/train_00000.bin .idx    tokens (uint16 if the vocabulary is ≤ 65,536,
 * else int32), one sequence a document, each ended by the end-of-document token
 *     DIR/train_00000.prov.zst    sidecar: one row a document: url, path, key, location, line map;
 *                                 and once the recipe: source options and stages
 *     DIR/tokenizer.json          the tokenizer they were made with (SentencePiece: tokenizer.model)
 *
 * How they are made: a job with the sink wm_sink_shards writes parts, one of each split for a task;
 * wm_shards_finish numbers them in task order and writes shards.json and tokenizer.json.
 *
 * Which split: a document goes to validation if XXH3-64 of its text, seeded with `seed`, is below
 * validation_share × 2^64. The text decides, not its place or url, so exact copies of a document
 * never stand on both sides, and adding or removing other documents moves none.
 *
 * A shard in use is two mappings: a system that allows 65,530 of them reads some 30,000 shards at
 * once. Readers are immutable after opening: any number of threads (sidecars: one at a time). Shards are
 * mapped, not counted in --memory. Formats are specified in docs/formats.md. Hostile files are
 * refused (WM_E_FORMAT), never overrun; but the ids in a .bin are checked by wm_shards_verify
 * alone: who indexes a table with an id must compare it with the vocabulary.
 */
#ifndef WETMILL_SHARDS_H
#define WETMILL_SHARDS_H

#include <stdint.h>
#include <xxhash.h>

#include "wetmill/batch.h"
#include "wetmill/error.h"
#include "wetmill/file.h"
#include "wetmill/option.h"
#include "wetmill/sink.h"
#include "wetmill/tokenizer.h"

enum wm_shard_split { WM_TRAIN, WM_VALIDATION, WM_SHARD_SPLITS };
extern const char *const wm_shard_split_names[]; /**< "train", "validation", NULL */

enum {
    WM_SHARD_NAME = 32,                /**< Bytes of a shard's name with NUL. */
    WM_SHARDS_MAX = 1 << 19,           /**< Shards of one split. */
    WM_SHARDS_JSON_MAX = 256 << 20,    /**< Bytes of shards.json. */
    WM_SHARD_VOCABULARY_MAX = 1 << 26, /**< Ids of a directory of shards. */
    WM_SIDECAR_ROW_MAX = 64 << 20,     /**< Bytes of one document's row. */
    WM_SIDECAR_RECIPE_MAX = 64 << 20,  /**< Bytes of a recipe. */
};

/* ---- one shard ---- */

/** One .bin/.idx pair. */
struct wm_shard {
    struct wm_map bin, idx;
    unsigned width; /**< Bytes of a token: 2 or 4. */
    uint64_t n_sequences, n_tokens;
    uint64_t n_documents;         /**< Sequences grouped by the .idx; ours: = n_sequences. */
    const unsigned char *lengths; /**< int32 LE [n_sequences], not aligned */
    const unsigned char *offsets; /**< int64 LE [n_sequences], bytes into .bin, not aligned */
};
/** Open and check the pair `base`.bin/.idx against each other (sizes, rising offsets). Pairs that
 *  other programs wrote are fine too if their ids are uint16 or int32. */
int wm_shard_open(const char *base, struct wm_shard *ret, struct wm_error *err);
void wm_shard_close(struct wm_shard *shard); /**< Safe on a zeroed one. */
/** Copy `n` tokens from `first` on as uint32; the range must lie inside. */
void wm_shard_read(const struct wm_shard *shard, uint64_t first, size_t n, uint32_t *dst);
/** Sequence that holds token `at` (< n_tokens), its first token and length. O(log n). */
void wm_shard_find(const struct wm_shard *shard, uint64_t at, uint64_t *ret_sequence,
                   uint64_t *ret_first, uint64_t *ret_length);
/** First token and length of sequence `sequence` (< n_sequences). */
void wm_shard_sequence(const struct wm_shard *shard, uint64_t sequence, uint64_t *ret_first,
                       uint64_t *ret_length);

/* ---- shards.json ---- */

/** A shard as shards.json lists it. */
struct wm_shard_entry {
    char name[WM_SHARD_NAME]; /**< "train_00000": file names without their endings. */
    uint64_t tokens, documents, text_bytes;
    struct wm_digest bin, idx, sidecar;
};
struct wm_split_info {
    struct wm_shard_entry *shards; /**< [n], in task order */
    size_t n;
    uint64_t tokens, documents, text_bytes; /**< tokens: with the end-of-document tokens */
    double unigram_nats;                    /**< Entropy of the split's own token frequencies. */
};
struct wm_shards_info {
    struct wm_split_info splits[WM_SHARD_SPLITS];
    XXH128_hash_t tokenizer; /**< wm_tokenizer_identity */
    uint32_t vocabulary, eod;
    unsigned width;    /**< Bytes of a token. */
    uint64_t left_out; /**< Documents too long for the encoder, the index, the sidecar
                                   or max_tokens. */
    uint64_t seed;
    double validation_share;
};
/** Read DIR/shards.json and check it in itself. WM_E_FORMAT, WM_E_IO. */
int wm_shards_info_read(const char *dir, struct wm_shards_info *ret, struct wm_error *err);
/** WM_E_MISMATCH, naming both, unless `tok` is the tokenizer the shards were made with. */
int wm_shards_check_tokenizer(const struct wm_shards_info *info, const struct wm_tokenizer *tok,
                              struct wm_error *err);
void wm_shards_info_done(struct wm_shards_info *info); /**< Safe on a zeroed one. */

/* ---- a directory's split as one stream ---- */

/** All shards of one split of a directory, as one stream of tokens in shard order. */
struct wm_shard_set {
    struct wm_shard *shards;
    uint64_t *starts; /**< [n + 1] first token of each shard; the last = n_tokens */
    size_t n;         /**< 0: the split is empty. */
    uint64_t n_tokens, n_documents, n_bytes; /**< n_bytes: of UTF-8 text */
    double unigram_nats;                     /**< Entropy of the split's own token frequencies. */
    uint32_t vocabulary, eod;
    XXH128_hash_t tokenizer; /**< wm_tokenizer_identity */
};
/** WM_E_MISMATCH: a shard is not the one shards.json lists. */
int wm_shard_set_open(const char *dir, enum wm_shard_split split, struct wm_shard_set *ret,
                      struct wm_error *err);
void wm_shard_set_close(struct wm_shard_set *set);
/** Copy tokens first … first + n − 1 of the stream. The range must lie inside. */
void wm_shard_set_read(const struct wm_shard_set *set, uint64_t first, size_t n, uint32_t *dst);
/** Shard that holds token `at` (< n_tokens) of the stream, and the token's place in it. */
size_t wm_shard_set_find(const struct wm_shard_set *set, uint64_t at, uint64_t *ret_at);

/* ---- provenance ---- */

/** Provenance of one document, read from a sidecar. Strings live in the arena given. */
struct wm_provenance {
    struct wm_str url, path; /**< path: of the file that `location` refers to, as listed */
    struct wm_key key;
    struct wm_location location;
    struct wm_line_map lines;
    uint32_t source_lines;
};
struct wm_sidecar;
/** Open `base`.prov.zst, check its checksum; rows are decoded when asked for, a frame (up to 512
 *  rows) at a time. One thread at a time. */
int wm_sidecar_open(const char *base, struct wm_sidecar **ret, struct wm_error *err);
uint64_t wm_sidecar_rows(const struct wm_sidecar *sidecar);
/** The recipe as JSON (what the sink was given), borrowed. */
struct wm_str wm_sidecar_recipe(const struct wm_sidecar *sidecar);
/** Row `row`; WM_E_LIMIT if there is none. */
int wm_sidecar_read(struct wm_sidecar *sidecar, uint64_t row, struct wm_arena *arena,
                    struct wm_provenance *ret, struct wm_error *err);
void wm_sidecar_close(struct wm_sidecar *sidecar); /**< NULL is fine. */

/* ---- what stands around a document ---- */

enum { WM_SHARD_FRAME = 16 };
/** What the tokenizer's template puts before (`behind` false) or behind a text, <|begin_of_text|> say,
 *  without the end-of-document token: every document has that behind it anyway, and nowhere else.
 *  Returns how many. */
size_t wm_shard_frame(const struct wm_tokenizer *tok, bool behind, uint32_t ret[WM_SHARD_FRAME]);
/** From a sequence of a shard to the ids of its text: without the end, and without the frame where
 *  it has one (a text has no ids of special tokens). */
void wm_shard_unframe(const struct wm_tokenizer *tok, const uint32_t **ids, size_t *n);

/* ---- making them ---- */

/** Options of write-shards; the sink's shared state starts with it. */
struct wm_shards_options {
    double validation_share;
    uint64_t seed;
    uint64_t
        max_tokens; /**< Of one document, with its end; a longer one is left out and counted. */
    bool template;  /**< wm_shard_frame stands around every document. */
    /* Not options: the caller sets them before the sink opens; both stay his. */
    const struct wm_tokenizer *tokenizer;
    struct wm_str recipe; /**< JSON that every sidecar repeats: keep the input table out of it. */
};

/**
 * "write-shards". Parts of task 3: parts/train_00003.bin .idx .prov.zst, the same for validation; a
 * split without documents has none. The .bin part carries the counts and the note
 * {"split":"train","tokens":N,"left_out":N}. WM_E_CONFIG if the tokenizer has no special token that
 * can end a document.
 */
extern const struct wm_sink wm_sink_shards;

/**
 * Make a finished directory of a job's parts (in task order): parts are hard-linked (or copied) to
 * train_00000 …, numbered anew without gaps; then tokenizer.json; last shards.json, without which
 * the directory does not count. The parts stay: remove them with the job's directory. Shards of an
 * earlier shards.json in `dir` are removed. Doing it again after an interruption is safe. A part
 * that its record does not tell of is WM_E_FORMAT, and removed (wm_part_drop).
 * `ret` may be NULL; free with wm_shards_info_done.
 */
int wm_shards_finish(const char *job_dir, const struct wm_parts *parts,
                     const struct wm_shards_options *options, const char *dir,
                     struct wm_shards_info *ret, struct wm_error *err);

/** −Σ p ln p over n counts, in index order; 0 if all are 0. */
double wm_unigram_nats(const uint64_t *counts, size_t n);

/* ---- looking into them ---- */

enum { WM_SHARD_TOP = 64 };

/** What the tokens of one shard say. */
struct wm_shard_facts {
    uint64_t n_tokens, n_sequences, n_documents;
    unsigned width;
    uint64_t shortest, longest; /**< Sequence lengths; 0 without sequences. */
    uint64_t n_eod, n_ended; /**< eod tokens; sequences whose last token, and only that, is eod. */
    uint64_t n_outside;      /**< Ids ≥ vocabulary. */
    uint32_t max_id;
    uint32_t n_distinct; /**< Ids < vocabulary that occur. */
    double unigram_nats; /**< Of the ids < vocabulary. */
    struct {
        uint32_t id;
        uint64_t count;
    } top[WM_SHARD_TOP]; /**< Most frequent first, ties by id. */
    size_t n_top;
};
/**
 * Read a whole shard. `vocabulary` (≤ WM_SHARD_VOCABULARY_MAX, WM_E_LIMIT) bounds the ids that are counted one by one;
 * `counts` ([vocabulary], added to) may be NULL.
 */
int wm_shard_inspect(const struct wm_shard *shard, uint32_t vocabulary, uint32_t eod,
                     uint64_t *counts, struct wm_shard_facts *ret, struct wm_error *err);

/**
 * Check a directory by reading all of it: sizes and digests of all files against shards.json, .idx
 * against .bin, ids < vocabulary, the end-of-document token at the end of every sequence and
 * nowhere else, sidecar rows, totals, entropy, tokenizer.json's identity. Each problem is told to
 * `on_problem` (may be NULL) and counted; the check goes on. Fails only where shards.json cannot be
 * read, or of trouble of its own.
 */
int wm_shards_verify(const char *dir, void (*on_problem)(void *arg, const struct wm_error *problem),
                     void *arg, uint64_t *ret_problems, struct wm_error *err);

#endif /* WETMILL_SHARDS_H */
