/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file machine.h
 * What the machine gives at most, measured with the threads of a team, and what this process has
 * taken. Rates of a shared machine drift: measure them next to what they are compared with.
 */
#ifndef WETMILL_BENCH_MACHINE_H
#define WETMILL_BENCH_MACHINE_H

#include <stdint.h>

#include "trainer/kernels.h"
#include "wetmill/parallel.h"

/** Seconds of the clock on the wall, and of processors used by this process. */
double machine_seconds(void);
double machine_cpu_seconds(void);

/** Floating-point operations a second: by the clock on the wall, and a second of one processor. */
struct machine_rate {
    double wall, cpu;
};

/** Of the tile with that name (trainer/tile.h) with all threads of the team, over about `seconds`. */
struct machine_rate machine_peak(struct wm_team *team, const char *tile, double seconds);

/** Bytes a second that all threads of the team read together from arrays larger than any cache;
 *  0 without memory for them. */
double machine_bandwidth(struct wm_team *team, const struct wm_kernels *kernels, double seconds);

/** Largest resident set so far (VmHWM), bytes; 0 where /proc does not tell. */
uint64_t machine_peak_memory(void);

/** The median of n ≥ 1 numbers, which it sorts; of an even number the upper one. */
double machine_median(double *x, unsigned n);

#endif /* WETMILL_BENCH_MACHINE_H */
