/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file attention_blocks.h
 * What attention's two passes share: a slot's memory for one head, small products of packed
 * factors, and patches of scores, which are a block of queries × a block of keys, trimmed to the
 * keys that any of the queries may see. A patch is a function of the two blocks alone, so whoever
 * makes it makes the same bits.
 */
#ifndef WETMILL_TRAINER_ATTENTION_BLOCKS_H
#define WETMILL_TRAINER_ATTENTION_BLOCKS_H

#include <stdbool.h>

#include "trainer/attention.h"

enum {
    WM_ATTENTION_QUERIES = 48, /**< Of a block: whole tiles of every table. */
    WM_ATTENTION_KEYS = 288,   /**< Of a block; a multiple of WM_ATTENTION_STEP. */
    WM_ATTENTION_STEP = 96,    /**< Where a patch's keys may begin: whole tiles down and across. */
    WM_ATTENTION_GROUP = 16,   /**< Most query blocks that a forward item walks side by side. */
    WM_ATTENTION_BAND = 12,    /**< Rows or keys, whole tiles, whose products end together: above
                                    the diagonal nothing is multiplied. The same for every table, so
                                    that each element's sum has the same terms. */
};

struct wm_keys {
    size_t first, end;
};

/** A slot's memory. D' is D rounded up to whole tiles. */
struct wm_attention_memory {
    float *scores, *d_scores; /**< [QUERIES, KEYS] */
    float *block;             /**< [QUERIES, D'] a product on its way to where it belongs */
    float *d_k, *d_v;         /**< [KEYS and a tile's rows, D'] */
    float *max, *sum;         /**< [GROUP × QUERIES] of the softmaxes under way */
    /* packed */
    float *rows, *d_rows;               /**< q and dO of a block of queries as left factors, */
    float *q, *d_out;                   /**< and as right ones */
    float *k_turned, *v_turned, *k, *v; /**< right factors: kᵀ, vᵀ, k, v of a block of keys */
    float *left;                        /**< Scores as a left factor. */
};

/** One head of one sequence at work in a slot. */
struct wm_head {
    const struct wm_kernels *kernels;
    const struct wm_gemm_tile *tile;
    const struct wm_attention *a;
    size_t sequence;
    const float *q, *k, *v; /**< The head's first of each. */
    float *out, *norm;
    float factor;    /**< 1 / √D */
    size_t ld_block; /**< D' */
    struct wm_attention_memory memory;
};

struct wm_patch {
    const struct wm_head *head;
    size_t row, n_rows;
    struct wm_keys seen; /**< Keys that any of the rows may see; none: {t_kv, 0}. */
    size_t key, n_keys;  /**< Those of them in the block, */
    size_t offset;       /**< which `key` is that far into. */
    /** Which of these each row may see, counted from `key`. No later row ends before an earlier
     *  one: see wm_attention_end. */
    struct wm_keys keys[WM_ATTENTION_QUERIES];
};

/** For the calling item's slot. */
struct wm_head wm_attention_head(const struct wm_workshop *shop, const struct wm_attention *a,
                                 size_t sequence, size_t head);
/** A patch's rows, no keys yet. */
struct wm_patch wm_attention_rows(const struct wm_head *head, size_t query_block);
/** And its keys; false: they are none. */
bool wm_attention_keys(struct wm_patch *patch, size_t key_block);
/** Keys of a block that query blocks before query_end can see at most; 0 = none. */
size_t wm_attention_reach(const struct wm_head *head, size_t query_end, size_t key_block);

/** Pack a right factor: n_outer × n_k of a matrix, a row per k or per outer index. */
void wm_attention_pack(const struct wm_head *head, float *dst, const float *src, size_t ld,
                       bool k_rows, size_t n_outer, size_t n_k);
/** A left one of rows of q or dO: n_rows × D. */
void wm_attention_pack_rows(const struct wm_head *head, float *dst, const float *src, size_t ld,
                            size_t n_rows);

/** c [QUERIES, KEYS] = left × turnedᵀ over D, where rows may see keys and around it. */
void wm_attention_products(const struct wm_patch *patch, const float *left, const float *turned,
                           float *c);
/** Scores of row i outside its keys become 0, as far as the two functions below read them. */
void wm_attention_clear(const struct wm_patch *patch, size_t row, float *scores);
/** c [n_rows, D'] = scores × right, `right` being packed and all `depth` keys of the block deep. */
void wm_attention_over_keys(const struct wm_patch *patch, const float *scores, const float *right,
                            size_t depth, float *c);
/** c [n_keys, D'] += scoresᵀ × right, `right` being packed rows. */
void wm_attention_over_rows(const struct wm_patch *patch, const float *scores, const float *right,
                            float *c);

static inline size_t wm_attention_cuts(size_t n, size_t size)
{
    return (n + size - 1) / size;
}

#endif /* WETMILL_TRAINER_ATTENTION_BLOCKS_H */
