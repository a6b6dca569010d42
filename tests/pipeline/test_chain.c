/* SPDX-License-Identifier: Apache-2.0 */
/* Chains: checked when they are opened, described the same way always, applied with the account
 * kept, run again for tracing. */
#include <fcntl.h>
#include <time.h>

#include "pipeline/chain.h"
#include "pipeline/job_fixture.h"
#include "pipeline/tally.h"
#include "wetmill/version.h"

static struct wm_error err;

static int nothing(const void *shared, void *local, struct wm_batch *batch, struct wm_error *e)
{
    (void)shared, (void)local, (void)batch, (void)e;
    return 0;
}

static int n_open, n_closed;
static int open_badly(void *shared, const struct wm_env *env, struct wm_error *e)
{
    (void)env;
    *(int *)shared = 77;
    n_open++;
    return wm_fail(e, WM_E_CONFIG, "made-up trouble opening");
}
static void close_it(void *shared)
{
    CHECK(*(int *)shared == 77);
    n_closed++;
}

static int split_lines(const void *shared, void *local, struct wm_batch *batch, struct wm_error *e)
{
    (void)shared, (void)local, (void)e;
    batch->docs[0].text = WM_STR("one\nline\nmore");
    return 0;
}
static int no_such_reason(const void *shared, void *local, struct wm_batch *batch,
                          struct wm_error *e)
{
    (void)shared, (void)local, (void)e;
    wm_drop(batch, &batch->docs[0], 5);
    return 0;
}

static const char *const needs_letters[] = {"letters", NULL};
static const struct wm_column text_letters[] = {{"letters", WM_COLUMN_TEXT, 0}, {0}};
static const struct wm_stage reader = {.name = "reader", .reads = needs_letters, .apply = nothing};
static const struct wm_stage clash = {.name = "clash", .writes = text_letters, .apply = nothing};
static const struct wm_stage bad = {.name = "bad",
                                    .shared_size = sizeof(int),
                                    .open = open_badly,
                                    .apply = nothing,
                                    .close = close_it};
static const struct wm_stage splitter = {.name = "splitter", .apply = split_lines};
static const struct wm_stage reasonless = {.name = "reasonless", .apply = no_such_reason};

static void *add(struct wm_chain *chain, const struct wm_stage *stage)
{
    void *shared = NULL;
    CHECK_OK(wm_chain_add(chain, stage, &shared, &err), err);
    return shared;
}

static void test_schema(void)
{
    struct wm_chain chain;
    void *shared;
    wm_chain_init(&chain);
    add(&chain, &reader);
    CHECK_FAILS(wm_chain_open(&chain, 1, NULL, &err), WM_E_CONFIG, err, "needs the column letters");
    CHECK(strcmp(err.where, "stage reader") == 0 && !*err.hint);
    add(&chain, &upper_stage);
    CHECK_FAILS(wm_chain_open(&chain, 1, NULL, &err), WM_E_CONFIG, err, "needs the column letters");
    CHECK(strcmp(err.hint, "put stage upper before it") == 0);
    CHECK_FAILS(wm_chain_add(&chain, &clash, &shared, &err), WM_E_CONFIG, err,
                "a text here and a count");
    CHECK_U64(chain.n, 2);
    wm_chain_close(&chain);

    add(&chain, &upper_stage);
    add(&chain, &reader);
    add(&chain, &upper_stage); /* the same column again is fine */
    CHECK_U64(chain.schema.n, 1);
    CHECK_OK(wm_chain_open(&chain, 1, NULL, &err), err);
    CHECK(chain.is_open);
    wm_chain_close(&chain);
    CHECK(!chain.is_open && chain.n == 0);
}

/* A stage whose open fails is closed once; and its options are as before, ready for another try. */
static void test_open(void)
{
    struct wm_chain chain;
    wm_chain_init(&chain);
    add(&chain, &upper_stage);
    int *value = add(&chain, &bad);
    *value = 5;
    for (int i = 1; i <= 2; i++) {
        CHECK_FAILS(wm_chain_open(&chain, 1, NULL, &err), WM_E_CONFIG, err,
                    "made-up trouble opening");
        CHECK(strcmp(err.where, "stage bad") == 0);
        CHECK(n_open == i && n_closed == i && *value == 5 && !chain.is_open);
    }
    wm_chain_close(&chain);
    CHECK(n_closed == 2);
}

