/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sp_model.h
 * What the parts of the SentencePiece reader share.
 *
 *     sp_file.c        the message of a model file: pieces, trainer and normaliser settings
 *     sp_vocabulary.c  checks over all pieces, the trie's keys, text to id
 *     sp_trie.c        double array over the pieces that can stand in a text
 *     sp_normalise.c   character map and spaces
 *     sp_unigram.c     best path by float sums in SentencePiece's order
 *     sp_bpe.c         merges by score
 *     sp_encode.c      scratch, words, the cache of words
 *     sp_decode.c      ids to text
 *     sp_identity.c    what a model is known by
 */
#ifndef WETMILL_SCORERS_SP_MODEL_H
#define WETMILL_SCORERS_SP_MODEL_H

#include <math.h>
#include <stdbool.h>

#include "wetmill/sentencepiece.h"

/* "▁", U+2581, stands for a space */
#define WM_SP_SPACE "\xE2\x96\x81"

/* ---- trie of pieces ---- */

enum {
    WM_SP_LABEL = 0x1FF,  /**< Of a link: the byte that leads here, and WM_SP_TAKEN. */
    WM_SP_TAKEN = 0x100,  /**< The unit is a node (the root has it not: no byte leads there). */
    WM_SP_BASE_SHIFT = 9, /**< Above: the base; child `c` of a node is unit base ^ c. */
    WM_SP_MAX_UNITS = 1 << (32 - WM_SP_BASE_SHIFT),
    WM_SP_NO_BASE = 0 /**< Of a node without children; no child has this base. */
};

/** `score` is −∞ where no piece ends that may be used, +∞ at a user-defined symbol. */
struct wm_sp_unit {
    uint32_t link;
    float score;
};

struct wm_sp_trie {
    struct wm_sp_unit *units;
    uint32_t *ids;    /**< [n_units] piece that ends here, or WM_SP_NONE */
    uint32_t n_units; /**< A multiple of 256, so base ^ c is always within. */
};

struct wm_sp_key {
    struct wm_str text;
    uint32_t id;
};

/** From `keys` sorted by bytes, all different, none empty, without NUL bytes. Scores stay −∞. */
int wm_sp_trie_build(const struct wm_sp_key *keys, size_t n, struct wm_sp_trie *ret,
                     struct wm_error *err);
void wm_sp_trie_done(struct wm_sp_trie *trie);

/** The unit that byte `c` leads to from a unit with `link`, or NULL. NUL leads nowhere. */
static inline const struct wm_sp_unit *wm_sp_child(const struct wm_sp_unit *units, uint32_t link,
                                                   unsigned char c)
{
    const struct wm_sp_unit *unit = &units[(link >> WM_SP_BASE_SHIFT) ^ c];
    return (unit->link & WM_SP_LABEL) == (WM_SP_TAKEN | (uint32_t)c) ? unit : NULL;
}

/** The unit that `bytes` [len] lead to from a unit with `link`, or NULL. */
static inline const struct wm_sp_unit *wm_sp_walk(const struct wm_sp_trie *trie, uint32_t link,
                                                  const char *bytes, size_t len)
{
    const struct wm_sp_unit *unit = NULL;
    for (size_t i = 0; i < len; i++) {
        unit = wm_sp_child(trie->units, link, (unsigned char)bytes[i]);
        if (!unit)
            return NULL;
        link = unit->link;
    }
    return unit;
}

/* ---- normaliser ---- */

enum wm_sp_class {
    WM_SP_PLAIN,   /**< Stands for itself, whatever ASCII byte follows. */
    WM_SP_BLANK,   /**< The space, under the same condition. */
    WM_SP_SPECIAL, /**< Rules or user-defined symbols may start here; not ASCII. */
};

struct wm_sp_normaliser {
    char *charsmap; /**< units of a Darts-clone double array, replacements, NUL */
    size_t n_units;
    const char *replacements;
    size_t replacement_bytes; /**< With the NUL behind them. */
    bool add_dummy_prefix, remove_extra_whitespaces, escape_whitespaces, space_is_suffix;
    uint8_t classes[256];  /**< enum wm_sp_class */
    bool graphic_is_plain; /**< "!" to "~" are all WM_SP_PLAIN. */
    bool joins[128];       /**< A rule goes from this byte to one that is not ASCII. */
    bool user_first[256];  /**< A user-defined symbol starts with this byte. */
};

/** Take the character map; the flags are set by the caller. `charsmap` may be empty. */
int wm_sp_charsmap_take(struct wm_str charsmap, struct wm_sp_normaliser *n, struct wm_error *err);
/** Fill `classes` and `joins`, after `user_first`. */
void wm_sp_normaliser_prepare(struct wm_sp_normaliser *n);
void wm_sp_normaliser_done(struct wm_sp_normaliser *n);

/* ---- model ---- */

