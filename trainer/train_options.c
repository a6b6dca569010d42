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

/* Found by bench/quality.sh at widths 256 and 384; the rest follows from them by width. */
#define RATES(adamw, muon)                                                     \
    {                                                                          \
        [WM_TRAIN_ADAMW] = adamw, [WM_TRAIN_SGD] = 0.1, [WM_TRAIN_MUON] = muon \
    }
const struct wm_train_size wm_train_sizes[] = {
    {"tiny", 2, 4, 128, 8, RATES(4e-3, 1e-2)},
    {"mini", 6, 4, 256, 16, RATES(2e-3, 6e-3)},
    {"small", 6, 6, 384, 32, RATES(1e-3, 4e-3)},
    {"base", 12, 12, 768, 64, RATES(6e-4, 2e-3)},
    {"medium", 24, 16, 1024, 64, RATES(3e-4, 1.5e-3)},
    {"large", 36, 20, 1280, 64, RATES(2.5e-4, 1e-3)},
    {0},
};
enum { SIZE_SMALL = 2 };
static const char *const sizes[] = {"tiny", "mini", "small", "base", "medium", "large", NULL};
static const char *const architectures[] = {"gpt2", "llama", "qwen3", NULL};
static const char *const dtypes[] = {"float32", "bfloat16", NULL};
static const char *const optimizers[] = {"adamw", "sgd", "muon", NULL};
static const char *const schedules[] = {"cosine", "linear", "wsd", "constant", NULL};
static const char *const inits[] = {"gpt2", "xavier", "he", NULL};

