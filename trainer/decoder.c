/* SPDX-License-Identifier: Apache-2.0 */
/* The table of operations, run for a few rows: each is the next token of some sequence. */
#include "trainer/decoder.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/activations.h"
#include "trainer/pages.h"

enum {
    ITEM_FLOATS = 32768, /* of weights read by one item */
    GEMM_ROWS = 8,       /* from here on a matrix product is faster than dot products */
};

struct wm_decoder {
    struct wm_model *model;
    uint32_t n_sequences, context;
    uint32_t lengths[WM_DECODER_SEQUENCES];
    struct wm_pages pages; /* all below */
    float **activations;   /* [n_activations] of [WM_DECODER_ROWS, width] */
    float *logits;         /* [n_sequences, V] */
    float *scores;         /* [team size, context] */
    float *keys, *values;  /* [n_layer, n_sequences, context, G × D] */
};

/* The rows at hand. */
struct rows {
    struct wm_decoder *d;
    uint32_t n;
    bool products; /* matrix products, not dot products */
    uint32_t sequence[WM_DECODER_ROWS], position[WM_DECODER_ROWS], token[WM_DECODER_ROWS];
    const struct wm_op *op;
};

/* ---- memory ---- */

static uint64_t kv_width(const struct wm_model_config *c)
{
    return (uint64_t)c->n_kv_head * c->head_dim;
}

/* Activations that share memory in the model's plan could share here too; a few rows take little. */
static uint64_t plan(const struct wm_model_config *c, const struct wm_ops *ops, unsigned n_threads,
                     uint32_t n_sequences, uint32_t context, struct wm_decoder *d)
{
    const uint64_t cache = (uint64_t)c->n_layer * n_sequences * context * kv_width(c);
    float *base = d ? d->pages.ptr : NULL;
    uint64_t used = 0;
    for (size_t i = 0; i < ops->n_activations; i++) {
        if (d)
            d->activations[i] = base + used;
        used += (uint64_t)WM_DECODER_ROWS * ops->activations[i].width;
    }
    if (d)
        d->logits = base + used;
    used += (uint64_t)n_sequences * c->vocabulary;
    if (d)
        d->scores = base + used;
    used += (uint64_t)n_threads * context;
    used = (used + 15) / 16 * 16;
    if (d) {
        d->keys = base + used;
        d->values = d->keys + cache;
    }
    return (used + 2 * cache) * sizeof(float);
}

static uint64_t plan_of(const struct wm_decoder *d, struct wm_decoder *to_place)
{
    const struct wm_model *model = d->model;
    return plan(&model->config, &model->acts->ops, wm_team_size(model->team), d->n_sequences,
                d->context, to_place);
}

uint64_t wm_decoder_memory(const struct wm_model_config *config, bool training,
                           uint32_t n_sequences, unsigned n_threads)
{
    struct wm_params params;
    struct wm_ops ops;
    struct wm_error ignored;
    uint64_t bytes = 0;
    if (wm_params_new(config, &params, &ignored))
        return 0;
    if (!wm_ops_new(config, &params, training, &ops, &ignored)) {
        bytes = wm_pages_size(plan(config, &ops, n_threads, n_sequences, config->n_ctx, NULL)) +
                sizeof(struct wm_decoder) + ops.n_activations * sizeof(float *);
        wm_ops_free(&ops);
    }
    wm_params_free(&params);
    return bytes;
}

int wm_decoder_new(struct wm_model *model, uint32_t n_sequences, uint64_t context,
                   struct wm_decoder **ret, struct wm_error *err)
{
    if (n_sequences < 1 || n_sequences > WM_DECODER_SEQUENCES)
        return wm_fail(err, WM_E_CONFIG, "%u sequences at once; from 1 to %d are possible",
                       n_sequences, WM_DECODER_SEQUENCES);
    struct wm_decoder *d = calloc(1, sizeof *d);
    if (!d)
        return wm_fail_nomem(err, sizeof *d, "key/value cache");
    d->model = model;
    d->n_sequences = n_sequences;
    d->context = context && context < model->config.n_ctx ? (uint32_t)context : model->config.n_ctx;
    d->activations = calloc(model->acts->ops.n_activations, sizeof *d->activations);
    int status = d->activations ? 0 : wm_fail_nomem(err, sizeof *d, "key/value cache");
    if (!status)
        status = wm_pages_map(plan_of(d, NULL), "key/value cache", &d->pages, err);
    if (status) {
        wm_decoder_free(d);
        return status;
    }
    (void)plan_of(d, d);
    *ret = d;
    return 0;
}

