/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file train.h
 * Training a language model on token shards, and writing text with the result.
 *
 *     shards ─▶ wm_train ─▶ OUT/config.json model.safetensors tokenizer.json … ─▶ wm_generator_open
 *
 * Training is a pure function of options, seed and shards: weights and metrics are the same bytes
 * for any number of threads and any interruption. What runs is checkpointed in a work directory;
 * the same job again goes on from the newest checkpoint that is whole.
 *
 *     WORK/checkpoint-00000200.ckpt   parameters, moments, position; checksummed; the last are kept
 *     WORK/best.ckpt                  with `best`: the same of the step that validated best
 *     WORK/time.json                  with `time`: the number of steps
 *     WORK/metrics.jsonl              a line a step, as far as the run has come: grows with each
 *                                     line that is told, at least every two seconds; also as
 *                                     events.out.tfevents.0.wetmill
 *     WORK/samples.jsonl              what the model wrote on its way; grows likewise
 *     OUT/metrics.jsonl …             the same, complete
 *
 * One thread calls; a team of threads works inside. Nothing is printed: what people should know
 * comes through the job's hooks. Formats are specified in docs/formats.md.
 */
#ifndef WETMILL_TRAIN_H
#define WETMILL_TRAIN_H

#include <stdbool.h>
#include <stdint.h>
#include <xxhash.h>

#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/option.h"
#include "wetmill/str.h"

struct wm_cancel;
struct wm_progress;

/* ---- training ---- */

enum wm_train_dtype {
    WM_DTYPE_FLOAT32,
    WM_DTYPE_BFLOAT16, /**< Factors of products are rounded to bfloat16; sums stay float32. */
};
enum wm_train_optimizer { WM_TRAIN_ADAMW, WM_TRAIN_SGD, WM_TRAIN_MUON, WM_N_TRAIN_OPTIMIZERS };
enum wm_train_schedule {
    WM_SCHEDULE_COSINE,   /**< Half a cosine to min_lr (Loshchilov and Hutter 2017). */
    WM_SCHEDULE_LINEAR,   /**< A line to min_lr. */
    WM_SCHEDULE_WSD,      /**< Constant, then a line to min_lr over the cooldown. */
    WM_SCHEDULE_CONSTANT, /**< As it is after warm-up. */
};
enum wm_train_init {
    WM_INIT_GPT2,   /**< Normal, 0.02; maps into the residual stream 0.02 / √(2 layers). */
    WM_INIT_XAVIER, /**< Linear maps: normal, √(2 / (in + out)) (Glorot and Bengio 2010). */
    WM_INIT_HE,     /**< Linear maps: normal, √(2 / in) (He et al. 2015). */
};

