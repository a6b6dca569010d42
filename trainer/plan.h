/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file plan.h
 * From the table of operations: what a step does in which order, and where every activation lies.
 *
 * An activation the backward pass reads is either kept from the forward pass or made again, by the
 * same operation from the same input and so with the same bits, just before it is needed. What is
 * not kept lives from its writer to its last reader; buffers whose lives do not overlap share
 * memory. Which to make again is chosen by cost: those that cost the least work a byte first, as
 * many as it takes to fit.
 *
 * Offsets are in floats from the beginning of one block, multiples of 16.
 */
#ifndef WETMILL_TRAINER_PLAN_H
#define WETMILL_TRAINER_PLAN_H

#include "trainer/ops.h"

enum wm_pass {
    WM_PASS_FORWARD,
    WM_PASS_AGAIN, /**< The forward operation, once more on the way back. */
    WM_PASS_BACKWARD,
};

/** One thing to do. The head's item makes its gradient too. */
struct wm_plan_item {
    uint32_t op;
    enum wm_pass pass;
};

struct wm_plan {
    struct wm_plan_item *items;
    size_t n;
    size_t n_forward;   /**< The first items: all a loss without gradients needs. */
    uint64_t *first;    /**< [n_activations] where the forward pass has it */
    uint64_t *again;    /**< [n_activations] where the backward pass has it */
    uint64_t *gradient; /**< [n_activations] */
    bool *kept;         /**< [n_activations] from forward to backward */
    uint64_t logits;
    uint64_t floats; /**< Of the whole block. */
    uint64_t kept_floats;
    size_t n_again; /**< Activations made again. */
};

struct wm_plan_wish {
    uint64_t rows;         /**< Of a micro-batch. */
    uint64_t logit_floats; /**< The head's chunk of logits. */
    bool training;         /**< With a backward pass. */
    uint64_t most_floats;  /**< Fit this, if any choice does; else the least there is. */
};

/** Free with wm_plan_free. WM_E_NOMEM. */
int wm_plan_new(const struct wm_ops *ops, const struct wm_plan_wish *wish, struct wm_plan *ret,
                struct wm_error *err);
void wm_plan_free(struct wm_plan *plan); /**< Safe on {0}; leaves {0}. */

#endif /* WETMILL_TRAINER_PLAN_H */
