/* SPDX-License-Identifier: Apache-2.0 */
/* Whole jobs: the same bytes however they run, conservation, limits, verdicts. */
#include "pipeline/job_fixture.h"
#include "pipeline/plan.h"

static struct wm_error err;

static void check_sums(const struct wm_job_result *result, uint64_t n_documents)
{
    const struct wm_tally *t = &result->tally;
    CHECK_U64(t->read.documents, n_documents);
    CHECK_U64(t->links[0].documents_in, n_documents);
    CHECK(t->links[0].reasons[1] > 0 && t->links[0].reasons[0] == 0);
    CHECK(t->links[1].reasons[0] > 0);
    CHECK(t->links[2].lines_out < t->links[2].lines_in);
    CHECK(t->links[3].reasons[0] > 0);
    uint64_t documents = 0, lines = 0, bytes = 0;
    for (size_t i = 0; i < result->parts.n; i++) {
        documents += result->parts.items[i].documents;
        lines += result->parts.items[i].lines;
        bytes += result->parts.items[i].text_bytes;
    }
    CHECK_U64(documents, t->links[4].documents_out);
    CHECK_U64(lines, t->links[4].lines_out);
    CHECK_U64(bytes, t->links[4].bytes_out);
}

/* A naive reading of what the stages mean, on all documents at once. */
static uint64_t naive_copies(uint32_t n_tasks, uint32_t n_docs)
{
    struct wm_arena arena;
    wm_arena_init(&arena, (size_t)1 << 30);
    uint64_t *seen = calloc((size_t)n_tasks * n_docs, sizeof *seen), n_seen = 0, copies = 0;
    for (uint32_t t = 0; t < n_tasks; t++) {
        for (uint32_t d = 0; d < n_docs; d++) {
            struct wm_str text = fake_text(t, d, &arena);
            uint64_t hash = XXH3_64bits(text.ptr, text.len), i = 0;
            if (hash % 7 == 0)
                continue;
            while (i < n_seen && seen[i] != hash)
                i++;
            copies += i < n_seen;
            if (i == n_seen)
                seen[n_seen++] = hash;
        }
    }
    free(seen);
    wm_arena_done(&arena);
    return copies;
}

static void test_determinism(void)
{
    enum { LEAST = 1 };
    static const struct {
        unsigned n_workers;
        size_t text, docs;
        bool reverse;
        uint64_t memory;
    } ways[] = {{1, 0, 0, false, 0},      {2, 0, 0, false, 0},        {7, 0, 0, false, 0},
                {7, 1, 1, true, 0},       {2, 5000, 7, true, 0},      {3, 100, 4096, false, 0},
                {16, 20000, 50, true, 0}, {7, 0, 0, true, 170 << 20}, {2, 3000, 3, false, LEAST}};
    struct fixture f;
    XXH128_hash_t want = {0, 0}, inputs = {0, 0};
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
        fixture_open(&f, 9, 300);
        fake.large_every = 50;
        fake.large_bytes = 40000;
        fixture_add_all(&f);
        f.job.n_workers = ways[i].n_workers;
        f.job.batch_text = ways[i].text;
        f.job.batch_docs = ways[i].docs;
        f.job.reverse = ways[i].reverse;
        f.job.memory = ways[i].memory;
        uint64_t least, full;
        CHECK_OK(wm_job_memory(&f.job, &least, &full, &err), err);
        if (ways[i].memory == LEAST)
            f.job.memory = least;
        struct wm_job_result result;
        CHECK_OK(fixture_run(&f, &result, &err), err);
        check_sums(&result, 9 * 300);
        CHECK_U64(result.tally.links[1].reasons[0], naive_copies(9, 300));
        if (i == 0) {
            want = fixture_hash(&result);
            inputs = result.inputs;
        }
        CHECK(XXH128_isEqual(fixture_hash(&result), want));
        CHECK(XXH128_isEqual(result.inputs, inputs));
        wm_job_result_done(&result);
        fixture_close(&f);
    }
}

/* The first N documents in input order, whatever the width; and resumed. */
static void test_limit(void)
{
    static const uint64_t limits[] = {1, 99, 100, 101, 250, 1000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        XXH128_hash_t want = {0, 0};
        for (unsigned n_workers = 1; n_workers <= 3; n_workers += 2) {
            struct fixture f;
            fixture_open(&f, 5, 100);
            fixture_add(&f, &copies_stage);
            f.job.limit = limits[i];
            f.job.n_workers = n_workers;
            f.job.reverse = n_workers > 1;
            f.job.batch_docs = n_workers > 1 ? 9 : 0;
            uint64_t n = limits[i] < 500 ? limits[i] : 500;
            for (int again = 0; again < 2; again++) {
                struct wm_job_result result;
                CHECK_OK(fixture_run(&f, &result, &err), err);
                CHECK_U64(result.tally.read.documents, n);
                CHECK_U64(again ? result.tally.tasks_reused : result.tally.tasks_done,
                          (n + 99) / 100);
                if (n_workers == 1 && !again)
                    want = fixture_hash(&result);
                CHECK(XXH128_isEqual(fixture_hash(&result), want));
                wm_job_result_done(&result);
            }
            fixture_close(&f);
        }
    }
}

