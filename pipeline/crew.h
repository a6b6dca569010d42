/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file crew.h
 * The workers of a job, and the one queue they work from.
 *
 * All tasks that run at once put their batches into the same queue, so workers are never idle while
 * any task has work, and the last tasks of a pass get all of them. Nothing a worker does waits for
 * another piece of queued work; so everything queued is done some time, and whoever waits for it
 * goes on.
 *
 * Failure: the first wm_crew_fail() stands. Nobody is woken and nothing is thrown away: every
 * thread goes on with its part, but does no more than hand things on, until all is drained. So an
 * error takes the same ways through the program as success, and cannot leave anyone waiting.
 *
 * Who was only asked to stop (cancel) takes no new work, but may finish what is under way.
 *
 * One lock guards all that is shared in a job (queue, stock of batches, rings): it is taken a few
 * times for each batch of some MiB.
 */
#ifndef WETMILL_PIPELINE_CREW_H
#define WETMILL_PIPELINE_CREW_H

#include <pthread.h>
#include <stdbool.h>

#include "wetmill/cancel.h"
#include "wetmill/error.h"

/** A piece of work; embedded in what it is about. `run` gets the worker's own state. */
struct wm_work {
    void (*run)(struct wm_work *work, void *worker);
    struct wm_work *next;
};

struct wm_crew {
    pthread_mutex_t lock;
    pthread_cond_t work_ready;  /**< The queue has work, or is closed. */
    pthread_cond_t stock_freed; /**< A batch or admission came back (ring.h). */
    pthread_cond_t errand_done;
    struct wm_work *first, *last;
    bool closed;
    bool failed;
    bool broken;              /**< … by something else than the wish to stop. */
    struct wm_error error;    /**< The first failure. */
    struct wm_cancel *cancel; /**< May be NULL. */
};

int wm_crew_init(struct wm_crew *crew, struct wm_cancel *cancel, struct wm_error *err);
void wm_crew_done(struct wm_crew *crew);

/** Queue work, behind the rest; or before it, if somebody waits for it with his hands full. The
 *  lock must be held. */
void wm_crew_put(struct wm_crew *crew, struct wm_work *work, bool urgent);
/** What every worker thread does: all the work there is, until the queue is closed and empty. */
void wm_crew_serve(struct wm_crew *crew, void *worker);
/** No more work will come (this pass): workers leave when the queue is empty. */
void wm_crew_close(struct wm_crew *crew);
/** Open the queue again for the next pass. No worker may be serving. */
void wm_crew_reopen(struct wm_crew *crew);

/** Record a failure; only the first counts. Takes the lock. */
void wm_crew_fail(struct wm_crew *crew, const struct wm_error *error);
/** Has anything failed, or has the user cancelled? Takes the lock. */
bool wm_crew_stopped(struct wm_crew *crew);
/** Has anything failed? Takes the lock. */
bool wm_crew_broken(struct wm_crew *crew);

/* ---- errands: work whose result somebody waits for ---- */

/** A piece of work of a sink: compress a frame. Zero it before the first use. */
struct wm_errand {
    struct wm_work work;
    struct wm_crew *crew;
    int (*run)(struct wm_errand *errand, struct wm_error *err);
    bool busy; /**< Started and not done; guarded by the crew's lock. */
    int status;
    struct wm_error error; /**< Set if status is not 0. */
};

/** Hand `errand` to the crew. It must not be busy. */
void wm_errand_start(struct wm_crew *crew, struct wm_errand *errand);
/** Wait until it is done; returns what run returned. At once if it was never started. */
int wm_errand_wait(struct wm_errand *errand, struct wm_error *err);

#endif /* WETMILL_PIPELINE_CREW_H */
