/* SPDX-License-Identifier: Apache-2.0 */
/* Counting that is killed again and again: the tokenizer is the one of an undisturbed training, and
 * hardly more than what was under way is counted twice. */
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "pipeline/job_fixture.h"

#include "tokenizer/count_sink.h"

static struct wm_error err;
enum { TASKS = 3, DOCS = 700, BATCH = 10, IN_FLIGHT = 8, RUNS_MAX = 600 };

static struct control {
    atomic_long fills_left;
    atomic_ullong documents;
} * control; /* shared with who is killed */

/* Some words that no other document has, so that tables grow; and bytes that only one has. */
static void add_words(struct wm_batch *batch)
{
    for (size_t i = 0; i < batch->n_docs; i++) {
        struct wm_doc *doc = &batch->docs[i];
        uint64_t x = fake_mix((uint64_t)doc->key.file << 32 | doc->key.record);
        char *text = wm_arena_bytes(&batch->arena, doc->text.len + 128);
        memcpy(text, doc->text.ptr, doc->text.len);
        int n = snprintf(text + doc->text.len, 128, " a%" PRIx64 " b%" PRIx64 "%s", x, fake_mix(x),
                         doc->key.record == 350 ? "\x7f~" : "");
        doc->text = (struct wm_str){text, doc->text.len + (size_t)n};
    }
}

static int counted_fill(struct wm_reader *r, struct wm_batch *batch, size_t n_values,
                        size_t max_text, size_t max_docs, struct wm_error *e)
{
    int status = fake_fill(r, batch, n_values, max_text, max_docs, e);
    if (status > 0) {
        add_words(batch);
        atomic_fetch_add(&control->documents, batch->n_docs);
        if (atomic_fetch_sub(&control->fills_left, 1) == 1)
            (void)raise(SIGKILL);
    }
    return status;
}

static struct wm_tokenizer_options options_of(uint64_t memory)
{
    struct wm_tokenizer_options options;
    memset(&options, 0, sizeof options);
    wm_options_default(wm_tokenizer_option_table, &options);
    options.vocabulary = 300;
    options.split = WM_SPLIT_R50K;
    options.alphabet = WM_ALPHABET_SEEN;
    options.memory = memory;
    options.merge_memory = 64 << 20;
    options.n_counters = 4;
    return options;
}

/** What came of a training. */
struct outcome {
    XXH128_hash_t identity;
    struct wm_trainer_stats stats;
};

static int count(struct fixture *f, const struct wm_tokenizer_options *options,
                 struct wm_bpe_trainer **ret, struct wm_job_result *result)
{
    struct wm_reading reading = fake_reading;
    struct wm_count_sink counts = {.memory = options->memory, .fold_text = 4000};
    reading.fill = counted_fill;
    CHECK_OK(wm_trainer_new(options, ret, &err), err);
    counts.trainer = *ret;
    f->job.sink = &wm_sink_count;
    f->job.sink_shared = &counts;
    int status = wm_job_run_with(&f->job, &reading, result, &err);
    wm_sink_count.close(&counts);
    if (!status)
        status = wm_count_load(f->dir, &result->parts, *ret, NULL, &err);
    return status;
}

static struct outcome finish(struct fixture *f, uint64_t memory)
{
    struct wm_tokenizer_options options = options_of(memory);
    struct wm_job_result result = {0};
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_tokenizer *tok = NULL;
    struct outcome o = {.stats.documents = 0};
    atomic_store(&control->fills_left, LONG_MAX);
    CHECK_OK(count(f, &options, &trainer, &result), err);
    CHECK_U64(result.parts.n, f->job.dir ? TASKS : 0);
    CHECK_U64(result.tally.read.documents, TASKS * DOCS);
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    o.identity = wm_tokenizer_identity(tok);
    wm_trainer_stats(trainer, &o.stats);
    wm_tokenizer_free(tok);
    wm_trainer_free(trainer);
    wm_job_result_done(&result);
    return o;
}

static void check_same(const struct outcome *got, const struct outcome *want)
{
    CHECK(XXH128_isEqual(got->identity, want->identity));
    CHECK_U64(got->stats.documents, want->stats.documents);
    CHECK_U64(got->stats.bytes, want->stats.bytes);
    CHECK_U64(got->stats.pieces, want->stats.pieces);
    CHECK_U64(got->stats.distinct_pieces, want->stats.distinct_pieces);
    CHECK_U64(got->stats.merges, want->stats.merges);
}

static bool die_after(struct fixture *f, uint64_t memory, long fills, unsigned n_workers)
{
    atomic_store(&control->fills_left, fills);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct wm_tokenizer_options options = options_of(memory);
        struct wm_job_result result = {0};
        struct wm_bpe_trainer *trainer = NULL;
        f->job.n_workers = n_workers;
        _exit(count(f, &options, &trainer, &result) ? 1 : 0);
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK_(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "status %x", status);
    return killed;
}

static void open_job(struct fixture *f)
{
    fixture_open(f, TASKS, DOCS);
    f->job.batch_docs = BATCH;
    f->job.point_bytes = 1;
}

