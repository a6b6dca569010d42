/* SPDX-License-Identifier: Apache-2.0 */
/* Directory → model. Sizes are checked against the file before anything is allocated for them. */
#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>

#include "trainer/export.h"
#include "trainer/train_plan.h"
#include "wetmill/file.h"

enum { CONFIG_BYTES = 1 << 20, ROW_PREFIX = sizeof "transformer." - 1 };

/* ---- config.json ---- */

static int get_count(const json_t *json, const char *key, uint32_t most, uint32_t *ret,
                     struct wm_error *err)
{
    const json_t *value = json_object_get(json, key);
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    if (n < 1 || n > (json_int_t)most)
        return wm_fail(err, WM_E_FORMAT, "%s is missing or not a whole number from 1 to %" PRIu32,
                       key, most);
    *ret = (uint32_t)n;
    return 0;
}

/* Absent, null, or as we compute it. */
static int want_text(const json_t *json, const char *key, const char *one, const char *other,
                     struct wm_error *err)
{
    const json_t *value = json_object_get(json, key);
    const char *text = json_string_value(value);
    if (!value || (text && (strcmp(text, one) == 0 || strcmp(text, other) == 0)))
        return 0;
    return wm_fail(err, WM_E_FORMAT, "%s is %s%s%s, but only \"%s\" is supported", key,
                   text ? "\"" : "", text ? text : "not text", text ? "\"" : "", one);
}

static int want_flag(const json_t *json, const char *key, bool want, struct wm_error *err)
{
    const json_t *value = json_object_get(json, key);
    if (!value || json_is_null(value) || (want ? json_is_true(value) : json_is_false(value)))
        return 0;
    return wm_fail(err, WM_E_FORMAT, "%s other than %s is not supported", key,
                   want ? "true" : "false");
}

static int check_kind(const json_t *json, struct wm_error *err)
{
    if (!json_is_string(json_object_get(json, "model_type")))
        return wm_fail(err, WM_E_FORMAT, "model_type is missing");
    int status = want_text(json, "model_type", "gpt2", "gpt2", err);
    if (!status)
        status = want_text(json, "activation_function", "gelu_new", "gelu_pytorch_tanh", err);
    if (!status)
        status = want_flag(json, "tie_word_embeddings", true, err);
    if (!status)
        status = want_flag(json, "scale_attn_weights", true, err);
    if (!status)
        status = want_flag(json, "scale_attn_by_inverse_layer_idx", false, err);
    if (!status)
        status = want_flag(json, "add_cross_attention", false, err);
    return status;
}

static int read_config(const json_t *json, struct wm_model_config *ret, struct wm_error *err)
{
    struct wm_model_config c = {0};
    int status = check_kind(json, err);
    if (!status)
        status = get_count(json, "n_layer", WM_MODEL_MAX_LAYERS, &c.n_layer, err);
    if (!status)
        status = get_count(json, "n_head", WM_MODEL_MAX_WIDTH, &c.n_head, err);
    if (!status)
        status = get_count(json, "n_embd", WM_MODEL_MAX_WIDTH, &c.n_embd, err);
    if (!status)
        status = get_count(json, "n_positions", WM_MODEL_MAX_CONTEXT, &c.n_ctx, err);
    if (!status)
        status = get_count(json, "vocab_size", WM_MODEL_MAX_VOCABULARY, &c.vocabulary, err);
    if (status)
        return status;
    const json_t *inner = json_object_get(json, "n_inner");
    if (inner && !json_is_null(inner) && json_integer_value(inner) != 4 * (json_int_t)c.n_embd)
        return wm_fail(err, WM_E_FORMAT, "n_inner other than 4 × n_embd is not supported");
    c = wm_model_config_usual(WM_ARCH_GPT2, c.n_layer, c.n_head, c.n_embd, c.n_ctx, c.vocabulary);
    const json_t *epsilon = json_object_get(json, "layer_norm_epsilon");
    c.norm_epsilon = epsilon ? (float)json_number_value(epsilon) : 1e-5F;
    if (!(c.norm_epsilon > 0 && c.norm_epsilon < 1))
        return wm_fail(err, WM_E_FORMAT, "layer_norm_epsilon is not a number between 0 and 1");
    if (c.n_embd % c.n_head)
        return wm_fail(err, WM_E_FORMAT, "n_embd %" PRIu32 " is not a multiple of n_head %" PRIu32,
                       c.n_embd, c.n_head);
    *ret = c;
    return 0;
}

int wm_export_config(const char *dir, struct wm_model_config *ret, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_buf buf;
    json_error_t where;
    wm_buf_init(&buf, CONFIG_BYTES);
    int status = wm_path_join(path, dir, "config.json", err);
    if (!status)
        status = wm_file_load(path, &buf, err);
    if (!status) {
        json_t *json = json_loadb(buf.len ? buf.ptr : "", buf.len, JSON_REJECT_DUPLICATES, &where);
        status = json_is_object(json) ? read_config(json, ret, err)
                                      : wm_fail(err, WM_E_FORMAT, "not a JSON object: line %d: %s",
                                                where.line, json ? "no object" : where.text);
        json_decref(json);
        if (status)
            status = wm_error_where(err, "%s", path);
    }
    wm_buf_done(&buf);
    return status;
}

/* ---- model.safetensors ---- */

static bool has_prefix(const struct wm_safetensors *file)
{
    return wm_safetensors_find(file, WM_STR("transformer.wte.weight")) != NULL;
}

