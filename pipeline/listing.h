/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file listing.h
 * From the paths that were given to the rows of the input table, and the cutting of large files
 * into ranges. Internal to inputs.
 */
#ifndef WETMILL_PIPELINE_LISTING_H
#define WETMILL_PIPELINE_LISTING_H

#include "wetmill/inputs.h"

enum {
    WM_RANGE = 256 << 20,     /**< A file is cut into ranges of about this many bytes. */
    WM_LIST_BYTES = 1 << 30,  /**< Longest list file, decompressed. */
    WM_SMALL_FILE = 1 << 20,  /**< Smaller files share a task … */
    WM_SMALL_TASK = 16 << 20, /**< … up to so many bytes … */
    WM_SMALL_FILES = 4096,    /**< … or files. */
};
#define WM_ROWS_MAX (UINT32_MAX - 1)

/** Rows while they are collected. */
struct wm_rows {
    struct wm_arena *arena; /**< Owns paths and problems. */
    struct wm_input *items;
    size_t n, cap;
};

/** Append a copy of `row` (its strings are not copied). WM_E_LIMIT over WM_ROWS_MAX. */
int wm_rows_add(struct wm_rows *rows, const struct wm_input *row, struct wm_error *err);
void wm_rows_done(struct wm_rows *rows);

/** Add all files that `path` (file, directory, glob, list, "-") stands for. WM_E_CONFIG if none. */
int wm_list_path(struct wm_rows *rows, const char *path, const struct wm_source_options *options,
                 struct wm_error *err);
/** Add the files a list file names (listing_list.c). */
int wm_list_file(struct wm_rows *rows, const char *path, const struct wm_source_options *options,
                 struct wm_error *err);
/** Add one file without asking whether it is there: what is wrong with it becomes its problem. */
int wm_list_row(struct wm_rows *rows, const char *path, bool pipe_allowed, struct wm_error *err);

/**
 * Add `row` (a regular file) to `rows`: cut into ranges of about `range` bytes if it is of a kind
 * that can be entered at a place known for certain, else as it is.
 *
 * Uncompressed WARC is walked record by record, JSONL and plain text by lines is cut behind a
 * newline, zstd between frames (that records may span frames is checked: a frame must start with a
 * record). Walking stops where the file is not as it should be; what is left is one range.
 */
int wm_cut_row(struct wm_rows *rows, const struct wm_input *row,
               const struct wm_source_options *options, uint64_t range, struct wm_error *err);

/** wm_inputs_open with another size of range (tests). */
int wm_inputs_open_cut(const struct wm_source_options *options, uint64_t range,
                       struct wm_inputs *ret, struct wm_error *err);

#endif /* WETMILL_PIPELINE_LISTING_H */
