/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file encode.h
 * What an encoder consists of, for the files that encode: encode.c a text, encode_stream.c chunks,
 * encode_more.c counts, spans and batches.
 */
#ifndef WETMILL_TOKENIZER_ENCODE_H
#define WETMILL_TOKENIZER_ENCODE_H

#include "tokenizer/bpe.h"
#include "tokenizer/nfc.h"

enum {
    BPE_CACHE_LINES = 1 << 18, /**< 16 MiB, of which only what is used is touched. */
    BPE_CACHED_BYTES = 30,     /**< Of a piece. */
    BPE_CACHED_IDS = 8,
    BPE_BLOCK = 256, /**< Pieces looked up at a time. */
};

/* What a piece came to last time; 64 bytes, so that one miss fetches all. */
struct bpe_cache_line {
    struct bpe_key key; /* of a piece that has one, else its first bytes */
    char more[BPE_CACHED_BYTES - BPE_KEY_BYTES];
    uint8_t len, n_ids; /* len 0: empty */
    uint32_t ids[BPE_CACHED_IDS];
};

/* Pieces on their way to ids: those with keys are on their way to the cache meanwhile. */
struct bpe_block {
    uint32_t ends[BPE_BLOCK];
    struct bpe_key keys[BPE_BLOCK]; /* as in struct bpe_cache_line */
    uint64_t hashes[BPE_BLOCK];
    uint32_t found[BPE_BLOCK]; /* the one token it is, or BPE_NONE */
};

enum bpe_rule { BPE_AS_TEXT, BPE_ALLOWED, BPE_REFUSED };

/* The last stretch without added tokens that begins at or before `limit`. */
struct bpe_stretch {
    const char *base;
    size_t limit, start, end;
};

struct sp_spans;

struct wm_encoder {
    const struct wm_tokenizer *tok;
    struct wm_sp_scratch *pieces; /* SentencePiece: instead of splitter, cache and block */
    struct sp_spans *spans;       /* SentencePiece: NULL, or where to note them */
    struct bpe_splitter *splitter;
    struct bpe_nfc nfc;
    struct bpe_cache_line *cache; /* [BPE_CACHE_LINES] */
    void *cache_memory;           /* where it lies */
    struct bpe_block block;
    struct bpe_scratch scratch;
    uint8_t *rules;       /* [n_added] enum bpe_rule, for WM_ENCODE_CHOSEN; NULL: none chosen */
    const uint8_t *using; /* rules now; NULL: all specials are allowed */
    struct bpe_stretch stretch;
    struct wm_ids counted;
};

/** wm_encode without the template and without looking for refused names. */
int bpe_encode(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
               struct wm_error *err);
/** WM_E_FORMAT if a refused name stands in `text` at or behind `from`, with WM_ENCODE_CHOSEN.
 *  `base` is added to the place named. */
int bpe_check_refused(struct wm_encoder *enc, struct wm_str text, size_t from, uint64_t base,
                      unsigned flags, struct wm_error *err);
/** Append what the template puts before or behind a text, with WM_ENCODE_TEMPLATE. */
int bpe_put_around(const struct wm_encoder *enc, unsigned flags, bool behind, struct wm_ids *ids,
                   struct wm_error *err);
/** Most bytes of a name looked for or refused with these flags; 0 if there is none. */
size_t bpe_longest_name(const struct wm_encoder *enc, unsigned flags);
/** The stretch of `text` that reaches over `limit`: see struct bpe_stretch. */
int bpe_find_stretch(struct wm_encoder *enc, struct wm_str text, size_t limit, unsigned flags,
                     struct wm_error *err);

#endif /* WETMILL_TOKENIZER_ENCODE_H */
