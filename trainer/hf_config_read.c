/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <math.h>

#include "trainer/hf_config.h"
#include "wetmill/file.h"
#include "wetmill/jansson.h"

enum { CONFIG_BYTES = 1 << 20, QWEN3_HEAD = 128 /* transformers' head_dim if left out */ };

/* ---- single fields ---- */

static bool is_absent(const json_t *value)
{
    return !value || json_is_null(value);
}

/* `def` 0: it must be there. */
static int get_count(const json_t *json, const char *key, uint32_t most, uint32_t def,
                     uint32_t *ret, struct wm_error *err)
{
    const json_t *value = json_object_get(json, key);
    json_int_t n = is_absent(value) ? (json_int_t)def : json_integer_value(value);
    if (n < 1 || n > (json_int_t)most)
        return wm_fail(err, WM_E_FORMAT, "%s is missing or not a whole number from 1 to %" PRIu32,
                       key, most);
    *ret = (uint32_t)n;
    return 0;
}

static int get_real(const json_t *json, const char *key, double def, float *ret,
                    struct wm_error *err)
{
    const json_t *value = json_object_get(json, key);
    if (!is_absent(value) && !json_is_number(value))
        return wm_fail(err, WM_E_FORMAT, "%s is not a number", key);
    double v = is_absent(value) ? def : json_number_value(value);
    if (!(fabs(v) < 1e30))
        return wm_fail(err, WM_E_FORMAT, "%s is out of range", key);
    *ret = (float)v;
    return 0;
}

static int get_flag(const json_t *json, const char *key, bool def, bool *ret, struct wm_error *err)
{
    const json_t *value = json_object_get(json, key);
    if (!is_absent(value) && !json_is_boolean(value))
        return wm_fail(err, WM_E_FORMAT, "%s is neither true nor false", key);
    *ret = is_absent(value) ? def : json_is_true(value);
    return 0;
}

/* Absent, or as we compute it. */
static int want_text(const json_t *json, const char *key, const char *const *known,
                     struct wm_error *err)
{
    const json_t *value = json_object_get(json, key);
    const char *text = json_string_value(value);
    for (size_t i = 0; text && known[i]; i++)
        if (strcmp(text, known[i]) == 0)
            return 0;
    if (is_absent(value))
        return 0;
    return wm_fail(err, WM_E_FORMAT, "%s is %s%.80s%s, but only \"%s\" is supported", key,
                   text ? "\"" : "", text ? text : "not text", text ? "\"" : "", known[0]);
}

static int want_flag(const json_t *json, const char *key, bool want, struct wm_error *err)
{
    bool is = want;
    int status = get_flag(json, key, want, &is, err);
    if (status || is == want)
        return status;
    return wm_fail(err, WM_E_FORMAT, "%s other than %s is not supported", key,
                   want ? "true" : "false");
}

static int want_absent(const json_t *json, const char *key, struct wm_error *err)
{
    if (is_absent(json_object_get(json, key)))
        return 0;
    return wm_fail(err, WM_E_FORMAT, "%s is not supported", key);
}

struct flag {
    const char *key;
    bool want;
};

static int want_flags(const json_t *json, const struct flag *flags, size_t n, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; i < n && !status; i++)
        status = want_flag(json, flags[i].key, flags[i].want, err);
    return status;
}

/* ---- gpt2 ---- */

static int read_gpt2(const json_t *json, struct wm_model_config *c, struct wm_error *err)
{
    static const char *const activations[] = {"gelu_new", "gelu_pytorch_tanh", NULL};
    static const struct flag flags[] = {{"tie_word_embeddings", true},
                                        {"scale_attn_weights", true},
                                        {"scale_attn_by_inverse_layer_idx", false},
                                        {"add_cross_attention", false}};
    int status = want_text(json, "activation_function", activations, err);
    if (!status)
        status = want_flags(json, flags, sizeof flags / sizeof *flags, err);
    if (!status)
        status = get_count(json, "n_layer", WM_MODEL_MAX_LAYERS, 0, &c->n_layer, err);
    if (!status)
        status = get_count(json, "n_head", WM_MODEL_MAX_WIDTH, 0, &c->n_head, err);
    if (!status)
        status = get_count(json, "n_embd", WM_MODEL_MAX_WIDTH, 0, &c->n_embd, err);
    if (!status)
        status = get_count(json, "n_positions", WM_MODEL_MAX_CONTEXT, 0, &c->n_ctx, err);
    if (!status)
        status =
            get_count(json, "n_inner", 4 * WM_MODEL_MAX_WIDTH, 4 * c->n_embd, &c->n_hidden, err);
    if (!status)
        status = get_real(json, "layer_norm_epsilon", 1e-5, &c->norm_epsilon, err);
    if (status)
        return status;
    if (c->n_embd % c->n_head)
        return wm_fail(err, WM_E_FORMAT, "n_embd %" PRIu32 " is not a multiple of n_head %" PRIu32,
                       c->n_embd, c->n_head);
    c->n_kv_head = c->n_head;
    c->head_dim = c->n_embd / c->n_head;
    c->tied = true;
    return 0;
}

