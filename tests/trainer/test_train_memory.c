/* SPDX-License-Identifier: Apache-2.0 */
/* How much memory a whole training takes, as predicted before it and as measured: weights,
 * activations, optimiser, data, texts written on the way, validation, checkpoints and the result. */
#include <sys/wait.h>
#include <unistd.h>

#include "memory_watch.h"
#include "sanitized.h"
#include "train_fixture.h"
#include "trainer/train_plan.h"

enum { THREADS = 2 };

static struct wm_train_options usual(void)
{
    struct wm_train_options o = small_options();
    o.layers = 5;
    o.heads = 8;
    o.width = 512;
    o.context = 128;
    o.batch = 6;
    o.micro_batch = 4;
    o.steps = 2;
    o.validate_every = o.checkpoint_every = o.sample_every = 1;
    o.validation_tokens = 1000;
    o.sample_tokens = 40;
    return o;
}

/* In a process of its own: what one training leaves to the allocator is none of the next one's.
 * `share`: of what it would take at most, how much it may have; 0: no limit. */
static void measure(const char *name, const struct wm_train_options *options, double share)
{
    struct wm_train_result result;
    struct wm_train_data data;
    char work[64];
    uint64_t ignored, limit = 0;
    CHECK_OK(wm_train_look(options, in_top("shards"), 0, &data, &err), err);
    const struct wm_train_options resolved = wm_train_options_resolve(options);
    const struct wm_model_config config = wm_train_config(&resolved, data.vocabulary);
    uint64_t predicted = wm_train_memory(&resolved, &config, options->steps, THREADS, 0, &ignored);
    if (share > 0) {
        limit = (uint64_t)((double)predicted * share);
        predicted = wm_train_memory(&resolved, &config, options->steps, THREADS, limit, &ignored);
        CHECK(predicted <= limit);
    }
    (void)snprintf(work, sizeof work, "work-%s", name);
    const struct wm_train_job job = {.options = options,
                                     .shards = in_top("shards"),
                                     .out = in_top(name),
                                     .work = in_top(work),
                                     .threads = THREADS,
                                     .memory = limit};
    watch_begin(top);
    CHECK_OK(wm_train(&job, &result, &err), err);
    watch_end();
    const double is = (double)(watch.anonymous - watch.before), want = (double)predicted;
    (void)printf("%-12s %6.1f MiB predicted, %6.1f measured (%+.1f %%)\n", name, want / (1 << 20),
                 is / (1 << 20), 100 * (is / want - 1));
    CHECK_(is > want * 0.95 && is < want * 1.05, "%s: %.1f MiB predicted, %.1f measured", name,
           want / (1 << 20), is / (1 << 20));
}

static void check(const char *name, const struct wm_train_options *options, double share)
{
    int how = 0;
    (void)fflush(NULL);
    const pid_t child = fork();
    if (child == 0) {
        measure(name, options, share);
        (void)fflush(NULL);
        _exit(test_failures > 0);
    }
    CHECK(child > 0 && waitpid(child, &how, 0) == child && WIFEXITED(how));
    CHECK_(WEXITSTATUS(how) == 0, "%s: see above", name);
}

int main(void)
{
    static const char *const names[] = {
        [WM_TRAIN_ADAMW] = "adamw", [WM_TRAIN_SGD] = "sgd", [WM_TRAIN_MUON] = "muon"};
    if (SANITIZED)
        SKIP("sanitizers have memory of their own");
    make_top("train-memory");
    watch_begin(top);
    watch_end();
    if (!watch.anonymous)
        SKIP("the system does not tell how much memory a process has");
    make_shards(in_top("shards"), 200, 300);
    if (test_failures)
        return test_summary();
    struct wm_train_options options = usual();
    for (int kind = 0; kind < WM_N_TRAIN_OPTIMIZERS; kind++) {
        options.optimizer = kind;
        check(names[kind], &options, 0);
    }
    check("limited", &options, 0.9);
    options.average = 0.5;
    options.document_reset = true;
    options.best = true;
    check("averaged", &options, 0);
    options = usual();
    options.architecture = WM_ARCH_LLAMA;
    options.kv_heads = 2;
    check("llama", &options, 0);
    remove_top();
    return test_summary();
}
