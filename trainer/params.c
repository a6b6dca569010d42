/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/params.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    ALIGN_FLOATS = 16,
    MOST_OF_A_LAYER = WM_P_DOWN_BIAS - WM_P_NORM1_GAIN + 1,
    MOST_OUTSIDE = 5
};

struct builder {
    const struct wm_model_config *config;
    struct wm_params *params;
    char prefix[28];
    uint32_t layer;
};

static void put(struct builder *b, enum wm_param_place place, enum wm_param_role role,
                uint32_t rows, uint32_t columns, const char *name)
{
    struct wm_params *all = b->params;
    struct wm_param *p = &all->table[all->n];
    const bool table = role == WM_PARAM_EMBEDDING || role == WM_PARAM_POSITION;
    *p = (struct wm_param){
        .role = role,
        .place = place,
        .group = !columns                  ? WM_GROUP_VECTOR
                 : role == WM_PARAM_LINEAR ? WM_GROUP_MATRIX
                                           : WM_GROUP_TABLE,
        .layer = b->layer < b->config->n_layer ? b->layer : 0,
        .shape = {rows, columns},
        .fan_in = table ? 0 : columns,
        .n_stacked = place == WM_P_QKV ? 3 : 1,
        .offset = all->n_floats,
        .n = (uint64_t)rows * (columns ? columns : 1),
        .dtype = WM_WEIGHT_F32,
        .residual = place == WM_P_MIX || place == WM_P_DOWN,
        .trainable = true,
        .lr_multiplier = 1,
        .decay_multiplier = columns ? 1 : 0,
    };
    (void)snprintf(p->name, sizeof p->name, "%s%s", b->prefix, name);
    all->n_floats += (p->n + ALIGN_FLOATS - 1) / ALIGN_FLOATS * ALIGN_FLOATS;
    all->n_numbers += p->n;
    all->places[(size_t)b->layer * WM_N_PLACES + place] = (int32_t)all->n++;
}

/* A norm's gain, and its bias if it has one; `name` ends with ".". */
static void put_norm(struct builder *b, enum wm_param_place gain, const char *name)
{
    const uint32_t c = b->config->n_embd;
    char full[36];
    (void)snprintf(full, sizeof full, "%sweight", name);
    put(b, gain, WM_PARAM_NORM, c, 0, full);
    if (wm_model_parts(b->config)->norm == WM_NORM_LAYER) {
        (void)snprintf(full, sizeof full, "%sbias", name);
        put(b, gain + 1, WM_PARAM_BIAS, c, 0, full);
    }
}

/* ---- gpt2 ---- */

static void put_gpt2_linear(struct builder *b, enum wm_param_place weight, uint32_t n_out,
                            uint32_t n_in, const char *name)
{
    char full[36];
    (void)snprintf(full, sizeof full, "%s.weight", name);
    put(b, weight, WM_PARAM_LINEAR, n_out, n_in, full);
    (void)snprintf(full, sizeof full, "%s.bias", name);
    put(b, weight + 1, WM_PARAM_BIAS, n_out, 0, full);
}

static void build_gpt2(struct builder *b)
{
    const struct wm_model_config *config = b->config;
    const uint32_t c = config->n_embd;
    (void)snprintf(b->prefix, sizeof b->prefix, "transformer.");
    put(b, WM_P_TOKENS, WM_PARAM_EMBEDDING, config->vocabulary, c, "wte.weight");
    put(b, WM_P_POSITIONS, WM_PARAM_POSITION, config->n_ctx, c, "wpe.weight");
    for (b->layer = 0; b->layer < config->n_layer; b->layer++) {
        (void)snprintf(b->prefix, sizeof b->prefix, "transformer.h.%u.", b->layer);
        put_norm(b, WM_P_NORM1_GAIN, "ln_1.");
        put_gpt2_linear(b, WM_P_QKV, 3 * c, c, "attn.c_attn");
        put_gpt2_linear(b, WM_P_MIX, c, c, "attn.c_proj");
        put_norm(b, WM_P_NORM2_GAIN, "ln_2.");
        put_gpt2_linear(b, WM_P_UP, config->n_hidden, c, "mlp.c_fc");
        put_gpt2_linear(b, WM_P_DOWN, c, config->n_hidden, "mlp.c_proj");
    }
    (void)snprintf(b->prefix, sizeof b->prefix, "transformer.");
    put_norm(b, WM_P_LAST_GAIN, "ln_f.");
}

