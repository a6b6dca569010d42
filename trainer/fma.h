/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fma.h
 * Loops of nothing but multiply-adds on registers: what the processor could do at most.
 */
#ifndef WETMILL_TRAINER_FMA_H
#define WETMILL_TRAINER_FMA_H

#include <stddef.h>

/** Runs `rounds` rounds and returns the floating-point operations made in all of them. Any thread. */
typedef double wm_fma_loop(size_t rounds);

/** With the instructions of the tile of that `name` (trainer/tile.h), which the CPU must have. */
wm_fma_loop *wm_fma_loop_of(const char *name);

#endif /* WETMILL_TRAINER_FMA_H */