static void test_verdicts(void)
{
    struct fixture f;
    struct wm_job_result result;
    fixture_open(&f, 60, 20);
    fake.bad_tasks = 12;
    fake.malformed = 5;
    f.job.max_bad_files = 0.2;
    f.job.max_bad_records = 0.2;
    CHECK_OK(fixture_run(&f, &result, &err), err);
    CHECK_U64(result.n_damage, 12);
    CHECK(result.damage && strcmp(result.damage[1].path, "crawl/01.wet") == 0);
    CHECK_U64(result.tally.read.reasons[WM_READ_BAD_HEADER], 300);
    wm_job_result_done(&result);
    f.job.max_bad_files = 0.1; /* 12 of 60: also when all is taken from records */
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err, "12 of 60 input files");
    CHECK(strstr(err.what, "crawl/00.wet: made-up damage") != NULL);
    CHECK(strstr(err.hint, "max_bad_files") != NULL);
    f.job.max_bad_files = 1;
    f.job.max_bad_records = 0.19;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err,
                "300 of 1500 records are malformed");
    CHECK(strstr(err.what, wm_read_reason_names[WM_READ_BAD_HEADER]) != NULL);
    fixture_close(&f);

    fixture_open(&f, 2, 10); /* a few are fine under any share but 0 */
    fake.bad_tasks = 1;
    f.job.max_bad_files = 0.01;
    CHECK_OK(fixture_run(&f, &result, &err), err);
    wm_job_result_done(&result);
    f.job.max_bad_files = 0;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err, "1 of 2 input files");
    fixture_close(&f);
}

static int drop_all(const void *shared, void *local, struct wm_batch *batch, struct wm_error *e)
{
    (void)shared, (void)local, (void)e;
    for (size_t i = 0; i < batch->n_docs; i++)
        wm_drop(batch, &batch->docs[i], 0);
    return 0;
}

static const char *const strict_reasons[] = {"not-good", NULL};
static const struct wm_stage strict_stage = {.name = "strict",
                                             .summary = "test",
                                             .version = 1,
                                             .reasons = strict_reasons,
                                             .apply = drop_all};

static void test_nothing_left(void)
{
    struct fixture f;
    struct wm_job_result result;
    fixture_open(&f, 3, 40);
    fixture_add(&f, &lucky_stage);
    fixture_add(&f, &strict_stage);
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err, "at strict: not-good");
    f.job.limit = 5;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err, "at strict: not-good");
    fixture_close(&f);

    fixture_open(&f, 3, 0);
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err, "the input has no records");
    fake.malformed = 4;
    fixture_clear(&f);
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err,
                wm_read_reason_names[WM_READ_BAD_HEADER]);
    fixture_close(&f);
}

static void test_conservation(void)
{
    struct fixture f;
    struct wm_job_result result;
    fixture_open(&f, 3, 40);
    fake.records = 1;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err, "internal: records: 123 went in");
    fixture_close(&f);
}

static void test_memory(void)
{
    struct fixture f;
    struct wm_job_result result;
    uint64_t least, full;
    fixture_open(&f, 8, 40);
    fixture_add_all(&f);
    f.job.n_workers = 4;
    CHECK_OK(wm_job_memory(&f.job, &least, &full, &err), err);
    CHECK(!f.chain.is_open && least < full);
    f.job.memory = least - 1;
    char want[128];
    (void)snprintf(want, sizeof want, "needs at least %ju MB of memory, --memory is %ju MB",
                   (uintmax_t)((least + 999999) / 1000000), (uintmax_t)((least - 1) / 1000000));
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_NOMEM, err, want);
    f.job.memory = least;
    CHECK_OK(fixture_run(&f, &result, &err), err);
    wm_job_result_done(&result);
    fixture_close(&f);
}

/* Between the least and the full width, what is planned fits; more memory never means fewer workers. */
static void test_narrowing(void)
{
    struct fixture f;
    struct wm_plan plan;
    uint64_t least, full;
    unsigned n_workers = 0;
    fixture_open(&f, 8, 40);
    fixture_add_all(&f);
    f.job.n_workers = 6;
    CHECK_OK(wm_job_memory(&f.job, &least, &full, &err), err);
    for (uint64_t memory = least; memory <= full; memory += (full - least) / 50) {
        CHECK_OK(wm_plan_make(&f.job, memory, &plan, &err), err);
        CHECK(plan.need <= memory && plan.n_tasks <= plan.n_workers);
        CHECK(plan.n_batches > plan.n_workers && plan.writer_memory > 0);
        CHECK(plan.n_workers >= n_workers);
        n_workers = plan.n_workers;
    }
    CHECK_OK(wm_plan_make(&f.job, full, &plan, &err), err);
    CHECK(plan.n_workers == 6 && plan.n_tasks == 6 && plan.batch_text == WM_BATCH_TEXT);
    fixture_close(&f);
}

static void test_without_directory(void)
{
    struct fixture f;
    struct wm_job_result result;
    fixture_open(&f, 3, 40);
    f.job.dir = NULL;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_CONFIG, err, "no directory");
    f.job.sink = NULL;
    fixture_add(&f, &lucky_stage);
    CHECK_OK(fixture_run(&f, &result, &err), err);
    CHECK_U64(result.tally.read.documents, 120);
    wm_job_result_done(&result);
    fixture_add(&f, &copies_stage);
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_CONFIG, err, "needs a directory");
    fixture_close(&f);
}

int main(void)
{
    test_determinism();
    test_limit();
    test_verdicts();
    test_nothing_left();
    test_conservation();
    test_memory();
    test_narrowing();
    test_without_directory();
    return test_summary();
}
