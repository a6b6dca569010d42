/* SPDX-License-Identifier: Apache-2.0 */
/* The corpus against its tally: documents, lines and bytes are counted again. */
#include <stdatomic.h>
#include <stdio.h>

#include "run/step.h"

static uint64_t count(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static const json_t *tally_of(const json_t *record)
{
    return json_object_get(json_object_get(record, "facts"), "tally");
}

void wm_corpus_kept(const json_t *record, struct wm_corpus_counts *ret)
{
    const json_t *tally = tally_of(record);
    const json_t *stages = json_object_get(tally, "stages");
    size_t n = json_array_size(stages);
    *ret = (struct wm_corpus_counts){.documents = count(tally, "documents")};
    if (!n)
        return;
    const json_t *last = json_array_get(stages, n - 1);
    ret->documents = count(last, "documents_out");
    ret->bytes = count(last, "bytes_out");
    ret->lines = count(last, "lines_out");
    ret->known = true;
}

static uint64_t sum(const json_t *reasons)
{
    uint64_t n = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)reasons, name, value) n +=
        (uint64_t)json_integer_value(value);
    return n;
}

static void compare(struct wm_verifier *v, const char *what, uint64_t in, uint64_t out)
{
    if (in != out)
        wm_found(v, "step.json", "%s are not conserved: %llu in, %llu out", what,
                 (unsigned long long)in, (unsigned long long)out);
}

/* What went in came out, or was dropped for a reason. */
static void check_tally(struct wm_verifier *v, const json_t *record)
{
    const json_t *tally = tally_of(record);
    uint64_t documents = count(tally, "documents"), lines = 0, bytes = 0;
    size_t i;
    json_t *stage;
    char what[160];
    /* With a limit, reading stops in the middle of a file. */
    if (!json_object_get(json_object_get(record, "facts"), "limit")) {
        compare(v, "bytes of the input", count(tally, "bytes"),
                count(tally, "bytes_in_records") + count(tally, "bytes_skipped"));
        compare(v, "records", count(tally, "records"),
                documents + sum(json_object_get(tally, "not_documents")));
    }
    json_array_foreach(json_object_get(tally, "stages"), i, stage)
    {
        const char *name = json_string_value(json_object_get(stage, "stage"));
        (void)snprintf(what, sizeof what, "documents of stage %s", name ? name : "?");
        compare(v, what, documents, count(stage, "documents_in"));
        compare(v, what, count(stage, "documents_in"),
                count(stage, "documents_out") + sum(json_object_get(stage, "dropped")));
        (void)snprintf(what, sizeof what, "lines on their way to stage %s", name ? name : "?");
        if (i)
            compare(v, what, lines, count(stage, "lines_in"));
        (void)snprintf(what, sizeof what, "bytes on their way to stage %s", name ? name : "?");
        if (i)
            compare(v, what, bytes, count(stage, "bytes_in"));
        documents = count(stage, "documents_out");
        lines = count(stage, "lines_out");
        bytes = count(stage, "bytes_out");
    }
}

/* ---- counting again ---- */

struct shared {
    struct counts {
        atomic_ullong bytes, lines;
    } * counts; /* behind a pointer because workers get us as const */
};

static int count_batch(const void *shared, void *local, struct wm_batch *batch,
                       struct wm_error *err)
{
    struct counts *counts = ((const struct shared *)shared)->counts;
    uint64_t bytes = 0, lines = 0;
    (void)local, (void)err;
    for (size_t i = 0; i < batch->n_docs; i++) {
        bytes += batch->docs[i].text.len;
        lines += wm_line_count(batch->docs[i].text);
    }
    atomic_fetch_add(&counts->bytes, bytes);
    atomic_fetch_add(&counts->lines, lines);
    return 0;
}

static const struct wm_sink sink = {
    .name = "count-text",
    .summary = "count documents, lines and bytes",
    .version = 1,
    .shared_size = sizeof(struct shared),
    .prepare = count_batch,
};