static const char *model_file(const void *shared, size_t i)
{
    (void)shared;
    return i < 1 ? "chain-model.bin" : NULL;
}
static const char *const libraries[] = {"zstd", NULL};
static const char *const unknown_libraries[] = {"no-such-library", NULL};
static const struct wm_option described_options[] = {
    WM_COUNT(struct lucky, fail_seq, 3, 0, 1e9, "", "test"),
    {"hurry", WM_OPTION_COUNT, 0, 1, 0, 9, 0, 0, "", "test", WM_OPTION_SPEED},
    {0},
};
static const struct wm_stage described = {.name = "described",
                                          .version = 4,
                                          .options = described_options,
                                          .libraries = libraries,
                                          .shared_size = sizeof(struct lucky),
                                          .file = model_file,
                                          .apply = nothing};
static const struct wm_stage undescribed = {
    .name = "undescribed", .libraries = unknown_libraries, .apply = nothing};

static void test_describe(void)
{
    struct wm_chain chain;
    struct wm_buf buf;
    wm_chain_init(&chain);
    wm_buf_init(&buf, 1 << 16);
    add(&chain, &described);
    ((struct lucky *)chain.links[0].shared)->fail_seq = 12;
    CHECK_OK(wm_remove("chain-model.bin", &err), err);
    CHECK_FAILS(wm_chain_describe(&chain, &buf, &err), WM_E_IO, err, "cannot");
    buf.len = 0;
    CHECK_OK(wm_file_store("chain-model.bin", WM_STR("model"), &err), err);
    CHECK_OK(wm_chain_describe(&chain, &buf, &err), err);
    char want[512], hex[WM_HEX128];
    wm_hex128(XXH3_128bits("model", 5), hex);
    (void)snprintf(want, sizeof want,
                   "[{\"name\":\"described\",\"version\":4,\"options\":{\"fail_seq\":\"12\"},"
                   "\"libraries\":{\"zstd\":\"%s\"},\"files\":[{\"size\":5,\"xxh3\":\"%s\"}]}]",
                   wm_library_version("zstd"), hex);
    CHECK_STR(wm_buf_str(&buf), wm_str_of(want));
    buf.len = 0;
    CHECK_OK(wm_options_describe(described_options, chain.links[0].shared, &buf, &err), err);
    CHECK_STR(wm_buf_str(&buf), WM_STR("{\"fail_seq\":\"12\"}"));
    add(&chain, &undescribed);
    CHECK_FAILS(wm_chain_describe(&chain, &buf, &err), WM_E_FORMAT, err, "no-such-library");
    CHECK_OK(wm_remove("chain-model.bin", &err), err);
    wm_buf_done(&buf);
    wm_chain_close(&chain);
}

static void set_mtime(const char *path, time_t when)
{
    const struct timespec times[2] = {{when, 0}, {when, 0}};
    CHECK(utimensat(AT_FDCWD, path, times, 0) == 0);
}

static int rewrite_model(void *shared, const struct wm_env *env, struct wm_error *e)
{
    (void)shared, (void)env;
    return wm_file_store("chain-model.bin", WM_STR("nodel"), e);
}

static const struct wm_stage rewriting = {.name = "rewriting",
                                          .shared_size = sizeof(int),
                                          .file = model_file,
                                          .open = rewrite_model,
                                          .apply = nothing};

static void check_described(const struct wm_chain *chain, const char *model)
{
    struct wm_buf buf;
    char hex[WM_HEX128];
    wm_buf_init(&buf, 1 << 16);
    wm_hex128(XXH3_128bits(model, strlen(model)), hex);
    CHECK_OK(wm_chain_describe(chain, &buf, &err), err);
    CHECK_OK(wm_buf_add(&buf, "", 1, &err), err);
    CHECK_(strstr(buf.ptr, hex), "%s is not of \"%s\"", buf.ptr, model);
    wm_buf_done(&buf);
}

/* A chain is described by what its models held when they were taken, and that they hold it still
 * is checked: also where size and mtime stand, or the file was written just before. */
