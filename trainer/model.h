/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.h
 * A decoder: parameters, forward and backward pass.
 *
 * One table of parameters (params.h) over flat buffers and one table of operations (ops.h) over
 * planned activations; the configuration's parts decide what stands in them. Linear weights are
 * held [out, in]. Every sum has one fixed order, so in float32 results depend neither on the number
 * of threads, nor on the CPU's vector units, nor on how much memory the plan may use.
 *
 * Order: wm_model_new ─▶ wm_model_init (or load into `params`) ─▶ per step: zero_grads, then
 * forward_backward for every micro-batch, then wm_optimizer_update (optimizer.h). One thread drives
 * a model; the team works inside. Shapes: B batch, T time, C channels (width), V vocabulary.
 */
#ifndef WETMILL_TRAINER_MODEL_H
#define WETMILL_TRAINER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "trainer/config.h"
#include "trainer/params.h"
#include "wetmill/buf.h"
#include "wetmill/error.h"
#include "wetmill/parallel.h"

/** What matrix products (linear maps, head, attention) are made in. All else, and every sum, is
 *  float32 always. */
enum wm_compute {
    WM_COMPUTE_F32,
    WM_COMPUTE_BF16, /**< Factors are rounded to the nearest bfloat16, ties to even. */
};

struct wm_activations;
struct wm_model {
    struct wm_model_config config;
    struct wm_params layout;
    uint64_t n_params;           /**< Floats in each of the flat buffers below. Each tensor begins
                                      at a multiple of 16, gaps are zero: the number of parameters
                                      to show is the sum of the table's n. */
    float *params, *grads;       /**< [n_params]; grads NULL for inference */
    struct wm_team *team;        /**< Borrowed. */
    struct wm_activations *acts; /**< Planned once for max_rows. */
    uint32_t max_batch;
    uint64_t max_rows;       /**< Most b × t of a batch, ≤ max_batch × n_ctx. */
    enum wm_compute compute; /**< May be changed between calls. */
    float dropout;
};

/** How a model is made. */
struct wm_model_options {
    uint32_t max_batch; /**< Sequences of a micro-batch at most. */
    uint64_t max_rows;  /**< Tokens of one at most; 0, or more than that: max_batch × n_ctx. */
    bool training;      /**< false: no gradients, moments or stored activations. */
    enum wm_compute compute;
    float dropout;   /**< Share of the embedding and of each branch that forward_backward leaves
                          out, [0, 1); 0: none. */
    uint64_t memory; /**< Bytes it may take: activations are made again in the backward pass, as
                          many as it takes; 0 = no limit. If the least is still more, that is what
                          it takes. Results are the same bits. */
};

/** Anonymous bytes a model takes with a team of `n_threads`; 0 if its sizes are refused. */
uint64_t wm_model_memory(const struct wm_model_config *config,
                         const struct wm_model_options *options, unsigned n_threads);

/** Floating-point operations of the matrix products for one token of a sequence of n_ctx, forward
 *  and backward: 6 × weights of the maps + 6 × layers × H × D × T. */
double wm_model_flops_per_token(const struct wm_model_config *config);

/** Append the table of operations as text: shapes, bytes, operations, what is made again. */
int wm_model_explain(const struct wm_model_config *config, const struct wm_model_options *options,
                     unsigned n_threads, struct wm_buf *out, struct wm_error *err);

/** Everything is zero at first. WM_E_CONFIG, WM_E_NOMEM. */
int wm_model_open(const struct wm_model_config *config, const struct wm_model_options *options,
                  struct wm_team *team, struct wm_model **ret, struct wm_error *err);
/** In float32, without a limit on memory. */
int wm_model_new(const struct wm_model_config *config, uint32_t max_batch, bool training,
                 struct wm_team *team, struct wm_model **ret, struct wm_error *err);
void wm_model_free(struct wm_model *model); /**< Safe on NULL. */

/** Which kernels it runs on: "avx512", "avx2" or "portable"; the best the CPU has by default. */
const char *wm_model_kernels(const struct wm_model *model);
/** Whether they have an instruction for bfloat16. Without one it is computed by float32 arithmetic
 *  on rounded factors: right, and no faster. */
bool wm_model_has_bf16(const struct wm_model *model);
/** Choose others (slower, the same bits in float32). WM_E_CONFIG if this CPU cannot run them. */
int wm_model_use_kernels(struct wm_model *model, const char *name, struct wm_error *err);

/** Scale of the first weights; the values of enum wm_train_init. */
enum wm_init { WM_MODEL_INIT_GPT2, WM_MODEL_INIT_XAVIER, WM_MODEL_INIT_HE };
/** First weights from a counter-based generator of (seed, tensor, element): the same for any thread
 *  count. Gains are 1, biases 0, tables normal with deviation 0.02. `zero_output`: the maps into
 *  the residual stream are 0. */
void wm_model_init(struct wm_model *model, enum wm_init init, bool zero_output, uint64_t seed);

/** One micro-batch. */
struct wm_lm_batch {
    uint32_t b, t;             /**< 1 ≤ b ≤ max_batch, 1 ≤ t ≤ n_ctx, b × t ≤ max_rows */
    const uint32_t *inputs;    /**< [b, t] */
    const uint32_t *targets;   /**< [b, t]; any value where the weight is 0 */
    const float *weights;      /**< [b, t] weight of each target's loss; NULL = all 1 */
    const uint32_t *positions; /**< [b, t] < n_ctx; NULL = 0, 1, 2, … in every row */
    const uint32_t *first_key; /**< [b, t] first position of the row's t that this one attends to,
                                    ≤ its own (where its document began); NULL = all 0 */
    const uint32_t *prefix;    /**< [b] ≤ t: a sequence's first positions that all its positions
                                    attend to; NULL = none: causal */
    uint64_t noise;            /**< Dropout only: another number, other elements. */
};

/** Sum over the batch of weight × −log p(target), nats, as double; no gradients. WM_E_LIMIT if the
 *  batch is larger than planned, WM_E_FORMAT for an id outside the vocabulary. */
int wm_model_loss(struct wm_model *model, const struct wm_lm_batch *batch, double *ret_nll,
                  struct wm_error *err);

/** What each target of the last wm_model_loss cost: [b, t] weight × −log p, nats. Stays until the
 *  next pass. */
const double *wm_model_target_nats(const struct wm_model *model);

/** The logits of `batch` (targets and weights are not read): `ret_logits` [b, t, V]. */
int wm_model_logits(struct wm_model *model, const struct wm_lm_batch *batch, float *ret_logits,
                    struct wm_error *err);

/** As wm_model_loss, and adds `scale` × its gradient to `grads` of the trainable tensors. With
 *  scale = 1 / Σ weights over the whole accumulated step, the step's gradient is that of the mean
 *  loss. */
int wm_model_forward_backward(struct wm_model *model, const struct wm_lm_batch *batch, float scale,
                              double *ret_nll, struct wm_error *err);

/** `grads` count as 0 from here on; they are zeroed, or written anew, by what asks for them next:
 *  forward_backward with a scale, or grad_norm. */
void wm_model_zero_grads(struct wm_model *model);

/** Global L2 norm of the trainable tensors' `grads`, summed in a fixed order in double. */
double wm_model_grad_norm(struct wm_model *model);

#endif /* WETMILL_TRAINER_MODEL_H */
