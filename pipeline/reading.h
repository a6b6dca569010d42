/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reading.h
 * Where a job's documents come from: the functions of inputs.h, or a test's own.
 */
#ifndef WETMILL_PIPELINE_READING_H
#define WETMILL_PIPELINE_READING_H

#include "wetmill/inputs.h"
#include "wetmill/job.h"

/** As the functions wm_reader_… of inputs.h. */
struct wm_reading {
    int (*open)(const struct wm_inputs *inputs, const struct wm_task *task, struct wm_reader **ret,
                struct wm_error *err);
    int (*fill)(struct wm_reader *reader, struct wm_batch *batch, size_t n_values, size_t max_text,
                size_t max_docs, struct wm_error *err);
    const struct wm_read_tally *(*tally)(const struct wm_reader *reader);
    const struct wm_damage *(*damage)(const struct wm_reader *reader);
    const XXH128_hash_t *(*hashes)(const struct wm_reader *reader);
    uint64_t (*position)(const struct wm_reader *reader);
    void (*close)(struct wm_reader *reader);
    /** May be NULL. */
    uint64_t (*passed)(const struct wm_reader *reader);
    /** May be NULL. */
    void (*allow)(struct wm_reader *reader, const struct wm_window_limit *limit);
    /** Both or none: without, tasks are gone on with from their beginning. */
    int (*save)(struct wm_reader *reader, struct wm_state_out *state, struct wm_error *err);
    int (*load)(struct wm_reader *reader, struct wm_state_in *state, struct wm_error *err);
};

/** Those of inputs.h. */
extern const struct wm_reading wm_reading_inputs;

/** wm_job_run with documents from `reading`. */
int wm_job_run_with(const struct wm_job *job, const struct wm_reading *reading,
                    struct wm_job_result *ret, struct wm_error *err);

#endif /* WETMILL_PIPELINE_READING_H */