static void test_files(void)
{
    static const char path[] = "chain-model.bin";
    struct wm_chain chain;
    wm_chain_init(&chain);
    add(&chain, &described);
    CHECK_OK(wm_remove(path, &err), err);
    CHECK_OK(wm_chain_check_files(&chain, &err), err);
    CHECK_FAILS(wm_chain_take_files(&chain, &err), WM_E_IO, err, "cannot");
    for (int old = 0; old < 2; old++) {
        CHECK_OK(wm_file_store(path, WM_STR("model"), &err), err);
        set_mtime(path, old ? 1000000000 : time(NULL));
        CHECK_OK(wm_chain_take_files(&chain, &err), err);
        CHECK_OK(wm_chain_check_files(&chain, &err), err);
        CHECK(chmod(path, 0600) == 0);
        CHECK_OK(wm_chain_check_files(&chain, &err), err);
        FILE *f = fopen(path, "r+b");
        CHECK(f && fputc('n', f) == 'n' && fclose(f) == 0);
        set_mtime(path, old ? 1000000000 : time(NULL));
        CHECK_FAILS(wm_chain_check_files(&chain, &err), WM_E_CHANGED, err, "changed");
        CHECK(strstr(err.where, path));
        check_described(&chain, "model");
        CHECK_OK(wm_chain_take_files(&chain, &err), err);
        CHECK_OK(wm_chain_check_files(&chain, &err), err);
        check_described(&chain, "nodel");
    }
    CHECK(truncate(path, 3) == 0);
    CHECK_FAILS(wm_chain_check_files(&chain, &err), WM_E_CHANGED, err, "changed");
    CHECK_OK(wm_remove(path, &err), err);
    CHECK_FAILS(wm_chain_check_files(&chain, &err), WM_E_IO, err, "cannot");
    wm_chain_close(&chain);
}

/* A model that changes between its digest and its stage's reading it. */
static void test_files_of_job(void)
{
    struct wm_chain chain;
    struct wm_job_result result = {0};
    wm_chain_init(&chain);
    add(&chain, &rewriting);
    CHECK_OK(wm_file_store("chain-model.bin", WM_STR("model"), &err), err);
    CHECK_OK(wm_chain_take_files(&chain, &err), err);
    struct wm_inputs inputs = fake_inputs(1, 3);
    struct wm_job job = {.inputs = &inputs, .chain = &chain, .n_workers = 1, .memory = 1 << 30};
    CHECK_FAILS(wm_job_run_with(&job, &fake_reading, &result, &err), WM_E_BUSY, err, "changed");
    CHECK_OK(wm_remove("chain-model.bin", &err), err);
    wm_chain_close(&chain);
}

static void fill(struct wm_batch *batch, const struct wm_chain *chain, size_t n)
{
    static const char *const texts[] = {"stone\nxylem\nmill", "xylem", "bread\nxray\n\nx"};
    wm_arena_reset(&batch->arena);
    batch->docs = wm_arena_alloc(&batch->arena, n, sizeof *batch->docs);
    batch->n_docs = n;
    for (size_t i = 0; i < n; i++) {
        struct wm_doc *doc = &batch->docs[i];
        doc->text = wm_str_of(texts[i % 3]);
        doc->key.record = i;
        doc->values = wm_arena_alloc(&batch->arena, chain->schema.n, sizeof *doc->values);
        doc->lines.runs = wm_arena_alloc(&batch->arena, 1, sizeof *doc->lines.runs);
        doc->lines.runs[0] = (struct wm_line_run){0, (uint32_t)wm_line_count(doc->text)};
        doc->lines.n_runs = 1;
    }
}

