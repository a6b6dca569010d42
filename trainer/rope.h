/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rope.h
 * The angles of rotary positions (Su et al. 2021); the kernel `rope` turns by them.
 */
#ifndef WETMILL_TRAINER_ROPE_H
#define WETMILL_TRAINER_ROPE_H

#include <stdint.h>

/** Cosine and sine of position × theta^(−2i / head_dim) for pair i, [n_ctx, head_dim / 2] each:
 *  made in double, rounded to float once; the same bits on every machine. Pair i of a head is its
 *  elements i and i + head_dim / 2. head_dim is even, theta > 0, n_ctx ≤ 2^20. */
void wm_rope_table(double theta, uint32_t head_dim, uint32_t n_ctx, float *ret_cos, float *ret_sin);

#endif /* WETMILL_TRAINER_ROPE_H */
