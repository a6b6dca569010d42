/* SPDX-License-Identifier: Apache-2.0 */
/* The same bytes for any number of threads, and after a stop or a kill anywhere. */
#include <math.h>

#include "sanitized.h"
#include "train_fixture.h"
#include "trainer/checkpoint.h"
#include "trainer/hf_config.h"
#include "trainer/metrics.h"
#include "wetmill/cancel.h"
#include "wetmill/parallel.h"

static struct wm_train_options options;

static int train(const char *out, const char *work, unsigned threads, struct wm_train_result *ret)
{
    struct wm_train_job job = {.options = &options,
                               .shards = in_top("shards"),
                               .out = in_top(out),
                               .work = in_top(work),
                               .threads = threads};
    return wm_train(&job, ret, &err);
}

/* ---- threads ---- */

static void check_threads(void)
{
    struct wm_train_result one, other;
    options = small_options();
    CHECK_OK(train("one", "work-one", 1, &one), err);
    CHECK_U64(one.n_steps, 12);
    CHECK_U64(one.n_tokens, 12 * 5 * 17);
    CHECK_U64(one.first_step, 0);
    CHECK(one.validated && one.validation_nats > 0 && one.unigram_nats > 0);
    for (unsigned threads = 2; threads <= 3; threads++) {
        char out[16], work[16];
        (void)snprintf(out, sizeof out, "out%u", threads);
        (void)snprintf(work, sizeof work, "work%u", threads);
        CHECK_OK(train(out, work, threads, &other), err);
        CHECK(same_models(in_top("one"), in_top(out)));
        CHECK(one.validation_nats == other.validation_nats);
    }
    options.seed = 2;
    CHECK_OK(train("seed", "work-seed", 1, &other), err);
    CHECK(!same_files(in_top("one/model.safetensors"), in_top("seed/model.safetensors")));
}

/* ---- stopping ---- */

struct stopper {
    struct wm_cancel cancel;
    unsigned lines, stop_at;
};

static void on_line(void *arg, const char *text)
{
    struct stopper *stopper = arg;
    if (strncmp(text, "step ", 5) == 0 && ++stopper->lines == stopper->stop_at)
        wm_cancel_raise(&stopper->cancel, 2);
}

static int train_until(const char *out, const char *work, unsigned stop_at,
                       struct wm_train_result *ret)
{
    struct stopper stopper = {.stop_at = stop_at};
    struct wm_train_job job = {.options = &options,
                               .shards = in_top("shards"),
                               .out = in_top(out),
                               .work = in_top(work),
                               .threads = 2,
                               .line = on_line,
                               .arg = &stopper,
                               .cancel = &stopper.cancel};
    return wm_train(&job, ret, &err);
}

/* A line comes after every step (few steps), so the raise is seen at the start of the next. */
static void check_stop_anywhere(void)
{
    options = small_options();
    for (unsigned step = 1; step < 12; step++) {
        struct wm_train_result result;
        const char *out = "stopped", *work = "work-stopped";
        CHECK_FAILS(train_until(out, work, step, &result), WM_E_CANCELLED, err, "");
        CHECK(strstr(err.where, "which is saved") != NULL);
        CHECK(!wm_exists(in_top("stopped/config.json")));
        CHECK_OK(train_until(out, work, 0, &result), err);
        CHECK_U64(result.first_step, step);
        CHECK(same_models(in_top("one"), in_top(out)));
        CHECK_OK(wm_remove_tree(in_top(out), &err), err);
        CHECK_OK(wm_remove_tree(in_top(work), &err), err);
    }
}

/* Stop twice in every step: a chain of eleven resumes. */
static void check_stop_always(void)
{
    struct wm_train_result result;
    const char *out = "always", *work = "work-always";
    for (unsigned step = 1; step < 12; step++)
        CHECK_FAILS(train_until(out, work, 1, &result), WM_E_CANCELLED, err, "");
    CHECK_OK(train_until(out, work, 0, &result), err);
    CHECK_U64(result.first_step, 11);
    CHECK(same_models(in_top("one"), in_top(out)));
}

/* Stopped before its first step: nothing to save, nothing lost. */
static void check_stop_at_once(void)
{
    struct wm_train_result result;
    struct wm_cancel cancel = {0};
    struct wm_train_job job = {.options = &options,
                               .shards = in_top("shards"),
                               .out = in_top("early"),
                               .work = in_top("work-early"),
                               .cancel = &cancel};
    wm_cancel_raise(&cancel, 15);
    CHECK_FAILS(wm_train(&job, &result, &err), WM_E_CANCELLED, err, "");
    job.cancel = NULL;
    CHECK_OK(wm_train(&job, &result, &err), err);
    CHECK(same_models(in_top("one"), in_top("early")));
}