static void test_kills(const struct outcome *want, uint64_t memory)
{
    struct fixture f;
    open_job(&f);
    atomic_store(&control->documents, 0);
    uint64_t kills = 0, seed = memory + 9;
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (!die_after(&f, memory, 8 + (long)(seed >> 59), 1 + i % 4))
            break;
        kills++;
    }
    CHECK_(kills >= TASKS, "only %" PRIu64 " kills", kills);
    struct outcome got = finish(&f, memory); /* all tasks are done: counts come from parts alone */
    check_same(&got, want);
    uint64_t n = atomic_load(&control->documents), once = (uint64_t)TASKS * DOCS;
    CHECK_(n >= once && n - once <= kills * BATCH * IN_FLIGHT * TASKS,
           "%" PRIu64 " documents counted for %" PRIu64 ", %" PRIu64 " kills", n, once, kills);
    fixture_close(&f);
}

/* Without points, but with parts; by any number of workers, in any order. */
static void test_ways(const struct outcome *want)
{
    for (unsigned n = 1; n <= 5; n++) {
        struct fixture f;
        open_job(&f);
        f.job.n_workers = n;
        f.job.reverse = n % 2;
        f.job.point_bytes = n > 2 ? 0 : UINT64_MAX;
        struct outcome got = finish(&f, (uint64_t)n << 20);
        check_same(&got, want);
        fixture_close(&f);
    }
}

static void spoil(const char *path, uint64_t at)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 30);
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    buf.ptr[at % buf.len] ^= 1;
    CHECK_OK(wm_file_store(path, wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

/* A file whose bytes are others is refused wherever they are; one that is gone is counted again. */
static void test_damage(const struct outcome *want)
{
    struct fixture f;
    struct wm_tokenizer_options options = options_of(64 << 20);
    char path[WM_PATH_MAX];
    open_job(&f);
    struct outcome got = finish(&f, 64 << 20);
    check_same(&got, want);
    CHECK_OK(wm_path_join(path, f.dir, "parts/000001.pieces", &err), err);
    struct wm_stat st;
    CHECK_OK(wm_stat(path, &st, &err), err);
    for (uint64_t at = 0; at < st.size; at += at < 40 || at + 40 > st.size ? 1 : st.size / 50) {
        struct wm_job_result result = {0};
        struct wm_bpe_trainer *trainer = NULL;
        spoil(path, at);
        CHECK_FAILS(count(&f, &options, &trainer, &result), WM_E_FORMAT, err, "damaged");
        CHECK(strstr(err.where, "000001.pieces"));
        spoil(path, at);
        wm_trainer_free(trainer);
        wm_job_result_done(&result);
    }
    atomic_store(&control->documents, 0);
    got = finish(&f, 64 << 20);
    CHECK_U64(atomic_load(&control->documents), 0);
    check_same(&got, want);
    CHECK_OK(wm_remove(path, &err), err);
    got = finish(&f, 64 << 20);
    CHECK_U64(atomic_load(&control->documents), DOCS);
    check_same(&got, want);
    fixture_close(&f);
}

/* Asked to stop: what was read is kept. A point whose file is damaged is none. */
static void test_stop(const struct outcome *want)
{
    struct fixture f;
    struct wm_cancel cancel = {0};
    open_job(&f);
    f.job.point_bytes = UINT64_MAX;
    f.job.point_seconds = 1e9;
    f.job.cancel = &cancel;
    fake.cancel = &cancel;
    atomic_store(&control->documents, 0);
    atomic_store(&control->fills_left, LONG_MAX);
    for (uint32_t i = 0; i < 2 * TASKS; i++) {
        struct wm_tokenizer_options options = options_of(64 << 20);
        struct wm_job_result result = {0};
        struct wm_bpe_trainer *trainer = NULL;
        memset(&cancel, 0, sizeof cancel);
        fake.cancel_task = i / 2;
        fake.cancel_doc = 100 + 400 * (i % 2);
        CHECK_U64(count(&f, &options, &trainer, &result), WM_E_CANCELLED);
        wm_trainer_free(trainer);
        wm_job_result_done(&result);
    }
    fake.cancel_task = UINT32_MAX;
    f.job.cancel = NULL;
    char path[WM_PATH_MAX];
    CHECK_OK(wm_path_join(path, f.dir, "parts/000002.pieces.part", &err), err);
    CHECK(wm_exists(path));
    uint64_t before = atomic_load(&control->documents);
    CHECK(before >= 2 * DOCS && before < TASKS * DOCS);
    spoil(path, 20);
    struct outcome got = finish(&f, 64 << 20);
    check_same(&got, want);
    CHECK_U64(atomic_load(&control->documents), before + DOCS);
    fixture_close(&f);
}

int main(void)
{
    struct fixture f;
    control =
        mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (control == MAP_FAILED)
        return 1;
    fixture_open(&f, TASKS, DOCS);
    f.job.dir = NULL;
    struct outcome want = finish(&f, 64 << 20);
    CHECK(want.stats.distinct_pieces > 2 * TASKS * DOCS);
    fixture_close(&f);
    test_ways(&want);
    test_kills(&want, 64 << 20);
    test_kills(&want, 1 << 20); /* tables are full all the time */
    test_damage(&want);
    test_stop(&want);
    return test_summary();
}
