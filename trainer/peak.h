/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file peak.h
 * How fast this machine could be at what a model does most, multiply-adds.
 */
#ifndef WETMILL_TRAINER_PEAK_H
#define WETMILL_TRAINER_PEAK_H

#include "trainer/model.h"

/** Floating-point operations a second of nothing but multiply-adds on registers (fma.h), by the whole
 *  team, with the instructions that a model with `compute` is trained with here. The best of short
 *  rounds over about `seconds`: what other processes take away does not count. Differs from run to
 *  run: for people alone. */
double wm_peak_flops(struct wm_team *team, enum wm_compute compute, double seconds);

#endif /* WETMILL_TRAINER_PEAK_H */
