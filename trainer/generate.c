/* SPDX-License-Identifier: Apache-2.0 */
/* Text, token by token: one as it comes, or many side by side. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/generate_stop.h"
#include "trainer/generate_text.h"
#include "trainer/generator.h"
#include "wetmill/cancel.h"
#include "wetmill/progress.h"
#include "wetmill/shards.h"

/* One text being written into one sequence of a decoder. */
struct writing {
    struct wm_generator *g;
    struct wm_decoder *decoder;
    uint32_t sequence;
    const struct wm_generate_options *options;
    uint64_t seed;
    struct wm_ids ids;
    struct wm_text_stream stream;
    struct wm_stop_filter filter;
    struct wm_generate_result result;
};

static int add_token(struct wm_ids *ids, uint32_t id, struct wm_error *err)
{
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? 2 * ids->cap : 64;
        uint32_t *grown = realloc(ids->ids, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "generated tokens");
        ids->ids = grown;
        ids->cap = cap;
    }
    ids->ids[ids->n++] = id;
    return 0;
}

static uint32_t context_of(const struct wm_generator *g, const struct wm_generate_options *options)
{
    const uint32_t n_ctx = g->model->config.n_ctx;
    return options->context && options->context < n_ctx ? (uint32_t)options->context : n_ctx;
}

/* Tokens to go on with when the context is full: the last half of it. */
static uint32_t half(const struct writing *w)
{
    const uint32_t context = context_of(w->g, w->options);
    return context > 1 ? context / 2 : 1;
}

/* What the model could see is not cut off unasked. */
static int check_length(const struct wm_generator *g, const struct wm_generate_options *options,
                        uint64_t n_prompt, struct wm_error *err)
{
    const uint32_t context = context_of(g, options), n_ctx = g->model->config.n_ctx;
    if (n_prompt <= context || context == n_ctx)
        return 0;
    (void)wm_fail(err, WM_E_LIMIT,
                  "the prompt has %" PRIu64 " tokens, the context is limited to %" PRIu32, n_prompt,
                  context);
    return wm_error_hint(err, "the model can see %" PRIu32 ": give a longer context", n_ctx);
}

/* A cache for prompts of up to `n_prompt` tokens and what is to come. */
static int new_decoder(struct wm_generator *g, const struct wm_generate_options *options,
                       uint32_t n_sequences, uint64_t n_prompt, struct wm_decoder **ret,
                       struct wm_error *err)
{
    const uint64_t context = context_of(g, options), need = n_prompt + options->max_tokens;
    return wm_decoder_new(g->model, n_sequences, need < context ? need : context, ret, err);
}

/* The sequence anew, from the last `n` tokens of the text. */
static int restart(struct writing *w, uint32_t n, const float **ret_logits, struct wm_error *err)
{
    wm_decoder_restart(w->decoder, w->sequence);
    return wm_decoder_extend(w->decoder, w->sequence, w->ids.ids + w->ids.n - n, n, ret_logits,
                             err);
}

int wm_generator_prompt(const struct wm_tokenizer *tok, bool framed, struct wm_encoder *encoder,
                        struct wm_str prompt, struct wm_ids *ids, struct wm_error *err)
{
    uint32_t before[WM_SHARD_FRAME], eod;
    const size_t n = framed ? wm_shard_frame(tok, false, before) : 0;
    int status = 0;
    for (size_t i = 0; i < n && !status; i++)
        status = add_token(ids, before[i], err);
    if (!status)
        status = wm_encode(encoder, prompt, 0, ids, err);
    if (status || ids->n)
        return status;
    if (!wm_tokenizer_eod(tok, &eod))
        return wm_fail(err, WM_E_CONFIG,
                       "an empty prompt needs a tokenizer with an end-of-document token");
    return add_token(ids, eod, err);
}

static int prompt_ids(struct wm_generator *g, struct wm_str prompt, struct wm_ids *ids,
                      struct wm_error *err)
{
    return wm_generator_prompt(g->tokenizer, g->framed, g->encoder, prompt, ids, err);
}

/* The prompt stands in ids. End with end_writing in any case. */
static int begin_writing(struct writing *w, wm_generate_fn *on_text, void *arg,
                         const float **ret_logits, struct wm_error *err)
{
    int status = wm_stop_filter_init(&w->filter, &w->options->stop, on_text, arg, err);
    if (status)
        return status;
    w->stream = (struct wm_text_stream){.on_text = wm_stop_filter_add, .arg = &w->filter};
    w->result = (struct wm_generate_result){.prompt_tokens = w->ids.n};
    const bool fits = w->ids.n <= context_of(w->g, w->options);
    return restart(w, fits ? (uint32_t)w->ids.n : half(w), ret_logits, err);
}

static void end_writing(struct writing *w)
{
    wm_stop_filter_done(&w->filter);
    wm_ids_done(&w->ids);
}

