/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file activations.h
 * What the parts of the model share among themselves: the planned memory and the operations of a
 * step. Nothing here checks its arguments; model.h's functions did.
 *
 * rows = b × t of the batch at hand (≤ max_batch × n_ctx); row r is position r mod t of sequence
 * r / t. Matrices are row-major. An inference model has one layer's buffers for all layers.
 */
#ifndef WETMILL_TRAINER_ACTIVATIONS_H
#define WETMILL_TRAINER_ACTIVATIONS_H

#include "trainer/attention.h"
#include "trainer/gemm.h"
#include "trainer/model.h"

/** Places in the table of parameters: the two embeddings, then each layer's twelve, then the last
 *  norm's gain and bias. */
enum wm_layer_param {
    WM_NORM1_GAIN,
    WM_NORM1_BIAS,
    WM_QKV_WEIGHT,
    WM_QKV_BIAS,
    WM_MIX_WEIGHT, /* attention's output projection */
    WM_MIX_BIAS,
    WM_NORM2_GAIN,
    WM_NORM2_BIAS,
    WM_FC_WEIGHT, /* the MLP, up */
    WM_FC_BIAS,
    WM_DOWN_WEIGHT, /* and down */
    WM_DOWN_BIAS,
    WM_PER_LAYER,
};
enum { WM_TOKEN_EMBEDDING, WM_POSITION_EMBEDDING, WM_FIRST_LAYER };

static inline size_t wm_layer_at(uint32_t layer, enum wm_layer_param which)
{
    return WM_FIRST_LAYER + (size_t)layer * WM_PER_LAYER + which;
}

enum {
    WM_NORM_ROWS = 64,  /* rows whose norm gradients are summed before they are added up */
    WM_LOSS_ROWS = 512, /* rows of logits that exist at a time */
    WM_SPAN = 16384,    /* parameters an optimiser item updates */
};

/** Mean and 1 / standard deviation of each row, kept for the gradient. */
struct wm_norm_state {
    float *out; /* [rows, C] */
    float *mean, *rstd;
};

struct wm_layer_acts {
    const float *in; /* [rows, C] residual stream */
    struct wm_norm_state norm1;
    float *qkv;    /* [rows, 3C] queries, keys, values; heads side by side in each */
    float *mixed;  /* [rows, C] attention's output before its projection */
    float *scores; /* [b, heads, t] logarithms of its softmax's denominators */
    float *middle; /* [rows, C] residual stream after attention */
    struct wm_norm_state norm2;
    float *fc;   /* [rows, 4C] before GELU */
    float *gelu; /* [rows, 4C] after it (the same memory for inference) */
    float *out;  /* [rows, C] residual stream; the next layer's in */
};

/** Up to WM_SPAN consecutive floats of one tensor. */
struct wm_span {
    uint64_t offset;
    uint32_t n, tensor;
};

struct wm_activations {
    struct wm_workshop shop;
    struct wm_layer_acts *layers; /* [n_layer] */
    float *embedded;              /* [rows, C] the first layer's in */
    struct wm_norm_state last;
    float *logits;   /* [min(rows, WM_LOSS_ROWS), V], then their gradient */
    double *row_nll; /* [rows] */
    /* training only */
    float *d_stream;    /* [rows, C] gradient of the residual stream */
    float *d_narrow;    /* [rows, C] of norm outputs, of mixed */
    float *d_wide;      /* [rows, 4C] of fc, of qkv */
    float *norm_parts;  /* [⌈rows / WM_NORM_ROWS⌉, 2, C] gain's and bias's gradients in parts */
    double *span_parts; /* [n_spans] of the gradient norm */
    /* other memory */
    size_t *first_span; /* [n_table + 1] the flat buffers, cut into spans tensor by tensor */
    size_t n_spans;
    void *memory; /* the one mapping all floats live in */
    size_t memory_bytes;
};

static inline float *wm_param_of(const struct wm_model *model, size_t at)
{
    return model->params + model->table[at].offset;
}

static inline float *wm_grad_of(const struct wm_model *model, size_t at)
{
    return model->grads + model->table[at].offset;
}

/* ---- init.c ---- */

/** The item-th span of a model. */
struct wm_span wm_span_of(const struct wm_model *model, size_t item);

/* ---- norm.c ---- */

void wm_norm_forward(const struct wm_model *model, const float *x, size_t gain_at,
                     struct wm_norm_state *state, size_t rows);
/** d_x += the gradient; the gain's and bias's (gain_at, gain_at + 1) are added to grads. */
void wm_norm_backward(const struct wm_model *model, const float *d_out, const float *x,
                      size_t gain_at, const struct wm_norm_state *state, float *d_x, size_t rows);

/* ---- linear.c: y = x Wᵀ + bias; W [n_out, n_in] stands at weight_at, its bias behind it ---- */

/** `finish` (may be NULL) as in struct wm_gemm. */
void wm_linear_forward(const struct wm_model *model, const float *x, size_t weight_at, float *y,
                       size_t rows, void (*finish)(void *, size_t, size_t, size_t, size_t),
                       void *finish_arg);
/** d_x = d_y W; the weight's and bias's gradients are added to grads. */
void wm_linear_backward(const struct wm_model *model, const float *d_y, const float *x,
                        size_t weight_at, float *d_x, size_t rows,
                        void (*finish)(void *, size_t, size_t, size_t, size_t), void *finish_arg);

/* ---- forward.c, backward.c, loss.c ---- */

/** A layer's attention: its shapes and buffers. */
struct wm_attention wm_layer_attention(const struct wm_model *model,
                                       const struct wm_layer_acts *layer, uint32_t b, uint32_t t);

/** Ids, sizes. WM_E_LIMIT, WM_E_FORMAT. `targets`: look at them too. */
int wm_batch_check(const struct wm_model *model, const struct wm_lm_batch *batch, bool targets,
                   struct wm_error *err);
/** Everything up to the last norm's output. */
void wm_forward(const struct wm_model *model, const struct wm_lm_batch *batch);
/** Head and cross-entropy in chunks of rows. With `scale` ≠ 0 also their gradients × scale: the
 *  head's into grads, the last norm's output's into d_narrow. Returns Σ weight × nll. */
double wm_head_loss(const struct wm_model *model, const struct wm_lm_batch *batch, float scale);
/** Everything below d_narrow. */
void wm_backward(const struct wm_model *model, const struct wm_lm_batch *batch);

#endif /* WETMILL_TRAINER_ACTIVATIONS_H */
