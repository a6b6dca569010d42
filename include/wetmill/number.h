/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file number.h
 * Numbers as text, the same in every locale. Pure functions; any thread.
 */
#ifndef WETMILL_NUMBER_H
#define WETMILL_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/str.h"

enum { WM_REAL_TEXT = 352 }; /**< Bytes of the longest number as text, with NUL. */

/** Decimal digits alone, no sign, no blanks; false if it is something else or over UINT64_MAX. */
bool wm_parse_u64(struct wm_str text, uint64_t *ret);

/** [+-] digits [. digits] [e [+-] digits], nothing else (no hexadecimal, NaN, infinity); false
 *  also where it overflows. Correctly rounded. */
bool wm_parse_real(struct wm_str text, double *ret);

/**
 * `v` with `decimals` (0–17) digits behind the point; decimals < 0: the shortest text that reads
 * back as the same bits. Never "-0.00"; `v` must be finite. Returns the length.
 */
size_t wm_format_real(char out[WM_REAL_TEXT], double v, int decimals);

#endif /* WETMILL_NUMBER_H */