/* The text has ended, for `stop`; what is held back comes out. */
static bool finish(struct writing *w, enum wm_generate_stop stop)
{
    if (stop != WM_STOP_CALLER && wm_text_stream_end(&w->stream))
        stop = WM_STOP_CALLER;
    if (stop != WM_STOP_CALLER && wm_stop_filter_end(&w->filter))
        stop = WM_STOP_CALLER;
    w->result.stop = w->filter.found ? WM_STOP_STRING : stop;
    return true;
}

/* Draw the next token. `*ret_done`: that was the end; else it waits at the end of ids. */
static int draw(struct writing *w, const float *logits, bool *ret_done, struct wm_error *err)
{
    struct wm_generator *g = w->g;
    struct wm_generate_options options = *w->options;
    uint32_t eod = UINT32_MAX, id = 0;
    options.seed = w->seed;
    (void)wm_tokenizer_eod(g->tokenizer, &eod);
    int status = wm_sampler_draw(&g->sampler, logits, w->ids.ids, w->ids.n, &options,
                                 w->result.new_tokens, &id, err);
    if (!status && id != eod)
        status = add_token(&w->ids, id, err);
    if (status)
        return status;
    if (id == eod) {
        *ret_done = finish(w, WM_STOP_END);
        return 0;
    }
    w->result.new_tokens++;
    const bool shown = !wm_token_is_special(g->tokenizer, id);
    if (shown && wm_text_stream_add(&w->stream, wm_token_bytes(g->tokenizer, id)))
        *ret_done = finish(w, WM_STOP_CALLER);
    else if (w->result.new_tokens == options.max_tokens)
        *ret_done = finish(w, WM_STOP_LENGTH);
    return 0;
}

static bool is_full(const struct writing *w)
{
    return wm_decoder_length(w->decoder, w->sequence) == context_of(w->g, w->options);
}

int wm_generator_write(struct wm_generator *generator, struct wm_ids *prompt,
                       const struct wm_generate_options *options, wm_generate_fn *on_text,
                       void *arg, struct wm_generate_result *ret, struct wm_error *err)
{
    struct writing w = {.g = generator, .options = options, .seed = options->seed, .ids = *prompt};
    const float *logits = NULL;
    bool done = false;
    *prompt = (struct wm_ids){0};
    int status = check_length(generator, options, w.ids.n, err);
    if (!status)
        status = new_decoder(generator, options, 1, w.ids.n, &w.decoder, err);
    if (!status)
        status = begin_writing(&w, on_text, arg, &logits, err);
    while (!status && !done) {
        status = draw(&w, logits, &done, err);
        if (status || done)
            break;
        const uint32_t sequence = 0, *last = &w.ids.ids[w.ids.n - 1];
        status = is_full(&w) ? restart(&w, half(&w), &logits, err)
                             : wm_decoder_step(w.decoder, 1, &sequence, last, &logits, err);
    }
    end_writing(&w);
    wm_decoder_free(w.decoder);
    if (!status && ret)
        *ret = w.result;
    return status;
}

int wm_generate(struct wm_generator *generator, struct wm_str prompt,
                const struct wm_generate_options *options, wm_generate_fn *on_text, void *arg,
                struct wm_generate_result *ret, struct wm_error *err)
{
    const double begin = wm_seconds();
    struct wm_ids ids = {0};
    int status = prompt_ids(generator, prompt, &ids, err);
    if (!status)
        status = wm_generator_write(generator, &ids, options, on_text, arg, ret, err);
    wm_ids_done(&ids);
    if (!status && ret)
        ret->seconds = wm_seconds() - begin;
    return status;
}

/* ---- many ---- */

struct slot {
    struct writing w;
    bool busy;
    size_t index; /* of its prompt */
    struct wm_buf text;
    float *logits; /* [V]: other sequences' calls write over the decoder's */
};

struct many {
    struct wm_generator *g;
    const struct wm_str *prompts;
    size_t n, next;
    const struct wm_generate_options *options;
    struct wm_decoder *decoder;
    uint32_t n_slots;
    struct slot slots[WM_DECODER_SEQUENCES];
    wm_generate_done_fn *on_done;
    void *arg;
};

static int keep_text(void *arg, struct wm_str text)
{
    struct wm_error ignored;
    return wm_buf_add(arg, text.ptr, text.len, &ignored);
}

static void keep_logits(struct many *m, struct slot *s, const float *logits)
{
    memcpy(s->logits, logits, m->g->model->config.vocabulary * sizeof *logits);
}

static int fill_slot(struct many *m, uint32_t i, struct wm_error *err)
{
    struct slot *s = &m->slots[i];
    const float *logits = NULL;
    s->index = m->next++;
    s->busy = true;
    s->text.len = 0;
    s->w = (struct writing){.g = m->g,
                            .decoder = m->decoder,
                            .sequence = i,
                            .options = m->options,
                            .seed = m->options->seed + s->index};
    int status = prompt_ids(m->g, m->prompts[s->index], &s->w.ids, err);
    if (!status)
        status = begin_writing(&s->w, keep_text, &s->text, &logits, err);
    if (!status)
        keep_logits(m, s, logits);
    return status;
}

