/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file activations.h
 * What the files of the model share: the memory of a step and the pieces it runs through. Nothing
 * here checks its arguments; model.h's functions did.
 *
 *     model.c     memory: what is planned, mapped and counted
 *     explain.c   the same for people
 *     graph.c     a step: the plan's items, one after the other
 *     embed.c     ids → stream, and back
 *     linear.c    linear maps
 *     norm.c      norms
 *     dropout.c   what is left out while training
 *     mix.c       what stands between the linear maps: rotary positions, attention, activations
 *     head.c      logits and loss
 *
 * rows = b × t of the batch at hand (≤ max_rows); row r is position r mod t of sequence
 * r / t. Matrices are row-major.
 */
#ifndef WETMILL_TRAINER_ACTIVATIONS_H
#define WETMILL_TRAINER_ACTIVATIONS_H

#include "trainer/gemm.h"
#include "trainer/model.h"
#include "trainer/pages.h"
#include "trainer/plan.h"

enum {
    WM_NORM_ROWS = 64,  /* rows whose norm gradients are summed before they are added up */
    WM_LOSS_ROWS = 512, /* rows of logits that exist at a time */
    WM_SPAN = 16384,    /* parameters an optimiser item updates */
};

/** Up to WM_SPAN consecutive floats of one tensor. */
struct wm_span {
    uint64_t offset;
    uint32_t n, tensor;
};

struct wm_activations {
    struct wm_workshop shop;
    struct wm_ops ops;
    struct wm_plan plan;
    float *block;       /* [plan.floats] activations and their gradients */
    size_t ld_logits;   /* V, padded */
    float *cos, *sin;   /* [n_ctx, D / 2] of rotary positions */
    double *row_nll;    /* [rows] */
    float *norm_parts;  /* training: a norm's parameters' gradients in parts */
    float *dropped;     /* training with dropout: [rows, C] a branch's gradient */
    uint64_t *sorted;   /* training: [2, rows] for embed.c */
    bool zero_due;      /* zero_grads was called, and nothing has happened to them since */
    double *span_parts; /* training: [n_spans] of the gradient norm */
    size_t *first_span; /* [layout.n + 1] the flat buffers, cut into spans tensor by tensor */
    size_t n_spans;
    uint64_t bytes;        /* of all floats, */
    struct wm_pages pages; /* in one mapping; a frame has none */
};

/** The model without its floats: tables and plan, for explaining and counting. `ret_bytes`: all
 *  that it would take. Free with wm_model_free. WM_E_CONFIG, WM_E_NOMEM. */
int wm_model_frame(const struct wm_model_config *config, const struct wm_model_options *options,
                   unsigned n_threads, struct wm_model **ret, uint64_t *ret_bytes,
                   struct wm_error *err);

/** The item-th span of a model. */
struct wm_span wm_span_of(const struct wm_model *model, size_t item);

static inline float *wm_param_of(const struct wm_model *model, size_t at)
{
    return model->params + model->layout.table[at].offset;
}

static inline float *wm_grad_of(const struct wm_model *model, size_t at)
{
    return model->grads + model->layout.table[at].offset;
}

/** What this model's products are made in. */
static inline enum wm_gemm_type wm_product_type(const struct wm_model *model)
{
    return model->compute == WM_COMPUTE_BF16 ? WM_GEMM_BF16 : WM_GEMM_F32;
}

/** Zeroes the gradients now, if that is due; true if it was. `all` false: but not those that the
 *  products of one backward pass write. */
bool wm_zero_due_grads(const struct wm_model *model, bool all);

/** A tensor by its place; NULL if the model has none such. */
static inline const float *wm_tensor(const struct wm_model *model, enum wm_param_place place,
                                     uint32_t layer)
{
    const int32_t at = wm_params_at(&model->layout, place, layer);
    return at < 0 ? NULL : wm_param_of(model, (size_t)at);
}

/** Done to a block of a product while it is in cache (struct wm_gemm). */
typedef void wm_finish(void *arg, size_t row, size_t n_rows, size_t col, size_t n_cols);

