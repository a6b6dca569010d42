/* SPDX-License-Identifier: Apache-2.0 */
/* The table of steps, and what several of them need. */
#include "pipeline/listing.h"
#include "run/rehearse.h"

enum {
    CORPUS_SLACK = 256 << 10, /* bytes of a corpus line beside text and extra members */
    UNREAD_PATH = 512         /* bytes shown of a path */
};

#define WM_STEP(name) extern const struct wm_step wm_step_##name;
#include "run/steps.def"
#undef WM_STEP

const struct wm_step *const wm_steps[WM_STEPS] = {
#define WM_STEP(name) &wm_step_##name,
#include "run/steps.def"
#undef WM_STEP
};

void wm_step_job(struct wm_step_context *ctx, struct wm_job *ret)
{
    const struct wm_run *run = ctx->run;
    *ret = (struct wm_job){
        .n_workers = ctx->n_workers,
        .memory = ctx->memory,
        .max_bad_files = run->options.max_bad_files,
        .max_bad_records = run->options.max_bad_records,
        .progress = ctx->hooks ? ctx->hooks->progress : NULL,
        .cancel = ctx->hooks ? ctx->hooks->cancel : NULL,
        .line = ctx->hooks ? ctx->hooks->line : NULL,
        .line_arg = ctx->hooks ? ctx->hooks->arg : NULL,
        .mended = &ctx->mended,
        .batch_text = run->batch_text,
        .batch_docs = run->batch_docs,
        .reverse = run->reverse,
        .point_bytes = run->point_bytes,
    };
}

/* The field write-jsonl puts the text into. */
const char *wm_run_text_field(const struct wm_run *run)
{
    const struct wm_option *o = wm_option_find(wm_sink_jsonl.options, WM_STR("text_field"));
    const char *name = NULL;
    if (o)
        memcpy(&name, (const char *)run->jsonl + o->offset, sizeof name);
    return name;
}

/* The longest line there can be in our own corpus: what went in as one record must come out as one,
 * and no more memory be taken than that needs. Written as JSON, a byte takes six at most; a line may
 * have twice max_record. */
uint64_t wm_corpus_record(const json_t *record, uint64_t max_record)
{
    const json_t *tally = json_object_get(json_object_get(record, "facts"), "tally");
    json_int_t longest = json_integer_value(json_object_get(tally, "longest"));
    return longest > 0 ? 4 * (uint64_t)longest + CORPUS_SLACK : 8 * max_record;
}

/* Our own results are whole or an error: what the system does not give now is not skipped. */
static int check_rows(const struct wm_inputs *inputs, struct wm_error *err)
{
    for (uint32_t i = 0; i < inputs->n_rows; i++)
        if (inputs->rows[i].problem) {
            (void)wm_fail(err, WM_E_IO, "%s", inputs->rows[i].problem);
            return wm_error_where(err, "%s", inputs->rows[i].path);
        }
    return 0;
}

int wm_corpus_inputs(const struct wm_run *run, struct wm_inputs *ret, struct wm_error *err)
{
    char dir[WM_PATH_MAX], pattern[WM_PATH_MAX];
    if (!run->has[WM_STEP_CORPUS])
        return wm_inputs_open(&run->input, ret, err);
    int status = wm_step_dir(run, WM_STEP_CORPUS, dir, err);
    if (!status)
        status = wm_path_join(pattern, dir, "*.jsonl*", err);
    if (status)
        return status;
    struct wm_source_options options;
    wm_options_default(wm_source_option_table, &options);
    const char *items[] = {pattern};
    options.paths = (struct wm_list){items, 1};
    options.format = WM_FORMAT_JSONL;
    options.text_field = wm_run_text_field(run);
    options.root = dir;
    json_t *record;
    if ((status = wm_record_read(dir, &record, err)))
        return status;
    options.max_record = wm_corpus_record(record, run->input.max_record);
    json_decref(record);
    status = wm_inputs_open_cut(&options, wm_rehearse_range(run), ret, err);
    if (status)
        return status;
    ret->options.paths = (struct wm_list){0}; /* the pattern dies with this frame */
    status = check_rows(ret, err);
    if (status)
        wm_inputs_close(ret);
    return status;
}

