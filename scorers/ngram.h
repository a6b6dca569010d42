/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ngram.h
 * What the parts of the n-gram model reader share.
 *
 *     ngram_open.c      which format is it; accessors
 *     ngram_window.h    the look-up of all words of a sentence, order by order, for any format
 *     ngram_table.c     wetmill's own tables: query
 *     ngram_file.c      wetmill's own format: open, check, write
 *     ngram_text.c      lines of a plain or gzip file
 *     ngram_arpa.c      ARPA text: sections, n-grams, numbers
 *     ngram_build.c     ARPA text to tables
 *     ngram_kenlm.c     header of KenLM's binary files
 *     ngram_probing.c   KenLM's hash tables
 *     ngram_trie.c      KenLM's tries: query
 *     ngram_trie_open.c KenLM's tries: where everything lies
 *
 * Two flags hide in the numbers of all formats but the tries, where only the second does. The sign
 * bit of a stored probability (log10, never above 0) is clear if some longer n-gram of the model
 * ends with this one. A back-off of -0.0 says that no n-gram starts with this one, so it need not
 * be looked for.
 */
#ifndef WETMILL_SCORERS_NGRAM_H
#define WETMILL_SCORERS_NGRAM_H

#include <stdbool.h>
#include <string.h>

#include "wetmill/file.h"
#include "wetmill/ngram.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#    error "model files are read as they lie: little-endian"
#endif

__extension__ typedef unsigned __int128 wm_u128;

/** A table of one order: buckets of the own format, or slots of KenLM's. */
struct wm_ngram_table {
    const unsigned char *at;
    uint64_t buckets;
    uint64_t inverse;    /**< KenLM: for a remainder without a division. */
    uint64_t max_probes; /**< Slots looked at before a key counts as absent. */
};

/** Words of the own format. */
struct wm_ngram_words {
    const unsigned char *slots; /**< u64 [mask + 1]: upper half of the hash | index; 0 is free. */
    uint64_t mask;
    const unsigned char *starts; /**< u32 [words + 1] into bytes */
    const char *bytes;
    uint32_t n_bytes;
};

/** One order above 1 of a trie: entries of `bits` bits {word, weights, pointer}. */
struct wm_ngram_level {
    const unsigned char *at;
    uint64_t entries;
    uint64_t next_entries; /**< Entries of the order above. */
    unsigned word_bits, weight_bits, next_bits, bits;
    const unsigned char *high; /**< u64 [n_high], array-compressed pointers: the entries at which
                                  what stands above next_bits goes up by one. */
    uint64_t n_high;
    const unsigned char *probs, *backoffs; /**< Quantised: f32, what the codes stand for. */
    unsigned prob_bits, backoff_bits;
};

struct wm_ngram_trie {
    const unsigned char *hashes; /**< u64 [n_hashes] sorted; word i + 1 has hashes[i]. */
    uint64_t n_hashes;
    bool quantised;
    struct wm_ngram_level levels[WM_NGRAM_MAX_ORDER + 1]; /**< By order, from 2. */
};

struct wm_ngram_memory {
    void *at;
    size_t bytes;
};

struct wm_ngram_cursor;

enum { WM_NGRAM_PIECES = WM_NGRAM_MAX_ORDER + 8 };

struct wm_ngram {
    const char *format;
    unsigned order;
    uint32_t n_words, begin, end;
    uint64_t counts[WM_NGRAM_MAX_ORDER + 1]; /**< By order, from 1. */
    uint32_t (*word)(const struct wm_ngram *model, struct wm_str word);
    void (*score)(const struct wm_ngram *model, struct wm_ngram_cursor *cursor);
    const unsigned char *unigrams; /**< Of `unigram_size` bytes: probability, back-off, … */
    unsigned unigram_size;
    bool fetch_unigrams; /**< They are too many for the nearest caches. */
    struct wm_ngram_table tables[WM_NGRAM_MAX_ORDER + 1]; /**< By order, from 2. */
    unsigned middle_size, value_at;                       /**< KenLM's hash tables: of a slot. */
    struct wm_ngram_table vocabulary;                     /**< KenLM's hash tables. */
    struct wm_ngram_words words;
    struct wm_ngram_trie trie;

