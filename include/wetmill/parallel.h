/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file parallel.h
 * The trainer's one door to parallelism: OpenMP, or a pthread backend where it is off (TSan).
 * Work is cut by the caller from the problem alone, so results never depend on the thread count.
 *
 * Order: wm_team_new ─▶ wm_parallel any number of times, alone or many in a wm_team_session ─▶
 * wm_team_free. A team is driven by one thread at a time; several teams may work at once.
 *
 * The threads stay in one parallel region as long as the team lives and wait between calls by its
 * own barrier: they look for work for some microseconds, then sleep. A team larger than the
 * machine goes to sleep at once. Items are taken one by one, first come first served, for on a
 * shared machine no two threads get equally far.
 */
#ifndef WETMILL_PARALLEL_H
#define WETMILL_PARALLEL_H

#include <stddef.h>

#include "wetmill/error.h"

enum { WM_TEAM_MAX = 1024 }; /**< Most threads of a team. */

/** A team of threads; made once, used by one thread at a time. */
struct wm_team;
/** n_threads 0 = the processors this process may use. WM_E_CONFIG over WM_TEAM_MAX, WM_E_NOMEM,
 *  WM_E_IO if the system refuses a thread. */
int wm_team_new(unsigned n_threads, struct wm_team **ret, struct wm_error *err);
void wm_team_free(struct wm_team *team); /**< Safe on NULL. */
unsigned wm_team_size(const struct wm_team *team);

/** Call body(arg, i) for every i in [0, n_items), spread over the team; returns when all are done
 *  and their writes are visible. The order is unspecified; the items must be independent. Called
 *  from a body of the same team it is done by the calling thread alone: right, but no faster. */
void wm_parallel(struct wm_team *team, size_t n_items, void (*body)(void *arg, size_t item),
                 void *arg);

/** Call body(arg) on the calling thread, which in it calls wm_parallel again and again at short
 *  intervals: one training step. Meanwhile the team's threads wait for work longer before they
 *  sleep, and on all of them float subnormals count as 0 and are flushed to it (FTZ, DAZ); the
 *  caller's mode is as before afterwards. A session inside a session of the same team is the same
 *  session. */
void wm_team_session(struct wm_team *team, void (*body)(void *arg), void *arg);

/** Inside a body: which of the team's threads runs it, [0, wm_team_size). For scratch memory
 *  only; a result must not depend on it. Outside a body: 0. */
unsigned wm_team_slot(void);

/** Processors this process may run on (affinity and cgroup respected where visible), ≥ 1. */
unsigned wm_processors(void);

#endif /* WETMILL_PARALLEL_H */