int wm_step_same_inputs(struct wm_step_context *ctx, const struct wm_inputs *inputs,
                        struct wm_error *err)
{
    struct wm_inputs_seen now = {.any = true};
    for (uint32_t i = 0; i < inputs->n_rows; i++)
        if (inputs->rows[i].is_pipe)
            return 0;
    wm_inputs_fingerprint(inputs, &now.names, &now.times);
    if (!ctx->inputs.any)
        ctx->inputs = now;
    if (XXH128_isEqual(now.names, ctx->inputs.names) &&
        XXH128_isEqual(now.times, ctx->inputs.times))
        return 0;
    (void)wm_fail(err, WM_E_BUSY,
                  "the list of input files, their sizes or times changed while the step began");
    return wm_error_hint(err, "start again once nothing writes to the input, and all of it can "
                              "be looked at");
}

void wm_note_unread(const struct wm_inputs *inputs, struct wm_prediction *ret)
{
    uint32_t n_bad = 0;
    const struct wm_input *first = NULL;
    for (uint32_t i = inputs->n_rows; i-- > 0;)
        if (inputs->rows[i].problem) {
            first = &inputs->rows[i];
            n_bad++;
        }
    size_t n = strlen(ret->note);
    if (!n_bad)
        return;
    (void)snprintf(ret->note + n, sizeof ret->note - n, "%s%u of the files cannot be read",
                   n ? ", " : "", (unsigned)n_bad);
    (void)snprintf(ret->unread, sizeof ret->unread, "%.*s: %s", UNREAD_PATH, first->path,
                   first->problem);
}

const char *wm_memory_option(uint64_t bytes, char *out, size_t size)
{
    wm_format_bytes_up(bytes, out, size);
    char *space = strchr(out, ' ');
    if (space)
        memmove(space, space + 1, strlen(space));
    return out;
}

int wm_step_too_large(const struct wm_step_context *ctx, const struct wm_step *step,
                      const struct wm_prediction *need, struct wm_error *err)
{
    char least[32], limit[32], option[32];
    wm_fail(err, WM_E_CONFIG, "step %s needs at least %s of memory, the limit is %s", step->name,
            wm_format_bytes_up(need->memory_least, least, sizeof least),
            wm_format_bytes_down(ctx->memory, limit, sizeof limit));
    return wm_error_hint(
        err, "raise --memory, to %s%s", wm_memory_option(need->memory_least, option, sizeof option),
        step->id == WM_STEP_TRAIN ? ", or lower micro_batch, context or width" : "");
}

int wm_step_predict(struct wm_step_context *ctx, const struct wm_sink *sink, void *shared,
                    struct wm_prediction *ret, struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    struct wm_chain chain;
    struct wm_job job;
    /* The corpus may not exist yet; then the archives are the best guess there is. */
    int status = wm_corpus_inputs(ctx->run, &inputs, err);
    if (status == WM_E_CONFIG)
        status = wm_inputs_open(&ctx->run->input, &inputs, err);
    if (status)
        return status;
    wm_chain_init(&chain);
    wm_step_job(ctx, &job);
    job.inputs = &inputs;
    job.chain = &chain;
    job.sink = sink;
    job.sink_shared = shared;
    status = wm_job_memory(&job, &ret->memory_least, &ret->memory_full, err);
    ret->disk = 2 * inputs.bytes;
    wm_note_unread(&inputs, ret);
    wm_chain_close(&chain);
    wm_inputs_close(&inputs);
    return status;
}

int wm_corpus_describe(struct wm_step_context *ctx, struct wm_buf *out, struct wm_error *err)
{
    const struct wm_run *run = ctx->run;
    struct wm_inputs inputs = {0};
    XXH128_hash_t names, times;
    char hex[WM_HEX128], hex_times[WM_HEX128];
    if (run->has[WM_STEP_CORPUS])
        return 0;
    int status = wm_inputs_open(&run->input, &inputs, err);
    if (status)
        return status;
    status = wm_step_same_inputs(ctx, &inputs, err);
    wm_inputs_fingerprint(&inputs, &names, &times);
    wm_inputs_close(&inputs);
    wm_hex128(names, hex);
    wm_hex128(times, hex_times);
    if (!status)
        status = wm_buf_printf(out, err, ",\"inputs\":\"%s%s\",\"input\":", hex, hex_times);
    return status ? status : wm_options_describe(wm_source_option_table, &run->input, out, err);
}

/* Names (up to NULL, or `n`) with their counts. NULL without memory. */
static json_t *reasons_json(const char *const *names, const uint64_t *counts, size_t n)
{
    json_t *reasons = json_object();
    for (size_t r = 0; names && r < n && names[r]; r++)
        if (json_object_set_new(reasons, names[r], json_integer((json_int_t)counts[r]))) {
            json_decref(reasons);
            return NULL;
        }
    return reasons;
}

