/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file params.h
 * The one table of parameters. Initialisation, optimiser groups and state, checkpoints, import and
 * export, freezing and --explain all read it; nothing else knows which tensors a model has.
 *
 * Tensors lie in Hugging Face's order in flat buffers of floats (weights, gradients). Linear
 * weights are [out, in]. Queries, keys and values (gate and up) follow one another, so where no gap
 * lies between them one product makes all.
 */
#ifndef WETMILL_TRAINER_PARAMS_H
#define WETMILL_TRAINER_PARAMS_H

#include <stddef.h>

#include "trainer/config.h"
#include "trainer/weight_types.h"

enum wm_param_role {
    WM_PARAM_EMBEDDING, /**< Tokens, [V, C]; the output head too, if tied. */
    WM_PARAM_POSITION,  /**< [n_ctx, C] */
    WM_PARAM_HEAD,      /**< Output head, [V, C], if not tied. */
    WM_PARAM_LINEAR,    /**< [out, in] */
    WM_PARAM_BIAS,      /**< Of a linear map or of a norm. */
    WM_PARAM_NORM,      /**< Gain of a norm. */
};

enum wm_param_group {
    WM_GROUP_MATRIX, /**< Linear maps: weight decay; what Muon is for. */
    WM_GROUP_TABLE,  /**< Embeddings, positions, head: weight decay. */
    WM_GROUP_VECTOR, /**< One-dimensional: no decay. */
};

/** Which tensor of a layer it is, or which outside of layers; the same for all architectures. */
enum wm_param_place {
    WM_P_TOKENS,
    WM_P_POSITIONS,
    WM_P_NORM1_GAIN, /**< First of a layer. */
    WM_P_NORM1_BIAS,
    WM_P_QKV, /**< gpt2: queries, keys and values in one, [3C, C] */
    WM_P_QKV_BIAS,
    WM_P_Q,
    WM_P_K,
    WM_P_V,
    WM_P_Q_NORM, /**< [D] */
    WM_P_K_NORM,
    WM_P_MIX, /**< Attention's output projection, [C, H × D] */
    WM_P_MIX_BIAS,
    WM_P_NORM2_GAIN,
    WM_P_NORM2_BIAS,
    WM_P_GATE,
    WM_P_UP, /**< [F, C] */
    WM_P_UP_BIAS,
    WM_P_DOWN,      /**< [C, F] */
    WM_P_DOWN_BIAS, /**< Last of a layer. */
    WM_P_LAST_GAIN,
    WM_P_LAST_BIAS,
    WM_P_HEAD,
    WM_N_PLACES,
};

/** One parameter tensor. */
struct wm_param {
    char name[88]; /**< Hugging Face's: "transformer.h.0.attn.c_attn.weight" */
    enum wm_param_role role;
    enum wm_param_place place;
    enum wm_param_group group;
    uint32_t layer;            /**< 0 outside of layers */
    uint32_t shape[2];         /**< [rows = out, columns = in], or [n, 0] for one dimension */
    uint32_t fan_in;           /**< Inputs of each output; 0 where that means nothing. */
    uint32_t n_stacked;        /**< Matrices on top of each other in it: 3 in gpt2's QKV, else 1. */
    uint64_t offset, n;        /**< Place in the flat buffers, and numbers. */
    enum wm_weight_type dtype; /**< Of its numbers where the table's owner has them: F32 in a model
                                    and its checkpoints; weights.h: the file's. */
    bool residual;             /**< Its output is added to the residual stream. */
    bool trainable;            /**< Gets a gradient and optimiser state. True at first. */
    float lr_multiplier, decay_multiplier; /**< 1 and 1; vectors: 1 and 0. */
};

struct wm_params {
    struct wm_param *table; /**< [n] */
    size_t n;
    uint64_t n_floats; /**< Of a flat buffer: each tensor begins at a multiple of 16, gaps are 0. */
    uint64_t n_numbers; /**< Parameters to show: without the gaps. */
    uint32_t n_layer;
    int32_t *places; /**< [n_layer + 1, WM_N_PLACES] → index in table, −1 = absent; layer n_layer
                          holds what is outside of layers */
};

/** For a checked configuration. Free with wm_params_free. WM_E_NOMEM. */
int wm_params_new(const struct wm_model_config *config, struct wm_params *ret,
                  struct wm_error *err);
void wm_params_free(struct wm_params *params); /**< Safe on {0}; leaves {0}. */

/** Bytes of all numbers, without gaps. */
uint64_t wm_params_bytes(const struct wm_params *params);

/** Index of a tensor, −1 if the model has none such. `layer` is not read outside of layers. */
static inline int32_t wm_params_at(const struct wm_params *p, enum wm_param_place place,
                                   uint32_t layer)
{
    const bool inside = place >= WM_P_NORM1_GAIN && place <= WM_P_DOWN_BIAS;
    return p->places[(size_t)(inside ? layer : p->n_layer) * WM_N_PLACES + place];
}

#endif /* WETMILL_TRAINER_PARAMS_H */
