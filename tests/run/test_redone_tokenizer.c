/* SPDX-License-Identifier: Apache-2.0 */
/* The tokenizer step killed while it counts and while it merges: the same files in the end, and the
 * report says how little was done again. */
#include <signal.h>
#include <sys/wait.h>

#include "run_fixture.h"

enum { TRIES = 40 };

static struct wm_error err;

/* Up to a step; with points wherever there can be one, or as they come. */
static int run_it(const char *dir, const char *out, enum wm_step_id last, bool points,
                  const struct wm_run_hooks *hooks, struct wm_run_result *ret)
{
    char path[512], results[512];
    struct wm_run run;
    (void)snprintf(path, sizeof path, "%s/config.yaml", dir);
    (void)snprintf(results, sizeof results, "%s/%s", dir, out);
    int status = wm_run_load(path, NULL, 0, &run, &err);
    if (status)
        return status;
    run.options.output = results;
    run.options.jobs = 2;
    run.batch_docs = 5;
    run.point_bytes = points;
    status = wm_run_execute(&run, last, hooks, ret, &err);
    wm_run_done(&run);
    return status;
}

/* Kill a run once there is a file; false if it came to its end first. The corpus is there before. */
static bool kill_at(const char *dir, const char *out, const char *file)
{
    char path[512];
    struct wm_run_result corpus = {0};
    int status;
    CHECK_OK(run_it(dir, out, WM_STEP_CORPUS, false, NULL, &corpus), err);
    wm_run_result_done(&corpus);
    (void)snprintf(path, sizeof path, "%s/%s/work/tokenizer/%s", dir, out, file);
    (void)fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct wm_run_result result;
        _exit(run_it(dir, out, WM_STEP_TOKENIZER, true, NULL, &result) ? 1 : 0);
    }
    while (!wm_exists(path) && waitpid(pid, &status, WNOHANG) == 0)
        (void)usleep(200);
    if (!wm_exists(path))
        return false;
    (void)kill(pid, SIGKILL);
    CHECK(waitpid(pid, &status, 0) == pid);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static XXH128_hash_t tokenizer_of(const char *dir, const char *out)
{
    struct wm_digest digest = {0};
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s/tokenizer/step.json", dir, out);
    CHECK_OK(wm_file_digest(path, &digest, &err), err); /* it has the digest of tokenizer.json */
    return digest.hash;
}

/* As if all had been done: the position is written each second, which is long after the end. */
static void say_all(const char *dir, const char *out, const char *unit, const char *label)
{
    char path[512], text[128];
    (void)snprintf(path, sizeof path, "%s/%s/work/tokenizer/position", dir, out);
    (void)snprintf(text, sizeof text, "1000000000 %s %s\nend\n", unit, label);
    CHECK_OK(wm_file_store(path, wm_str_of(text), &err), err);
}

static void test(const char *dir, const char *file, const char *unit, const char *label,
                 XXH128_hash_t want)
{
    char out[32], path[512];
    unsigned tries = 0;
    do {
        (void)snprintf(out, sizeof out, "%s-%u", unit, tries++);
    } while (!kill_at(dir, out, file) && tries < TRIES);
    CHECK_(tries < TRIES, "%s: never killed in time", label);
    say_all(dir, out, unit, label);
    struct wm_progress progress;
    struct wm_phase phases[WM_PROGRESS_PHASES];
    struct wm_run_hooks hooks = {.progress = &progress};
    struct wm_run_result result = {0};
    wm_progress_init(&progress);
    CHECK_OK(run_it(dir, out, WM_STEP_TOKENIZER, true, &hooks, &result), err);
    size_t n = wm_progress_phases(&progress, phases);
    const struct wm_redone *redone = &result.redone[WM_STEP_TOKENIZER];
    CHECK(redone->resumed);
    CHECK_U64(redone->n, 1);
    bool found = false;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(phases[i].label, label) != 0)
            continue;
        found = true;
        CHECK_(phases[i].skipped > 0, "%s: nothing was kept", label);
        CHECK_(redone->phases[0].again == phases[i].done - phases[i].skipped,
               "%s: %llu of %llu were kept, but %llu done again", label,
               (unsigned long long)phases[i].skipped, (unsigned long long)phases[i].done,
               (unsigned long long)redone->phases[0].again);
    }
    CHECK_(found, "there is no phase %s", label);
    wm_progress_done(&progress);
    wm_run_result_done(&result);
    CHECK(XXH128_isEqual(tokenizer_of(dir, out), want));
    (void)snprintf(path, sizeof path, "%s/%s/work/tokenizer", dir, out);
    CHECK(!wm_exists(path));
}

int main(void)
{
    const char *dir = fixture_dir("redone_tokenizer");
    struct wm_run_result result = {0};
    CHECK_OK(run_it(dir, "want", WM_STEP_TOKENIZER, false, NULL, &result), err);
    wm_run_result_done(&result);
    XXH128_hash_t want = tokenizer_of(dir, "want");
    test(dir, "commits/pass0/000000.point", "bytes", "tokenizer: count", want);
    test(dir, "merges", "merges", "tokenizer: merge", want);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
