/* SPDX-License-Identifier: Apache-2.0 */
/* The same command again does nothing; a change redoes what follows from it; an interrupted run
 * goes on and ends with the same bytes. */
#include "run_fixture.h"

static int count_ran(const struct wm_run_result *r)
{
    int n = 0;
    for (int id = 0; id < WM_STEPS; id++)
        n += r->ran[id];
    return n;
}

static struct wm_digest manifest_of(const char *dir, const char *out)
{
    struct wm_error err = {0};
    struct wm_digest digest = {0};
    char path[512];
    (void)snprintf(path, sizeof path, "%s/%s/manifest.json", dir, out);
    CHECK_OK(wm_file_digest(path, &digest, &err), err);
    return digest;
}

/* Ask to stop when progress of the named step has been seen. */
struct stopper {
    struct wm_cancel cancel;
    const char *step;
};

static void on_step(void *arg, const char *name, const char *state)
{
    struct stopper *s = arg;
    if (strcmp(name, s->step) == 0 && strcmp(state, "runs") == 0)
        wm_cancel_raise(&s->cancel, 2);
}

static void interrupt_at(const char *dir, const char *step, struct wm_digest want)
{
    struct wm_error err = {0};
    struct wm_run_result result = {0};
    struct stopper stopper = {.step = step};
    struct wm_run_hooks hooks = {.step = on_step, .arg = &stopper, .cancel = &stopper.cancel};
    char path[512];
    (void)snprintf(path, sizeof path, "%s/stopped", dir);
    CHECK_OK(wm_remove_tree(path, &err), err);
    const struct fixture_how stopped = {.out = "stopped", .jobs = 2, .hooks = &hooks};
    int status = fixture_run(dir, &stopped, &result, &err);
    CHECK_(status == WM_E_CANCELLED, "stop at %s gave %d: %s", step, status, err.what);
    wm_run_result_done(&result);
    const struct fixture_how again = {.out = "stopped", .jobs = 2};
    CHECK_OK(fixture_run(dir, &again, &result, &err), err);
    for (int id = 0; id < WM_STEPS; id++) { /* what was done before the stop is not done again */
        static const char *const names[] = {"corpus", "tokenizer", "shards", "train", "sample"};
        if (strcmp(names[id], step) == 0)
            break;
        CHECK_(!result.ran[id], "%s ran again after a stop at %s", names[id], step);
    }
    wm_run_result_done(&result);
    struct wm_digest got = manifest_of(dir, "stopped");
    CHECK_(XXH128_isEqual(got.hash, want.hash), "the manifest differs after a stop at %s", step);
}

int main(void)
{
    const char *dir = fixture_dir("resume");
    struct wm_error err = {0};
    struct wm_run_result result = {0};
    struct fixture_how how = {.out = "out", .jobs = 2};

    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    CHECK_U64(count_ran(&result), 5);
    wm_run_result_done(&result);
    struct wm_digest first = manifest_of(dir, "out");

    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    CHECK_U64(count_ran(&result), 0);
    wm_run_result_done(&result);

    char manifest[512]; /* stopped between the last step and the manifest */
    (void)snprintf(manifest, sizeof manifest, "%s/out/manifest.json", dir);
    CHECK_OK(wm_remove(manifest, &err), err);
    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    CHECK_U64(count_ran(&result), 0);
    wm_run_result_done(&result);
    CHECK(XXH128_isEqual(manifest_of(dir, "out").hash, first.hash));

    how.set[0] = "train.steps=7";
    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    CHECK(!result.ran[WM_STEP_CORPUS] && !result.ran[WM_STEP_TOKENIZER]);
    CHECK(!result.ran[WM_STEP_SHARDS] && result.ran[WM_STEP_TRAIN] && result.ran[WM_STEP_SAMPLE]);
    wm_run_result_done(&result);

    how.set[0] = "tokenizer.vocabulary=640";
    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    CHECK(!result.ran[WM_STEP_CORPUS] && result.ran[WM_STEP_TOKENIZER]);
    CHECK(result.ran[WM_STEP_SHARDS] && result.ran[WM_STEP_TRAIN] && result.ran[WM_STEP_SAMPLE]);
    wm_run_result_done(&result);

    how.set[0] = NULL; /* and back */
    CHECK_OK(fixture_run(dir, &how, &result, &err), err);
    wm_run_result_done(&result);
    CHECK(XXH128_isEqual(manifest_of(dir, "out").hash, first.hash));

    interrupt_at(dir, "corpus", first);
    interrupt_at(dir, "tokenizer", first);
    interrupt_at(dir, "shards", first);
    interrupt_at(dir, "train", first);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
