/* SPDX-License-Identifier: Apache-2.0 */
/* One token at a time: the forward pass for a single row, with every layer's keys and values kept.
 * Matrix × vector is bound by memory, so a row of W is one dot product. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/activations.h"

enum { ITEM_FLOATS = 32768 }; /* of weights read by one item */

struct wm_decoder {
    struct wm_model *model;
    uint32_t position; /* of the next token */
    float *memory;     /* all below */
    float *x, *norm, *qkv, *mixed, *branch, *wide, *logits;
    float *scores; /* [H, T] */
    float *keys;   /* [n_layer, T, C] */
    float *values;
};

int wm_decoder_new(struct wm_model *model, struct wm_decoder **ret, struct wm_error *err)
{
    const struct wm_model_config *config = &model->config;
    const uint64_t c = config->n_embd, t = config->n_ctx;
    const uint64_t cache = config->n_layer * t * c, scores = config->n_head * t;
    const uint64_t floats = 11 * c + config->vocabulary + scores + 2 * cache;
    if (config->architecture != WM_ARCH_GPT2)
        return wm_fail(err, WM_E_CONFIG, "architecture %s cannot be decoded token by token",
                       wm_model_parts(config)->name);
    struct wm_decoder *d = calloc(1, sizeof *d);
    float *memory = floats < SIZE_MAX / 8 ? calloc((size_t)floats, sizeof *memory) : NULL;
    if (!d || !memory) {
        free(d);
        free(memory);
        return wm_fail_nomem(err, (size_t)floats * sizeof *memory, "key/value cache");
    }
    d->model = model;
    d->memory = memory;
    d->x = memory;
    d->norm = d->x + c;
    d->qkv = d->norm + c;
    d->mixed = d->qkv + 3 * c;
    d->branch = d->mixed + c;
    d->wide = d->branch + c;
    d->logits = d->wide + 4 * c;
    d->scores = d->logits + config->vocabulary;
    d->keys = d->scores + scores;
    d->values = d->keys + cache;
    *ret = d;
    return 0;
}

void wm_decoder_free(struct wm_decoder *decoder)
{
    if (decoder)
        free(decoder->memory);
    free(decoder);
}

void wm_decoder_restart(struct wm_decoder *decoder)
{
    decoder->position = 0;
}

/* ---- y = W x + bias ---- */

struct product {
    const struct wm_kernels *kernels;
    const float *w, *bias, *x; /* bias may be NULL */
    float *y;
    size_t n_out, n_in, item_rows;
};

static void product_rows(void *arg, size_t item)
{
    const struct product *p = arg;
    const size_t end = (item + 1) * p->item_rows < p->n_out ? (item + 1) * p->item_rows : p->n_out;
    for (size_t i = item * p->item_rows; i < end; i++) {
        float sum = p->kernels->dot(p->w + i * p->n_in, p->x, p->n_in);
        p->y[i] = p->bias ? sum + p->bias[i] : sum;
    }
}

/* A tensor the model must have. */
static size_t at(const struct wm_model *model, enum wm_param_place place, uint32_t layer)
{
    return (size_t)wm_params_at(&model->layout, place, layer);
}

static void multiply(const struct wm_model *model, size_t weight_at, bool bias, const float *x,
                     float *y)
{
    const struct wm_param *w = &model->layout.table[weight_at];
    struct product p = {
        .kernels = model->acts->shop.kernels,
        .w = wm_param_of(model, weight_at),
        .bias = bias ? wm_param_of(model, weight_at + 1) : NULL,
        .x = x,
        .y = y,
        .n_out = w->shape[0],
        .n_in = w->shape[1],
    };
    p.item_rows = p.n_in < ITEM_FLOATS ? ITEM_FLOATS / p.n_in : 1;
    wm_parallel(model->team, (p.n_out + p.item_rows - 1) / p.item_rows, product_rows, &p);
}

