/* SPDX-License-Identifier: Apache-2.0 */
/* config.json: what is left out has transformers' meaning; what cannot be computed is refused by
 * its name. */
#include "trainer/hf_config.h"

#include <stdio.h>

#include "scratch.h"

#define GPT2                                                                               \
    "\"model_type\":\"gpt2\",\"n_layer\":2,\"n_head\":4,\"n_embd\":64,\"n_positions\":32," \
    "\"vocab_size\":300"
#define SIZES                                                                                  \
    "\"num_hidden_layers\":3,\"hidden_size\":64,\"num_attention_heads\":4,\"vocab_size\":300," \
    "\"intermediate_size\":96,\"max_position_embeddings\":128"
#define LLAMA "\"model_type\":\"llama\"," SIZES
#define QWEN3 "\"model_type\":\"qwen3\"," SIZES

static struct wm_hf_config config;

static int parse(const char *members, const char *more)
{
    char text[2048];
    (void)snprintf(text, sizeof text, "{%s%s%s}", members, *more ? "," : "", more);
    config = (struct wm_hf_config){.has_bos = false};
    return wm_hf_config_parse(wm_str_of(text), &config, &err);
}

static void check_defaults(void)
{
    const struct wm_model_config *c = &config.model;
    CHECK_OK(parse(GPT2, ""), err);
    CHECK(c->architecture == WM_ARCH_GPT2 && c->tied && c->n_hidden == 256 && c->head_dim == 16);
    CHECK(c->n_kv_head == 4 && c->norm_epsilon == 1e-5F && !config.has_bos && !config.has_eos);
    CHECK_OK(parse(GPT2, "\"n_inner\":100,\"layer_norm_epsilon\":1e-6"), err);
    CHECK(c->n_hidden == 100 && c->norm_epsilon == 1e-6F);
    CHECK_OK(parse(LLAMA, ""), err);
    CHECK(c->architecture == WM_ARCH_LLAMA && !c->tied && c->n_kv_head == 4 && c->head_dim == 16);
    CHECK(c->norm_epsilon == 1e-6F && c->rope_theta == 10000);
    CHECK_OK(parse(QWEN3, ""), err);
    CHECK(c->architecture == WM_ARCH_QWEN3 && c->head_dim == 128);
    CHECK_OK(parse(LLAMA, "\"head_dim\":null,\"num_key_value_heads\":2,\"rope_scaling\":null,"
                          "\"bos_token_id\":1,\"eos_token_id\":[7,8],\"tie_word_embeddings\":true"),
             err);
    CHECK(c->head_dim == 16 && c->n_kv_head == 2 && c->tied);
    CHECK(config.has_bos && config.bos == 1 && config.has_eos && config.eos == 7);
}

static void check_theta(void)
{
    const struct {
        const char *members;
        float theta;
    } good[] = {
        {"\"rope_theta\":500000.0", 500000},
        {"\"rope_theta\":500000", 500000},
        {"\"rope_parameters\":{\"rope_theta\":1000000,\"rope_type\":\"default\"}", 1000000},
        {"\"rope_parameters\":{\"rope_type\":\"default\"},\"rope_theta\":20000", 20000},
        {"\"rope_theta\":20000,\"rope_parameters\":{\"rope_theta\":20000}", 20000},
        {"\"rope_scaling\":{\"type\":\"default\"}", 10000},
        {"\"rope_parameters\":{\"partial_rotary_factor\":1.0}", 10000},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        CHECK_OK(parse(LLAMA, good[i].members), err);
        CHECK(config.model.rope_theta == good[i].theta);
    }
}

