/* SPDX-License-Identifier: Apache-2.0 */
/* Trouble in every part of the executor, at every width: it ends, it says what it was, it leaves
 * nothing behind that was not committed, and the next run gives the bytes of an undisturbed one. */
#include <signal.h>
#include <sys/resource.h>

#include "pipeline/job_fixture.h"

static struct wm_error err;
static XXH128_hash_t want;

/* write-jsonl that fails at its n-th batch. */
static atomic_int batches_left;
static struct wm_sink failing_sink;

static int failing_write(const void *shared, void *task, struct wm_batch *batch, struct wm_error *e)
{
    if (atomic_fetch_sub(&batches_left, 1) == 1)
        return wm_fail(e, WM_E_IO, "made-up trouble writing");
    return wm_sink_jsonl.write(shared, task, batch, e);
}

static int failing_commit(const void *shared, void *task, struct wm_parts *parts,
                          struct wm_error *e)
{
    int status = wm_sink_jsonl.commit_task(shared, task, parts, e);
    return status ? status : wm_fail(e, WM_E_IO, "made-up trouble committing");
}

enum { TASKS = 6, DOCS = 120 };

static void open_job(struct fixture *f, unsigned n_workers)
{
    fixture_open(f, TASKS, DOCS);
    fake.large_every = 40;
    fake.large_bytes = 9000;
    fixture_add_all(f);
    f->job.n_workers = n_workers;
    f->job.batch_docs = 7;
    f->job.batch_text = 4000;
}

/* Every part there is belongs to a commit record. */
static void check_parts(const struct fixture *f)
{
    for (uint32_t t = 0; t < TASKS; t++) {
        char part[64], record[64];
        (void)snprintf(part, sizeof part, "parts/corpus_%06u.jsonl.zst", t);
        (void)snprintf(record, sizeof record, "commits/pass2/%06u.json", t);
        CHECK(!fixture_exists(f, part) || fixture_exists(f, record));
    }
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    char path[WM_PATH_MAX];
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_path_join(path, f->dir, "parts", &err), err);
    if (wm_exists(path))
        CHECK_OK(wm_list_dir(path, &arena, &names, &n, &err), err);
    for (size_t i = 0; i < n; i++)
        CHECK_(!strstr(names[i], ".tmp."), "left behind: %s", names[i]);
    wm_arena_done(&arena);
}

static void check_resumes(struct fixture *f, uint64_t min_reused)
{
    struct wm_job_result result;
    CHECK_OK(fixture_run(f, &result, &err), err);
    CHECK(XXH128_isEqual(fixture_hash(&result), want));
    CHECK_U64(result.tally.tasks_done + result.tally.tasks_reused, TASKS);
    CHECK(result.tally.tasks_reused >= min_reused);
    wm_job_result_done(&result);
    fixture_close(f);
}

static void fails(struct fixture *f, int status, const char *words)
{
    struct wm_job_result result;
    CHECK_FAILS(fixture_run(f, &result, &err), status, err, words);
}

static void test_stage(unsigned n_workers)
{
    for (uint64_t seq = 1; seq <= 16; seq += 5) {
        struct fixture f;
        open_job(&f, n_workers);
        struct lucky *lucky = f.chain.links[0].shared;
        lucky->fail_seq = seq;
        fails(&f, WM_E_FORMAT, "made-up trouble in a stage");
        CHECK(strcmp(err.where, "stage lucky") == 0);
        lucky->fail_seq = 0;
        check_resumes(&f, 0);
    }
}

static void test_sink(unsigned n_workers)
{
    for (int n = 1; n <= 61; n += 30) {
        struct fixture f;
        open_job(&f, n_workers);
        failing_sink = wm_sink_jsonl;
        failing_sink.write = failing_write;
        f.job.sink = &failing_sink;
        atomic_store(&batches_left, n);
        fails(&f, WM_E_IO, "made-up trouble writing");
        check_parts(&f);
        f.job.sink = &wm_sink_jsonl;
        check_resumes(&f, 0);
    }
    struct fixture f;
    open_job(&f, n_workers);
    failing_sink = wm_sink_jsonl;
    failing_sink.commit_task = failing_commit;
    f.job.sink = &failing_sink;
    fails(&f, WM_E_IO, "made-up trouble committing");
    CHECK(!fixture_exists(&f, "commits/pass2/000000.json"));
    f.job.sink = &wm_sink_jsonl;
    check_resumes(&f, 0);
}

static void test_reader(unsigned n_workers)
{
    for (uint32_t doc = 0; doc < DOCS; doc += 39) {
        struct fixture f;
        open_job(&f, n_workers);
        fake.fail_task = 3;
        fake.fail_doc = doc;
        fails(&f, WM_E_IO, "made-up trouble reading");
        fake.fail_task = UINT32_MAX;
        check_resumes(&f, 0);
    }
}

/* Cancelled in the last pass while the last task is read: with one worker, all before it are kept. */
static int cancel_pass(unsigned n_workers, uint32_t opened)
{
    struct fixture f;
    struct wm_cancel cancel = {0};
    open_job(&f, n_workers);
    f.job.cancel = &cancel;
    fake.cancel = &cancel;
    fake.cancel_task = TASKS - 1;
    fake.cancel_doc = DOCS / 2;
    struct wm_job_result result;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_CANCELLED, err, "");
    CHECK(atomic_load(&fake.opened) <= opened);
    check_parts(&f);
    atomic_store(&cancel.signal, 0);
    fake.cancel = NULL;
    atomic_store(&fake.opened, 0);
    CHECK_OK(fixture_run(&f, &result, &err), err);
    CHECK(XXH128_isEqual(fixture_hash(&result), want));
    int reopened = (int)atomic_load(&fake.opened);
    wm_job_result_done(&result);
    fixture_close(&f);
    return reopened;
}

static void test_cancel(void)
{
    /* pass 0 stops in its last task: that one, and two passes of all are left */
    CHECK_U64(cancel_pass(1, TASKS), 1 + 2 * TASKS);
    for (unsigned n_workers = 2; n_workers <= 5; n_workers++)
        CHECK(cancel_pass(n_workers, TASKS) <= 3 * TASKS);
}

/* The disk takes no file over 3 kB. */
static void test_full_disk(unsigned n_workers)
{
    struct fixture f;
    struct rlimit limit, usual;
    open_job(&f, n_workers);
    (void)signal(SIGXFSZ, SIG_IGN);
    CHECK(getrlimit(RLIMIT_FSIZE, &usual) == 0);
    limit = usual;
    limit.rlim_cur = 3000;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct wm_job_result result;
    int status = fixture_run(&f, &result, &err);
    CHECK(setrlimit(RLIMIT_FSIZE, &usual) == 0);
    CHECK_(status == WM_E_IO, "gave %d: %s", status, err.what);
    check_parts(&f);
    check_resumes(&f, 0);
}

int main(void)
{
    struct fixture f;
    struct wm_job_result result;
    open_job(&f, 1);
    CHECK_OK(fixture_run(&f, &result, &err), err);
    want = fixture_hash(&result);
    wm_job_result_done(&result);
    check_resumes(&f, TASKS);
    for (unsigned n_workers = 1; n_workers <= 8; n_workers += n_workers < 2 ? 1 : 3) {
        test_stage(n_workers);
        test_sink(n_workers);
        test_reader(n_workers);
        test_full_disk(n_workers);
    }
    test_cancel();
    return test_summary();
}