/** One pass over one batch. */
struct wm_pass_state {
    const struct wm_model *model;
    const struct wm_lm_batch *batch;
    size_t rows;
    enum wm_pass pass;
    float scale;       /* of gradients; 0: none wanted */
    bool fresh;        /* gradients of products are written, not added to */
    bool input_wanted; /* backward: something below this op is trainable */
};

/** An activation in this pass; NULL for −1. */
static inline float *wm_at(const struct wm_pass_state *s, int32_t activation)
{
    const struct wm_activations *acts = s->model->acts;
    const uint64_t *offsets = s->pass == WM_PASS_FORWARD ? acts->plan.first : acts->plan.again;
    return activation < 0 ? NULL : acts->block + offsets[activation];
}

/** Statistics are where the forward pass put them. */
static inline float *wm_statistics_at(const struct wm_pass_state *s, int32_t activation)
{
    const struct wm_activations *acts = s->model->acts;
    return acts->block + acts->plan.first[activation];
}

/** An activation's gradient. */
static inline float *wm_gradient_at(const struct wm_pass_state *s, int32_t activation)
{
    const struct wm_activations *acts = s->model->acts;
    return acts->block + acts->plan.gradient[activation];
}

static inline uint32_t wm_width(const struct wm_pass_state *s, int32_t activation)
{
    return s->model->acts->ops.activations[activation].width;
}

static inline bool wm_trains(const struct wm_model *model, int32_t param)
{
    return param >= 0 && model->layout.table[param].trainable;
}

/* ---- the operations, forward and backward ---- */

void wm_embed_forward(const struct wm_pass_state *s, const struct wm_op *op);
/** Adds to the tables' gradients: rows of one id in their order. */
void wm_embed_backward(const struct wm_pass_state *s, const struct wm_op *op);

/** Whether this pass drops anything: gradients are wanted and the model has a rate. */
bool wm_drops(const struct wm_pass_state *s);
/** to = from with elements dropped and the others made larger to make up for them; `from` may be
 *  `to`. These are elements [first, first + n) of the op's output. */
void wm_drop(const struct wm_pass_state *s, const struct wm_op *op, size_t first, size_t n,
             const float *from, float *to);
/** All of the output. */
void wm_drop_all(const struct wm_pass_state *s, const struct wm_op *op, const float *from,
                 float *to);

/** `finish` (may be NULL) only for an op of one map. */
void wm_linear_forward(const struct wm_pass_state *s, const struct wm_op *op, wm_finish *finish,
                       void *finish_arg);
/** The input's gradient is written; those of weights and biases are added. */
void wm_linear_backward(const struct wm_pass_state *s, const struct wm_op *op, wm_finish *finish,
                        void *finish_arg);

void wm_norm_forward(const struct wm_pass_state *s, const struct wm_op *op);
/** The input's gradient is added to, and so are the gain's and bias's. */
void wm_norm_backward(const struct wm_pass_state *s, const struct wm_op *op);
void wm_qk_norm_forward(const struct wm_pass_state *s, const struct wm_op *op);
void wm_qk_norm_backward(const struct wm_pass_state *s, const struct wm_op *op);
/** Floats of norm_parts that all this model's norms get by with. */
size_t wm_norm_parts_floats(const struct wm_model_config *config, uint64_t rows);

void wm_rope(const struct wm_pass_state *s, const struct wm_op *op); /* either way */
void wm_attend_forward(const struct wm_pass_state *s, const struct wm_op *op);
void wm_attend_backward(const struct wm_pass_state *s, const struct wm_op *op);
void wm_activate_forward(const struct wm_pass_state *s, const struct wm_op *op); /* gelu, swiglu */
void wm_swiglu_backward(const struct wm_pass_state *s, const struct wm_op *op);

/** Head and cross-entropy in chunks of rows. With `scale` ≠ 0 also their gradients × scale: the
 *  head's is added to its own, the input's is written. Returns Σ weight × nll. */
double wm_head(const struct wm_pass_state *s, const struct wm_op *op);
void wm_head_logits(const struct wm_pass_state *s, const struct wm_op *op, float *logits);

#endif /* WETMILL_TRAINER_ACTIVATIONS_H */