const struct wm_option wm_train_option_table[] = {
    WM_CHOICE(O, size, sizes, SIZE_SMALL,
              "sets layers, heads, width, batch and learning_rate where they are 0"),
    WM_CHOICE(O, architecture, architectures, WM_ARCH_GPT2, "parts the model is made of"),
    WM_COUNT(O, layers, 0, 0, WM_MODEL_MAX_LAYERS, "", "transformer blocks; 0 = by size"),
    WM_COUNT(O, heads, 0, 0, 1024, "", "attention heads; divides width; 0 = by size"),
    WM_COUNT(O, width, 0, 0, WM_MODEL_MAX_WIDTH, "",
             "channels of the residual stream; 0 = by size"),
    WM_COUNT(O, kv_heads, 0, 0, 1024, "",
             "key/value heads, divides heads (llama, qwen3); 0 = heads"),
    WM_COUNT(O, hidden, 0, 0, 4.0 * WM_MODEL_MAX_WIDTH, "",
             "channels inside the MLP; 0 = usual: 4 width, or 8/3 of it (llama, qwen3)"),
    WM_REAL(O, rope_theta, WM_ROPE_THETA, 2, 1e9, "", "base of rotary positions (llama, qwen3)"),
    WM_BOOL(O, tied, true, "the output head is the token embedding; it always is with gpt2"),
    WM_CHOICE(O, dtype, dtypes, WM_DTYPE_FLOAT32,
              "numbers that are multiplied; sums, weights and state are float32 always"),
    WM_COUNT(O, context, 256, 1, WM_MODEL_MAX_CONTEXT, "tokens", "tokens the model sees at once"),
    WM_BOOL(O, document_reset, false, "tokens see nothing of the documents before theirs"),
    WM_PATHS(O, mix,
             "DIR=WEIGHT: shards to train on too, beside SHARDS of weight 1; may be repeated"),
    WM_COUNT(O, batch, 0, 0, 1 << 20, "sequences", "sequences of a step; 0 = by size"),
    WM_COUNT(O, micro_batch, 8, 1, 1 << 20, "sequences",
             "sequences computed at once; less takes less memory"),
    WM_COUNT(O, steps, 0, 0, WM_TRAIN_STEPS_MAX, "steps", "updates of the weights; 0 = by epochs"),
    WM_REAL(O, epochs, 1, 0, 100000, "epochs", "passes over the training shards, if steps is 0"),
    WM_DURATION(O, time, 0, 0, 1e8, "how long the training shall take; sets the steps"),
    WM_COUNT(O, batch_start, 1, 1, 1 << 20, "sequences",
             "sequences of the first step of batch_ramp"),
    WM_COUNT(O, batch_ramp, 0, 0, WM_TRAIN_STEPS_MAX, "steps",
             "steps in which the batch grows from batch_start to batch; 0 = it does not"),
    WM_CHOICE(O, optimizer, optimizers, WM_TRAIN_MUON,
              "what makes steps of gradients; muon: for the layers' matrices, adamw for the rest"),
    WM_REAL(O, learning_rate, 0, 0, 10, "", "highest learning rate; 0 = by size and optimizer"),
    WM_REAL(O, min_lr, 0, 0, 1, "share", "learning rate at the end, as a share of the highest"),
    WM_CHOICE(O, schedule, schedules, WM_SCHEDULE_LINEAR,
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
    WM_REAL(O, dropout, 0, 0, 0.9, "share",
            "share of the embedding and of each branch that a step leaves out"),
    WM_BOOL(O, zero_output, false, "maps into the residual stream begin at zero"),
    WM_COUNT(O, seed, 1, 0, SEED_MAX, "", "seed of weights and data order"),
    WM_COUNT(O, validate_every, 100, 0, WM_TRAIN_STEPS_MAX, "steps",
             "steps between validations; 0 = only at the end"),
    WM_COUNT(O, validation_tokens, 262144, 0, SEED_MAX, "tokens",
             "most tokens scored each time; 0 = all"),
    WM_BOOL(O, best, false, "the result is of the step that validated best, not the last"),
    WM_COUNT(O, early_stop, 0, 0, WM_TRAIN_STEPS_MAX, "validations",
             "stop after so many without a better one; 0 = do not"),
    WM_COUNT(O, sample_every, 1000, 0, WM_TRAIN_STEPS_MAX, "steps",
             "steps between texts that the model writes, and at the end; 0 = none"),
    WM_COUNT(O, sample_tokens, 64, 1, WM_SAMPLE_TOKENS, "tokens", "length of such a text, at most"),
    WM_LIST(O, sample_prompt, "what it goes on from; may be repeated; none = a new document"),
    WM_BOOL(O, overfit_batch, false,
            "every step has the first one's samples: a model must learn them"),
    SPEED_COUNT(checkpoint_every, 200, WM_TRAIN_STEPS_MAX, "steps",
                "steps between checkpoints; 0 = only when interrupted"),
    {"keep_checkpoints", WM_OPTION_COUNT, WM_OFFSET_(O, keep_checkpoints, uint64_t), 2, 1, 1000, 0,
     0, "", "newest checkpoints that are kept", WM_OPTION_SPEED},
    {0}};

#undef O
#define O struct wm_generate_options
const struct wm_option wm_generate_option_table[] = {
    WM_COUNT(O, max_tokens, 128, 1, 1 << 30, "tokens", "new tokens at most"),
    WM_COUNT(
        O, context, WM_USUAL_CONTEXT, 0, WM_MODEL_MAX_CONTEXT, "tokens",
        "most that the model sees at once; 0 = all it can; longer text goes on from half of it"),
    WM_REAL(O, temperature, 0.8, 0, 100, "", "0 = always the likeliest token"),
    WM_COUNT(O, top_k, 50, 0, 1 << 30, "tokens", "only the k likeliest tokens; 0 = all"),
    WM_REAL(O, top_p, 0.95, 0, 1, "share",
            "only the likeliest tokens that together reach this share"),
    WM_REAL(O, min_p, 0, 0, 1, "share",
            "only tokens at least this share as likely as the likeliest"),
    WM_REAL(O, repetition_penalty, 1, 1e-3, 1e3, "times",
            "logits of tokens in the text are divided by this; 1 = they are not"),
    WM_LIST(O, stop, "strings that end the text; may be repeated"),
    WM_COUNT(O, seed, 1, 0, SEED_MAX, "", "the same seed gives the same text"),
    {0}};
#undef O
