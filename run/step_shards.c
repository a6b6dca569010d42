/* SPDX-License-Identifier: Apache-2.0 */
/* shards: the corpus as tokens. */
#include <stdio.h>

#include "run/rehearse.h"

/* A corpus made elsewhere has its recipe beside it; that of our own corpus is one of its outputs. */
static int describe_recipe(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    struct wm_buf recipe;
    char hex[WM_HEX128];
    if (ctx->run->has[WM_STEP_CORPUS])
        return 0;
    wm_buf_init(&recipe, WM_SIDECAR_RECIPE_MAX);
    int status = wm_recipe_find(ctx->run, &recipe, err);
    if (!status) {
        ctx->recipe = XXH3_128bits(recipe.ptr, recipe.len);
        wm_hex128(ctx->recipe, hex);
        status = wm_buf_printf(out, err, ",\"recipe\":\"%s\"", hex);
    }
    wm_buf_done(&recipe);
    return status;
}

/* The recipe that the shards carry is the one their identity speaks of. */
static int find_recipe(const struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_recipe_find(ctx->run, out, err);
    if (status || ctx->run->has[WM_STEP_CORPUS] || ctx->run->rehearsal ||
        XXH128_isEqual(XXH3_128bits(out->ptr, out->len), ctx->recipe))
        return status;
    return wm_fail(err, WM_E_BUSY, "the recipe of the corpus changed while the step began");
}

static int describe(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "{\"options\":");
    if (!status)
        status = wm_options_describe(wm_sink_shards.options, ctx->run->shards, out, err);
    if (!status)
        status = wm_corpus_describe(ctx, out, err);
    if (!status)
        status = describe_recipe(ctx, out, err);
    return status ? status : wm_buf_printf(out, err, "}");
}

static int split_facts(const struct wm_split_info *split, const char *name, json_t *facts)
{
    return json_object_set_new(facts, name,
                               json_pack("{s:I, s:I, s:I, s:I, s:f}", "shards",
                                         (json_int_t)split->n, "tokens", (json_int_t)split->tokens,
                                         "documents", (json_int_t)split->documents, "text_bytes",
                                         (json_int_t)split->text_bytes, "unigram_nats",
                                         split->unigram_nats));
}

static int add_facts(const struct wm_shards_info *info, json_t *facts, struct wm_error *err)
{
    for (int s = 0; s < WM_SHARD_SPLITS; s++)
        if (split_facts(&info->splits[s], wm_shard_split_names[s], facts))
            return wm_fail_nomem(err, 0, "JSON");
    return json_object_set_new(facts, "left_out", json_integer((json_int_t)info->left_out))
               ? wm_fail_nomem(err, 0, "JSON")
               : 0;
}

/* As make_files() of the corpus. */
static int make_shards(struct wm_step_context *ctx, const struct wm_job *job,
                       const struct wm_shards_options *options, struct wm_job_result *result,
                       struct wm_shards_info *info, bool *ret_again, struct wm_error *err)
{
    *ret_again = false;
    int status = wm_job_run(job, result, err);
    if (status)
        return status;
    status = wm_shards_finish(ctx->work_dir, &result->parts, options, ctx->out_dir, info, err);
    if (status && (status = wm_job_mend(job, err)) > 0) {
        *ret_again = true;
        status = 0;
        wm_job_result_done(result);
        if (wm_sink_shards.close)
            wm_sink_shards.close(ctx->run->shards);
    }
    return status;
}

static int run_job(struct wm_step_context *ctx, const struct wm_inputs *inputs,
                   const struct wm_shards_options *options, json_t *facts, struct wm_error *err)
{
    struct wm_chain chain;
    struct wm_job job;
    struct wm_job_result result = {0};
    struct wm_shards_info info = {0};
    wm_chain_init(&chain);
    wm_step_job(ctx, &job);
    job.label = "shards";
    job.inputs = inputs;
    job.chain = &chain;
    job.sink = &wm_sink_shards;
    job.sink_shared = ctx->run->shards;
    job.dir = ctx->work_dir;
    job.identity = ctx->identity;
    int status = wm_rehearse_job(ctx, &job, err);
    if (!status) {
        for (bool again = true; !status && again;)
            status = make_shards(ctx, &job, options, &result, &info, &again, err);
        wm_rehearse_read(ctx, &job, status ? NULL : &result);
    }
    if (!status)
        status = add_facts(&info, facts, err);
    if (!status)
        status = wm_step_damage(&result, facts, err);
    if (!status)
        status = wm_step_note_unread(ctx, &result, facts, err);
    if (wm_sink_shards.close)
        wm_sink_shards.close(ctx->run->shards);
    wm_shards_info_done(&info);
    wm_job_result_done(&result);
    wm_chain_close(&chain);
    return status;
}

static int run(struct wm_step_context *ctx, json_t *facts, struct wm_error *err)
{
    struct wm_shards_options *options = ctx->run->shards;
    struct wm_inputs inputs = {0};
    struct wm_tokenizer *tok = NULL;
    struct wm_buf recipe;
    char path[WM_PATH_MAX];
    wm_buf_init(&recipe, WM_SIDECAR_RECIPE_MAX);
    int status = wm_step_dir(ctx->run, WM_STEP_TOKENIZER, path, err);
    if (!status)
        status = wm_tokenizer_load(path, &tok, err);
    if (!status)
        status = find_recipe(ctx, &recipe, err);
    if (!status)
        status = wm_corpus_inputs(ctx->run, &inputs, err);
    if (!status && !ctx->run->has[WM_STEP_CORPUS])
        status = wm_step_same_inputs(ctx, &inputs, err);
    if (!status) {
        options->tokenizer = tok;
        options->recipe = wm_buf_str(&recipe);
        status = run_job(ctx, &inputs, options, facts, err);
    }
    options->tokenizer = NULL;
    options->recipe = (struct wm_str){0};
    wm_inputs_close(&inputs);
    wm_tokenizer_free(tok);
    wm_buf_done(&recipe);
    return status;
}

static int predict(struct wm_step_context *ctx, struct wm_prediction *ret, struct wm_error *err)
{
    return wm_step_predict(ctx, &wm_sink_shards, ctx->run->shards, ret, err);
}

const struct wm_step wm_step_shards = {
    .id = WM_STEP_SHARDS,
    .name = "shards",
    .directory = "shards",
    .summary = "the corpus as tokens, with provenance",
    .version = 3,
    .needs = 1u << WM_STEP_CORPUS | 1u << WM_STEP_TOKENIZER,
    .describe = describe,
    .fresh = wm_step_fresh_unread,
    .run = run,
    .predict = predict,
    .verify = wm_shards_step_verify,
};
