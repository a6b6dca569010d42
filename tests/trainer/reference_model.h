/* SPDX-License-Identifier: Apache-2.0 */
/* The models once more, in double and in plain loops: what every fast path is judged against. Only
 * the names and shapes of the tables of parameters are shared with the code under test.
 *
 *     x = wte[id] (+ wpe[position])
 *     per layer: x += mix(attention(qkv(norm x)));  x += down(act(up(norm x)))
 *     logits = head(norm x);  loss = Σ weight × −log softmax(logits)[target] */
#ifndef WETMILL_TESTS_TRAINER_REFERENCE_MODEL_H
#define WETMILL_TESTS_TRAINER_REFERENCE_MODEL_H

#include <math.h>

#include "test.h"
#include "trainer/model.h"

struct ref_layer {
    double *in, *n1, *raw, *qkv, *p, *mixed, *middle, *n2, *wide, *act;
};

struct ref_model {
    struct wm_model_config config;
    struct wm_params layout;
    double *w, *g, *m, *v; /* [layout.n_floats] */
    /* of the last batch */
    const struct wm_lm_batch *batch;
    size_t rows;
    struct ref_layer *layers;
    double *out, *last, *logits, *d_x, *d_n, *d_wide, *d_act;
};

static inline double *ref_zeros(size_t n)
{
    double *x = calloc(n ? n : 1, sizeof *x);
    if (!x)
        exit(1);
    return x;
}

static inline struct ref_model ref_model_new(const struct wm_model_config *config)
{
    struct ref_model r = {.config = *config};
    struct wm_error failed;
    CHECK_OK(wm_params_new(config, &r.layout, &failed), failed);
    r.w = ref_zeros(r.layout.n_floats);
    r.g = ref_zeros(r.layout.n_floats);
    r.m = ref_zeros(r.layout.n_floats);
    r.v = ref_zeros(r.layout.n_floats);
    return r;
}

static inline void ref_forget(struct ref_model *r)
{
    for (uint32_t l = 0; r->layers && l < r->config.n_layer; l++) {
        struct ref_layer *a = &r->layers[l];
        double *all[] = {a->in,    a->n1,     a->raw, a->qkv,  a->p,
                         a->mixed, a->middle, a->n2,  a->wide, a->act};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
    free(r->layers);
    double *all[] = {r->out, r->last, r->logits, r->d_x, r->d_n, r->d_wide, r->d_act};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    r->layers = NULL;
    r->out = r->last = r->logits = r->d_x = r->d_n = r->d_wide = r->d_act = NULL;
}

static inline void ref_model_free(struct ref_model *r)
{
    ref_forget(r);
    free(r->w);
    free(r->g);
    free(r->m);
    free(r->v);
    wm_params_free(&r->layout);
}

/* A tensor among `of` (r->w or r->g); NULL if there is none such. */
static inline double *ref_at(const struct ref_model *r, double *of, enum wm_param_place place,
                             uint32_t layer)
{
    const int32_t at = wm_params_at(&r->layout, place, layer);
    return at < 0 ? NULL : of + r->layout.table[at].offset;
}

/* ---- parts; gradients are added ---- */

static inline void ref_linear(const double *x, size_t rows, size_t n_in, const double *w,
                              const double *bias, size_t n_out, double *y, size_t ld)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < n_out; o++) {
            double sum = bias ? bias[o] : 0;
            for (size_t i = 0; i < n_in; i++)
                sum += x[r * n_in + i] * w[o * n_in + i];
            y[r * ld + o] = sum;
        }
}

static inline void ref_linear_back(const double *dy, size_t ld, const double *x, size_t rows,
                                   size_t n_in, const double *w, size_t n_out, double *dx,
                                   double *dw, double *dbias)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t o = 0; o < n_out; o++) {
            const double d = dy[r * ld + o];
            if (dbias)
                dbias[o] += d;
            for (size_t i = 0; i < n_in; i++) {
                dx[r * n_in + i] += d * w[o * n_in + i];
                dw[o * n_in + i] += d * x[r * n_in + i];
            }
        }
}

