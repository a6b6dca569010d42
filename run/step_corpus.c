/* SPDX-License-Identifier: Apache-2.0 */
/* corpus: archives through the stages into JSONL. */
#include <stdio.h>
#include <stdlib.h>

#include "run/rehearse.h"

static int check(const struct wm_run *run, struct wm_error *err)
{
    if (!run->input.paths.n) {
        wm_fail(err, WM_E_CONFIG, "the corpus has no input");
        return wm_error_hint(err, "name files, directories or lists under input: paths:");
    }
    if (wm_step_reads_pipe(run, wm_steps[WM_STEP_CORPUS]) && wm_chain_surveys(&run->chain)) {
        wm_fail(err, WM_E_CONFIG, "a stage reads the input twice, which a pipe cannot give");
        return wm_error_hint(err, "write it to a file first, or use corpus build, which does so");
    }
    int status = wm_jsonl_check(run->jsonl, &run->chain.schema, err);
    return status ? wm_error_where(err, "%s", wm_sink_jsonl.name) : 0;
}

/* Sizes are part of the names' fingerprint; contents are hashed while reading and compared by
 * fresh(). */
static int describe(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    struct wm_run *run = ctx->run;
    struct wm_inputs inputs = {0};
    XXH128_hash_t names, times;
    char hex[WM_HEX128];
    int status = wm_inputs_open(&run->input, &inputs, err);
    if (!status)
        status = wm_step_same_inputs(ctx, &inputs, err);
    if (status) {
        wm_inputs_close(&inputs);
        return status;
    }
    wm_inputs_fingerprint(&inputs, &names, &times);
    wm_inputs_close(&inputs);
    wm_hex128(names, hex);
    status =
        wm_buf_printf(out, err, "{\"inputs\":\"%s\",\"limit\":%llu,\"rejects\":%d,\"input\":", hex,
                      (unsigned long long)run->options.limit, run->options.rejects != NULL);
    if (!status)
        status = wm_options_describe(wm_source_option_table, &run->input, out, err);
    if (!status)
        status = wm_buf_printf(out, err, ",\"stages\":");
    if (!status)
        status = wm_chain_take_files(&run->chain, err);
    if (!status)
        status = wm_chain_describe(&run->chain, out, err);
    if (status == WM_E_IO) /* a model that is not there is a mistake in the configuration */
        return err->status = WM_E_CONFIG;
    if (!status)
        status = wm_buf_printf(out, err, ",\"sink\":");
    if (!status)
        status = wm_options_describe(wm_sink_jsonl.options, run->jsonl, out, err);
    return status ? status : wm_buf_printf(out, err, "}");
}

/* What `shards trace` needs to make a record's text again; shards carry a copy. */
static int write_recipe(struct wm_step_context *ctx, struct wm_error *err)
{
    struct wm_buf buf;
    char path[WM_PATH_MAX];
    wm_buf_init(&buf, 16 << 20);
    int status = wm_recipe_write(ctx->run, &buf, err);
    if (!status)
        status = wm_path_join(path, ctx->out_dir, "recipe.json", err);
    if (!status)
        status = wm_file_store(path, wm_buf_str(&buf), err);
    wm_buf_done(&buf);
    return status;
}

static int prepare_job(struct wm_step_context *ctx, struct wm_inputs *inputs, struct wm_job *job,
                       char identity[WM_HEX128], struct wm_error *err)
{
    int status = wm_inputs_open(&ctx->run->input, inputs, err);
    if (!status)
        status = wm_step_same_inputs(ctx, inputs, err);
    if (status)
        return status;
    /* Half-done work is kept only while the files' times stand still too. */
    XXH128_hash_t names, times;
    char both[2 * WM_HEX128] = {0};
    wm_inputs_fingerprint(inputs, &names, &times);
    memcpy(both, ctx->identity, WM_HEX128 - 1);
    wm_hex128(times, both + WM_HEX128 - 1);
    wm_hex128(XXH3_128bits(both, strlen(both)), identity);
    wm_step_job(ctx, job);
    job->label = "corpus";
    job->inputs = inputs;
    job->chain = &ctx->run->chain;
    job->sink = &wm_sink_jsonl;
    job->sink_shared = ctx->run->jsonl;
    job->dir = ctx->work_dir;
    job->identity = identity;
    job->limit = ctx->run->options.limit;
    job->rejects = ctx->run->options.rejects;
    return 0;
}

