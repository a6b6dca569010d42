/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file attention.h
 * Scaled dot-product attention, forward and backward: out = softmax(q kᵀ / √D, masked) v for every
 * head of every sequence (Vaswani et al. 2017), heads sharing keys and values in groups (Ainslie et
 * al. 2023).
 *
 * Scores exist for one block of queries and keys at a time, never T × T: the forward pass keeps a
 * running maximum and sum per row and stores the logarithm of the softmax's denominator; the
 * backward pass makes the scores again from it (Rabe and Staats 2021, Dao et al. 2022). Blocks have
 * one size, blocks that the masks empty are skipped, and every sum runs in one order, so the bits
 * depend neither on the number of threads nor on which of them did what.
 *
 * All memory is the caller's. Nothing is checked here and nothing can fail.
 */
#ifndef WETMILL_TRAINER_ATTENTION_H
#define WETMILL_TRAINER_ATTENTION_H

#include <stddef.h>
#include <stdint.h>

#include "trainer/gemm.h"

/** Which keys a query may see. Query i stands at key p = i + t_kv − t (with t_kv = t: at its own);
 *  CAUSAL and PREFIX need t_kv ≥ t. */
enum wm_mask {
    WM_MASK_CAUSAL, /**< Keys 0 to p. */
    WM_MASK_FULL,   /**< All. */
    WM_MASK_PREFIX, /**< Keys 0 to p, and all of the sequence's first `prefix`. */
};

struct wm_attention {
    uint32_t b, t, t_kv;                  /**< Sequences; queries and keys of each, ≥ 1. */
    uint32_t n_head, n_kv_head, head_dim; /**< Head h reads kv head h / (n_head / n_kv_head). */
    enum wm_gemm_type type;               /**< Of the products; softmax is float32 always. */
    const float *q;                       /**< [b·t, n_head·D], rows ld_q floats apart */
    size_t ld_q;
    const float *k, *v; /**< [b·t_kv, n_kv_head·D], rows ld_kv floats apart */
    size_t ld_kv;
    enum wm_mask mask;
    const uint32_t *prefix;    /**< PREFIX: [b], ≤ t_kv */
    const uint32_t *first_key; /**< [b·t] the row sees keys from this one only (where its document
                                    begins); NULL: from 0. A row that sees no key gives zeros. */
    float *out;                /**< [b·t, n_head·D], rows ld_out floats apart */
    size_t ld_out;
    float *norm; /**< [b, n_head, t] log Σ exp(score): written by forward, read by backward */
};

/** Floats of each slot's scratch (struct wm_workshop) that both passes want; not more with more
 *  positions. */
size_t wm_attention_scratch_floats(uint32_t head_dim);

/** Writes `out` and `norm`, which overlap nothing that is read. */
void wm_attention_forward(const struct wm_workshop *shop, const struct wm_attention *a);

/** From d_out [b·t, n_head·D], the gradient of `out`: d_q, d_k and d_v are written, not added to,
 *  in the shapes of q, k and v, and overlap nothing that is read: q, k, v, out, norm, d_out. */
void wm_attention_backward(const struct wm_workshop *shop, const struct wm_attention *a,
                           const float *d_out, size_t ld_d_out, float *d_q, float *d_k, float *d_v,
                           size_t ld_dq, size_t ld_dkv);

#endif /* WETMILL_TRAINER_ATTENTION_H */
