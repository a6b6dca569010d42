/* SPDX-License-Identifier: Apache-2.0 */
/* Hand-made tokenizers, documents and a plain loop in place of the executor. */
#ifndef WETMILL_TESTS_SHARD_FIXTURE_H
#define WETMILL_TESTS_SHARD_FIXTURE_H

#include "scratch.h"
#include "test.h"
#include "tokenizer/bpe.h"
#include "wetmill/shards.h"

/* Every byte, `n_more` tokens of three bytes of which the last has merges, and the end. */
static inline struct wm_tokenizer *make_tokenizer(uint32_t n_more)
{
    struct wm_tokenizer *tok = NULL;
    int status = bpe_new(&tok, &err);
    for (unsigned i = 0; !status && i < 256; i++) {
        char byte = (char)bpe_byte_order[i];
        status = bpe_put_token(tok, i, (struct wm_str){&byte, 1}, BPE_TOKEN, &err);
    }
    uint32_t id = 256;
    for (uint32_t i = 0; !status && i < n_more; i++, id++) {
        char bytes[3] = {(char)(0x80 + i / 16384), (char)(0x80 + i / 128 % 128),
                         (char)(0x80 + i % 128)};
        status = bpe_put_token(tok, id, (struct wm_str){bytes, 3}, BPE_TOKEN, &err);
    }
    if (!status)
        status = bpe_put_token(tok, id, WM_STR("th"), BPE_TOKEN, &err);
    if (!status)
        status = bpe_put_token(tok, id + 1, WM_STR("<|endoftext|>"), BPE_SPECIAL, &err);
    if (!status)
        status = bpe_index_tokens(tok, &err);
    if (!status)
        status = bpe_add_merge(tok, tok->byte_ids['t'], tok->byte_ids['h'], id, &err);
    if (!status)
        status = bpe_put_added(tok, id + 1, false, &err);
    if (!status)
        status = bpe_set_pattern(tok, wm_str_of(bpe_named_patterns[WM_SPLIT_R50K]), &err);
    if (!status)
        status = bpe_finish(tok, &err);
    if (status) {
        (void)fprintf(stderr, "no tokenizer: %s\n", err.what);
        exit(1);
    }
    return tok;
}

