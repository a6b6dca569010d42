/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file peak.h
 * Loops of nothing but multiply-adds on registers: what the processor could do at most.
 */
#ifndef WETMILL_BENCH_PEAK_H
#define WETMILL_BENCH_PEAK_H

#include <stddef.h>

/** Runs `rounds` rounds and returns the floating-point operations made in all of them. */
typedef double peak_loop(size_t rounds);

/** For the tile with that `name` (trainer/tile.h); NULL where there is none. */
peak_loop *peak_of(const char *name);

#endif /* WETMILL_BENCH_PEAK_H */