    struct wm_str bytes; /**< The whole file, if it is used in place. */
    struct wm_map map;
    struct wm_ngram_memory pieces[WM_NGRAM_PIECES]; /**< Memory of its own. */
    unsigned n_pieces;
};

static inline float wm_ngram_float(const void *at)
{
    float f;
    memcpy(&f, at, sizeof f);
    return f;
}

static inline uint64_t wm_ngram_u64(const void *at)
{
    uint64_t u;
    memcpy(&u, at, sizeof u);
    return u;
}

static inline uint32_t wm_ngram_bits(float f)
{
    uint32_t u;
    memcpy(&u, &f, sizeof u);
    return u;
}

static inline float wm_ngram_from_bits(uint32_t u)
{
    float f;
    memcpy(&f, &u, sizeof f);
    return f;
}

#define WM_NGRAM_SIGN UINT32_C(0x80000000)

static inline uint32_t wm_ngram_u32(const void *at)
{
    uint32_t u;
    memcpy(&u, at, sizeof u);
    return u;
}

/** A new model without anything, to be filled; or NULL. */
struct wm_ngram *wm_ngram_new(struct wm_error *err);

/** Zeroed pages, given back by wm_ngram_pages_free; huge ones where the system has them. */
int wm_ngram_pages(uint64_t bytes, const char *what, struct wm_ngram_memory *ret,
                   struct wm_error *err);
void wm_ngram_pages_free(struct wm_ngram_memory *memory);

/* ---- wetmill's own format ---- */

enum {
    WM_NGRAM_BUCKET = 64,  /**< Bytes: a cache line. */
    WM_NGRAM_MIDDLES = 4,  /**< Of a bucket: u64 key, then {f32 probability, f32 back-off} each. */
    WM_NGRAM_LONGESTS = 5, /**< u64 key, then f32 probability each. */
    WM_NGRAM_MAX_PROBES = 64, /**< Buckets from a key's home to where it lies. */
};

/** The word before `words` joins their hash: a hash goes from the last word to the first. */
static inline uint64_t wm_ngram_join(uint64_t hash, uint32_t word)
{
    hash =
        (hash ^ ((uint64_t)word + 1) * UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xD6E8FEB86659FD93);
    return hash ^ hash >> 32;
}

/** What a bucket holds of a hash: bit 0 is a flag of the bucket, bit 1 says not free. */
static inline uint64_t wm_ngram_key(uint64_t hash)
{
    return (hash & ~UINT64_C(1)) | 2;
}

/** Byte of the bucket whose bit 0 says that a key of the class of `key` found it full and lies
 *  further on. Bits 2 and 3 are the class. */
static inline unsigned wm_ngram_flag(uint64_t key)
{
    return (key >> 2 & 3) * 8;
}

static inline bool wm_ngram_went_on(const unsigned char *bucket, uint64_t key)
{
    return bucket[wm_ngram_flag(key)] & 1;
}

static inline uint64_t wm_ngram_home(uint64_t key, uint64_t buckets)
{
    return (uint64_t)((wm_u128)key * buckets >> 64);
}

bool wm_ngram_is_own(struct wm_str bytes);
int wm_ngram_own_open(struct wm_ngram *model, struct wm_error *err);
int wm_ngram_own_write(const struct wm_ngram *model, const char *path, struct wm_error *err);
/** Set the functions of the own format. */
void wm_ngram_own_use(struct wm_ngram *model);
uint64_t wm_ngram_word_hash(struct wm_str word);

/* ---- ARPA text ---- */

struct wm_ngram_text;

