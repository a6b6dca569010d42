/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file training.h
 * What wm_train's files share: the state of one training.
 *
 *     train.c           the loop: validate, save, step; finish
 *     train_open.c      everything a training needs, opened and checked against each other
 *     train_step.c      one update of the weights
 *     train_validate.c  the validation text: what it is, and its loss
 *     train_resume.c    checkpoints found and saved
 *     train_lines.c     what a person reads
 *     train_log.c       metrics.jsonl and others, as they grow
 *     train_best.c      the best validation, and stopping early
 *     train_samples.c   texts that the model writes on its way
 *     train_time.c      the number of steps that fit a given time
 */
#ifndef WETMILL_TRAINER_TRAINING_H
#define WETMILL_TRAINER_TRAINING_H

#include "trainer/checkpoint.h"
#include "trainer/data.h"
#include "trainer/metrics.h"
#include "trainer/mixture.h"
#include "trainer/model.h"
#include "trainer/optimizer.h"
#include "trainer/tensorboard.h"
#include "trainer/text_samples.h"
#include "wetmill/cancel.h"
#include "wetmill/progress.h"
#include "wetmill/tokenizer.h"
#include "wetmill/train.h"

/** Files of the work directory that grow; see train_log.c. */
struct wm_training_log {
    struct wm_append *metrics, *events, *samples; /**< samples: NULL as long as there is no text */
    struct wm_metrics_cursor lines;
    struct wm_tensorboard_cursor records;
    size_t texts;      /**< Bytes of the samples' lines that are written. */
    uint64_t complete; /**< Steps to which nothing will be added. */
    double written;    /**< Seconds; when last. */
    bool broken;       /**< A write failed: what follows would stand in the wrong place. */
    struct wm_buf piece;
};

struct wm_training {
    const struct wm_train_job *job;
    struct wm_train_options resolved;
    const struct wm_train_options *options; /**< = &resolved */
    struct wm_arena arena;
    struct wm_mixture mixture;
    struct wm_shard_set validation_set;
    struct wm_windows validation;
    struct wm_tokenizer *tokenizer;
    bool framed; /**< wm_shard_frame stands around the shards' documents. */
    struct wm_team *team;
    struct wm_model *model;
    struct wm_optimizer *optimizer;
    uint64_t model_memory; /**< What the model may take; 0: any. */
    bool measuring;        /**< Steps are full batches and for their time alone. */
    double step_seconds;   /**< Of the steps of this process. */
    double batch_seconds;  /**< Of the newest step, for its gradients. */
    uint64_t batch_bytes;  /**< Of the text of the newest step's targets. */
    double peak_flops;     /**< Of this machine, 0: not known. */
    uint32_t micro_batch;
    uint32_t *inputs, *targets;      /**< [micro_batch × context] */
    uint32_t *positions, *first_key; /**< The same, with document_reset; else NULL */
    uint32_t eod;                    /**< Ends documents; set with document_reset. */
    uint64_t scored;                 /**< Tokens of each validation; 0: there is none. */
    struct wm_metrics_scale scale;
    struct wm_history history; /**< history.n = steps done */
    struct wm_text_samples samples;
    struct wm_ids *prompts; /**< [n_prompts] to go on from; none: no texts are wanted. */
    size_t n_prompts;
    struct wm_training_log log;
    struct wm_checkpoint_head head;    /**< head.sample: sequences read so far. */
    struct wm_buf options_text;        /**< What shapes the result, as JSON. */
    uint64_t saved;                    /**< Step of the newest checkpoint, 0 = none. */
    uint64_t first_step, first_sample; /**< Where this process began. */
    double start;                      /**< Seconds; when it began. */
};

/** Open shards, tokenizer, team, model; check that they belong together and fit the memory. Close
 *  with wm_training_close in any case. */
int wm_training_open(struct wm_training *t, const struct wm_train_job *job, struct wm_error *err);
void wm_training_close(struct wm_training *t);

/** First weights and empty optimiser state and history, for head.n_steps steps. */
int wm_training_begin(struct wm_training *t, struct wm_error *err);
/** With options->time: set head.n_steps, from WORK/time.json or by measuring; then as begin. */
int wm_training_plan_time(struct wm_training *t, struct wm_error *err);

/** Go back to the newest checkpoint that is whole and belongs here, if there is one. */
int wm_training_resume(struct wm_training *t, struct wm_error *err);
/** Save a checkpoint of the steps done; does nothing before the first. */
int wm_training_save(struct wm_training *t, struct wm_error *err);
/** What the steps came to, as files of `dir`: metrics.jsonl, samples.jsonl, TensorBoard's events. */
int wm_training_write_metrics(const struct wm_training *t, const char *dir, struct wm_error *err);

