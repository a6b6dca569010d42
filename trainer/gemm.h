/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file gemm.h
 * Matrix products of the trainer: C[m, n] = start + A[m, k] × B[k, n], in float32 or with factors
 * rounded to bf16.
 *
 * Every element of C is one chain of sums over k = 0, 1, 2, …, begun at its start value: for float32
 * of fused multiply-adds, so that its bits depend neither on tiles, blocks and threads nor on the
 * instruction set; for bf16 as trainer/tile.h says, and the bits depend on the kind of CPU alone.
 * Packing and blocking after Goto and van de Geijn, "Anatomy of High-Performance Matrix
 * Multiplication" (2008): B is packed once for all threads, A per block by the thread that needs
 * it.
 */
#ifndef WETMILL_TRAINER_GEMM_H
#define WETMILL_TRAINER_GEMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trainer/kernels.h"
#include "wetmill/parallel.h"

/** A factor in memory. Its outer index is m for A and n for B. */
struct wm_factor {
    const float *at;
    size_t ld;   /**< Floats between rows. */
    bool k_rows; /**< Stored [k, outer] (a row per k); false: [outer, k]. */
};

enum wm_gemm_type {
    WM_GEMM_F32,
    WM_GEMM_BF16, /**< Factors are rounded to bf16 while packing; sums and C stay float32 */
};

enum wm_gemm_start {
    WM_START_ZERO,
    WM_START_BIAS, /**< `bias`[n], the same for every row */
    WM_START_C,    /**< What is in C: accumulate */
};

struct wm_gemm {
    size_t m, n, k; /**< All ≥ 1 */
    enum wm_gemm_type type;
    struct wm_factor a, b;
    float *c;
    size_t ldc;
    enum wm_gemm_start start;
    const float *bias;
    /** Called once for every finished block of C by the thread that made it, while it is in its
     *  cache; NULL: nothing. Blocks are disjoint and cover C. */
    void (*finish)(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols);
    void *finish_arg;
};

/** Where products are made: the team, its kernels and its memory, used by one caller at a time. */
struct wm_workshop {
    const struct wm_kernels *kernels;
    struct wm_team *team;
    float *shared; /**< [shared_floats] the packed B, 64-byte aligned for speed */
    size_t shared_floats;
    float *scratch; /**< [team size, scratch_floats] a slot's own memory */
    size_t scratch_floats;
};

/** Floats of `shared` that a product with this n and k wants (it works with less, down to
 *  WM_GEMM_MIN_SHARED), and of each slot's `scratch`. */
size_t wm_gemm_shared_floats(size_t n, size_t k);
enum {
    WM_GEMM_MIN_SHARED = 1536 * WM_TILE_MAX_COLS,
    WM_GEMM_SCRATCH = 48 * 384, /**< floats: one packed block of A */
};

/** The product by the whole team. */
void wm_gemm(const struct wm_workshop *shop, const struct wm_gemm *product);

#endif /* WETMILL_TRAINER_GEMM_H */
