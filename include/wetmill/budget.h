/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file budget.h
 * A shared limit on memory: take before allocating, give back after freeing. Waiters are served in
 * the order they came, so a large request is not starved by small ones. Any thread.
 *
 * A thread that holds part of the budget and waits for more can deadlock with another that does the
 * same: take what a unit of work needs in one piece.
 */
#ifndef WETMILL_BUDGET_H
#define WETMILL_BUDGET_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "wetmill/error.h"

struct wm_budget {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    uint64_t limit, used, peak;    /**< Bytes. */
    uint64_t next_ticket, serving; /**< Queue of wm_budget_take. */
    bool stopped;
};

/** `limit` bytes; UINT64_MAX = unlimited, counted all the same. */
int wm_budget_init(struct wm_budget *budget, uint64_t limit, struct wm_error *err);
void wm_budget_done(struct wm_budget *budget);

/** Wait until `bytes` are free and take them. WM_E_NOMEM at once if they exceed the limit (the
 *  message names the need: `purpose`), WM_E_CANCELLED after wm_budget_stop. */
int wm_budget_take(struct wm_budget *budget, uint64_t bytes, const char *purpose,
                   struct wm_error *err);
/** Take if free now and nobody waits. */
bool wm_budget_try(struct wm_budget *budget, uint64_t bytes);
void wm_budget_give(struct wm_budget *budget, uint64_t bytes);

/** Wake all waiters with WM_E_CANCELLED; later takes fail too. */
void wm_budget_stop(struct wm_budget *budget);

/** Most bytes that were taken at once. */
uint64_t wm_budget_peak(struct wm_budget *budget);

#endif /* WETMILL_BUDGET_H */
