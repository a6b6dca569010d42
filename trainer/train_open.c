/* SPDX-License-Identifier: Apache-2.0 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "trainer/init_from.h"
#include "trainer/schedule.h"
#include "trainer/train_plan.h"
#include "trainer/training.h"

/* ---- shards and tokenizer ---- */

static int check_tokenizer(struct wm_training *t, struct wm_error *err)
{
    const struct wm_shard_set *shards = &t->mixture.sources[0].set;
    XXH128_hash_t is = wm_tokenizer_identity(t->tokenizer);
    char want[WM_HEX128], got[WM_HEX128];
    if (XXH128_isEqual(is, shards->tokenizer) &&
        wm_tokenizer_size(t->tokenizer) == shards->vocabulary)
        return 0;
    wm_hex128(shards->tokenizer, want);
    wm_hex128(is, got);
    (void)wm_fail(err, WM_E_MISMATCH,
                  "the shards were made with tokenizer %s (%" PRIu32
                  " ids), tokenizer.json is %s (%" PRIu32 " ids)",
                  want, shards->vocabulary, got, wm_tokenizer_size(t->tokenizer));
    return wm_error_where(err, "%s", t->job->shards);
}

/* Does what the template puts around a text stand around documents? No text has ids of special
 * tokens, so the stream's beginning tells, or its end. True where there is nothing to stand there. */
static bool is_framed(const struct wm_shard_set *shards, const struct wm_tokenizer *tok)
{
    uint32_t frame[WM_SHARD_FRAME], is[WM_SHARD_FRAME];
    const size_t before = wm_shard_frame(tok, false, frame);
    const size_t n = before ? before : wm_shard_frame(tok, true, frame);
    if (!n || shards->n_tokens <= n)
        return true;
    wm_shard_set_read(shards, before ? 0 : shards->n_tokens - 1 - n, n, is);
    return !memcmp(is, frame, n * sizeof *is);
}

/* What attention shall not see beyond. */
static int find_eod(struct wm_training *t, struct wm_error *err)
{
    if (!t->options->document_reset || wm_tokenizer_eod(t->tokenizer, &t->eod))
        return 0;
    (void)wm_fail(err, WM_E_CONFIG,
                  "document_reset needs a token that ends documents; this tokenizer has none");
    return wm_error_hint(err, "make the tokenizer with specials: [<|endoftext|>]");
}

static int open_data(struct wm_training *t, struct wm_error *err)
{
    const char *dir = t->job->shards;
    struct wm_train_sources sources;
    int status = wm_train_sources(t->options, dir, &t->arena, &sources, err);
    if (!status)
        status = wm_mixture_open(&t->mixture, sources.dirs, sources.weights, sources.n,
                                 (uint32_t)t->options->context, err);
    if (!status)
        status = wm_shard_set_open(dir, WM_VALIDATION, &t->validation_set, err);
    if (!status)
        status = wm_tokenizer_load(dir, &t->tokenizer, err);
    if (!status)
        status = check_tokenizer(t, err);
    if (!status)
        t->framed = is_framed(&t->mixture.sources[0].set, t->tokenizer);
    if (!status)
        status = find_eod(t, err);
    if (!status)
        status = wm_training_plan_samples(t, err);
    return status ? status : wm_training_plan_validation(t, err);
}

/* ---- what this training is ---- */

/* What is read from outside the run (other shards, the first weights) is what the identity speaks
 * of: it is described again when it has been read. */
static int check_described(struct wm_training *t, struct wm_error *err)
{
    struct wm_buf now;
    char hex[WM_HEX128];
    if (!t->job->described)
        return 0;
    wm_buf_init(&now, WM_CHECKPOINT_OPTIONS);
    int status = wm_train_describe(t->job->options, &now, err);
    if (!status) {
        wm_hex128(XXH3_128bits(now.ptr, now.len), hex);
        if (strcmp(hex, t->job->described) != 0)
            status =
                wm_fail(err, WM_E_BUSY, "what the training starts from changed while it was read");
    }
    wm_buf_done(&now);
    return status;
}

static int describe(struct wm_training *t, struct wm_error *err)
{
    struct wm_checkpoint_head *head = &t->head;
    struct wm_digest digest = {0};
    char path[WM_PATH_MAX];
    if (t->job->identity && !wm_unhex128(t->job->identity, &head->identity))
        return wm_fail(err, WM_E_CONFIG, "a job's identity is 32 hexadecimal digits");
    int status = wm_train_describe(t->options, &t->options_text, err);
    if (!status)
        status = wm_path_join(path, t->job->shards, "shards.json", err);
    if (!status)
        status = wm_file_digest(path, &digest, err);
    if (!status)
        status = wm_schedule_steps(t->options, t->mixture.n_windows, &head->n_steps, err);
    if (status)
        return status;
    const struct wm_shard_set *shards = &t->mixture.sources[0].set;
    head->tokenizer = shards->tokenizer;
    head->shards = digest.hash;
    head->config = wm_train_config(t->options, shards->vocabulary);
    if (t->options->init_from)
        status = wm_init_from_config(t->options->init_from, &head->config, err);
    if (status)
        return status;
    t->scale.options = t->options;
    return 0;
}