/* A kill leaves the checkpoints up to some step, and nothing else: go on from each alone. */
static void check_kill_anywhere(void)
{
    struct wm_train_result result;
    options = small_options();
    options.checkpoint_every = 1;
    options.keep_checkpoints = 100;
    CHECK_OK(train("all", "work-all", 2, &result), err);
    options.checkpoint_every = 0;
    for (uint64_t step = 1; step <= 12; step++) {
        char from[WM_PATH_MAX], to[WM_PATH_MAX];
        struct wm_buf file;
        wm_buf_init(&file, 64 << 20);
        CHECK_OK(wm_checkpoint_path(from, in_top("work-all"), step, &err), err);
        CHECK_OK(wm_checkpoint_path(to, in_top("work-killed"), step, &err), err);
        CHECK_OK(wm_file_load(from, &file, &err), err);
        CHECK_OK(wm_file_store(to, wm_buf_str(&file), &err), err);
        wm_buf_done(&file);
        CHECK_OK(train("killed", "work-killed", 1 + step % 2, &result), err);
        CHECK_U64(result.first_step, step);
        CHECK(same_models(in_top("one"), in_top("killed")));
        CHECK_OK(wm_remove_tree(in_top("killed"), &err), err);
        CHECK_OK(wm_remove_tree(in_top("work-killed"), &err), err);
    }
}

/* Checkpoints: how often, how many stay, no matter for the result. */
static void check_keeping(void)
{
    struct wm_train_result result;
    uint64_t *steps;
    size_t n;
    options = small_options();
    options.checkpoint_every = 5;
    options.keep_checkpoints = 2;
    CHECK_OK(train("kept", "work-kept", 1, &result), err);
    CHECK(same_models(in_top("one"), in_top("kept")));
    CHECK_OK(wm_checkpoint_list(in_top("work-kept"), &steps, &n, &err), err);
    CHECK(n == 2 && steps[0] == 10 && steps[1] == 12);
    free(steps);
    CHECK(same_files(in_top("work-kept/metrics.jsonl"), in_top("kept/metrics.jsonl")));
    CHECK_OK(train("again", "work-kept", 1, &result), err);
    CHECK_U64(result.first_step, 12);
    CHECK(same_models(in_top("one"), in_top("again")));
}

/* Everything that is off by default, at once: stopped at every step, it comes to the same. */
static void check_all_options(void)
{
    static const int kinds[] = {WM_TRAIN_ADAMW, WM_TRAIN_SGD};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct wm_train_result result, stopped;
        options = small_options();
        options.optimizer = kinds[i];
        options.schedule = WM_SCHEDULE_WSD;
        options.batch_start = 1;
        options.batch_ramp = 6;
        options.average = 0.5;
        options.skip_outliers = 1.01;
        options.init = WM_INIT_HE;
        options.zero_output = true;
        options.dropout = 0.1;
        const char *whole = i ? "sgd" : "adamw", *parts = i ? "sgd-parts" : "adamw-parts";
        CHECK_OK(train(whole, i ? "work-sgd" : "work-adamw", 2, &result), err);
        CHECK_U64(result.n_tokens, 17 * (1 + 1 + 2 + 3 + 3 + 4 + 6 * 5));
        CHECK(!same_files(in_top("one/model.safetensors"),
                          in_top(i ? "sgd/model.safetensors" : "adamw/model.safetensors")));
        for (unsigned step = 1; step < 12; step++)
            CHECK_FAILS(train_until(parts, "work-parts", 1, &stopped), WM_E_CANCELLED, err, "");
        CHECK_OK(train_until(parts, "work-parts", 0, &stopped), err);
        CHECK(same_models(in_top(whole), in_top(parts)));
        CHECK(result.validation_nats == stopped.validation_nats);
        CHECK_OK(wm_remove_tree(in_top("work-parts"), &err), err);
        CHECK_OK(wm_remove_tree(in_top(parts), &err), err);
    }
}

/* ---- what is seen ---- */

