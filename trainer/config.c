/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/config.h"

#include <math.h>
#include <string.h>

const struct wm_architecture_info wm_architectures[WM_N_ARCHITECTURES] = {
    [WM_ARCH_GPT2] = {.name = "gpt2",
                      .hf = "gpt2",
                      .class = "GPT2LMHeadModel",
                      .gguf = "gpt2",
                      .norm = WM_NORM_LAYER,
                      .positions = WM_POSITIONS_LEARNED,
                      .mlp = WM_MLP_GELU,
                      .biases = true},
    [WM_ARCH_LLAMA] = {.name = "llama",
                       .hf = "llama",
                       .class = "LlamaForCausalLM",
                       .gguf = "llama",
                       .norm = WM_NORM_RMS,
                       .positions = WM_POSITIONS_ROTARY,
                       .mlp = WM_MLP_SWIGLU},
    [WM_ARCH_QWEN3] = {.name = "qwen3",
                       .hf = "qwen3",
                       .class = "Qwen3ForCausalLM",
                       .gguf = "qwen3",
                       .norm = WM_NORM_RMS,
                       .positions = WM_POSITIONS_ROTARY,
                       .mlp = WM_MLP_SWIGLU,
                       .qk_norm = true},
};

int wm_architecture_of_hf(const char *model_type)
{
    for (int i = 0; i < WM_N_ARCHITECTURES; i++)
        if (!strcmp(wm_architectures[i].hf, model_type))
            return i;
    return -1;
}

struct wm_model_config wm_model_config_usual(enum wm_architecture architecture, uint32_t n_layer,
                                             uint32_t n_head, uint32_t n_embd, uint32_t n_ctx,
                                             uint32_t vocabulary)
{
    const bool gelu = wm_architectures[architecture].mlp == WM_MLP_GELU;
    return (struct wm_model_config){
        .architecture = architecture,
        .n_layer = n_layer,
        .n_head = n_head,
        .n_kv_head = n_head,
        .head_dim = n_head ? n_embd / n_head : 0,
        .n_embd = n_embd,
        .n_hidden = gelu ? 4 * n_embd : (uint32_t)(((uint64_t)8 * n_embd / 3 + 31) / 32 * 32),
        .n_ctx = n_ctx,
        .vocabulary = vocabulary,
        .norm_epsilon = architecture == WM_ARCH_QWEN3 ? 1e-6F : 1e-5F,
        .rope_theta = WM_ROPE_THETA,
        .tied = architecture == WM_ARCH_GPT2,
    };
}

static int within(uint32_t value, uint32_t most, const char *what, struct wm_error *err)
{
    if (value >= 1 && value <= most)
        return 0;
    return wm_fail(err, WM_E_CONFIG, "%s is %u; from 1 to %u is possible", what, value, most);
}

static int check_heads(const struct wm_model_config *c, struct wm_error *err)
{
    if (c->n_head % c->n_kv_head)
        return wm_fail(err, WM_E_CONFIG, "%u key/value heads do not divide %u heads", c->n_kv_head,
                       c->n_head);
    if ((uint64_t)c->n_head * c->head_dim > WM_MODEL_MAX_WIDTH)
        return wm_fail(err, WM_E_CONFIG, "%u heads of %u channels are over the limit of %d in all",
                       c->n_head, c->head_dim, WM_MODEL_MAX_WIDTH);
    if (wm_model_parts(c)->positions == WM_POSITIONS_ROTARY && c->head_dim % 2)
        return wm_fail(err, WM_E_CONFIG, "heads of %u channels: rotary positions turn pairs",
                       c->head_dim);
    if (c->architecture == WM_ARCH_GPT2 && c->n_kv_head != c->n_head)
        return wm_fail(err, WM_E_CONFIG,
                       "gpt2 has a key/value head for each of its %u heads, not %u in all",
                       c->n_head, c->n_kv_head);
    if (c->architecture == WM_ARCH_GPT2 && (uint64_t)c->n_head * c->head_dim != c->n_embd)
        return wm_fail(err, WM_E_CONFIG,
                       "gpt2 has a width of heads by channels: %u by %u is not %u", c->n_head,
                       c->head_dim, c->n_embd);
    return 0;
}

int wm_model_config_check(const struct wm_model_config *c, struct wm_error *err)
{
    if ((unsigned)c->architecture >= WM_N_ARCHITECTURES)
        return wm_fail(err, WM_E_CONFIG, "architecture %d is not known", (int)c->architecture);
    int status = within(c->n_layer, WM_MODEL_MAX_LAYERS, "the number of layers", err);
    if (!status)
        status = within(c->n_embd, WM_MODEL_MAX_WIDTH, "the width", err);
    if (!status)
        status = within(c->n_head, WM_MODEL_MAX_WIDTH, "the number of heads", err);
    if (!status)
        status = within(c->n_kv_head, WM_MODEL_MAX_WIDTH, "the number of key/value heads", err);
    if (!status)
        status = within(c->head_dim, WM_MODEL_MAX_HEAD, "the channels of a head", err);
    if (!status)
        status = within(c->n_hidden, 4 * WM_MODEL_MAX_WIDTH, "the hidden width", err);
    if (!status)
        status = within(c->n_ctx, WM_MODEL_MAX_CONTEXT, "the context", err);
    if (!status)
        status = within(c->vocabulary, WM_MODEL_MAX_VOCABULARY, "the vocabulary", err);
    if (!status)
        status = check_heads(c, err);
    if (status)
        return status;
    if (!(c->norm_epsilon > 0) || !isfinite(c->norm_epsilon))
        return wm_fail(err, WM_E_CONFIG, "a norm epsilon of %g; it must be positive",
                       (double)c->norm_epsilon);
    if (wm_model_parts(c)->positions == WM_POSITIONS_ROTARY &&
        (!(c->rope_theta > 1) || !isfinite(c->rope_theta)))
        return wm_fail(err, WM_E_CONFIG, "a rope theta of %g; it must be over 1",
                       (double)c->rope_theta);
    return 0;
}
