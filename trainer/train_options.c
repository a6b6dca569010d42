/* SPDX-License-Identifier: Apache-2.0 */
/* Options of training and of generation, and what a training will take. */
#include <inttypes.h>

#include "trainer/checkpoint.h"
#include "trainer/metrics.h"
#include "trainer/schedule.h"
#include "trainer/train_plan.h"

#define O struct wm_train_options
#define SEED_MAX 9007199254740991.0 /* the table's numbers are doubles: 2^53 − 1 */

/* As WM_COUNT, but it cannot change the output. */
#define SPEED_COUNT(field, def, max, unit, help)                                                \
    {                                                                                           \
#        field, WM_OPTION_COUNT, WM_OFFSET_(O, field, uint64_t), def, 0, max, 0, 0, unit, help, \
            WM_OPTION_SPEED                                                                     \
    }

static const char *const optimizers[] = {"adamw", "sgd", "muon", NULL};
static const char *const schedules[] = {"cosine", "linear", "wsd", "constant", NULL};
static const char *const inits[] = {"gpt2", "xavier", "he", NULL};

const struct wm_option wm_train_option_table[] = {
    WM_COUNT(O, layers, 6, 1, WM_MODEL_MAX_LAYERS, "", "transformer blocks"),
    WM_COUNT(O, heads, 6, 1, 1024, "", "attention heads; divides width"),
    WM_COUNT(O, width, 384, 1, WM_MODEL_MAX_WIDTH, "", "channels of the residual stream"),
    WM_COUNT(O, context, 256, 1, WM_MODEL_MAX_CONTEXT, "tokens", "tokens the model sees at once"),
    WM_COUNT(O, batch, 32, 1, 1 << 20, "sequences", "sequences of a step"),
    WM_COUNT(O, micro_batch, 8, 1, 1 << 20, "sequences",
             "sequences computed at once; less takes less memory"),
    WM_COUNT(O, steps, 0, 0, WM_TRAIN_STEPS_MAX, "steps", "updates of the weights; 0 = by epochs"),
    WM_REAL(O, epochs, 1, 0, 100000, "epochs", "passes over the training shards, if steps is 0"),
    WM_COUNT(O, batch_start, 1, 1, 1 << 20, "sequences",
             "sequences of the first step of batch_ramp"),
    WM_COUNT(O, batch_ramp, 0, 0, WM_TRAIN_STEPS_MAX, "steps",
             "steps in which the batch grows from batch_start to batch; 0 = it does not"),
    WM_CHOICE(O, optimizer, optimizers, WM_TRAIN_ADAMW,
              "what makes steps of gradients; muon: for the layers' matrices, adamw for the rest"),
    WM_REAL(O, learning_rate, 0.001, 0, 10, "", "highest learning rate"),
    WM_REAL(O, min_lr, 0.1, 0, 1, "share", "learning rate at the end, as a share of the highest"),
    WM_CHOICE(O, schedule, schedules, WM_SCHEDULE_COSINE,
              "how the learning rate falls after warm-up; wsd: at the end alone"),
    WM_COUNT(O, warmup, 100, 0, WM_TRAIN_STEPS_MAX, "steps",
             "steps of rising learning rate; at most a fifth of all"),
    WM_REAL(O, cooldown, 0.2, 0, 1, "share", "last share of the steps, in which wsd falls"),
    WM_REAL(O, weight_decay, 0.1, 0, 10, "", "decoupled weight decay of matrices"),
    WM_REAL(O, beta1, 0.9, 0, 0.99999, "", "AdamW's decay of the gradient's mean"),
    WM_REAL(O, beta2, 0.95, 0, 0.999999, "", "AdamW's decay of the gradient's square"),
    WM_REAL(O, epsilon, 1e-8, 1e-16, 1, "", "AdamW's epsilon"),
    WM_REAL(O, momentum, 0.95, 0, 0.99999, "", "momentum of sgd and muon"),
    WM_REAL(O, clip, 1, 0, 1e9, "", "largest gradient norm; 0 = never clipped"),
    WM_REAL(O, skip_outliers, 0, 0, 1e9, "times",
            "steps with a gradient norm over this many times the usual change nothing; 0 = none"),
    WM_REAL(O, average, 0, 0, 1, "share", "last share of the steps whose weights are averaged"),
    WM_CHOICE(O, init, inits, WM_INIT_GPT2, "first weights of the linear maps"),
    WM_PATH(O, init_from, NULL,
            "model directory to start from, of the same architecture and sizes"),
    WM_BOOL(O, zero_output, false, "maps into the residual stream begin at zero"),
    WM_COUNT(O, seed, 1, 0, SEED_MAX, "", "seed of weights and data order"),
    WM_COUNT(O, validate_every, 100, 0, WM_TRAIN_STEPS_MAX, "steps",
             "steps between validations; 0 = only at the end"),
    WM_COUNT(O, validation_tokens, 262144, 0, SEED_MAX, "tokens",
             "most tokens scored each time; 0 = all"),
    SPEED_COUNT(checkpoint_every, 200, WM_TRAIN_STEPS_MAX, "steps",
                "steps between checkpoints; 0 = only when interrupted"),
    {"keep_checkpoints", WM_OPTION_COUNT, WM_OFFSET_(O, keep_checkpoints, uint64_t), 2, 1, 1000, 0,
     0, "", "newest checkpoints that are kept", WM_OPTION_SPEED},
    {0}};

