/* SPDX-License-Identifier: Apache-2.0 */
/* Commit records: what is believed, what is not; and that a repeated job does only what is missing. */
#include "pipeline/job_fixture.h"
#include "pipeline/sealed.h"
#include "wetmill/records.h"
#include "wetmill/state.h"

static struct wm_error err;
static XXH128_hash_t want;
enum { TASKS = 4, DOCS = 60, IN_HEADER = 13 /* a byte of a record's length in a run */ };

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

static char said[4][512];
static unsigned n_said;

static void say(void *arg, const char *text)
{
    (void)arg;
    (void)snprintf(said[n_said++ % 4], sizeof said[0], "%s", text);
}

static void check_said(unsigned i, const char *part)
{
    CHECK_(n_said > i && strstr(said[i], part), "line %u is \"%s\", not of \"%s\"", i,
           n_said > i ? said[i] : "", part);
}

/* Bytes that are not what was written, found when they are needed: only what they are of is done
 * again, in the same run, and said. */
static void test_mended(struct fixture *f)
{
    static const struct {
        const char *damaged, *missing, *part;
        unsigned want_opened;
    } cases[] = {
        {"runs/pass0/000002.run", "tables/0/00.table", "task 2 of survey 0 (crawl/02.wet)", 1},
        {"runs/pass1/000000.run", "commits/reduce1/09.json", "task 0 of survey 1", 1},
        {"tables/1/15.table", "commits/pass2/000003.json", "partition 15 of survey 1", 1},
        {"tables/0/03.table", "commits/pass1/000001.json", "partition 3 of survey 0", 1},
    };
    f->job.line = say;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        flip_byte(f, cases[i].damaged, IN_HEADER);
        remove_file(f, cases[i].missing);
        n_said = 0;
        run_well(f, cases[i].want_opened);
        unsigned at = strstr(said[0], "missing") ? 1 : 0;
        check_said(at, cases[i].damaged);
        check_said(at, cases[i].part);
    }
    /* several at once are found at once */
    flip_byte(f, "runs/pass0/000001.run", IN_HEADER);
    flip_byte(f, "runs/pass0/000003.run", IN_HEADER);
    flip_byte(f, "parts/corpus_000002.jsonl.zst", 20);
    remove_file(f, "commits/reduce0/00.json");
    n_said = 0;
    run_well(f, 3);
    CHECK_U64(n_said, 3);
    /* what was mended before in the same run is a disk that fails */
    struct wm_job_result result;
    unsigned mended = 1;
    f->job.mended = &mended;
    flip_byte(f, "runs/pass0/000001.run", IN_HEADER);
    remove_file(f, "commits/reduce0/00.json");
    CHECK_FAILS(fixture_run(f, &result, &err), WM_E_FORMAT, err, "one was before in this very run");
    CHECK(strstr(err.where, "runs/pass0/000001.run") && strstr(err.hint, "fails"));
    f->job.mended = NULL;
    run_well(f, 1);
    f->job.line = NULL;
}

/* Input that the system did not give is no reason to give up what else was kept. */
static void test_mended_unread(void)
{
    struct fixture f;
    struct wm_job_result result;
    open_job(&f);
    fake.unread = 1;
    CHECK_OK(fixture_run(&f, &result, &err), err);
    CHECK_U64(result.tally.read.unread, 1);
    wm_job_result_done(&result);
    flip_byte(&f, "runs/pass0/000002.run", IN_HEADER);
    remove_file(&f, "tables/0/00.table");
    run_well(&f, 1);
    fixture_close(&f);
}

/* Too many files that the system did not give: these are asked for again, and nothing else. Records
 * that are malformed stay so. */
