/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file made_lines.h
 * Documents of made-up lines, as many as wanted, each a pure function of its place: line number i
 * is the i-th different line, but for a share of them that repeat an earlier one. A sink that keeps
 * nothing but a hash of every document it is given, in order. And the two with paragraph-dedup between.
 */
#ifndef WETMILL_TESTS_MADE_LINES_H
#define WETMILL_TESTS_MADE_LINES_H

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pipeline/reading.h"
#include "stages/stages.h"

enum { MADE_LINES_IN_DOC = 40, MADE_DOCS_IN_TASK = 25000, MADE_LINE_BYTES = 48 };

/** What is made; one corpus at a time. */
static struct {
    uint64_t n_lines;
    uint64_t repeats;      /**< Of a million lines, so many repeat an earlier one. */
    uint64_t docs_in_task; /**< MADE_DOCS_IN_TASK unless a test wants more tasks. */
} made;

struct wm_reader {
    const struct wm_task *task;
    uint64_t first, end, at; /* documents, of all */
    struct wm_read_tally tally;
    XXH128_hash_t hash;
};

static inline uint64_t made_mix(uint64_t x)
{
    x = (x ^ x >> 31) * 0x9E3779B97F4A7C15u;
    x = (x ^ x >> 29) * 0xBF58476D1CE4E5B9u;
    return x ^ x >> 32;
}

/** Which line stands at place i: i itself, or an earlier one. */
static inline uint64_t made_line(uint64_t i)
{
    uint64_t h = made_mix(i + 1);
    return i && h % 1000000 < made.repeats ? made_mix(h) % i : i;
}

/** Letters alone: digits are all the same to the dedup stage. */
static inline size_t made_put(uint64_t line, char *to)
{
    size_t n = 0;
    for (uint64_t rest = made_mix(line ^ (uint64_t)1 << 60); rest; rest /= 26)
        to[n++] = (char)('a' + rest % 26);
    memcpy(to + n, " is one of many lines\n", 22);
    return n + 22;
}

static inline uint64_t made_docs(void)
{
    return (made.n_lines + MADE_LINES_IN_DOC - 1) / MADE_LINES_IN_DOC;
}

static inline int made_open(const struct wm_inputs *inputs, const struct wm_task *task,
                            struct wm_reader **ret, struct wm_error *err)
{
    (void)inputs;
    struct wm_reader *r = calloc(1, sizeof *r);
    if (!r)
        return wm_fail_nomem(err, sizeof *r, "reader");
    r->task = task;
    r->at = r->first = task->first * made.docs_in_task;
    r->end = r->first + task->bytes;
    r->tally.files = 1;
    r->hash = XXH3_128bits(&r->first, sizeof r->first);
    *ret = r;
    return 0;
}

static inline int made_doc(struct wm_reader *r, struct wm_batch *batch, struct wm_doc *doc,
                           size_t n_values, struct wm_error *err)
{
    uint64_t first = r->at * MADE_LINES_IN_DOC, end = first + MADE_LINES_IN_DOC;
    char *text = wm_arena_bytes(&batch->arena, (size_t)MADE_LINES_IN_DOC * MADE_LINE_BYTES);
    *doc = (struct wm_doc){.text = {text, 0}};
    doc->values = wm_arena_alloc(&batch->arena, n_values, sizeof *doc->values);
    doc->lines.runs = wm_arena_alloc(&batch->arena, 1, sizeof *doc->lines.runs);
    if (!text || !doc->values || !doc->lines.runs)
        return wm_fail_nomem(err, MADE_LINE_BYTES, "document");
    for (uint64_t i = first; i < end && i < made.n_lines; i++, doc->source_lines++)
        doc->text.len += made_put(made_line(i), text + doc->text.len);
    doc->text.len -= doc->text.len > 0;
    doc->lines.runs[0] = (struct wm_line_run){0, doc->source_lines};
    doc->lines.n_runs = 1;
    doc->key = (struct wm_key){r->task->first, r->at - r->first, 0};
    return 0;
}

static inline int made_fill(struct wm_reader *r, struct wm_batch *batch, size_t n_values,
                            size_t max_text, size_t max_docs, struct wm_error *err)
{
    uint64_t left = r->end - r->at;
    size_t most = left < max_docs ? (size_t)left : max_docs;
    batch->docs = wm_arena_alloc(&batch->arena, most, sizeof *batch->docs);
    if (!batch->docs)
        return wm_fail_nomem(err, most * sizeof *batch->docs, "documents");
    while (
        batch->n_docs < most &&
        (!batch->n_docs || batch->text_bytes + MADE_LINES_IN_DOC * MADE_LINE_BYTES <= max_text)) {
        struct wm_doc *doc = &batch->docs[batch->n_docs];
        int status = made_doc(r, batch, doc, n_values, err);
        if (status)
            return status;
        batch->text_bytes += doc->text.len;
        batch->n_docs++;
        r->at++;
        r->tally.records++;
        r->tally.documents++;
        r->tally.bytes += doc->text.len;
        r->tally.bytes_in_records += doc->text.len;
    }
    return batch->n_docs > 0;
}

