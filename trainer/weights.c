/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/weights.h"

#include <inttypes.h>
#include <stdlib.h>

#include "trainer/weight_types.h"

enum { PREFIX = sizeof "transformer." - 1, SHOWN_NAME = 80, TILE = 64 };

/* ---- which tensor is which ---- */

static const struct wm_safetensor *find(const struct wm_weights *w, struct wm_str name)
{
    for (size_t i = 0; i < w->n_files; i++) {
        const struct wm_safetensor *t = wm_safetensors_find(&w->files[i], name);
        if (t)
            return t;
    }
    return NULL;
}

/* GPT-2's published files have no "transformer.". */
static size_t prefix_left_out(const struct wm_weights *w)
{
    const struct wm_architecture_info *parts = wm_model_parts(&w->config.model);
    return parts->positions == WM_POSITIONS_LEARNED && !find(w, WM_STR("transformer.wte.weight"))
               ? PREFIX
               : 0;
}

bool wm_weights_are_turned(const struct wm_params *params, const struct wm_param *p)
{
    return p->role == WM_PARAM_LINEAR && wm_params_at(params, WM_P_QKV, 0) >= 0;
}

static int type_of(const struct wm_safetensor *t)
{
    return !strcmp(t->dtype, "F32")    ? WM_WEIGHT_F32
           : !strcmp(t->dtype, "F16")  ? WM_WEIGHT_F16
           : !strcmp(t->dtype, "BF16") ? WM_WEIGHT_BF16
                                       : -1;
}

static int check_tensor(const struct wm_weights *w, const struct wm_safetensor *t,
                        const struct wm_param *p, struct wm_error *err)
{
    bool turned = wm_weights_are_turned(&w->params, p);
    uint64_t rows = p->shape[turned], columns = p->shape[!turned];
    bool fits = p->shape[1] ? t->n_dims == 2 && t->shape[0] == rows && t->shape[1] == columns
                            : t->n_dims == 1 && t->shape[0] == p->shape[0];
    if (type_of(t) < 0)
        return wm_fail(err, WM_E_FORMAT,
                       "tensor %s is %s, but only F32, F16 and BF16 are supported", p->name,
                       t->dtype);
    if (fits)
        return 0;
    return wm_fail(err, WM_E_FORMAT, "tensor %s has not the shape that config.json gives it",
                   p->name);
}

/* A buffer that says nothing new, or the tied head once more. */
static bool is_ignored(const struct wm_weights *w, const struct wm_safetensor *t)
{
    if (wm_str_ends(t->name, WM_STR(".attn.bias")) ||
        wm_str_ends(t->name, WM_STR(".attn.masked_bias")) ||
        wm_str_ends(t->name, WM_STR(".rotary_emb.inv_freq")))
        return true;
    if (!w->config.model.tied || !wm_str_eq(t->name, WM_STR("lm_head.weight")))
        return false;
    const struct wm_safetensor *e = w->tensors[wm_params_at(&w->params, WM_P_TOKENS, 0)];
    return e->dtype == t->dtype && e->n == t->n &&
           memcmp(e->bytes, t->bytes, (size_t)(t->end - t->begin)) == 0;
}

static bool is_used(const struct wm_weights *w, const struct wm_safetensor *t)
{
    for (size_t i = 0; i < w->params.n; i++)
        if (w->tensors[i] == t)
            return true;
    return false;
}

