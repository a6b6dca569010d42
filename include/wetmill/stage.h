/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file stage.h
 * The one interface between a stage and the pipeline.
 *
 * A stage is a constant table, `struct wm_stage`, at the foot of one file in stages/, and one line
 * in stages/stages.def. Nothing else is touched to add one: help, the man page, config checks and
 * the report read that table.
 *
 * Order of calls (W = the number of workers):
 *
 *     open ─▶ W × open_local ─▶ apply, many times, W at once ─▶
 *     W × merge, one at a time ─▶ W × close_local ─▶ close
 *
 * A stage that must know the whole corpus before it can decide about one document has a survey,
 * which is a pass of its own before apply, over what the stages before it let through:
 *
 *     survey (W at once) adds fixed-size records, partitioned by hash ─▶
 *     reduce, once for each partition, its records sorted, writes a smaller sorted table ─▶
 *     load, once for each partition, before the pass that applies ─▶ apply looks up
 *
 * The pipeline stores, sorts, spills, checksums and resumes records and tables (records.h); the
 * stage only says what a record is and what a partition's sorted records mean. Tables are mapped
 * files: they cost no counted memory and can come from another process.
 *
 * Errors: every `int` function returns 0, or a negative enum wm_status with `*err` filled by
 * wm_fail(). The first error stops the run. A bad document is not an error: drop it with
 * wm_drop(), and it is counted under its reason. A limit depends on the document alone, never on
 * its neighbours in the batch.
 *
 * Threads: `shared` is read-only once open() (and load()) have returned; `local` and `batch` belong
 * to the calling worker alone. A stage therefore needs no locks.
 *
 * Memory: both states are zeroed before use and freed by the pipeline. Text lives in
 * `batch->arena` until the batch is recycled; `batch->scratch` is the stage's to reset. A stage
 * frees only what it opened. Documents already dropped (doc->drop != 0) are removed from the batch
 * before the next stage sees it.
 */
#ifndef WETMILL_STAGE_H
#define WETMILL_STAGE_H

#include <stddef.h>

#include "wetmill/batch.h"
#include "wetmill/error.h"
#include "wetmill/option.h"
#include "wetmill/records.h"

/** What a pass over this stage costs: decides whether to re-read or to spool. */
enum wm_cost { WM_COST_CHEAP, WM_COST_MODERATE, WM_COST_HEAVY };

/** What a stage or sink may know of its surroundings when it opens. */
struct wm_env {
    const struct wm_schema *schema; /**< Columns of the whole chain: resolve slots here. */
    unsigned n_workers;             /**< Most workers at once. */
    const struct wm_inputs *inputs; /**< Input table (inputs.h); NULL when tracing one record. */
    bool cuts_lines;                /**< Sinks: a stage of the chain drops lines. */
    struct wm_crew *crew;           /**< Sinks: the workers, to hand errands to (pipeline/crew.h). */
};

struct wm_survey_form {
    struct wm_record_form record; /**< Of a survey record: its size, and how equal ones fold. */
    size_t reduced;               /**< Bytes of one record of the reduced table. */
};

struct wm_stage {
    const char *name;    /**< Unique, [a-z][a-z0-9-]*. */
    const char *summary; /**< One line for --help, without a full stop. */
    unsigned version;    /**< Raised whenever the output can change. */
    enum wm_cost cost;
    bool drops_lines;    /**< Drops lines of documents, not only documents (wm_doc_keep_lines). */
    bool rewrites;       /**< Changes text (line by line), not only drops: tracing runs it again. */
    const struct wm_option *options;  /**< Ends with {0}; values land in `shared`. */
    const char *const *reasons;       /**< Why it drops documents; ends with NULL. May be NULL. */
    const char *const *reads;         /**< Columns it needs; ends with NULL. May be NULL. */
    const struct wm_column *writes;   /**< Columns it sets; ends with {0}. May be NULL. */
    const char *const *libraries;     /**< Names (version.h) of libraries that shape its bytes. */
    size_t shared_size;               /**< Bytes of state that all workers share. */
    size_t local_size;                /**< Bytes of state for each worker, or 0. */

    /** What a survey's records and the table they are reduced to look like: a function of the
     *  options. Of a stage with a survey. */
    struct wm_survey_form (*survey_form)(const void *shared);

    /** Check options, compile patterns, load models. May be NULL. */
    int (*open)(void *shared, const struct wm_env *env, struct wm_error *err);

    /** Anonymous memory it needs, bytes, after open: for --explain and --memory. May be NULL. */
    size_t (*memory)(const void *shared, unsigned n_workers);

    /** Files whose content shapes the output (models), after options are set: i-th path, or NULL. */
    const char *(*file)(const void *shared, size_t i);

    /** Prepare one worker's scratch state. May be NULL. */
    int (*open_local)(const void *shared, void *local, struct wm_error *err);

    /** Add what the documents of one batch say about the corpus to `records`. NULL: no survey, and
     *  then no survey_form, reduce and load either. */
    int (*survey)(const void *shared, void *local, struct wm_batch *batch,
                  struct wm_records *records, struct wm_error *err);

    /** Turn one partition's sorted records into a table: rising records of form.reduced bytes. */
    int (*reduce)(const void *shared, unsigned partition, struct wm_merge *sorted,
                  struct wm_table_out *out, struct wm_error *err);

    /** Take one partition's table for apply() to look up; it stays open until close(). */
    int (*load)(void *shared, unsigned partition, const struct wm_table *table,
                struct wm_error *err);

    /** Change or drop the documents of one batch, in place. */
    int (*apply)(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err);

    /** Fold one worker's result into the whole, after its last batch of the last pass (states of
     *  survey passes are closed unmerged). May be NULL. */
    int (*merge)(void *shared, void *local, struct wm_error *err);

    /** Called exactly once, even if the matching open failed. May be NULL. */
    void (*close_local)(void *local);
    void (*close)(void *shared);
};

/** All stages, by name; ends with NULL. */
extern const struct wm_stage *const wm_stages[];
const struct wm_stage *wm_stage_find(struct wm_str name);

#endif /* WETMILL_STAGE_H */
