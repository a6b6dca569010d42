/* SPDX-License-Identifier: Apache-2.0 */
/* Shards and piece counts through the real executor: the same bytes however a job runs. */
#include "pipeline/job_fixture.h"

#include "shard_fixture.h"
#include "tokenizer/count_sink.h"

enum { TASKS = 7, DOCS = 150 };

struct shard_job {
    struct fixture f;
    struct wm_shards_options *options; /* start of the sink's shared state */
    char out[96];
};

static void open_job(struct shard_job *j, const struct wm_tokenizer *tok)
{
    fixture_open(&j->f, TASKS, DOCS);
    fake.large_every = 40;
    fake.large_bytes = 30000;
    fixture_add(&j->f, &lucky_stage);
    fixture_add(&j->f, &pick_lines_stage);
    j->options = calloc(1, wm_sink_shards.shared_size);
    wm_options_default(wm_sink_shards.options, j->options);
    CHECK_U64(j->options->max_tokens, INT32_MAX);
    CHECK(j->options->validation_share == 0.01 && j->options->seed == 0);
    j->options->validation_share = 0.1;
    j->options->max_tokens = 9000;
    j->options->tokenizer = tok;
    j->options->recipe = WM_STR("{\"recipe\":1}");
    j->f.job.sink = &wm_sink_shards;
    j->f.job.sink_shared = j->options;
    (void)snprintf(j->out, sizeof j->out, "%s/out", j->f.dir);
}

static void close_job(struct shard_job *j)
{
    fixture_close(&j->f);
    free(j->options);
}

/* Over shards.json, which has the digests of all else. */
static XXH128_hash_t hash_of(const char *dir)
{
    struct wm_digest digest = {0};
    char path[WM_PATH_MAX];
    uint64_t problems = 1;
    CHECK_OK(wm_path_join(path, dir, "shards.json", &err), err);
    CHECK_OK(wm_file_digest(path, &digest, &err), err);
    CHECK_OK(wm_shards_verify(dir, NULL, NULL, &problems, &err), err);
    CHECK_U64(problems, 0);
    return digest.hash;
}

/* Conservation: what the chain let through is in the shards or left out. */
static void check_counts(const struct wm_job_result *result, const struct wm_shards_info *info)
{
    const struct wm_link_tally *last = &result->tally.links[1];
    const struct wm_split_info *train = &info->splits[WM_TRAIN];
    const struct wm_split_info *validation = &info->splits[WM_VALIDATION];
    CHECK(info->left_out > 0 && validation->documents > 0);
    CHECK_U64(train->documents + validation->documents + info->left_out, last->documents_out);
    uint64_t documents = 0, text_bytes = 0;
    for (size_t i = 0; i < result->parts.n; i++) {
        documents += result->parts.items[i].documents;
        text_bytes += result->parts.items[i].text_bytes;
    }
    CHECK_U64(documents, train->documents + validation->documents);
    CHECK_U64(text_bytes, train->text_bytes + validation->text_bytes);
}

static XXH128_hash_t run_and_finish(struct shard_job *j, uint64_t *ret_reused)
{
    struct wm_job_result result = {0};
    struct wm_shards_info info = {0};
    CHECK_OK(fixture_run(&j->f, &result, &err), err);
    CHECK_OK(wm_shards_finish(j->f.dir, &result.parts, j->options, j->out, &info, &err), err);
    check_counts(&result, &info);
    if (ret_reused)
        *ret_reused = result.tally.tasks_reused;
    wm_shards_info_done(&info);
    wm_job_result_done(&result);
    return hash_of(j->out);
}

static XXH128_hash_t test_ways(const struct wm_tokenizer *tok)
{
    static const struct {
        unsigned n_workers;
        size_t text, docs;
        bool reverse;
    } ways[] = {{1, 0, 0, false}, {2, 0, 0, true}, {7, 0, 13, false}, {3, 1, 1, true}};
    XXH128_hash_t want = {0, 0};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        struct shard_job j;
        open_job(&j, tok);
        j.f.job.n_workers = ways[i].n_workers;
        j.f.job.batch_text = ways[i].text;
        j.f.job.batch_docs = ways[i].docs;
        j.f.job.reverse = ways[i].reverse;
        XXH128_hash_t got = run_and_finish(&j, NULL);
        if (i == 0)
            want = got;
        CHECK(XXH128_isEqual(got, want));
        close_job(&j);
    }
    return want;
}

