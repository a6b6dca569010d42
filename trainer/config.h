/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file config.h
 * What a model is made of: sizes, and which parts.
 *
 * Every architecture is a decoder from the same set of parts; wm_architectures says which parts an
 * architecture takes and what others call it. Code asks for parts, never for the architecture's
 * name. Widths: C = n_embd, D = head_dim, H = n_head, G = n_kv_head, F = n_hidden, V = vocabulary.
 */
#ifndef WETMILL_TRAINER_CONFIG_H
#define WETMILL_TRAINER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/error.h"

enum wm_architecture { WM_ARCH_GPT2, WM_ARCH_LLAMA, WM_ARCH_QWEN3, WM_N_ARCHITECTURES };

enum wm_norm_kind {
    WM_NORM_LAYER, /**< (x − mean) / deviation × gain + bias (Ba et al. 2016) */
    WM_NORM_RMS,   /**< x / root mean square × gain (Zhang and Sennrich 2019) */
};
enum wm_position_kind {
    WM_POSITIONS_LEARNED, /**< A table [n_ctx, C], added to the token's embedding. */
    WM_POSITIONS_ROTARY,  /**< Queries and keys turned, pairs (i, i + D/2) (Su et al. 2021). */
};
enum wm_mlp_kind {
    WM_MLP_GELU,   /**< down(gelu(up x)), tanh form */
    WM_MLP_SWIGLU, /**< down(silu(gate x) × up x) (Shazeer 2020) */
};

/** What an architecture is made of and its names elsewhere. */
struct wm_architecture_info {
    const char *name;  /**< In options: "gpt2", "llama", "qwen3" */
    const char *hf;    /**< config.json's model_type */
    const char *class; /**< config.json's architectures[0] */
    const char *gguf;  /**< GGUF's general.architecture */
    enum wm_norm_kind norm;
    enum wm_position_kind positions;
    enum wm_mlp_kind mlp;
    bool biases;  /**< Linear maps have one. */
    bool qk_norm; /**< Queries and keys are RMS-normed head by head before they are turned. */
};
extern const struct wm_architecture_info wm_architectures[WM_N_ARCHITECTURES];

struct wm_model_config {
    enum wm_architecture architecture;
    uint32_t n_layer;
    uint32_t n_head, n_kv_head, head_dim; /**< n_kv_head divides n_head; gpt2: they are the same */
    uint32_t n_embd;                      /**< gpt2: n_head × head_dim */
    uint32_t n_hidden;                    /**< Of the MLP. */
    uint32_t n_ctx;                       /**< Positions. */
    uint32_t vocabulary;
    float norm_epsilon;
    float rope_theta; /**< Rotary positions' base; not read otherwise. */
    bool tied;        /**< The output head is the token embedding. */
};

enum { WM_USUAL_CONTEXT = 4096 /**< Most of a model's context that is used unasked. */ };
enum { WM_ROPE_THETA = 10000 /**< Usual base of rotary positions. */ };

/** Most a configuration may ask for; the sizes that follow stay far from overflow. */
enum {
    WM_MODEL_MAX_LAYERS = 1 << 10,
    WM_MODEL_MAX_WIDTH = 1 << 16, /**< Of n_embd, n_head × head_dim; n_hidden: four times it. */
    WM_MODEL_MAX_HEAD = 1 << 16,  /**< head_dim */
    WM_MODEL_MAX_CONTEXT = 1 << 20,
    WM_MODEL_MAX_VOCABULARY = 1 << 24,
    WM_MODEL_MAX_ROWS =
        1 << 24, /**< Of a batch: max_batch × n_ctx, or fewer (struct wm_model_options) */
};

static inline const struct wm_architecture_info *wm_model_parts(const struct wm_model_config *c)
{
    return &wm_architectures[c->architecture];
}

/** The architecture that config.json calls so, or -1. */
int wm_architecture_of_hf(const char *model_type);

/** The usual configuration of an architecture with this width: head_dim = n_embd / n_head, hidden
 *  4C (swiglu: 8C/3 rounded up to a multiple of 32), epsilon 1e-5 (qwen3 1e-6), theta 10000; gpt2
 *  tied. Not checked. */
struct wm_model_config wm_model_config_usual(enum wm_architecture architecture, uint32_t n_layer,
                                             uint32_t n_head, uint32_t n_embd, uint32_t n_ctx,
                                             uint32_t vocabulary);

/** Every limit and every relation between the fields. WM_E_CONFIG names the field. */
int wm_model_config_check(const struct wm_model_config *config, struct wm_error *err);

#endif /* WETMILL_TRAINER_CONFIG_H */