#undef O
#define O struct wm_generate_options
const struct wm_option wm_generate_option_table[] = {
    WM_COUNT(O, max_tokens, 128, 1, 1 << 30, "tokens", "new tokens at most"),
    WM_REAL(O, temperature, 0.8, 0, 100, "", "0 = always the likeliest token"),
    WM_COUNT(O, top_k, 50, 0, 1 << 30, "tokens", "only the k likeliest tokens; 0 = all"),
    WM_REAL(O, top_p, 0.95, 0, 1, "share",
            "only the likeliest tokens that together reach this share"),
    WM_COUNT(O, seed, 1, 0, SEED_MAX, "", "the same seed gives the same text"),
    {0}};
#undef O

int wm_train_options_check(const struct wm_train_options *options, struct wm_error *err)
{
    if (options->width % options->heads) {
        wm_fail(err, WM_E_CONFIG, "width %" PRIu64 " is not a multiple of heads %" PRIu64,
                options->width, options->heads);
        return wm_error_hint(err, "heads of 64 channels are usual: width 384 has 6");
    }
    uint64_t at_once = wm_train_micro_batch(options);
    if (at_once > WM_MODEL_MAX_ROWS / options->context)
        return wm_fail(err, WM_E_CONFIG,
                       "micro_batch %" PRIu64 " × context %" PRIu64
                       " is more than %d tokens at once",
                       at_once, options->context, WM_MODEL_MAX_ROWS);
    if (options->batch_ramp && options->batch_start > options->batch)
        return wm_fail(err, WM_E_CONFIG,
                       "batch_start %" PRIu64 " is over batch %" PRIu64 ", to which it grows",
                       options->batch_start, options->batch);
    if (!options->steps && !(options->epochs > 0))
        return wm_fail(err, WM_E_CONFIG, "steps and epochs are both 0: nothing would be trained");
    return 0;
}

uint32_t wm_train_micro_batch(const struct wm_train_options *options)
{
    return (uint32_t)(options->micro_batch < options->batch ? options->micro_batch
                                                            : options->batch);
}

struct wm_model_config wm_train_config(const struct wm_train_options *options, uint32_t vocabulary)
{
    return wm_model_config_usual(WM_ARCH_GPT2, (uint32_t)options->layers, (uint32_t)options->heads,
                                 (uint32_t)options->width, (uint32_t)options->context, vocabulary);
}

struct wm_optimizer_config wm_train_optimizer(const struct wm_train_options *options)
{
    return (struct wm_optimizer_config){
        .kind = (enum wm_optimizer_kind)options->optimizer,
        .beta1 = options->beta1,
        .beta2 = options->beta2,
        .epsilon = options->epsilon,
        .momentum = options->momentum,
        .weight_decay = options->weight_decay,
        .average = options->average > 0,
    };
}

uint64_t wm_train_parameters(const struct wm_model_config *config)
{
    struct wm_params params;
    struct wm_error ignored;
    uint64_t n = 0;
    if (!wm_params_new(config, &params, &ignored))
        n = params.n_numbers;
    wm_params_free(&params);
    return n;
}

uint64_t wm_train_memory(const struct wm_train_options *options,
                         const struct wm_model_config *config, uint64_t n_steps)
{
    uint64_t model = wm_model_bytes(config, wm_train_micro_batch(options), true);
    uint64_t rows = (uint64_t)wm_train_micro_batch(options) * config->n_ctx;
    uint64_t batch = rows * 2 * sizeof(uint32_t);
    uint64_t history = n_steps * sizeof(struct wm_step_metrics);
    uint64_t tokenizer = (uint64_t)config->vocabulary * WM_TRAIN_TOKEN_BYTES;
    struct wm_params params;
    struct wm_error ignored;
    if (!model || wm_params_new(config, &params, &ignored))
        return 0;
    const struct wm_optimizer_config optimizer = wm_train_optimizer(options);
    model += wm_optimizer_bytes(&optimizer, &params);
    wm_params_free(&params);
    return model + batch + history + tokenizer;
}

int wm_train_estimate(const struct wm_train_options *options, uint32_t vocabulary,
                      uint64_t train_tokens, struct wm_train_estimate *ret, struct wm_error *err)
{
    int status = wm_train_options_check(options, err);
    if (status)
        return status;
    struct wm_model_config config = wm_train_config(options, vocabulary);
    struct wm_train_estimate e = {.n_steps = options->steps};
    uint64_t n_windows = train_tokens ? (train_tokens - 1) / options->context : 0;
    if (n_windows)
        status = wm_schedule_steps(options, n_windows, &e.n_steps, err);
    if (status)
        return status;
    e.memory = wm_train_memory(options, &config, e.n_steps);
    if (!e.memory)
        return wm_fail(err, WM_E_LIMIT,
                       "a model of %" PRIu64 " layers, width %" PRIu64 ", vocabulary %" PRIu32
                       " is larger than this program can hold",
                       options->layers, options->width, vocabulary);
    struct wm_params params;
    status = wm_params_new(&config, &params, err);
    if (status)
        return status;
    const struct wm_optimizer_config optimizer = wm_train_optimizer(options);
    e.n_params = params.n_numbers;
    e.n_tokens = wm_schedule_samples(options, e.n_steps) * options->context;
    e.model_bytes = e.n_params * sizeof(float) + params.n * 128;
    e.checkpoint_bytes =
        (options->keep_checkpoints + 1) * wm_checkpoint_bytes(&params, &optimizer, e.n_steps);
    wm_params_free(&params);
    e.flops_per_token = wm_model_flops_per_token(&config);
    e.flops = e.flops_per_token * (double)e.n_tokens;
    *ret = e;
    return 0;
}
