/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file float_mode.h
 * Subnormal numbers as zeros, in and out: arithmetic on them is a hundred times slower on some
 * CPUs, and gradients and moments decay into them. The mode belongs to a thread, and as results
 * must not depend on who made them, every thread that works on a model has to be in it: a team's
 * helpers once and for all, the calling thread around each call.
 *
 * x86-64: FTZ and DAZ of MXCSR. AArch64: FZ of FPCR. Elsewhere nothing changes: subnormals are then
 * computed with, on all threads alike.
 */
#ifndef WETMILL_TRAINER_FLOAT_MODE_H
#define WETMILL_TRAINER_FLOAT_MODE_H

#include <stdint.h>

#include "wetmill/parallel.h"

/** Puts the calling thread into the mode; returns what wm_float_mode_leave takes. */
uint64_t wm_float_mode_enter(void);
/** Back to what it was. Enter and leave nest. */
void wm_float_mode_leave(uint64_t before);

/** Puts every helper of the team into the mode, where it stays; the calling thread is as before. */
void wm_float_mode_team(struct wm_team *team);

#endif /* WETMILL_TRAINER_FLOAT_MODE_H */
