/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file optimizer.h
 * Turning gradients into new weights: AdamW, SGD with momentum, and Muon.
 *
 * Each trainable tensor has a method and the state that method keeps ("slots": arrays as large as
 * the tensor, known to checkpoints by name); tensors that are not trainable have none. Every value
 * is a function of the tensor, its gradient and its state alone, so neither threads nor the CPU's
 * vector units change a bit.
 *
 * Order: wm_optimizer_new ─▶ per step: gradients ─▶ wm_optimizer_step ─▶ wm_optimizer_average for
 * the steps whose weights are averaged. One thread drives it; the model's team works inside.
 */
#ifndef WETMILL_TRAINER_OPTIMIZER_H
#define WETMILL_TRAINER_OPTIMIZER_H

#include "trainer/model.h"
#include "trainer/pages.h"

enum wm_optimizer_kind {
    WM_OPTIMIZER_ADAMW, /**< Decoupled weight decay (Loshchilov and Hutter 2019), as PyTorch's. */
    WM_OPTIMIZER_SGD,   /**< m = momentum × m + g;  w −= lr × m; the decay is decoupled too. */
    WM_OPTIMIZER_MUON,  /**< Muon for the matrices of the layers, AdamW for all else. */
};

struct wm_optimizer_config {
    enum wm_optimizer_kind kind;
    double beta1, beta2, epsilon; /**< AdamW */
    double momentum;              /**< SGD, Muon */
    double weight_decay;
    bool average; /**< Room for averaged weights. */
};

enum wm_optimizer_method { WM_METHOD_NONE, WM_METHOD_ADAMW, WM_METHOD_SGD, WM_METHOD_MUON };

enum { WM_OPTIMIZER_SLOTS = 2 /**< Most of any method. */ };

/** Slots of a method, and their names in checkpoints ("m", "v", "momentum"). */
unsigned wm_optimizer_n_slots(enum wm_optimizer_method method);
const char *wm_optimizer_slot_name(enum wm_optimizer_method method, unsigned slot);
/** What this configuration does with a tensor. */
enum wm_optimizer_method wm_optimizer_method_of(const struct wm_optimizer_config *config,
                                                const struct wm_param *param);

struct wm_optimizer {
    struct wm_optimizer_config config;
    struct wm_model *model;            /**< Borrowed. */
    enum wm_optimizer_method *methods; /**< [layout.n] */
    uint64_t *offsets;                 /**< [layout.n] of the tensor's first slot in `state` */
    float *state;
    float *average;      /**< [n_params floats], NULL if not asked for */
    uint64_t n_averaged; /**< Steps in `average`. */
    bool swapped;        /**< The model's weights are the average just now. */
    float *scratch;      /**< Muon's */
    uint64_t scratch_floats;
    double *parts; /**< [⌈largest Muon matrix / WM_SPAN⌉] of a norm */
    struct wm_pages pages;
};

/** Anonymous bytes wm_optimizer_new takes for a model with these parameters. */
uint64_t wm_optimizer_bytes(const struct wm_optimizer_config *config,
                            const struct wm_params *params);

/** All state is zero at first. WM_E_NOMEM. */
int wm_optimizer_new(const struct wm_optimizer_config *config, struct wm_model *model,
                     struct wm_optimizer **ret, struct wm_error *err);
void wm_optimizer_free(struct wm_optimizer *optimizer); /**< Safe on NULL. */

/** Slot of a tensor that has it. */
static inline float *wm_optimizer_slot(const struct wm_optimizer *o, size_t tensor, unsigned slot)
{
    const uint64_t n = (o->model->layout.table[tensor].n + 15) / 16 * 16;
    return o->state + o->offsets[tensor] + slot * n;
}

struct wm_optimizer_step {
    double lr;
    uint64_t step;     /**< From 1, for bias correction. */
    double grad_scale; /**< Gradients are multiplied by this first (clipping). */
};
/** Update every trainable tensor from model->grads; lr_multiplier and decay_multiplier of the table
 *  of parameters apply. */
void wm_optimizer_update(struct wm_optimizer *optimizer, const struct wm_optimizer_step *how);

/** Take the weights as they are into the average. */
void wm_optimizer_average(struct wm_optimizer *optimizer);
/** Exchange weights and average, if there is one: before and after validating or exporting. */
void wm_optimizer_swap_average(struct wm_optimizer *optimizer);

/* ---- muon.c ---- */

/** Floats of scratch for the largest matrix among `params`. */
uint64_t wm_muon_scratch(const struct wm_params *params);
/**
 * One Muon update of a matrix (Jordan et al. 2024): momentum with Nesterov's look-ahead, brought
 * near the closest matrix with orthonormal rows or columns by five Newton–Schulz steps, times
 * 0.2 √max(rows, columns), which gives it the size of an AdamW update (Liu et al. 2025, "Muon is
 * scalable"). Stacked matrices (queries, keys, values) are taken one by one.
 */
void wm_muon_update(struct wm_optimizer *optimizer, size_t tensor,
                    const struct wm_optimizer_step *how);

#endif /* WETMILL_TRAINER_OPTIMIZER_H */