void wm_decoder_free(struct wm_decoder *decoder)
{
    if (!decoder)
        return;
    wm_pages_unmap(&decoder->pages);
    free(decoder->activations);
    free(decoder);
}

uint32_t wm_decoder_length(const struct wm_decoder *decoder, uint32_t sequence)
{
    return decoder->lengths[sequence];
}

void wm_decoder_restart(struct wm_decoder *decoder, uint32_t sequence)
{
    decoder->lengths[sequence] = 0;
}

/* ---- linear maps: y[row] = W x[row] + bias, + added[row] ---- */

struct map {
    const struct wm_kernels *kernels;
    const float *w, *bias, *x, *added; /* bias and added may be NULL */
    float *y;
    size_t rows, n_out, n_in, ld_y, item_rows;
};

static void map_item(void *arg, size_t item)
{
    const struct map *m = arg;
    const size_t end = (item + 1) * m->item_rows < m->n_out ? (item + 1) * m->item_rows : m->n_out;
    for (size_t i = item * m->item_rows; i < end; i++)
        for (size_t row = 0; row < m->rows; row++) {
            float sum = m->kernels->dot(m->w + i * m->n_in, m->x + row * m->n_in, m->n_in);
            sum = m->bias ? sum + m->bias[i] : sum;
            m->y[row * m->ld_y + i] = m->added ? sum + m->added[row * m->ld_y + i] : sum;
        }
}

static void map_dots(const struct wm_model *model, struct map *m)
{
    m->item_rows = m->n_in < ITEM_FLOATS ? ITEM_FLOATS / m->n_in : 1;
    wm_parallel(model->team, (m->n_out + m->item_rows - 1) / m->item_rows, map_item, m);
}

static void map_product(const struct wm_model *model, const struct map *m)
{
    const struct wm_gemm product = {
        .m = m->rows,
        .n = m->n_out,
        .k = m->n_in,
        .a = {m->x, m->n_in, false},
        .b = {m->w, m->n_in, false},
        .c = m->y,
        .ldc = m->ld_y,
        .start = m->bias ? WM_START_BIAS : WM_START_ZERO,
        .bias = m->bias,
    };
    wm_gemm(&model->acts->shop, &product);
    for (size_t row = 0; m->added && row < m->rows; row++)
        m->kernels->add(m->y + row * m->ld_y, m->added + row * m->ld_y, m->n_out);
}

static void linear(const struct rows *r, const struct wm_op *op)
{
    const struct wm_model *model = r->d->model;
    float *y = r->d->activations[op->out];
    for (uint32_t i = 0; i < op->n_maps; i++) {
        const struct wm_param *w = &model->layout.table[op->weight[i]];
        struct map m = {
            .kernels = model->acts->shop.kernels,
            .w = wm_param_of(model, (size_t)op->weight[i]),
            .bias = op->bias[i] < 0 ? NULL : wm_param_of(model, (size_t)op->bias[i]),
            .x = r->d->activations[op->in],
            .added = op->added < 0 ? NULL : r->d->activations[op->added],
            .y = y,
            .rows = r->n,
            .n_out = w->shape[0],
            .n_in = w->shape[1],
            .ld_y = model->acts->ops.activations[op->out].width,
        };
        if (r->products)
            map_product(model, &m);
        else
            map_dots(model, &m);
        y += w->shape[0];
    }
}

/* ---- what is done row by row ---- */

static void embed(const struct rows *r, const struct wm_op *op)
{
    const struct wm_model *model = r->d->model;
    const size_t c = model->config.n_embd;
    const float *tokens = wm_tensor(model, WM_P_TOKENS, 0);
    const float *positions = wm_tensor(model, WM_P_POSITIONS, 0);
    for (uint32_t row = 0; row < r->n; row++) {
        float *x = r->d->activations[op->out] + row * c;
        memcpy(x, tokens + r->token[row] * c, c * sizeof *x);
        if (positions)
            model->acts->shop.kernels->add(x, positions + r->position[row] * c, c);
    }
}

static void norm_row(const struct rows *r, const struct wm_op *op, uint32_t row)
{
    const struct wm_model *model = r->d->model;
    const struct wm_kernels *kernels = model->acts->shop.kernels;
    const size_t c = model->config.n_embd;
    const float *x = r->d->activations[op->in] + row * c;
    const float *gain = wm_param_of(model, (size_t)op->weight[0]);
    float *y = r->d->activations[op->out] + row * c, mean, rstd;
    if (op->bias[0] >= 0)
        kernels->layer_norm(x, gain, wm_param_of(model, (size_t)op->bias[0]),
                            model->config.norm_epsilon, c, y, &mean, &rstd);
    else
        kernels->rms_norm(x, gain, model->config.norm_epsilon, c, y, &rstd);
}

