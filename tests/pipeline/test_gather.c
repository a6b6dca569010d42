/* SPDX-License-Identifier: Apache-2.0 */
/* Parts become files: all bytes, in order, closed where they grow over the size. */
#include "pipeline/job_fixture.h"

static struct wm_error err;

static void test_gather(void)
{
    struct fixture f;
    struct wm_job_result result;
    fixture_open(&f, 8, 50);
    f.job.n_workers = 2;
    CHECK_OK(fixture_run(&f, &result, &err), err);
    struct wm_buf want;
    wm_buf_init(&want, 1 << 24);
    for (size_t i = 0; i < result.parts.n; i++) {
        struct wm_buf part = fixture_load(f.dir, result.parts.items[i].name);
        CHECK_OK(wm_buf_add(&want, part.ptr, part.len, &err), err);
        wm_buf_done(&part);
    }
    uint64_t sizes[] = {0, 2 * result.parts.items[0].digest.size, 1 << 30};
    size_t n_files[] = {8, 3, 1};
    for (size_t i = 0; i < 3; i++) {
        struct wm_arena arena;
        char dir[WM_PATH_MAX];
        wm_arena_init(&arena, 1 << 20);
        struct wm_parts files = {.arena = &arena};
        CHECK_OK(wm_path_join(dir, f.dir, "out", &err), err);
        CHECK_OK(
            wm_gather(f.dir, &result.parts, dir, "corpus", ".jsonl.zst", sizes[i], &files, &err),
            err);
        CHECK_(files.n >= n_files[i] && files.n <= n_files[i] + 1, "%zu files", files.n);
        size_t at = 0;
        uint64_t documents = 0;
        for (size_t k = 0; k < files.n; k++) {
            char name[64];
            (void)snprintf(name, sizeof name, "corpus_%04zu.jsonl.zst", k);
            CHECK(strcmp(files.items[k].name, name) == 0);
            struct wm_buf file = fixture_load(dir, name);
            CHECK(file.len <= want.len - at && memcmp(file.ptr, want.ptr + at, file.len) == 0);
            CHECK_U64(files.items[k].digest.size, file.len);
            CHECK(XXH128_isEqual(files.items[k].digest.hash, XXH3_128bits(file.ptr, file.len)));
            CHECK(k + 1 == files.n || file.len > sizes[i]);
            at += file.len;
            documents += files.items[k].documents;
            wm_buf_done(&file);
        }
        CHECK_U64(at, want.len);
        CHECK_U64(documents, 8 * 50);
        wm_arena_done(&arena);
        CHECK_OK(wm_remove_tree(dir, &err), err);
    }
    wm_buf_done(&want);

    /* a part that is not what its task wrote: no file, and the task is done again */
    struct wm_arena arena;
    char path[WM_PATH_MAX];
    wm_arena_init(&arena, 1 << 20);
    struct wm_parts files = {.arena = &arena};
    CHECK_OK(wm_path_join(path, f.dir, result.parts.items[3].name, &err), err);
    CHECK_OK(wm_file_store(path, WM_STR("other"), &err), err);
    CHECK_FAILS(wm_gather(f.dir, &result.parts, f.dir, "corpus", ".x", 1 << 30, &files, &err),
                WM_E_FORMAT, err, "not what was written");
    CHECK(!fixture_exists(&f, "corpus_0000.x"));
    CHECK(!wm_exists(path));
    unsigned n_mended = 0;
    f.job.mended = &n_mended;
    CHECK(wm_job_mend(&f.job, &err) == 1 && n_mended == 1);
    struct wm_job_result mended;
    struct wm_parts anew = {.arena = &arena};
    CHECK_OK(fixture_run(&f, &mended, &err), err);
    CHECK_U64(mended.tally.tasks_reused, 7);
    CHECK_OK(wm_gather(f.dir, &mended.parts, f.dir, "corpus", ".y", 1 << 30, &anew, &err), err);
    CHECK(wm_job_mend(&f.job, &err) == err.status && n_mended == 1); /* nothing is damaged */
    wm_job_result_done(&mended);
    CHECK_OK(wm_remove(path, &err), err);
    CHECK_FAILS(wm_gather(f.dir, &result.parts, f.dir, "corpus", ".x", 1 << 30, &files, &err),
                WM_E_IO, err, "cannot");
    struct wm_parts none = {.arena = &arena};
    CHECK_OK(wm_gather(f.dir, &none, f.dir, "corpus", ".x", 1 << 30, &files, &err), err);
    CHECK_U64(files.n, 0);
    wm_arena_done(&arena);
    wm_job_result_done(&result);
    fixture_close(&f);
}

int main(void)
{
    test_gather();
    return test_summary();
}
