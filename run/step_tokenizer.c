/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer: byte-level BPE from the corpus. */
#include <stdio.h>
#include <stdlib.h>

#include "run/rehearse.h"
#include "tokenizer/count_sink.h"
#include "wetmill/state.h"

/* A trainer is made and let go: pattern, specials and sizes are looked at before hours of other
 * steps. */
static int check(const struct wm_run *run, struct wm_error *err)
{
    struct wm_bpe_trainer *trainer = NULL;
    if (run->tokenizer.split == WM_SPLIT_PATTERN && !run->tokenizer.pattern)
        return wm_fail(err, WM_E_CONFIG, "split is pattern, but no pattern is given");
    int status = wm_trainer_new(&run->tokenizer, &trainer, err);
    if (!status)
        wm_trainer_free(trainer);
    return status;
}

static int describe(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "{\"options\":");
    if (!status)
        status = wm_options_describe(wm_tokenizer_option_table, &ctx->run->tokenizer, out, err);
    if (!status)
        status = wm_corpus_describe(ctx, out, err);
    return status ? status : wm_buf_printf(out, err, "}");
}

enum {
    SMALL_INPUT = 128 << 20, /* bytes that are soon counted again: nothing is kept of them */
};
/* Points cost a table that is written and read, so there are fewer than in other steps. */
static const double point_seconds = 8;

static int on_merge(void *arg, uint64_t done, uint64_t total)
{
    const struct wm_step_context *ctx = arg;
    struct wm_error err = {0};
    if (ctx->hooks && ctx->hooks->progress)
        wm_progress_set(ctx->hooks->progress, done, total);
    return ctx->hooks && ctx->hooks->cancel ? wm_cancel_check(ctx->hooks->cancel, &err) : 0;
}

/* --memory is for everything, and reading goes on while pieces are counted: the trainer gets what
 * that leaves, from a quarter to three quarters. `ret` is the need of all. */
static int share_memory(struct wm_step_context *ctx, uint64_t *ret_trainer,
                        struct wm_prediction *ret, struct wm_error *err)
{
    struct wm_count_sink none = {0};
    uint64_t least = wm_trainer_least_memory(&ctx->run->tokenizer), memory = ctx->memory;
    int status = wm_step_predict(ctx, &wm_sink_count, &none, ret, err);
    if (status)
        return status;
    uint64_t share = memory > ret->memory_full ? memory - ret->memory_full : 0;
    share = share < memory / 4 ? memory / 4 : share > memory / 4 * 3 ? memory / 4 * 3 : share;
    uint64_t rest = memory > ret->memory_least ? memory - ret->memory_least : 0;
    *ret_trainer = share < rest ? share : rest;
    ret->memory_least += least;
    ret->memory_full += share > least ? share : least;
    return 0;
}

/* Weights by row of the input table; NULL if there are none. One that no file has is a mistake. */
static int weigh(const struct wm_run *run, const struct wm_inputs *inputs,
                 const struct wm_bpe_trainer *trainer, uint64_t **ret, struct wm_error *err)
{
    const struct wm_list *rules = &run->tokenizer.weights;
    if (!rules->n)
        return 0;
    uint64_t *weights = calloc((size_t)inputs->n_rows + 1, sizeof *weights);
    bool *used = calloc(rules->n + 1, sizeof *used);
    int status = weights && used ? 0 : wm_fail_nomem(err, inputs->n_rows * 8, "weights of files");
    for (uint32_t i = 0; !status && i < inputs->n_rows; i++) {
        size_t rule;
        weights[i] = wm_trainer_weight(trainer, inputs->rows[i].path, &rule);
        used[rule] = true;
    }
    for (size_t i = 0; !status && i < rules->n; i++)
        if (!used[i]) {
            status = wm_fail(err, WM_E_CONFIG, "weights: no file goes by \"%s\"", rules->items[i]);
            (void)wm_error_hint(err, "of several that match a file the first one holds");
        }
    free(used);
    if (status)
        free(weights);
    else
        *ret = weights;
    return status;
}

static bool keeps_counts(const struct wm_step_context *ctx, const struct wm_inputs *inputs)
{
    return ctx->run->point_bytes || wm_rehearse_bytes(ctx, inputs->bytes) > SMALL_INPUT;
}

/* The job, and its parts given to the trainer; 1: a part was damaged, and all is to be done once more
 * with a new trainer, which counts only what that part was made of. */
