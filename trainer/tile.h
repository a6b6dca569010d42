/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file tile.h
 * The micro-kernels of matrix products and the packing each wants, per instruction set and type.
 *
 * A packed factor is a row of panels of `width` (mr of A, nr of B) outer indices. Within a panel k
 * ascends: [k, width] floats, or for bf16 [k / 2, width, 2], the pair a dot-product instruction
 * takes. k is rounded up to k_step and the last panel to its width, both with zeros. A matrix unit
 * (AMX) is one more table with its own k_step and packing of A.
 *
 * float32: one fused multiply-add per product, k ascending, so every table gives the same bits.
 * bf16: factors rounded to nearest, ties to even, subnormals to 0; products exact, sums in float32.
 * The native instruction adds two products at a time and rounds as it likes, so its bits are those
 * of one kind of CPU; elsewhere bf16 is the float32 tile on rounded factors, right but no faster.
 *
 * All are pure functions of the caller's memory; any thread may call them.
 */
#ifndef WETMILL_TRAINER_TILE_H
#define WETMILL_TRAINER_TILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WM_TILE_MAX_ROWS = 12, /**< Largest mr, nr and k_step of any table. */
    WM_TILE_MAX_COLS = 32,
    WM_TILE_MAX_K_STEP = 2,
};

/** Pack `n_outer` outer indices × n_k of a matrix whose rows lie ld floats apart: a row per k
 *  (`k_rows`) or a row per outer index. `dst` holds panels of `width`. */
typedef void wm_pack(void *dst, size_t width, const float *src, size_t ld, bool k_rows,
                     size_t n_outer, size_t n_k);

enum { WM_TILE_FETCHES = 16 };

/** What a tile fetches into the caches while it multiplies, which leaves memory idle. Any address
 *  will do: nothing is read. */
struct wm_tile_ahead {
    const float *c;    /**< The tile of C that is made next, or the same again. */
    const float *from; /**< Up to WM_TILE_FETCHES times `n` floats, */
    size_t step, n;    /**< `step` floats apart, into the second cache; n 0: none. */
};

struct wm_gemm_tile {
    const char *name;
    bool native;    /**< False: bf16 by float32 arithmetic. */
    size_t mr, nr;  /**< Rows and columns of a tile. */
    size_t k_step;  /**< n_k is a multiple of it. */
    size_t element; /**< Bytes of a packed value. */
    wm_pack *pack_a, *pack_b;

    /** c[i][j] = from[i][j] + Σ_k a[k][i] × b[k][j]; a and b packed. All mr rows are written;
     *  `narrow`: only the first nr / 2 columns. `from` may be c; ld_from 0 repeats one row. */
    void (*run)(size_t n_k, const void *a, const void *b, const float *from, size_t ld_from,
                float *c, size_t ldc, bool narrow, const struct wm_tile_ahead *ahead);
};

extern const struct wm_gemm_tile wm_tile_f32_portable, wm_tile_f32_avx2, wm_tile_f32_avx512;
extern const struct wm_gemm_tile wm_tile_bf16_portable, wm_tile_bf16_avx2, wm_tile_bf16_avx512,
    wm_tile_bf16_native;

/** Packing in standard C, in float32 and rounded to bf16 (kept as float32). */
wm_pack wm_pack_f32, wm_pack_rounded;

/** The nearest bf16, ties to even, as a float; a subnormal result or argument gives 0 of its sign.
 */
float wm_bf16_round(float x);

#endif /* WETMILL_TRAINER_TILE_H */
