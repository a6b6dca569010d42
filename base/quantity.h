/* SPDX-License-Identifier: Apache-2.0 */
/** @file quantity.h  Sizes as text that reads back as the same number of bytes. */
#ifndef WETMILL_BASE_QUANTITY_H
#define WETMILL_BASE_QUANTITY_H

#include <stddef.h>
#include <stdint.h>

enum { WM_EXACT_SIZE = 32 };

/** "16 MiB", "10 GB", "4097". Returns the length. */
size_t wm_exact_size(char out[WM_EXACT_SIZE], uint64_t bytes);

#endif /* WETMILL_BASE_QUANTITY_H */
