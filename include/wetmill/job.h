/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file job.h
 * A job: inputs through a chain of stages into a sink, in passes of tasks.
 *
 *     pass 1: tasks ─▶ stages before the first survey ─▶ survey      then reduce per partition
 *     pass 2: tasks ─▶ stages before the second survey ─▶ survey     then reduce
 *     last:   tasks ─▶ all stages ─▶ sink
 *
 * Every task of every pass, and every reduced partition, ends in a commit record under
 * `dir`/commits; running the same job again (same identity) does only what has none, and goes on
 * with tasks that were under way from their last point: a task is saved every 64 MiB of input or 4 s,
 * also when the job is cancelled, if sink and input allow it (sink.h, inputs.h). The bytes of all
 * parts are the same for any number of workers, batch size, memory limit, order of completion and
 * any interruption.
 *
 *     dir/commits/pass0/000003.json    tally, input hashes, parts (size, XXH3-128)
 *     dir/commits/pass0/000003.point   where an unfinished task can be gone on with
 *     dir/runs/pass0/000003.run        sorted survey records of one task
 *     dir/tables/0/05.table            one partition of the first survey, reduced
 *     dir/parts/…                      what the sink writes
 */
#ifndef WETMILL_JOB_H
#define WETMILL_JOB_H

#include "wetmill/cancel.h"
#include "wetmill/inputs.h"
#include "wetmill/progress.h"
#include "wetmill/sink.h"
#include "wetmill/stage.h"

/* ---- chain: stages with their options ---- */

struct wm_link {
    const struct wm_stage *stage;
    void *shared;            /**< stage->shared_size zeroed bytes, options stored by the caller. */
    void *unopened;          /**< `shared` as it was before open, while it is open. */
    void *rewriter;          /**< The local state wm_chain_rewrite uses, once it has one. */
    struct wm_link_file *files; /**< [n_files] What stage->file names: see wm_chain_take_files. */
    size_t n_files;
};

struct wm_chain {
    struct wm_schema schema;
    struct wm_link *links;
    size_t n, cap;
    bool is_open;
};
void wm_chain_init(struct wm_chain *chain);
/** Add a stage with default options; bind options into `*ret_shared` before wm_chain_open. */
int wm_chain_add(struct wm_chain *chain, const struct wm_stage *stage, void **ret_shared,
                 struct wm_error *err);
/** Check that every column read is written before; open every stage. */
int wm_chain_open(struct wm_chain *chain, unsigned n_workers, const struct wm_inputs *inputs,
                  struct wm_error *err);
/** Does a stage survey, so that the input is read more than once? */
bool wm_chain_surveys(const struct wm_chain *chain);
/** Does a stage drop lines? */
bool wm_chain_cuts(const struct wm_chain *chain);
/** Close the stages and forget them: the chain is empty again. */
void wm_chain_close(struct wm_chain *chain);
/**
 * Hash the files that the stages read (models). From now on the chain is described by what they
 * held, and a job over it fails if they no longer hold that once the stages have opened them
 * (WM_E_BUSY), or at its end (WM_E_CHANGED): what a result is said to be made with is what it
 * was made with. A
 * file is trusted unread while device, inode, size and times stand, unless it was written within
 * two seconds before (times are that coarse); else it is hashed again. Again: anew. A file that
 * cannot be read is WM_E_IO.
 */
int wm_chain_take_files(struct wm_chain *chain, struct wm_error *err);
/** WM_E_CHANGED if a file is not what wm_chain_take_files saw; 0 where that was not called. */
int wm_chain_check_files(const struct wm_chain *chain, struct wm_error *err);
/**
 * Append what the chain is — names, versions, options that shape bytes, library versions, and
 * size + XXH3-128 of each model file — as a JSON array: the recipe, and part of step identity.
 * Works before wm_chain_open.
 */
int wm_chain_describe(const struct wm_chain *chain, struct wm_buf *out, struct wm_error *err);
/** Run every stage that rewrites on the documents of `batch`, dropping nothing (tracing). Surveys'
 *  tables are not needed. The chain must be open. */
int wm_chain_rewrite(struct wm_chain *chain, struct wm_batch *batch, struct wm_error *err);

/* ---- what happened ---- */

struct wm_link_tally {
    uint64_t documents_in, documents_out, *reasons; /**< [number of the stage's reasons] */
    uint64_t lines_in, lines_out, bytes_in, bytes_out;
    uint64_t longest; /**< Text that came out, bytes. */
};

struct wm_tally {
    struct wm_read_tally read;
    struct wm_link_tally *links; /**< [chain.n], of the last pass */
    size_t n_links;
    uint64_t tasks_done, tasks_reused;
};

struct wm_job_result {
    struct wm_arena arena;
    struct wm_tally tally;       /**< Of the last pass; reused tasks counted from their records. */
    struct wm_parts parts;       /**< In task order. */
    struct wm_damage *damage;    /**< In input order, [n_damage] (capped). */
    size_t n_damage;
    XXH128_hash_t inputs;        /**< Over the rows' hashes in order. */
};

