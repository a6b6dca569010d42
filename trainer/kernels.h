/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file kernels.h
 * The innermost loops of the trainer, once per instruction set: one constant table each.
 *
 * Every kernel gives the same bits in every table, so a model trained on one machine continues on
 * another. How: float32 matrix tiles are one fused multiply-add per product, in the order of k; all
 * other kernels use plain +, −, ×, ÷, √ in 16 lanes (element i in lane i mod 16) that are folded in one
 * fixed tree, and an exponential of our own. Tests compare the tables with memcmp.
 *
 * Kernels are pure functions of memory the caller owns; any thread may call them.
 */
#ifndef WETMILL_TRAINER_KERNELS_H
#define WETMILL_TRAINER_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trainer/tile.h"

/** Constants of one AdamW step, rounded to float once. */
struct wm_adamw_constants {
    float grad_scale, decay_keep; /**< decay_keep = 1 − lr × weight decay, or 1. */
    float beta1, one_minus_beta1, beta2, one_minus_beta2;
    float root_bias2;         /**< √(1 − beta2^step) */
    float epsilon, step_size; /**< step_size = lr / (1 − beta1^step) */
};

struct wm_kernels {
    const char *name;
    const struct wm_gemm_tile *f32, *bf16; /**< Matrix products: see trainer/tile.h. */

    /** y[i] += x[i] */
    void (*add)(float *y, const float *x, size_t n);
    /** y[i] += a × x[i], rounded twice */
    void (*axpy)(float *y, float a, const float *x, size_t n);
    /** y[i] += Σ over the rows of x, which are ld floats apart; each sum begins with 0 and takes
     *  them in order. */
    void (*add_rows)(float *y, const float *x, size_t ld, size_t n_rows, size_t n);
    /** x[i] ×= factor */
    void (*scale)(float *x, float factor, size_t n);
    /** Σ a[i] × b[i] */
    float (*dot)(const float *a, const float *b, size_t n);
    /** Σ x[i]², in double. */
    double (*sum_squares)(const float *x, size_t n);

    /** y = (x − mean) × rstd × gain + bias over n channels; rstd = 1 / √(variance + epsilon). */
    void (*layer_norm)(const float *x, const float *gain, const float *bias, float epsilon,
                       size_t n, float *y, float *ret_mean, float *ret_rstd);
    /** dx += its gradient; dgain and dbias += this row's part. */
    void (*layer_norm_back)(const float *dy, const float *x, const float *gain, float mean,
                            float rstd, size_t n, float *dx, float *dgain, float *dbias);

    /** y = x × rstd × gain over n channels; rstd = 1 / √(mean x² + epsilon). y may be x. */
    void (*rms_norm)(const float *x, const float *gain, float epsilon, size_t n, float *y,
                     float *ret_rstd);
    /** dx = its gradient, or dx += it; dgain += this row's part. Without `add` dx may be dy. */
    void (*rms_norm_back)(const float *dy, const float *x, const float *gain, float rstd, size_t n,
                          bool add, float *dx, float *dgain);

    /** Turns the pairs (i, i + half) of each of n_head heads of 2 × half floats, side by side in x,
     *  by the angle with this cos[i], sin[i]; `back`: by minus the angle, which is the gradient. */
    void (*rope)(float *x, const float *cos, const float *sin, size_t half, size_t n_head,
                 bool back);

    /** y = x × Φ(x), tanh form (Hendrycks & Gimpel 2016). */
    void (*gelu)(const float *x, float *y, size_t n);
    /** dy[i] ×= gelu'(x[i]) */
    void (*gelu_back)(const float *x, float *dy, size_t n);
    /** y = gate × σ(gate) × up (Shazeer 2020). y may be either. */
    void (*swiglu)(const float *gate, const float *up, float *y, size_t n);
    /** Both gradients, written; d_gate may be gate, d_up may be up, and either may be dy. */
    void (*swiglu_back)(const float *gate, const float *up, const float *dy, float *d_gate,
                        float *d_up, size_t n);

    /** s[i] = exp(s[i] × factor − max) for i < n, 0 for n ≤ i < n_padded; factor > 0, n ≥ 1.
     *  Returns the sum; `*ret_max` = max of s[i] × factor. */
    float (*softmax)(float *s, size_t n, size_t n_padded, float factor, float *ret_max);
    /** max x[i], n ≥ 1. */
    float (*top)(const float *x, size_t n);
    /** s[i] = exp(s[i] × factor − max); returns the sum. */
    float (*exp_sum)(float *s, size_t n, float factor, float max);
    /** x[i] = log x[i]; 2^-126 for what is below it or a NaN. */
    void (*log)(float *x, size_t n);
    /** s[i] = p = exp(s[i] × factor − norm), and dp[i] = p × (dp[i] − d) × factor. */
    void (*scores_back)(float *s, float *dp, float norm, float d, float factor, size_t n);

    /** One AdamW update of n parameters. */
    void (*adamw)(float *p, const float *g, float *m, float *v, const struct wm_adamw_constants *c,
                  size_t n);
};

extern const struct wm_kernels wm_kernels_portable, wm_kernels_avx2, wm_kernels_avx512,
    wm_kernels_avx512_bf16;

/** The tables this CPU can run, best first, ended by NULL; the portable one is always there. */
const struct wm_kernels *const *wm_kernels_available(void);

#endif /* WETMILL_TRAINER_KERNELS_H */
