/* SPDX-License-Identifier: Apache-2.0 */
/* What follows from the options: sizes, and what a training will take. */
#include "trainer/train_plan.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/checkpoint.h"
#include "trainer/decoder.h"
#include "trainer/init_from.h"
#include "trainer/metrics.h"
#include "trainer/mixture.h"
#include "trainer/peak.h"
#include "trainer/sample.h"
#include "trainer/schedule.h"
#include "wetmill/number.h"
#include "wetmill/progress.h"

struct wm_train_options wm_train_options_resolve(const struct wm_train_options *options)
{
    struct wm_train_options o = *options;
    const struct wm_train_size *size = &wm_train_sizes[o.size];
    o.layers = o.layers ? o.layers : size->layers;
    o.heads = o.heads ? o.heads : size->heads;
    o.width = o.width ? o.width : size->width;
    o.batch = o.batch ? o.batch : size->batch;
    o.learning_rate = o.learning_rate > 0 ? o.learning_rate : size->learning_rate[o.optimizer];
    return o;
}

/* What an architecture has no use for is not passed over. */
static int check_parts(const struct wm_train_options *options, struct wm_error *err)
{
    const struct wm_architecture_info *parts = &wm_architectures[options->architecture];
    if (options->architecture == WM_ARCH_GPT2 && !options->tied)
        return wm_fail(err, WM_E_CONFIG, "gpt2's output head is always its token embedding");
    if (parts->positions != WM_POSITIONS_ROTARY && options->rope_theta != WM_ROPE_THETA)
        return wm_fail(err, WM_E_CONFIG, "rope_theta %g: %s has no rotary positions",
                       options->rope_theta, parts->name);
    return 0;
}

static int check_mix(const struct wm_train_options *options, struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_train_sources sources;
    wm_arena_init(&arena, WM_TRAIN_NAMES);
    int status = wm_train_sources(options, "", &arena, &sources, err);
    wm_arena_done(&arena);
    return status;
}

static size_t prompt_bytes(const struct wm_list *prompts)
{
    size_t bytes = 0;
    for (size_t i = 0; i < prompts->n; i++)
        bytes += strlen(prompts->items[i]);
    return bytes;
}

static int check_samples(const struct wm_train_options *options, struct wm_error *err)
{
    const struct wm_list *prompts = &options->sample_prompt;
    const size_t bytes = prompt_bytes(prompts);
    if (prompts->n <= WM_SAMPLE_PROMPTS && bytes <= WM_SAMPLE_BYTES)
        return 0;
    return wm_fail(err, WM_E_CONFIG,
                   "%zu values of sample_prompt with %zu bytes are over the limits of %d and %d",
                   prompts->n, bytes, WM_SAMPLE_PROMPTS, WM_SAMPLE_BYTES);
}

int wm_train_options_check(const struct wm_train_options *given, struct wm_error *err)
{
    const struct wm_train_options resolved = wm_train_options_resolve(given), *options = &resolved;
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
    if (!options->steps && !(options->epochs > 0) && !(options->time > 0))
        return wm_fail(err, WM_E_CONFIG,
                       "steps, epochs and time are all 0: nothing would be trained");
    if (options->steps && options->time > 0)
        return wm_fail(err, WM_E_CONFIG, "both steps and time are given: one sets the other");
    if ((options->best || options->early_stop) && !options->validate_every)
        return wm_fail(err, WM_E_CONFIG, "best and early_stop need validate_every");
    int status = check_parts(options, err);
    if (!status)
        status = check_mix(options, err);
    if (!status)
        status = check_samples(options, err);
    if (status)
        return status;
    const struct wm_model_config config = wm_train_config(options, 256);
    return wm_model_config_check(&config, err);
}

uint32_t wm_train_micro_batch(const struct wm_train_options *options)
{
    return (uint32_t)(options->micro_batch < options->batch ? options->micro_batch
                                                            : options->batch);
}