/* Every tensor is a parameter or ignored. Counting comes first: looking each up takes time. */
static int check_others(const struct wm_weights *w, struct wm_error *err)
{
    const struct wm_safetensor *other = NULL;
    size_t n_others = 0;
    for (size_t f = 0; f < w->n_files; f++) {
        n_others += w->files[f].n;
        for (size_t i = 0; i < w->files[f].n; i++)
            n_others -= is_ignored(w, &w->files[f].tensors[i]);
    }
    if (n_others == w->params.n)
        return 0;
    for (size_t f = 0; f < w->n_files && !other; f++)
        for (size_t i = 0; i < w->files[f].n && !other; i++)
            if (!is_ignored(w, &w->files[f].tensors[i]) && !is_used(w, &w->files[f].tensors[i]))
                other = &w->files[f].tensors[i];
    struct wm_str name = other ? other->name : WM_STR("?");
    return wm_fail(err, WM_E_FORMAT,
                   "tensor %.*s is no part of a %s model with this config.json (or in it twice)",
                   (int)(name.len < SHOWN_NAME ? name.len : SHOWN_NAME), name.ptr,
                   wm_model_parts(&w->config.model)->name);
}

static int assign(struct wm_weights *w, struct wm_error *err)
{
    const size_t skip = prefix_left_out(w);
    w->tensors = calloc(w->params.n, sizeof(const struct wm_safetensor *));
    if (!w->tensors)
        return wm_fail_nomem(err, w->params.n * sizeof(const struct wm_safetensor *), "tensors");
    for (size_t i = 0; i < w->params.n; i++) {
        struct wm_param *p = &w->params.table[i];
        const char *name = p->place == WM_P_HEAD ? p->name : p->name + skip;
        w->tensors[i] = find(w, wm_str_of(name));
        if (!w->tensors[i])
            return wm_fail(err, WM_E_FORMAT, "tensor %s is missing", name);
        int status = check_tensor(w, w->tensors[i], p, err);
        if (status)
            return status;
        p->dtype = (enum wm_weight_type)type_of(w->tensors[i]);
    }
    return check_others(w, err);
}

size_t wm_weights_put_notes(const struct wm_weights_notes *notes, char hex[WM_HEX128],
                            struct wm_safetensors_pair ret[WM_WEIGHTS_NOTES])
{
    size_t n = 0;
    ret[n++] = (struct wm_safetensors_pair){WM_STR("format"), WM_STR("pt")};
    if (!notes->has_tokenizer)
        return n;
    wm_hex128(notes->tokenizer, hex);
    ret[n++] = (struct wm_safetensors_pair){WM_STR(WM_WEIGHTS_TOKENIZER_KEY), wm_str_of(hex)};
    if (!notes->framed)
        ret[n++] = (struct wm_safetensors_pair){WM_STR(WM_WEIGHTS_TEMPLATE_KEY), WM_STR("false")};
    return n;
}

static int read_notes(struct wm_weights *w, struct wm_error *err)
{
    char digits[WM_HEX128] = "";
    w->notes.framed = true;
    for (size_t i = 0; i < w->n_files; i++) {
        struct wm_str template = wm_safetensors_note(&w->files[i], WM_STR(WM_WEIGHTS_TEMPLATE_KEY));
        if (wm_str_eq(template, WM_STR("false")))
            w->notes.framed = false;
        struct wm_str hex = wm_safetensors_note(&w->files[i], WM_STR(WM_WEIGHTS_TOKENIZER_KEY));
        if (!hex.ptr)
            continue;
        if (hex.len == sizeof digits - 1)
            memcpy(digits, hex.ptr, hex.len);
        if (!wm_unhex128(digits, &w->notes.tokenizer))
            return wm_fail(err, WM_E_FORMAT,
                           "the tokenizer's identity is not 32 hexadecimal digits");
        w->notes.has_tokenizer = true;
    }
    return 0;
}

/* Files are open, the configuration is known. */
static int finish(struct wm_weights *w, struct wm_error *err)
{
    int status = wm_params_new(&w->config.model, &w->params, err);
    if (!status)
        status = assign(w, err);
    return status ? status : read_notes(w, err);
}

/* ---- opening ---- */

