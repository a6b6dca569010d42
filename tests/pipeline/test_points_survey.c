/* SPDX-License-Identifier: Apache-2.0 */
/* Killed within surveys and the pass behind them: the records of a task under way are kept, once
 * each, and its documents are not read again. */
#include <limits.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "pipeline/job_fixture.h"

static struct wm_error err;
enum { TASKS = 3, DOCS = 700, BATCH = 10, PASSES = 3, IN_FLIGHT = 8, RUNS_MAX = 600 };

static struct control {
    atomic_long fills_left;
    atomic_ullong documents;
} * control; /* shared with who is killed */

static int counted_fill(struct wm_reader *r, struct wm_batch *batch, size_t n_values,
                        size_t max_text, size_t max_docs, struct wm_error *e)
{
    int status = fake_fill(r, batch, n_values, max_text, max_docs, e);
    if (status > 0) {
        atomic_fetch_add(&control->documents, batch->n_docs);
        if (atomic_fetch_sub(&control->fills_left, 1) == 1)
            (void)raise(SIGKILL);
    }
    return status;
}

static int run(struct fixture *f, struct wm_job_result *ret)
{
    struct wm_reading reading = fake_reading;
    reading.fill = counted_fill;
    int status = wm_job_run_with(&f->job, &reading, ret, &err);
    f->job.sink->close(f->job.sink_shared);
    return status;
}

static bool die_after(struct fixture *f, long fills, unsigned n_workers)
{
    atomic_store(&control->fills_left, fills);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct wm_job_result result;
        f->job.n_workers = n_workers;
        _exit(run(f, &result) ? 1 : 0);
    }
    int status = 0;
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid);
    bool killed = WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
    CHECK_(killed || (WIFEXITED(status) && WEXITSTATUS(status) == 0), "status %x", status);
    return killed;
}

/* `memory`: little, so that surveys also spill by themselves. */
static void test_kills(XXH128_hash_t want, uint64_t memory)
{
    struct fixture f;
    struct wm_job_result result;
    fixture_open(&f, TASKS, DOCS);
    fixture_add_all(&f);
    f.job.batch_docs = BATCH;
    f.job.point_bytes = 1;
    f.job.memory = memory;
    atomic_store(&control->documents, 0);
    uint64_t kills = 0, seed = memory + 9;
    for (unsigned i = 0; i < RUNS_MAX; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        if (!die_after(&f, 8 + (long)(seed >> 59), 1 + i % 4))
            break;
        kills++;
    }
    CHECK_(kills >= PASSES, "only %" PRIu64 " kills", kills);
    atomic_store(&control->fills_left, LONG_MAX);
    CHECK_OK(run(&f, &result), err);
    CHECK_U64(result.tally.tasks_reused, TASKS);
    CHECK(XXH128_isEqual(fixture_hash(&result), want));
    CHECK_U64(result.tally.read.documents, TASKS * DOCS);
    uint64_t n = atomic_load(&control->documents), once = (uint64_t)PASSES * TASKS * DOCS;
    CHECK_(n >= once && n - once <= kills * BATCH * IN_FLIGHT * TASKS,
           "%" PRIu64 " documents read for %" PRIu64 ", %" PRIu64 " kills", n, once, kills);
    wm_job_result_done(&result);
    for (unsigned i = 0; i < TASKS; i++) { /* nothing is left of what points named */
        char name[64];
        for (unsigned w = 0; w < 4; w++) {
            (void)snprintf(name, sizeof name, "runs/pass0/%06u.run%u.0", i, w);
            CHECK_(!fixture_exists(&f, name), "left: %s", name);
        }
        (void)snprintf(name, sizeof name, "commits/pass1/%06u.point", i);
        CHECK_(!fixture_exists(&f, name), "left: %s", name);
    }
    fixture_close(&f);
}

int main(void)
{
    struct fixture f;
    struct wm_job_result result;
    uint64_t least, full;
    control =
        mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (control == MAP_FAILED)
        return 1;
    atomic_store(&control->fills_left, LONG_MAX);
    fixture_open(&f, TASKS, DOCS);
    fixture_add_all(&f);
    f.job.point_bytes = UINT64_MAX;
    f.job.point_seconds = 1e9;
    CHECK_OK(run(&f, &result), err);
    XXH128_hash_t want = fixture_hash(&result);
    wm_job_result_done(&result);
    CHECK_OK(wm_job_memory(&f.job, &least, &full, &err), err);
    fixture_close(&f);
    test_kills(want, 0);
    test_kills(want, least);
    return test_summary();
}