static void qk_norm_row(const struct rows *r, const struct wm_op *op, uint32_t row)
{
    const struct wm_model *model = r->d->model;
    const struct wm_model_config *c = &model->config;
    const size_t d = c->head_dim, ld = model->acts->ops.activations[op->in].width;
    const float *x = r->d->activations[op->in] + row * ld;
    float *y = r->d->activations[op->out] + row * ld, rstd;
    for (size_t h = 0; h < c->n_head + c->n_kv_head; h++)
        model->acts->shop.kernels->rms_norm(x + h * d,
                                            wm_param_of(model, (size_t)op->weight[h >= c->n_head]),
                                            c->norm_epsilon, d, y + h * d, &rstd);
    const size_t values = (c->n_head + c->n_kv_head) * d;
    memcpy(y + values, x + values, (ld - values) * sizeof *y);
}

static void rope_row(const struct rows *r, const struct wm_op *op, uint32_t row)
{
    const struct wm_model *model = r->d->model;
    const struct wm_model_config *c = &model->config;
    const size_t half = c->head_dim / 2, at = r->position[row] * half;
    float *x = r->d->activations[op->in] + row * model->acts->ops.activations[op->in].width;
    model->acts->shop.kernels->rope(x, model->acts->cos + at, model->acts->sin + at, half,
                                    c->n_head + c->n_kv_head, false);
}

static void activate_row(const struct rows *r, const struct wm_op *op, uint32_t row)
{
    const struct wm_model *model = r->d->model;
    const struct wm_kernels *kernels = model->acts->shop.kernels;
    const size_t n = model->config.n_hidden;
    const float *x = r->d->activations[op->in] + row * model->acts->ops.activations[op->in].width;
    float *y = r->d->activations[op->out] + row * n;
    if (op->kind == WM_OP_GELU)
        kernels->gelu(x, y, n);
    else
        kernels->swiglu(x, x + n, y, n);
}

/* ---- attention ---- */

/* The cache of a row's sequence in a layer: [context, G × D]. */
static uint64_t cache_at(const struct rows *r, uint32_t layer, uint32_t row)
{
    const struct wm_decoder *d = r->d;
    return ((uint64_t)layer * d->n_sequences + r->sequence[row]) * d->context *
           kv_width(&d->model->config);
}

static void remember(const struct rows *r, const struct wm_op *op)
{
    const struct wm_model_config *c = &r->d->model->config;
    const size_t n = kv_width(c), ld = r->d->model->acts->ops.activations[op->in].width;
    for (uint32_t row = 0; row < r->n; row++) {
        const float *k = r->d->activations[op->in] + row * ld + (size_t)c->n_head * c->head_dim;
        const uint64_t at = cache_at(r, op->layer, row) + r->position[row] * n;
        memcpy(r->d->keys + at, k, n * sizeof *k);
        memcpy(r->d->values + at, k + n, n * sizeof *k);
    }
}

static void attend_head(void *arg, size_t item)
{
    const struct rows *r = arg;
    struct wm_decoder *d = r->d;
    const struct wm_op *op = r->op;
    const struct wm_model_config *c = &d->model->config;
    const struct wm_kernels *kernels = d->model->acts->shop.kernels;
    const uint32_t row = (uint32_t)(item / c->n_head), head = (uint32_t)(item % c->n_head);
    const size_t depth = c->head_dim, ld = kv_width(c), n = r->position[row] + (size_t)1;
    const uint64_t cache = cache_at(r, op->layer, row) + head / (c->n_head / c->n_kv_head) * depth;
    const float *q = d->activations[op->in] +
                     row * (size_t)d->model->acts->ops.activations[op->in].width + head * depth;
    float *scores = d->scores + (size_t)wm_team_slot() * d->context;
    float *out = d->activations[op->out] + ((size_t)row * c->n_head + head) * depth;
    for (size_t i = 0; i < n; i++)
        scores[i] = kernels->dot(q, d->keys + cache + i * ld, depth);
    float max;
    const float sum = kernels->softmax(scores, n, n, 1.0f / sqrtf((float)depth), &max);
    memset(out, 0, depth * sizeof *out);
    for (size_t i = 0; i < n; i++)
        kernels->axpy(out, scores[i] / sum, d->values + cache + i * ld, depth);
}