/* mtimes may not stand in the record (they differ from checkout to checkout): beside the log. */
static int times_path(const struct wm_step_context *ctx, char path[WM_PATH_MAX],
                      struct wm_error *err)
{
    return wm_path_join(path, ctx->run->options.output, "log/input-times", err);
}

enum { TIMES = 2 * WM_HEX128 };

/* The times, and the contents that were read at them: times are stored before the result that they
 * speak of is in its place, and one of other contents may stand there still. */
static void write_times(const struct wm_inputs *inputs, const char *contents, char out[TIMES])
{
    XXH128_hash_t names, times;
    char hex[WM_HEX128];
    wm_inputs_fingerprint(inputs, &names, &times);
    wm_hex128(times, hex);
    (void)snprintf(out, TIMES, "%s %.*s", hex, WM_HEX128 - 1, contents);
}

/* A corpus built alone has no log beside it: its archives are compared by content each time. */
static int remember_times(const struct wm_step_context *ctx, const struct wm_inputs *inputs,
                          const char *contents, struct wm_error *err)
{
    if (!ctx->run->options.output)
        return 0;
    char now[TIMES], path[WM_PATH_MAX];
    write_times(inputs, contents, now);
    int status = times_path(ctx, path, err);
    return status ? status : wm_file_store(path, wm_str_of(now), err);
}

static int forget_times(const struct wm_step_context *ctx, struct wm_error *err)
{
    char path[WM_PATH_MAX];
    if (!ctx->run->options.output)
        return 0;
    int status = times_path(ctx, path, err);
    return status ? status : wm_remove(path, err);
}

static bool times_stand(const struct wm_step_context *ctx, const struct wm_inputs *inputs,
                        const char *contents)
{
    struct wm_error err = {0};
    char now[TIMES], path[WM_PATH_MAX];
    struct wm_buf buf;
    wm_buf_init(&buf, 4096);
    write_times(inputs, contents, now);
    bool stands = ctx->run->options.output && !times_path(ctx, path, &err) && wm_exists(path) &&
                  !wm_file_load(path, &buf, &err) && wm_str_eq(wm_buf_str(&buf), wm_str_of(now));
    wm_buf_done(&buf);
    return stands;
}

static int fresh(struct wm_step_context *ctx, const json_t *record, bool *ret, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    int status = wm_inputs_open(&ctx->run->input, &inputs, err);
    if (!status)
        status = wm_step_same_inputs(ctx, &inputs, err);
    if (status) {
        wm_inputs_close(&inputs);
        return status;
    }
    bool verify = ctx->run->options.verify; /* trusts no times */
    const char *recorded =
        json_string_value(json_object_get(json_object_get(record, "facts"), "inputs_xxh3"));
    *ret = !verify && recorded && times_stand(ctx, &inputs, recorded);
    if (!*ret) {
        XXH128_hash_t contents;
        char hex[WM_HEX128];
        wm_step_say(ctx, "%s: comparing contents", verify ? "input" : "input times have changed");
        status = wm_inputs_hash(&inputs, &contents, err);
        wm_hex128(contents, hex);
        *ret = !status && recorded && strcmp(recorded, hex) == 0;
        if (*ret)
            status = remember_times(ctx, &inputs, hex, err);
    }
    wm_inputs_close(&inputs);
    return status;
}

static int add_facts(struct wm_step_context *ctx, const struct wm_job_result *result, json_t *facts,
                     struct wm_error *err)
{
    char hex[WM_HEX128];
    wm_hex128(result->inputs, hex);
    json_t *tally = wm_tally_json(&ctx->run->chain, result);
    const char *field = wm_run_text_field(ctx->run);
    if (json_object_set_new(facts, "tally", tally) ||
        json_object_set_new(facts, "inputs_xxh3", json_string(hex)) ||
        json_object_set_new(facts, "text_field", json_string(field ? field : "text")) ||
        (ctx->run->options.limit && /* what was read is then no longer all of the input */
         json_object_set_new(facts, "limit", json_integer((json_int_t)ctx->run->options.limit))))
        return wm_fail_nomem(err, 0, "JSON");
    return wm_step_damage(result, facts, err);
}

