/* SPDX-License-Identifier: Apache-2.0 */
/* What tokenizer, shards, model and samples hold, against their records. */
#include <stdio.h>

#include "run/step.h"
#include "trainer/weights.h"

static const json_t *fact(const json_t *record, const char *key)
{
    return json_object_get(json_object_get(record, "facts"), key);
}

static uint64_t number(const json_t *record, const char *key)
{
    return (uint64_t)json_integer_value(fact(record, key));
}

/* ---- tokenizer ---- */

int wm_tokenizer_verify(struct wm_verifier *v, const char *dir, const json_t *record,
                        struct wm_error *err)
{
    struct wm_error problem = {0};
    struct wm_tokenizer *tok = NULL;
    char hex[WM_HEX128];
    const char *want = json_string_value(fact(record, "identity"));
    if (wm_tokenizer_load(dir, &tok, &problem))
        return wm_found_error(v, "tokenizer.json", &problem, err);
    wm_hex128(wm_tokenizer_identity(tok), hex);
    if (want && strcmp(want, hex) != 0)
        wm_found(v, "tokenizer.json", "is tokenizer %s, step.json says %s", hex, want);
    if (wm_tokenizer_size(tok) != number(record, "vocabulary"))
        wm_found(v, "tokenizer.json", "has %u entries, step.json says %llu", wm_tokenizer_size(tok),
                 (unsigned long long)number(record, "vocabulary"));
    if (number(record, "documents_read") && /* a share of them may have been trained on */
        number(record, "documents") > number(record, "documents_read"))
        wm_found(v, "step.json", "documents are not conserved: %llu in, %llu out",
                 (unsigned long long)number(record, "documents_read"),
                 (unsigned long long)number(record, "documents"));
    wm_tokenizer_free(tok);
    return 0;
}

/* ---- shards ---- */

static void on_problem(void *arg, const struct wm_error *problem)
{
    const char *slash = strrchr(problem->where, '/');
    wm_found(arg, slash && slash[1] ? slash + 1 : problem->where, "%s", problem->what);
}

/* The record's counts against shards.json's. */
static int compare_splits(struct wm_verifier *v, const char *dir, const json_t *record,
                          struct wm_error *err)
{
    struct wm_error problem = {0};
    struct wm_shards_info info = {0};
    if (wm_shards_info_read(dir, &info, &problem))
        return wm_found_error(v, "shards.json", &problem, err);
    for (int s = 0; s < WM_SHARD_SPLITS; s++) {
        const struct wm_split_info *split = &info.splits[s];
        const json_t *facts = fact(record, wm_shard_split_names[s]);
        const struct {
            const char *name;
            uint64_t n;
        } counts[] = {{"tokens", split->tokens},
                      {"documents", split->documents},
                      {"text_bytes", split->text_bytes},
                      {"shards", split->n}};
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
            json_int_t want = json_integer_value(json_object_get(facts, counts[i].name));
            if ((uint64_t)want != counts[i].n)
                wm_found(v, "shards.json", "%s: %llu %s, step.json says %lld",
                         wm_shard_split_names[s], (unsigned long long)counts[i].n, counts[i].name,
                         (long long)want);
        }
    }
    wm_shards_info_done(&info);
    return 0;
}

int wm_shards_step_verify(struct wm_verifier *v, const char *dir, const json_t *record,
                          struct wm_error *err)
{
    struct wm_error problem = {0};
    uint64_t n;
    if (wm_shards_verify(dir, on_problem, v, &n, &problem))
        return wm_found_error(v, "shards.json", &problem, err);
    return compare_splits(v, dir, record, err);
}

/* ---- model ---- */

/* The tokenizer beside the model is the one it was trained with. */
static int check_model_tokenizer(struct wm_verifier *v, const char *dir,
                                 const struct wm_weights *weights, struct wm_error *err)
{
    struct wm_error problem = {0};
    struct wm_tokenizer *tok = NULL;
    if (wm_tokenizer_load(dir, &tok, &problem))
        return wm_found_error(v, "tokenizer.json", &problem, err);
    if (weights->notes.has_tokenizer &&
        !XXH128_isEqual(wm_tokenizer_identity(tok), weights->notes.tokenizer))
        wm_found(v, "tokenizer.json", "is not the tokenizer that model.safetensors names");
    if (wm_tokenizer_size(tok) > weights->config.model.vocabulary)
        wm_found(v, "tokenizer.json", "has %u entries, the model %u", wm_tokenizer_size(tok),
                 weights->config.model.vocabulary);
    wm_tokenizer_free(tok);
    return 0;
}

int wm_train_verify(struct wm_verifier *v, const char *dir, const json_t *record,
                    struct wm_error *err)
{
    struct wm_error problem = {0};
    struct wm_weights weights = {0};
    if (wm_weights_open(dir, &weights, &problem))
        return wm_found_error(v, "model.safetensors", &problem, err);
    if (weights.params.n_numbers != number(record, "parameters"))
        wm_found(v, "model.safetensors", "has %llu parameters, step.json says %llu",
                 (unsigned long long)weights.params.n_numbers,
                 (unsigned long long)number(record, "parameters"));
    int status = check_model_tokenizer(v, dir, &weights, err);
    wm_weights_close(&weights);
    return status;
}

/* ---- samples ---- */

int wm_sample_verify(struct wm_verifier *v, const char *dir, const json_t *record,
                     struct wm_error *err)
{
    enum { SAMPLES_MAX = 64 << 20 };
    struct wm_error problem = {0};
    struct wm_buf lines;
    char path[WM_PATH_MAX];
    wm_buf_init(&lines, SAMPLES_MAX);
    int status = wm_path_join(path, dir, "samples.jsonl", err);
    if (!status && wm_file_load(path, &lines, &problem))
        status = wm_found_error(v, "samples.jsonl", &problem, err);
    else if (!status && wm_str_count(wm_buf_str(&lines), '\n') != number(record, "samples"))
        wm_found(v, "samples.jsonl", "has %llu lines, step.json says %llu",
                 (unsigned long long)wm_str_count(wm_buf_str(&lines), '\n'),
                 (unsigned long long)number(record, "samples"));
    wm_buf_done(&lines);
    return status;
}
