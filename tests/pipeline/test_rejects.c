/* SPDX-License-Identifier: Apache-2.0 */
/* Dropped documents with stage and reason: all of them, in order, the same bytes at any width. */
#include <jansson.h>
#include <zstd.h>

#include "pipeline/job_fixture.h"

static struct wm_error err;
enum { TASKS = 3, DOCS = 400 };

static void open_job(struct fixture *f, char dir[128], unsigned n_workers)
{
    fixture_open(f, TASKS, DOCS);
    fixture_add_all(f);
    (void)snprintf(dir, 128, "%s-rejects", f->dir);
    f->job.rejects = dir;
    f->job.n_workers = n_workers;
    f->job.batch_docs = n_workers > 1 ? 11 : 0;
    f->job.reverse = n_workers > 1;
}

static void close_job(struct fixture *f)
{
    CHECK_OK(wm_remove_tree(f->job.rejects, &err), err);
    fixture_close(f);
}

static void check_file(const char *dir, const char *name, uint64_t *n_unlucky, uint64_t *n_copies)
{
    struct wm_buf packed = fixture_load(dir, name);
    char *text = malloc(1 << 24);
    size_t len = ZSTD_decompress(text, 1 << 24, packed.ptr, packed.len);
    CHECK(!ZSTD_isError(len));
    struct wm_str rest = {text, ZSTD_isError(len) ? 0 : len};
    json_int_t last = -1;
    while (rest.len) {
        struct wm_str line = wm_str_line(&rest);
        json_t *doc = json_loadb(line.ptr, line.len, JSON_ALLOW_NUL, NULL);
        CHECK(doc != NULL);
        const char *stage = json_string_value(json_object_get(doc, "stage"));
        const char *reason = json_string_value(json_object_get(doc, "reason"));
        json_int_t record = json_integer_value(json_array_get(json_object_get(doc, "key"), 1));
        CHECK(stage && reason && record > last);
        last = record;
        *n_unlucky += strcmp(stage, "lucky") == 0 && strcmp(reason, "unlucky") == 0;
        *n_copies += strcmp(stage, "copies") == 0 && strcmp(reason, "copy") == 0;
        /* a document that lost all its lines is shown as it was then: empty */
        bool has_text = json_string_length(json_object_get(doc, "text")) > 0;
        CHECK(has_text == (strcmp(stage ? stage : "", "pick-lines") != 0));
        json_decref(doc);
    }
    free(text);
    wm_buf_done(&packed);
}

static XXH128_hash_t hash_files(const char *dir)
{
    XXH128_hash_t hash[2] = {{0, 0}, {0, 0}};
    for (int t = 0; t < TASKS; t++) {
        char name[32];
        (void)snprintf(name, sizeof name, "%06d.jsonl.zst", t);
        struct wm_buf buf = fixture_load(dir, name);
        hash[1] = XXH3_128bits(buf.ptr, buf.len);
        hash[0] = XXH3_128bits(hash, sizeof hash);
        wm_buf_done(&buf);
    }
    return hash[0];
}

static void test_content(void)
{
    XXH128_hash_t want = {0, 0};
    for (unsigned n_workers = 1; n_workers <= 5; n_workers += 2) {
        struct fixture f;
        struct wm_job_result result;
        char dir[128];
        open_job(&f, dir, n_workers);
        CHECK_OK(fixture_run(&f, &result, &err), err);
        uint64_t n_unlucky = 0, n_copies = 0;
        check_file(dir, "000000.jsonl.zst", &n_unlucky, &n_copies);
        check_file(dir, "000001.jsonl.zst", &n_unlucky, &n_copies);
        check_file(dir, "000002.jsonl.zst", &n_unlucky, &n_copies);
        const struct wm_link_tally *links = result.tally.links;
        CHECK_U64(n_unlucky, links[0].reasons[1]);
        CHECK_U64(n_copies, links[1].reasons[0] + links[3].reasons[0]);
        CHECK(n_unlucky > 50 && n_copies > 50);
        if (n_workers == 1)
            want = hash_files(dir);
        CHECK(XXH128_isEqual(hash_files(dir), want));
        wm_job_result_done(&result);
        close_job(&f);
    }
}

/* A lost file is made again; one of a task that is not there is removed; asking for rejects later
 * makes them. */
static void test_resume(void)
{
    struct fixture f;
    struct wm_job_result result;
    char dir[128], path[WM_PATH_MAX], stray[WM_PATH_MAX];
    open_job(&f, dir, 2);
    CHECK_OK(fixture_run(&f, &result, &err), err);
    XXH128_hash_t want = hash_files(dir), parts = fixture_hash(&result);
    wm_job_result_done(&result);
    CHECK_OK(wm_path_join(path, dir, "000001.jsonl.zst", &err), err);
    CHECK_OK(wm_path_join(stray, dir, "000005.jsonl.zst", &err), err);
    CHECK_OK(wm_remove(path, &err), err);
    CHECK_OK(wm_file_store(stray, WM_STR("x"), &err), err);
    CHECK_OK(fixture_run(&f, &result, &err), err);
    CHECK_U64(result.tally.tasks_reused, TASKS - 1);
    CHECK(!wm_exists(stray));
    CHECK(XXH128_isEqual(hash_files(dir), want) && XXH128_isEqual(fixture_hash(&result), parts));
    wm_job_result_done(&result);

    f.job.rejects = NULL;
    CHECK_OK(wm_remove(path, &err), err);
    CHECK_OK(fixture_run(&f, &result, &err), err);
    CHECK_U64(result.tally.tasks_reused, TASKS);
    wm_job_result_done(&result);
    f.job.rejects = dir;
    CHECK_OK(fixture_run(&f, &result, &err), err);
    CHECK(XXH128_isEqual(hash_files(dir), want));
    wm_job_result_done(&result);
    close_job(&f);
}

/* A task that drops nothing writes no file, and is still done the second time. */
static void test_none(void)
{
    struct fixture f;
    struct wm_job_result result;
    char dir[128];
    fixture_open(&f, 2, 10);
    (void)snprintf(dir, sizeof dir, "%s-rejects", f.dir);
    f.job.rejects = dir;
    for (uint64_t again = 0; again < 2; again++) {
        CHECK_OK(fixture_run(&f, &result, &err), err);
        CHECK_U64(result.tally.tasks_reused, again * 2);
        wm_job_result_done(&result);
    }
    CHECK(!wm_exists(dir));
    close_job(&f);
}

int main(void)
{
    test_content();
    test_resume();
    test_none();
    return test_summary();
}
