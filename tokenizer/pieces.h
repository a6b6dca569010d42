/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file pieces.h
 * Distinct pieces with their counts: an open-addressing table with the bytes kept in one buffer.
 * It holds at most `memory` bytes, which depend on the set of pieces alone, not on their order.
 * One thread at a time.
 */
#ifndef WETMILL_TOKENIZER_PIECES_H
#define WETMILL_TOKENIZER_PIECES_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

struct bpe_piece {
    uint64_t at;    /**< In the table's bytes. */
    uint64_t count; /**< 0: empty slot */
    uint32_t len, tag;
};

struct bpe_pieces {
    struct bpe_piece *slots;
    size_t n_slots, n;
    struct wm_buf bytes;
    uint64_t memory;
    unsigned shift; /**< Bits of the hash that do not say where a piece stands. A table that is
                         poured into another must not have the order of that one: all its pieces
                         would go to one end of it first, and fill that. */
    bool fixed;     /**< All memory was taken at the start; slots do not grow. */
    bool seen[256]; /**< Bytes of all pieces since init, cleared ones as well. */
};

enum { BPE_PIECES_FULL = 1 };

void bpe_pieces_init(struct bpe_pieces *pieces, uint64_t memory);
/** A table that takes its `memory` now and never copies itself. WM_E_NOMEM. */
int bpe_pieces_init_fixed(struct bpe_pieces *pieces, uint64_t memory, struct wm_error *err);
void bpe_pieces_done(struct bpe_pieces *pieces);
/** Forget all pieces; keeps its memory. */
void bpe_pieces_clear(struct bpe_pieces *pieces);
/** Add `count` ≥ 1 to `piece`. BPE_PIECES_FULL, and nothing is added, if the table would outgrow
 *  its memory; WM_E_LIMIT if a count overflows. */
int bpe_pieces_add(struct bpe_pieces *pieces, struct wm_str piece, uint64_t count,
                   struct wm_error *err);
/** The same for a piece whose hash is known; what is prefetched first is found sooner. */
int bpe_pieces_add_hashed(struct bpe_pieces *pieces, struct wm_str piece, uint64_t hash,
                          uint64_t count, struct wm_error *err);
static inline void bpe_pieces_prefetch(const struct bpe_pieces *pieces, uint64_t hash)
{
    __builtin_prefetch(&pieces->slots[hash >> pieces->shift & (pieces->n_slots - 1)]);
}
uint64_t bpe_piece_hash(struct wm_str piece);
/** Whether half of the memory is used. */
bool bpe_pieces_half_full(const struct bpe_pieces *pieces);
/** The error of a piece that an empty table has no room for. */
int bpe_pieces_too_long(const struct bpe_pieces *pieces, struct wm_str piece, struct wm_error *err);

/** Which piece stands first, as runs have them: by tag, then length, then bytes. */
static inline int bpe_piece_order(uint32_t tag_a, struct wm_str a, uint32_t tag_b, struct wm_str b)
{
    if (tag_a != tag_b)
        return tag_a < tag_b ? -1 : 1;
    if (a.len != b.len)
        return a.len < b.len ? -1 : 1;
    return a.len ? memcmp(a.ptr, b.ptr, a.len) : 0;
}
/** The tag of a piece. */
uint32_t bpe_piece_tag(struct wm_str piece);

/* What follows puts the n pieces in front, in place; the table is then only good for reading the
 * first n slots and for bpe_pieces_clear and _done. */

/** In the order of bpe_piece_order. */
void bpe_pieces_sort_by_tag(struct bpe_pieces *pieces);
/** Highest count first; equal ones in any order. */
void bpe_pieces_sort_by_count(struct bpe_pieces *pieces);

static inline struct wm_str bpe_piece_bytes(const struct bpe_pieces *pieces,
                                            const struct bpe_piece *piece)
{
    return (struct wm_str){pieces->bytes.ptr + piece->at, piece->len};
}

#endif /* WETMILL_TOKENIZER_PIECES_H */
