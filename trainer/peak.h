/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file peak.h
 * How fast this machine is at what a model does most: the multiply-adds of matrix tiles.
 */
#ifndef WETMILL_TRAINER_PEAK_H
#define WETMILL_TRAINER_PEAK_H

#include "trainer/model.h"

/** Floating-point operations a second of the model's own matrix tiles on data in the first caches,
 *  by its whole team; measured for about `seconds`. 0 if there is no memory for it. Differs from
 *  run to run: for people alone. */
double wm_peak_flops(const struct wm_model *model, double seconds);

#endif /* WETMILL_TRAINER_PEAK_H */
