/* SPDX-License-Identifier: Apache-2.0 */
/* Model → directory. */
#include "trainer/export.h"

#include <jansson.h>
#include <stdlib.h>

#include "wetmill/file.h"
#include "wetmill/number.h"

/* ---- model.safetensors ---- */

/* The file's row-major [in, out] from our [out, in]. */
static void transpose(const float *weight, const struct wm_param *p, uint64_t first, size_t n,
                      float *dst)
{
    uint64_t n_out = p->shape[0], n_in = p->shape[1];
    uint64_t in = first / n_out, out = first % n_out;
    for (size_t k = 0; k < n; k++) {
        dst[k] = weight[out * n_in + in];
        if (++out == n_out) {
            out = 0;
            in++;
        }
    }
}

struct source {
    const struct wm_model *model;
};

static void fill(void *arg, size_t i, uint64_t first, size_t n, float *dst)
{
    const struct source *source = arg;
    const struct wm_model *model = source->model;
    const struct wm_param *p = &model->table[i];
    const float *weight = model->params + p->offset;
    if (p->role == WM_PARAM_LINEAR)
        transpose(weight, p, first, n, dst);
    else
        memcpy(dst, weight + first, n * sizeof *dst);
}

static int write_tensors(const struct wm_model *model, const struct wm_tokenizer *tokenizer,
                         const char *dir, struct wm_error *err)
{
    char path[WM_PATH_MAX], hex[WM_HEX128];
    int status = wm_path_join(path, dir, "model.safetensors", err);
    if (status)
        return status;
    struct wm_safetensors_entry *entries = calloc(model->n_table, sizeof *entries);
    if (!entries)
        return wm_fail_nomem(err, model->n_table * sizeof *entries, "table of tensors");
    for (size_t i = 0; i < model->n_table; i++) {
        const struct wm_param *p = &model->table[i];
        bool turned = p->role == WM_PARAM_LINEAR;
        entries[i] = (struct wm_safetensors_entry){
            p->name, p->shape[1] ? 2 : 1, {p->shape[turned], p->shape[!turned]}};
    }
    wm_hex128(wm_tokenizer_identity(tokenizer), hex);
    const struct wm_safetensors_pair metadata[] = {
        {WM_STR("format"), WM_STR("pt")}, {WM_STR(WM_EXPORT_TOKENIZER_KEY), wm_str_of(hex)}};
    struct source source = {model};
    status =
        wm_safetensors_write(path, entries, model->n_table, metadata, 2, fill, &source, NULL, err);
    free(entries);
    return status;
}

/* ---- config.json ---- */

/* What transformers' GPT2Config reads. */
static json_t *config_json(const struct wm_model_config *c, const struct wm_tokenizer *tokenizer)
{
    json_t *json = json_pack(
        "{s:[s], s:s, s:I, s:I, s:I, s:I, s:I, s:n, s:I, s:s, s:f}", "architectures",
        "GPT2LMHeadModel", "model_type", "gpt2", "n_layer", (json_int_t)c->n_layer, "n_head",
        (json_int_t)c->n_head, "n_embd", (json_int_t)c->n_embd, "n_positions", (json_int_t)c->n_ctx,
        "n_ctx", (json_int_t)c->n_ctx, "n_inner", "vocab_size", (json_int_t)c->vocabulary,
        "activation_function", "gelu_new", "layer_norm_epsilon", (double)c->norm_epsilon);
    json_t *rest = json_pack("{s:f, s:f, s:f, s:b, s:b, s:s}", "attn_pdrop", 0.0, "embd_pdrop", 0.0,
                             "resid_pdrop", 0.0, "tie_word_embeddings", 1, "use_cache", 1,
                             "torch_dtype", "float32");
    uint32_t eod;
    int failed = !json || !rest || json_object_update(json, rest);
    if (!failed && wm_tokenizer_eod(tokenizer, &eod)) {
        failed = json_object_set_new(json, "bos_token_id", json_integer(eod)) ||
                 json_object_set_new(json, "eos_token_id", json_integer(eod));
    }
    json_decref(rest);
    if (!failed)
        return json;
    json_decref(json);
    return NULL;
}

/* Digits that the float needs to be read back: 1e-5 shall not be written 9.9999997e-6. */
static unsigned digits_of(float v)
{
    enum { MOST = 9 };
    unsigned digits = 0;
    double back = 0;
    for (bool same = false; !same && digits < MOST;) {
        json_t *real = json_real((double)v);
        char *text = json_dumps(real, JSON_ENCODE_ANY | JSON_REAL_PRECISION(++digits));
        same = wm_parse_real(wm_str_of(text), &back) && (float)back == v;
        free(text);
        json_decref(real);
    }
    return digits;
}

static int write_config(const struct wm_model *model, const struct wm_tokenizer *tokenizer,
                        const char *dir, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    int status = wm_path_join(path, dir, "config.json", err);
    if (status)
        return status;
    json_t *json = config_json(&model->config, tokenizer);
    char *text =
        json ? json_dumps(json, JSON_INDENT(2) |
                                    JSON_REAL_PRECISION(digits_of(model->config.norm_epsilon)))
             : NULL;
    json_decref(json);
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 20);
    status = text ? wm_buf_printf(&buf, err, "%s\n", text)
                  : wm_fail_nomem(err, 4096, "writing config.json");
    if (!status)
        status = wm_file_store(path, wm_buf_str(&buf), err);
    wm_buf_done(&buf);
    free(text);
    return status;
}

int wm_export_write(const struct wm_model *model, const struct wm_tokenizer *tokenizer,
                    const char *dir, struct wm_error *err)
{
    int status = wm_mkdirs(dir, err);
    if (!status)
        status = write_tensors(model, tokenizer, dir, err);
    if (!status)
        status = wm_tokenizer_save(tokenizer, dir, err);
    if (!status)
        status = write_config(model, tokenizer, dir, err);
    return status;
}
