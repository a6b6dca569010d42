/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mix.h
 * The finaliser of SplitMix64 (Steele, Lea & Flood 2014): a bijection of 64 bits in which every
 * input bit reaches every output bit. Generators without state are built from it.
 */
#ifndef WETMILL_TRAINER_MIX_H
#define WETMILL_TRAINER_MIX_H

#include <stdint.h>

#define WM_GOLDEN_GAMMA 0x9E3779B97F4A7C15u /**< 2^64 / golden ratio, odd */

static inline uint64_t wm_mix64(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xBF58476D1CE4E5B9u;
    x ^= x >> 27;
    x *= 0x94D049BB133111EBu;
    return x ^ x >> 31;
}

#endif /* WETMILL_TRAINER_MIX_H */
