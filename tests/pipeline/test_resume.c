/* SPDX-License-Identifier: Apache-2.0 */
/* Commit records: what is believed, what is not; and that a repeated job does only what is missing. */
#include "pipeline/job_fixture.h"

static struct wm_error err;
static XXH128_hash_t want;
enum { TASKS = 4, DOCS = 60 };

static void run_well(struct fixture *f, unsigned want_opened)
{
    struct wm_job_result result;
    atomic_store(&fake.opened, 0);
    CHECK_OK(fixture_run(f, &result, &err), err);
    CHECK(XXH128_isEqual(fixture_hash(&result), want));
    CHECK_U64(atomic_load(&fake.opened), want_opened);
    CHECK_U64(result.tally.tasks_done + result.tally.tasks_reused, TASKS);
    CHECK_U64(result.tally.read.documents, TASKS * DOCS);
    CHECK_U64(result.n_damage, 1);
    CHECK(strcmp(result.damage[0].what, "made-up damage") == 0 && result.damage[0].at == 5);
    wm_job_result_done(&result);
}

static void path_in(const struct fixture *f, const char *name, char path[WM_PATH_MAX])
{
    CHECK_OK(wm_path_join(path, f->dir, name, &err), err);
}

static void cut_file(const struct fixture *f, const char *name, size_t n)
{
    char path[WM_PATH_MAX];
    path_in(f, name, path);
    struct wm_stat st;
    CHECK_OK(wm_stat(path, &st, &err), err);
    CHECK(truncate(path, (off_t)(st.size - n)) == 0);
}

static void flip_byte(const struct fixture *f, const char *name, size_t at)
{
    char path[WM_PATH_MAX];
    path_in(f, name, path);
    struct wm_buf buf = fixture_load(f->dir, name);
    CHECK(at < buf.len);
    buf.ptr[at % buf.len] ^= 1;
    CHECK_OK(wm_file_store(path, wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

static void remove_file(const struct fixture *f, const char *name)
{
    char path[WM_PATH_MAX];
    path_in(f, name, path);
    CHECK(wm_exists(path));
    CHECK_OK(wm_remove(path, &err), err);
}

static void add_file(const struct fixture *f, const char *name)
{
    char path[WM_PATH_MAX];
    path_in(f, name, path);
    CHECK_OK(wm_file_store(path, WM_STR("stray"), &err), err);
}

static void open_job(struct fixture *f)
{
    fixture_open(f, TASKS, DOCS);
    fixture_add_all(f);
    f->job.n_workers = 2;
    fake.bad_tasks = 1;
}

static void test_damage(struct fixture *f)
{
    run_well(f, 0);
    remove_file(f, "commits/pass2/000001.json");
    run_well(f, 1);
    cut_file(f, "commits/pass2/000002.json", 3);
    run_well(f, 1);
    struct wm_buf record = fixture_load(f->dir, "commits/pass2/000000.json");
    size_t len = record.len;
    wm_buf_done(&record);
    for (size_t at = 0; at < len; at += len / 37) {
        flip_byte(f, "commits/pass2/000000.json", at);
        run_well(f, 1);
    }
    remove_file(f, "parts/corpus_000003.jsonl.zst");
    run_well(f, 1);
    cut_file(f, "parts/corpus_000000.jsonl.zst", 1);
    run_well(f, 1);
    remove_file(f, "runs/pass1/000001.run");
    run_well(f, 1);
    cut_file(f, "runs/pass0/000001.run", 1);
    run_well(f, 1);
    remove_file(f, "tables/0/07.table");
    run_well(f, 0);
    CHECK(fixture_exists(f, "tables/0/07.table"));
    flip_byte(f, "commits/reduce1/03.json", 40);
    run_well(f, 0);
}

static void test_strays(struct fixture *f)
{
    static const char *const strays[] = {
        "parts/corpus_000009.jsonl.zst", "parts/other.bin",
        "commits/pass2/000777.json",     "runs/pass0/000009.run",
        "runs/pass0/000001.run3",        "parts/corpus_000001.jsonl.zst.tmp.1.2",
    };
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++)
        add_file(f, strays[i]);
    run_well(f, 0);
    for (size_t i = 0; i < sizeof strays / sizeof *strays; i++)
        CHECK_(!fixture_exists(f, strays[i]), "still there: %s", strays[i]);
}

/* Other options, other inputs, another limit: nothing of the old is believed. */
static void test_foreign(struct fixture *f)
{
    f->job.identity = "00000000000000000000000000000002";
    run_well(f, 3 * TASKS);
    f->inputs.rows[2].size++;
    run_well(f, 3);
    struct wm_job_result result;
    f->job.limit = TASKS * DOCS; /* cuts nothing, but might have */
    run_well(f, 3 * TASKS);
    f->job.limit = 0;
    fake.salt = 5;
    f->job.identity = "00000000000000000000000000000003";
    CHECK_OK(fixture_run(f, &result, &err), err);
    CHECK(!XXH128_isEqual(fixture_hash(&result), want));
    wm_job_result_done(&result);
}

/* The input changes between two passes (without a change of size or time): that is noticed. */
static void test_changed(void)
{
    struct fixture f;
    struct wm_job_result result;
    open_job(&f);
    CHECK_OK(fixture_run(&f, &result, &err), err);
    wm_job_result_done(&result);
    remove_file(&f, "commits/pass2/000001.json");
    fake.hash_salt = 9;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_CHANGED, err, "changed between two passes");
    CHECK(strcmp(err.where, "crawl/01.wet") == 0);
    fixture_close(&f);
}

/* Two jobs in different directories write the same records, byte for byte. */
static void test_records_equal(void)
{
    struct fixture f[2];
    struct wm_job_result result;
    for (int i = 0; i < 2; i++) {
        open_job(&f[i]);
        f[i].job.n_workers = i ? 5 : 1;
        f[i].job.batch_docs = i ? 4 : 0;
        f[i].job.reverse = i;
        CHECK_OK(fixture_run(&f[i], &result, &err), err);
        wm_job_result_done(&result);
    }
    static const char *const names[] = {"commits/pass0/000000.json", "commits/pass1/000003.json",
                                        "commits/pass2/000002.json", "commits/reduce1/15.json",
                                        "runs/pass1/000001.run",     "tables/0/04.table"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct wm_buf a = fixture_load(f[0].dir, names[i]), b = fixture_load(f[1].dir, names[i]);
        CHECK_STR(wm_buf_str(&a), wm_buf_str(&b));
        wm_buf_done(&a);
        wm_buf_done(&b);
    }
    fixture_close(&f[0]);
    fixture_close(&f[1]);
}

int main(void)
{
    struct fixture f;
    struct wm_job_result result;
    open_job(&f);
    CHECK_OK(fixture_run(&f, &result, &err), err);
    want = fixture_hash(&result);
    wm_job_result_done(&result);
    test_damage(&f);
    test_strays(&f);
    test_foreign(&f);
    fixture_close(&f);
    test_changed();
    test_records_equal();
    return test_summary();
}
