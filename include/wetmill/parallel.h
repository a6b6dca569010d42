/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file parallel.h
 * The trainer's one door to parallelism: OpenMP, or a pthread backend where it is off (TSan).
 * Work is cut by the caller from the problem alone, so results never depend on the thread count.
 */
#ifndef WETMILL_PARALLEL_H
#define WETMILL_PARALLEL_H

#include <stddef.h>

#include "wetmill/error.h"

/** A team of threads; made once, used by one thread at a time. */
struct wm_team;
/** n_threads 0 = the processors this process may use. */
int wm_team_new(unsigned n_threads, struct wm_team **ret, struct wm_error *err);
void wm_team_free(struct wm_team *team);
unsigned wm_team_size(const struct wm_team *team);

/** Call body(arg, i) for every i in [0, n_items), spread over the team; returns when all are done.
 *  The order is unspecified; the items must be independent. */
void wm_parallel(struct wm_team *team, size_t n_items, void (*body)(void *arg, size_t item),
                 void *arg);

/** Processors this process may run on (affinity and cgroup respected where visible), ≥ 1. */
unsigned wm_processors(void);

#endif /* WETMILL_PARALLEL_H */
