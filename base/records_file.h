/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file records_file.h
 * The file format of runs and tables (records.h), and merging of sorted sources.
 */
#ifndef WETMILL_BASE_RECORDS_FILE_H
#define WETMILL_BASE_RECORDS_FILE_H

#include "wetmill/records.h"

enum {
    WM_RECORDS_HEADER = 24,
    WM_RECORDS_TRAILER = 8 * (WM_PARTITIONS + 1) + 8 * WM_PARTITIONS + 8,
};

/** Sort `n` records of `size` bytes in place; equal ones stay. */
void wm_records_sort(unsigned char *records, size_t n, size_t size);

/** Sort, drop duplicates; returns how many are left. */
size_t wm_records_sort_unique(unsigned char *records, size_t n, size_t size);

/* ---- writing a file ---- */

struct wm_records_out;
/** `scratch`: need not survive a crash. */
int wm_records_out_open(const char *path, size_t size, bool scratch, struct wm_records_out **ret,
                        struct wm_error *err);
/** Records must come in strictly rising order; WM_E_FORMAT otherwise. */
int wm_records_out_add(struct wm_records_out *out, const unsigned char *record,
                       struct wm_error *err);
int wm_records_out_commit(struct wm_records_out *out, struct wm_digest *ret, struct wm_error *err);
void wm_records_out_abandon(struct wm_records_out *out);

/* ---- what a file says of itself ---- */

struct wm_records_info {
    size_t size;                        /**< Bytes of a record. */
    uint64_t starts[WM_PARTITIONS + 1]; /**< First record of each partition; the last = n. */
    uint64_t sums[WM_PARTITIONS];
};

/** Check header and trailer of a file of `file_size` bytes. */
int wm_records_info(const unsigned char header[WM_RECORDS_HEADER],
                    const unsigned char trailer[WM_RECORDS_TRAILER], uint64_t file_size,
                    const char *path, struct wm_records_info *ret, struct wm_error *err);

/** "PATH is damaged: WHAT", with the hint to remove it. */
int wm_records_damaged(const char *path, const char *what, struct wm_error *err);

/* ---- merging ---- */

struct wm_kway;
/** Sources: `n_runs` files (their records of `partition`, WM_PARTITIONS = all; paths are copied) and
 *  `n_arrays` sorted arrays in memory. All of record size `size` (0: as the files say). */
int wm_kway_open(const char *const *runs, size_t n_runs, unsigned partition,
                 const unsigned char *const *arrays, const size_t *counts, size_t n_arrays,
                 size_t size, struct wm_kway **ret, struct wm_error *err);
/** 0 if there is no source. */
size_t wm_kway_size(const struct wm_kway *kway);
int wm_kway_next(struct wm_kway *kway, const unsigned char **ret, struct wm_error *err);
/** All that is left into a file at `path`; the merge is closed in any case. */
int wm_kway_store(struct wm_kway *kway, const char *path, size_t size, bool scratch,
                  struct wm_digest *ret, struct wm_error *err);
void wm_kway_close(struct wm_kway *kway);

#endif /* WETMILL_BASE_RECORDS_FILE_H */
