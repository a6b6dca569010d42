/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/outcome.h"

#include "pipeline/tally.h"

/* Rows of a task, parts, at most WM_DAMAGE_MAX complaints. */
static const size_t arena_limit = (size_t)1 << 30;

int wm_outcome_init(struct wm_outcome *outcome, const struct wm_job *job, uint32_t task,
                    struct wm_error *err)
{
    *outcome = (struct wm_outcome){.task = task};
    wm_arena_init(&outcome->arena, arena_limit);
    outcome->parts.arena = &outcome->arena;
    uint32_t n_rows = job->inputs->tasks[task].n;
    outcome->hashes = wm_arena_alloc(&outcome->arena, n_rows, sizeof *outcome->hashes);
    if (!outcome->hashes)
        return wm_fail_nomem(err, n_rows * sizeof *outcome->hashes, "a task's outcome");
    return wm_links_place(job->chain, &outcome->arena, &outcome->links, err);
}

void wm_outcome_done(struct wm_outcome *outcome)
{
    wm_arena_done(&outcome->arena);
    *outcome = (struct wm_outcome){0};
}