static void test_apply(void)
{
    struct wm_chain chain;
    struct wm_batch batch = {0};
    struct wm_locals locals;
    struct wm_link_tally *links;
    struct wm_dropped dropped = {0};
    wm_chain_init(&chain);
    wm_arena_init(&batch.arena, 1 << 20);
    wm_arena_init(&batch.scratch, 1 << 20);
    add(&chain, &pick_lines_stage);
    add(&chain, &upper_stage);
    CHECK_OK(wm_chain_open(&chain, 1, NULL, &err), err);
    CHECK_OK(wm_locals_open(&locals, &chain, 2, &err), err);
    CHECK_OK(wm_links_new(&chain, &links, &err), err);
    fill(&batch, &chain, 3);
    CHECK_OK(wm_chain_apply(&locals, 2, &batch, links, &dropped, &err), err);
    CHECK_U64(batch.n_docs, 2);
    CHECK_STR(batch.docs[0].text, WM_STR("STONE\nMILL"));
    CHECK_STR(batch.docs[1].text, WM_STR("BREAD\n"));
    CHECK_U64(batch.docs[1].key.record, 2);
    CHECK_U64(batch.docs[1].values[0].count, 5);
    CHECK_U64(dropped.n, 1);
    CHECK(dropped.docs[0].key.record == 1 && dropped.docs[0].drop == 1 &&
          dropped.docs[0].drop_stage == 0);
    CHECK(links[0].documents_in == 3 && links[0].documents_out == 2 && links[0].reasons[0] == 1);
    CHECK(links[0].lines_in == 8 && links[0].lines_out == 4);
    CHECK(links[1].lines_in == 4 && links[1].lines_out == 4 && links[1].documents_out == 2);
    CHECK(links[0].bytes_out == 16 && links[1].bytes_in == 16);

    struct wm_read_tally read = {.records = 3, .documents = 3};
    CHECK_OK(wm_tally_check(&chain, 2, &read, links, false, &err), err);
    links[1].documents_in++;
    CHECK_FAILS(wm_tally_check(&chain, 2, &read, links, false, &err), WM_E_FORMAT, err, "internal");
    links[1].documents_in--;
    links[0].reasons[0]--;
    CHECK_FAILS(wm_tally_check(&chain, 2, &read, links, false, &err), WM_E_FORMAT, err, "internal");
    links[0].reasons[0]++;
    links[1].lines_in++;
    CHECK_FAILS(wm_tally_check(&chain, 2, &read, links, false, &err), WM_E_FORMAT, err, "lines");
    links[1].lines_in--;
    read.bytes = 4;
    CHECK_FAILS(wm_tally_check(&chain, 2, &read, links, false, &err), WM_E_FORMAT, err, "bytes");
    CHECK_OK(wm_tally_check(&chain, 2, &read, links, true, &err), err);
    free(links);
    wm_locals_close(&locals);

    /* tracing: the same text, nothing dropped; the line map then picks what was kept */
    struct wm_line_map kept = batch.docs[0].lines;
    struct wm_line_run runs[2] = {kept.runs[0], kept.runs[1]};
    CHECK_U64(kept.n_runs, 2);
    fill(&batch, &chain, 1);
    for (int i = 0; i < 2; i++)
        CHECK_OK(wm_chain_rewrite(&chain, &batch, &err), err);
    CHECK_STR(batch.docs[0].text, WM_STR("STONE\nXYLEM\nMILL"));
    struct wm_str picked;
    CHECK_OK(wm_lines_pick(batch.docs[0].text, &(struct wm_line_map){runs, 2}, &batch.arena,
                           &picked, &err),
             err);
    CHECK_STR(picked, WM_STR("STONE\nMILL"));
    wm_chain_shut(&chain);
    CHECK_FAILS(wm_chain_rewrite(&chain, &batch, &err), WM_E_FORMAT, err, "not open");
    wm_chain_close(&chain);
    wm_arena_done(&batch.arena);
    wm_arena_done(&batch.scratch);
}

/* Stages that break their contract are found out. */
static void test_contract(void)
{
    static const struct wm_stage *const stages[] = {&splitter, &reasonless};
    static const char *const words[] = {"internal: a text of 3 lines has a line map of 1",
                                        "internal: dropped for reason 6 of 0"};
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        struct wm_job_result result;
        fixture_open(&f, 1, 3);
        fixture_add(&f, stages[i]);
        CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err,
                    i ? words[i] : "internal: a text of 3 lines");
        CHECK(strncmp(err.where, "stage ", 6) == 0);
        fixture_close(&f);
    }
}

int main(void)
{
    test_schema();
    test_open();
    test_describe();
    test_files();
    test_files_of_job();
    test_apply();
    test_contract();
    return test_summary();
}