static void check_refusals(void)
{
    static const struct {
        const char *base, *members, *words;
    } bad[] = {
        {LLAMA, "\"rope_scaling\":{\"rope_type\":\"llama3\",\"factor\":8}",
         "rope_scaling: rope_type is \"llama3\""},
        {LLAMA, "\"rope_scaling\":{\"type\":\"linear\",\"factor\":2}",
         "rope_scaling: type is \"linear\""},
        {LLAMA, "\"rope_scaling\":{\"factor\":2}", "rope_scaling: a factor"},
        {LLAMA, "\"rope_scaling\":3", "rope_scaling is not an object"},
        {LLAMA, "\"rope_parameters\":{\"rope_type\":\"yarn\",\"rope_theta\":1e6}",
         "rope_parameters: rope_type is \"yarn\""},
        {LLAMA, "\"rope_parameters\":{\"full_attention\":{\"rope_theta\":1e6}}",
         "rope_parameters: full_attention"},
        {LLAMA, "\"rope_parameters\":{\"partial_rotary_factor\":0.5}", "partial_rotary_factor"},
        {LLAMA, "\"partial_rotary_factor\":0.5", "partial_rotary_factor"},
        {LLAMA, "\"rope_parameters\":{\"rope_theta\":1e6},\"rope_theta\":1e4",
         "rope_theta is 10000"},
        {LLAMA, "\"rope_theta\":\"10000\"", "rope_theta is not a number"},
        {LLAMA, "\"rope_theta\":1", "rope theta of 1"},
        {LLAMA, "\"attention_bias\":true", "attention_bias"},
        {LLAMA, "\"mlp_bias\":true", "mlp_bias"},
        {LLAMA, "\"hidden_act\":\"gelu\"", "hidden_act is \"gelu\""},
        {LLAMA, "\"num_key_value_heads\":3", "3 key/value heads"},
        {LLAMA, "\"head_dim\":15", "heads of 15 channels"},
        {LLAMA, "\"quantization_config\":{}", "quantization_config"},
        {LLAMA, "\"tie_word_embeddings\":1", "tie_word_embeddings is neither"},
        {LLAMA, "\"rms_norm_eps\":0", "epsilon"},
        {LLAMA, "\"rms_norm_eps\":1e999", "not a JSON object"},
        {QWEN3, "\"use_sliding_window\":true", "use_sliding_window"},
        {QWEN3, "\"layer_types\":[\"full_attention\",\"sliding_attention\"]", "sliding_attention"},
        {GPT2, "\"activation_function\":\"gelu\"", "activation_function is \"gelu\""},
        {GPT2, "\"tie_word_embeddings\":false", "tie_word_embeddings"},
        {GPT2, "\"scale_attn_by_inverse_layer_idx\":true", "scale_attn_by_inverse_layer_idx"},
        {GPT2, "\"add_cross_attention\":true", "add_cross_attention"},
        {GPT2, "\"n_inner\":-1", "n_inner"},
        {GPT2, "\"n_layer\":2", "not a JSON object"}, /* twice */
        {"\"model_type\":\"mistral\"," SIZES, "", "model_type is \"mistral\""},
        {SIZES, "", "model_type is missing"},
        {"\"model_type\":\"llama\"", "", "num_hidden_layers is missing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(parse(bad[i].base, bad[i].members), WM_E_FORMAT, err, bad[i].words);
    CHECK_FAILS(wm_hf_config_parse(WM_STR(""), &config, &err), WM_E_FORMAT, err, "not a JSON");
    CHECK_FAILS(wm_hf_config_parse(WM_STR("[]"), &config, &err), WM_E_FORMAT, err, "no object");
}

/* Floats come back as they were, and short ones are written short. */
static void check_written(void)
{
    static const float epsilons[] = {1e-5F, 1e-6F, 0x1.234568p-17F},
                       thetas[] = {1e4F, 5e5F, 12345.6F};
    CHECK_OK(parse(QWEN3, "\"head_dim\":20,\"num_key_value_heads\":2,\"eos_token_id\":299"), err);
    struct wm_hf_config want = config;
    for (size_t i = 0; i < 3; i++) {
        want.model.norm_epsilon = epsilons[i];
        want.model.rope_theta = thetas[i];
        CHECK_OK(wm_hf_config_write(top, &want, WM_WEIGHT_BF16, &err), err);
        CHECK_OK(wm_hf_config_read(top, &config, &err), err);
        CHECK(config.model.norm_epsilon == epsilons[i] && config.model.rope_theta == thetas[i]);
        CHECK(config.model.head_dim == 20 && config.model.n_kv_head == 2 && !config.model.tied);
        CHECK(!config.has_bos && config.has_eos && config.eos == 299);
    }
    want.model.norm_epsilon = 1e-5F;
    CHECK_OK(wm_hf_config_write(top, &want, WM_WEIGHT_BF16, &err), err);
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 16);
    CHECK_OK(wm_file_load(in_top("config.json"), &buf, &err), err);
    CHECK_OK(wm_buf_add(&buf, "", 1, &err), err);
    CHECK(strstr(buf.ptr, "\"rms_norm_eps\": 1.0000000000000001e-5") == NULL);
    CHECK(strstr(buf.ptr, "\"rms_norm_eps\": 1") && strstr(buf.ptr, "Qwen3ForCausalLM"));
    CHECK(strstr(buf.ptr, "\"torch_dtype\": \"bfloat16\"") != NULL);
    wm_buf_done(&buf);
}

int main(void)
{
    make_top("hf_config");
    check_defaults();
    check_theta();
    check_refusals();
    check_written();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