static int open_files(struct wm_weights *w, const char *dir, struct wm_error *err)
{
    struct wm_arena arena;
    const char **names = NULL;
    size_t n = 0;
    char path[WM_PATH_MAX];
    wm_arena_init(&arena, (size_t)64 << 20);
    int status = wm_weights_list(dir, &arena, &names, &n, err);
    w->files = status ? NULL : calloc(n, sizeof *w->files);
    if (!status && !w->files)
        status = wm_fail_nomem(err, n * sizeof *w->files, "files of a model");
    for (size_t i = 0; i < n && !status; i++) {
        status = wm_path_join(path, dir, names[i], err);
        if (!status)
            status = wm_safetensors_open(path, &w->files[i], err);
        w->n_files += !status;
    }
    wm_arena_done(&arena);
    return status;
}

int wm_weights_open(const char *dir, struct wm_weights *ret, struct wm_error *err)
{
    struct wm_weights w = {0};
    int status = wm_hf_config_read(dir, &w.config, err);
    if (!status)
        status = open_files(&w, dir, err);
    if (!status && finish(&w, err))
        status = wm_error_where(err, w.n_files == 1 ? "%s/model.safetensors" : "%s", dir);
    if (status)
        wm_weights_close(&w);
    else
        *ret = w;
    return status;
}

int wm_weights_parse(struct wm_str config, struct wm_str tensors, struct wm_weights *ret,
                     struct wm_error *err)
{
    struct wm_weights w = {0};
    int status = wm_hf_config_parse(config, &w.config, err);
    w.files = status ? NULL : calloc(1, sizeof *w.files);
    if (!status && !w.files)
        status = wm_fail_nomem(err, sizeof *w.files, "files of a model");
    if (!status)
        status = wm_safetensors_parse(tensors, w.files, err);
    if (!status) {
        w.n_files = 1;
        status = finish(&w, err);
    }
    if (status)
        wm_weights_close(&w);
    else
        *ret = w;
    return status;
}

void wm_weights_close(struct wm_weights *weights)
{
    for (size_t i = 0; i < weights->n_files; i++)
        wm_safetensors_close(&weights->files[i]);
    free(weights->files);
    free(weights->tensors);
    wm_params_free(&weights->params);
    *weights = (struct wm_weights){0};
}

/* ---- reading ---- */

void wm_weights_numbers(const struct wm_weights *weights, size_t i, uint64_t first, uint64_t n,
                        float *dst)
{
    const enum wm_weight_type dtype = weights->params.table[i].dtype;
    const unsigned char *bytes = weights->tensors[i]->bytes + wm_weight_bytes(dtype, first);
    wm_weight_decode(dtype, bytes, (size_t)n, dst);
}

/* Some columns of the file's [in, out], a tile of them at a time. */
static void rows_of_turned(const struct wm_weights *w, size_t i, uint64_t first, uint64_t n,
                           float *dst)
{
    const uint64_t n_out = w->params.table[i].shape[0], n_in = w->params.table[i].shape[1];
    float tile[TILE];
    for (uint64_t at = 0; at < n; at += TILE) {
        const uint64_t some = n - at < TILE ? n - at : TILE;
        for (uint64_t in = 0; in < n_in; in++) {
            wm_weights_numbers(w, i, in * n_out + first + at, some, tile);
            for (uint64_t k = 0; k < some; k++)
                dst[(at + k) * n_in + in] = tile[k];
        }
    }
}

void wm_weights_rows(const struct wm_weights *weights, size_t i, uint64_t first, uint64_t n,
                     float *dst)
{
    const struct wm_param *p = &weights->params.table[i];
    const uint64_t columns = p->shape[1] ? p->shape[1] : 1;
    if (wm_weights_are_turned(&weights->params, p))
        rows_of_turned(weights, i, first, n, dst);
    else
        wm_weights_numbers(weights, i, first * columns, n * columns, dst);
}

void wm_weights_fill(const struct wm_weights *weights, float *flat)
{
    for (size_t i = 0; i < weights->params.n; i++) {
        const struct wm_param *p = &weights->params.table[i];
        wm_weights_rows(weights, i, 0, p->shape[0], flat + p->offset);
    }
}