static inline const struct wm_read_tally *made_tally(const struct wm_reader *r)
{
    return &r->tally;
}
static inline const struct wm_damage *made_damage(const struct wm_reader *r)
{
    (void)r;
    return NULL;
}
static inline const XXH128_hash_t *made_hashes(const struct wm_reader *r)
{
    return &r->hash;
}
static inline uint64_t made_position(const struct wm_reader *r)
{
    return r->at - r->first;
}
static inline void made_close(struct wm_reader *r)
{
    free(r);
}

static const struct wm_reading made_reading = {.open = made_open,
                                               .fill = made_fill,
                                               .tally = made_tally,
                                               .damage = made_damage,
                                               .hashes = made_hashes,
                                               .position = made_position,
                                               .close = made_close};

/** Rows and tasks of what `made` says; free both. A task's bytes are its documents. */
static inline struct wm_inputs made_inputs(void)
{
    uint64_t n_docs = made_docs();
    size_t n = (size_t)((n_docs + made.docs_in_task - 1) / made.docs_in_task);
    struct wm_inputs inputs = {.options = {.max_record = 1 << 20},
                               .rows = calloc(n, sizeof *inputs.rows),
                               .tasks = calloc(n, sizeof *inputs.tasks),
                               .n_rows = (uint32_t)n,
                               .n_tasks = (uint32_t)n,
                               .bytes = n_docs};
    if (!inputs.rows || !inputs.tasks)
        exit(1);
    for (size_t i = 0; i < n; i++) {
        uint64_t first = i * made.docs_in_task, left = n_docs - first;
        inputs.rows[i] = (struct wm_input){.path = "made", .end = UINT64_MAX};
        inputs.tasks[i] =
            (struct wm_task){(uint32_t)i, 1, left < made.docs_in_task ? left : made.docs_in_task};
    }
    return inputs;
}

/* ---- the sink ---- */

static atomic_ullong made_sum; /* of all tasks' hashes */

struct made_task {
    XXH64_hash_t hash; /* of the documents so far; the number of the task at first */
};

static inline int made_open_task(const void *shared, void *task, const char *dir, uint32_t number,
                                 struct wm_error *err)
{
    (void)shared, (void)dir, (void)err;
    ((struct made_task *)task)->hash = made_mix(number + UINT64_C(1));
    return 0;
}

static inline int made_write(const void *shared, void *task, struct wm_batch *batch,
                             struct wm_error *err)
{
    struct made_task *t = task;
    (void)shared, (void)err;
    for (size_t i = 0; i < batch->n_docs; i++) {
        const struct wm_doc *doc = &batch->docs[i];
        t->hash = XXH3_64bits_withSeed(&doc->key.record, sizeof doc->key.record, t->hash);
        t->hash = XXH3_64bits_withSeed(doc->text.ptr, doc->text.len, t->hash);
    }
    return 0;
}

static inline int made_commit_task(const void *shared, void *task, struct wm_parts *parts,
                                   struct wm_error *err)
{
    (void)shared, (void)parts, (void)err;
    atomic_fetch_add(&made_sum, ((struct made_task *)task)->hash);
    return 0;
}

static const struct wm_sink made_sink = {
    .name = "hash",
    .summary = "a hash of all documents",
    .version = 1,
    .task_size = sizeof(struct made_task),
    .open_task = made_open_task,
    .write = made_write,
    .commit_task = made_commit_task,
};

/** As job->memory: the least the job can do with. */
enum { MADE_LEAST = 1 };

/**
 * Put the documents through paragraph-dedup into made_sink, in job->dir, which is made. The caller
 * sets how — dir, n_workers, memory, batches, order — and frees `ret`; the hash is in made_sum.
 */
static inline int made_dedup(const char *keep, struct wm_job *job, struct wm_job_result *ret,
                             struct wm_error *err)
{
    const struct wm_stage *stage = &wm_stage_paragraph_dedup;
    struct wm_inputs inputs = made_inputs();
    struct wm_chain chain;
    struct wm_arena arena;
    uint64_t least, full;
    void *shared = NULL;
    wm_chain_init(&chain);
    wm_arena_init(&arena, 1 << 16);
    job->inputs = &inputs;
    job->chain = &chain;
    job->sink = &made_sink;
    job->identity = "00000000000000000000000000000000";
    int status = wm_chain_add(&chain, stage, &shared, err);
    if (!status)
        status = wm_option_set(wm_option_find(stage->options, WM_STR("keep")), shared,
                               wm_str_of(keep), &arena, err);
    if (!status)
        status = wm_job_memory(job, &least, &full, err);
    if (!status && job->memory == MADE_LEAST)
        job->memory = least;
    if (!status)
        status = wm_mkdirs(job->dir, err);
    atomic_store(&made_sum, 0);
    if (!status)
        status = wm_job_run_with(job, &made_reading, ret, err);
    wm_chain_close(&chain);
    wm_arena_done(&arena);
    free(inputs.rows);
    free(inputs.tasks);
    return status;
}

#endif /* WETMILL_TESTS_MADE_LINES_H */