struct wm_job {
    const char *label;                   /**< For progress. */
    const struct wm_inputs *inputs;
    struct wm_chain *chain;              /**< Opened and shut by the job: it can be used again. */
    const struct wm_sink *sink;          /**< NULL: documents are only counted. */
    void *sink_shared;                   /**< Zeroed, options stored; opened by the job, NOT closed:
                                              the caller closes it after using what merge() folded. */
    const char *dir;                     /**< NULL: nothing is written, nothing can be resumed. */
    const char *identity;                /**< 32 hex digits; records of another identity are discarded. */
    unsigned n_workers;                  /**< ≥ 1 */
    uint64_t memory;                     /**< Anonymous bytes it may use. */
    uint64_t spare;                      /**< Of these, what the sink asks for only because it is there, at
                                              most three quarters: for what an error says would do. */
    uint64_t limit;                      /**< Read only the first N documents; 0 = all. */
    const char *rejects;                 /**< Directory for dropped documents with stage and reason, or NULL. */
    double max_bad_files, max_bad_records; /**< Shares beyond which the run stops (WM_E_FORMAT). */
    struct wm_progress *progress;        /**< May be NULL. */
    struct wm_cancel *cancel;            /**< May be NULL. */
    void (*line)(void *arg, const char *text); /**< A line for people, escaped; may be NULL. From any
                                              worker, several at once. */
    void *line_arg;
    unsigned *mended;                    /**< Times that kept files were mended in this run: once is
                                              allowed. NULL: each wm_job_run counts for itself. */
    double sample_rate;                  /**< Read only so many bytes of text of each task, about, for
                                              each byte of its input, and make no points: to see what
                                              the whole would take. 0 = all. */
    size_t batch_text, batch_docs;       /**< 0 = WM_BATCH_TEXT, WM_BATCH_DOCS. Cannot change bytes. */
    uint64_t point_bytes;                /**< A task is saved after so much input … */
    double point_seconds;                /**< … or time: 0 = 64 MiB, 4 s. Cannot change bytes. */
    bool surveys_only;                   /**< Stop once the last survey is reduced: no last pass, no sink. */
    bool reverse;                        /**< Start the last task first (tests). Cannot change bytes. */
};

/** Bytes of anonymous memory needed: least (one worker, one task) and at full width. */
int wm_job_memory(const struct wm_job *job, uint64_t *ret_least, uint64_t *ret_full,
                  struct wm_error *err);

/** How wide a job would run within its memory, and what it holds that grows with its input. */
struct wm_job_width {
    unsigned n_workers, n_tasks;  /**< At once. */
    size_t n_batches, batch_text; /**< batch_text: bytes. */
    uint64_t survey_bytes;        /**< Most bytes of survey records before they are spilled, all
                                       tasks together; 0 without a survey. */
};
/** WM_E_NOMEM if not even the least fits. */
int wm_job_width(const struct wm_job *job, struct wm_job_width *ret, struct wm_error *err);

/** Path of a reduced table, by number of the survey and partition. */
int wm_job_table_path(const struct wm_job *job, size_t survey, unsigned partition,
                      char ret[WM_PATH_MAX], struct wm_error *err);

/**
 * Run it. On WM_E_CANCELLED what is under way is finished and saved, where tasks can be saved. Free
 * the result with _done. A kept file that is damaged is told of (job->line) and made again: a record,
 * point or file of the wrong size when it is looked at, bytes that changed when they are needed, once
 * in a run (wm_job_mend).
 */
int wm_job_run(const struct wm_job *job, struct wm_job_result *ret, struct wm_error *err);
void wm_job_result_done(struct wm_job_result *result);

/* ---- damage to what is kept ---- */

/** A kept file that is not what was written to it. Strings live during the call. */
struct wm_job_damage {
    const char *name;   /**< Below the job's directory; of rejects, the path. */
    const char *path;
    const char *what;   /**< "its bytes are not those that were written" */
    const char *record; /**< Of it, below the directory: without that it is made again. */
    const char *again;  /**< What is done again: "task 3 (crawl/03.wet)" */
};
typedef int wm_job_damaged(void *arg, const struct wm_job_damage *damage, struct wm_error *err);
/** Read all that jobs have kept in `dir` (that need not hold any) and tell of what is not as its
 *  record says, until `found` fails; it may remove files. `rejects` and `cancel` may be NULL. Unsaved
 *  bytes of tasks under way are not looked at: whoever goes on with them does. */
int wm_job_look(const char *dir, const char *rejects, struct wm_cancel *cancel,
                wm_job_damaged *found, void *arg, struct wm_error *err);
/**
 * Who makes something of a job's parts failed as `*err` says. If that is WM_E_FORMAT, WM_E_MISMATCH or
 * WM_E_LIMIT all that was kept is looked at; damaged files are told of (job->line) and removed, and 1
 * says to run the job once more and then to begin anew with its parts. Else `*err` stands, or says
 * that it is the second time (job->mended), and its status is returned.
 */
int wm_job_mend(const struct wm_job *job, struct wm_error *err);

/**
 * Join parts in order into DIR/STEM_0000EXT, STEM_0001EXT …, each closed at the part that takes it
 * over `file_size` bytes; then the parts may be removed. Returns the new files as parts in `ret`
 * (digest, counts summed). Atomic for each file. A part that is not what was written to it is
 * WM_E_FORMAT, and removed (wm_part_drop).
 */
int wm_gather(const char *parts_dir, const struct wm_parts *parts, const char *dir,
              const char *stem, const char *ext, uint64_t file_size, struct wm_parts *ret,
              struct wm_error *err);

#endif /* WETMILL_JOB_H */
