/* SPDX-License-Identifier: Apache-2.0 */
/* Shards of a small made-up language, and trainings on them. The language counts: "three four five
 * …", so that everything but a document's beginning can be learnt. */
#ifndef WETMILL_TESTS_TRAIN_FIXTURE_H
#define WETMILL_TESTS_TRAIN_FIXTURE_H

#include "scratch.h"
#include "test.h"
#include "wetmill/shards.h"
#include "wetmill/tokenizer.h"
#include "wetmill/train.h"

static inline void remove_top(void)
{
    CHECK_OK(wm_remove_tree(top, &err), err);
}

/* ---- documents ---- */

enum { DOC_WORDS = 30, DOC_BYTES = 512 };

static inline struct wm_str make_text(uint64_t i, char text[DOC_BYTES])
{
    static const char *const words[] = {"zero", "one", "two",   "three", "four",
                                        "five", "six", "seven", "eight", "nine"};
    size_t len = 0;
    for (uint64_t w = 0; w < DOC_WORDS - i % 5; w++)
        len += (size_t)snprintf(text + len, DOC_BYTES - len, " %s",
                                words[(i * 7 + i / 10 * 3 + w) % 10]);
    (void)snprintf(text + len, DOC_BYTES - len, " in %u", (unsigned)i); /* no two are equal */
    return wm_str_of(text);
}

/* What make_shards fills them with. */
typedef struct wm_str make_text_fn(uint64_t i, char text[DOC_BYTES]);
static make_text_fn *shard_text = make_text;

/* `begin`: NULL, or the special token that LLaMA 3's way puts before a text. */
static inline struct wm_tokenizer *train_tokenizer_with(uint64_t vocabulary, const char *begin)
{
    struct wm_tokenizer_options o = {.split = 0};
    const char *specials[] = {"<|endoftext|>", begin};
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    struct wm_tokenizer *tok = NULL;
    char text[DOC_BYTES];
    wm_options_default(wm_tokenizer_option_table, &o);
    o.vocabulary = vocabulary;
    if (begin)
        o.split = WM_SPLIT_LLAMA3;
    o.specials = (struct wm_list){specials, begin ? 2 : 1};
    int status = wm_trainer_new(&o, &trainer, &err);
    if (!status)
        status = wm_counter_new(trainer, &counter, &err);
    for (uint64_t i = 0; i < 60 && !status; i++)
        status = wm_counter_add(counter, make_text(i, text), &err);
    if (!status)
        status = wm_trainer_fold(trainer, counter, &err);
    if (!status)
        status = wm_trainer_finish(trainer, NULL, NULL, &tok, &err);
    CHECK_OK(status, err);
    wm_counter_free(counter);
    wm_trainer_free(trainer);
    return tok;
}

static inline struct wm_tokenizer *train_tokenizer(uint64_t vocabulary)
{
    return train_tokenizer_with(vocabulary, NULL);
}

static inline int fill_batch(struct wm_batch *batch, uint64_t n_docs)
{
    char text[DOC_BYTES];
    wm_arena_init(&batch->arena, 64 << 20);
    wm_arena_init(&batch->scratch, 64 << 20);
    batch->docs = wm_arena_alloc(&batch->arena, n_docs, sizeof *batch->docs);
    for (uint64_t i = 0; batch->docs && i < n_docs; i++)
        batch->docs[batch->n_docs++] = (struct wm_doc){
            .text = wm_arena_str(&batch->arena, shard_text(i, text)),
            .url = WM_STR("https://example.org/"),
            .path = WM_STR("counting.txt"),
            .key = {0, i, 0},
        };
    return batch->docs ? 0 : wm_fail_nomem(&err, 1, "documents");
}