static void normalise(const struct wm_model *model, size_t gain_at, const float *x, float *y)
{
    float mean, rstd;
    model->acts->shop.kernels->layer_norm(
        x, wm_param_of(model, gain_at), wm_param_of(model, gain_at + 1), model->config.norm_epsilon,
        model->config.n_embd, y, &mean, &rstd);
}

/* ---- attention of the newest token ---- */

struct attend {
    struct wm_decoder *decoder;
    const float *keys, *values; /* the layer's, [T, C] */
};

static void attend_head(void *arg, size_t head)
{
    const struct attend *a = arg;
    struct wm_decoder *d = a->decoder;
    const struct wm_model_config *config = &d->model->config;
    const struct wm_kernels *kernels = d->model->acts->shop.kernels;
    const size_t c = config->n_embd, depth = c / config->n_head, n = d->position + (size_t)1;
    float *scores = d->scores + head * config->n_ctx, *out = d->mixed + head * depth;
    for (size_t i = 0; i < n; i++)
        scores[i] = kernels->dot(d->qkv + head * depth, a->keys + i * c + head * depth, depth);
    float max;
    float sum = kernels->softmax(scores, n, n, 1.0f / sqrtf((float)depth), &max);
    memset(out, 0, depth * sizeof *out);
    for (size_t i = 0; i < n; i++) {
        const float p = scores[i] / sum, *v = a->values + i * c + head * depth;
        for (size_t j = 0; j < depth; j++)
            out[j] += p * v[j];
    }
}

static void decode_layer(struct wm_decoder *d, uint32_t layer)
{
    const struct wm_model *model = d->model;
    const struct wm_kernels *kernels = model->acts->shop.kernels;
    const size_t c = model->config.n_embd;
    const size_t begin = (size_t)layer * model->config.n_ctx * c, now = begin + d->position * c;

    normalise(model, at(model, WM_P_NORM1_GAIN, layer), d->x, d->norm);
    multiply(model, at(model, WM_P_QKV, layer), true, d->norm, d->qkv);
    memcpy(d->keys + now, d->qkv + c, c * sizeof(float));
    memcpy(d->values + now, d->qkv + 2 * c, c * sizeof(float));
    struct attend attend = {d, d->keys + begin, d->values + begin};
    wm_parallel(model->team, model->config.n_head, attend_head, &attend);
    multiply(model, at(model, WM_P_MIX, layer), true, d->mixed, d->branch);
    kernels->add(d->x, d->branch, c);

    normalise(model, at(model, WM_P_NORM2_GAIN, layer), d->x, d->norm);
    multiply(model, at(model, WM_P_UP, layer), true, d->norm, d->wide);
    kernels->gelu(d->wide, d->wide, 4 * c);
    multiply(model, at(model, WM_P_DOWN, layer), true, d->wide, d->branch);
    kernels->add(d->x, d->branch, c);
}

int wm_decoder_feed(struct wm_decoder *decoder, uint32_t token, const float **ret_logits,
                    struct wm_error *err)
{
    const struct wm_model *model = decoder->model;
    const struct wm_model_config *config = &model->config;
    const size_t c = config->n_embd;
    if (decoder->position >= config->n_ctx)
        return wm_fail(err, WM_E_LIMIT, "the context of %u tokens is full", config->n_ctx);
    if (token >= config->vocabulary)
        return wm_fail(err, WM_E_FORMAT, "token %u is outside the vocabulary of %u", token,
                       config->vocabulary);
    memcpy(decoder->x, wm_param_of(model, at(model, WM_P_TOKENS, 0)) + token * c,
           c * sizeof(float));
    model->acts->shop.kernels->add(
        decoder->x, wm_param_of(model, at(model, WM_P_POSITIONS, 0)) + decoder->position * c, c);
    for (uint32_t i = 0; i < config->n_layer; i++)
        decode_layer(decoder, i);
    normalise(model, at(model, WM_P_LAST_GAIN, 0), decoder->x, decoder->norm);
    multiply(model, at(model, WM_P_TOKENS, 0), false, decoder->norm, decoder->logits);
    decoder->position++;
    *ret_logits = decoder->logits;
    return 0;
}
