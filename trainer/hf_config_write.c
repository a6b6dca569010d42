/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "trainer/hf_config.h"
#include "wetmill/file.h"
#include "wetmill/jansson.h"
#include "wetmill/number.h"

enum { FLOAT_DIGITS = 9 };

/* The double with the fewest digits that is this float: 1e-5 shall not be written 9.9999997e-6. */
static double shortest(float v)
{
    double back = (double)v;
    for (int digits = 1; digits <= FLOAT_DIGITS; digits++) {
        char text[48];
        (void)snprintf(text, sizeof text, "%.*e", digits - 1, (double)v);
        char *comma = strchr(text, ','); /* the point of some locales */
        if (comma)
            *comma = '.';
        if (wm_parse_real(wm_str_of(text), &back) && (float)back == v)
            return back;
    }
    return (double)v;
}

static json_t *gpt2_json(const struct wm_model_config *c)
{
    json_t *json = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:n, s:I, s:s, s:f, s:f, s:f, s:f}", "n_layer",
        (json_int_t)c->n_layer, "n_head", (json_int_t)c->n_head, "n_embd", (json_int_t)c->n_embd,
        "n_positions", (json_int_t)c->n_ctx, "n_ctx", (json_int_t)c->n_ctx, "n_inner", "vocab_size",
        (json_int_t)c->vocabulary, "activation_function", "gelu_new", "layer_norm_epsilon",
        shortest(c->norm_epsilon), "attn_pdrop", 0.0, "embd_pdrop", 0.0, "resid_pdrop", 0.0);
    if (json && c->n_hidden != 4 * c->n_embd &&
        json_object_set_new(json, "n_inner", json_integer((json_int_t)c->n_hidden))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

/* rope_theta is where readers before transformers 5 look. */
static json_t *llama_json(const struct wm_model_config *c)
{
    const double theta = shortest(c->rope_theta);
    json_t *json = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f, s:{s:s, s:f}, s:s, s:b, s:b, s:f}",
        "num_hidden_layers", (json_int_t)c->n_layer, "hidden_size", (json_int_t)c->n_embd,
        "num_attention_heads", (json_int_t)c->n_head, "num_key_value_heads",
        (json_int_t)c->n_kv_head, "head_dim", (json_int_t)c->head_dim, "intermediate_size",
        (json_int_t)c->n_hidden, "vocab_size", (json_int_t)c->vocabulary, "max_position_embeddings",
        (json_int_t)c->n_ctx, "rms_norm_eps", shortest(c->norm_epsilon), "rope_theta", theta,
        "rope_parameters", "rope_type", "default", "rope_theta", theta, "hidden_act", "silu",
        "attention_bias", 0, "mlp_bias", 0, "attention_dropout", 0.0);
    if (json && wm_model_parts(c)->qk_norm &&
        (json_object_del(json, "mlp_bias") ||
         json_object_set_new(json, "use_sliding_window", json_false()) ||
         json_object_set_new(json, "sliding_window", json_null()))) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static json_t *id_json(bool has, uint32_t id)
{
    return has ? json_integer((json_int_t)id) : json_null();
}

/* As PyTorch calls them. */
static const char *const dtypes[WM_WEIGHT_TYPES] = {
    [WM_WEIGHT_F32] = "float32", [WM_WEIGHT_F16] = "float16", [WM_WEIGHT_BF16] = "bfloat16"};

static json_t *config_json(const struct wm_hf_config *config, enum wm_weight_type dtype)
{
    const struct wm_model_config *c = &config->model;
    const struct wm_architecture_info *parts = wm_model_parts(c);
    json_t *json =
        json_pack("{s:[s], s:s}", "architectures", parts->class, "model_type", parts->hf);
    json_t *sizes = parts->positions == WM_POSITIONS_LEARNED ? gpt2_json(c) : llama_json(c);
    if (json && sizes && !json_object_update(json, sizes) &&
        !json_object_set_new(json, "tie_word_embeddings", json_boolean(c->tied)) &&
        !json_object_set_new(json, "bos_token_id", id_json(config->has_bos, config->bos)) &&
        !json_object_set_new(json, "eos_token_id", id_json(config->has_eos, config->eos)) &&
        !json_object_set_new(json, "use_cache", json_true()) &&
        !json_object_set_new(json, "torch_dtype", json_string(dtypes[dtype]))) {
        json_decref(sizes);
        return json;
    }
    json_decref(sizes);
    json_decref(json);
    return NULL;
}

int wm_hf_config_write(const char *dir, const struct wm_hf_config *config,
                       enum wm_weight_type dtype, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, dir, "config.json", err);
    if (status)
        return status;
    json_t *json = config_json(config, dtype);
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 20);
    status = wm_json_text(json, JSON_INDENT(2) | JSON_REAL_PRECISION(FLOAT_DIGITS), &buf, err);
    if (!status)
        status = wm_buf_add(&buf, "\n", 1, err);
    if (!status)
        status = wm_file_store(path, wm_buf_str(&buf), err);
    wm_buf_done(&buf);
    json_decref(json);
    return status;
}
