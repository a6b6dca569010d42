/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gguf.h
 * The head of a GGUF file, as llama.cpp reads it: "GGUF", version, numbers of tensors and of
 * key/value pairs, then the pairs. All numbers are little-endian; strings are u64 length and bytes.
 * Tensor infos and data stand behind and are the business of whoever writes or reads a model.
 *
 * Writing: open, put pairs in any order, close, which sets the counts. The first failure is kept in
 * `status` and later calls do nothing, so only close needs checking.
 * Reading: from memory, one pair after the other; every length is checked against what is there.
 * One thread for each object.
 */
#ifndef WETMILL_GGUF_H
#define WETMILL_GGUF_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/str.h"

enum {
    WM_GGUF_VERSION = 3,       /**< Written; 2, which differs in nothing here, is read too. */
    WM_GGUF_MAX_PAIRS = 65536, /**< Pairs of a file. */
    WM_GGUF_MAX_KEY = 65535,   /**< Bytes of a key, as the format has it. */
};

/** Numbered as in the file. */
enum wm_gguf_type {
    WM_GGUF_U8,
    WM_GGUF_I8,
    WM_GGUF_U16,
    WM_GGUF_I16,
    WM_GGUF_U32,
    WM_GGUF_I32,
    WM_GGUF_F32,
    WM_GGUF_BOOL,
    WM_GGUF_STRING,
    WM_GGUF_ARRAY,
    WM_GGUF_U64,
    WM_GGUF_I64,
    WM_GGUF_F64,
    WM_GGUF_TYPES
};

/* ---- writing ---- */

struct wm_gguf_out {
    struct wm_buf *buf; /**< Appended to. */
    struct wm_error *err;
    int status;
    size_t start;   /**< Where the file begins in `buf`. */
    uint64_t pairs; /**< Put so far. */
    uint64_t items; /**< Of the open array that are still to come. */
};

void wm_gguf_out_open(struct wm_gguf_out *w, struct wm_buf *buf, struct wm_error *err);
void wm_gguf_put_str(struct wm_gguf_out *w, const char *key, struct wm_str value);
void wm_gguf_put_u32(struct wm_gguf_out *w, const char *key, uint32_t value);
void wm_gguf_put_f32(struct wm_gguf_out *w, const char *key, float value);
void wm_gguf_put_bool(struct wm_gguf_out *w, const char *key, bool value);
/** Begin an array of `n` items of `type` STRING, U32, I32 or F32; exactly as many items follow. */
void wm_gguf_put_array(struct wm_gguf_out *w, const char *key, enum wm_gguf_type type, uint64_t n);
void wm_gguf_item_str(struct wm_gguf_out *w, struct wm_str value);
void wm_gguf_item_u32(struct wm_gguf_out *w, uint32_t value); /**< I32: its two's complement; F32: its bits. */
/** Set the counts. Returns the first failure; WM_E_LIMIT over WM_GGUF_MAX_PAIRS. */
int wm_gguf_out_close(struct wm_gguf_out *w, uint64_t n_tensors);

/* ---- reading ---- */

struct wm_gguf {
    struct wm_str bytes; /**< The caller's. */
    size_t at;           /**< Of the next pair; behind the last one: of the tensor infos. */
    uint64_t n_tensors, n_pairs;
    uint64_t done; /**< Pairs read. */
};

/** One pair. Slices point into the file. */
struct wm_gguf_pair {
    struct wm_str key;
    enum wm_gguf_type type;
    enum wm_gguf_type item; /**< Of an array. */
    uint64_t n;             /**< Items of an array; else 1. */
    struct wm_str data;     /**< The value, or all items, as they stand there. */
};

/** Read magic, version and counts of `bytes`, which may end within tensor infos or data. */
int wm_gguf_open(struct wm_gguf *r, struct wm_str bytes, struct wm_error *err);

/** Next pair: 1 and `*ret`, 0 behind the last, < 0 on error: WM_E_FORMAT names the key or the byte.
 *  Arrays of arrays are refused. */
int wm_gguf_next(struct wm_gguf *r, struct wm_gguf_pair *ret, struct wm_error *err);

/** Value of a pair; WM_E_FORMAT names the key if it has another type. */
int wm_gguf_str(const struct wm_gguf_pair *pair, struct wm_str *ret, struct wm_error *err);
int wm_gguf_bool(const struct wm_gguf_pair *pair, bool *ret, struct wm_error *err);
/** Of any whole-number type; a negative one is an error. */
int wm_gguf_u64(const struct wm_gguf_pair *pair, uint64_t *ret, struct wm_error *err);
/** WM_E_FORMAT unless `pair` is an array of this type of item. */
int wm_gguf_array(const struct wm_gguf_pair *pair, enum wm_gguf_type item, struct wm_error *err);
/** Take the next item of an array of strings or of 4-byte numbers off `*data` (a copy of
 *  pair->data). Only as often as the array has items. */
struct wm_str wm_gguf_next_str(struct wm_str *data);
uint32_t wm_gguf_next_u32(struct wm_str *data);

#endif /* WETMILL_GGUF_H */
