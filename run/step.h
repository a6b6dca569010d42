/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file step.h
 * What a step is. Each is a constant table at the foot of one run/step_*.c and one line in
 * run/steps.def; planning, resume, records and the report follow from the table.
 *
 * For each step of the configuration, in order:
 *
 *     describe ─▶ identity ─▶ up to date? ─▶ else run into WORK/out ─▶ step.json ─▶ rename to OUT
 *
 * `run` writes its results below ctx->out_dir only and may keep resumable state beside it, in
 * ctx->work_dir: that is kept as long as the identity stays the same, and removed after success
 * (work.h).
 */
#ifndef WETMILL_RUN_STEP_H
#define WETMILL_RUN_STEP_H

#include "wetmill/jansson.h"
#include "wetmill/run.h"

struct wm_step_context {
    struct wm_run *run;
    const struct wm_run_hooks *hooks;
    struct wm_run_result *result;
    unsigned n_workers;
    uint64_t memory;
    unsigned mended; /**< Times that its jobs' kept files were: see struct wm_job. */
    char identity[WM_HEX128];
    char reads[WM_STEPS][WM_HEX128]; /**< Digests of the run's own results it reads, or "". */
    XXH128_hash_t from[WM_STEPS];    /**< Digests of all results it reads, as in the identity. */
    char described[WM_HEX128];       /**< XXH3-128 of what describe() said, for the identity. */
    struct wm_inputs_seen {          /**< What wm_step_same_inputs saw first. */
        bool any;
        XXH128_hash_t names, times;
    } inputs;
    XXH128_hash_t recipe; /**< Of the recipe the identity speaks of (shards). */
    char dir[WM_PATH_MAX];           /**< Final directory of this step. */
    char work_dir[WM_PATH_MAX];      /**< Its resumable state. */
    char out_dir[WM_PATH_MAX];       /**< Where run() puts results: work_dir/out. */
};

/** What a step would need. */
struct wm_prediction {
    uint64_t memory_least, memory_full; /**< Bytes of anonymous memory. */
    bool is_estimate;                   /**< memory_full and disk are no bounds, but what is expected. */
    uint64_t disk;                      /**< Bytes written at most, results and working state. */
    char note[256];                     /**< For people: sizes, parameters; may be empty. */
    char unread[768];                   /**< The first input file that cannot be read, and why. */
};

struct wm_verifier;

enum { WM_STEP_UNFINISHED = 640 /**< Bytes of what unfinished() says, with NUL. */ };

struct wm_step {
    enum wm_step_id id;
    const char *name;      /**< Section of the configuration. */
    const char *directory; /**< Below OUT. */
    const char *summary;
    unsigned version; /**< Raised whenever its output can change. */
    unsigned needs;   /**< Bit set of the steps (1 << id) whose outputs it reads. */

    /** Check options before anything is touched. May be NULL. WM_E_CONFIG. */
    int (*check)(const struct wm_run *run, struct wm_error *err);
    /** Append what shapes its bytes besides the outputs it reads, as one JSON value. */
    int (*describe)(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err);
    /** Are inputs from outside the run still what `record` was made from? May be NULL: yes. */
    int (*fresh)(struct wm_step_context *ctx, const json_t *record, bool *ret,
                 struct wm_error *err);
    /** Do it. Facts for report and manifest go into `facts` (a JSON object; no times). */
    int (*run)(struct wm_step_context *ctx, json_t *facts, struct wm_error *err);
    /** What of an unfinished result `dir` holds, a work directory of other options: words for people;
     *  "" if nothing is worth keeping. May be NULL: it never is. */
    int (*unfinished)(const struct wm_step_context *ctx, const char *dir,
                      char ret[WM_STEP_UNFINISHED], struct wm_error *err);
    /** Whose the unfinished result in `dir` is by its own word: an identity; "" where it says none. May
     *  be NULL only if unfinished() is. */
    int (*whose)(const char *dir, char ret[WM_HEX128], struct wm_error *err);
    /** Append lines for --explain, each ended. May be NULL. */
    int (*explain)(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err);
    /** Predict. May be NULL. */
    int (*predict)(struct wm_step_context *ctx, struct wm_prediction *ret, struct wm_error *err);
    /** Compare the files in `dir`, which are as recorded, with each other and with the facts. Tell
     *  what is wrong by wm_found; fail only of trouble of one's own. May be NULL. */
    int (*verify)(struct wm_verifier *v, const char *dir, const json_t *record,
                  struct wm_error *err);
};

extern const struct wm_step *const wm_steps[WM_STEPS];

/** Directory of a step's results: OUT/directory. */
int wm_step_dir(const struct wm_run *run, enum wm_step_id id, char out[WM_PATH_MAX],
                struct wm_error *err);

/** Fill a context for `step`: directories, workers, memory. identity is left empty. */
int wm_step_open(struct wm_step_context *ctx, struct wm_run *run, const struct wm_step *step,
                 const struct wm_run_hooks *hooks, struct wm_run_result *result,
                 struct wm_error *err);

/** Set ctx->identity; result->steps must hold the records of the steps it needs. */
int wm_step_identify(struct wm_step_context *ctx, const struct wm_step *step, struct wm_error *err);