/** The state as it is into a file; from one into weights, optimiser and history. */
int wm_training_write(struct wm_training *t, const char *path, struct wm_error *err);
int wm_training_read(struct wm_training *t, const struct wm_checkpoint *c, struct wm_error *err);

/** Step that validated best so far, 0 if none did; and whether early_stop says it is enough. */
uint64_t wm_training_best(const struct wm_training *t);
bool wm_training_stops_early(const struct wm_training *t);
/** Having gone on from a checkpoint: are the best weights before it kept? If they are those of this
 *  very step they are written again. What is wrong is said. */
int wm_training_check_best(struct wm_training *t, bool *ret_stands, struct wm_error *err);
/** With options->best: keep the newest step's weights if it is the best; and bring them back at the
 *  end. `*ret_step` is theirs, 0 without the option. */
int wm_training_save_best(struct wm_training *t, struct wm_error *err);
int wm_training_take_best(struct wm_training *t, uint64_t *ret_step, struct wm_error *err);

/** A step that shows that the training has gone wrong. */
struct wm_bad_step {
    uint64_t step;
    double norm;    /**< Of its gradient. */
    uint64_t n_bad; /**< Steps whose losses are bad, with it. */
};
/** WM_E_FORMAT: names the step, its `loss` ("validation loss" …), its norm and the newest checkpoint
 *  from before the first bad loss. */
int wm_training_diverged(const struct wm_training *t, const char *what, double loss,
                         const struct wm_bad_step *bad, struct wm_error *err);

/** One step. On WM_E_CANCELLED parameters are those of the last step. */
int wm_training_step(struct wm_training *t, struct wm_error *err);

/** `n` tokens of `window` and what comes after each into the batch's row that begins at `at`. */
int wm_training_load_row(struct wm_training *t, const struct wm_windows *windows, uint64_t window,
                         uint32_t n, size_t at, struct wm_error *err);
/** The batch's buffers as `b` rows of `n` tokens. */
struct wm_lm_batch wm_training_rows(const struct wm_training *t, uint32_t b, uint32_t n);

/** UTF-8 bytes of these tokens; special ones stand for no text. */
uint64_t wm_training_text_bytes(const struct wm_training *t, const uint32_t *ids, size_t n);

/** Choose the tokens that are scored, count their bytes. */
int wm_training_plan_validation(struct wm_training *t, struct wm_error *err);
/** Mean nats per token of the validation text, after at least one step. Diverged if not finite. */
int wm_training_validate(struct wm_training *t, double *ret_nats, struct wm_error *err);

/** Encode the prompts; say why, if no texts can be written. End with close in any case. */
int wm_training_plan_samples(struct wm_training *t, struct wm_error *err);
void wm_training_close_samples(struct wm_training *t);
/** Write texts with the weights as they are, one behind each prompt, into `samples`. Those that find
 *  no room are left out. */
int wm_training_write_samples(struct wm_training *t, struct wm_error *err);
/** Do so if it is time to, and show them. `last`: this is the last step. */
int wm_training_sample(struct wm_training *t, bool last, struct wm_error *err);

/* ---- train_log.c ---- */

/** Begin the files with the steps that are there. Close in any case. */
int wm_training_log_open(struct wm_training *t, struct wm_error *err);
/** The newest step is complete: to be written now or, where people hear nothing of it either, with
 *  one of the next. `last`: now. */
int wm_training_log_step(struct wm_training *t, bool last, struct wm_error *err);
/** Write all steps that are complete. */
int wm_training_log_write(struct wm_training *t, struct wm_error *err);
void wm_training_log_close(struct wm_training *t);

/* ---- train_lines.c ---- */

/** Tokens a second of this process's steps. */
double wm_training_speed(const struct wm_training *t);
/** Is the newest step one to speak of? */
bool wm_training_tells(const struct wm_training *t);
/** What is trained on what; and the newest step, if it is one to speak of. */
void wm_training_say_begin(struct wm_training *t);
void wm_training_say_step(const struct wm_training *t);
/** Tell the job's listener a line. */
__attribute__((format(printf, 2, 3))) void wm_training_say(const struct wm_training *t,
                                                           const char *fmt, ...);

#endif /* WETMILL_TRAINER_TRAINING_H */