static int read_corpus(const struct wm_verifier *v, const struct wm_inputs *inputs,
                       struct counts *counts, struct wm_read_tally *ret, struct wm_error *err)
{
    struct wm_chain chain;
    struct shared shared = {counts};
    struct wm_job_result result = {0};
    wm_chain_init(&chain);
    struct wm_job job = {
        .label = "corpus: count",
        .inputs = inputs,
        .chain = &chain,
        .sink = &sink,
        .sink_shared = &shared,
        .n_workers = v->job->n_workers,
        .memory = v->job->memory,
        .max_bad_files = 1,
        .max_bad_records = 1,
        .progress = v->job->progress,
        .cancel = v->job->cancel,
    };
    int status = wm_job_run(&job, &result, err);
    *ret = result.tally.read;
    wm_job_result_done(&result);
    wm_chain_close(&chain);
    return status;
}

static void compare_counts(struct wm_verifier *v, const struct wm_corpus_counts *kept,
                           const struct counts *counts, const struct wm_read_tally *read)
{
    unsigned long long bytes = atomic_load(&counts->bytes), lines = atomic_load(&counts->lines);
    if (read->records != kept->documents || read->bad_files)
        wm_found(v, "", "the files hold %llu documents, %llu were kept",
                 (unsigned long long)read->records, (unsigned long long)kept->documents);
    /* Rows that leave the text away are records, but not documents. */
    else if (kept->known && read->documents == read->records &&
             (bytes != kept->bytes || lines != kept->lines))
        wm_found(v, "",
                 "the files hold %llu lines, %llu bytes of text; %llu lines, %llu bytes were "
                 "kept",
                 lines, bytes, (unsigned long long)kept->lines, (unsigned long long)kept->bytes);
}

/* The record's own list, not what else may lie there. */
static int list_files(const char *dir, const json_t *record, struct wm_arena *arena,
                      struct wm_list *ret, struct wm_error *err)
{
    const json_t *outputs = json_object_get(record, "outputs");
    const char **items = wm_arena_alloc(arena, json_array_size(outputs) + 1, sizeof *items);
    int status = items ? 0 : wm_fail_nomem(err, json_array_size(outputs) * sizeof *items, "names");
    size_t i, n = 0;
    json_t *output;
    json_array_foreach(outputs, i, output)
    {
        const char *name = json_string_value(json_object_get(output, "name"));
        char path[WM_PATH_MAX];
        if (status || !name || !strstr(name, ".jsonl"))
            continue;
        status = wm_path_join(path, dir, name, err);
        if (!status && !(items[n++] = wm_arena_cstr(arena, wm_str_of(path))))
            status = wm_fail_nomem(err, strlen(path), "names");
    }
    *ret = (struct wm_list){items, n};
    return status;
}

int wm_corpus_verify(struct wm_verifier *v, const char *dir, const json_t *record,
                     struct wm_error *err)
{
    struct wm_source_options options = {0};
    struct wm_corpus_counts kept;
    struct wm_read_tally read = {0};
    struct counts counts = {0};
    struct wm_inputs inputs = {0};
    struct wm_error problem = {0};
    struct wm_arena arena;
    const char *field =
        json_string_value(json_object_get(json_object_get(record, "facts"), "text_field"));
    check_tally(v, record);
    wm_corpus_kept(record, &kept);
    wm_arena_init(&arena, 256 << 20);
    wm_options_default(wm_source_option_table, &options);
    options.format = WM_FORMAT_JSONL;
    options.text_field = field ? field : options.text_field;
    options.max_record = wm_corpus_record(record, options.max_record);
    int status = list_files(dir, record, &arena, &options.paths, err);
    if (!status && options.paths.n) {
        if (wm_inputs_open(&options, &inputs, &problem) ||
            read_corpus(v, &inputs, &counts, &read, &problem))
            status = wm_found_error(v, "", &problem, err);
        else
            compare_counts(v, &kept, &counts, &read);
        wm_inputs_close(&inputs);
    } else if (!status && kept.documents) {
        wm_found(v, "", "%llu documents were kept, there is no file",
                 (unsigned long long)kept.documents);
    }
    wm_arena_done(&arena);
    return status;
}