/* ---- llama and its kin ---- */

/* An object {rope_type or type, rope_theta, …} under `key` that must not scale anything. Its theta
 * goes to `ret_theta`, NULL if it has none. */
static int read_rope(const json_t *json, const char *key, const json_t **ret_theta,
                     struct wm_error *err)
{
    static const char *const plain[] = {"default", NULL};
    json_t *rope = json_object_get(json, key);
    *ret_theta = NULL;
    if (is_absent(rope))
        return 0;
    if (!json_is_object(rope))
        return wm_fail(err, WM_E_FORMAT, "%s is not an object", key);
    int status = want_text(rope, "rope_type", plain, err);
    if (!status)
        status = want_text(rope, "type", plain, err);
    if (!status && json_object_get(rope, "factor") && !json_object_get(rope, "rope_type") &&
        !json_object_get(rope, "type"))
        status = wm_fail(err, WM_E_FORMAT, "a factor without a type is not supported");
    if (status) {
        const struct wm_error inner = *err;
        return wm_fail(err, status, "%s: %s", key, inner.what);
    }
    const json_t *part = json_object_get(rope, "partial_rotary_factor");
    if (!is_absent(part) && json_number_value(part) != 1)
        return wm_fail(err, WM_E_FORMAT, "%s: partial_rotary_factor is not supported", key);
    json_t *value;
    const char *name;
    json_object_foreach(rope, name, value) /* one for each kind of layer */
    {
        if (json_is_object(value))
            return wm_fail(err, WM_E_FORMAT, "%s: %.80s is not supported", key, name);
    }
    *ret_theta = json_object_get(rope, "rope_theta");
    return 0;
}

static int read_theta(const json_t *json, float *ret, struct wm_error *err)
{
    const json_t *newer, *scaling;
    int status = read_rope(json, "rope_parameters", &newer, err);
    if (!status)
        status = read_rope(json, "rope_scaling", &scaling, err);
    if (!status)
        status = get_real(json, "rope_theta", newer ? json_number_value(newer) : 10000, ret, err);
    if (!status && newer && (float)json_number_value(newer) != *ret)
        status = wm_fail(err, WM_E_FORMAT, "rope_theta is %g, but %g in rope_parameters",
                         (double)*ret, json_number_value(newer));
    return status;
}

static int check_layer_types(const json_t *json, struct wm_error *err)
{
    const json_t *types = json_object_get(json, "layer_types");
    for (size_t i = 0; i < json_array_size(types); i++) {
        const char *type = json_string_value(json_array_get(types, i));
        if (!type || strcmp(type, "full_attention") != 0)
            return wm_fail(err, WM_E_FORMAT,
                           "layer_types has %.80s, but only \"full_attention\" is supported",
                           type ? type : "what is not text");
    }
    return 0;
}

static int check_llama(const json_t *json, struct wm_error *err)
{
    static const char *const activations[] = {"silu", "swish", NULL};
    static const struct flag flags[] = {
        {"attention_bias", false}, {"mlp_bias", false}, {"use_sliding_window", false}};
    int status = want_text(json, "hidden_act", activations, err);
    if (!status)
        status = want_flags(json, flags, sizeof flags / sizeof *flags, err);
    if (!status)
        status = check_layer_types(json, err);
    const json_t *part = json_object_get(json, "partial_rotary_factor");
    if (!status && !is_absent(part) && json_number_value(part) != 1)
        status = wm_fail(err, WM_E_FORMAT, "partial_rotary_factor other than 1 is not supported");
    return status;
}

