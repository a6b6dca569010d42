/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sentencepiece.h
 * SentencePiece models (Kudo and Richardson, arXiv 1808.06226): unigram (Kudo, arXiv 1804.10959)
 * and BPE (Sennrich et al., arXiv 1508.07909), read from their `.model` files.
 *
 *     wm_sp_open ─▶ per thread: wm_sp_scratch_new ─▶ wm_sp_encode, many times
 *
 * A text is normalised (the model's character map, spaces, U+2581 "▁" for a space) and cut into
 * pieces. Normalised text, ids and pieces are those of SentencePiece 0.1.97: same float sums in the
 * same order, same ties, byte fallback, user-defined symbols, runs of unknown characters as one
 * piece, U+FFFD for each invalid byte. One difference: where SentencePiece refuses a text because a
 * control symbol's letters stand in it, those letters are unknown here. Word and character models
 * are refused by name.
 *
 * A whole page may be one text. Time is linear in its length (BPE: n log n at worst). A scratch
 * keeps what its longest text needed: the normalised text, 8 bytes a piece, and for a stretch that
 * pieces overlap without a gap, usually a word, 12 bytes (unigram) or 44 (BPE) a byte of it.
 *
 * Ownership: the caller's, between _open and _free. Threads: a model is immutable; a scratch
 * belongs to one thread and to the model it was made for. Errors: WM_E_FORMAT what is not such a
 * model, WM_E_LIMIT over one of the limits below, WM_E_NOMEM.
 */
#ifndef WETMILL_SENTENCEPIECE_H
#define WETMILL_SENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

enum {
    WM_SP_MAX_MODEL_BYTES = 256 << 20,
    WM_SP_MAX_PIECES = 1 << 22,
    WM_SP_MAX_PIECE_BYTES = 1 << 10,
    WM_SP_MAX_REPLACEMENT = 1 << 10, /**< Bytes that one rule of the character map may write. */
    WM_SP_MAX_NORMALISED = 256 << 20 /**< Bytes of one text, normalised. */
};
#define WM_SP_MAX_SCORE 1e30F /**< Of a piece, either side of 0: sums of them stay finite. */
#define WM_SP_NONE UINT32_MAX /**< No such piece. */

enum wm_sp_kind { WM_SP_UNIGRAM = 1, WM_SP_BPE = 2 };

/** Numbered as in the file. */
enum wm_sp_type {
    WM_SP_NORMAL = 1,
    WM_SP_UNKNOWN = 2, /**< Exactly one piece of a model. */
    WM_SP_CONTROL = 3, /**< <s>, </s>, …: never found in a text. */
    WM_SP_USER_DEFINED = 4,
    WM_SP_UNUSED = 5,
    WM_SP_BYTE = 6 /**< "<0x00>" to "<0xFF>": the bytes of unknown characters. */
};

struct wm_sp;
struct wm_sp_scratch;

/** Load a model. Errors name `path`. */
int wm_sp_open(const char *path, struct wm_sp **ret, struct wm_error *err);

/** The same from memory, which is not needed afterwards. */
int wm_sp_parse(struct wm_str bytes, struct wm_sp **ret, struct wm_error *err);

void wm_sp_free(struct wm_sp *model); /**< NULL is fine. */

/** Bytes the model holds. */
size_t wm_sp_memory(const struct wm_sp *model);

enum wm_sp_kind wm_sp_kind(const struct wm_sp *model);

/** Number of pieces; ids are 0 … count − 1, and all functions below want such ids. */
size_t wm_sp_count(const struct wm_sp *model);

/** What a piece stands for, "▁" for a space. Any bytes but NUL, at least one; lives as the model
 *  does. */
struct wm_str wm_sp_piece(const struct wm_sp *model, uint32_t id);
enum wm_sp_type wm_sp_piece_type(const struct wm_sp *model, uint32_t id);

/** Unigram: log probability. BPE: the higher, the earlier merged. */
float wm_sp_piece_score(const struct wm_sp *model, uint32_t id);

/** The byte that a byte piece stands for. */
unsigned wm_sp_byte(const struct wm_sp *model, uint32_t id);

/** XXH3-128 over all that decides what encoding and decoding give: kind, pieces with scores and
 *  types, names of control symbols, normaliser, denormaliser. Settings of its training that only
 *  tell how the model came about are not in it. */
XXH128_hash_t wm_sp_identity(const struct wm_sp *model);

/**
 * BPE: into ret [count] for each normal or unused piece (`unused_only`: unused) the bytes of the left
 * of the two parts it is joined of, 0 if its characters never become it, or it is one character. The
 * parts are the same wherever the piece is formed: joins within it do not depend on what is around.
 */
int wm_sp_splits(const struct wm_sp *model, bool unused_only, uint32_t *ret, struct wm_error *err);

/** How a text is normalised. */
struct wm_sp_rules {
    bool has_map;                  /**< There is a character map (NFKC, say). */
    bool adds_space;               /**< A space is put in front of a text … */
    bool space_is_suffix;          /**< … or, with this, behind it. */
    bool removes_extra_spaces;     /**< At both ends, and of several in a row all but one. */
    bool escapes_spaces;           /**< A space is "▁". */
    bool byte_fallback;            /**< Unknown characters become byte pieces. */
    bool rewrites_decoded;         /**< There is a denormaliser with a character map. */
};
struct wm_sp_rules wm_sp_rules(const struct wm_sp *model);

/** The id of a piece by its text, the unknown piece's if there is none. Of two pieces with one
 *  text, the one that is never found in a text (control, unknown, byte). */
uint32_t wm_sp_find(const struct wm_sp *model, struct wm_str piece);

uint32_t wm_sp_unknown(const struct wm_sp *model);
/** What the unknown piece is decoded to. */
struct wm_str wm_sp_unknown_surface(const struct wm_sp *model);
/** <s>, </s> and <pad>, or what the model calls them; WM_SP_NONE if it has no such control symbol.
 */
uint32_t wm_sp_begin(const struct wm_sp *model);
uint32_t wm_sp_end(const struct wm_sp *model);
uint32_t wm_sp_pad(const struct wm_sp *model);

int wm_sp_scratch_new(const struct wm_sp *model, struct wm_sp_scratch **ret, struct wm_error *err);
void wm_sp_scratch_free(struct wm_sp_scratch *scratch); /**< NULL is fine. */

/** Bytes the scratch holds now. */
size_t wm_sp_scratch_memory(const struct wm_sp_scratch *scratch);

/** A text in pieces: piece i is ids[i] and stands for text[ends[i − 1], ends[i]). */
struct wm_sp_pieces {
    size_t n;
    const uint32_t *ids;
    const uint32_t *ends; /**< Bytes; the last is text.len. Each byte piece stands for one byte. */
    struct wm_str text;   /**< The normalised text. */
};

/**
 * Normalise `text` (any bytes) and cut it into pieces; no <s> or </s> is added. `*ret` lives in the
 * scratch until it is used again. The result does not depend on what the scratch was used for
 * before. No memory is taken once the scratch has seen a text as large. WM_E_LIMIT, WM_E_NOMEM.
 */
int wm_sp_encode(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text,
                 struct wm_sp_pieces *ret, struct wm_error *err);

/** Only the first half of wm_sp_encode. */
int wm_sp_normalise(const struct wm_sp *model, struct wm_sp_scratch *scratch, struct wm_str text,
                    struct wm_str *ret, struct wm_error *err);

/** Slice of the normalised text that piece `i` < pieces->n stands for. */
static inline struct wm_str wm_sp_slice(const struct wm_sp_pieces *pieces, size_t i)
{
    size_t begin = i ? pieces->ends[i - 1] : 0;
    return (struct wm_str){pieces->text.ptr + begin, pieces->ends[i] - begin};
}

/** Piece `i` as SentencePiece prints it: the slice (an unknown piece keeps its characters), of a
 *  byte piece its name "<0xE2>". */
struct wm_str wm_sp_surface(const struct wm_sp *model, const struct wm_sp_pieces *pieces, size_t i);

/**
 * Append the text that `ids` [n] stand for to `out`: "▁" is a space again, but for the one that the
 * normaliser put in front; control symbols are left out, the unknown piece is " ⁇ " or what the
 * model says, byte pieces are joined to characters (U+FFFD for each that fits in none). WM_E_FORMAT
 * for an id the model lacks, errors of `out`.
 */
int wm_sp_decode(const struct wm_sp *model, const uint32_t *ids, size_t n, struct wm_buf *out,
                 struct wm_error *err);

/** Where the decoding of one text in parts stands. Zeroed: at the start of the text. */
struct wm_sp_decoding {
    char bytes[4]; /**< Of byte pieces, a character not yet whole. */
    unsigned n_bytes;
    bool wrote, behind_start, took_space;
};

/** Whether wm_sp_decode_part works: not for a model that rewrites decoded text. */
bool wm_sp_decodes_in_parts(const struct wm_sp *model);

/** wm_sp_decode for ids that come bit by bit: what all parts and _end append is what wm_sp_decode
 *  would for all ids. A character of byte pieces is appended once it is whole. WM_E_CONFIG for a
 *  model that decodes whole texts only; after an error the text cannot be gone on with. */
int wm_sp_decode_part(const struct wm_sp *model, struct wm_sp_decoding *state, const uint32_t *ids,
                      size_t n, struct wm_buf *out, struct wm_error *err);
/** After the last ids: U+FFFD for each byte held back. */
int wm_sp_decode_end(struct wm_sp_decoding *state, struct wm_buf *out, struct wm_error *err);

#endif /* WETMILL_SENTENCEPIECE_H */
