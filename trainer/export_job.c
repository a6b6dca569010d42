/* SPDX-License-Identifier: Apache-2.0 */
/* Model directory → the format of another program. */
#include <inttypes.h>

#include "trainer/export_formats.h"

const char *const wm_export_format_names[WM_EXPORT_FORMATS + 1] = {"gguf", "safetensors",
                                                                   "llama2.c", NULL};

static int has_tokenizer(const char *dir, bool *ret, struct wm_error *err)
{
    static const char *const names[] = {"tokenizer.json", "vocab.json", "tokenizer.model"};
    char path[WM_PATH_MAX];
    int status = 0;
    *ret = false;
    for (size_t i = 0; !status && !*ret && i < sizeof names / sizeof *names; i++) {
        status = wm_path_join(path, dir, names[i], err);
        if (!status)
            status = wm_is_there(path, ret, err);
    }
    return status;
}

/* GGUF and llama2.c hold what we read of the tokenizer; a directory gets its files as they are, which
 * may be of a kind that we do not read, unless the model says that it is one of ours. */
static int open_tokenizer(struct wm_export *export, struct wm_error *err)
{
    const struct wm_weights *w = &export->weights;
    const char *dir = export->job->dir;
    char want[WM_HEX128], got[WM_HEX128];
    int status = has_tokenizer(dir, &export->result.tokenizer, err);
    const bool needed = export->job->format != WM_EXPORT_SAFETENSORS || w->notes.has_tokenizer;
    if (status || !export->result.tokenizer || !needed)
        return status;
    status = wm_tokenizer_load(dir, &export->tokenizer, err);
    if (status)
        return status;
    const XXH128_hash_t is = wm_tokenizer_identity(export->tokenizer);
    const uint32_t n_ids = wm_tokenizer_size(export->tokenizer);
    if (w->notes.has_tokenizer && !XXH128_isEqual(is, w->notes.tokenizer)) {
        wm_hex128(w->notes.tokenizer, want);
        wm_hex128(is, got);
        (void)wm_fail(err, WM_E_MISMATCH,
                      "the model was trained with tokenizer %s, tokenizer.json is %s", want, got);
    } else if (n_ids > w->config.model.vocabulary) {
        (void)wm_fail(err, WM_E_MISMATCH,
                      "the model knows %" PRIu32 " ids, the tokenizer has %" PRIu32,
                      w->config.model.vocabulary, n_ids);
    } else {
        return 0;
    }
    return wm_error_where(err, "%s", dir);
}

/* A file beside the model's own takes the place of none of them, but of an earlier export. */
static int check_apart(const struct wm_export_job *job, struct wm_error *err)
{
    const char *ending = job->format == WM_EXPORT_GGUF ? ".gguf" : ".bin";
    const char *slash = strrchr(job->out, '/');
    char parent[WM_PATH_MAX];
    const size_t len = slash ? (size_t)(slash - job->out) + 1 : 0;
    if (job->format == WM_EXPORT_SAFETENSORS || !wm_exists(job->out) ||
        wm_str_ends(wm_str_of(job->out), wm_str_of(ending)))
        return 0;
    if (len >= sizeof parent)
        return wm_fail(err, WM_E_LIMIT, "the path is over %d bytes", WM_PATH_MAX - 1);
    memcpy(parent, job->out, len);
    parent[len] = '\0';
    if (!wm_same_path(len ? parent : ".", job->dir))
        return 0;
    (void)wm_fail(err, WM_E_CONFIG, "a file of the model would be written over");
    (void)wm_error_where(err, "%s", job->out);
    return wm_error_hint(err, "name a file that ends in %s, or another directory", ending);
}

static int write(struct wm_export *export, struct wm_error *err)
{
    switch (export->job->format) {
    case WM_EXPORT_GGUF:
        return wm_export_write_gguf(export, err);
    case WM_EXPORT_SAFETENSORS:
        return wm_export_write_safetensors(export, err);
    default:
        return wm_export_write_llama2c(export, err);
    }
}

int wm_export(const struct wm_export_job *job, struct wm_export_result *ret, struct wm_error *err)
{
    struct wm_export export = {.job = job};
    int status = check_apart(job, err);
    if (!status)
        status = wm_weights_open(job->dir, &export.weights, err);
    if (!status)
        status = open_tokenizer(&export, err);
    if (!status)
        status = wm_team_new(job->threads, &export.team, err);
    if (!status)
        status = write(&export, err);
    if (!status) {
        export.result.n_params = export.weights.params.n_numbers;
        *ret = export.result;
        wm_progress_finish(job->progress);
    }
    wm_team_free(export.team);
    wm_tokenizer_free(export.tokenizer);
    wm_weights_close(&export.weights);
    return status;
}