/** Options of `wetmill train` and of the train step. "Step" is one update of the weights. */
struct wm_train_options {
    int size;                      /**< Index into wm_train_sizes: what is 0 below. */
    int architecture;              /**< gpt2, llama, qwen3 */
    uint64_t layers, heads, width; /**< width is a multiple of heads */
    uint64_t kv_heads;             /**< Key/value heads; divides heads. 0 = heads */
    uint64_t hidden;               /**< Of the MLP; 0 = the architecture's usual. */
    double rope_theta;             /**< Base of rotary positions. */
    bool tied;                     /**< The output head is the token embedding. */
    int dtype;                     /**< enum wm_train_dtype */
    uint64_t context;              /**< Tokens the model sees at once. */
    bool document_reset;           /**< Tokens see nothing of the documents before theirs. */
    struct wm_list mix;            /**< "DIR=WEIGHT": more shards to train on. */
    uint64_t batch;                /**< Sequences of `context` tokens in a step. */
    uint64_t micro_batch;          /**< Sequences computed at once; the rest is accumulated. */
    uint64_t steps;                /**< 0: as many as `epochs` takes. */
    double epochs;                 /**< Passes over the training shards, if steps is 0. */
    double time;                   /**< Seconds the training shall take; sets the steps. 0: not. */
    uint64_t batch_start, batch_ramp; /**< The batch grows from batch_start to batch in the first
                                           batch_ramp steps; 0 steps = it does not grow. */
    int optimizer;                    /**< enum wm_train_optimizer */
    double learning_rate;             /**< Highest. */
    double min_lr;                    /**< Learning rate at the end, share of the highest. */
    int schedule;                     /**< enum wm_train_schedule */
    uint64_t warmup;                  /**< Steps of linear warm-up. */
    double cooldown;                  /**< Share of the steps at whose end the rate falls (wsd). */
    double weight_decay, beta1, beta2, epsilon, momentum;
    double clip;           /**< Largest global gradient norm; 0 = never clipped. */
    double skip_outliers;  /**< Steps with a gradient norm over this many times the usual one change
                               nothing; 0 = all count. */
    double average;        /**< Share of the steps, at the end, whose weights are averaged; 0 = the
                               last step's are the result. */
    int init;              /**< enum wm_train_init */
    double dropout;        /**< Share of the embedding and of each branch that steps leave out. */
    bool zero_output;      /**< Maps into the residual stream begin at zero. */
    const char *init_from; /**< Model directory whose weights are the first ones; NULL: `init`. */
    uint64_t seed;
    uint64_t validate_every;    /**< Steps; 0 = only at the end. */
    uint64_t validation_tokens; /**< Most tokens scored each time; 0 = all. */
    bool best;                  /**< The result is of the step that validated best, not the last. */
    uint64_t early_stop;        /**< Validations without a better one that end it; 0 = none do. */
    uint64_t sample_every;      /**< Steps between texts that the model writes, and some at the end;
                                     0 = none. */
    uint64_t sample_tokens;     /**< Tokens of such a text, at most. */
    struct wm_list sample_prompt; /**< To go on from, each time all; none = a new document. */
    bool overfit_batch;           /**< Every step has the first step's samples. */
    uint64_t checkpoint_every;    /**< Steps; 0 = only when interrupted. Cannot change bytes. */
    uint64_t keep_checkpoints;    /**< Newest ones kept. Cannot change bytes. */
};
extern const struct wm_option wm_train_option_table[];

/** What `size` stands for: a model, and settings that suit it. */
struct wm_train_size {
    const char *name;
    uint64_t layers, heads, width, batch;
    double learning_rate[WM_N_TRAIN_OPTIMIZERS]; /**< For each enum wm_train_optimizer. */
};
extern const struct wm_train_size wm_train_sizes[]; /**< Ends with {0}. */

/** `options` with everything that is 0 = "by size" set. */
struct wm_train_options wm_train_options_resolve(const struct wm_train_options *options);

/** Check what a table of ranges cannot say (width against heads, …). WM_E_CONFIG. */
int wm_train_options_check(const struct wm_train_options *options, struct wm_error *err);

/** Append what shapes the result as one JSON value: the options, and the digest of the files of
 *  init_from. Part of step identity and of checkpoints. */
int wm_train_describe(const struct wm_train_options *options, struct wm_buf *out,
                      struct wm_error *err);

/** What is known of the data before a training. */
struct wm_train_data {
    uint32_t vocabulary; /**< Ids of the shards. */
    uint64_t n_windows;  /**< Of `context` tokens in the training shards of all sources; 0: not
                              known, and the vocabulary is no more than what is planned. */
};
/** Look into the directory `shards` and those of options->mix. Where one cannot be used (yet),
 *  n_windows is 0; `vocabulary` is taken if it is the first. */
int wm_train_look(const struct wm_train_options *options, const char *shards, uint32_t vocabulary,
                  struct wm_train_data *ret, struct wm_error *err);

/** What a training run will take. */
struct wm_train_estimate {
    uint64_t n_params;
    uint64_t n_steps, n_tokens; /**< Tokens trained on, over all steps. */
    uint64_t memory;            /**< Anonymous bytes at the peak, without a limit. */
    uint64_t memory_least;      /**< The least it can do with: activations are made again. */
    uint64_t model_bytes;       /**< Of OUT/model.safetensors. */
    uint64_t checkpoint_bytes;  /**< Of all checkpoints kept, and the one being written. */
    uint64_t disk;              /**< At the peak: those, or those that are left and the model. */
    double flops_per_token;     /**< Forward and backward. */
    double flops;               /**< Of the whole training, without validation. */
};
/** n_steps is 0 where that is not known, or `time` sets it. WM_E_CONFIG, WM_E_LIMIT (sizes that do not
 *  fit), WM_E_MISMATCH (init_from). Reads no file but the configuration in init_from. */