/** After the step has run: WM_E_CHANGED if results made elsewhere, which it read, are no longer those
 *  of its identity. */
int wm_step_same_needs(const struct wm_step_context *ctx, const struct wm_step *step,
                       struct wm_error *err);
/** WM_E_BUSY if the input table differs from the first one given here for this context, in
 *  names, sizes or times: what a step reads is what its identity speaks of. Nothing has been made of
 *  it yet, and what is half done stays. Pipes are let pass. */
int wm_step_same_inputs(struct wm_step_context *ctx, const struct wm_inputs *inputs,
                        struct wm_error *err);

/** Does the step read standard input or a named pipe? What comes through it is not known before it
 *  is read, so nothing made from it is ever up to date. */
bool wm_step_reads_pipe(const struct wm_run *run, const struct wm_step *step);

/** Everything checked that can be before anything is touched: steps have what they need, options
 *  fit each other. WM_E_CONFIG. */
int wm_run_check(const struct wm_run *run, struct wm_error *err);

/** Bytes of all files below `dir`, which need not be there; a file with several names counts once. */
int wm_tree_size(const char *dir, uint64_t *ret, struct wm_error *err);

/** Tell the hooks a line, printf style. */
__attribute__((format(printf, 2, 3))) void wm_step_say(const struct wm_step_context *ctx,
                                                       const char *fmt, ...);

/* ---- record.c: step.json ---- */

/** Read DIR/step.json; `*ret` is NULL if it is absent, damaged (it has a checksum) or of another
 *  format. Owner: the caller. An error is one of reading, or of memory. */
int wm_record_read(const char *dir, json_t **ret, struct wm_error *err);
/** The same, and whether there is one that is damaged or of another format: `*ret` is NULL then. */
int wm_record_look(const char *dir, json_t **ret, bool *ret_damaged, struct wm_error *err);
/** The record of a directory that is only read: `*ret` is NULL if it has none; WM_E_FORMAT if there is
 *  one that is damaged or of another format. */
int wm_record_given(const char *dir, json_t **ret, struct wm_error *err);
/** Whether the record has this identity and its outputs stand in `dir` with their sizes. */
bool wm_record_stands(const json_t *record, const char *dir, const char *identity);
/** The regular file in `dir` that an output is called `name` of: `path`, or false with why in words
 *  (which live as long as the program). A name leads nowhere but into `dir`. */
bool wm_output_path(const char *dir, const char *name, char path[WM_PATH_MAX],
                    const char **ret_why);
/** Digest over names, sizes and hashes of a record's outputs: what later steps depend on. */
int wm_record_outputs(const json_t *record, XXH128_hash_t *ret, struct wm_error *err);
/** Digest every file below ctx->out_dir, write its step.json. `*ret` is the record (owner: caller). */
int wm_record_write(const struct wm_step_context *ctx, const struct wm_step *step,
                    const json_t *facts, json_t **ret, struct wm_error *err);
/** Add "check" to a JSON object: XXH3-128 of the rest of it as compact text. */
int wm_json_seal(json_t *object, struct wm_error *err);
/** Is "check" there and right? */
int wm_json_sealed(json_t *object, bool *ret, struct wm_error *err);
/** wm_json_parse of a file: `*ret` is NULL for what is no JSON. */
int wm_json_load(const char *path, json_t **ret, struct wm_error *err);
/** Write `bytes` to `path`, all or nothing; not at all if it holds just them already. */
int wm_store(const char *path, struct wm_str bytes, struct wm_error *err);
/** The same with `value` as canonical JSON (sorted as inserted, two spaces). */
int wm_json_store(const char *path, const json_t *value, struct wm_error *err);

/* ---- fingerprint.c ---- */

/**
 * XXH3-128 over what the input table reads: paths and sizes. `ret_times` also covers mtimes (and so
 * guards half-done work, but stays out of records).
 */
void wm_inputs_fingerprint(const struct wm_inputs *inputs, XXH128_hash_t *ret_names,
                           XXH128_hash_t *ret_times);

/** XXH3-128 over names, sizes and mtimes of the files of a directory (or of one file). */
int wm_dir_fingerprint(const char *path, XXH128_hash_t *ret, struct wm_error *err);
/** 60 % of the machine's memory, or of its cgroup's limit, bytes. */
uint64_t wm_default_memory(void);

/* ---- recipe.c ---- */

/** Append the run's recipe: {"recipe":1,"input":{…},"stages":[…]}. */
int wm_recipe_write(const struct wm_run *run, struct wm_buf *out, struct wm_error *err);
/** The recipe of what the run reads: recipe.json of the corpus step, or beside the first input
 *  path, else the run's own. Appended to `out`. */
int wm_recipe_find(const struct wm_run *run, struct wm_buf *out, struct wm_error *err);
/** Read a recipe back: source options, and a chain of the stages that rewrite text. Strings go to
 *  `arena`. WM_E_FORMAT, WM_E_MISMATCH (another version of a stage). */
