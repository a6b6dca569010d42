/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file rehearse.h
 * A rehearsal: the steps a run would do are done on a sample of their input, as wide as they would
 * be done and with the same --memory, in a scratch directory that is removed again. What that takes
 * of memory and disk, and how it grew from a quarter of the sample to all of it, says what the whole
 * would take (forecast.c).
 *
 * The sample is the beginning of tasks spread evenly over the input, the same share of each: as many
 * as run at once, and a dozen at least, with enough text to fill every batch of every ring several
 * times over, so what circulates has its final size.
 * A step behind another reads what the rehearsal made of it; one behind a result that stands reads a
 * sample of that. train is not rehearsed: what it takes follows from its options alone.
 *
 *     wm_rehearse ─▶ per step: run() ─▶ wm_rehearse_job ─▶ wm_job_run ─▶ wm_rehearse_read
 */
#ifndef WETMILL_RUN_REHEARSE_H
#define WETMILL_RUN_REHEARSE_H

#include "run/step.h"

enum {
    WM_REHEARSED_SURVEYS = 8, /**< Surveys of a chain that are looked at. */
    WM_REHEARSAL_PART = 4,    /**< The small rehearsal reads this part of the large one's text. */
};

/** What one step took for a sample. */
struct wm_rehearsed {
    bool known;
    uint64_t phases[WM_PROGRESS_PHASES]; /**< Peaks of anonymous memory by phase, [n_phases]. */
    size_t n_phases;
    uint64_t before;                   /**< Anonymous memory when it began. */
    uint64_t disk[WM_PROGRESS_PHASES]; /**< Peaks of results, working state and scratch files. */
    double share;  /**< Of its input that was read: 1 = all, or all of what the step before made. */
    uint64_t text; /**< Bytes of text in what it wrote (corpus), … */
    bool text_known;    /**< … if that is counted. */
    uint32_t n_tasks;   /**< Tasks of the whole input. */
    uint32_t n_sampled; /**< Tasks that were read. */
    struct wm_job_width width;
    uint64_t records[WM_REHEARSED_SURVEYS]; /**< Bytes of survey records, of all tasks read. */
    size_t n_surveys;
    double first_seconds; /**< That the first phase took. */
    /* tokenizer: what was counted, within which limits of the trainer's, and after how many seconds
     * what a task has counted goes to the disk (0: never) */
    struct wm_trainer_stats pieces;
    uint64_t table_memory, merge_memory;
    double keeps;
};

/** One rehearsal under way; its steps find it in run->rehearsal. */
struct wm_rehearsal {
    unsigned part;       /**< Reads 1 / part of the sample's text. */
    bool made[WM_STEPS]; /**< These steps' results are the rehearsal's own. */
    struct wm_rehearsed steps[WM_STEPS];
    struct wm_rehearsed *now; /**< Of the step that runs. */
    struct wm_inputs sample;  /**< The step's input with fewer tasks: only `tasks` is its own. */
};

/**
 * Do the steps of `todo` (bits 1 << id; others, tokenizer and shards look up in OUT) on a sample,
 * 1 / part of its text, into a directory below $TMPDIR (/tmp) that is gone afterwards. Steps that
 * cannot be rehearsed stay unknown. The run's options are not changed. WM_E_CANCELLED, and whatever
 * keeps a step from being done.
 */
int wm_rehearse(const struct wm_run *run, unsigned todo, unsigned part,
                const struct wm_run_hooks *hooks, struct wm_rehearsal *ret, struct wm_error *err);

/* ---- for steps; without a rehearsal they do nothing ---- */

/** Before a job over documents: if it reads what the rehearsal did not make, only a sample is read.
 *  job->inputs may be replaced; what it points to then lives until wm_rehearse_read. */
int wm_rehearse_job(const struct wm_step_context *ctx, struct wm_job *job, struct wm_error *err);
/** After it, whatever became of it: `result` NULL if it failed. */
void wm_rehearse_read(const struct wm_step_context *ctx, const struct wm_job *job,
                      const struct wm_job_result *result);
/** Bytes of the ranges that the corpus is cut into: smaller ones of what the rehearsal made, so that
 *  as many are read at once as would be. */
uint64_t wm_rehearse_range(const struct wm_run *run);
/** Bytes of input that there would be for `bytes` of it here. */
uint64_t wm_rehearse_bytes(const struct wm_step_context *ctx, uint64_t bytes);
/** A part of the step begins that has other needs. */
void wm_rehearse_phase(const struct wm_step_context *ctx, const char *label);
/** What the tokenizer step counted; see struct wm_rehearsed. */
void wm_rehearse_pieces(const struct wm_step_context *ctx, const struct wm_trainer_stats *stats,
                        const struct wm_tokenizer_options *options, double keeps);

/* ---- forecast.c ---- */

/** What a step would take of all its input. */
struct wm_forecast {
    bool known;
    uint64_t memory, disk; /**< Bytes, at the peak. */
    double share;          /**< Of its input that was tried: 1 = all. */
    bool spills;           /**< Pieces do not fit into --memory: they go to disk as well. */
};
/** From a rehearsal (whole) and one of a part of its text (part; NULL: there was none, everything
 *  then grows as the input does). `memory`: the run's limit. */
void wm_forecast(uint64_t memory, const struct wm_rehearsal *whole, const struct wm_rehearsal *part,
                 struct wm_forecast ret[WM_STEPS]);

#endif /* WETMILL_RUN_REHEARSE_H */
