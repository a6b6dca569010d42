/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file records.h
 * External sort of fixed-size records, and lookup in sorted ones. Surveys, dedup and the n-gram
 * trainer stand on it.
 *
 * A record is `size` bytes that compare by memcmp: numbers inside are big-endian. The first 8
 * bytes are a uniformly distributed hash; its top bits are the record's partition, so a sorted run
 * is in partition order. Writers (one for each worker) collect records in memory, sort, fold, and
 * spill runs; a merge of any number of runs gives one partition's records in order. The result
 * depends on the records alone: not on writers, spills, or fan-in.
 *
 * Folding: who only asks whether a key is there twice need not carry it a hundred times. With
 * `fold` 0 exact duplicates are dropped; with `fold` = p, of records that are equal in their first
 * p bytes only the two smallest are kept (equal ones count as two). Folding what was folded gives
 * what folding everything at once gives.
 *
 * Sorting is one scatter by the leading bits of the hash into bins of about two, and an insertion
 * pass, both within the cache; a merge takes from all runs what lies below a common bound and
 * sorts that the same way, which costs the same for 2 runs and for 64.
 *
 * File format of runs and tables (docs/formats.md), little-endian: header {"wmrecord", u32 version 2,
 * u32 record size, u32 partitions, u32 fold}, records, then a trailer {u64 first record of each
 * partition and the number of records, u64 XXH3-64 of each partition's bytes, u64 XXH3-64 of header
 * and trailer before it}. So a partition can be read and checked alone. Damage is WM_E_FORMAT, with
 * the file as where and a hint to remove it.
 *
 * Memory: a writer as told, and 256 KiB while it spills; a merge at most WM_MERGE_FAN ×
 * WM_MERGE_BLOCK + 2 MiB; an open table at most WM_TABLE_MEMORY. No file stays open between reads,
 * so any number of merges may run at once under a small `ulimit -n`.
 */
#ifndef WETMILL_RECORDS_H
#define WETMILL_RECORDS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "wetmill/error.h"
#include "wetmill/file.h"

enum {
    WM_PARTITIONS = 16, /**< Fixed: it shapes file names, and later the exchange of a cluster. */
    WM_RECORD_MAX = 256,
    WM_MERGE_FAN = 64,         /**< Runs merged at once. */
    WM_MERGE_BLOCK = 64 << 10, /**< Bytes buffered of each; fewer runs have larger buffers. */
    WM_TABLE_MEMORY = (8 << 15) + 64, /**< Anonymous bytes of an open table, at most. */
};

/** What a record looks like to the sort. */
struct wm_record_form {
    size_t size; /**< Bytes, 8 … WM_RECORD_MAX. */
    size_t fold; /**< 0, or 8 … size: see above. */
};

/** The partition of a record that starts with big-endian `hash`. */
static inline unsigned wm_partition(uint64_t hash)
{
    return (unsigned)(hash >> 60);
}

static inline void wm_put_be64(unsigned char *dst, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    memcpy(dst, &v, 8);
}
static inline void wm_put_be32(unsigned char *dst, uint32_t v)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    memcpy(dst, &v, 4);
}
static inline uint64_t wm_get_be64(const unsigned char *src)
{
    uint64_t v;
    memcpy(&v, src, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap64(v);
#endif
    return v;
}
static inline uint32_t wm_get_be32(const unsigned char *src)
{
    uint32_t v;
    memcpy(&v, src, 4);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    v = __builtin_bswap32(v);
#endif
    return v;
}

/* ---- writing runs ---- */

struct wm_records;

/** A writer that holds at most `memory` bytes (but 16 records) and spills runs named `prefix`.0,
 *  .1 …, which must be its alone. One thread. */
int wm_records_new(const char *prefix, struct wm_record_form form, size_t memory,
                   struct wm_records **ret, struct wm_error *err);
int wm_records_add(struct wm_records *records, const void *record, struct wm_error *err);
/**
 * Merge several writers' records into one sorted run at `path` (atomic) and free the writers
 * (also on failure). n ≥ 1, all of one form and with as much memory.
 */
int wm_records_finish(struct wm_records **writers, size_t n, const char *path,
                      struct wm_digest *ret, struct wm_error *err);
/** Drops everything but runs that a state names; NULL is fine. */
void wm_records_free(struct wm_records *records);

struct wm_state_out;
struct wm_state_in;
/** All that `n` writers of one task hold goes to the disk and into `state`, which names the runs:
 *  they stay, whatever becomes of the writers, until somebody removes them. */
int wm_records_save(struct wm_records *const *writers, size_t n, struct wm_state_out *state,
                    struct wm_error *err);
/** A new writer of the same prefix takes over what one of them had; in the order of saving. */
int wm_records_load(struct wm_records *records, struct wm_state_in *state, struct wm_error *err);
/** Path of the i-th run that a state names: 1, 0 = there are no more. */
int wm_records_saved(const struct wm_records *records, size_t i, char path[WM_PATH_MAX],
                     struct wm_error *err);

/* ---- merging ---- */

struct wm_merge;

/** The records of `partition` (of all partitions if it is WM_PARTITIONS) in all `runs` (paths, of
 *  one form), in order and folded. More runs than are merged at once go in steps through `scratch`
 *  (a directory). */
int wm_merge_open(const char *const *runs, size_t n, unsigned partition, const char *scratch,
                  struct wm_merge **ret, struct wm_error *err);
/** Next record: 1 and `*ret` (valid until the next call), 0 at the end, < 0 on error. */
int wm_merge_next(struct wm_merge *merge, const unsigned char **ret, struct wm_error *err);
void wm_merge_close(struct wm_merge *merge);

/** Read all of a run: 0, or what is wrong with it. */
int wm_records_check(const char *path, struct wm_error *err);

/* ---- tables: one partition's reduced records, looked up through a mapping ---- */

struct wm_table_out;
int wm_table_out_open(const char *path, size_t size, struct wm_table_out **ret,
                      struct wm_error *err);
/** Records must come in strictly rising order. */
int wm_table_add(struct wm_table_out *out, const void *record, struct wm_error *err);
int wm_table_commit(struct wm_table_out *out, struct wm_digest *ret, struct wm_error *err);
void wm_table_abandon(struct wm_table_out *out);

struct wm_table {
    struct wm_map map;
    const unsigned char *records;
    size_t size;     /**< Bytes of a record. */
    uint64_t n;
    uint64_t *index; /**< Where the records of each stretch of hashes begin, or NULL (n small). */
    uint64_t first;  /**< The first stretch, in units of 2^shift hashes … */
    uint64_t last;   /**< … and the last. */
    unsigned shift;
};
/** Map a table and check its checksum. */
int wm_table_open(const char *path, size_t size, struct wm_table *ret, struct wm_error *err);
/** A table over `n` rising records in memory that outlives it. */
int wm_table_over(const unsigned char *records, size_t size, uint64_t n, struct wm_table *ret,
                  struct wm_error *err);
void wm_table_close(struct wm_table *table); /**< Safe on a zeroed one. */
/**
 * First record whose leading `prefix_len` (≥ 8) bytes equal `prefix`, or NULL. A small index by the
 * leading bits, then interpolation search: about two cache misses. Thread-safe.
 */
const unsigned char *wm_table_find(const struct wm_table *table, const void *prefix,
                                   size_t prefix_len);
/** Ask for the memory that wm_table_find of this hash is going to read. */
void wm_table_prefetch(const struct wm_table *table, uint64_t hash);

#endif /* WETMILL_RECORDS_H */
