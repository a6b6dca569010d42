/* SPDX-License-Identifier: Apache-2.0 */
/* Text from a model directory, token by token. */
#include <stdlib.h>

#include "trainer/export.h"
#include "trainer/generate_text.h"
#include "trainer/sample.h"
#include "wetmill/progress.h"
#include "wetmill/tokenizer.h"

struct wm_generator {
    struct wm_team *team;
    struct wm_tokenizer *tokenizer;
    struct wm_encoder *encoder;
    struct wm_model *model;
    struct wm_decoder *decoder;
    struct wm_sampler sampler;
};

/* ---- opening ---- */

static int check_tokenizer(const struct wm_generator *g, const struct wm_export_facts *facts,
                           const char *dir, struct wm_error *err)
{
    char want[WM_HEX128], got[WM_HEX128];
    XXH128_hash_t is = wm_tokenizer_identity(g->tokenizer);
    if (facts->has_tokenizer && !XXH128_isEqual(is, facts->tokenizer)) {
        wm_hex128(facts->tokenizer, want);
        wm_hex128(is, got);
        (void)wm_fail(err, WM_E_MISMATCH,
                      "the model was trained with tokenizer %s, tokenizer.json is %s", want, got);
    } else if (wm_tokenizer_size(g->tokenizer) > g->model->config.vocabulary) {
        (void)wm_fail(err, WM_E_MISMATCH, "the model knows %u ids, the tokenizer has %u",
                      (unsigned)g->model->config.vocabulary,
                      (unsigned)wm_tokenizer_size(g->tokenizer));
    } else {
        return 0;
    }
    return wm_error_where(err, "%s", dir);
}

static int open_generator(struct wm_generator *g, const char *dir, unsigned threads,
                          struct wm_error *err)
{
    struct wm_export_facts facts;
    int status = wm_team_new(threads, &g->team, err);
    if (!status)
        status = wm_export_load(dir, g->team, &g->model, &facts, err);
    if (!status)
        status = wm_tokenizer_load(dir, &g->tokenizer, err);
    if (!status)
        status = check_tokenizer(g, &facts, dir, err);
    if (!status)
        status = wm_encoder_new(g->tokenizer, &g->encoder, err);
    if (!status)
        status = wm_decoder_new(g->model, &g->decoder, err);
    if (!status)
        status = wm_sampler_init(&g->sampler, wm_tokenizer_size(g->tokenizer), err);
    return status;
}

int wm_generator_open(const char *dir, unsigned threads, struct wm_generator **ret,
                      struct wm_error *err)
{
    struct wm_generator *g = calloc(1, sizeof *g);
    if (!g)
        return wm_fail_nomem(err, sizeof *g, "text generator");
    int status = open_generator(g, dir, threads, err);
    if (status)
        wm_generator_close(g);
    else
        *ret = g;
    return status;
}

void wm_generator_close(struct wm_generator *generator)
{
    if (!generator)
        return;
    wm_sampler_done(&generator->sampler);
    wm_decoder_free(generator->decoder);
    wm_encoder_free(generator->encoder);
    wm_model_free(generator->model);
    wm_tokenizer_free(generator->tokenizer);
    wm_team_free(generator->team);
    free(generator);
}

/* ---- generating ---- */

/* All tokens so far, and how many of them the decoder holds. */
struct text {
    struct wm_ids ids;
    uint32_t held;
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

/* Feed the last `n` tokens of the text. */
static int feed_last(struct wm_generator *g, struct text *text, size_t n, const float **ret_logits,
                     struct wm_error *err)
{
    int status = 0;
    for (size_t i = text->ids.n - n; i < text->ids.n && !status; i++)
        status = wm_decoder_feed(g->decoder, text->ids.ids[i], ret_logits, err);
    text->held += (uint32_t)n;
    return status;
}

static int restart(struct wm_generator *g, struct text *text, size_t n, const float **ret_logits,
                   struct wm_error *err)
{
    wm_decoder_restart(g->decoder);
    text->held = 0;
    return feed_last(g, text, n, ret_logits, err);
}

/* Tokens to go on with when the context is full: the last half of it. */
static size_t half(const struct wm_generator *g)
{
    uint32_t context = g->model->config.n_ctx;
    return context > 1 ? context / 2 : 1;
}

static int start(struct wm_generator *g, struct wm_str prompt, struct text *text,
                 const float **ret_logits, struct wm_error *err)
{
    uint32_t eod;
    int status = wm_encode(g->encoder, prompt, 0, &text->ids, err);
    if (!status && !text->ids.n) {
        if (!wm_tokenizer_eod(g->tokenizer, &eod))
            return wm_fail(err, WM_E_CONFIG,
                           "an empty prompt needs a tokenizer with an end-of-document token");
        status = add_token(&text->ids, eod, err);
    }
    if (status)
        return status;
    size_t n = text->ids.n <= g->model->config.n_ctx ? text->ids.n : half(g);
    return restart(g, text, n, ret_logits, err);
}

static int next(struct wm_generator *g, struct text *text, uint32_t id, const float **ret_logits,
                struct wm_error *err)
{
    int status = add_token(&text->ids, id, err);
    if (status)
        return status;
    if (text->held < g->model->config.n_ctx)
        return feed_last(g, text, 1, ret_logits, err);
    return restart(g, text, half(g), ret_logits, err);
}

static int generate(struct wm_generator *g, struct text *text, const float *logits,
                    const struct wm_generate_options *options, struct wm_text_stream *out,
                    struct wm_generate_result *result, struct wm_error *err)
{
    uint32_t eod = UINT32_MAX, id;
    (void)wm_tokenizer_eod(g->tokenizer, &eod);
    while (result->new_tokens < options->max_tokens) {
        int status = wm_sampler_draw(&g->sampler, logits, options, result->new_tokens, &id, err);
        if (status)
            return status;
        if (id == eod) {
            result->stop = WM_STOP_END;
            return 0;
        }
        result->new_tokens++;
        bool shown = !wm_token_is_special(g->tokenizer, id);
        if (shown && wm_text_stream_add(out, wm_token_bytes(g->tokenizer, id))) {
            result->stop = WM_STOP_CALLER;
            return 0;
        }
        if (result->new_tokens == options->max_tokens)
            break;
        status = next(g, text, id, &logits, err);
        if (status)
            return status;
    }
    result->stop = WM_STOP_LENGTH;
    return 0;
}

int wm_generate(struct wm_generator *generator, struct wm_str prompt,
                const struct wm_generate_options *options, wm_generate_fn *on_text, void *arg,
                struct wm_generate_result *ret, struct wm_error *err)
{
    struct text text = {.held = 0};
    struct wm_text_stream out = {.on_text = on_text, .arg = arg};
    struct wm_generate_result result = {.stop = WM_STOP_LENGTH};
    const float *logits = NULL;
    double begin = wm_seconds();
    int status = start(generator, prompt, &text, &logits, err);
    result.prompt_tokens = text.ids.n;
    if (!status)
        status = generate(generator, &text, logits, options, &out, &result, err);
    if (!status && result.stop != WM_STOP_CALLER && wm_text_stream_end(&out))
        result.stop = WM_STOP_CALLER;
    result.seconds = wm_seconds() - begin;
    wm_ids_done(&text.ids);
    if (!status && ret)
        *ret = result;
    return status;
}
