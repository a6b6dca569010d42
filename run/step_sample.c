/* SPDX-License-Identifier: Apache-2.0 */
/* sample: the finished model goes on from each prompt. */
#include <stdio.h>
#include <stdlib.h>

#include "run/step.h"
#include "wetmill/json.h"

enum {
    SAMPLES_MAX = 64 << 20, /* bytes of all samples together */
    AT_ONCE = 8,            /* samples written side by side */
};

static int check(const struct wm_run *run, struct wm_error *err)
{
    if (!run->sample.prompts.n) {
        wm_fail(err, WM_E_CONFIG, "there is nothing to sample from");
        return wm_error_hint(err, "give sample: prompts: a list of beginnings");
    }
    return 0;
}

static int describe(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    return wm_options_describe(wm_sample_option_table, &ctx->run->sample, out, err);
}

/* Samples come in the order they are finished; they stand in the order of their prompts. */
struct samples {
    const struct wm_sample_options *options;
    struct wm_buf *lines; /* [prompts.n] */
};

static int keep(void *arg, size_t i, struct wm_str text, const struct wm_generate_result *result,
                struct wm_error *err)
{
    const struct samples *s = arg;
    struct wm_json_out json;
    (void)result;
    wm_json_out_open(&json, &s->lines[i], err);
    wm_json_put_open(&json, '{');
    wm_json_put_key(&json, "prompt");
    wm_json_put_str(&json, wm_str_of(s->options->prompts.items[i]));
    wm_json_put_key(&json, "text");
    wm_json_put_str(&json, text);
    wm_json_put_close(&json, '}');
    return json.status ? json.status : wm_buf_add(&s->lines[i], "\n", 1, err);
}

static int generate(struct wm_step_context *ctx, struct wm_generator *model,
                    const struct samples *s, struct wm_str *prompts, struct wm_error *err)
{
    const struct wm_sample_options *o = s->options;
    const struct wm_generate_options how = {.max_tokens = o->tokens,
                                            .temperature = o->temperature,
                                            .top_k = o->top_k,
                                            .top_p = o->top_p,
                                            .min_p = o->min_p,
                                            .repetition_penalty = o->repetition_penalty,
                                            .stop = o->stop,
                                            .seed = o->seed};
    struct samples copy = *s;
    for (size_t i = 0; i < o->prompts.n; i++) {
        wm_buf_init(&s->lines[i], SAMPLES_MAX);
        prompts[i] = wm_str_of(o->prompts.items[i]);
    }
    return wm_generate_all(model, prompts, o->prompts.n, &how, AT_ONCE, keep, &copy,
                           ctx->hooks ? ctx->hooks->cancel : NULL, err);
}

static int sample_all(struct wm_step_context *ctx, struct wm_generator *model, struct wm_buf *lines,
                      struct wm_error *err)
{
    const size_t n = ctx->run->sample.prompts.n;
    struct samples s = {&ctx->run->sample, calloc(n, sizeof *s.lines)};
    struct wm_str *prompts = calloc(n, sizeof *prompts);
    int status = s.lines && prompts ? generate(ctx, model, &s, prompts, err)
                                    : wm_fail_nomem(err, n * sizeof *s.lines, "samples");
    for (size_t i = 0; s.lines && i < n; i++) {
        if (!status)
            status = wm_buf_add(lines, s.lines[i].ptr, s.lines[i].len, err);
        wm_buf_done(&s.lines[i]);
    }
    free(s.lines);
    free(prompts);
    return status;
}

static int run(struct wm_step_context *ctx, json_t *facts, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_generator *model = NULL;
    struct wm_buf lines;
    wm_buf_init(&lines, SAMPLES_MAX);
    int status = wm_step_dir(ctx->run, WM_STEP_TRAIN, path, err);
    if (!status)
        status = wm_generator_open(path, ctx->n_workers, &model, err);
    if (!status)
        status = sample_all(ctx, model, &lines, err);
    if (!status)
        status = wm_path_join(path, ctx->out_dir, "samples.jsonl", err);
    if (!status)
        status = wm_file_store(path, wm_buf_str(&lines), err);
    if (!status &&
        json_object_set_new(facts, "samples", json_integer((json_int_t)ctx->run->sample.prompts.n)))
        status = wm_fail_nomem(err, 0, "JSON");
    wm_generator_close(model);
    wm_buf_done(&lines);
    return status;
}

/* Of the model that stands, or will: its sizes follow from the options and the shards' vocabulary. */
static int predict(struct wm_step_context *ctx, struct wm_prediction *ret, struct wm_error *err)
{
    /* A prompt can be as many tokens as bytes: no vocabulary is read for a bound. */
    enum { BYTES_A_TOKEN = 5, BYTES_A_LINE = 64 };
    const struct wm_sample_options *o = &ctx->run->sample;
    struct wm_train_data data = {0};
    char dir[WM_PATH_MAX];
    bool planned = ctx->run->has[WM_STEP_TRAIN];
    uint64_t longest = 0;
    for (size_t i = 0; i < o->prompts.n; i++) {
        const size_t len = strlen(o->prompts.items[i]);
        longest = len > longest ? len : longest;
        ret->disk += 2 * len + o->tokens * BYTES_A_TOKEN + BYTES_A_LINE;
    }
    int status = wm_step_dir(ctx->run, planned ? WM_STEP_SHARDS : WM_STEP_TRAIN, dir, err);
    if (!status && planned)
        status = wm_train_look(&ctx->run->train, dir, (uint32_t)ctx->run->tokenizer.vocabulary,
                               &data, err);
    if (!status)
        status = wm_generate_estimate(planned ? NULL : dir, &ctx->run->train, data.vocabulary,
                                      o->prompts.n < AT_ONCE ? (uint32_t)o->prompts.n : AT_ONCE,
                                      longest + 1 + o->tokens, ctx->n_workers,
                                      &ret->memory_full, err);
    ret->memory_least = ret->memory_full;
    ret->is_estimate = true;
    (void)snprintf(ret->note, sizeof ret->note, "%zu prompt%s, up to %llu token%s each",
                   o->prompts.n, wm_plural(o->prompts.n), (unsigned long long)o->tokens,
                   wm_plural(o->tokens));
    return status;
}

const struct wm_step wm_step_sample = {
    .id = WM_STEP_SAMPLE,
    .name = "sample",
    .directory = "samples",
    .summary = "text the model writes from given beginnings",
    .version = 2,
    .needs = 1u << WM_STEP_TRAIN,
    .check = check,
    .describe = describe,
    .run = run,
    .predict = predict,
    .verify = wm_sample_verify,
};
