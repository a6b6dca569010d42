/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file spool.h
 * Long sequences of fixed-size records that are written once and read once, in memory while there
 * is room and on disk beyond: what flows between the passes of an external algorithm.
 *
 * A pool has a memory limit and one scratch file, which has no name (it is unlinked as soon as it
 * is made), so nothing is left behind however the process ends. Spools share the pool: a full
 * chunk of WM_SPOOL_CHUNK bytes stays in memory while the pool is under its limit and goes to the
 * file otherwise. Reading consumes: a chunk that has been read goes back to the pool.
 *
 * Order: wm_spool_open ─▶ wm_spool_slot … ─▶ wm_spool_rewind ─▶ wm_spool_next … ─▶ wm_spool_close.
 *
 * Records can also go to a named file (wm_spool_drain), and be read from one (wm_spool_from) as often
 * as need be: that is how work is kept for another process.
 *
 * Memory: the limit, and above it one chunk for each spool that is open. Disk: what is spilled and
 * not yet read. Threads: a pool may be shared, a spool belongs to one thread at a time. Errors:
 * WM_E_NOMEM, WM_E_IO (where: the scratch directory).
 */
#ifndef WETMILL_SPOOL_H
#define WETMILL_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/file.h"

enum { WM_SPOOL_CHUNK = 64 << 10 };

struct wm_spool_pool;

/** A pool of `memory` bytes that spills below the directory `scratch` (which must exist; it is
 *  touched by the first spill only). */
int wm_spool_pool_new(const char *scratch, uint64_t memory, struct wm_spool_pool **ret,
                      struct wm_error *err);
/** Another limit from now on; chunks in use stay where they are. */
void wm_spool_pool_limit(struct wm_spool_pool *pool, uint64_t memory);
/** Most bytes that were in the scratch file at a time. */
uint64_t wm_spool_pool_spilled(struct wm_spool_pool *pool);
/** All spools must be closed. NULL is fine. */
void wm_spool_pool_free(struct wm_spool_pool *pool);

struct wm_spool {
    struct wm_spool_pool *pool;
    size_t record;        /**< Bytes of one. */
    unsigned char *at;    /**< Next record of the current chunk. */
    unsigned char *end;   /**< Where the current chunk's room or records end. */
    unsigned char *chunk; /**< Current chunk. */
    uint64_t *chunks;     /**< [n_chunks] full ones; see spool.c. */
    size_t n_chunks, cap, next;
    size_t tail;                /**< Bytes of the last, partly filled chunk. */
    uint64_t n_records;         /**< Written. */
    struct wm_file *file;       /**< wm_spool_from: what is read, from … */
    uint64_t file_at, file_end; /**< … here to there. */
};

/** An empty spool for records of `record` bytes (1 … WM_SPOOL_CHUNK). */
int wm_spool_open(struct wm_spool *spool, struct wm_spool_pool *pool, size_t record,
                  struct wm_error *err);
/** Writing is over; reading begins with the first record. */
int wm_spool_rewind(struct wm_spool *spool, struct wm_error *err);
/** All records so far go to the end of `out`, and the spool is empty again. Before the rewind. */
int wm_spool_drain(struct wm_spool *spool, struct wm_out *out, struct wm_error *err);
/** A spool that is read: `n` records of `file` from byte `offset` on. The file is the caller's and
 *  outlives the spool; WM_E_IO if it is too short. */
int wm_spool_from(struct wm_spool *spool, struct wm_spool_pool *pool, size_t record,
                  struct wm_file *file, uint64_t offset, uint64_t n, struct wm_error *err);
/** Records of a spool of wm_spool_from that were not read yet. */
uint64_t wm_spool_left(const struct wm_spool *spool);
/** Give everything back. Safe on a zeroed spool and at any time. */
void wm_spool_close(struct wm_spool *spool);

int wm_spool_flush_(struct wm_spool *spool, struct wm_error *err);
int wm_spool_refill_(struct wm_spool *spool, struct wm_error *err);

/** Room for the next record, to be filled before the next call. */
static inline int wm_spool_slot(struct wm_spool *spool, unsigned char **ret, struct wm_error *err)
{
    if (spool->at == spool->end) {
        int status = wm_spool_flush_(spool, err);
        if (status)
            return status;
    }
    *ret = spool->at;
    spool->at += spool->record;
    spool->n_records++;
    return 0;
}

/** Next record: 1 and `*ret` (4-byte aligned if the record size is; valid until the next call),
 *  0 at the end, < 0 on error. */
static inline int wm_spool_next(struct wm_spool *spool, const unsigned char **ret,
                                struct wm_error *err)
{
    if (spool->at == spool->end) {
        int more = wm_spool_refill_(spool, err);
        if (more <= 0)
            return more;
    }
    *ret = spool->at;
    spool->at += spool->record;
    return 1;
}

#endif /* WETMILL_SPOOL_H */
