/* SPDX-License-Identifier: Apache-2.0 */
/* A Hugging Face directory with numbers of another type. */
#include <stdlib.h>
#include <string.h>

#include "trainer/export_formats.h"
#include "wetmill/json.h"

enum { COPY_BYTES = 1 << 30 /* most bytes of a tokenizer's file */ };

/* ---- model.safetensors ---- */

static void fill(void *arg, size_t i, uint64_t first, size_t n, float *dst)
{
    struct wm_export *export = arg;
    wm_weights_numbers(&export->weights, i, first, n, dst);
    wm_progress_add(export->job->progress, n * sizeof *dst);
}

static int write_tensors(struct wm_export *export, struct wm_error *err)
{
    const struct wm_weights *w = &export->weights;
    const struct wm_params *params = &w->params;
    struct wm_safetensors_pair metadata[WM_WEIGHTS_NOTES];
    char path[WM_PATH_MAX], hex[WM_HEX128];
    struct wm_digest digest;
    int status = wm_path_join(path, export->job->out, "model.safetensors", err);
    if (status)
        return status;
    struct wm_safetensors_entry *entries = calloc(params->n, sizeof *entries);
    if (!entries)
        return wm_fail_nomem(err, params->n * sizeof *entries, "table of tensors");
    for (size_t i = 0; i < params->n; i++) {
        const struct wm_safetensor *t = w->tensors[i];
        entries[i] = (struct wm_safetensors_entry){.name = params->table[i].name,
                                                   .n_dims = t->n_dims,
                                                   .shape = {t->shape[0], t->shape[1]},
                                                   .type = export->job->type};
    }
    const size_t n = wm_weights_put_notes(&w->notes, hex, metadata);
    wm_progress_start(export->job->progress, "export", "bytes", params->n_numbers * sizeof(float));
    status =
        wm_safetensors_write(path, entries, params->n, metadata, n, fill, export, &digest, err);
    free(entries);
    export->result.n_tensors = params->n;
    export->result.bytes += status ? 0 : digest.size;
    return status;
}

/* ---- what stands beside ---- */

static const char *const beside[] = {"tokenizer.json",
                                     "tokenizer.model",
                                     "tokenizer_config.json",
                                     "special_tokens_map.json",
                                     "generation_config.json",
                                     "vocab.json",
                                     "merges.txt"};
enum { N_BESIDE = sizeof beside / sizeof *beside };

/* What was cut before it was opened says so by its form, or by what is known of it elsewhere. */
static int take(const struct wm_export *export, const char *name, struct wm_buf *buf,
                struct wm_error *err)
{
    const struct wm_export_job *job = export->job;
    char from[WM_PATH_MAX];
    bool there = false;
    int status = wm_path_join(from, job->dir, name, err);
    if (!status)
        status = wm_is_there(from, &there, err);
    if (!status && there)
        status = wm_file_load(from, buf, err);
    if (!status && there && wm_str_ends(wm_str_of(name), WM_STR(".json")) &&
        wm_json_check(wm_buf_str(buf), err))
        status = wm_error_where(err, "%s", from);
    return status || !job->check ? status : job->check(job->dir, name, wm_buf_str(buf), err);
}

/* One was seen when the export began. */
static int check_tokenizer(const struct wm_export *export, const struct wm_buf texts[N_BESIDE],
                           struct wm_error *err)
{
    for (size_t i = 0; i < N_BESIDE; i++)
        if (texts[i].ptr &&
            (strcmp(beside[i], "tokenizer.json") == 0 ||
             strcmp(beside[i], "tokenizer.model") == 0 || strcmp(beside[i], "vocab.json") == 0))
            return 0;
    if (!export->result.tokenizer)
        return 0;
    wm_fail(err, WM_E_CHANGED, "the tokenizer.json that was there is gone");
    return wm_error_where(err, "%s", export->job->dir);
}

static int put(struct wm_export *export, const char *name, const struct wm_buf *buf,
               struct wm_error *err)
{
    char to[WM_PATH_MAX];
    int status = buf->ptr ? wm_path_join(to, export->job->out, name, err) : 0;
    if (status || !buf->ptr)
        return status; /* it is not there */
    export->result.bytes += buf->len;
    return wm_file_store(to, wm_buf_str(buf), err);
}

/* Written over itself in fewer bits, the model would be lost. */
static int check_apart(const struct wm_export_job *job, struct wm_error *err)
{
    if (!wm_same_path(job->dir, job->out))
        return 0;
    (void)wm_fail(err, WM_E_CONFIG, "the model would be written over itself");
    return wm_error_where(err, "%s", job->out);
}

int wm_export_write_safetensors(struct wm_export *export, struct wm_error *err)
{
    struct wm_buf texts[N_BESIDE];
    if (wm_weight_is_quantised(export->job->type))
        return wm_fail(err, WM_E_CONFIG, "safetensors holds f32, f16 or bf16, not %s",
                       wm_weight_type_names[export->job->type]);
    int status = check_apart(export->job, err);
    for (size_t i = 0; i < N_BESIDE; i++)
        wm_buf_init(&texts[i], COPY_BYTES);
    for (size_t i = 0; i < N_BESIDE && !status; i++)
        status = take(export, beside[i], &texts[i], err);
    if (!status)
        status = check_tokenizer(export, texts, err);
    if (!status)
        status = wm_mkdirs(export->job->out, err);
    if (!status)
        status = write_tensors(export, err);
    for (size_t i = 0; i < N_BESIDE && !status; i++)
        status = put(export, beside[i], &texts[i], err);
    for (size_t i = 0; i < N_BESIDE; i++)
        wm_buf_done(&texts[i]);
    if (status)
        return status;
    return wm_hf_config_write(export->job->out, &export->weights.config, export->job->type, err);
}