/* ---- llama and its kin ---- */

static void put_llama_layer(struct builder *b)
{
    const struct wm_model_config *config = b->config;
    const uint32_t c = config->n_embd, d = config->head_dim;
    const uint32_t wide = config->n_head * d, narrow = config->n_kv_head * d;
    put_norm(b, WM_P_NORM1_GAIN, "input_layernorm.");
    put(b, WM_P_Q, WM_PARAM_LINEAR, wide, c, "self_attn.q_proj.weight");
    put(b, WM_P_K, WM_PARAM_LINEAR, narrow, c, "self_attn.k_proj.weight");
    put(b, WM_P_V, WM_PARAM_LINEAR, narrow, c, "self_attn.v_proj.weight");
    if (wm_model_parts(config)->qk_norm) {
        put(b, WM_P_Q_NORM, WM_PARAM_NORM, d, 0, "self_attn.q_norm.weight");
        put(b, WM_P_K_NORM, WM_PARAM_NORM, d, 0, "self_attn.k_norm.weight");
    }
    put(b, WM_P_MIX, WM_PARAM_LINEAR, c, wide, "self_attn.o_proj.weight");
    put_norm(b, WM_P_NORM2_GAIN, "post_attention_layernorm.");
    put(b, WM_P_GATE, WM_PARAM_LINEAR, config->n_hidden, c, "mlp.gate_proj.weight");
    put(b, WM_P_UP, WM_PARAM_LINEAR, config->n_hidden, c, "mlp.up_proj.weight");
    put(b, WM_P_DOWN, WM_PARAM_LINEAR, c, config->n_hidden, "mlp.down_proj.weight");
}

static void build_llama(struct builder *b)
{
    const struct wm_model_config *config = b->config;
    (void)snprintf(b->prefix, sizeof b->prefix, "model.");
    put(b, WM_P_TOKENS, WM_PARAM_EMBEDDING, config->vocabulary, config->n_embd,
        "embed_tokens.weight");
    for (b->layer = 0; b->layer < config->n_layer; b->layer++) {
        (void)snprintf(b->prefix, sizeof b->prefix, "model.layers.%u.", b->layer);
        put_llama_layer(b);
    }
    (void)snprintf(b->prefix, sizeof b->prefix, "model.");
    put_norm(b, WM_P_LAST_GAIN, "norm.");
    b->prefix[0] = 0;
    if (!config->tied)
        put(b, WM_P_HEAD, WM_PARAM_HEAD, config->vocabulary, config->n_embd, "lm_head.weight");
}

int wm_params_new(const struct wm_model_config *config, struct wm_params *ret, struct wm_error *err)
{
    const size_t most = (size_t)config->n_layer * MOST_OF_A_LAYER + MOST_OUTSIDE;
    const size_t n_places = ((size_t)config->n_layer + 1) * WM_N_PLACES;
    *ret = (struct wm_params){.n_layer = config->n_layer};
    ret->table = calloc(most, sizeof *ret->table);
    ret->places = malloc(n_places * sizeof *ret->places);
    if (!ret->table || !ret->places) {
        wm_params_free(ret);
        return wm_fail_nomem(err, most * sizeof *ret->table, "table of parameters");
    }
    for (size_t i = 0; i < n_places; i++)
        ret->places[i] = -1;
    struct builder b = {.config = config, .params = ret, .layer = config->n_layer};
    if (config->architecture == WM_ARCH_GPT2)
        build_gpt2(&b);
    else
        build_llama(&b);
    return 0;
}

void wm_params_free(struct wm_params *params)
{
    free(params->table);
    free(params->places);
    *params = (struct wm_params){0};
}

uint64_t wm_params_bytes(const struct wm_params *params)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < params->n; i++)
        bytes += wm_weight_bytes(params->table[i].dtype, params->table[i].n);
    return bytes;
}
