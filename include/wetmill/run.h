/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file run.h
 * A run: one configuration from crawl to model, done step by step, each only when something it
 * depends on has changed.
 *
 *     corpus ─▶ tokenizer ─▶ shards ─▶ train ─▶ sample        (run/steps.def)
 *
 * Every step writes one directory, OUT/NAME, which appears whole or not at all. It holds the
 * step's record, `step.json`: identity (XXH3-128 over what shapes its bytes: options, versions of
 * step, stages and libraries, digests of its inputs), its outputs with size and digest, and facts
 * for the report. A step whose record still says the present identity, and whose outputs stand, is
 * up to date. Identities are built from the *outputs* of the steps before, so a change that makes
 * no difference stops there.
 *
 *     OUT/corpus OUT/tokenizer OUT/shards OUT/model OUT/samples   results
 *     OUT/manifest.json    all step records; no times, no hosts: the same for the same result
 *     OUT/config.yaml      the configuration with every default
 *     OUT/work/NAME        what an interrupted step has committed so far; removed when it is done
 *     OUT/lock             while a run is at work (lock.h); of a single step's DIR, DIR.lock
 *     OUT/log              times, machine, warnings
 *
 * One thread calls; threads are started inside. Library code prints nothing: what a person should
 * know comes through `struct wm_run_hooks`.
 */
#ifndef WETMILL_RUN_H
#define WETMILL_RUN_H

#include <jansson.h>

#include "wetmill/cancel.h"
#include "wetmill/inputs.h"
#include "wetmill/job.h"
#include "wetmill/lock.h"
#include "wetmill/option.h"
#include "wetmill/progress.h"
#include "wetmill/shards.h"
#include "wetmill/tokenizer.h"
#include "wetmill/train.h"
#include "wetmill/yaml.h"

/** What is the same for all steps. */
struct wm_run_options {
    const char *output;     /**< Directory of the run. */
    uint64_t jobs;          /**< Worker threads; 0 = the processors. */
    uint64_t memory;        /**< Anonymous bytes; 0 = 60 % of the machine's. */
    uint64_t limit;         /**< Read only the first N documents; 0 = all. */
    int profile;            /**< enum wm_profile: default of every option of this name. */
    const char *rejects;    /**< Directory for dropped documents, or NULL. */
    double max_bad_files;   /**< Share. */
    double max_bad_records; /**< Share. */
    bool verify;            /**< Read all input and results before they count as up to date. */
};
extern const struct wm_option wm_run_option_table[];
/** Those of them that a step which reads no documents has. */
extern const struct wm_option wm_step_option_table[];

/** `sample:`: text the finished model writes. */
struct wm_sample_options {
    struct wm_list prompts, stop;
    uint64_t tokens, top_k, seed;
    double temperature, top_p, min_p, repetition_penalty;
};
extern const struct wm_option wm_sample_option_table[];

enum wm_step_id { WM_STEP_CORPUS, WM_STEP_TOKENIZER, WM_STEP_SHARDS, WM_STEP_TRAIN, WM_STEP_SAMPLE, WM_STEPS };

/** A configuration, checked and bound. Strings live in `arena`. */
struct wm_run {
    struct wm_arena arena;
    struct wm_run_options options;
    struct wm_source_options input;
    struct wm_chain chain;                       /**< The stages of `corpus:`. */
    void *jsonl;                                 /**< Options of write-jsonl. */
    struct wm_tokenizer_options tokenizer;
    void *shards;                                /**< Options of write-shards. */
    struct wm_train_options train;
    struct wm_sample_options sample;
    bool has[WM_STEPS];                          /**< The configuration has this step. */
    const char *file;                            /**< The configuration's absolute path, or NULL. */
    const char *command;                         /**< Its file and overrides as arguments of `run`, or NULL. */
    const char *given[WM_STEPS];                 /**< An existing result to use instead of the step, or NULL. */
    const char *directory[WM_STEPS];             /**< Where the result goes instead of OUT/NAME, or NULL. */
    size_t batch_text, batch_docs;               /**< Tests: see struct wm_job … */
    uint64_t point_bytes;                        /**< … also this; 0: as usual. */
    unsigned position_milliseconds;              /**< Tests: between renewals of WORK/position; 0: a second. */
    bool reverse;
    struct wm_lock *lock;                        /**< Of wm_run_lock; NULL: not held. */
    struct wm_rehearsal *rehearsal;              /**< Only a sample is read (run/rehearse.h); NULL: all. */
};

