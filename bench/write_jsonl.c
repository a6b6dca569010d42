/* SPDX-License-Identifier: Apache-2.0 */
/* write-jsonl alone: documents that are in memory already, through the whole sink to files.
 *
 *     write_jsonl [-r ROUNDS] [-s SUBJECT] FILE…
 *
 * FILEs are any input there is. Every round runs each subject once; the figures are the least CPU
 * time over rounds of the whole process, one worker, and MB of the documents' text for each second of
 * it. Files go below the working directory. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "pipeline/reading.h"

static struct {
    struct wm_arena arena;
    struct wm_doc *docs;
    size_t n, cap;
    uint64_t text;
} corpus;

/* ---- taking documents into memory: a sink ---- */

static int keep_doc(const struct wm_doc *doc, struct wm_error *err)
{
    if (corpus.n == corpus.cap) {
        corpus.cap = corpus.cap ? 2 * corpus.cap : 4096;
        struct wm_doc *docs = realloc(corpus.docs, corpus.cap * sizeof *docs);
        if (!docs)
            return wm_fail_nomem(err, corpus.cap * sizeof *docs, "documents");
        corpus.docs = docs;
    }
    struct wm_doc *to = &corpus.docs[corpus.n++];
    *to = *doc;
    struct wm_str *const strings[] = {
        &to->text,      &to->url,   &to->date, &to->digest,
        &to->record_id, &to->extra, &to->path, &to->location.tar_member};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        *strings[i] = wm_arena_str(&corpus.arena, *strings[i]);
    to->lines.runs = wm_arena_alloc(&corpus.arena, doc->lines.n_runs + 1, sizeof *doc->lines.runs);
    if (!to->lines.runs)
        return wm_fail_nomem(err, doc->text.len, "documents");
    if (doc->lines.n_runs)
        memcpy(to->lines.runs, doc->lines.runs, doc->lines.n_runs * sizeof *doc->lines.runs);
    corpus.text += doc->text.len;
    return 0;
}

static int keep(const void *shared, void *task, struct wm_batch *batch, struct wm_error *err)
{
    int status = 0;
    (void)shared, (void)task;
    for (size_t i = 0; !status && i < batch->n_docs; i++)
        status = keep_doc(&batch->docs[i], err);
    return status;
}

static const struct wm_sink sink_keep = {.name = "keep", .summary = "bench", .write = keep};

/* ---- giving them back: a reader ---- */

struct wm_reader {
    size_t at;
    struct wm_read_tally tally;
    XXH128_hash_t hash;
};

static int replay_open(const struct wm_inputs *inputs, const struct wm_task *task,
                       struct wm_reader **ret, struct wm_error *err)
{
    (void)inputs, (void)task;
    *ret = calloc(1, sizeof **ret);
    return *ret ? 0 : wm_fail_nomem(err, sizeof **ret, "reader");
}

static int replay_fill(struct wm_reader *r, struct wm_batch *batch, size_t n_values,
                       size_t max_text, size_t max_docs, struct wm_error *err)
{
    batch->docs = wm_arena_alloc(&batch->arena, max_docs, sizeof *batch->docs);
    union wm_value *values = wm_arena_alloc(&batch->arena, max_docs * n_values, sizeof *values);
    if (!batch->docs || !values)
        return wm_fail_nomem(err, max_docs * sizeof *batch->docs, "documents");
    while (r->at < corpus.n && batch->n_docs < max_docs) {
        const struct wm_doc *doc = &corpus.docs[r->at];
        if (batch->n_docs && batch->text_bytes + doc->text.len > max_text)
            break;
        batch->docs[batch->n_docs] = *doc;
        batch->docs[batch->n_docs].values = values + batch->n_docs * n_values;
        batch->docs[batch->n_docs++].has = 0;
        batch->text_bytes += doc->text.len;
        r->tally.bytes += doc->text.len;
        r->tally.bytes_in_records += doc->text.len;
        r->tally.records++;
        r->tally.documents++;
        r->at++;
    }
    return batch->n_docs > 0;
}