static inline uint64_t next_random(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static inline struct wm_str arena_printf(struct wm_arena *arena, const char *what, uint64_t n)
{
    char text[128];
    int len = snprintf(text, sizeof text, "%s%llu", what, (unsigned long long)n);
    return wm_arena_str(arena, (struct wm_str){text, (size_t)len});
}

/* Document `i` of the test corpus: everything follows from i. */
static inline struct wm_doc make_doc(uint64_t i, struct wm_arena *arena)
{
    static const char *const words[] = {"the ",  "a ",  "thimble ", "\n",
                                        "möwe ", "海 ", "12 ",      "\n\n"};
    uint64_t state = i;
    size_t len = 0, n = next_random(&state) % 60;
    char text[1024];
    for (size_t w = 0; w < n; w++) {
        const char *word = words[next_random(&state) % 8];
        memcpy(text + len, word, strlen(word));
        len += strlen(word);
    }
    struct wm_doc doc = {
        .text = wm_arena_str(arena, (struct wm_str){text, len}),
        .url = arena_printf(arena, "https://example.org/", next_random(&state) % 100000),
        .path = arena_printf(arena, "crawl/segment/file-", i / 37),
        .key = {(uint32_t)(i / 37), next_random(&state) >> (i % 64), (uint32_t)(i % 3)},
        .location = {next_random(&state) >> (i % 60), i * 7, next_random(&state) >> 3, {0}},
        .source_lines = 1000,
    };
    if (i % 11 == 0)
        doc.location.tar_member = arena_printf(arena, "member/", i);
    if (i % 97 == 5)
        doc.path = (struct wm_str){0};
    doc.lines.n_runs = i % 5;
    doc.lines.runs = wm_arena_alloc(arena, 5, sizeof *doc.lines.runs);
    for (uint32_t r = 0, line = (uint32_t)(i % 2); r < doc.lines.n_runs; r++) {
        doc.lines.runs[r] = (struct wm_line_run){line, 1 + r};
        line += 1 + r + 1 + (uint32_t)(next_random(&state) % 3);
    }
    return doc;
}

struct job {
    const char *dir;
    uint64_t n_docs, docs_per_task, docs_per_batch;
    bool backwards; /* workers see the batches in the other order */
    struct wm_shards_options options;
};

enum { BATCHES_MAX = 256 };

static inline int run_task(const struct job *job, const void *shared, void *local, uint32_t number,
                           struct wm_parts *parts)
{
    static struct wm_batch batches[BATCHES_MAX];
    const struct wm_sink *sink = &wm_sink_shards;
    uint64_t first = number * job->docs_per_task, end = first + job->docs_per_task;
    size_t n = 0;
    if (end > job->n_docs)
        end = job->n_docs;
    for (uint64_t i = first; i < end; n++) {
        struct wm_batch *batch = &batches[n];
        *batch = (struct wm_batch){.seq = n};
        wm_arena_init(&batch->arena, 64 << 20);
        batch->docs = wm_arena_alloc(&batch->arena, job->docs_per_batch, sizeof *batch->docs);
        for (; batch->n_docs < job->docs_per_batch && i < end; i++)
            batch->docs[batch->n_docs++] = make_doc(i, &batch->arena);
    }
    int status = 0;
    for (size_t b = 0; !status && b < n; b++)
        status = sink->prepare(shared, local, &batches[job->backwards ? n - 1 - b : b], &err);
    void *task = calloc(1, sink->task_size);
    if (!status)
        status = sink->open_task(shared, task, job->dir, number, &err);
    for (size_t b = 0; !status && b < n; b++)
        status = sink->write(shared, task, &batches[b], &err);
    if (!status)
        status = sink->commit_task(shared, task, parts, &err);
    sink->close_task(task);
    free(task);
    for (size_t b = 0; b < n; b++)
        wm_arena_done(&batches[b].arena);
    return status;
}

/* All tasks of a job; the parts come in task order. */
static inline int run_job(const struct job *job, struct wm_parts *parts)
{
    const struct wm_sink *sink = &wm_sink_shards;
    void *shared = calloc(1, sink->shared_size), *local = calloc(1, sink->local_size);
    struct wm_env env = {.n_workers = 1};
    memcpy(shared, &job->options, sizeof job->options);
    int status = sink->open(shared, &env, &err);
    if (!status)
        status = sink->open_local(shared, local, &err);
    uint32_t n_tasks = (uint32_t)((job->n_docs + job->docs_per_task - 1) / job->docs_per_task);
    for (uint32_t t = 0; !status && t < n_tasks; t++)
        status = run_task(job, shared, local, t, parts);
    sink->close_local(local);
    if (sink->close)
        sink->close(shared);
    free(local);
    free(shared);
    return status;
}

/* Options as the table's defaults, for `tok`. */
static inline struct wm_shards_options default_options(const struct wm_tokenizer *tok)
{
    return (struct wm_shards_options){
        .validation_share = 0.1,
        .max_tokens = INT32_MAX,
        .tokenizer = tok,
        .recipe = WM_STR("{\"recipe\":1,\"stages\":[]}"),
    };
}

/* Job and finished directory DIR (its parts in DIR.job). */
static inline int build(const struct job *how, const char *dir, struct wm_shards_info *info)
{
    struct wm_arena arena;
    struct wm_parts parts = {.arena = &arena};
    struct job job = *how;
    char job_dir[WM_PATH_MAX];
    (void)snprintf(job_dir, sizeof job_dir, "%s.job", dir);
    job.dir = job_dir;
    wm_arena_init(&arena, 16 << 20);
    int status = run_job(&job, &parts);
    if (!status)
        status = wm_shards_finish(job_dir, &parts, &job.options, dir, info, &err);
    wm_arena_done(&arena);
    return status;
}

static inline void load_file(const char *path, struct wm_buf *buf)
{
    wm_buf_init(buf, 64 << 20);
    CHECK_OK(wm_file_load(path, buf, &err), err);
}

static inline bool same_files(const char *a, const char *b)
{
    struct wm_buf x, y;
    load_file(a, &x);
    load_file(b, &y);
    bool same = wm_str_eq(wm_buf_str(&x), wm_buf_str(&y));
    wm_buf_done(&x);
    wm_buf_done(&y);
    return same;
}

#endif /* WETMILL_TESTS_SHARD_FIXTURE_H */