/** Load and check `path`, with overrides "a.b=value" applied. Errors carry file:line:column. */
int wm_run_load(const char *path, const char *const *overrides, size_t n_overrides,
                struct wm_run *ret, struct wm_error *err);
/** A run without a file: defaults, no steps. Used by single commands. */
int wm_run_init(struct wm_run *run, struct wm_error *err);
void wm_run_done(struct wm_run *run);
/** options.profile becomes the profile of source and sink: call it before theirs is set. */
int wm_run_take_profile(struct wm_run *run, struct wm_error *err);
/** Add a stage by name to the chain, with options "name=value,…" (may be empty). */
int wm_run_add_stage(struct wm_run *run, struct wm_str name, struct wm_str options,
                     struct wm_error *err);
/** The configuration with every default, as YAML that wm_run_load takes. `stored`: the copy that
 *  stays with the results, without what cannot change them (output, jobs, memory). */
int wm_run_print(const struct wm_run *run, bool stored, struct wm_buf *out, struct wm_error *err);

/** What the caller hears and says while it runs. All may be NULL. */
struct wm_run_hooks {
    void (*step)(void *arg, const char *name, const char *state); /**< "up to date", "runs", "done" */
    void (*line)(void *arg, const char *text); /**< A line for people; any thread, several at once. */
    void *arg;
    struct wm_progress *progress;
    struct wm_cancel *cancel;
};

/** What a step that went on after a stop did a second time, phase by phase. */
struct wm_redone {
    bool resumed; /**< There was something to go on from. */
    size_t n;
    struct {
        struct wm_phase was; /**< As it was when it was stopped, to the second. */
        uint64_t again;      /**< Of was.done. */
    } phases[WM_PROGRESS_PHASES];
};

/** What a run came to. Free with wm_run_result_done. */
struct wm_run_result {
    json_t *steps[WM_STEPS]; /**< Step records (step.json), NULL if the run has no such step. */
    bool ran[WM_STEPS];      /**< False: was up to date. */
    struct wm_redone redone[WM_STEPS];
    uint64_t memory[WM_STEPS]; /**< Most anonymous bytes while it ran, as looked at 50 times a second; 0: unknown. */
    uint64_t disk[WM_STEPS];   /**< Most bytes of its results, working state and scratch files; looked at as often,
                                    or, of many files, as a twentieth of the time allows. */
    uint64_t n_skipped;      /**< Damaged stretches and files of the input. */
};
void wm_run_result_done(struct wm_run_result *result);

/** Keep others out of the run's directory, for what is done there before wm_run_execute, which
 *  otherwise does so itself. wm_run_done ends it. WM_E_BUSY if another run is at work. */
int wm_run_lock(struct wm_run *run, const struct wm_run_hooks *hooks, struct wm_error *err);

/** Do the steps the configuration has, up to and including `last` (WM_STEPS − 1 = all). WM_E_BUSY
 *  if another run is at work in the directory, or has taken it over. */
int wm_run_execute(struct wm_run *run, enum wm_step_id last, const struct wm_run_hooks *hooks,
                   struct wm_run_result *ret, struct wm_error *err);

/**
 * Say what would be done up to and including `last`, with predicted memory and disk, without touching
 * anything: text for people into `out`. With `rehearse` a sample of the input is worked through in a
 * scratch directory, which takes seconds to a minute and tells what will be taken, mostly within 15 %
 * (docs/performance.md says where not); without, there are bounds alone. Of `hooks`, which may be
 * NULL, `cancel` is asked.
 * WM_E_CANCELLED; WM_E_CONFIG, with all of the text in `out`, if a step needs more memory than there is.
 */
