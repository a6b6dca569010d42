/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file ops.h
 * The one table of operations: what a model computes, in order, and on which activations.
 *
 * The forward pass runs it from first to last, the backward pass from last to first. The plan of
 * memory (plan.h), `--explain`, operations per token and the share of the machine's peak all derive
 * from it. The table depends on the configuration alone, never on a batch.
 *
 * An activation is a row of `width` floats for each token. The residual stream is one activation
 * per place where it was added to; `--explain` and the plan tell them apart by layer.
 */
#ifndef WETMILL_TRAINER_OPS_H
#define WETMILL_TRAINER_OPS_H

#include "trainer/params.h"

enum wm_op_kind {
    WM_OP_EMBED,   /**< ids → stream; + positions, if they are learned */
    WM_OP_NORM,    /**< in → out, `statistics` kept */
    WM_OP_LINEAR,  /**< in → out: one to three maps side by side, each with its bias; + `added` */
    WM_OP_QK_NORM, /**< queries and keys normed head by head, values copied */
    WM_OP_ROPE,    /**< queries and keys turned in place */
    WM_OP_ATTENTION, /**< [q | k | v] → out, `statistics` kept */
    WM_OP_GELU,      /**< in → out */
    WM_OP_SWIGLU,    /**< [gate | up] → out */
    WM_OP_HEAD,      /**< in → logits, a chunk of rows at a time, and the loss */
    WM_N_OP_KINDS,
};

enum { WM_OP_MAPS = 3 /**< Most linear maps of one op. */ };

/** A pass over memory costs about as much as this many operations a float. */
enum { WM_OP_ELEMENT_WORK = 16 };

struct wm_activation {
    const char *name; /**< "norm1", "qkv", … */
    uint32_t layer;   /**< n_layer outside of layers */
    uint32_t width;   /**< Floats a row. */
    bool stream;      /**< A state of the residual stream; all share one gradient. */
    bool statistics;  /**< Few floats a row that a gradient needs; always kept. */
    int32_t gradient; /**< Activation whose gradient's memory this one's shares (its own index if it
                           has its own); −1: statistics have none */
};

struct wm_op {
    enum wm_op_kind kind;
    const char *name;
    uint32_t layer;                     /**< n_layer outside of layers */
    int32_t in, out, added, statistics; /**< Activations; −1 = none. ROPE: out is in. */
    int32_t weight[WM_OP_MAPS];         /**< Parameters (params.h); −1 = none */
    int32_t bias[WM_OP_MAPS];
    uint32_t n_maps;
    bool fused;     /**< Done to each block of the op before while it is in cache. */
    bool needs_in;  /**< The gradient reads `in`, */
    bool needs_out; /**< … `out`. */
    double flops;   /**< Of matrix products, forward, one token at n_ctx; backward: twice that. */
    double work;    /**< As flops, elementwise work too: what making `out` again costs. */
};

struct wm_ops {
    struct wm_activation *activations;
    struct wm_op *ops;
    size_t n_activations, n;
};

/** For a checked configuration and its parameters. `training` false: an op whose input nobody reads
 *  again may write over it. Free with wm_ops_free. WM_E_NOMEM. */
int wm_ops_new(const struct wm_model_config *config, const struct wm_params *params, bool training,
               struct wm_ops *ret, struct wm_error *err);
void wm_ops_free(struct wm_ops *ops); /**< Safe on {0}; leaves {0}. */

const char *wm_op_kind_name(enum wm_op_kind kind);

/** Floating-point operations of matrix products for one token of a sequence of n_ctx: forward, and
 *  twice that backward. 6 × weights of the maps + 6 × layers × width × n_ctx. */
double wm_ops_flops(const struct wm_ops *ops);

#endif /* WETMILL_TRAINER_OPS_H */
