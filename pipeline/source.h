/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file source.h
 * A stream of bytes as they are stored: a file, a range of one, or a member of a tar. It is looked
 * at through a buffer (peek and skip), hashed as it is read, and never fails for what is in it:
 * when reading fails, the stream ends there and `failure` says why. One thread.
 */
#ifndef WETMILL_PIPELINE_SOURCE_H
#define WETMILL_PIPELINE_SOURCE_H

#include <stdbool.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/error.h"
#include "wetmill/file.h"

enum { WM_SOURCE_BUFFER = 4 << 20 }; /**< Most bytes that can be seen at once. */

/** Read up to `size` bytes; `*ret_len` < size only at the end. */
typedef int wm_source_read(void *context, void *dst, size_t size, size_t *ret_len,
                           struct wm_error *err);

struct wm_source {
    wm_source_read *read;
    void *context;
    struct wm_file *file;  /**< NULL for a member of a tar. */
    unsigned char *buffer; /**< Kept from one stream to the next. */
    size_t pos, len;       /**< buffer[pos … len) has been read and not been skipped. */
    uint64_t start;        /**< Byte of the file where the stream starts. */
    uint64_t at;           /**< Byte of the file that buffer[pos] is. */
    uint64_t left;         /**< Bytes that may still be read. */
    bool ended;            /**< Nothing is left to read beyond the buffer. */
    bool failed;           /**< It ended because reading failed. */
    struct wm_error failure;
    XXH3_state_t *hash; /**< NULL: not hashed. */
};

/** Start on bytes [start, end) of a file ("-" only whole). The file's own trouble is an error here:
 *  the caller reports it. */
int wm_source_open(struct wm_source *source, const char *path, uint64_t start, uint64_t end,
                   struct wm_error *err);
/** Start on whatever `read` gives. WM_E_NOMEM. */
int wm_source_start(struct wm_source *source, wm_source_read *read, void *context,
                    struct wm_error *err);
/** End the stream; memory is kept for the next one. */
void wm_source_end(struct wm_source *source);
/** Free everything. Safe on a zeroed one. */
void wm_source_done(struct wm_source *source);

static inline size_t wm_source_seen(const struct wm_source *source)
{
    return source->len - source->pos;
}
static inline const unsigned char *wm_source_bytes(const struct wm_source *source)
{
    return source->buffer + source->pos;
}
/** See at least `want` (≤ WM_SOURCE_BUFFER) bytes unless the stream ends; returns how many are
 *  seen. */
size_t wm_source_see(struct wm_source *source, size_t want);
/** Go on by `n` ≤ wm_source_seen bytes. */
void wm_source_skip(struct wm_source *source, size_t n);
/** Move up to `size` bytes to `dst`, past the buffer if it is empty; 0 at the end. */
size_t wm_source_take(struct wm_source *source, void *dst, size_t size);
/** Read to the end, so that the hash covers every byte. Returns how many bytes that were. */
uint64_t wm_source_drain(struct wm_source *source);
/** Look at bytes of the file elsewhere, without moving: `*ret_len` < size at the end, 0 if it cannot
 *  seek. The file's own trouble is an error here. */
int wm_source_look(struct wm_source *source, uint64_t at, void *dst, size_t size, size_t *ret_len,
                   struct wm_error *err);
/** Are the next `n` bytes there, as far as can be known without passing them? True also if reading
 *  them fails. */
bool wm_source_holds(struct wm_source *source, uint64_t n);
/** End the stream here, as if reading on had failed. */
void wm_source_fail(struct wm_source *source, const struct wm_error *why);
/** Hash of the bytes read so far. */
XXH128_hash_t wm_source_hash(const struct wm_source *source);

#endif /* WETMILL_PIPELINE_SOURCE_H */