static void test_verdict_unread(void)
{
    struct fixture f;
    struct wm_job_result result;
    fixture_open(&f, TASKS, DOCS);
    fixture_add(&f, &lucky_stage);
    fake.bad_tasks = 2;
    fake.unread = 1;
    fake.malformed = 1;
    CHECK_OK(fixture_run(&f, &result, &err), err);
    wm_job_result_done(&result);
    f.job.max_bad_records = 0;
    CHECK_FAILS(fixture_run(&f, &result, &err), WM_E_FORMAT, err, "malformed");
    f.job.max_bad_records = 1;
    f.job.max_bad_files = 0;
    for (unsigned again = 0; again < 3; again++) {
        atomic_store(&fake.opened, 0);
        if (again == 2)
            fake.bad_tasks = 0;
        int status = fixture_run(&f, &result, &err);
        CHECK_(status == (again == 2 ? 0 : WM_E_FORMAT), "%u: %d %s", again, status, err.what);
        CHECK_U64(atomic_load(&fake.opened), again);
    }
    wm_job_result_done(&result);
    fixture_close(&f);
}

static char victim[WM_PATH_MAX];
static unsigned n_found;

static int found(void *arg, const struct wm_job_damage *damage, struct wm_error *e)
{
    const struct fixture *f = arg;
    char path[WM_PATH_MAX];
    (void)e;
    path_in(f, damage->record, path);
    CHECK_(strcmp(damage->path, path) == 0 && strstr(damage->what, "outside its directory"),
           "%s: %s", damage->path, damage->what);
    n_found++;
    return 0;
}

static void check_found(struct fixture *f, unsigned want_found)
{
    n_found = 0;
    CHECK_OK(wm_job_look(f->dir, NULL, NULL, found, f, &err), err);
    CHECK_U64(n_found, want_found);
}

/* A record whose first part has that name, with a checksum made right. */
static void name_part(const struct fixture *f, const char *name)
{
    char path[WM_PATH_MAX];
    json_t *record = NULL;
    path_in(f, "commits/pass2/000001.json", path);
    CHECK_OK(wm_sealed_read(path, &record, &err), err);
    CHECK(record && !json_object_del(record, "xxh3"));
    json_t *part = json_array_get(json_object_get(record, "parts"), 0);
    CHECK(part && !json_object_set_new(part, "name", json_string(name)));
    char *text = json_dumps(record, JSON_COMPACT);
    CHECK(text && strlen(text) > 2);
    CHECK_OK(wm_sealed_write(path, (struct wm_str){text + 1, strlen(text) - 2}, &err), err);
    free(text);
    json_decref(record);
}

/* A point that names a run so, with a checksum made right. */
static void name_run(const struct fixture *f, const char *name)
{
    char path[WM_PATH_MAX];
    struct wm_state_out state;
    unsigned char len[8];
    path_in(f, "commits/pass0/000001.point", path);
    CHECK_OK(wm_state_out_file(&state, path, &err), err);
    wm_state_put(&state, 0);
    wm_put_be64(len, strlen(name));
    CHECK_OK(wm_buf_add(&state.names, len, sizeof len, &err), err);
    CHECK_OK(wm_buf_add(&state.names, name, strlen(name), &err), err);
    CHECK_OK(wm_state_out_commit(&state, &err), err);
}

/* A copied directory's records name files outside: these are neither looked at nor removed. */
static void test_outside(struct fixture *f)
{
    static const char *const names[] = {"../victim", "parts/../../victim", victim,
                                        "parts/..",  "parts//x",           ""};
    path_in(f, "../victim", victim);
    CHECK_OK(wm_file_store(victim, WM_STR("somebody's"), &err), err);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        name_part(f, names[i]);
        check_found(f, 1);
        flip_byte(f, "runs/pass0/000002.run", IN_HEADER);
        remove_file(f, "tables/0/00.table");
        run_well(f, 2);
        CHECK(wm_exists(victim));
        check_found(f, 0);
    }
    name_run(f, "../../../victim");
    check_found(f, 1);
    name_run(f, victim);
    check_found(f, 1);
    run_well(f, 0);
    check_found(f, 0);
    CHECK(wm_exists(victim));
    CHECK_OK(wm_remove(victim, &err), err);
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
    test_mended(&f);
    test_outside(&f);
    test_strays(&f);
    test_foreign(&f);
    fixture_close(&f);
    test_changed();
    test_mended_unread();
    test_verdict_unread();
    test_records_equal();
    return test_summary();
}
