/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file floats.h
 * Little-endian numbers in files, from and to memory of any alignment.
 */
#ifndef WETMILL_TRAINER_FLOATS_H
#define WETMILL_TRAINER_FLOATS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/** `n` numbers of `width` bytes between file order (little-endian) and the machine's; the same
 *  way both ways. */
static inline void wm_copy_le(void *dst, const void *src, size_t n, size_t width)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (n)
        memcpy(dst, src, n * width);
#else
    unsigned char *to = dst;
    const unsigned char *from = src;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < width; j++)
            to[i * width + j] = from[i * width + width - 1 - j];
    }
#endif
}

#endif /* WETMILL_TRAINER_FLOATS_H */
