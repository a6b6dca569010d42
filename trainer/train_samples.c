/* SPDX-License-Identifier: Apache-2.0 */
/* Texts that the model writes on its way. They are what `generate` would write with the weights of
 * that step, its usual options and the training's seed (the n-th prompt, from 0: seed + n), and so a
 * function of the training alone; nothing of the training depends on them. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "trainer/generator.h"
#include "trainer/training.h"

/* ---- prompts ---- */

static struct wm_str prompt_of(const struct wm_training *t, size_t i)
{
    const struct wm_list *given = &t->options->sample_prompt;
    return given->n ? wm_str_of(given->items[i]) : WM_STR("");
}

static int encode_prompts(struct wm_training *t, struct wm_encoder *encoder, struct wm_error *err)
{
    const size_t n = t->options->sample_prompt.n ? t->options->sample_prompt.n : 1;
    int status = 0;
    t->prompts = calloc(n, sizeof *t->prompts);
    if (!t->prompts)
        return wm_fail_nomem(err, n * sizeof *t->prompts, "prompts");
    for (t->n_prompts = 0; !status && t->n_prompts < n; t->n_prompts++)
        status = wm_generator_prompt(t->tokenizer, t->framed, encoder, prompt_of(t, t->n_prompts),
                                     &t->prompts[t->n_prompts], err);
    return status ? wm_error_where(err, "sample_prompt") : 0;
}

int wm_training_plan_samples(struct wm_training *t, struct wm_error *err)
{
    struct wm_encoder *encoder = NULL;
    uint32_t before[WM_SHARD_FRAME], eod;
    wm_text_samples_init(&t->samples);
    if (!t->options->sample_every)
        return 0;
    if (!t->options->sample_prompt.n && !wm_tokenizer_eod(t->tokenizer, &eod) &&
        !(t->framed && wm_shard_frame(t->tokenizer, false, before))) {
        wm_training_say(t, "no samples: the tokenizer has no token to begin a document with; "
                           "sample_prompt gives a beginning");
        return 0;
    }
    int status = wm_encoder_new(t->tokenizer, &encoder, err);
    if (!status)
        status = encode_prompts(t, encoder, err);
    wm_encoder_free(encoder);
    return status;
}

void wm_training_close_samples(struct wm_training *t)
{
    for (size_t i = 0; i < t->n_prompts; i++)
        wm_ids_done(&t->prompts[i]);
    free(t->prompts);
    wm_text_samples_done(&t->samples);
}

/* ---- writing ---- */

struct writing {
    struct wm_buf text;
    struct wm_cancel *cancel;
    int status;
    struct wm_error *err;
};

static int on_text(void *arg, struct wm_str text)
{
    struct writing *w = arg;
    w->status = wm_cancel_check(w->cancel, w->err);
    if (!w->status)
        w->status = wm_buf_add(&w->text, text.ptr, text.len, w->err);
    return w->status;
}

/* Behind prompt `i`. Weights that are no numbers end the text: the next step will name them. */
static int write_text(struct wm_training *t, struct wm_generator *g, size_t i, struct writing *w)
{
    struct wm_generate_options options;
    struct wm_ids ids = {0};
    wm_options_default(wm_generate_option_table, &options);
    options.max_tokens = t->options->sample_tokens;
    options.seed = t->options->seed + i;
    ids.ids = malloc(t->prompts[i].n * sizeof *ids.ids);
    if (!ids.ids)
        return wm_fail_nomem(w->err, t->prompts[i].n * sizeof *ids.ids, "a prompt");
    memcpy(ids.ids, t->prompts[i].ids, t->prompts[i].n * sizeof *ids.ids);
    ids.n = ids.cap = t->prompts[i].n;
    w->text.len = 0;
    w->status = wm_cancel_check(w->cancel, w->err);
    int status = w->status;
    if (!status)
        status = wm_generator_write(g, &ids, &options, on_text, w, NULL, w->err);
    wm_ids_done(&ids);
    return w->status ? w->status : status == WM_E_FORMAT ? 0 : status;
}