/* One task through the sink that runs use. */
static inline int sink_task(const char *job_dir, const struct wm_shards_options *options,
                            uint64_t n_docs, struct wm_parts *parts)
{
    const struct wm_sink *sink = &wm_sink_shards;
    void *shared = calloc(1, sink->shared_size), *local = calloc(1, sink->local_size);
    void *task = calloc(1, sink->task_size);
    struct wm_env env = {.n_workers = 1};
    struct wm_batch batch = {.seq = 0};
    memcpy(shared, options, sizeof *options);
    int status = fill_batch(&batch, n_docs);
    if (!status)
        status = sink->open(shared, &env, &err);
    if (!status)
        status = sink->open_local(shared, local, &err);
    if (!status)
        status = sink->prepare(shared, local, &batch, &err);
    if (!status)
        status = sink->open_task(shared, task, job_dir, 0, &err);
    if (!status)
        status = sink->write(shared, task, &batch, &err);
    if (!status)
        status = sink->commit_task(shared, task, parts, &err);
    sink->close_task(task);
    sink->close_local(local);
    if (sink->close)
        sink->close(shared);
    wm_arena_done(&batch.arena);
    wm_arena_done(&batch.scratch);
    free(task);
    free(local);
    free(shared);
    return status;
}

/* DIR with shards of `n_docs` documents, a fifth for validation; `framed` by the tokenizer's template. */
static inline void make_shards_of(struct wm_tokenizer *tok, const char *dir, uint64_t n_docs,
                                  bool framed)
{
    struct wm_shards_options options = {0};
    wm_options_default(wm_sink_shards.options, &options);
    options.validation_share = 0.2;
    options.template = framed;
    options.tokenizer = tok;
    options.recipe = WM_STR("{}");
    struct wm_arena arena;
    struct wm_parts parts = {.arena = &arena};
    char job_dir[WM_PATH_MAX];
    (void)snprintf(job_dir, sizeof job_dir, "%s.job", dir);
    wm_arena_init(&arena, 16 << 20);
    CHECK_OK(sink_task(job_dir, &options, n_docs, &parts), err);
    CHECK_OK(wm_shards_finish(job_dir, &parts, &options, dir, NULL, &err), err);
    wm_arena_done(&arena);
}

static inline void make_shards(const char *dir, uint64_t n_docs, uint64_t vocabulary)
{
    struct wm_tokenizer *tok = train_tokenizer(vocabulary);
    make_shards_of(tok, dir, n_docs, true);
    wm_tokenizer_free(tok);
}

/* ---- trainings ---- */

/* 12 steps of 5 sequences, accumulated as 2 + 2 + 1; validation after every third, a text after every
 * second. */
static inline struct wm_train_options small_options(void)
{
    struct wm_train_options o;
    wm_options_default(wm_train_option_table, &o);
    o.layers = 2;
    o.heads = 2;
    o.width = 24;
    o.context = 17;
    o.batch = 5;
    o.micro_batch = 2;
    o.steps = 12;
    o.warmup = 2;
    o.validate_every = 3;
    o.validation_tokens = 0;
    o.checkpoint_every = 4;
    o.sample_every = 2;
    o.sample_tokens = 9;
    return o;
}

static inline bool same_files(const char *a, const char *b)
{
    struct wm_buf x, y;
    wm_buf_init(&x, 64 << 20);
    wm_buf_init(&y, 64 << 20);
    CHECK_OK(wm_file_load(a, &x, &err), err);
    CHECK_OK(wm_file_load(b, &y, &err), err);
    bool same = x.len && wm_str_eq(wm_buf_str(&x), wm_buf_str(&y));
    wm_buf_done(&x);
    wm_buf_done(&y);
    return same;
}

/* Are two model directories of the same bytes? */
static inline bool same_models(const char *a, const char *b)
{
    static const char *const names[] = {"model.safetensors",     "config.json",   "tokenizer.json",
                                        "tokenizer_config.json", "metrics.jsonl", "samples.jsonl"};
    char x[WM_PATH_MAX], y[WM_PATH_MAX];
    bool same = true;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        (void)snprintf(x, sizeof x, "%s/%s", a, names[i]);
        (void)snprintf(y, sizeof y, "%s/%s", b, names[i]);
        same = same_files(x, y) && same;
    }
    return same;
}

#endif /* WETMILL_TESTS_TRAIN_FIXTURE_H */
