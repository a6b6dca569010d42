/* SPDX-License-Identifier: Apache-2.0 */
/* sample: the finished model goes on from each prompt. */
#include "run/step.h"
#include "wetmill/json.h"

enum { SAMPLES_MAX = 64 << 20 }; /* bytes of all samples together */

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

struct sample {
    struct wm_buf text;
    struct wm_error *err;
    struct wm_cancel *cancel;
    int status;
};

static int on_text(void *arg, struct wm_str text)
{
    struct sample *s = arg;
    s->status = s->cancel ? wm_cancel_check(s->cancel, s->err) : 0;
    if (!s->status)
        s->status = wm_buf_add(&s->text, text.ptr, text.len, s->err);
    return s->status;
}

static void put_json(struct wm_json_out *json, const char *prompt, struct wm_str text)
{
    wm_json_put_open(json, '{');
    wm_json_put_key(json, "prompt");
    wm_json_put_str(json, wm_str_of(prompt));
    wm_json_put_key(json, "text");
    wm_json_put_str(json, text);
    wm_json_put_close(json, '}');
}

static int sample_one(struct wm_step_context *ctx, struct wm_generator *model, size_t i,
                      struct wm_buf *lines, struct wm_error *err)
{
    const struct wm_sample_options *o = &ctx->run->sample;
    struct wm_generate_options how = {.max_tokens = o->tokens,
                                      .temperature = o->temperature,
                                      .top_k = o->top_k,
                                      .top_p = o->top_p,
                                      .seed = o->seed + i};
    struct sample s = {.err = err, .cancel = ctx->hooks ? ctx->hooks->cancel : NULL};
    struct wm_json_out json;
    wm_buf_init(&s.text, SAMPLES_MAX);
    int status = wm_generate(model, wm_str_of(o->prompts.items[i]), &how, on_text, &s, NULL, err);
    if (!status)
        status = s.status;
    if (!status) {
        wm_json_out_open(&json, lines, err);
        put_json(&json, o->prompts.items[i], wm_buf_str(&s.text));
        status = json.status ? json.status : wm_buf_add(lines, "\n", 1, err);
    }
    wm_buf_done(&s.text);
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
    for (size_t i = 0; !status && i < ctx->run->sample.prompts.n; i++)
        status = sample_one(ctx, model, i, &lines, err);
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

const struct wm_step wm_step_sample = {
    .id = WM_STEP_SAMPLE,
    .name = "sample",
    .directory = "samples",
    .summary = "text the model writes from given beginnings",
    .version = 1,
    .needs = 1u << WM_STEP_TRAIN,
    .check = check,
    .describe = describe,
    .run = run,
};
