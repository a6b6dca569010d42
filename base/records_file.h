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

/** WM_E_LIMIT if no record can look like that. */
int wm_records_check_form(struct wm_record_form form, struct wm_error *err);

/* ---- sorting ---- */

/** Sort `n` records of `size` bytes in place, whatever they are; equal ones stay. */
void wm_records_sort(unsigned char *records, size_t n, size_t size);

/** Some of the records to sort. */
struct wm_piece {
    const unsigned char *records;
    size_t n;
};

/** Where records are sorted into: its own memory, used again. Zero it, then set `size`. */
struct wm_sorter {
    size_t size, cap;      /**< Of a record; records there is room for. */
    unsigned char *sorted; /**< [cap] */
    uint32_t *bins;
};
/** All records of `pieces` into sorter->sorted. Their hashes are within low … high; the more evenly
 *  they are spread there, the faster. At most 2^31 records. */
int wm_sorter_sort(struct wm_sorter *sorter, const struct wm_piece *pieces, size_t n_pieces,
                   uint64_t low, uint64_t high, struct wm_error *err);
void wm_sorter_done(struct wm_sorter *sorter);

/** Folding of sorted records that come in blocks. */
struct wm_fold {
    struct wm_record_form form;
    unsigned copies; /**< Of the last record's prefix so far; 0 = there is no last record. */
    unsigned char last[WM_RECORD_MAX];
};
enum { WM_FOLD_DISORDER = -1 };
/** Fold `n` records in place; returns how many are left, or WM_FOLD_DISORDER. */
ptrdiff_t wm_fold(struct wm_fold *fold, unsigned char *records, size_t n);

/* ---- writing a file ---- */

struct wm_records_out;
/** `scratch`: need not survive a crash. */
int wm_records_out_open(const char *path, struct wm_record_form form, bool scratch,
                        struct wm_records_out **ret, struct wm_error *err);
/** Records must come in strictly rising order; WM_E_FORMAT otherwise. */
int wm_records_out_add(struct wm_records_out *out, const unsigned char *record,
                       struct wm_error *err);
/** Many at once, sorted and folded (not checked); not to be mixed with _add. */
int wm_records_out_write(struct wm_records_out *out, const unsigned char *records, size_t n,
                         struct wm_error *err);
int wm_records_out_commit(struct wm_records_out *out, struct wm_digest *ret, struct wm_error *err);
void wm_records_out_abandon(struct wm_records_out *out);

/* ---- what a file says of itself ---- */

struct wm_records_info {
    struct wm_record_form form;
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
/** Sources: `n` files (paths are copied), their records of `partition` (WM_PARTITIONS = all). */
int wm_kway_open(const char *const *runs, size_t n, unsigned partition, struct wm_kway **ret,
                 struct wm_error *err);
/** {0} if there is no source. */
struct wm_record_form wm_kway_form(const struct wm_kway *kway);
/** The next records, sorted and folded, valid until the next call: 1, 0 at the end, < 0 error. */
int wm_kway_next(struct wm_kway *kway, const unsigned char **ret, size_t *ret_n,
                 struct wm_error *err);
/** All that is left into a file at `path`; the merge is closed in any case. */
int wm_kway_store(struct wm_kway *kway, const char *path, bool scratch, struct wm_digest *ret,
                  struct wm_error *err);
void wm_kway_close(struct wm_kway *kway);

#endif /* WETMILL_BASE_RECORDS_FILE_H */