static int read_llama(const json_t *json, struct wm_model_config *c, struct wm_error *err)
{
    int status = check_llama(json, err);
    if (!status)
        status = get_count(json, "num_hidden_layers", WM_MODEL_MAX_LAYERS, 0, &c->n_layer, err);
    if (!status)
        status = get_count(json, "num_attention_heads", WM_MODEL_MAX_WIDTH, 0, &c->n_head, err);
    if (!status)
        status = get_count(json, "num_key_value_heads", WM_MODEL_MAX_WIDTH, c->n_head,
                           &c->n_kv_head, err);
    if (!status)
        status = get_count(json, "hidden_size", WM_MODEL_MAX_WIDTH, 0, &c->n_embd, err);
    const uint32_t usual_head = c->architecture == WM_ARCH_QWEN3 ? QWEN3_HEAD
                                : c->n_head                      ? c->n_embd / c->n_head
                                                                 : 0;
    if (!status)
        status = get_count(json, "head_dim", WM_MODEL_MAX_HEAD, usual_head, &c->head_dim, err);
    if (!status)
        status = get_count(json, "intermediate_size", 4 * WM_MODEL_MAX_WIDTH, 0, &c->n_hidden, err);
    if (!status)
        status =
            get_count(json, "max_position_embeddings", WM_MODEL_MAX_CONTEXT, 0, &c->n_ctx, err);
    if (!status)
        status = get_real(json, "rms_norm_eps", 1e-6, &c->norm_epsilon, err);
    if (!status)
        status = get_flag(json, "tie_word_embeddings", false, &c->tied, err);
    return status ? status : read_theta(json, &c->rope_theta, err);
}

/* ---- the whole ---- */

static void read_id(const json_t *json, const char *key, bool *ret_has, uint32_t *ret)
{
    const json_t *value = json_object_get(json, key);
    if (json_is_array(value))
        value = json_array_get(value, 0);
    json_int_t id = json_integer_value(value);
    *ret_has = json_is_integer(value) && id >= 0 && id < WM_MODEL_MAX_VOCABULARY;
    *ret = *ret_has ? (uint32_t)id : 0;
}

static int read_config(const json_t *json, struct wm_hf_config *ret, struct wm_error *err)
{
    const char *type = json_string_value(json_object_get(json, "model_type"));
    if (!type)
        return wm_fail(err, WM_E_FORMAT, "model_type is missing");
    int architecture = wm_architecture_of_hf(type);
    if (architecture < 0)
        return wm_fail(err, WM_E_FORMAT,
                       "model_type is \"%.80s\", but only \"gpt2\", \"llama\" and \"qwen3\" are "
                       "supported",
                       type);
    struct wm_hf_config config = {
        .model = {.architecture = (enum wm_architecture)architecture, .rope_theta = 10000}};
    struct wm_model_config *c = &config.model;
    int status = want_absent(json, "quantization_config", err);
    if (!status)
        status = wm_model_parts(c)->positions == WM_POSITIONS_LEARNED ? read_gpt2(json, c, err)
                                                                      : read_llama(json, c, err);
    if (!status)
        status = get_count(json, "vocab_size", WM_MODEL_MAX_VOCABULARY, 0, &c->vocabulary, err);
    if (!status && !(c->norm_epsilon > 0 && c->norm_epsilon < 1))
        status = wm_fail(err, WM_E_FORMAT, "the norms' epsilon is not between 0 and 1");
    if (!status && wm_model_config_check(c, err)) {
        const struct wm_error inner = *err;
        status = wm_fail(err, WM_E_FORMAT, "%s", inner.what);
    }
    if (status)
        return status;
    read_id(json, "bos_token_id", &config.has_bos, &config.bos);
    read_id(json, "eos_token_id", &config.has_eos, &config.eos);
    *ret = config;
    return 0;
}

int wm_hf_config_parse(struct wm_str text, struct wm_hf_config *ret, struct wm_error *err)
{
    json_error_t where;
    json_t *json;
    int status = wm_json_parse(text, &json, &where, err);
    if (!status)
        status = json_is_object(json) ? read_config(json, ret, err)
                                      : wm_fail(err, WM_E_FORMAT, "not a JSON object: line %d: %s",
                                                where.line, json ? "no object" : where.text);
    json_decref(json);
    return status;
}

int wm_hf_config_read(const char *dir, struct wm_hf_config *ret, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_buf buf;
    wm_buf_init(&buf, CONFIG_BYTES);
    int status = wm_path_join(path, dir, "config.json", err);
    if (!status)
        status = wm_file_load(path, &buf, err);
    if (!status) {
        status = wm_hf_config_parse(wm_buf_str(&buf), ret, err);
        if (status)
            status = wm_error_where(err, "%s", path);
    }
    wm_buf_done(&buf);
    return status;
}