static int check_tensor(const struct wm_safetensor *t, const struct wm_param *p,
                        struct wm_error *err)
{
    bool turned = p->role == WM_PARAM_LINEAR;
    uint64_t rows = p->shape[turned], columns = p->shape[!turned];
    bool fits = p->shape[1] ? t->n_dims == 2 && t->shape[0] == rows && t->shape[1] == columns
                            : t->n_dims == 1 && t->shape[0] == p->shape[0];
    if (strcmp(t->dtype, "F32") != 0)
        return wm_fail(err, WM_E_FORMAT, "tensor %s is %s, but only F32 is supported", p->name,
                       t->dtype);
    if (fits)
        return 0;
    return wm_fail(err, WM_E_FORMAT, "tensor %s has not the shape that config.json gives it",
                   p->name);
}

/* Ours [out, in] from the file's [in, out], a row of the file at a time. */
static int load_turned(const struct wm_safetensor *t, const struct wm_param *p, float *weight,
                       struct wm_error *err)
{
    size_t n_out = p->shape[0], n_in = p->shape[1];
    float *row = malloc(n_out * sizeof *row);
    if (!row)
        return wm_fail_nomem(err, n_out * sizeof *row, "loading a model");
    for (size_t in = 0; in < n_in; in++) {
        wm_safetensor_floats(t, in * n_out, n_out, row);
        for (size_t out = 0; out < n_out; out++)
            weight[out * n_in + in] = row[out];
    }
    free(row);
    return 0;
}

static bool is_ignored(const struct wm_safetensors *file, const struct wm_safetensor *t)
{
    if (wm_str_ends(t->name, WM_STR(".attn.bias")) ||
        wm_str_ends(t->name, WM_STR(".attn.masked_bias")))
        return true;
    if (!wm_str_eq(t->name, WM_STR("lm_head.weight")))
        return false;
    struct wm_str name = has_prefix(file) ? WM_STR("transformer.wte.weight") : WM_STR("wte.weight");
    const struct wm_safetensor *wte = wm_safetensors_find(file, name);
    return wte && wte->dtype == t->dtype && wte->n == t->n &&
           memcmp(wte->bytes, t->bytes, (size_t)(t->end - t->begin)) == 0;
}

/* Every tensor is a parameter or one of those that say nothing new. */
static int check_others(const struct wm_safetensors *file, size_t n_used, struct wm_error *err)
{
    size_t n_ignored = 0;
    for (size_t i = 0; i < file->n; i++)
        n_ignored += is_ignored(file, &file->tensors[i]);
    if (n_used + n_ignored == file->n)
        return 0;
    return wm_fail(err, WM_E_FORMAT,
                   "%zu tensors are no part of a GPT-2 model with these options and a tied head",
                   file->n - n_used - n_ignored);
}

int wm_export_fill(const struct wm_safetensors *file, struct wm_model *model, struct wm_error *err)
{
    size_t skip = has_prefix(file) ? 0 : ROW_PREFIX;
    for (size_t i = 0; i < model->n_table; i++) {
        const struct wm_param *p = &model->table[i];
        const struct wm_safetensor *t = wm_safetensors_find(file, wm_str_of(p->name + skip));
        if (!t)
            return wm_fail(err, WM_E_FORMAT, "tensor %s is missing", p->name + skip);
        int status = check_tensor(t, p, err);
        if (status)
            return status;
        float *weight = model->params + p->offset;
        if (p->role == WM_PARAM_LINEAR)
            status = load_turned(t, p, weight, err);
        else
            wm_safetensor_floats(t, 0, p->n, weight);
        if (status)
            return status;
    }
    return check_others(file, model->n_table, err);
}

static int load(const struct wm_safetensors *file, const struct wm_model_config *config,
                struct wm_team *team, struct wm_model **ret, struct wm_export_facts *facts,
                struct wm_error *err)
{
    uint64_t n = wm_train_parameters(config), bytes = 0;
    for (size_t i = 0; i < file->n; i++)
        bytes += file->tensors[i].end - file->tensors[i].begin;
    if (bytes / sizeof(float) < n)
        return wm_fail(err, WM_E_FORMAT,
                       "the tensors have %" PRIu64 " bytes, but config.json needs %" PRIu64
                       " float32 parameters",
                       bytes, n);
    struct wm_str hex = wm_safetensors_note(file, WM_STR(WM_EXPORT_TOKENIZER_KEY));
    *facts = (struct wm_export_facts){.has_tokenizer = hex.ptr != NULL};
    char digits[WM_HEX128] = "";
    if (hex.ptr && hex.len == sizeof digits - 1)
        memcpy(digits, hex.ptr, hex.len);
    if (hex.ptr && !wm_unhex128(digits, &facts->tokenizer))
        return wm_fail(err, WM_E_FORMAT, "the tokenizer's identity is not 32 hexadecimal digits");
    struct wm_model *model;
    int status = wm_model_new(config, 1, false, team, &model, err);
    if (status)
        return status;
    status = wm_export_fill(file, model, err);
    if (status)
        wm_model_free(model);
    else
        *ret = model;
    return status;
}

int wm_export_load(const char *dir, struct wm_team *team, struct wm_model **ret,
                   struct wm_export_facts *ret_facts, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    struct wm_model_config config;
    struct wm_safetensors file;
    int status = wm_export_config(dir, &config, err);
    if (!status)
        status = wm_path_join(path, dir, "model.safetensors", err);
    if (!status)
        status = wm_safetensors_open(path, &file, err);
    if (status)
        return status;
    status = load(&file, &config, team, ret, ret_facts, err);
    if (status)
        (void)wm_error_where(err, "%s", path);
    wm_safetensors_close(&file);
    return status;
}