int wm_run_explain(struct wm_run *run, enum wm_step_id last, bool rehearse,
                   const struct wm_run_hooks *hooks, struct wm_buf *out, struct wm_error *err);

/** People's summary of a finished run. */
int wm_run_report(const struct wm_run *run, const struct wm_run_result *result,
                  struct wm_buf *out, struct wm_error *err);

/** The same from what stands in `dir`, of a run or of a single step, and what is not done yet; or,
 *  as `json`, {"steps":[records],"unfinished":[names],"damaged":[names],"at_work":bool}. Changes
 *  nothing. WM_E_CONFIG if `dir` holds no results. */
int wm_run_report_dir(const char *dir, bool json, struct wm_buf *out, struct wm_error *err);

/** Before `bytes`, read from DIR/name, are copied elsewhere: are they what step.json beside them says of
 *  that file? True where it says nothing, or is absent. WM_E_FORMAT, also if step.json is damaged.
 *  `bytes.ptr` NULL: there is no such file, which is wrong if step.json speaks of one. */
int wm_run_check_copy(const char *dir, const char *name, struct wm_str bytes, struct wm_error *err);

/* ---- verifying ---- */

enum { WM_REPAIR_TEXT = 8192 /**< Bytes of a repairing command with NUL. */ };

/** Something that is wrong. Strings are escaped, and live during the call. */
struct wm_finding {
    const char *step; /**< "" for files of the run itself. */
    const char *file; /**< Below the directory that is verified; "" for the step as a whole. */
    const char *what;
};

struct wm_verify_job {
    const char *dir;    /**< Of a run, or of a single step. */
    unsigned n_workers; /**< 0 = the processors. */
    uint64_t memory;    /**< 0 = 60 % of the machine's. */
    void (*on_finding)(void *arg, const struct wm_finding *finding); /**< May be NULL. */
    void *arg;
    struct wm_progress *progress; /**< May be NULL. */
    struct wm_cancel *cancel;     /**< May be NULL. */
};

struct wm_verify_result {
    uint64_t n_steps, n_files, n_bytes; /**< That were read. */
    uint64_t n_findings;
    char repair[WM_REPAIR_TEXT]; /**< What to do about findings, for a shell; empty without any. */
};

/**
 * Read all results of a run, or of a single step, and check them: files against size and XXH3-128
 * of their step's record; records, manifest.json and config.yaml against their checksums; the
 * corpus's documents, lines and bytes against the tally; tokenizer.json against its identity;
 * shards as wm_shards_verify does; the model's tensors against config.json; conservation of
 * documents from step to step; that every step was made from the results that stand there; and what a
 * stopped step has kept in OUT/work.
 * Changes nothing. WM_E_CONFIG if `dir` holds no results, WM_E_BUSY if a run is at work in it.
 */
int wm_run_verify(const struct wm_verify_job *job, struct wm_verify_result *ret,
                  struct wm_error *err);

/* ---- tracing ---- */

struct wm_trace {
    struct wm_provenance from;
    uint64_t sequence, first_token, n_tokens; /**< The document's place in the shard. */
    struct wm_str decoded;   /**< The document's tokens as text. */
    struct wm_str rederived; /**< The archive's record through the recipe and the line map. */
    bool equal;
};
struct wm_tracer;
/** `base`: a shard without its ending. `root`: relative input paths are looked up from here, or NULL. */
int wm_tracer_open(const char *base, const char *root, struct wm_tracer **ret,
                   struct wm_error *err);
uint64_t wm_tracer_tokens(const struct wm_tracer *tracer);
/** Trace token `at`. Strings stay valid until the next call. Not thread-safe. */
int wm_tracer_at(struct wm_tracer *tracer, uint64_t at, struct wm_trace *ret,
                 struct wm_error *err);
void wm_tracer_close(struct wm_tracer *tracer);

#endif /* WETMILL_RUN_H */
