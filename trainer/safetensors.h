/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file safetensors.h
 * Reading and writing safetensors: u64 little-endian length of the header; a JSON object
 * {name: {dtype, shape, data_offsets: [begin, end]}, "__metadata__": {text: text}}; the data,
 * little-endian, row-major, in one piece.
 *
 * The reader trusts nothing: header ≤ WM_SAFETENSORS_HEADER bytes, every name once, sizes equal
 * dtype × shape, data covered exactly once without holes or overlaps. Float tensors need not be
 * aligned, so they are copied out. A reader is immutable: any number of threads.
 */
#ifndef WETMILL_TRAINER_SAFETENSORS_H
#define WETMILL_TRAINER_SAFETENSORS_H

#include <stdint.h>

#include "wetmill/arena.h"
#include "wetmill/error.h"
#include "wetmill/export.h"
#include "wetmill/file.h"
#include "wetmill/str.h"

enum {
    WM_SAFETENSORS_HEADER =
        100000000, /**< Longest header, bytes: what the reference reader takes. */
    WM_SAFETENSORS_DIMS = 8,
    WM_SAFETENSORS_TENSORS = 1 << 20,
    WM_SAFETENSORS_METADATA = 4096, /**< Most pairs. */
};

/** One tensor of a file. */
struct wm_safetensor {
    struct wm_str name;
    const char *dtype; /**< "F32", … : one of the format's names. */
    unsigned n_dims;
    uint64_t shape[WM_SAFETENSORS_DIMS];
    uint64_t n;                 /**< Elements. */
    uint64_t begin, end;        /**< Bytes within the data. */
    const unsigned char *bytes; /**< [end − begin], borrowed from the reader */
};

struct wm_safetensors_pair {
    struct wm_str key, value;
};

struct wm_safetensors {
    struct wm_arena arena;
    struct wm_map map;              /**< Empty if parsed from memory. */
    struct wm_safetensor *tensors;  /**< [n], in the order of their data. */
    struct wm_safetensor **by_name; /**< [n], sorted by name */
    size_t n, cap;
    struct wm_safetensors_pair *metadata;
    size_t n_metadata, cap_metadata;
};

/** Read the file's header and check all of it. WM_E_FORMAT, WM_E_LIMIT, WM_E_IO. Release with
 *  wm_safetensors_close. */
int wm_safetensors_open(const char *path, struct wm_safetensors *ret, struct wm_error *err);
/** The same from `bytes`, which must outlive the reader. */
int wm_safetensors_parse(struct wm_str bytes, struct wm_safetensors *ret, struct wm_error *err);
void wm_safetensors_close(struct wm_safetensors *file); /**< Safe on a zeroed one. */

/** The tensor called `name`, or NULL. */
const struct wm_safetensor *wm_safetensors_find(const struct wm_safetensors *file,
                                                struct wm_str name);
/** The value of a metadata key; ptr NULL if there is none. */
struct wm_str wm_safetensors_note(const struct wm_safetensors *file, struct wm_str key);
/** Copy elements first … first + n − 1 of an F32 tensor; the range must lie inside. */
void wm_safetensor_floats(const struct wm_safetensor *tensor, uint64_t first, uint64_t n,
                          float *dst);

/* ---- writing ---- */

struct wm_safetensors_entry {
    const char *name;
    unsigned n_dims; /**< 1 or 2 */
    uint64_t shape[2];
    enum wm_weight_type type; /**< F32, F16 or BF16; zeroed: F32 */
};

/** Give elements first … first + n − 1 of tensor `i` in row-major order. */
typedef void wm_safetensors_fill(void *arg, size_t i, uint64_t first, size_t n, float *dst);

/**
 * Write `path`, all or nothing: the entries in order, `metadata` in order. The header is padded
 * with spaces so that data starts at a multiple of 8 bytes. `ret_digest` may be NULL. WM_E_FORMAT
 * names a tensor with a number its type cannot hold.
 */
int wm_safetensors_write(const char *path, const struct wm_safetensors_entry *entries, size_t n,
                         const struct wm_safetensors_pair *metadata, size_t n_metadata,
                         wm_safetensors_fill *fill, void *arg, struct wm_digest *ret_digest,
                         struct wm_error *err);

#endif /* WETMILL_TRAINER_SAFETENSORS_H */
