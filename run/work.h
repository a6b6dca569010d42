/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file work.h
 * The work directory of a step: WORK/identity says whose state it holds. State of another identity is
 * of no use to a step and goes before it starts, unless the step says that it is an unfinished result
 * (struct wm_step): that is moved to WORK.old, and moved back when its identity is wanted again. A
 * damaged identity of such a result is not believed to be ours unless the result itself says so. There
 * is one such place; what would take it from a third identity is refused. Whoever calls holds the
 * run's lock.
 *
 *     wm_work_prepare ─▶ the step runs ─▶ published, WORK removed ─▶ wm_work_tell
 */
#ifndef WETMILL_RUN_WORK_H
#define WETMILL_RUN_WORK_H

#include "run/step.h"

/** Make ctx->work_dir the state of ctx->identity, with an empty ctx->out_dir in it. WM_E_CONFIG: two
 *  unfinished results of other identities stand there; nothing is touched. */
int wm_work_prepare(struct wm_step_context *ctx, const struct wm_step *step, struct wm_error *err);

/** What was made of input that has changed since is of no use to the next run: from now on it is
 *  nobody's. Returns err->status. */
int wm_work_disown(const struct wm_step_context *ctx, struct wm_error *err);

/** Remove what a stop has left in the work directory of a step that is done. Work of another identity
 *  is no remainder; one that is damaged is told of. */
int wm_work_remove_rest(const struct wm_step_context *ctx, const struct wm_step *step,
                        struct wm_error *err);

/** Is what stands in the work directory `dir` of no use any more: of the identity of the results that
 *  are `published` ("": there are none), or of nobody's? A stop while it is removed leaves any part. */
int wm_work_is_over(const char *dir, const char *published, bool *ret, struct wm_error *err);

/** Tell of an unfinished result that still stands aside once the step is done. */
void wm_work_tell(const struct wm_step_context *ctx, const struct wm_step *step);

#endif /* WETMILL_RUN_WORK_H */