/* NULL without memory. */
static json_t *link_json(const struct wm_link *link, const struct wm_link_tally *tally)
{
    json_t *reasons = reasons_json(link->stage->reasons, tally->reasons, SIZE_MAX);
    return json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "stage", link->stage->name,
                     "documents_in", (json_int_t)tally->documents_in, "documents_out",
                     (json_int_t)tally->documents_out, "lines_in", (json_int_t)tally->lines_in,
                     "lines_out", (json_int_t)tally->lines_out, "bytes_in",
                     (json_int_t)tally->bytes_in, "bytes_out", (json_int_t)tally->bytes_out,
                     "dropped", reasons);
}

json_t *wm_tally_json(const struct wm_chain *chain, const struct wm_job_result *result)
{
    const struct wm_read_tally *read = &result->tally.read;
    uint64_t longest = read->longest;
    json_t *reasons = reasons_json(wm_read_reason_names, read->reasons, WM_READ_REASONS);
    json_t *links = json_array();
    for (size_t i = 0; i < result->tally.n_links; i++) {
        const struct wm_link_tally *link = &result->tally.links[i];
        if (json_array_append_new(links, link_json(&chain->links[i], link))) {
            json_decref(links);
            links = NULL;
        }
        longest = longest > link->longest ? longest : link->longest;
    }
    return json_pack(
        "{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "files",
        (json_int_t)read->files, "bad_files", (json_int_t)read->bad_files, "bytes_compressed",
        (json_int_t)read->bytes_compressed, "bytes", (json_int_t)read->bytes, "bytes_in_records",
        (json_int_t)read->bytes_in_records, "bytes_skipped", (json_int_t)read->bytes_skipped,
        "bytes_damaged", (json_int_t)read->bytes_damaged, "records", (json_int_t)read->records,
        "documents", (json_int_t)read->documents, "repaired_utf8", (json_int_t)read->repaired_utf8,
        "longest", (json_int_t)longest, "not_documents", reasons, "stages", links);
}

int wm_step_damage(const struct wm_job_result *result, json_t *facts, struct wm_error *err)
{
    json_t *damage = json_array();
    for (size_t i = 0; damage && i < result->n_damage; i++) {
        const struct wm_damage *d = &result->damage[i];
        char path[WM_PATH_MAX];
        wm_escape(path, sizeof path, d->path, strlen(d->path));
        if (json_array_append_new(damage, json_pack("{s:s, s:I, s:I, s:s}", "file", path, "byte",
                                                    (json_int_t)d->at, "record",
                                                    (json_int_t)d->record, "what", d->what))) {
            json_decref(damage);
            damage = NULL;
        }
    }
    return json_object_set_new(facts, "damage", damage) ? wm_fail_nomem(err, 0, "JSON") : 0;
}

static const char unread_fact[] = "unread_inputs_xxh3";

int wm_step_note_unread(const struct wm_step_context *ctx, const struct wm_job_result *result,
                        json_t *facts, struct wm_error *err)
{
    const struct wm_read_tally *read = &result->tally.read;
    char hex[WM_HEX128];
    if (ctx->run->has[WM_STEP_CORPUS] && read->bad_files) {
        const struct wm_damage *first = result->n_damage ? result->damage : NULL;
        for (size_t i = result->n_damage; read->unread && i > 0; i--)
            if (result->damage[i - 1].unread)
                first = &result->damage[i - 1];
        (void)wm_fail(err, WM_E_CHANGED, "the corpus was not read whole: %s",
                      first ? first->what : "a file of it is damaged");
        (void)wm_error_where(err, "%s", first ? first->path : "");
        return wm_error_hint(err, "start again, with --verify if the files are damaged");
    }
    if (!read->unread)
        return 0;
    wm_hex128(result->inputs, hex);
    return json_object_set_new(facts, unread_fact, json_string(hex)) ? wm_fail_nomem(err, 0, "JSON")
                                                                     : 0;
}

int wm_step_fresh_unread(struct wm_step_context *ctx, const json_t *record, bool *ret,
                         struct wm_error *err)
{
    struct wm_inputs inputs = {0};
    XXH128_hash_t is;
    char hex[WM_HEX128];
    const char *was =
        json_string_value(json_object_get(json_object_get(record, "facts"), unread_fact));
    *ret = true;
    if (!was)
        return 0;
    wm_step_say(ctx, "input: not all could be read; comparing contents");
    int status = wm_corpus_inputs(ctx->run, &inputs, err);
    if (!status)
        status = wm_inputs_hash(&inputs, &is, err);
    wm_inputs_close(&inputs);
    if (status)
        return status;
    wm_hex128(is, hex);
    *ret = strcmp(was, hex) == 0;
    return 0;
}
