/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file weight_types.h
 * How numbers of a weight are kept in files, and the way there from float32 and back.
 *
 * q8_0 and q4_0 are ggml's: a row is cut into blocks of 32 numbers with one f16 scale d each.
 *     q8_0  34 bytes: d, then 32 signed bytes q; a number is d × q; d = max |x| / 127
 *     q4_0  18 bytes: d, then 16 bytes with q of number i low and of number 16 + i high;
 *           a number is d × (q − 8); d = (the x of largest magnitude) / −8
 * All is little-endian. Pure functions; results are the same bytes on every CPU.
 */
#ifndef WETMILL_TRAINER_WEIGHT_TYPES_H
#define WETMILL_TRAINER_WEIGHT_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wetmill/export.h"

enum { WM_QUANT_BLOCK = 32 /**< Numbers of a quantised block. */ };

static inline bool wm_weight_is_quantised(enum wm_weight_type type)
{
    return type == WM_WEIGHT_Q8_0 || type == WM_WEIGHT_Q4_0;
}

/** Bytes of `n` numbers; for quantised types `n` is a multiple of WM_QUANT_BLOCK. */
uint64_t wm_weight_bytes(enum wm_weight_type type, uint64_t n);

/** Write `n` numbers to `dst`, wm_weight_bytes long. False if a finite number becomes infinite, or
 *  one that is not finite shall be quantised; `dst` is then of no use. */
bool wm_weight_encode(enum wm_weight_type type, const float *x, size_t n, unsigned char *dst);

/** Read `n` numbers of type F32, F16 or BF16, exactly. */
void wm_weight_decode(enum wm_weight_type type, const unsigned char *src, size_t n, float *dst);

#endif /* WETMILL_TRAINER_WEIGHT_TYPES_H */
