/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file position.h
 * How far a step had come when it was stopped, however that happened: WORK/position, a line for
 * each phase that was begun, "DONE UNIT LABEL", and "end", renewed every second. Who goes on compares what he
 * finds kept with what had been done: the rest is done a second time, and is reported.
 */
#ifndef WETMILL_RUN_POSITION_H
#define WETMILL_RUN_POSITION_H

#include <pthread.h>

#include "wetmill/progress.h"
#include "wetmill/run.h"

struct wm_position {
    char path[WM_PATH_MAX];
    struct wm_progress *progress;
    struct wm_phase before[WM_PROGRESS_PHASES]; /**< As the one who was stopped left it. */
    size_t n_before;
    unsigned milliseconds; /**< Between renewals. */
    bool resumed, running, stop;
    pthread_t thread;
    pthread_mutex_t lock; /**< Guards stop. */
    pthread_cond_t wake;
};

/** Read what stands in `work_dir`, and keep it up to date from now on by `progress`, whose phases
 *  are forgotten first: each `milliseconds`, 0 = a second. Trouble with the file is ignored: it is for
 *  people. */
void wm_position_begin(struct wm_position *p, const char *work_dir, unsigned milliseconds,
                       struct wm_progress *progress);
/** Behind the end: the step is done anew, in the same place. What the one who was stopped had done stays
 *  what is compared with. */
void wm_position_again(struct wm_position *p);
/** The step is done, or stopped: the last word. `ret` says what was done again; untouched if the
 *  step was not resumed. */
void wm_position_end(struct wm_position *p, struct wm_redone *ret);

#endif /* WETMILL_RUN_POSITION_H */