/* A token for each busy slot; which ended is handed over and its slot filled anew. */
static int draw_all(struct many *m, struct wm_error *err)
{
    int status = 0;
    for (uint32_t i = 0; i < m->n_slots && !status; i++) {
        struct slot *s = &m->slots[i];
        bool done = true;
        while (s->busy && done && !status) {
            done = false;
            status = draw(&s->w, s->logits, &done, err);
            if (status || !done)
                break;
            if (s->w.result.stop == WM_STOP_CALLER) /* keep_text found no memory */
                return wm_fail_nomem(err, s->text.len, "generated text");
            status = m->on_done(m->arg, s->index, wm_buf_str(&s->text), &s->w.result, err);
            end_writing(&s->w);
            s->busy = false;
            if (!status && m->next < m->n)
                status = fill_slot(m, i, err);
        }
    }
    return status;
}

/* The drawn tokens into the decoder, all together; full sequences begin anew. */
static int step_all(struct many *m, struct wm_error *err)
{
    uint32_t sequences[WM_DECODER_SEQUENCES], tokens[WM_DECODER_SEQUENCES], n = 0;
    const float *logits = NULL;
    int status = 0;
    for (uint32_t i = 0; i < m->n_slots && !status; i++) {
        struct slot *s = &m->slots[i];
        if (!s->busy)
            continue;
        if (is_full(&s->w)) {
            status = restart(&s->w, half(&s->w), &logits, err);
            if (!status)
                keep_logits(m, s, logits);
            continue;
        }
        sequences[n] = i;
        tokens[n++] = s->w.ids.ids[s->w.ids.n - 1];
    }
    if (!status && n)
        status = wm_decoder_step(m->decoder, n, sequences, tokens, &logits, err);
    for (uint32_t i = 0; i < n && !status; i++)
        keep_logits(m, &m->slots[sequences[i]], logits + i * m->g->model->config.vocabulary);
    return status;
}

/* Tokens of the longest prompt; the same one often stands there many times in a row. */
static int find_longest(const struct many *m, uint64_t *ret, struct wm_error *err)
{
    struct wm_ids ids = {0};
    int status = 0;
    *ret = 0;
    for (size_t i = 0; i < m->n && !status; i++) {
        if (i && m->prompts[i].ptr == m->prompts[i - 1].ptr &&
            m->prompts[i].len == m->prompts[i - 1].len)
            continue;
        ids.n = 0;
        status = prompt_ids(m->g, m->prompts[i], &ids, err);
        *ret = ids.n > *ret ? ids.n : *ret;
    }
    wm_ids_done(&ids);
    return status ? status : check_length(m->g, m->options, *ret, err);
}

static int run_many(struct many *m, struct wm_cancel *cancel, struct wm_error *err)
{
    int status = 0;
    for (uint32_t i = 0; i < m->n_slots && !status; i++)
        status = fill_slot(m, i, err);
    for (bool busy = true; busy && !status;) {
        status = wm_cancel_check(cancel, err);
        if (!status)
            status = draw_all(m, err);
        if (!status)
            status = step_all(m, err);
        busy = false;
        for (uint32_t i = 0; i < m->n_slots; i++)
            busy = busy || m->slots[i].busy;
    }
    return status;
}

int wm_generate_all(struct wm_generator *generator, const struct wm_str *prompts, size_t n,
                    const struct wm_generate_options *options, uint32_t at_once,
                    wm_generate_done_fn *on_done, void *arg, struct wm_cancel *cancel,
                    struct wm_error *err)
{
    const size_t vocabulary = generator->model->config.vocabulary;
    const uint32_t n_slots = n < at_once ? (uint32_t)n : at_once;
    if (!n)
        return 0;
    struct many *m = calloc(1, sizeof *m);
    float *logits = malloc(n_slots * vocabulary * sizeof *logits);
    int status = m && logits ? 0 : wm_fail_nomem(err, sizeof *m, "generated texts");
    if (!status) {
        *m = (struct many){.g = generator,
                           .prompts = prompts,
                           .n = n,
                           .options = options,
                           .n_slots = n_slots,
                           .on_done = on_done,
                           .arg = arg};
        for (uint32_t i = 0; i < n_slots; i++) {
            wm_buf_init(&m->slots[i].text, WM_GENERATE_TEXT_MAX);
            m->slots[i].logits = logits + i * vocabulary;
        }
        uint64_t longest = 0;
        status = find_longest(m, &longest, err);
        if (!status)
            status = new_decoder(generator, options, n_slots, longest, &m->decoder, err);
        if (!status)
            status = run_many(m, cancel, err);
        wm_decoder_free(m->decoder);
        for (uint32_t i = 0; i < n_slots; i++) {
            if (m->slots[i].busy)
                end_writing(&m->slots[i].w);
            wm_buf_done(&m->slots[i].text);
        }
    }
    free(m);
    free(logits);
    return status;
}