static const struct wm_read_tally *replay_tally(const struct wm_reader *r)
{
    return &r->tally;
}
static const struct wm_damage *replay_damage(const struct wm_reader *r)
{
    (void)r;
    return NULL;
}
static const XXH128_hash_t *replay_hashes(const struct wm_reader *r)
{
    return &r->hash;
}
static uint64_t replay_position(const struct wm_reader *r)
{
    return r->at;
}
static void replay_close(struct wm_reader *r)
{
    free(r);
}
static const struct wm_reading replay = {replay_open,   replay_fill,   replay_tally,
                                         replay_damage, replay_hashes, replay_position,
                                         replay_close};

/* ---- groups for split: 300 of them, a few large ones and many small ---- */

static int label(const void *shared, void *local, struct wm_batch *batch, struct wm_error *err)
{
    (void)shared, (void)local;
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        uint64_t hash = XXH3_64bits(doc->url.ptr, doc->url.len), group = 1 + hash % 300;
        char name[16];
        int n = snprintf(name, sizeof name, "g%u", (unsigned)((hash >> 32) % group));
        doc->values[0].text = wm_arena_str(&batch->arena, (struct wm_str){name, (size_t)n});
        doc->has = 1;
        if (!doc->values[0].text.ptr)
            return wm_fail_nomem(err, sizeof name, "label");
    }
    return 0;
}
static const struct wm_stage stage_label = {
    .name = "label",
    .summary = "bench",
    .version = 1,
    .writes = (const struct wm_column[]){{"group", WM_COLUMN_TEXT, 0}, {0}},
    .apply = label,
};

/* ---- subjects ---- */

static const struct subject {
    const char *name, *compression, *level, *split;
} subjects[] = {
    {"not written", NULL, "0", NULL},      {"none", "none", "0", NULL},
    {"zstd 1", "zstd", "1", NULL},         {"zstd 2", "zstd", "2", NULL},
    {"gzip 1", "gzip", "1", NULL},         {"gzip 6", "gzip", "6", NULL},
    {"none, split", "none", "0", "group"}, {"zstd 1, split", "zstd", "1", "group"},
};
enum { N_SUBJECTS = sizeof subjects / sizeof *subjects };

static double cpu_seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int set(void *jsonl, const char *name, const char *value, struct wm_arena *arena,
               struct wm_error *err)
{
    const struct wm_option *option = wm_option_find(wm_sink_jsonl.options, wm_str_of(name));
    return !value ? 0 : wm_option_set(option, jsonl, wm_str_of(value), arena, err);
}

static int run(const struct subject *subject, const char *dir, double *ret_seconds,
               uint64_t *ret_bytes, struct wm_error *err)
{
    struct wm_arena arena;
    struct wm_chain chain;
    struct wm_job_result result = {0};
    void *shared, *jsonl = calloc(1, wm_sink_jsonl.shared_size);
    wm_arena_init(&arena, 1 << 20);
    wm_chain_init(&chain);
    int status = jsonl ? wm_chain_add(&chain, &stage_label, &shared, err)
                       : wm_fail_nomem(err, wm_sink_jsonl.shared_size, "options");
    if (!status) {
        wm_options_default(wm_sink_jsonl.options, jsonl);
        status = set(jsonl, "compression", subject->compression, &arena, err);
    }
    if (!status)
        status = set(jsonl, "level", subject->level, &arena, err);
    if (!status)
        status = set(jsonl, "split", subject->split, &arena, err);
    struct wm_input row = {.path = "memory", .end = UINT64_MAX, .size = corpus.text};
    struct wm_task task = {.first = 0, .n = 1, .bytes = corpus.n};
    struct wm_inputs inputs = {.options = {.max_record = WM_RECORD_LIMIT},
                               .rows = &row,
                               .n_rows = 1,
                               .tasks = &task,
                               .n_tasks = 1,
                               .bytes = corpus.n};
    struct wm_job job = {.inputs = &inputs,
                         .chain = &chain,
                         .sink = subject->compression ? &wm_sink_jsonl : NULL,
                         .sink_shared = jsonl,
                         .dir = dir,
                         .identity = "00000000000000000000000000000000",
                         .n_workers = 1,
                         .max_bad_files = 1,
                         .max_bad_records = 1};
    double from = cpu_seconds();
    if (!status)
        status = wm_job_run_with(&job, &replay, &result, err);
    *ret_seconds = cpu_seconds() - from;
    *ret_bytes = result.parts.n ? result.parts.items[0].digest.size : 0;
    wm_job_result_done(&result);
    if (jsonl && subject->compression)
        wm_sink_jsonl.close(jsonl);
    free(jsonl);
    wm_chain_close(&chain);
    wm_arena_done(&arena);
    return status;
}