/* What the limit leaves for the model. */
static int check_memory(struct wm_training *t, struct wm_error *err)
{
    const uint64_t limit = t->job->memory;
    const uint64_t need = wm_train_memory(t->options, &t->head.config, t->head.n_steps,
                                          t->job->threads, limit, &t->model_memory);
    char needs[32], has[32];
    if (!limit || need <= limit)
        return 0;
    (void)wm_fail(err, WM_E_NOMEM, "training needs %s of memory, the limit is %s",
                  wm_format_bytes(need, needs, sizeof needs),
                  wm_format_bytes(limit, has, sizeof has));
    return wm_error_hint(err, "a smaller micro_batch, or --memory %s", needs);
}

/* bfloat16 without instructions for it would be slower than float32. */
static int check_dtype(const struct wm_training *t, struct wm_error *err)
{
    if (t->options->dtype != WM_DTYPE_BFLOAT16 || wm_model_has_bf16(t->model))
        return 0;
    (void)wm_fail(err, WM_E_CONFIG, "this CPU has no instructions for bfloat16");
    return wm_error_hint(err, "dtype: float32");
}

static int open_batch(struct wm_training *t, struct wm_error *err)
{
    t->micro_batch = wm_train_micro_batch(t->options);
    const size_t n = (size_t)t->micro_batch * t->options->context;
    const bool reset = t->options->document_reset;
    t->inputs = malloc(n * sizeof *t->inputs);
    t->targets = malloc(n * sizeof *t->targets);
    t->positions = reset ? malloc(n * sizeof *t->positions) : NULL;
    t->first_key = reset ? malloc(n * sizeof *t->first_key) : NULL;
    if (t->inputs && t->targets && (!reset || (t->positions && t->first_key)))
        return 0;
    return wm_fail_nomem(err, 4 * n * sizeof *t->inputs, "a batch");
}

int wm_training_begin(struct wm_training *t, struct wm_error *err)
{
    const struct wm_optimizer_config optimizer = wm_train_optimizer(t->options);
    t->scale.n_steps = t->head.n_steps;
    wm_optimizer_free(t->optimizer);
    t->optimizer = NULL;
    int status = wm_optimizer_new(&optimizer, t->model, &t->optimizer, err);
    if (!status)
        status = wm_history_init(&t->history, t->head.n_steps, err);
    if (status)
        return status;
    wm_model_init(t->model, (enum wm_init)t->options->init, t->options->zero_output,
                  t->options->seed);
    if (!t->options->init_from)
        return 0;
    return wm_init_from_load(t->options->init_from, t->head.tokenizer, t->model->params, err);
}

static int open_model(struct wm_training *t, struct wm_error *err)
{
    int status = open_batch(t, err);
    if (!status)
        status = wm_team_new(t->job->threads, &t->team, err);
    struct wm_model_options how = wm_train_model(t->options);
    how.memory = t->model_memory;
    if (!status)
        status = wm_model_open(&t->head.config, &how, t->team, &t->model, err);
    if (!status)
        status = check_dtype(t, err);
    if (status)
        return status;
    t->start = wm_seconds();
    return t->options->time > 0 ? wm_training_plan_time(t, err) : wm_training_begin(t, err);
}

int wm_training_open(struct wm_training *t, const struct wm_train_job *job, struct wm_error *err)
{
    *t = (struct wm_training){.job = job, .resolved = wm_train_options_resolve(job->options)};
    t->options = &t->resolved;
    wm_buf_init(&t->options_text, WM_CHECKPOINT_OPTIONS);
    wm_arena_init(&t->arena, WM_TRAIN_NAMES);
    int status = wm_train_options_check(job->options, err);
    if (!status)
        status = open_data(t, err);
    if (!status)
        status = describe(t, err);
    if (!status)
        status = check_memory(t, err);
    if (!status)
        status = open_model(t, err);
    if (!status)
        status = check_described(t, err);
    return status;
}

void wm_training_close(struct wm_training *t)
{
    wm_optimizer_free(t->optimizer);
    wm_model_free(t->model);
    wm_team_free(t->team);
    wm_history_done(&t->history);
    wm_training_close_samples(t);
    wm_training_log_close(t);
    free(t->inputs);
    free(t->targets);
    free(t->positions);
    free(t->first_key);
    wm_tokenizer_free(t->tokenizer);
    wm_mixture_close(&t->mixture);
    wm_shard_set_close(&t->validation_set);
    wm_buf_done(&t->options_text);
    wm_arena_done(&t->arena);
}