int wm_train_estimate(const struct wm_train_options *options, const struct wm_train_data *data,
                      struct wm_train_estimate *ret, struct wm_error *err);

/** Append the model's table of operations (shapes, bytes, FLOPs, what is kept and what is made again
 *  within `memory`, 0 = any), its memory, steps, and how long they may take on this machine, as text.
 *  `threads` 0: the processors. */
int wm_train_explain(const struct wm_train_options *options, const struct wm_train_data *data,
                     uint64_t memory, unsigned threads, struct wm_buf *out, struct wm_error *err);

struct wm_train_job {
    const struct wm_train_options *options;
    const char *shards;   /**< Directory with shards.json, shards and tokenizer.json. */
    const char *out;      /**< Directory of the finished model; made if absent. */
    const char *work;     /**< Directory of checkpoints and metrics while it runs; made if
                               absent; the caller removes it when the model stands. */
    const char *identity; /**< 32 hex digits, or NULL. Checkpoints of another identity, or that do
                               not fit, are WM_E_MISMATCH and stay. */
    const char *described; /**< 32 hex digits: XXH3-128 of what wm_train_describe said when the
                               identity was made. WM_E_BUSY, before the first step, if it says
                               something else once all has been read. NULL: not compared. */
    unsigned threads;     /**< 0 = the processors. Cannot change bytes. */
    uint64_t memory;      /**< Most anonymous bytes, 0 = any: WM_E_NOMEM names the need first. */
    void (*line)(void *arg, const char *text); /**< A line for people; may be NULL. */
    void *arg;
    struct wm_progress *progress; /**< Counts tokens; may be NULL. */
    struct wm_cancel *cancel;     /**< May be NULL. */
};

struct wm_train_result {
    uint64_t n_params, n_steps, n_tokens;
    uint64_t best_step;     /**< Whose weights are the result, if options->best; else 0. */
    uint64_t first_step;    /**< Steps taken from a checkpoint; 0 = from the start. */
    double train_nats;      /**< Mean loss of the last tenth of the steps, nats/token. */
    bool validated;         /**< There were validation shards long enough for one window. */
    double validation_nats; /**< Nats per token at the end. */
    double bits_per_byte;   /**< Of the validation text, at the end. */
    double unigram_nats;    /**< Entropy of the validation shards' own token frequencies. */
    double seconds, tokens_per_second; /**< Of this process; differs from run to run. */
};

/**
 * Train to the end, or go on from the newest whole checkpoint. On WM_E_CANCELLED a checkpoint of
 * the last finished step stands in `work`. WM_E_FORMAT: shards or tokenizer damaged, too few
 * tokens; the loss, of training or validation, is no longer finite, or for ten steps twice that of the
 * first and of guessing (names the step and the last good checkpoint).
 * WM_E_MISMATCH: shards, tokenizer or checkpoints that do not belong together, both named.
 */
int wm_train(const struct wm_train_job *job, struct wm_train_result *ret, struct wm_error *err);

/** What a work directory holds of a training. */
struct wm_train_unfinished {
    uint64_t step;     /**< Of the newest checkpoint; 0: there is none. */
    char differs[512]; /**< What is other than in the options given; "": none of them, or the
                            checkpoint cannot be read. */
};
/** Look into a work directory, which need not be there. */
int wm_train_unfinished(const char *work, const struct wm_train_options *options,
                        struct wm_train_unfinished *ret, struct wm_error *err);

/** Identity of the job whose newest whole checkpoint stands in a work directory; 0 if none does. */
int wm_train_identity(const char *work, XXH128_hash_t *ret, struct wm_error *err);

/* ---- generating ---- */

/** A model directory, loaded to write text. Used by one thread at a time. */
struct wm_generator;