static int load(const char *const *paths, size_t n, struct wm_error *err)
{
    struct wm_source_options options;
    struct wm_inputs inputs = {0};
    struct wm_chain chain;
    struct wm_job_result result = {0};
    wm_options_default(wm_source_option_table, &options);
    options.paths = (struct wm_list){(const char **)(uintptr_t)paths, n};
    wm_chain_init(&chain);
    wm_arena_init(&corpus.arena, SIZE_MAX);
    int status = wm_inputs_open(&options, &inputs, err);
    struct wm_job job = {.inputs = &inputs,
                         .chain = &chain,
                         .sink = &sink_keep,
                         .n_workers = 1,
                         .max_bad_files = 1,
                         .max_bad_records = 1};
    if (!status)
        status = wm_job_run(&job, &result, err);
    wm_job_result_done(&result);
    wm_chain_close(&chain);
    wm_inputs_close(&inputs);
    return status;
}

static int run_rounds(unsigned rounds, const char *only, double seconds[N_SUBJECTS],
                      uint64_t bytes[N_SUBJECTS], struct wm_error *err)
{
    char dir[] = "write_jsonl.XXXXXX";
    int status = mkdtemp(dir) ? 0 : wm_fail(err, WM_E_IO, "no directory for output");
    for (unsigned round = 0; !status && round < rounds; round++)
        for (size_t i = 0; !status && i < N_SUBJECTS; i++) {
            double took = 0;
            if (only && strcmp(only, subjects[i].name) != 0)
                continue;
            status = wm_remove_tree(dir, err);
            if (!status)
                status = run(&subjects[i], dir, &took, &bytes[i], err);
            if (!round || took < seconds[i])
                seconds[i] = took;
        }
    struct wm_error ignored;
    (void)wm_remove_tree(dir, &ignored);
    return status;
}

int main(int argc, char **argv)
{
    struct wm_error err = {0};
    unsigned long rounds = 5;
    const char *only = NULL;
    for (int c; (c = getopt(argc, argv, "r:s:")) != -1;)
        if (c == 's')
            only = optarg;
        else
            rounds = c == 'r' ? strtoul(optarg, NULL, 10) : 0;
    if (optind == argc || rounds < 1 || rounds > 99) {
        (void)fputs("usage: write_jsonl [-r ROUNDS] [-s SUBJECT] FILE...\n", stderr);
        return 2;
    }
    double seconds[N_SUBJECTS] = {0};
    uint64_t bytes[N_SUBJECTS] = {0};
    int status = load((const char *const *)(argv + optind), (size_t)(argc - optind), &err);
    if (!status)
        status = run_rounds((unsigned)rounds, only, seconds, bytes, &err);
    if (status) {
        (void)fprintf(stderr, "write_jsonl: %s: %s\n", err.where, err.what);
        return 1;
    }
    (void)printf("%zu documents, %.1f MB of text, the least of %lu rounds\n\n", corpus.n,
                 (double)corpus.text * 1e-6, rounds);
    (void)printf("%-15s %9s %12s %9s\n", "subject", "CPU s", "text MB/s", "file MB");
    for (size_t i = 0; i < N_SUBJECTS; i++)
        if (!only || strcmp(only, subjects[i].name) == 0)
            (void)printf("%-15s %9.3f %12.1f %9.1f\n", subjects[i].name, seconds[i],
                         (double)corpus.text * 1e-6 / seconds[i], (double)bytes[i] * 1e-6);
    free(corpus.docs);
    wm_arena_done(&corpus.arena);
    return 0;
}
