/* SPDX-License-Identifier: Apache-2.0 */
/* Stopped or killed before any micro-batch of any step, a training that goes on comes to the same
 * bytes as one that nobody disturbed. Every training has a process of its own: a killed one needs it,
 * and OpenMP's threads do not survive fork(). */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "train_fixture.h"
#include "wetmill/cancel.h"

enum {
    STEPS = 4,
    A_STEP = 3, /* micro-batches: 5 sequences as 2 + 2 + 1 */
    MICRO_BATCHES = STEPS * A_STEP,
    STOPPED = 128, /* ends of a training's process that are no number of steps */
    FAILED,
};

/* The trainer asks before every micro-batch; the linker puts this in between (tests/CMakeLists.txt).
 * At the `stop_at`-th time, from 1, somebody stops it or kills it. */
int __wrap_wm_cancel_check(struct wm_cancel *cancel, struct wm_error *error);
int __real_wm_cancel_check(struct wm_cancel *cancel, struct wm_error *error);

static unsigned asked, stop_at;
static bool kills;

int __wrap_wm_cancel_check(struct wm_cancel *cancel, struct wm_error *error)
{
    if (++asked == stop_at && kills)
        (void)raise(SIGKILL);
    if (asked == stop_at)
        wm_cancel_raise(cancel, 2);
    return __real_wm_cancel_check(cancel, error);
}

/* Returns how many steps a checkpoint gave it, or how it failed. */
static int train(const struct wm_train_options *options, const char *out, const char *work)
{
    struct wm_train_result result;
    struct wm_cancel cancel = {0};
    const struct wm_train_job job = {.options = options,
                                     .shards = in_top("shards"),
                                     .out = in_top(out),
                                     .work = in_top(work),
                                     .threads = 2,
                                     .cancel = &cancel};
    const int status = wm_train(&job, &result, &err);
    if (status && status != WM_E_CANCELLED)
        (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
    return status == WM_E_CANCELLED ? STOPPED : status ? FAILED : (int)result.first_step;
}

/* As wait() has it. */
static int in_a_process(const struct wm_train_options *options, const char *out, const char *work,
                        unsigned at, bool killed)
{
    int how = 0;
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        stop_at = at;
        kills = killed;
        _exit(train(options, out, work));
    }
    CHECK(child > 0 && waitpid(child, &how, 0) == child);
    return how;
}

static struct wm_train_options four_steps(void)
{
    struct wm_train_options o = small_options();
    o.steps = STEPS;
    o.validate_every = 0;
    o.sample_every = 0;
    o.checkpoint_every = 0;
    o.dropout = 0.1; /* its noise must not depend on where it went on */
    return o;
}

static void check_same(const char *work, const char *out)
{
    static const char *const names[] = {"model.safetensors", "metrics.jsonl",
                                        "events.out.tfevents.0.wetmill"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char a[64], b[64];
        (void)snprintf(a, sizeof a, "whole/%s", names[i]);
        (void)snprintf(b, sizeof b, "%s/%s", out, names[i]);
        CHECK(same_files(in_top(a), in_top(b)));
    }
    CHECK_OK(wm_remove_tree(in_top(out), &err), err);
    CHECK_OK(wm_remove_tree(in_top(work), &err), err);
}

/* The steps before the one that was stopped are kept, the micro-batches of that one are not. */
static void check_cancelled(unsigned at)
{
    const struct wm_train_options options = four_steps();
    int how = in_a_process(&options, "parts", "work-parts", at, false);
    CHECK(WIFEXITED(how) && WEXITSTATUS(how) == STOPPED);
    CHECK(!wm_exists(in_top("parts")));
    how = in_a_process(&options, "parts", "work-parts", 0, false);
    CHECK_(WIFEXITED(how) && WEXITSTATUS(how) == (int)((at - 1) / A_STEP),
           "stopped at micro-batch %u, it goes on with status %d", at, how);
    check_same("work-parts", "parts");
}

/* What was done behind the newest checkpoint is done again. */
static void check_killed(unsigned at)
{
    struct wm_train_options options = four_steps();
    options.checkpoint_every = 2;
    int how = in_a_process(&options, "parts", "work-parts", at, true);
    CHECK(WIFSIGNALED(how) && WTERMSIG(how) == SIGKILL);
    how = in_a_process(&options, "parts", "work-parts", 0, false);
    CHECK_(WIFEXITED(how) && WEXITSTATUS(how) == (int)((at - 1) / A_STEP / 2 * 2),
           "killed at micro-batch %u, it goes on with status %d", at, how);
    check_same("work-parts", "parts");
}

int main(void)
{
    make_top("train-stops");
    make_shards(in_top("shards"), 60, 300);
    const struct wm_train_options options = four_steps();
    const int how = in_a_process(&options, "whole", "work-whole", 0, false);
    CHECK(WIFEXITED(how) && WEXITSTATUS(how) == 0);
    if (test_failures)
        return test_summary();
    for (unsigned at = 1; at <= MICRO_BATCHES; at++) {
        check_cancelled(at);
        check_killed(at);
    }
    remove_top();
    return test_summary();
}