/** Lines of `path`, or of `bytes` if `path` is NULL; gzip is noticed. */
int wm_ngram_text_open(const char *path, struct wm_str bytes, struct wm_ngram_text **ret,
                       struct wm_error *err);
void wm_ngram_text_close(struct wm_ngram_text *text);
/** Next line without its end: 1 and `*ret` (valid until the next call), 0 at the end, < 0. */
int wm_ngram_text_line(struct wm_ngram_text *text, struct wm_str *ret, struct wm_error *err);
uint64_t wm_ngram_text_number(const struct wm_ngram_text *text); /**< Of the last line, from 1. */
/** Most bytes there can be, UINT64_MAX if that is not known. */
uint64_t wm_ngram_text_most(const struct wm_ngram_text *text);

struct wm_ngram_arpa {
    const char *name; /**< Of the file, or NULL. */
    struct wm_ngram_text *text;
    unsigned order;
    uint64_t counts[WM_NGRAM_MAX_ORDER + 1];
};

/** Does this start as ARPA text does? */
bool wm_ngram_is_arpa(struct wm_str bytes);
/** Read the counts. */
int wm_ngram_arpa_begin(struct wm_ngram_arpa *arpa, struct wm_error *err);
/** The heading of the n-grams of one order. */
int wm_ngram_arpa_section(struct wm_ngram_arpa *arpa, unsigned order, struct wm_error *err);

struct wm_ngram_entry {
    struct wm_str words[WM_NGRAM_MAX_ORDER];
    float prob, backoff; /**< Without a back-off, or one of 0: -0.0. */
};
/** The next n-gram, of `order` words that lie in the line just read. */
int wm_ngram_arpa_entry(struct wm_ngram_arpa *arpa, unsigned order, struct wm_ngram_entry *ret,
                        struct wm_error *err);
int wm_ngram_arpa_end(struct wm_ngram_arpa *arpa, struct wm_error *err);
/** Add the number of the line to an error. */
int wm_ngram_arpa_where(const struct wm_ngram_arpa *arpa, struct wm_error *err);

/** Tables of the own format from ARPA text, in at most `memory` bytes (0: any). */
int wm_ngram_build(struct wm_ngram_text *text, const char *name, uint64_t memory,
                   struct wm_ngram *model, struct wm_error *err);

/* ---- KenLM's binary files ---- */

enum wm_ngram_kenlm_type {
    WM_KENLM_PROBING,
    WM_KENLM_REST_PROBING,
    WM_KENLM_TRIE,
    WM_KENLM_QUANTISED_TRIE,
    WM_KENLM_ARRAY_TRIE,
    WM_KENLM_QUANTISED_ARRAY_TRIE,
};

struct wm_ngram_kenlm {
    enum wm_ngram_kenlm_type type;
    float multiplier; /**< Slots of a hash table for an entry. */
    uint64_t at;      /**< Bytes taken so far. */
};

bool wm_ngram_is_kenlm(struct wm_str bytes);
/** Opens model->bytes. */
int wm_ngram_kenlm_open(struct wm_ngram *model, struct wm_error *err);
int wm_ngram_probing_open(struct wm_ngram *model, struct wm_ngram_kenlm *k, struct wm_error *err);
int wm_ngram_trie_open(struct wm_ngram *model, struct wm_ngram_kenlm *k, struct wm_error *err);
/** Set the functions of a trie. */
void wm_ngram_trie_use(struct wm_ngram *model);
/** The next `count` × `size` bytes of the file. */
int wm_ngram_kenlm_take(const struct wm_ngram *model, struct wm_ngram_kenlm *k, uint64_t count,
                        uint64_t size, const char *what, const unsigned char **ret,
                        struct wm_error *err);

/** MurmurHash64A of Austin Appleby (public domain), seed 0: KenLM's hash of a word. */
uint64_t wm_ngram_murmur(struct wm_str word);

#endif /* WETMILL_SCORERS_NGRAM_H */
