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
    bool seen[256]; /**< Bytes of all pieces since init, cleared ones as well. */
};

void bpe_pieces_init(struct bpe_pieces *pieces, uint64_t memory);
void bpe_pieces_done(struct bpe_pieces *pieces);
/** Forget all pieces; keeps its memory. */
void bpe_pieces_clear(struct bpe_pieces *pieces);
/** Add `count` ≥ 1 to `piece`. WM_E_NOMEM with the need if the table would outgrow its memory;
 *  WM_E_LIMIT if a count overflows. */
int bpe_pieces_add(struct bpe_pieces *pieces, struct wm_str piece, uint64_t count,
                   struct wm_error *err);

static inline struct wm_str bpe_piece_bytes(const struct bpe_pieces *pieces,
                                            const struct bpe_piece *piece)
{
    return (struct wm_str){pieces->bytes.ptr + piece->at, piece->len};
}

#endif /* WETMILL_TOKENIZER_PIECES_H */
