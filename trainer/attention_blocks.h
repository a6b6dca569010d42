/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file attention_blocks.h
 * What attention's two passes share: a head's memory, and tiles of scores, which are a block of
 * queries × a block of keys, trimmed to the keys that any of the queries may see. A tile is a
 * function of the two blocks alone, so whoever makes it makes the same bits.
 */
#ifndef WETMILL_TRAINER_ATTENTION_BLOCKS_H
#define WETMILL_TRAINER_ATTENTION_BLOCKS_H

#include <stdbool.h>

#include "trainer/attention.h"

enum { WM_ATTENTION_QUERIES = 64, WM_ATTENTION_KEYS = 256 }; /* of a block */

struct wm_keys {
    size_t first, end;
};

/** One head of one sequence, and a slot's scratch. */
struct wm_head {
    const struct wm_kernels *kernels;
    const struct wm_attention *a;
    size_t sequence;
    const float *q, *k, *v; /**< The head's first of each. */
    float *out, *norm;
    float factor;             /**< 1 / √D */
    float *gemm;              /**< Scratch of products. */
    float *scores, *d_scores; /**< [QUERIES, KEYS] */
};

struct wm_tile {
    const struct wm_head *head;
    size_t row, n_rows;
    struct wm_keys seen; /**< Keys that any of the rows may see. */
    size_t key, n_keys;  /**< Those of them in the block. */
};

static inline size_t wm_attention_query_blocks(const struct wm_attention *a)
{
    return ((size_t)a->t + WM_ATTENTION_QUERIES - 1) / WM_ATTENTION_QUERIES;
}

static inline size_t wm_attention_key_blocks(const struct wm_attention *a)
{
    return ((size_t)a->t_kv + WM_ATTENTION_KEYS - 1) / WM_ATTENTION_KEYS;
}

/** For the calling item's slot. */
struct wm_head wm_attention_head(const struct wm_workshop *shop, const struct wm_attention *a,
                                 size_t sequence, size_t head);
/** A tile's rows, no keys yet. */
struct wm_tile wm_attention_rows(const struct wm_head *head, size_t query_block);
/** And its keys; false: they are none. */
bool wm_attention_keys(struct wm_tile *tile, size_t key_block);
/** The tile's keys that its row-th row may see, counted from tile->key. */
struct wm_keys wm_attention_row(const struct wm_tile *tile, size_t row);
/** head->scores = q kᵀ */
void wm_attention_scores(const struct wm_tile *tile);

#endif /* WETMILL_TRAINER_ATTENTION_BLOCKS_H */
