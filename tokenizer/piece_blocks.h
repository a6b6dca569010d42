/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file piece_blocks.h
 * Pieces as ids, with counts, in a scratch file of blocks: each is read by itself, so any number of
 * threads may work on a file at once, and a file made from another has the same blocks in the same
 * order whoever was first. A block's checksum is compared when it is read (WM_E_FORMAT).
 *
 * A record is count and length as base-128 numbers, then the ids as such; it lies in one block. Most
 * ids then take one byte or two.
 *
 * Memory: 40 bytes for a block; its bytes are the caller's.
 */
#ifndef WETMILL_TOKENIZER_PIECE_BLOCKS_H
#define WETMILL_TOKENIZER_PIECE_BLOCKS_H

#include <stdatomic.h>

#include "tokenizer/piece_file.h"
#include "wetmill/buf.h"
#include "wetmill/parallel.h"

struct bpe_block {
    uint64_t at, size;
    XXH64_hash_t hash; /**< XXH3-64 of its bytes. */
};

struct bpe_blocks {
    int fd; /**< < 0: none. */
    struct bpe_block *blocks;
    size_t n, cap;
    _Atomic uint64_t size;
};

/** A file in `dir` of n blocks, empty as yet. _done must follow in any case. */
int bpe_blocks_init(struct bpe_blocks *file, const char *dir, size_t n, struct wm_error *err);
void bpe_blocks_done(struct bpe_blocks *file);
/** What block i < n holds, once. Any thread. */
int bpe_blocks_put(struct bpe_blocks *file, size_t i, struct wm_str bytes, struct wm_error *err);
/** One block more. */
int bpe_blocks_append(struct bpe_blocks *file, struct wm_str bytes, struct wm_error *err);
/** Block i instead of what is in `ret`. Any thread. */
int bpe_blocks_get(const struct bpe_blocks *file, size_t i, struct wm_buf *ret,
                   struct wm_error *err);

/** A pass over all blocks, in any order and by all threads of a team. */
struct bpe_pass {
    const struct bpe_blocks *file;
    struct wm_team *team;
    /** `slot` is that of the thread, see wm_team_slot. */
    int (*each)(void *arg, unsigned slot, size_t i, struct wm_str block, struct wm_error *err);
    /** Called by the caller's thread before each of its blocks; a status other than 0 ends the
     *  pass. */
    int (*meanwhile)(void *arg, struct wm_error *err);
    void *arg;
};
/** The first error by the order of blocks, of those that happened. */
int bpe_pass_run(const struct bpe_pass *pass, struct wm_error *err);

/** The error of a block whose bytes are no records. */
int bpe_blocks_damaged(struct wm_error *err);

/** Append a record. */
int bpe_record_put(struct wm_buf *block, struct wm_str ids, uint64_t count, struct wm_error *err);

/** Take the next record off `rest`: 1, 0 at the end, -1 if it is damaged. */
static inline int bpe_record_next(struct wm_str *rest, struct wm_str *ret_ids, uint64_t *ret_count)
{
    const unsigned char *at = (const unsigned char *)rest->ptr, *end = at + rest->len;
    uint64_t len = 0;
    if (at == end)
        return 0;
    at = bpe_get_varint(at, end, ret_count);
    at = at ? bpe_get_varint(at, end, &len) : NULL;
    if (!at || len > (size_t)(end - at))
        return -1;
    *ret_ids = (struct wm_str){(const char *)at, (size_t)len};
    *rest = (struct wm_str){(const char *)at + len, (size_t)(end - at) - (size_t)len};
    return 1;
}

/** The byte behind the id at `at` < end, or NULL. */
static inline const unsigned char *bpe_get_id(const unsigned char *at, const unsigned char *end,
                                              uint32_t *ret)
{
    uint64_t v = 0;
    if (*at < 0x80) {
        *ret = *at;
        return at + 1;
    }
    if (end - at >= 2 && at[1] < 0x80) {
        *ret = (uint32_t)(at[0] & 0x7F) | (uint32_t)at[1] << 7;
        return at + 2;
    }
    at = bpe_get_varint(at, end, &v);
    *ret = (uint32_t)v;
    return at && v <= UINT32_MAX ? at : NULL;
}

#endif /* WETMILL_TOKENIZER_PIECE_BLOCKS_H */