/* Two sources, documents apart, llama's parts: stopped at every step it comes to the same. */
static void check_data(void)
{
    struct wm_train_result result, stopped;
    char mix[WM_PATH_MAX];
    const char *items[] = {mix};
    (void)snprintf(mix, sizeof mix, "%s=0.5", in_top("other"));
    options = small_options();
    options.mix = (struct wm_list){items, 1};
    options.architecture = 1; /* llama */
    options.kv_heads = 1;
    options.document_reset = true;
    CHECK_OK(train("mixed", "work-mixed", 2, &result), err);
    struct wm_hf_config made;
    CHECK_OK(wm_hf_config_read(in_top("mixed"), &made, &err), err);
    CHECK(made.model.architecture == WM_ARCH_LLAMA && made.model.n_kv_head == 1 && made.model.tied);
    for (unsigned step = 1; step < 11; step += 2)
        CHECK_FAILS(train_until("mixed2", "work-mixed2", 2, &stopped), WM_E_CANCELLED, err, "");
    CHECK_OK(train_until("mixed2", "work-mixed2", 0, &stopped), err);
    CHECK(same_models(in_top("mixed"), in_top("mixed2")));
    options.document_reset = false;
    CHECK_OK(train("whole", "work-whole", 2, &stopped), err);
    CHECK(stopped.train_nats != result.train_nats);
    (void)snprintf(mix, sizeof mix, "%s=0.25", in_top("other"));
    CHECK_FAILS(train("whole", "work-whole", 2, &stopped), WM_E_MISMATCH, err, "mix 1");
    (void)snprintf(mix, sizeof mix, "%s", in_top("other"));
    CHECK_FAILS(train("whole", "work-whole", 2, &stopped), WM_E_CONFIG, err, "DIR=WEIGHT");
}

static void check_overfit(void)
{
    struct wm_train_result result;
    options = small_options();
    options.overfit_batch = true;
    options.steps = 250;
    options.learning_rate = 0.01;
    options.weight_decay = 0;
    options.validate_every = 0;
    options.checkpoint_every = 0;
    options.width = 48;
    CHECK_OK(train("overfit", "work-overfit", 2, &result), err);
    CHECK_(result.train_nats < 0.05, "one batch stays at %g nats", result.train_nats);
}

/* Half the activations made again, and bfloat16: one trains to the same bits, one nearly so. */
static void check_memory(void)
{
    const struct wm_train_data data = {300, 4999 / 100};
    struct wm_train_result result, other;
    struct wm_train_estimate e;
    options = small_options();
    options.layers = 4;
    options.context = 100;
    CHECK_OK(train("roomy", "work-roomy", 2, &result), err);
    CHECK_OK(wm_train_estimate(&options, &data, &e, &err), err);
    CHECK(e.memory_least < e.memory);
    struct wm_train_job job = {.options = &options,
                               .shards = in_top("shards"),
                               .out = in_top("tight"),
                               .work = in_top("work-tight"),
                               .threads = 2,
                               .memory = e.memory_least};
    CHECK_OK(wm_train(&job, &other, &err), err);
    CHECK(same_models(in_top("roomy"), in_top("tight")));
    job.memory = e.memory_least / 2;
    CHECK_FAILS(wm_train(&job, &other, &err), WM_E_NOMEM, err, "the limit is");
    options.dtype = WM_DTYPE_BFLOAT16;
    int status = train("rounded", "work-rounded", 2, &other);
    if (status == WM_E_CONFIG) { /* no such instructions here */
        CHECK(strstr(err.what, "bfloat16") != NULL);
        return;
    }
    CHECK_OK(status, err);
    CHECK(other.train_nats != result.train_nats);
    CHECK(fabs(other.train_nats - result.train_nats) < 0.01 * result.train_nats);
}

/* ---- ends ---- */

/* With a rate far too high, validation soon gets worse: the best step's weights are the result. */
static void check_best(void)
{
    struct wm_train_result whole, parts, last;
    options = small_options();
    options.steps = 40;
    options.optimizer = WM_TRAIN_ADAMW;
    options.schedule = WM_SCHEDULE_CONSTANT;
    options.learning_rate = 0.3;
    options.validate_every = 2;
    options.early_stop = 3;
    CHECK_OK(train("last", "work-last", 2, &last), err);
    CHECK(last.n_steps < 40 && last.best_step == 0);
    options.best = true;
    CHECK_OK(train("best", "work-best", 2, &whole), err);
    CHECK_U64(whole.n_steps, last.n_steps);
    CHECK_U64(whole.best_step, whole.n_steps - 6);
    CHECK(whole.validation_nats < last.validation_nats);
    CHECK(!same_files(in_top("last/model.safetensors"), in_top("best/model.safetensors")));
    while (train_until("best2", "work-best2", 1, &parts) == WM_E_CANCELLED)
        continue;
    CHECK(same_models(in_top("best"), in_top("best2")));
    CHECK_U64(parts.best_step, whole.best_step);
    CHECK(same_files(in_top("best/events.out.tfevents.0.wetmill"),
                     in_top("best2/events.out.tfevents.0.wetmill")));
}