/* ---- the table runs ---- */

static void each_row(const struct rows *r, const struct wm_op *op,
                     void (*body)(const struct rows *, const struct wm_op *, uint32_t))
{
    for (uint32_t row = 0; row < r->n; row++)
        body(r, op, row);
}

/* Logits of the last `n` rows. */
static void head(const struct rows *r, const struct wm_op *op, uint32_t n)
{
    const struct wm_model *model = r->d->model;
    struct map m = {
        .kernels = model->acts->shop.kernels,
        .w = wm_param_of(model, (size_t)op->weight[0]),
        .x = r->d->activations[op->in] + (size_t)(r->n - n) * model->config.n_embd,
        .y = r->d->logits,
        .rows = n,
        .n_out = model->config.vocabulary,
        .n_in = model->config.n_embd,
        .ld_y = model->config.vocabulary,
    };
    map_dots(model, &m);
}

static void run_op(struct rows *r, const struct wm_op *op)
{
    switch (op->kind) {
    case WM_OP_EMBED:
        embed(r, op);
        break;
    case WM_OP_NORM:
        each_row(r, op, norm_row);
        break;
    case WM_OP_LINEAR:
        linear(r, op);
        break;
    case WM_OP_QK_NORM:
        each_row(r, op, qk_norm_row);
        break;
    case WM_OP_ROPE:
        each_row(r, op, rope_row);
        break;
    case WM_OP_ATTENTION:
        remember(r, op);
        r->op = op;
        wm_parallel(r->d->model->team, (size_t)r->n * r->d->model->config.n_head, attend_head, r);
        break;
    case WM_OP_GELU:
    case WM_OP_SWIGLU:
        each_row(r, op, activate_row);
        break;
    case WM_OP_HEAD:
        head(r, op, r->products ? 1 : r->n);
        break;
    case WM_N_OP_KINDS:
        break;
    }
}

static void run(void *arg)
{
    struct rows *r = arg;
    const struct wm_ops *ops = &r->d->model->acts->ops;
    for (size_t i = 0; i < ops->n; i++)
        run_op(r, &ops->ops[i]);
}

static int check(const struct wm_decoder *d, uint32_t sequence, const uint32_t *tokens, uint32_t n,
                 struct wm_error *err)
{
    const struct wm_model_config *c = &d->model->config;
    if (n > d->context - d->lengths[sequence])
        return wm_fail(err, WM_E_LIMIT, "%u tokens and %u more are over the context of %u",
                       d->lengths[sequence], n, d->context);
    for (uint32_t i = 0; i < n; i++)
        if (tokens[i] >= c->vocabulary)
            return wm_fail(err, WM_E_FORMAT, "token %u is outside the vocabulary of %u", tokens[i],
                           c->vocabulary);
    return 0;
}

static void add_row(struct rows *r, uint32_t sequence, uint32_t token)
{
    r->sequence[r->n] = sequence;
    r->position[r->n] = r->d->lengths[sequence]++;
    r->token[r->n++] = token;
}

int wm_decoder_extend(struct wm_decoder *d, uint32_t sequence, const uint32_t *tokens, uint32_t n,
                      const float **ret_logits, struct wm_error *err)
{
    int status = check(d, sequence, tokens, n, err);
    for (uint32_t at = 0; at < n && !status;) {
        const uint32_t some = n - at < WM_DECODER_ROWS ? n - at : WM_DECODER_ROWS;
        const bool products = some >= GEMM_ROWS;
        struct rows r = {.d = d, .products = products};
        for (uint32_t i = 0; i < (products ? some : 1); i++)
            add_row(&r, sequence, tokens[at++]);
        wm_team_session(d->model->team, run, &r);
    }
    *ret_logits = d->logits;
    return status;
}

int wm_decoder_step(struct wm_decoder *d, uint32_t n, const uint32_t *sequences,
                    const uint32_t *tokens, const float **ret_logits, struct wm_error *err)
{
    int status = 0;
    struct rows r = {.d = d};
    for (uint32_t i = 0; i < n && !status; i++)
        status = check(d, sequences[i], &tokens[i], 1, err);
    if (status)
        return status;
    for (uint32_t i = 0; i < n; i++)
        add_row(&r, sequences[i], tokens[i]);
    wm_team_session(d->model->team, run, &r);
    *ret_logits = d->logits;
    return 0;
}