/* Interrupted in the fifth task; then done; then done again with nothing to do. */
static void test_resume(const struct wm_tokenizer *tok, XXH128_hash_t want)
{
    struct shard_job j;
    struct wm_cancel cancel = {0};
    struct wm_job_result result = {0};
    uint64_t reused = 0;
    open_job(&j, tok);
    fake.cancel = &cancel;
    fake.cancel_task = 4;
    fake.cancel_doc = 100;
    j.f.job.cancel = &cancel;
    j.f.job.batch_docs = 20;
    CHECK(fixture_run(&j.f, &result, &err) == WM_E_CANCELLED);
    wm_job_result_done(&result);
    char part[128];
    (void)snprintf(part, sizeof part, "%s/parts/train_00004.bin", j.f.dir);
    CHECK(!wm_exists(part));
    fake.cancel_task = UINT32_MAX;
    j.f.job.cancel = NULL;
    CHECK(XXH128_isEqual(run_and_finish(&j, &reused), want));
    CHECK_U64(reused, 4);
    CHECK(XXH128_isEqual(run_and_finish(&j, &reused), want));
    CHECK_U64(reused, TASKS);
    close_job(&j);
}

/* Stopped at several places in every task: each time it goes on from there. */
static void test_points(const struct wm_tokenizer *tok, XXH128_hash_t want)
{
    struct shard_job j;
    struct wm_cancel cancel = {0};
    struct wm_job_result result = {0};
    uint64_t reused = 1;
    open_job(&j, tok);
    fake.cancel = &cancel;
    j.f.job.cancel = &cancel;
    j.f.job.point_bytes = 1;
    j.f.job.n_workers = 1; /* others would run ahead */
    for (uint32_t i = 0; i < 3 * TASKS; i++) {
        memset(&cancel, 0, sizeof cancel);
        fake.cancel_task = i / 3;
        fake.cancel_doc = 1 + i % 3 * (DOCS - 2) / 2;
        j.f.job.batch_docs = 7 + i % 5;
        CHECK(fixture_run(&j.f, &result, &err) == WM_E_CANCELLED);
        wm_job_result_done(&result);
    }
    fake.cancel_task = UINT32_MAX;
    j.f.job.cancel = NULL;
    CHECK(XXH128_isEqual(run_and_finish(&j, &reused), want));
    CHECK(reused >= TASKS - 1);
    close_job(&j);
}

/* A disk that fails in the middle leaves no part of that task. */
static void test_failure(const struct wm_tokenizer *tok)
{
    struct shard_job j;
    struct wm_job_result result = {0};
    open_job(&j, tok);
    fake.fail_task = 2;
    fake.fail_doc = 140;
    j.f.job.batch_docs = 10;
    CHECK(fixture_run(&j.f, &result, &err) == WM_E_IO);
    wm_job_result_done(&result);
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    char dir[128];
    wm_arena_init(&arena, 1 << 20);
    (void)snprintf(dir, sizeof dir, "%s/parts", j.f.dir);
    CHECK_OK(wm_list_dir(dir, &arena, &names, &n, &err), err);
    CHECK_U64(n, 2 * 2 * 3);
    for (size_t i = 0; i < n; i++)
        CHECK(strstr(names[i], "_00000.") || strstr(names[i], "_00001."));
    wm_arena_done(&arena);
    close_job(&j);
}

static void test_count(void)
{
    static const struct wm_tokenizer_options options = {.vocabulary = 400,
                                                        .sample = 1,
                                                        .split = WM_SPLIT_R50K,
                                                        .min_frequency = 2,
                                                        .max_token = 64,
                                                        .memory = 16 << 20};
    XXH128_hash_t want = {0, 0};
    for (unsigned n_workers = 1; n_workers <= 5; n_workers += 2) {
        struct fixture f;
        struct wm_job_result result = {0};
        struct wm_count_sink counts = {.memory = options.memory};
        struct wm_tokenizer *tok = NULL;
        struct wm_trainer_stats stats;
        fixture_open(&f, TASKS, DOCS);
        CHECK_OK(wm_trainer_new(&options, &counts.trainer, &err), err);
        f.job.sink = &wm_sink_count;
        f.job.sink_shared = &counts;
        f.job.dir = NULL;
        f.job.n_workers = n_workers;
        f.job.reverse = n_workers > 1;
        CHECK_OK(fixture_run(&f, &result, &err), err);
        wm_job_result_done(&result);
        CHECK_OK(wm_trainer_finish(counts.trainer, NULL, NULL, &tok, &err), err);
        wm_trainer_stats(counts.trainer, &stats);
        CHECK_U64(stats.documents, (uint64_t)TASKS * DOCS);
        if (n_workers == 1)
            want = wm_tokenizer_identity(tok);
        CHECK(XXH128_isEqual(wm_tokenizer_identity(tok), want));
        wm_tokenizer_free(tok);
        wm_trainer_free(counts.trainer);
        fixture_close(&f);
    }
}

int main(void)
{
    struct wm_tokenizer *tok = make_tokenizer(0);
    XXH128_hash_t want = test_ways(tok);
    test_resume(tok, want);
    test_points(tok, want);
    test_failure(tok);
    test_count();
    wm_tokenizer_free(tok);
    return test_summary();
}
