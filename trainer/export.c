/* SPDX-License-Identifier: Apache-2.0 */
/* Model → directory. */
#include "trainer/export.h"

#include <stdlib.h>

#include "wetmill/file.h"
#include "wetmill/shards.h"

struct source {
    const struct wm_params *params;
    const float *weights;
};

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

static void fill(void *arg, size_t i, uint64_t first, size_t n, float *dst)
{
    const struct source *source = arg;
    const struct wm_param *p = &source->params->table[i];
    const float *weight = source->weights + p->offset;
    if (wm_weights_are_turned(source->params, p))
        transpose(weight, p, first, n, dst);
    else
        memcpy(dst, weight + first, n * sizeof *dst);
}

static int write_tensors(struct source *source, const struct wm_export_text *text, const char *dir,
                         struct wm_error *err)
{
    const struct wm_params *params = source->params;
    struct wm_weights_notes notes = {.framed = text->framed,
                                     .has_tokenizer = text->tokenizer != NULL};
    struct wm_safetensors_pair metadata[WM_WEIGHTS_NOTES];
    char path[WM_PATH_MAX], hex[WM_HEX128];
    int status = wm_path_join(path, dir, "model.safetensors", err);
    if (status)
        return status;
    struct wm_safetensors_entry *entries = calloc(params->n, sizeof *entries);
    if (!entries)
        return wm_fail_nomem(err, params->n * sizeof *entries, "table of tensors");
    for (size_t i = 0; i < params->n; i++) {
        const struct wm_param *p = &params->table[i];
        bool turned = wm_weights_are_turned(params, p);
        entries[i] = (struct wm_safetensors_entry){
            .name = p->name,
            .n_dims = p->shape[1] ? 2 : 1,
            .shape = {p->shape[turned], p->shape[!turned]},
            .type = p->dtype,
        };
    }
    if (text->tokenizer)
        notes.tokenizer = wm_tokenizer_identity(text->tokenizer);
    const size_t n = wm_weights_put_notes(&notes, hex, metadata);
    status = wm_safetensors_write(path, entries, params->n, metadata, n, fill, source, NULL, err);
    free(entries);
    return status;
}

/* The first id of a document, or behind one: of its frame, else the token that ends documents. */
static bool find_end(const struct wm_export_text *text, bool behind, uint32_t *ret)
{
    uint32_t frame[WM_SHARD_FRAME];
    if (!text->framed || !wm_shard_frame(text->tokenizer, behind, frame))
        return wm_tokenizer_eod(text->tokenizer, ret);
    *ret = frame[0];
    return true;
}

int wm_export_params(const struct wm_hf_config *hf, const struct wm_params *params,
                     const float *weights, const struct wm_export_text *text, const char *dir,
                     struct wm_error *err)
{
    struct source source = {params, weights};
    struct wm_hf_config config = *hf;
    if (text->tokenizer) {
        config.has_bos = find_end(text, false, &config.bos);
        config.has_eos = find_end(text, true, &config.eos);
    }
    int status = wm_mkdirs(dir, err);
    if (!status)
        status = write_tensors(&source, text, dir, err);
    if (!status && text->tokenizer)
        status = wm_tokenizer_save(text->tokenizer, dir, err);
    if (!status)
        status = wm_hf_config_write(dir, &config, params->table[0].dtype, err);
    return status;
}

int wm_export_write(const struct wm_model *model, const struct wm_export_text *text,
                    const char *dir, struct wm_error *err)
{
    const struct wm_hf_config config = {.model = model->config};
    return wm_export_params(&config, &model->layout, model->params, text, dir, err);
}
