/* SPDX-License-Identifier: Apache-2.0 */
/* train: a model from the shards. */
#include <stdio.h>
#include <string.h>

#include "run/step.h"

/* What is read beside the shards is there, before anything is touched. */
static int check_there(const char *option, const char *dir, const char *file, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, dir, file, err);
    if (status || wm_exists(path))
        return status;
    (void)wm_fail(err, WM_E_CONFIG, "%s: there is no %s", option, file);
    return wm_error_where(err, "%s", dir);
}

static int check_init_from(const struct wm_run *run, struct wm_error *err)
{
    char out[WM_PATH_MAX];
    const char *from = run->train.init_from;
    int status = check_there("init_from", from, "config.json", err);
    if (!status && (run->options.output || run->directory[WM_STEP_TRAIN]))
        status = wm_step_dir(run, WM_STEP_TRAIN, out, err);
    else
        return status; /* no directory at all is told of by wm_run_check */
    if (status || !wm_same_path(from, out))
        return status;
    (void)wm_fail(err, WM_E_CONFIG, "init_from: the model would be written over itself");
    return wm_error_hint(err, "give another directory for the result");
}

static int check_mix(const struct wm_train_options *options, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; i < options->mix.n && !status; i++) {
        const char *item = options->mix.items[i];
        char dir[WM_PATH_MAX];
        (void)snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(item, '=') - item), item);
        status = check_there("mix", dir, "shards.json", err);
    }
    return status;
}

static int check(const struct wm_run *run, struct wm_error *err)
{
    int status = wm_train_options_check(&run->train, err);
    if (!status && run->train.init_from)
        status = check_init_from(run, err);
    return status ? status : check_mix(&run->train, err);
}

static int describe(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    return wm_train_describe(&ctx->run->train, out, err);
}

static int add_facts(const struct wm_train_result *result, json_t *facts, struct wm_error *err)
{
    json_t *more =
        json_pack("{s:I, s:I, s:I, s:f, s:f}", "parameters", (json_int_t)result->n_params, "steps",
                  (json_int_t)result->n_steps, "tokens", (json_int_t)result->n_tokens, "train_nats",
                  result->train_nats, "unigram_nats", result->unigram_nats);
    int status = wm_json_ok(more, err);
    if (!status && result->validated &&
        (json_object_set_new(more, "validation_nats", json_real(result->validation_nats)) ||
         json_object_set_new(more, "bits_per_byte", json_real(result->bits_per_byte))))
        status = wm_fail_nomem(err, 0, "JSON");
    if (!status && json_object_update(facts, more))
        status = wm_fail_nomem(err, 0, "JSON");
    json_decref(more);
    return status;
}

static int run(struct wm_step_context *ctx, json_t *facts, struct wm_error *err)
{
    char shards[WM_PATH_MAX];
    struct wm_train_result result;
    struct wm_train_job job = {
        .options = &ctx->run->train,
        .shards = shards,
        .out = ctx->out_dir,
        .work = ctx->work_dir,
        .identity = ctx->identity,
        .described = ctx->described,
        .threads = ctx->n_workers,
        .memory = ctx->memory,
    };
    if (ctx->hooks) {
        job.line = ctx->hooks->line;
        job.arg = ctx->hooks->arg;
        job.progress = ctx->hooks->progress;
        job.cancel = ctx->hooks->cancel;
    }
    int status = wm_step_dir(ctx->run, WM_STEP_SHARDS, shards, err);
    if (!status)
        status = wm_train(&job, &result, err);
    return status ? status : add_facts(&result, facts, err);
}

/* A training of hours: how far it has come, and what is other about it. */
static int unfinished(const struct wm_step_context *ctx, const char *dir,
                      char ret[WM_STEP_UNFINISHED], struct wm_error *err)
{
    struct wm_train_unfinished found;
    int status = wm_train_unfinished(dir, &ctx->run->train, &found, err);
    if (!status && found.step)
        (void)snprintf(ret, WM_STEP_UNFINISHED, "step %llu%s%s", (unsigned long long)found.step,
                       *found.differs ? "; " : "", found.differs);
    return status;
}

static int whose(const char *dir, char ret[WM_HEX128], struct wm_error *err)
{
    XXH128_hash_t identity;
    int status = wm_train_identity(dir, &identity, err);
    *ret = '\0';
    if (!status && (identity.low64 || identity.high64))
        wm_hex128(identity, ret);
    return status;
}

/* The shards say the vocabulary and the tokens, if they are there already. */
static int look_at_shards(const struct wm_step_context *ctx, struct wm_train_data *ret,
                          struct wm_error *err)
{
    char dir[WM_PATH_MAX];
    int status = wm_step_dir(ctx->run, WM_STEP_SHARDS, dir, err);
    return status ? status
                  : wm_train_look(&ctx->run->train, dir, (uint32_t)ctx->run->tokenizer.vocabulary,
                                  ret, err);
}

static int predict(struct wm_step_context *ctx, struct wm_prediction *ret, struct wm_error *err)
{
    struct wm_train_estimate need;
    struct wm_train_data data;
    int status = look_at_shards(ctx, &data, err);
    if (!status)
        status = wm_train_estimate(&ctx->run->train, &data, &need, err);
    if (status)
        return status;
    ret->memory_least = need.memory_least;
    ret->memory_full = need.memory;
    ret->is_estimate = true;
    ret->disk = need.disk;
    char params[32], n_tokens[32], time[32];
    bool large = need.flops >= 1e15;
    wm_format_count(need.n_params, params, sizeof params);
    wm_format_count(need.n_tokens, n_tokens, sizeof n_tokens);
    if (ctx->run->train.time > 0) {
        (void)snprintf(ret->note, sizeof ret->note, "%s parameters, as many steps as fit into %s",
                       params, wm_format_duration(ctx->run->train.time, time, sizeof time));
        return 0;
    }
    (void)snprintf(ret->note, sizeof ret->note,
                   "%s parameters, %llu step%s, %s tokens, %.1f %cFLOP in all", params,
                   (unsigned long long)need.n_steps, wm_plural(need.n_steps), n_tokens,
                   need.flops / (large ? 1e15 : 1e12), large ? 'P' : 'T');
    return 0;
}

static int explain(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    struct wm_train_data data;
    int status = look_at_shards(ctx, &data, err);
    if (status)
        return status;
    return wm_train_explain(&ctx->run->train, &data, ctx->memory, ctx->n_workers, out, err);
}

const struct wm_step wm_step_train = {
    .id = WM_STEP_TRAIN,
    .name = "train",
    .directory = "model",
    .summary = "a model from the shards",
    .version = 5,
    .needs = 1u << WM_STEP_SHARDS,
    .check = check,
    .describe = describe,
    .run = run,
    .unfinished = unfinished,
    .whose = whose,
    .explain = explain,
    .predict = predict,
    .verify = wm_train_verify,
};