int wm_recipe_read(struct wm_str text, struct wm_source_options *ret_input,
                   struct wm_chain *ret_chain, struct wm_arena *arena, struct wm_error *err);

/* ---- results.c ---- */

/** What a directory holds. */
struct wm_results {
    json_t *records[WM_STEPS]; /**< NULL where there is none. */
    bool damaged[WM_STEPS];    /**< There is a step.json that cannot be read. */
    bool alone;                /**< The directory is a single step's. */
};
/** Read the records of a run's directory, or of a single step's. WM_E_CONFIG if `dir` is neither.
 *  Release with wm_results_close. */
int wm_results_open(const char *dir, struct wm_results *ret, struct wm_error *err);
void wm_results_close(struct wm_results *results);

/* ---- verify.c ---- */

/** Where findings go, and what may be used to find them. */
struct wm_verifier {
    const struct wm_verify_job *job;
    struct wm_verify_result *result;
    const char *step, *directory; /**< Of what is looked at: "train", "model" (or ""). */
};
/** Tell of a problem with `file` of the present step's directory ("": with all of it). */
__attribute__((format(printf, 3, 4))) void wm_found(struct wm_verifier *v, const char *file,
                                                    const char *fmt, ...);
/** The same of an error: its words. Trouble of one's own (memory, cancellation) is not a finding
 *  but returned, in `err`. */
int wm_found_error(struct wm_verifier *v, const char *file, const struct wm_error *problem,
                   struct wm_error *err);
/** Check one step's directory by reading all of it. */
int wm_step_check(struct wm_verifier *v, const struct wm_step *step, const char *dir,
                  const json_t *record, struct wm_error *err);
/** Check what the step has kept in OUT/work, if it was stopped; `record` is of the results that stand, or
 *  NULL. (verify_work.c) */
int wm_work_verify(struct wm_verifier *v, int id, const json_t *record, struct wm_error *err);
/** Documents, text bytes and lines of the corpus a record tells of. */
struct wm_corpus_counts {
    uint64_t documents, bytes, lines;
    bool known; /**< Of bytes and lines: not so of a corpus without stages. */
};
void wm_corpus_kept(const json_t *record, struct wm_corpus_counts *ret);

/* verify_corpus.c, verify_steps.c: `verify` of the steps */
typedef int wm_step_verify(struct wm_verifier *v, const char *dir, const json_t *record,
                           struct wm_error *err);
wm_step_verify wm_corpus_verify, wm_tokenizer_verify, wm_shards_step_verify, wm_train_verify,
    wm_sample_verify;

/* ---- shared by steps ---- */

/** Fill a job with what the run says: workers, memory, hooks, test knobs. `ctx` must outlive it. */
void wm_step_job(struct wm_step_context *ctx, struct wm_job *ret);
/** Memory and disk of a job that reads the corpus into `sink`, whose options are `shared`. */
int wm_step_predict(struct wm_step_context *ctx, const struct wm_sink *sink, void *shared,
                    struct wm_prediction *ret, struct wm_error *err);
/** Fail with WM_E_CONFIG: the step needs more than ctx->memory; and say what would do. */
int wm_step_too_large(const struct wm_step_context *ctx, const struct wm_step *step,
                      const struct wm_prediction *need, struct wm_error *err);
/** `bytes`, rounded up, as --memory takes it: "371MB". Returns `out`. */
const char *wm_memory_option(uint64_t bytes, char *out, size_t size);
/** Say in the note how many input files cannot be read, if any, and in `unread` which is the first. */
void wm_note_unread(const struct wm_inputs *inputs, struct wm_prediction *ret);
/** Input table of a step behind the corpus: the corpus step's files, or, if the run has none, the
 *  run's own input. A file of the corpus step that cannot be looked at is WM_E_IO, not damage. */
int wm_corpus_inputs(const struct wm_run *run, struct wm_inputs *ret, struct wm_error *err);
/** The longest line of the corpus that `record` (may be NULL) tells of, made from records of up to
 *  `max_record` bytes. */
uint64_t wm_corpus_record(const json_t *record, uint64_t max_record);
/** The field that write-jsonl puts the text into, or NULL. */
const char *wm_run_text_field(const struct wm_run *run);
/** Append `,"inputs":"…"` where the run has no corpus step: part of identity. */
int wm_corpus_describe(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err);
/** A job's tally as JSON: read, reasons, stages. New reference, NULL without memory. */
json_t *wm_tally_json(const struct wm_chain *chain, const struct wm_job_result *result);
/** Put what the job had to skip of its input into facts.damage. */
int wm_step_damage(const struct wm_job_result *result, json_t *facts, struct wm_error *err);
/** What the system did not give this time it may give the next: a fact says so, and has the same
 *  command compare contents (wm_step_fresh_unread, a `fresh`). The run's own corpus is read whole, or
 *  WM_E_CHANGED. */
int wm_step_note_unread(const struct wm_step_context *ctx, const struct wm_job_result *result,
                        json_t *facts, struct wm_error *err);
int wm_step_fresh_unread(struct wm_step_context *ctx, const json_t *record, bool *ret,
                         struct wm_error *err);

#endif /* WETMILL_RUN_STEP_H */