struct wm_model_config wm_train_config(const struct wm_train_options *options, uint32_t vocabulary)
{
    struct wm_model_config c = wm_model_config_usual(
        (enum wm_architecture)options->architecture, (uint32_t)options->layers,
        (uint32_t)options->heads, (uint32_t)options->width, (uint32_t)options->context, vocabulary);
    if (options->kv_heads)
        c.n_kv_head = (uint32_t)options->kv_heads;
    if (options->hidden)
        c.n_hidden = (uint32_t)options->hidden;
    c.rope_theta = (float)options->rope_theta;
    c.tied = options->tied || options->architecture == WM_ARCH_GPT2;
    return c;
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

struct wm_model_options wm_train_model(const struct wm_train_options *options)
{
    return (struct wm_model_options){
        .max_batch = wm_train_micro_batch(options),
        .training = true,
        .dropout = (float)options->dropout,
        .compute = options->dtype == WM_DTYPE_BFLOAT16 ? WM_COMPUTE_BF16 : WM_COMPUTE_F32,
    };
}

/* What writes texts, and those that are kept, for words of a usual length; 0: none are wanted. */
static uint64_t memory_of_samples(const struct wm_train_options *options,
                                  const struct wm_model_config *config, uint64_t n_steps,
                                  unsigned n_threads)
{
    enum { BYTES_A_TOKEN = 6, BYTES_A_LINE = 64, COPIES = 2 };
    const uint64_t n_prompts = options->sample_prompt.n ? options->sample_prompt.n : 1;
    if (!options->sample_every)
        return 0;
    const uint64_t each = options->sample_tokens * BYTES_A_TOKEN + BYTES_A_LINE;
    const uint64_t at_once = n_prompts * each + prompt_bytes(&options->sample_prompt);
    const uint64_t n = n_steps / options->sample_every + 1;
    const uint64_t texts = n < WM_CHECKPOINT_STATE / at_once ? n * at_once : WM_CHECKPOINT_STATE;
    const uint64_t decoder = wm_decoder_memory(config, true, 1, n_threads);
    return decoder ? decoder + wm_sampler_bytes(config->vocabulary) + COPIES * texts : 0;
}

/* All but the model; 0: no memory to find out. */
static uint64_t memory_besides(const struct wm_train_options *options,
                               const struct wm_model_config *config, uint64_t n_steps,
                               unsigned n_threads)
{
    const uint64_t rows = (uint64_t)wm_train_micro_batch(options) * config->n_ctx;
    const struct wm_optimizer_config optimizer = wm_train_optimizer(options);
    struct wm_params params;
    struct wm_error ignored;
    if (wm_params_new(config, &params, &ignored))
        return 0;
    uint64_t sum = wm_optimizer_bytes(&optimizer, &params);
    wm_params_free(&params);
    const uint64_t samples = memory_of_samples(options, config, n_steps, n_threads);
    if (options->sample_every && !samples)
        return 0;
    sum += rows * (options->document_reset ? 4 : 2) * sizeof(uint32_t);
    sum += n_steps * sizeof(struct wm_step_metrics);
    sum += samples;
    return sum + (uint64_t)config->vocabulary * WM_TRAIN_TOKEN_BYTES;
}

uint64_t wm_train_memory(const struct wm_train_options *options,
                         const struct wm_model_config *config, uint64_t n_steps, unsigned threads,
                         uint64_t limit, uint64_t *ret_model)
{
    const unsigned n_threads = threads ? threads : wm_processors();
    const uint64_t besides = memory_besides(options, config, n_steps, n_threads);
    struct wm_model_options how = wm_train_model(options);
    how.memory = !limit ? 0 : limit > besides ? limit - besides : 1;
    const uint64_t model = wm_model_memory(config, &how, n_threads);
    *ret_model = how.memory;
    return besides && model ? model + besides : 0;
}

/* ---- what a training would be ---- */

struct outlook {
    struct wm_train_options options; /* resolved */
    struct wm_model_config config;
    uint64_t n_steps; /* 0: not known */
};

/* As wm_training_open finds it. */
static int look_ahead(const struct wm_train_options *given, const struct wm_train_data *data,
                      struct outlook *ret, struct wm_error *err)
{
    int status = wm_train_options_check(given, err);
    if (status)
        return status;
    ret->options = wm_train_options_resolve(given);
    ret->config = wm_train_config(&ret->options, data->vocabulary);
    ret->n_steps = ret->options.steps;
    if (given->init_from) {
        if (!data->n_windows)
            ret->config.vocabulary = 1; /* the model's will be large enough */
        status = wm_init_from_config(given->init_from, &ret->config, err);
    }
    if (!status && data->n_windows && !(given->time > 0))
        status = wm_schedule_steps(&ret->options, data->n_windows, &ret->n_steps, err);
    return status;
}

/* There are never more checkpoints than are written; the model comes when the last of them stands. */
static void set_disk(const struct wm_train_options *options, uint64_t one,
                     struct wm_train_estimate *e)
{
    uint64_t every = options->checkpoint_every, most = options->keep_checkpoints + 1;
    uint64_t n = !every ? 0 : e->n_steps ? (e->n_steps + every - 1) / every : most;
    uint64_t kept = n < most ? n : most - 1;
    uint64_t best = options->best ? one : 0;
    e->checkpoint_bytes = (n < most ? n : most) * one + best;
    e->disk = kept * one + best + e->model_bytes;
    e->disk = e->disk > e->checkpoint_bytes ? e->disk : e->checkpoint_bytes;
}

int wm_train_estimate(const struct wm_train_options *given, const struct wm_train_data *data,
                      struct wm_train_estimate *ret, struct wm_error *err)
{
    struct outlook o;
    int status = look_ahead(given, data, &o, err);
    if (status)
        return status;
    const struct wm_train_options *options = &o.options;
    struct wm_train_estimate e = {.n_steps = o.n_steps};
    uint64_t model;
    e.memory = wm_train_memory(options, &o.config, e.n_steps, 0, 0, &model);
    e.memory_least = wm_train_memory(options, &o.config, e.n_steps, 0, 1, &model);
    if (!e.memory || !e.memory_least)
        return wm_fail(err, WM_E_LIMIT,
                       "a model of %" PRIu64 " layers, width %" PRIu64 ", vocabulary %" PRIu32
                       " is larger than this program can hold",
                       options->layers, options->width, o.config.vocabulary);
    struct wm_params params;
    status = wm_params_new(&o.config, &params, err);
    if (status)
        return status;
    const struct wm_optimizer_config optimizer = wm_train_optimizer(options);
    e.n_params = params.n_numbers;
    e.n_tokens = wm_schedule_samples(options, e.n_steps) * options->context;
    e.model_bytes = wm_params_bytes(&params) + params.n * 128;
    set_disk(options, wm_checkpoint_bytes(&params, &optimizer, e.n_steps), &e);
    wm_params_free(&params);
    e.flops_per_token = wm_model_flops_per_token(&o.config);
    if (!(e.flops_per_token > 0))
        return wm_fail_nomem(err, 0, "finding out what training needs");
    e.flops = e.flops_per_token * (double)e.n_tokens;
    *ret = e;
    return 0;
}

/* The optimiser's state and more, besides the model. */
static int explain_memory(const struct outlook *o, uint64_t all, unsigned n_threads,
                          struct wm_buf *out, struct wm_error *err)
{
    const uint64_t samples = memory_of_samples(&o->options, &o->config, o->n_steps, n_threads);
    const uint64_t besides = memory_besides(&o->options, &o->config, o->n_steps, n_threads);
    char what[32], texts[32], whole[32];
    if (!all || !besides || (o->options.sample_every && !samples))
        return wm_fail_nomem(err, 0, "finding out what training needs");
    return wm_buf_printf(out, err, "  %-40s %10s\n  %-40s %10s\n  %-40s %10s\n",
                         "optimiser's state, batch, tokenizer",
                         wm_format_bytes(besides - samples, what, sizeof what),
                         "to write texts on the way", wm_format_bytes(samples, texts, sizeof texts),
                         "the whole training", wm_format_bytes(all, whole, sizeof whole));
}

/* How long it takes: at the share of the machine's peak that trainings usually reach. */
static int explain_time(const struct outlook *o, unsigned n_threads, struct wm_buf *out,
                        struct wm_error *err)
{
    static const double measuring = 0.05; /* seconds */
    const struct wm_train_options *options = &o->options;
    const double tokens = (double)(wm_schedule_samples(options, o->n_steps) * options->context);
    const double flops = wm_model_flops_per_token(&o->config) * tokens;
    struct wm_team *team = NULL;
    char steps[32], warmup[32], n_tokens[32], time[32];
    if (!o->n_steps)
        return 0;
    if (!(flops > 0))
        return wm_fail_nomem(err, 0, "finding out what training needs");
    int status = wm_team_new(n_threads, &team, err);
    if (status)
        return status;
    const double peak = wm_peak_flops(team, wm_train_model(options).compute, measuring);
    wm_team_free(team);
    return wm_buf_printf(
        out, err,
        "training\n  %-40s %10s\n  %-40s %10s\n  %-40s %10s\n"
        "  %-40s %10s, at two thirds of this machine's %.0f GFLOP/s\n",
        "steps", wm_format_count(o->n_steps, steps, sizeof steps), "of them warm-up",
        wm_format_count(wm_schedule_warmup(options, o->n_steps), warmup, sizeof warmup), "tokens",
        wm_format_count((uint64_t)tokens, n_tokens, sizeof n_tokens), "time, about",
        wm_format_duration(WM_TRAIN_SLOWER * flops / peak, time, sizeof time), peak * 1e-9);
}

int wm_train_explain(const struct wm_train_options *given, const struct wm_train_data *data,
                     uint64_t memory, unsigned threads, struct wm_buf *out, struct wm_error *err)
{
    struct outlook o;
    const unsigned n_threads = threads ? threads : wm_processors();
    int status = look_ahead(given, data, &o, err);
    if (status)
        return status;
    struct wm_model_options how = wm_train_model(&o.options);
    const uint64_t all =
        wm_train_memory(&o.options, &o.config, o.n_steps, n_threads, memory, &how.memory);
    status = wm_model_explain(&o.config, &how, n_threads, out, err);
    if (!status)
        status = explain_memory(&o, all, n_threads, out, err);
    return status ? status : explain_time(&o, n_threads, out, err);
}

int wm_train_look(const struct wm_train_options *options, const char *shards, uint32_t vocabulary,
                  struct wm_train_data *ret, struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_train_sources sources;
    struct wm_error unusable;
    struct wm_mixture *mixture = calloc(1, sizeof *mixture);
    if (!mixture)
        return wm_fail_nomem(err, sizeof *mixture, "shards");
    wm_arena_init(&arena, WM_TRAIN_NAMES);
    *ret = (struct wm_train_data){.vocabulary = vocabulary};
    int status = wm_train_sources(options, shards, &arena, &sources, err);
    if (!status && !wm_mixture_open(mixture, sources.dirs, sources.weights, sources.n,
                                    (uint32_t)options->context, &unusable))
        ret->n_windows = mixture->n_windows;
    else if (!status && unusable.status == WM_E_NOMEM) { /* that says nothing about the shards */
        *err = unusable;
        status = unusable.status;
    }
    if (mixture->n)
        ret->vocabulary = mixture->sources[0].set.vocabulary;
    wm_mixture_close(mixture);
    free(mixture);
    wm_arena_done(&arena);
    return status;
}

/* ---- sources ---- */

int wm_train_sources(const struct wm_train_options *options, const char *own,
                     struct wm_arena *arena, struct wm_train_sources *ret, struct wm_error *err)
{
    *ret = (struct wm_train_sources){.n = 1, .dirs = {own}, .weights = {1}};
    if (options->mix.n >= WM_MIXTURE_MAX)
        return wm_fail(err, WM_E_CONFIG, "%zu sources are over the limit of %d", options->mix.n + 1,
                       WM_MIXTURE_MAX);
    for (size_t i = 0; i < options->mix.n; i++) {
        const char *item = options->mix.items[i], *equals = strrchr(item, '=');
        double weight = 0;
        if (!equals || !wm_parse_real(wm_str_of(equals + 1), &weight) || !(weight > 0) ||
            weight > 1e9 || equals == item)
            return wm_fail(err, WM_E_CONFIG,
                           "mix takes DIR=WEIGHT with a weight over 0, not \"%s\"", item);
        const char *dir = wm_arena_cstr(arena, (struct wm_str){item, (size_t)(equals - item)});
        if (!dir)
            return wm_fail_nomem(err, WM_PATH_MAX, "names of sources");
        ret->dirs[ret->n] = dir;
        ret->weights[ret->n++] = weight;
    }
    return 0;
}

/* ",\"mix 1\":\"DIGEST=WEIGHT\"": contents, not names. */
static int describe_mix(const struct wm_train_options *options, struct wm_buf *out,
                        struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_train_sources sources;
    wm_arena_init(&arena, WM_TRAIN_NAMES);
    int status = wm_train_sources(options, "", &arena, &sources, err);
    for (uint32_t i = 1; !status && i < sources.n; i++) {
        char path[WM_PATH_MAX], hex[WM_HEX128];
        struct wm_digest digest = {0};
        status = wm_path_join(path, sources.dirs[i], "shards.json", err);
        if (!status)
            status = wm_file_digest(path, &digest, err);
        wm_hex128(digest.hash, hex);
        if (!status)
            status =
                wm_buf_printf(out, err, ",\"mix %u\":\"%s=%.17g\"", i, hex, sources.weights[i]);
    }
    wm_arena_done(&arena);
    return status;
}

int wm_train_describe(const struct wm_train_options *given, struct wm_buf *out,
                      struct wm_error *err)
{
    const struct wm_train_options options = wm_train_options_resolve(given);
    XXH128_hash_t digest;
    char hex[WM_HEX128];
    int status = wm_options_describe(wm_train_option_table, &options, out, err);
    if (status)
        return status;
    out->len--; /* the closing brace: more members follow */
    if (options.init_from) {
        status = wm_weights_digest(options.init_from, &digest, err);
        wm_hex128(digest, hex);
        if (!status)
            status = wm_buf_printf(out, err, ",\"init_from\":\"%s\"", hex);
    }
    if (!status)
        status = describe_mix(&options, out, err);
    return status ? status : wm_buf_add(out, "}", 1, err);
}