static int write_all(struct wm_training *t, struct wm_generator *g, struct wm_error *err)
{
    struct writing w = {.cancel = t->job->cancel, .err = err};
    int status = 0;
    wm_buf_init(&w.text, WM_GENERATE_TEXT_MAX);
    for (size_t i = 0; i < t->n_prompts && !status; i++) {
        status = write_text(t, g, i, &w);
        const struct wm_text_sample sample = {t->history.n, prompt_of(t, i), wm_buf_str(&w.text)};
        if (!status)
            status = wm_text_samples_add(&t->samples, &sample, err);
    }
    wm_buf_done(&w.text);
    return status;
}

int wm_training_write_samples(struct wm_training *t, struct wm_error *err)
{
    struct wm_generator g = {.tokenizer = t->tokenizer, .model = t->model};
    const size_t before = t->samples.lines.len;
    const uint64_t step = t->samples.step;
    int status = wm_sampler_init(&g.sampler, wm_tokenizer_size(t->tokenizer), err);
    wm_optimizer_swap_average(t->optimizer); /* as for validation */
    if (!status)
        status = write_all(t, &g, err);
    wm_optimizer_swap_average(t->optimizer);
    wm_sampler_done(&g.sampler);
    if (status) {
        t->samples.lines.len = before;
        t->samples.step = step;
    }
    if (status == WM_E_LIMIT) {
        wm_training_say(t, "samples.jsonl is full: step %" PRIu64 "'s are left out", t->history.n);
        return 0;
    }
    return status;
}

/* ---- showing ---- */

/* A line of text with `before` in front, whatever its length. */
static int say_line(const struct wm_training *t, const char *before, struct wm_str line,
                    struct wm_error *err)
{
    const size_t n = strlen(before), size = n + 4 * line.len + 1;
    char *text = malloc(size);
    if (!text)
        return wm_fail_nomem(err, size, "a sample to show");
    memcpy(text, before, n);
    wm_escape(text + n, size - n, line.ptr, line.len);
    t->job->line(t->job->arg, text);
    free(text);
    return 0;
}

/* The lines behind `from`: prompt and text as one, line by line. */
static int say_samples(const struct wm_training *t, size_t from, struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_text_sample sample;
    struct wm_str rest = {t->samples.lines.ptr + from, t->samples.lines.len - from};
    struct wm_buf whole;
    char before[48];
    int status = 0;
    wm_arena_init(&arena, 2 * (size_t)WM_CHECKPOINT_STATE);
    wm_buf_init(&whole, WM_CHECKPOINT_STATE);
    while (!status && (status = wm_text_samples_next(&rest, &arena, &sample, err)) > 0) {
        whole.len = 0;
        status = wm_buf_add(&whole, sample.prompt.ptr, sample.prompt.len, err);
        if (!status)
            status = wm_buf_add(&whole, sample.text.ptr, sample.text.len, err);
        struct wm_str lines = wm_buf_str(&whole);
        (void)snprintf(before, sizeof before, "sample, step %" PRIu64 ": ", sample.step);
        do {
            if (!status)
                status = say_line(t, before, wm_str_line(&lines), err);
            (void)snprintf(before, sizeof before, "    ");
        } while (!status && lines.len);
        wm_arena_reset(&arena);
    }
    wm_buf_done(&whole);
    wm_arena_done(&arena);
    return status;
}

int wm_training_sample(struct wm_training *t, bool last, struct wm_error *err)
{
    const uint64_t step = t->history.n, every = t->options->sample_every;
    const size_t before = t->samples.lines.len;
    if (!t->n_prompts || !step || step == t->samples.step || (!last && step % every))
        return 0;
    int status = wm_training_write_samples(t, err);
    const bool none = t->samples.lines.len == before;
    return status || none || !t->job->line ? status : say_samples(t, before, err);
}