/* The number of steps is measured once and stays. */
static void check_time(void)
{
    struct wm_train_result first, second;
    options = small_options();
    options.steps = 0;
    options.time = 1;
    int status = train_until("timed", "work-timed", 1, &first);
    CHECK(status == 0 || status == WM_E_CANCELLED); /* one step may be all that fits */
    CHECK(wm_exists(in_top("work-timed/time.json")));
    CHECK_OK(train_until("timed", "work-timed", 0, &first), err);
    CHECK_U64(first.first_step, 1);
    CHECK_OK(train("timed2", "work-timed", 1, &second), err);
    CHECK_U64(second.n_steps, first.n_steps);
    options.steps = first.n_steps;
    options.time = 0;
    CHECK_OK(train("steps", "work-steps", 1, &second), err);
    CHECK(same_files(in_top("timed/model.safetensors"), in_top("steps/model.safetensors")));
}

/* ---- figures ---- */

static void check_figures(void)
{
    CHECK(fabs(wm_bits_per_byte(2, 0.25) - 2 * 0.25 / log(2)) < 1e-15);
    struct wm_train_result result;
    struct wm_shard_set set;
    struct wm_tokenizer *tok;
    options = small_options();
    CHECK_OK(train("figures", "work-figures", 1, &result), err);
    CHECK_OK(wm_shard_set_open(in_top("shards"), WM_VALIDATION, &set, &err), err);
    CHECK_OK(wm_tokenizer_load(in_top("shards"), &tok, &err), err);
    uint64_t bytes = set.n_bytes; /* all text but the first token's, which nothing predicts */
    uint32_t first;
    wm_shard_set_read(&set, 0, 1, &first);
    bytes -= wm_token_bytes(tok, first).len;
    double want = result.validation_nats * (double)(set.n_tokens - 1) / (log(2) * (double)bytes);
    CHECK_(fabs(result.bits_per_byte - want) < 1e-12, "bits per byte %.15g, want %.15g",
           result.bits_per_byte, want);
    CHECK(result.unigram_nats == set.unigram_nats);
    wm_shard_set_close(&set);
    wm_tokenizer_free(tok);
}

static void check_estimate(void)
{
    const struct wm_train_data data = {300, 4999 / 17}, large = {1 << 24, 0};
    struct wm_train_estimate e;
    struct wm_model_config config = wm_model_config_usual(WM_ARCH_GPT2, 2, 2, 24, 17, 300);
    struct wm_team *team;
    struct wm_model *model;
    uint64_t n = 0;
    options = small_options();
    CHECK_OK(wm_train_estimate(&options, &data, &e, &err), err);
    CHECK_OK(wm_team_new(1, &team, &err), err);
    CHECK_OK(wm_model_new(&config, 1, false, team, &model, &err), err);
    for (size_t i = 0; i < model->layout.n; i++)
        n += model->layout.table[i].n;
    CHECK_U64(e.n_params, n);
    wm_model_free(model);
    wm_team_free(team);
    CHECK_U64(e.n_steps, 12);
    CHECK_U64(e.n_tokens, 12 * 5 * 17);
    CHECK(e.flops == e.flops_per_token * (double)e.n_tokens && e.flops > 0);
    CHECK(e.memory > 4 * 4 * e.n_params);
    options.steps = 0;
    options.epochs = 2;
    CHECK_OK(wm_train_estimate(&options, &data, &e, &err), err);
    CHECK_U64(e.n_steps, 2 * (4999 / 17) / 5);
    options.time = 60; /* measured when it runs */
    CHECK_OK(wm_train_estimate(&options, &data, &e, &err), err);
    CHECK(!e.n_steps && !e.n_tokens && e.memory > 0);
    options.time = 0;
    options.layers = 1024;
    options.width = 65536;
    options.heads = 1;
    options.context = 1 << 20;
    CHECK_OK(wm_train_estimate(&options, &large, &e, &err), err);
    CHECK(e.memory > (uint64_t)1 << 42);
}

int main(void)
{
    make_top("train");
    make_shards(in_top("shards"), 60, 300);
    make_shards(in_top("other"), 50, 300);
    if (test_failures) /* no shards, no tests */
        return test_summary();
    check_threads();
    check_stop_anywhere();
    check_stop_always();
    check_stop_at_once();
    check_kill_anywhere();
    check_keeping();
    check_all_options();
    check_data();
    if (!THREADS_SANITIZED)
        check_overfit();
    check_memory();
    check_best();
    check_time();
    check_figures();
    check_estimate();
    remove_top();
    return test_summary();
}
