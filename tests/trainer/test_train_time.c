/* SPDX-License-Identifier: Apache-2.0 */
/* --time: it is kept, also where the batch grows, and measuring leaves no mark. */
#include "train_fixture.h"
#include "trainer/optimizer.h"
#include "trainer/training.h"
#include "wetmill/cancel.h"
#include "wetmill/progress.h"

/* ---- a clock of its own ---- */

/* The linker puts these in the place of the trainer's (tests/CMakeLists.txt): a sequence takes a
 * hundredth of a second, an update a fifth, whatever else the machine does. */
double __wrap_wm_seconds(void);
int __wrap_wm_cancel_check(struct wm_cancel *cancel, struct wm_error *error);
void __wrap_wm_optimizer_update(struct wm_optimizer *o, const struct wm_optimizer_step *step);
int __real_wm_cancel_check(struct wm_cancel *cancel, struct wm_error *error);
void __real_wm_optimizer_update(struct wm_optimizer *o, const struct wm_optimizer_step *step);

static double now;

double __wrap_wm_seconds(void)
{
    return now;
}

/* Asked before every micro-batch, which is of one sequence here. */
int __wrap_wm_cancel_check(struct wm_cancel *cancel, struct wm_error *error)
{
    now += 0.01;
    return __real_wm_cancel_check(cancel, error);
}

void __wrap_wm_optimizer_update(struct wm_optimizer *o, const struct wm_optimizer_step *step)
{
    now += 0.2;
    __real_wm_optimizer_update(o, step);
}

static struct wm_train_options options;

static struct wm_train_job job_for(const char *name, const char *work)
{
    return (struct wm_train_job){.options = &options,
                                 .shards = in_top("shards"),
                                 .out = in_top(name),
                                 .work = in_top(work),
                                 .threads = 1};
}

/* All of it with what is measured; `ramp` steps have fewer sequences than the 64 of the others. */
static void check_kept(uint64_t ramp, uint64_t validate_every)
{
    struct wm_train_result result;
    char name[32], work[32];
    (void)snprintf(name, sizeof name, "kept-%u-%u", (unsigned)ramp, (unsigned)validate_every);
    (void)snprintf(work, sizeof work, "work-%u-%u", (unsigned)ramp, (unsigned)validate_every);
    options = small_options();
    options.steps = 0;
    options.time = 60;
    options.batch = 64;
    options.micro_batch = 1;
    options.batch_start = 1;
    options.batch_ramp = ramp;
    options.validate_every = validate_every;
    options.sample_every = options.checkpoint_every = 0;
    const struct wm_train_job job = job_for(name, work);
    const double begin = now;
    CHECK_OK(wm_train(&job, &result, &err), err);
    const double took = now - begin;
    CHECK_(took < options.time && took > 0.92 * options.time, "ramp %u: %g s of %g", (unsigned)ramp,
           took, options.time);
    CHECK_(result.tokens_per_second * result.seconds >= (double)result.n_tokens * 0.999999,
           "%g tokens/s over %g s", result.tokens_per_second, result.seconds);
}

/* A training that was measured begins as any other does. */
static void check_no_mark(void)
{
    struct wm_training t;
    struct wm_progress progress;
    wm_progress_init(&progress);
    wm_progress_start(&progress, "before", "documents", 7);
    wm_progress_set(&progress, 7, 7);
    options = small_options();
    options.steps = 0;
    options.time = 1;
    struct wm_train_job job = job_for("mark", "work-mark");
    job.progress = &progress;
    CHECK_OK(wm_training_open(&t, &job, &err), err);
    CHECK(t.step_seconds == 0);
    CHECK(!t.measuring);
    CHECK_U64(t.history.n, 0);
    CHECK_U64(t.head.sample, 0);
    CHECK_U64(t.samples.lines.len, 0);
    CHECK(t.head.n_steps > 0);
    CHECK_U64(atomic_load(&progress.done), 7); /* of the phase before */
    wm_training_close(&t);
    wm_progress_done(&progress);
}

int main(void)
{
    make_top("train-time");
    make_shards(in_top("shards"), 60, 300);
    if (test_failures)
        return test_summary();
    check_kept(0, 0);
    check_kept(60, 0);
    check_kept(100000, 0);
    check_kept(60, 7);
    check_no_mark();
    remove_top();
    return test_summary();
}