/* With a bias: layer norm; without: RMS. */
static inline void ref_norm(const double *x, size_t n, const double *gain, const double *bias,
                            double epsilon, double *y)
{
    double mean = 0, square = 0;
    for (size_t i = 0; bias && i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++)
        y[i] = (x[i] - mean) / sqrt(square + epsilon) * gain[i] + (bias ? bias[i] : 0);
}

static inline void ref_norm_back(const double *dy, const double *x, size_t n, const double *gain,
                                 bool layer, double epsilon, double *dx, double *dgain,
                                 double *dbias)
{
    double mean = 0, square = 0, sum = 0, dot = 0;
    for (size_t i = 0; layer && i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        square += (x[i] - mean) * (x[i] - mean) / (double)n;
    const double s = 1 / sqrt(square + epsilon);
    for (size_t i = 0; i < n; i++) {
        const double z = (x[i] - mean) * s;
        dgain[i] += dy[i] * z;
        if (layer)
            dbias[i] += dy[i];
        sum += layer ? dy[i] * gain[i] / (double)n : 0;
        dot += dy[i] * gain[i] * z / (double)n;
    }
    for (size_t i = 0; i < n; i++)
        dx[i] += s * (dy[i] * gain[i] - sum - (x[i] - mean) * s * dot);
}

/* Pairs (i, i + D/2) by position × theta^(−2i / D); back: the other way. */
static inline void ref_rope(const struct ref_model *r, double *x, size_t n_head, uint32_t position,
                            bool back)
{
    const size_t d = r->config.head_dim, half = d / 2;
    for (size_t h = 0; h < n_head; h++)
        for (size_t i = 0; i < half; i++) {
            const double theta = (double)r->config.rope_theta;
            double angle = position * pow(theta, -2.0 * (double)i / (double)d);
            double c = cos(angle), s = back ? -sin(angle) : sin(angle);
            double *a = &x[h * d + i], *b = &x[h * d + i + half], was = *a;
            *a = was * c - *b * s;
            *b = *b * c + was * s;
        }
}

static inline double ref_gelu(double x, double *ret_slope)
{
    const double k = sqrt(2 / 3.14159265358979323846);
    const double t = tanh(k * (x + 0.044715 * x * x * x));
    *ret_slope = 0.5 * (1 + t) + 0.5 * x * (1 - t * t) * k * (1 + 3 * 0.044715 * x * x);
    return 0.5 * x * (1 + t);
}

static inline double ref_silu(double x, double *ret_slope)
{
    const double s = 1 / (1 + exp(-x));
    *ret_slope = s + x * s * (1 - s);
    return x * s;
}

/* ---- attention ---- */

static inline uint32_t ref_position(const struct wm_lm_batch *b, size_t row)
{
    return b->positions ? b->positions[row] : (uint32_t)(row % b->t);
}

static inline bool ref_sees(const struct wm_lm_batch *batch, size_t row, size_t key)
{
    const size_t t = row % batch->t;
    if (batch->first_key && key < batch->first_key[row])
        return false;
    return key <= t || (batch->prefix && key < batch->prefix[row / batch->t]);
}

/* Calls for every row and head, forward or backward. d_mixed NULL: forward. */
static inline void ref_attention(const struct ref_model *r, struct ref_layer *a,
                                 const double *d_mixed, double *d_qkv)
{
    const struct wm_model_config *c = &r->config;
    const size_t d = c->head_dim, heads = c->n_head, groups = c->n_kv_head, t = r->batch->t;
    const size_t ld = (heads + 2 * groups) * d;
    for (size_t row = 0; row < r->rows; row++)
        for (size_t h = 0; h < heads; h++) {
            const size_t begin = row / t * t, kv = (heads + h / (heads / groups)) * d;
            const size_t at_q = row * ld + h * d, at_out = row * heads * d + h * d;
            double *p = a->p + (row * heads + h) * t, sum = 0, dot = 0;
            for (size_t k = 0; k < t && !d_mixed; k++) {
                double score = 0;
                for (size_t i = 0; i < d; i++)
                    score += a->qkv[at_q + i] * a->qkv[(begin + k) * ld + kv + i];
                p[k] = ref_sees(r->batch, row, k) ? exp(score / sqrt((double)d)) : 0;
                sum += p[k];
            }
            for (size_t k = 0; k < t && !d_mixed; k++) {
                p[k] /= sum;
                for (size_t i = 0; i < d; i++)
                    a->mixed[at_out + i] += p[k] * a->qkv[(begin + k) * ld + kv + groups * d + i];
            }
            for (size_t i = 0; d_mixed && i < d; i++)
                dot += d_mixed[at_out + i] * a->mixed[at_out + i];
            for (size_t k = 0; k < t && d_mixed; k++) {
                const size_t at_k = (begin + k) * ld + kv, at_v = at_k + groups * d;
                double dp = 0;
                for (size_t i = 0; i < d; i++) {
                    dp += d_mixed[at_out + i] * a->qkv[at_v + i];
                    d_qkv[at_v + i] += p[k] * d_mixed[at_out + i];
                }
                const double ds = p[k] * (dp - dot) / sqrt((double)d);
                for (size_t i = 0; i < d; i++) {
                    d_qkv[at_q + i] += ds * a->qkv[at_k + i];
                    d_qkv[at_k + i] += ds * a->qkv[at_q + i];
                }
            }
        }
}

/* ---- layers ---- */

static inline size_t ref_qkv_width(const struct wm_model_config *c)
{
    return (size_t)(c->n_head + 2 * c->n_kv_head) * c->head_dim;
}

static inline size_t ref_wide(const struct wm_model_config *c)
{
    return (wm_model_parts(c)->mlp == WM_MLP_GELU ? 1 : 2) * (size_t)c->n_hidden;
}

#define W(place) ref_at(r, r->w, (place), l)
#define G(place) ref_at(r, r->g, (place), l)

static inline void ref_qkv(const struct ref_model *r, struct ref_layer *a, uint32_t l)
{
    const struct wm_model_config *c = &r->config;
    const size_t d = c->head_dim, q = c->n_head * d, k = c->n_kv_head * d, ld = q + 2 * k;
    if (W(WM_P_QKV)) {
        ref_linear(a->n1, r->rows, c->n_embd, W(WM_P_QKV), W(WM_P_QKV_BIAS), ld, a->raw, ld);
    } else {
        ref_linear(a->n1, r->rows, c->n_embd, W(WM_P_Q), NULL, q, a->raw, ld);
        ref_linear(a->n1, r->rows, c->n_embd, W(WM_P_K), NULL, k, a->raw + q, ld);
        ref_linear(a->n1, r->rows, c->n_embd, W(WM_P_V), NULL, k, a->raw + q + k, ld);
    }
    memcpy(a->qkv, a->raw, r->rows * ld * sizeof *a->qkv);
    for (size_t row = 0; row < r->rows; row++) {
        const size_t heads = c->n_head + c->n_kv_head;
        for (size_t h = 0; h < heads && W(WM_P_Q_NORM); h++)
            ref_norm(a->raw + row * ld + h * d, d, h < c->n_head ? W(WM_P_Q_NORM) : W(WM_P_K_NORM),
                     NULL, (double)c->norm_epsilon, a->qkv + row * ld + h * d);
        if (wm_model_parts(c)->positions == WM_POSITIONS_ROTARY)
            ref_rope(r, a->qkv + row * ld, heads, ref_position(r->batch, row), false);
    }
}

static inline void ref_qkv_back(struct ref_model *r, struct ref_layer *a, double *d_qkv, uint32_t l)
{
    const struct wm_model_config *c = &r->config;
    const size_t d = c->head_dim, q = c->n_head * d, k = c->n_kv_head * d, ld = q + 2 * k;
    for (size_t row = 0; row < r->rows; row++) {
        const size_t heads = c->n_head + c->n_kv_head;
        if (wm_model_parts(c)->positions == WM_POSITIONS_ROTARY)
            ref_rope(r, d_qkv + row * ld, heads, ref_position(r->batch, row), true);
        for (size_t h = 0; h < heads && W(WM_P_Q_NORM); h++) {
            const bool query = h < c->n_head;
            double *dy = d_qkv + row * ld + h * d, *dx = ref_zeros(d);
            ref_norm_back(dy, a->raw + row * ld + h * d, d, query ? W(WM_P_Q_NORM) : W(WM_P_K_NORM),
                          false, (double)c->norm_epsilon, dx,
                          query ? G(WM_P_Q_NORM) : G(WM_P_K_NORM), NULL);
            memcpy(dy, dx, d * sizeof *dy);
            free(dx);
        }
    }
    const size_t n = c->n_embd;
    if (W(WM_P_QKV)) {
        ref_linear_back(d_qkv, ld, a->n1, r->rows, n, W(WM_P_QKV), ld, r->d_n, G(WM_P_QKV),
                        G(WM_P_QKV_BIAS));
        return;
    }
    ref_linear_back(d_qkv, ld, a->n1, r->rows, n, W(WM_P_Q), q, r->d_n, G(WM_P_Q), NULL);
    ref_linear_back(d_qkv + q, ld, a->n1, r->rows, n, W(WM_P_K), k, r->d_n, G(WM_P_K), NULL);
    ref_linear_back(d_qkv + q + k, ld, a->n1, r->rows, n, W(WM_P_V), k, r->d_n, G(WM_P_V), NULL);
}

/* act = gelu(wide), or silu(gate) × up; with d_act: d_wide. */
static inline void ref_activate(const struct ref_model *r, struct ref_layer *a, const double *d_act,
                                double *d_wide)
{
    const size_t f = r->config.n_hidden;
    for (size_t row = 0; row < r->rows; row++)
        for (size_t i = 0; i < f; i++) {
            double slope;
            if (wm_model_parts(&r->config)->mlp == WM_MLP_GELU) {
                a->act[row * f + i] = ref_gelu(a->wide[row * f + i], &slope);
                if (d_act)
                    d_wide[row * f + i] = d_act[row * f + i] * slope;
                continue;
            }
            const size_t gate = row * 2 * f + i, up = gate + f;
            const double silu = ref_silu(a->wide[gate], &slope);
            a->act[row * f + i] = silu * a->wide[up];
            if (d_act) {
                d_wide[gate] = d_act[row * f + i] * a->wide[up] * slope;
                d_wide[up] = d_act[row * f + i] * silu;
            }
        }
}

static inline void ref_norms(const struct ref_model *r, const double *x, enum wm_param_place gain,
                             uint32_t l, double *y)
{
    const size_t c = r->config.n_embd;
    const bool layer = wm_model_parts(&r->config)->norm == WM_NORM_LAYER;
    for (size_t row = 0; row < r->rows; row++)
        ref_norm(x + row * c, c, W(gain), layer ? W(gain + 1) : NULL,
                 (double)r->config.norm_epsilon, y + row * c);
}

/* d_x += the gradient of d_n, which is cleared. */
static inline void ref_norms_back(struct ref_model *r, const double *x, enum wm_param_place gain,
                                  uint32_t l)
{
    const size_t c = r->config.n_embd;
    const bool layer = wm_model_parts(&r->config)->norm == WM_NORM_LAYER;
    for (size_t row = 0; row < r->rows; row++)
        ref_norm_back(r->d_n + row * c, x + row * c, c, W(gain), layer,
                      (double)r->config.norm_epsilon, r->d_x + row * c, G(gain),
                      layer ? G(gain + 1) : NULL);
    memset(r->d_n, 0, r->rows * c * sizeof *r->d_n);
}

static inline void ref_layer_forward(struct ref_model *r, uint32_t l, double *out)
{
    const struct wm_model_config *c = &r->config;
    struct ref_layer *a = &r->layers[l];
    const size_t rows = r->rows, n = c->n_embd, f = c->n_hidden, wide = ref_wide(c);
    ref_norms(r, a->in, WM_P_NORM1_GAIN, l, a->n1);
    ref_qkv(r, a, l);
    ref_attention(r, a, NULL, NULL);
    ref_linear(a->mixed, rows, (size_t)c->n_head * c->head_dim, W(WM_P_MIX), W(WM_P_MIX_BIAS), n,
               a->middle, n);
    for (size_t i = 0; i < rows * n; i++)
        a->middle[i] += a->in[i];
    ref_norms(r, a->middle, WM_P_NORM2_GAIN, l, a->n2);
    if (W(WM_P_GATE))
        ref_linear(a->n2, rows, n, W(WM_P_GATE), NULL, f, a->wide, wide);
    ref_linear(a->n2, rows, n, W(WM_P_UP), W(WM_P_UP_BIAS), f, a->wide + wide - f, wide);
    ref_activate(r, a, NULL, NULL);
    ref_linear(a->act, rows, f, W(WM_P_DOWN), W(WM_P_DOWN_BIAS), n, out, n);
    for (size_t i = 0; i < rows * n; i++)
        out[i] += a->middle[i];
}

static inline void ref_layer_back(struct ref_model *r, uint32_t l)
{
    const struct wm_model_config *c = &r->config;
    struct ref_layer *a = &r->layers[l];
    const size_t rows = r->rows, n = c->n_embd, f = c->n_hidden, wide = ref_wide(c);
    const size_t mixed = (size_t)c->n_head * c->head_dim;
    memset(r->d_act, 0, rows * f * sizeof *r->d_act);
    ref_linear_back(r->d_x, n, a->act, rows, f, W(WM_P_DOWN), n, r->d_act, G(WM_P_DOWN),
                    G(WM_P_DOWN_BIAS));
    ref_activate(r, a, r->d_act, r->d_wide);
    if (W(WM_P_GATE))
        ref_linear_back(r->d_wide, wide, a->n2, rows, n, W(WM_P_GATE), f, r->d_n, G(WM_P_GATE),
                        NULL);
    ref_linear_back(r->d_wide + wide - f, wide, a->n2, rows, n, W(WM_P_UP), f, r->d_n, G(WM_P_UP),
                    G(WM_P_UP_BIAS));
    ref_norms_back(r, a->middle, WM_P_NORM2_GAIN, l);
    double *d_mixed = ref_zeros(rows * mixed), *d_qkv = ref_zeros(rows * ref_qkv_width(c));
    ref_linear_back(r->d_x, n, a->mixed, rows, mixed, W(WM_P_MIX), n, d_mixed, G(WM_P_MIX),
                    G(WM_P_MIX_BIAS));
    ref_attention(r, a, d_mixed, d_qkv);
    ref_qkv_back(r, a, d_qkv, l);
    ref_norms_back(r, a->in, WM_P_NORM1_GAIN, l);
    free(d_mixed);
    free(d_qkv);
}

/* ---- the whole ---- */

static inline void ref_allocate(struct ref_model *r, const struct wm_lm_batch *batch)
{
    const struct wm_model_config *c = &r->config;
    const size_t rows = (size_t)batch->b * batch->t, n = rows * c->n_embd;
    const size_t qkv = rows * ref_qkv_width(c), heads = c->n_head;
    ref_forget(r);
    r->batch = batch;
    r->rows = rows;
    r->layers = calloc(c->n_layer, sizeof *r->layers);
    if (!r->layers)
        exit(1);
    for (uint32_t l = 0; l < c->n_layer; l++)
        r->layers[l] = (struct ref_layer){
            .in = ref_zeros(n),
            .n1 = ref_zeros(n),
            .raw = ref_zeros(qkv),
            .qkv = ref_zeros(qkv),
            .p = ref_zeros(rows * heads * batch->t),
            .mixed = ref_zeros(rows * heads * c->head_dim),
            .middle = ref_zeros(n),
            .n2 = ref_zeros(n),
            .wide = ref_zeros(rows * ref_wide(c)),
            .act = ref_zeros(rows * c->n_hidden),
        };
    r->out = ref_zeros(n);
    r->last = ref_zeros(n);
    r->logits = ref_zeros(rows * c->vocabulary);
    r->d_x = ref_zeros(n);
    r->d_n = ref_zeros(n);
    r->d_wide = ref_zeros(rows * ref_wide(c));
    r->d_act = ref_zeros(rows * c->n_hidden);
}

/* Σ weight × nll; r->logits becomes weight × scale × (p − onehot). */
static inline double ref_loss(struct ref_model *r, double scale)
{
    const size_t v = r->config.vocabulary;
    double loss = 0;
    for (size_t row = 0; row < r->rows; row++) {
        const double weight = r->batch->weights ? (double)r->batch->weights[row] : 1;
        double *x = r->logits + row * v, max = x[0], sum = 0;
        for (size_t i = 0; i < v; i++)
            max = fmax(max, x[i]);
        for (size_t i = 0; i < v; i++)
            sum += exp(x[i] - max);
        if (weight != 0)
            loss += weight * (max + log(sum) - x[r->batch->targets[row]]);
        for (size_t i = 0; i < v && scale != 0; i++)
            x[i] = weight * scale *
                   (exp(x[i] - max) / sum - (weight != 0 && i == r->batch->targets[row] ? 1 : 0));
    }
    return loss;
}

static inline double *ref_head(const struct ref_model *r, double *of)
{
    return ref_at(r, of, r->config.tied ? WM_P_TOKENS : WM_P_HEAD, 0);
}

/* As wm_model_forward_backward; scale 0: the loss alone, and r->logits are the logits. */
static inline double ref_forward_backward(struct ref_model *r, const struct wm_lm_batch *batch,
                                          double scale)
{
    const struct wm_model_config *c = &r->config;
    const size_t n = c->n_embd;
    const uint32_t l = 0;
    ref_allocate(r, batch);
    for (size_t row = 0; row < r->rows; row++)
        for (size_t i = 0; i < n; i++)
            r->layers[0].in[row * n + i] =
                W(WM_P_TOKENS)[batch->inputs[row] * n + i] +
                (W(WM_P_POSITIONS) ? W(WM_P_POSITIONS)[ref_position(batch, row) * n + i] : 0);
    for (uint32_t i = 0; i < c->n_layer; i++)
        ref_layer_forward(r, i, i + 1 < c->n_layer ? r->layers[i + 1].in : r->out);
    ref_norms(r, r->out, WM_P_LAST_GAIN, 0, r->last);
    ref_linear(r->last, r->rows, n, ref_head(r, r->w), NULL, c->vocabulary, r->logits,
               c->vocabulary);
    const double loss = ref_loss(r, scale);
    if (scale == 0)
        return loss;
    ref_linear_back(r->logits, c->vocabulary, r->last, r->rows, n, ref_head(r, r->w), c->vocabulary,
                    r->d_n, ref_head(r, r->g), NULL);
    ref_norms_back(r, r->out, WM_P_LAST_GAIN, 0);
    for (uint32_t i = c->n_layer; i--;)
        ref_layer_back(r, i);
    for (size_t row = 0; row < r->rows; row++)
        for (size_t i = 0; i < n; i++) {
            G(WM_P_TOKENS)[batch->inputs[row] * n + i] += r->d_x[row * n + i];
            if (G(WM_P_POSITIONS))
                G(WM_P_POSITIONS)[ref_position(batch, row) * n + i] += r->d_x[row * n + i];
        }
    return loss;
}

#undef W
#undef G

#endif /* WETMILL_TESTS_TRAINER_REFERENCE_MODEL_H */