/* What the system did not give this time it may give the next: times are then not trusted, and the
 * same command compares contents. */
static int note_times(const struct wm_step_context *ctx, const struct wm_inputs *inputs,
                      const struct wm_job_result *result, struct wm_error *err)
{
    char hex[WM_HEX128];
    wm_hex128(result->inputs, hex);
    return result->tally.read.unread == 0 ? remember_times(ctx, inputs, hex, err)
                                          : forget_times(ctx, err);
}

/* The job, and its parts joined; `*ret_again`: a part was damaged, and all is to be done once more,
 * which does only what that part was made of. */
static int make_files(struct wm_step_context *ctx, const struct wm_job *job,
                      struct wm_job_result *result, bool *ret_again, struct wm_error *err)
{
    struct wm_parts files = {0};
    struct wm_arena arena;
    *ret_again = false;
    int status = wm_job_run(job, result, err);
    if (status)
        return status;
    wm_arena_init(&arena, 256 << 20);
    files.arena = &arena;
    status =
        wm_jsonl_gather(ctx->run->jsonl, ctx->work_dir, &result->parts, ctx->out_dir, &files, err);
    if (status && (status = wm_job_mend(job, err)) > 0) {
        *ret_again = true;
        status = 0;
        wm_job_result_done(result);
        if (wm_sink_jsonl.close)
            wm_sink_jsonl.close(ctx->run->jsonl);
    }
    wm_arena_done(&arena);
    return status;
}

static int run(struct wm_step_context *ctx, json_t *facts, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    struct wm_job job;
    struct wm_job_result result = {0};
    char identity[WM_HEX128];
    int status = prepare_job(ctx, &inputs, &job, identity, err);
    if (!status)
        status = wm_rehearse_job(ctx, &job, err);
    if (!status) {
        for (bool again = true; !status && again;)
            status = make_files(ctx, &job, &result, &again, err);
        wm_rehearse_read(ctx, &job, status ? NULL : &result);
    }
    if (!status)
        status = write_recipe(ctx, err);
    if (!status)
        status = add_facts(ctx, &result, facts, err);
    if (!status)
        status = note_times(ctx, &inputs, &result, err);
    if (wm_sink_jsonl.close)
        wm_sink_jsonl.close(ctx->run->jsonl);
    wm_job_result_done(&result);
    wm_inputs_close(&inputs);
    return status;
}

static int predict(struct wm_step_context *ctx, struct wm_prediction *ret, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    struct wm_job job;
    char identity[WM_HEX128];
    int status = prepare_job(ctx, &inputs, &job, identity, err);
    if (!status)
        status = wm_job_memory(&job, &ret->memory_least, &ret->memory_full, err);
    if (!status) {
        /* Parts and joined files stand side by side for a moment; a corpus is smaller than its
         * archives unless nothing is dropped. */
        ret->disk = 2 * inputs.bytes;
        (void)snprintf(ret->note, sizeof ret->note, "%u file%s or range%s in %u task%s",
                       (unsigned)inputs.n_rows, wm_plural(inputs.n_rows), wm_plural(inputs.n_rows),
                       (unsigned)inputs.n_tasks, wm_plural(inputs.n_tasks));
        wm_note_unread(&inputs, ret);
    }
    wm_inputs_close(&inputs);
    return status;
}

const struct wm_step wm_step_corpus = {
    .id = WM_STEP_CORPUS,
    .name = "corpus",
    .directory = "corpus",
    .summary = "archives through the stages into JSONL",
    .version = 1,
    .check = check,
    .describe = describe,
    .fresh = fresh,
    .run = run,
    .predict = predict,
    .verify = wm_corpus_verify,
};