static int count_and_load(struct wm_step_context *ctx, const struct wm_job *job,
                          struct wm_bpe_trainer *trainer, struct wm_job_result *result,
                          struct wm_error *err)
{
    int status = wm_job_run(job, result, err);
    wm_sink_count.close(job->sink_shared);
    if (status)
        return status;
    wm_rehearse_phase(ctx, "tokenizer: load");
    status = wm_count_load(ctx->work_dir, &result->parts, trainer, job->cancel, err);
    if (status && (status = wm_job_mend(job, err)) > 0)
        wm_job_result_done(result);
    return status;
}

/* One pass over the documents; counts of all workers are folded into the trainer. */
static int count_corpus(struct wm_step_context *ctx, const struct wm_inputs *inputs,
                        const struct wm_tokenizer_options *options, struct wm_bpe_trainer **trainer,
                        json_t *facts, struct wm_error *err)
{
    struct wm_chain chain;
    struct wm_job job;
    struct wm_job_result result = {0};
    struct wm_count_sink counts = {.memory = options->memory};
    uint64_t *weights = NULL;
    int status = weigh(ctx->run, inputs, *trainer, &weights, err);
    if (status)
        return status;
    counts.weights = weights;
    wm_chain_init(&chain);
    wm_step_job(ctx, &job);
    job.label = "tokenizer: count";
    job.inputs = inputs;
    job.chain = &chain;
    job.sink = &wm_sink_count;
    job.sink_shared = &counts;
    job.spare = options->memory;
    if (keeps_counts(ctx, inputs)) {
        job.dir = ctx->work_dir;
        job.identity = ctx->identity;
        job.point_seconds = point_seconds;
        job.point_bytes = ctx->run->point_bytes ? ctx->run->point_bytes : UINT64_MAX;
    }
    status = wm_rehearse_job(ctx, &job, err);
    if (!status) {
        counts.trainer = *trainer;
        while ((status = count_and_load(ctx, &job, *trainer, &result, err)) > 0) {
            wm_trainer_free(*trainer);
            *trainer = NULL;
            if ((status = wm_trainer_new(options, trainer, err)))
                break;
            counts.trainer = *trainer;
        }
        wm_rehearse_read(ctx, &job, status ? NULL : &result);
    }
    if (!status)
        status = wm_step_damage(&result, facts, err);
    if (!status)
        status = wm_step_note_unread(ctx, &result, facts, err);
    if (!status && json_object_set_new(facts, "documents_read",
                                       json_integer((json_int_t)result.tally.read.documents)))
        status = wm_fail_nomem(err, 0, "JSON");
    wm_job_result_done(&result);
    wm_chain_close(&chain);
    free(weights);
    return status;
}

static int add_facts(const struct wm_bpe_trainer *trainer, const struct wm_tokenizer *tok,
                     json_t *facts, struct wm_error *err)
{
    struct wm_trainer_stats stats;
    char identity[WM_HEX128];
    wm_trainer_stats(trainer, &stats);
    wm_hex128(wm_tokenizer_identity(tok), identity);
    json_t *more = json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "vocabulary", (json_int_t)wm_tokenizer_size(tok),
        "merges", (json_int_t)stats.merges, "documents", (json_int_t)stats.documents, "bytes",
        (json_int_t)stats.bytes, "pieces", (json_int_t)stats.pieces, "distinct_pieces",
        (json_int_t)stats.distinct_pieces, "identity", identity);
    int status = wm_json_ok(more, err);
    if (!status && json_object_update(facts, more))
        status = wm_fail_nomem(err, 0, "JSON");
    json_decref(more);
    return status;
}

/* Not a fact of the result: another --memory spills otherwise. */
static void say_spilled(struct wm_step_context *ctx, const struct wm_bpe_trainer *trainer)
{
    struct wm_trainer_stats stats;
    char text[32];
    wm_trainer_stats(trainer, &stats);
    if (stats.spilled)
        wm_step_say(
            ctx, "spilled %s to scratch files (%llu bytes), merged from disk in %llu round%s",
            wm_format_bytes(stats.spilled, text, sizeof text), (unsigned long long)stats.spilled,
            (unsigned long long)stats.rounds, wm_plural(stats.rounds));
}

static void tell_rehearsal(const struct wm_step_context *ctx, const struct wm_inputs *inputs,
                           const struct wm_tokenizer_options *options,
                           const struct wm_bpe_trainer *trainer)
{
    struct wm_trainer_stats stats;
    wm_trainer_stats(trainer, &stats);
    wm_rehearse_pieces(ctx, &stats, options, keeps_counts(ctx, inputs) ? point_seconds : 0);
}

