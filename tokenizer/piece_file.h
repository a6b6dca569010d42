/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file piece_file.h
 * Sequences of pieces with counts in scratch files that have no name: what training keeps on disk
 * when --memory is small. A stretch is written once from front to back and read any number of
 * times; its checksum is compared at the end of each reading (WM_E_FORMAT).
 *
 * A record is count and length as little-endian base-128 numbers, then the bytes.
 *
 * Memory: a writer and a reader have a buffer of the size given; a reader's grows to a piece that is
 * longer. One thread each; several may read and write different stretches of a file.
 */
#ifndef WETMILL_TOKENIZER_PIECE_FILE_H
#define WETMILL_TOKENIZER_PIECE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/error.h"
#include "wetmill/str.h"

enum { BPE_VARINT_MAX = 10 }; /**< Bytes of a base-128 number. */

/** Append v; returns the byte behind it. */
static inline unsigned char *bpe_put_varint(unsigned char *at, uint64_t v)
{
    for (; v >= 0x80; v >>= 7)
        *at++ = (unsigned char)(v | 0x80);
    *at++ = (unsigned char)v;
    return at;
}

/** The byte behind the number at `at`, or NULL if it does not end before `end` or is too large. */
static inline const unsigned char *bpe_get_varint(const unsigned char *at, const unsigned char *end,
                                                  uint64_t *ret)
{
    uint64_t v = 0;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        v |= (uint64_t)(*at & 0x7F) << shift;
        if (*at++ < 0x80) {
            *ret = v;
            return at;
        }
    }
    return NULL;
}

/** A file in `dir`, unlinked as soon as it is made; the caller closes it. */
int bpe_scratch_file(const char *dir, int *ret_fd, struct wm_error *err);

struct bpe_stretch {
    uint64_t at, size, n; /**< Bytes from … in the file, and pieces. */
    XXH64_hash_t hash;    /**< XXH3-64 of its bytes. */
};

struct bpe_piece_writer {
    int fd;
    struct bpe_stretch stretch;
    unsigned char *buf;
    size_t cap, n;
    XXH3_state_t *hash;
};
/** Write at byte `at` of `fd`. After a failure, too, _finish or _done must follow. */
int bpe_piece_writer_init(struct bpe_piece_writer *w, int fd, uint64_t at, size_t buffer,
                          struct wm_error *err);
int bpe_piece_write(struct bpe_piece_writer *w, struct wm_str piece, uint64_t count,
                    struct wm_error *err);
/** Frees the writer in any case. */
int bpe_piece_writer_finish(struct bpe_piece_writer *w, struct bpe_stretch *ret,
                            struct wm_error *err);
void bpe_piece_writer_done(struct bpe_piece_writer *w); /**< Safe on a zeroed one. */

struct bpe_piece_reader {
    int fd;
    struct bpe_stretch stretch;
    uint64_t at; /**< In the file, behind what is in the buffer. */
    unsigned char *buf;
    size_t cap, n, next;
    uint64_t n_read;
    XXH3_state_t *hash;
};
int bpe_piece_reader_init(struct bpe_piece_reader *r, int fd, const struct bpe_stretch *stretch,
                          size_t buffer, struct wm_error *err);
/** Next piece, borrowed until the next call: 1, 0 at the end, < 0 on error. */
int bpe_piece_read(struct bpe_piece_reader *r, struct wm_str *ret, uint64_t *ret_count,
                   struct wm_error *err);
void bpe_piece_reader_done(struct bpe_piece_reader *r); /**< Safe on a zeroed one. */

#endif /* WETMILL_TOKENIZER_PIECE_FILE_H */