/**
 * Load config.json, model.safetensors and tokenizer.json from `dir`. Takes GPT-2's published
 * layout as well (names without "transformer.", attn.bias buffers). WM_E_FORMAT names what is
 * damaged or not supported, WM_E_MISMATCH a tokenizer of another model.
 */
int wm_generator_open(const char *dir, unsigned threads, struct wm_generator **ret,
                      struct wm_error *err);
void wm_generator_close(struct wm_generator *generator); /**< Safe on NULL. */

struct wm_generate_options {
    uint64_t max_tokens; /**< New tokens at most; ≥ 1. */
    uint64_t context;    /**< Tokens the model sees at once; 0, or more than it can: all it can. */
    double temperature;  /**< 0 = always the likeliest token. */
    uint64_t top_k;      /**< Only the k likeliest tokens; 0 = all. */
    double top_p;        /**< Only the likeliest tokens that together reach this share; 1 = all. */
    double min_p;        /**< Only tokens at least this share as likely as the likeliest. */
    double repetition_penalty; /**< Logits of tokens that stand in the text already are divided by
                                    this, or multiplied if negative (Keskar et al. 2019); 1, 0 = not. */
    struct wm_list stop;       /**< Strings that end the text; they are not part of it. */
    uint64_t seed;             /**< The n-th draw is a function of (seed, n). */
};
extern const struct wm_option wm_generate_option_table[];

enum wm_generate_stop {
    WM_STOP_LENGTH, /**< max_tokens reached. */
    WM_STOP_END,    /**< End-of-document token. */
    WM_STOP_STRING, /**< A stop string. */
    WM_STOP_CALLER, /**< on_text wanted no more. */
};

struct wm_generate_result {
    uint64_t prompt_tokens, new_tokens;
    enum wm_generate_stop stop;
    double seconds; /**< wm_generate only. */
};

/** Takes new text (the prompt is not repeated) as it comes, always whole UTF-8 characters, bytes
 *  that can never be UTF-8 as U+FFFD. Non-zero: stop here. */
typedef int wm_generate_fn(void *arg, struct wm_str text);

/**
 * Go on from `prompt`, behind what stood before documents in training; an empty one starts a document.
 * Text that outgrows options->context goes on from its last half context. So does a prompt longer than
 * the model's own; one over a context that is less than that is WM_E_LIMIT. The key/value cache has
 * room for prompt and max_tokens, at most a context. The same prompt and options give the same text
 * for any number of threads. `ret` may be NULL.
 */
int wm_generate(struct wm_generator *generator, struct wm_str prompt,
                const struct wm_generate_options *options, wm_generate_fn *on_text, void *arg,
                struct wm_generate_result *ret, struct wm_error *err);

/**
 * Anonymous bytes that `at_once` texts of up to `n_tokens` tokens, prompts included, take side by side,
 * the model included: of the model directory `dir`, or, if that is NULL, of the model that `options`
 * make with shards of `vocabulary` ids. `threads` ≥ 1. Errors of reading a configuration.
 */
int wm_generate_estimate(const char *dir, const struct wm_train_options *options,
                         uint32_t vocabulary, uint32_t at_once, uint64_t n_tokens,
                         unsigned threads, uint64_t *ret, struct wm_error *err);

enum { WM_GENERATE_TEXT_MAX = 64 << 20 /**< Longest text of wm_generate_all, bytes. */ };

/** Takes a finished text; texts come in the order they are finished. Non-zero ends everything with
 *  that status. */
typedef int wm_generate_done_fn(void *arg, size_t index, struct wm_str text,
                                const struct wm_generate_result *result, struct wm_error *err);

/**
 * Go on from each of `n` prompts, up to `at_once` (1 … 64) side by side: every weight is read once for all
 * of them. Text i is what wm_generate would give with seed options->seed + i.
 */
int wm_generate_all(struct wm_generator *generator, const struct wm_str *prompts, size_t n,
                    const struct wm_generate_options *options, uint32_t at_once,
                    wm_generate_done_fn *on_done, void *arg, struct wm_cancel *cancel,
                    struct wm_error *err);

#endif /* WETMILL_TRAIN_H */