struct wm_sp {
    enum wm_sp_kind kind;
    uint32_t n_pieces, n_reserved;
    char *bytes;                    /**< All pieces, one after the other. */
    uint32_t *starts;               /**< [n_pieces + 1] into bytes */
    float *scores;                  /**< [n_pieces] as in the file */
    uint8_t *types;                 /**< [n_pieces] enum wm_sp_type */
    uint32_t *found;                /**< [n_pieces] wm_sp_find of the piece's text */
    struct wm_sp_key *reserved;     /**< [n_reserved] sorted: those never found in a text */
    struct wm_sp_trie trie;         /**< The others. */
    const struct wm_sp_unit *space; /**< Where "▁" leads in the trie, or NULL. */
    uint32_t unknown, begin, end, pad;
    float max_score; /**< As SentencePiece takes it: at least FLT_MIN. */
    float unknown_score;
    float largest_score; /**< No piece that a path may take is further from 0. */
    float *path_scores;  /**< Unigram [n_pieces]: `scores`, of the unknown piece unknown_score. */
    uint32_t *splits;    /**< BPE [n_pieces]: bytes of an unused piece's left part, 0: whole. */
    uint32_t byte_ids[256];
    bool byte_fallback;
    bool has_user_defined;
    bool cut_before_spaces, cut_behind_spaces; /**< No piece goes over such a place. */
    bool joined[128][128]; /**< Some piece of the trie has these two ASCII bytes in a row. */
    bool cached;           /**< Words may be remembered. */
    char *unknown_surface;
    size_t unknown_surface_bytes;
    struct wm_sp_normaliser normaliser, denormaliser;
    bool has_denormaliser;
};

/** calloc of a checked size; NULL with `*err` filled. */
void *wm_sp_alloc(uint64_t count, size_t size, const char *what, struct wm_error *err);

struct wm_sp_settings {
    uint64_t model_type;
    bool byte_fallback, space_is_suffix;
    struct wm_str begin, end, pad, unknown_surface;
};

/** Everything that follows from the pieces; `model` has bytes, starts, scores and types. */
int wm_sp_vocabulary(struct wm_sp *model, const struct wm_sp_settings *settings,
                     struct wm_error *err);

/** Longest user-defined symbol that `text` [len] starts with, in bytes; `*ret_id` its id. 0: none.
 *  Reads up to `len` bytes. */
size_t wm_sp_user_defined(const struct wm_sp *model, const char *text, size_t len,
                          uint32_t *ret_id);

/* ---- encoding ---- */

/** Bytes of the character that `lead` starts, as far as its first byte tells. */
static inline size_t wm_sp_char_bytes(char lead)
{
    unsigned char c = (unsigned char)lead;
    return c < 0xC0 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
}

enum {
    WM_SP_KEY_BYTES = 24,
    WM_SP_WORD_PIECES = 6,
    WM_SP_WORDS_LOG2 = 15,
    WM_SP_PADDING = 32, /**< Zero bytes behind the normalised text. */
};

/** A word and its pieces, unknown characters one by one. One cache line. */
struct wm_sp_word {
    uint64_t key[WM_SP_KEY_BYTES / 8]; /**< The word's bytes and zeros. */
    uint32_t ids[WM_SP_WORD_PIECES];
    float max_sum; /**< The pieces are these if the path so far sums to ±max_sum at most. */
    uint8_t ends[WM_SP_WORD_PIECES];
    uint8_t len; /**< Of the word; 0: a free slot. */
    uint8_t n;   /**< Pieces, and HAS_UNKNOWN. */
};
_Static_assert(sizeof(struct wm_sp_word) == 64, "one cache line");

/** The best path to a place: unigram. */
struct wm_sp_best {
    float score;
    uint32_t id, from; /**< Last piece, and where it starts (once settled: where it leads). */
};

/** A symbol that starts at the byte of its index: BPE. `len` 0: merged away. */
struct wm_sp_symbol {
    uint32_t len, prev, next, link, id;
};

struct wm_sp_pair {
    float score;
    uint32_t left, len;
};

struct wm_sp_scratch {
    char *text; /**< Normalised, with WM_SP_PADDING. */
    size_t text_len, text_cap;
    bool text_is_utf8;
    uint32_t *ids, *ends;
    size_t n, cap;
    float sum; /**< Unigram: of the path so far. */
    struct wm_sp_best *best;
    size_t best_cap;
    struct wm_sp_symbol *symbols;
    struct wm_sp_pair *pairs;
    size_t symbols_cap, n_pairs;
    struct wm_sp_word *words; /**< [1 << WM_SP_WORDS_LOG2] in sets of two, or NULL. */
};

/** Room for `more` pieces. */
int wm_sp_reserve_slow(struct wm_sp_scratch *s, size_t more, struct wm_error *err);
static inline int wm_sp_reserve(struct wm_sp_scratch *s, size_t more, struct wm_error *err)
{
    return s->cap - s->n >= more ? 0 : wm_sp_reserve_slow(s, more, err);
}

/** Add a piece of text[begin, end), for which there is room (a byte fallback takes one a byte). */
void wm_sp_emit_unknown(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t begin,
                        uint32_t end);
static inline void wm_sp_emit(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t id,
                              uint32_t begin, uint32_t end)
{
    if (id == model->unknown) {
        wm_sp_emit_unknown(model, s, begin, end);
        return;
    }
    s->ids[s->n] = id;
    s->ends[s->n++] = end;
}

/** Normalise into s->text. `symbols`: whose user-defined symbols stay as they are; NULL: none. */
int wm_sp_normalise_into(const struct wm_sp_normaliser *n, const struct wm_sp *symbols,
                         struct wm_str text, struct wm_sp_scratch *s, struct wm_error *err);

/** Add the pieces of text[begin, end): no piece goes over these places. */
int wm_sp_unigram(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t begin, uint32_t end,
                  struct wm_error *err);
int wm_sp_bpe(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t begin, uint32_t end,
              struct wm_error *err);

/** Pieces of a word [word->len bytes at `text`], if they fit; else false. */
bool wm_sp_unigram_word(const struct wm_sp *model, const char *text, struct wm_sp_word *word);

/** model->splits of BPE. */
int wm_sp_bpe_prepare(struct wm_sp *model, struct wm_error *err);

#endif /* WETMILL_SCORERS_SP_MODEL_H */