/* A sample or weights that leave nothing are no corpus either. */
static int some_counted(const struct wm_bpe_trainer *trainer, struct wm_error *err)
{
    struct wm_trainer_stats stats;
    wm_trainer_stats(trainer, &stats);
    if (stats.documents)
        return 0;
    wm_fail(err, WM_E_FORMAT, "no document is left to train on");
    return wm_error_hint(err, "sample and weights leave out all that was read");
}

/* Kept merges are a state, which damage makes none. */
static int look_at_merges(const struct wm_step_context *ctx, const char *path, struct wm_error *err)
{
    struct wm_state_file file = {0};
    int whole = wm_state_file_open(path, &file, err);
    wm_state_file_close(&file);
    if (!whole && wm_exists(path))
        wm_step_say(ctx, "%s is damaged: merges are learned from the first on", path);
    return whole < 0 ? whole : 0;
}

/* Merges that a stopped run has left are not learned again. */
static int merge(struct wm_step_context *ctx, struct wm_bpe_trainer *trainer,
                 struct wm_tokenizer **ret, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    uint64_t kept = 0;
    double seconds = ctx->run->point_bytes ? 0 : point_seconds;
    int status = wm_path_join(path, ctx->work_dir, "merges", err);
    if (!status)
        status = look_at_merges(ctx, path, err);
    if (!status)
        status = wm_trainer_keep(trainer, path, ctx->identity, seconds, &kept, err);
    if (status)
        return status;
    if (ctx->hooks && ctx->hooks->progress) {
        wm_progress_start(ctx->hooks->progress, "tokenizer: merge", "merges", 0);
        wm_progress_skip(ctx->hooks->progress, kept);
    }
    return wm_trainer_finish(trainer, on_merge, ctx, ret, err);
}

static int run(struct wm_step_context *ctx, json_t *facts, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_tokenizer *tok = NULL;
    struct wm_tokenizer_options options = ctx->run->tokenizer;
    options.merge_memory = ctx->memory / 8 * 7;
    options.n_counters = ctx->n_workers;
    options.scratch = ctx->work_dir;
    struct wm_prediction need;
    int status = share_memory(ctx, &options.memory, &need, err);
    if (!status)
        status = wm_corpus_inputs(ctx->run, &inputs, err);
    if (!status && !ctx->run->has[WM_STEP_CORPUS])
        status = wm_step_same_inputs(ctx, &inputs, err);
    if (!status)
        status = wm_trainer_new(&options, &trainer, err);
    if (!status)
        status = count_corpus(ctx, &inputs, &options, &trainer, facts, err);
    if (!status)
        status = some_counted(trainer, err);
    if (!status)
        status = merge(ctx, trainer, &tok, err);
    if (!status)
        say_spilled(ctx, trainer);
    if (!status)
        tell_rehearsal(ctx, &inputs, &options, trainer);
    if (!status && wm_tokenizer_size(tok) < ctx->run->tokenizer.vocabulary)
        wm_step_say(ctx, "the corpus yields only %u of %llu vocabulary entries",
                    wm_tokenizer_size(tok), (unsigned long long)ctx->run->tokenizer.vocabulary);
    if (!status)
        status = wm_tokenizer_save(tok, ctx->out_dir, err);
    if (!status)
        status = add_facts(trainer, tok, facts, err);
    wm_tokenizer_free(tok);
    wm_trainer_free(trainer);
    wm_inputs_close(&inputs);
    return status;
}

static int predict(struct wm_step_context *ctx, struct wm_prediction *ret, struct wm_error *err)
{
    uint64_t trainer;
    int status = share_memory(ctx, &trainer, ret, err);
    ret->disk = ctx->run->tokenizer.vocabulary * 64;
    const size_t n = strlen(ret->note);
    (void)snprintf(ret->note + n, sizeof ret->note - n, "%svocabulary %llu", n ? ", " : "",
                   (unsigned long long)ctx->run->tokenizer.vocabulary);
    return status;
}

const struct wm_step wm_step_tokenizer = {
    .id = WM_STEP_TOKENIZER,
    .name = "tokenizer",
    .directory = "tokenizer",
    .summary = "byte-level BPE from the corpus",
    .version = 3,
    .needs = 1u << WM_STEP_CORPUS,
    .check = check,
    .describe = describe,
    .fresh = wm_step_fresh_unread,
    .run = run,
    .predict = predict,
    .verify = wm_tokenizer_verify,
};
