/* SPDX-License-Identifier: Apache-2.0 */
/* covers: pipeline/commit_read.c pipeline/sealed.c */
/* The members of a commit record, sealed: one that stands is written again and read as the same.
 * The first byte says of which pass. */
#include "file_fuzz.h"
#include "pipeline/chain.h"
#include "pipeline/commit.h"
#include "pipeline/sealed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct wm_input row = {.path = "crawl/0.wet", .end = UINT64_MAX, .size = 1000};
static struct wm_task task = {.n = 1, .bytes = 1000};
static const struct wm_inputs inputs = {.rows = &row, .n_rows = 1, .tasks = &task, .n_tasks = 1};
static struct wm_chain chain;
static struct wm_job job = {.inputs = &inputs, .chain = &chain, .identity = "0123"};

static void prepare(const char *dir, char rejects[WM_PATH_MAX], char path[WM_PATH_MAX],
                    unsigned pass)
{
    static const char *const dirs[] = {"commits",    "commits/pass0", "commits/pass1", "runs",
                                       "runs/pass0", "rejects",       "parts"};
    struct wm_error err;
    void *shared;
    if (!chain.n) {
        wm_chain_init(&chain);
        fuzz_check(wm_chain_add(&chain, wm_stage_find(WM_STR("length")), &shared, &err) == 0);
    }
    for (size_t i = 0; i < sizeof dirs / sizeof *dirs; i++) {
        fuzz_path(path, dir, dirs[i]);
        fuzz_check(mkdir(path, 0700) == 0);
    }
    fuzz_path(path, dir, "parts/a");
    fuzz_write(path, "12345", 5);
    fuzz_path(path, dir, "runs/pass0/000000.run");
    fuzz_write(path, "1234567", 7);
    fuzz_path(rejects, dir, "rejects");
    job.dir = dir;
    job.rejects = rejects;
    fuzz_check(wm_commit_path(path, dir, pass, 0, &err) == 0);
}

static void write_again(unsigned pass, const struct wm_outcome *outcome, const char *path)
{
    struct wm_error err;
    struct wm_outcome again;
    struct wm_buf first, second;
    wm_buf_init(&first, WM_SEALED_MAX);
    wm_buf_init(&second, WM_SEALED_MAX);
    fuzz_check(wm_commit_write(&job, pass, outcome, &err) == 0 &&
               wm_file_load(path, &first, &err) == 0);
    fuzz_check(wm_commit_read(&job, pass, 0, pass > 0, &again, &err) == 1);
    fuzz_check(wm_commit_write(&job, pass, &again, &err) == 0 &&
               wm_file_load(path, &second, &err) == 0);
    fuzz_check(wm_str_eq(wm_buf_str(&first), wm_buf_str(&second)));
    wm_outcome_done(&again);
    wm_buf_done(&first);
    wm_buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[WM_PATH_MAX], rejects[WM_PATH_MAX];
    struct wm_error err;
    struct wm_outcome outcome = {0};
    if (size < 1)
        return 0;
    unsigned pass = data[0] & 1;
    const char *dir = fuzz_dir("commit");
    prepare(dir, rejects, path, pass);
    struct wm_str members = {(const char *)data + 1, size - 1};
    if (data[0] & 2)
        fuzz_write(path, members.ptr,
                   members.len); /* not sealed: never taken but by its own seal */
    else
        fuzz_check(wm_sealed_write(path, members, &err) == 0);
    int stands = wm_commit_read(&job, pass, 0, pass > 0, &outcome, &err);
    fuzz_check(stands == 0 || stands == 1);
    if (stands)
        write_again(pass, &outcome, path);
    wm_outcome_done(&outcome);
    fuzz_remove(dir);
    return 0;
}
