/* SPDX-License-Identifier: Apache-2.0 */
#define XXH_INLINE_ALL
#include "tokenizer/pieces.h"

#include <inttypes.h>
#include <stdlib.h>
#include <xxhash.h>

enum { FIRST_SLOTS = 1 << 10 };

void bpe_pieces_init(struct bpe_pieces *pieces, uint64_t memory)
{
    *pieces = (struct bpe_pieces){.memory = memory};
    wm_buf_init(&pieces->bytes, memory < SIZE_MAX / 2 ? (size_t)memory : SIZE_MAX / 2);
}

int bpe_pieces_init_fixed(struct bpe_pieces *pieces, uint64_t memory, struct wm_error *err)
{
    size_t n_slots = FIRST_SLOTS;
    bpe_pieces_init(pieces, memory);
    while (n_slots * 2 * sizeof *pieces->slots <= memory / 10 * 9)
        n_slots *= 2;
    pieces->slots = calloc(n_slots, sizeof *pieces->slots);
    if (!pieces->slots)
        return wm_fail_nomem(err, n_slots * sizeof *pieces->slots, "table of pieces");
    pieces->n_slots = n_slots;
    pieces->fixed = true;
    uint64_t rest = memory - n_slots * sizeof *pieces->slots;
    pieces->bytes.max = (size_t)rest;
    return wm_buf_reserve(&pieces->bytes, (size_t)rest, err);
}

void bpe_pieces_done(struct bpe_pieces *pieces)
{
    free(pieces->slots);
    wm_buf_done(&pieces->bytes);
    bpe_pieces_init(pieces, pieces->memory);
}

void bpe_pieces_clear(struct bpe_pieces *pieces)
{
    if (pieces->slots)
        memset(pieces->slots, 0, pieces->n_slots * sizeof *pieces->slots);
    pieces->n = 0;
    pieces->bytes.len = 0;
}

int bpe_pieces_too_long(const struct bpe_pieces *pieces, struct wm_str piece, struct wm_error *err)
{
    wm_fail(err, WM_E_NOMEM,
            "a piece of %zu bytes needs a table of more than %" PRIu64 " bytes, memory is less",
            piece.len, pieces->memory);
    return wm_error_hint(err, "raise --memory, or split texts into shorter pieces");
}

uint32_t bpe_piece_tag(struct wm_str piece)
{
    return (uint32_t)(XXH3_64bits(piece.ptr, piece.len) >> 32);
}

/* `hash` is what says where it stands. */
static void place(struct bpe_piece *slots, size_t n_slots, struct bpe_piece piece, uint64_t hash)
{
    size_t i = (size_t)hash & (n_slots - 1);
    while (slots[i].count)
        i = (i + 1) & (n_slots - 1);
    slots[i] = piece;
}

static int grow(struct bpe_pieces *pieces, struct wm_error *err)
{
    size_t n_slots = pieces->n_slots ? pieces->n_slots * 2 : FIRST_SLOTS;
    struct bpe_piece *slots = calloc(n_slots, sizeof *slots);
    if (!slots)
        return wm_fail_nomem(err, n_slots * sizeof *slots, "table of pieces");
    for (size_t i = 0; i < pieces->n_slots; i++) {
        const struct bpe_piece *piece = &pieces->slots[i];
        if (piece->count)
            place(slots, n_slots, *piece,
                  XXH3_64bits(pieces->bytes.ptr + piece->at, piece->len) >> pieces->shift);
    }
    free(pieces->slots);
    pieces->slots = slots;
    pieces->n_slots = n_slots;
    return 0;
}

/* Old and new slots are held at once while the table grows, and the buffer of bytes may be twice
 * as large as what it holds. The need is reckoned as if it always were so, so that the same pieces
 * fit or do not fit in whatever order they come. */
static bool has_room(const struct bpe_pieces *pieces, size_t n_slots, size_t len)
{
    if (pieces->fixed)
        return n_slots == pieces->n_slots && len <= pieces->bytes.max - pieces->bytes.len;
    uint64_t need =
        n_slots * sizeof *pieces->slots / 2 * 3 + 2 * ((uint64_t)pieces->bytes.len + len);
    return need <= pieces->memory;
}

bool bpe_pieces_half_full(const struct bpe_pieces *pieces)
{
    uint64_t used = pieces->n_slots * sizeof *pieces->slots / 2 * 3 + 2 * pieces->bytes.len;
    bool grows = pieces->n >= pieces->n_slots / 8 * 5;
    return used > pieces->memory / 2 && grows;
}

static int add_new(struct bpe_pieces *pieces, struct wm_str piece, uint64_t count, uint64_t hash,
                   struct wm_error *err)
{
    bool full = pieces->n >= pieces->n_slots / 4 * 3;
    size_t n_slots = !full ? pieces->n_slots : pieces->n_slots ? pieces->n_slots * 2 : FIRST_SLOTS;
    if (!has_room(pieces, n_slots, piece.len))
        return BPE_PIECES_FULL;
    if (piece.len > UINT32_MAX)
        return wm_fail(err, WM_E_LIMIT, "a piece of %zu bytes", piece.len);
    size_t at = pieces->bytes.len;
    int status = full ? grow(pieces, err) : 0;
    if (!status)
        status = wm_buf_add(&pieces->bytes, piece.ptr, piece.len, err);
    if (status)
        return status;
    for (size_t i = 0; i < piece.len; i++)
        pieces->seen[(unsigned char)piece.ptr[i]] = true;
    place(pieces->slots, pieces->n_slots,
          (struct bpe_piece){at, count, (uint32_t)piece.len, (uint32_t)(hash >> 32)},
          hash >> pieces->shift);
    pieces->n++;
    return 0;
}

uint64_t bpe_piece_hash(struct wm_str piece)
{
    return XXH3_64bits(piece.ptr, piece.len);
}

int bpe_pieces_add(struct bpe_pieces *pieces, struct wm_str piece, uint64_t count,
                   struct wm_error *err)
{
    return bpe_pieces_add_hashed(pieces, piece, bpe_piece_hash(piece), count, err);
}

int bpe_pieces_add_hashed(struct bpe_pieces *pieces, struct wm_str piece, uint64_t hash,
                          uint64_t count, struct wm_error *err)
{
    size_t i = (size_t)(hash >> pieces->shift), mask = pieces->n_slots - 1;
    for (; pieces->n_slots && pieces->slots[i & mask].count; i++) {
        struct bpe_piece *slot = &pieces->slots[i & mask];
        if (slot->tag != (uint32_t)(hash >> 32) || !wm_str_eq(bpe_piece_bytes(pieces, slot), piece))
            continue;
        if (slot->count > UINT64_MAX - count)
            return wm_fail(err, WM_E_LIMIT, "a piece occurs more than 2^64 times");
        slot->count += count;
        return 0;
    }
    return add_new(pieces, piece, count, hash, err);
}
