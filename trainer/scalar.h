/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file scalar.h
 * Scalar mathematics and random numbers that are the same bits on every machine: the C library's
 * log, pow and cos are not (they pick a version by CPU). Pure functions.
 */
#ifndef WETMILL_TRAINER_SCALAR_H
#define WETMILL_TRAINER_SCALAR_H

#include <stdint.h>

/** Natural logarithm within 2 units in the last place; log 0 = −∞, NaN below. */
double wm_log(double x);

/** e^x within 2 units in the last place; +∞ over 709.78, 0 below −745.1, gradual in between. */
double wm_exp(double x);

/** Sine and cosine, off by at most 2^-52 for |x| ≤ 2^20; NaN for larger x. */
void wm_sin_cos(double x, double *ret_sin, double *ret_cos);

/** x^n by repeated squaring. */
double wm_power(double x, uint64_t n);

/** A 64-bit random number that is a pure function of its three counters. */
uint64_t wm_random(uint64_t seed, uint64_t stream, uint64_t index);

/** Uniform in [0, 1), 53 bits. */
double wm_uniform(uint64_t seed, uint64_t stream, uint64_t index);

/** Standard normal (Marsaglia's polar method). `index` < 2^58. */
double wm_gaussian(uint64_t seed, uint64_t stream, uint64_t index);

#endif /* WETMILL_TRAINER_SCALAR_H */
