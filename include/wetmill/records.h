/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file records.h
 * External sort of fixed-size records, and lookup in sorted ones. Surveys, dedup and the n-gram
 * trainer stand on it.
 *
 * A record is `size` bytes that compare by memcmp: numbers inside are big-endian. The first 8
 * bytes are a uniformly distributed hash; its top bits are the record's partition, so a sorted run
 * is in partition order. Writers (one for each worker) collect records in memory, sort, drop exact
 * duplicates, and spill runs; a merge of any number of runs gives one partition's records in
 * order. The result depends on the set of records alone: not on writers, spills, or fan-in.
 *
 * File format of runs and tables (docs/formats.md), little-endian: header {"wmrecord", u32 version 1,
 * u32 record size, u32 partitions, u32 0}, records, then a trailer {u64 first record of each
 * partition and the number of records, u64 XXH3-64 of each partition's bytes, u64 XXH3-64 of header
 * and trailer before it}. So a partition can be read and checked alone. Damage is WM_E_FORMAT, with
 * the file as where and a hint to remove it.
 *
 * Memory: a writer as told; a merge at most WM_MERGE_FAN × WM_MERGE_BLOCK. No file stays open
 * between reads, so any number of merges may run at once under a small `ulimit -n`.
 */
#ifndef WETMILL_RECORDS_H
#define WETMILL_RECORDS_H

#include <stddef.h>
#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/file.h"

enum {
    WM_PARTITIONS = 16, /**< Fixed: it shapes file names, and later the exchange of a cluster. */
    WM_RECORD_MAX = 256,
    WM_MERGE_FAN = 64,         /**< Runs merged at once. */
    WM_MERGE_BLOCK = 64 << 10, /**< Bytes buffered of each. */
};

/** The partition of a record that starts with big-endian `hash`. */
static inline unsigned wm_partition(uint64_t hash)
{
    return (unsigned)(hash >> 60);
}

static inline void wm_put_be64(unsigned char *dst, uint64_t v)
{
    for (int i = 7; i >= 0; i--, v >>= 8)
        dst[i] = (unsigned char)v;
}
static inline void wm_put_be32(unsigned char *dst, uint32_t v)
{
    for (int i = 3; i >= 0; i--, v >>= 8)
        dst[i] = (unsigned char)v;
}
static inline uint64_t wm_get_be64(const unsigned char *src)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | src[i];
    return v;
}
static inline uint32_t wm_get_be32(const unsigned char *src)
{
    uint32_t v = 0;
    for (int i = 0; i < 4; i++)
        v = v << 8 | src[i];
    return v;
}

/* ---- writing runs ---- */

struct wm_records;

/** A writer of records of `size` bytes (8 … WM_RECORD_MAX) that holds at most `memory` bytes (but
 *  16 records) and spills runs named `prefix`.0, .1 …, which must be its alone. One thread. */
int wm_records_new(const char *prefix, size_t size, size_t memory, struct wm_records **ret,
                   struct wm_error *err);
int wm_records_add(struct wm_records *records, const void *record, struct wm_error *err);
/**
 * Merge several writers' records into one sorted run at `path` (atomic) and free the writers
 * (also on failure). n ≥ 1, all of one record size.
 */
int wm_records_finish(struct wm_records **writers, size_t n, const char *path,
                      struct wm_digest *ret, struct wm_error *err);
void wm_records_free(struct wm_records *records); /**< Drops everything; NULL is fine. */

/* ---- merging ---- */

struct wm_merge;

/** The records of `partition` (of all partitions if it is WM_PARTITIONS) in all `runs` (paths), in order, duplicates dropped. More runs than
 *  can be open at once are merged in steps through `scratch` (a directory). */
int wm_merge_open(const char *const *runs, size_t n, unsigned partition, const char *scratch,
                  struct wm_merge **ret, struct wm_error *err);
/** Next record: 1 and `*ret` (valid until the next call), 0 at the end, < 0 on error. */
int wm_merge_next(struct wm_merge *merge, const unsigned char **ret, struct wm_error *err);
void wm_merge_close(struct wm_merge *merge);

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
    size_t size; /**< Bytes of a record. */
    uint64_t n;
};
/** Map a table and check its checksum. */
int wm_table_open(const char *path, size_t size, struct wm_table *ret, struct wm_error *err);
void wm_table_close(struct wm_table *table);
/**
 * First record whose leading `prefix_len` (≥ 8) bytes equal `prefix`, or NULL. Interpolation
 * search on the leading hash: about log log n probes. Thread-safe.
 */
const unsigned char *wm_table_find(const struct wm_table *table, const void *prefix,
                                   size_t prefix_len);

#endif /* WETMILL_RECORDS_H */
