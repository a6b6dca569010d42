/* SPDX-License-Identifier: Apache-2.0 */
/* The lines of samples.jsonl; and texts on the way of a training: what generating gives, the same
 * for any number of threads and after any stop, and nothing of the training changes with them. */
#include "trainer/text_samples.h"

#include "train_fixture.h"
#include "trainer/checkpoint.h"
#include "wetmill/cancel.h"

/* ---- lines ---- */

static void check_lines(void)
{
    const struct wm_text_sample given[] = {{3, WM_STR(""), WM_STR("one\ntwo \"three\"")},
                                           {3, WM_STR("A\x01"), WM_STR("")},
                                           {7, WM_STR("\xC3\xA9"), WM_STR("end")}};
    struct wm_text_samples samples, again;
    struct wm_text_sample got = {.step = 0};
    struct wm_arena arena;
    wm_arena_init(&arena, 1 << 20);
    wm_text_samples_init(&samples);
    wm_text_samples_init(&again);
    for (size_t i = 0; i < 3; i++)
        CHECK_OK(wm_text_samples_add(&samples, &given[i], &err), err);
    CHECK_U64(samples.step, 7);
    const struct wm_str lines = wm_buf_str(&samples.lines);
    CHECK_OK(wm_text_samples_restore(&again, lines, 7, &err), err);
    CHECK_STR(wm_buf_str(&again.lines), lines);
    struct wm_str rest = lines;
    for (size_t i = 0; i < 3; i++) {
        CHECK(wm_text_samples_next(&rest, &arena, &got, &err) == 1);
        CHECK_U64(got.step, given[i].step);
        CHECK_STR(got.prompt, given[i].prompt);
        CHECK_STR(got.text, given[i].text);
    }
    CHECK(wm_text_samples_next(&rest, &arena, &got, &err) == 0);
    CHECK_FAILS(wm_text_samples_restore(&again, lines, 6, &err), WM_E_FORMAT, err, "order");
    CHECK_STR(wm_buf_str(&again.lines), lines);
    CHECK_U64(again.step, 7);
    static const char *const bad[] = {
        "{\"step\":1,\"prompt\":\"\",\"text\":\"\"}",       /* no end */
        "{\"step\":1,\"prompt\":\"\"}\n",                   /* no text */
        "{\"step\":0,\"prompt\":\"\",\"text\":\"\"}\n",     /* no step */
        "{\"step\":\"1\",\"prompt\":\"\",\"text\":\"\"}\n", /* no number */
        "{\"step\":2,\"prompt\":\"\",\"text\":\"\"}\n{\"step\":1,\"prompt\":\"\",\"text\":\"\"}\n",
        "\n",
        "[]\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_FAILS(wm_text_samples_restore(&again, wm_str_of(bad[i]), 9, &err), WM_E_FORMAT, err,
                    "");
    CHECK_OK(wm_text_samples_restore(&again, WM_STR(""), 9, &err), err);
    CHECK(again.lines.len == 0 && again.step == 0);
    wm_text_samples_done(&samples);
    wm_text_samples_done(&again);
    wm_arena_done(&arena);
}

/* What has no room changes nothing. */
static void check_full(void)
{
    struct wm_text_samples samples;
    wm_text_samples_init(&samples);
    samples.lines.max = 100;
    const struct wm_text_sample sample = {1, WM_STR(""), WM_STR("twenty bytes of text")};
    CHECK_OK(wm_text_samples_add(&samples, &sample, &err), err);
    const size_t len = samples.lines.len;
    CHECK_FAILS(wm_text_samples_add(&samples, &sample, &err), WM_E_LIMIT, err, "");
    CHECK_U64(samples.lines.len, len);
    wm_text_samples_done(&samples);
}

/* ---- a training ---- */

static struct wm_train_options options;
static const char *prompts[] = {" three four", "", "in\n\x1B[31m"};

struct watcher {
    struct wm_cancel cancel;
    unsigned stop_at, n; /* raise at the stop_at-th line */
    unsigned texts;
    struct wm_buf lines;
};

static void on_line(void *arg, const char *text)
{
    struct watcher *w = arg;
    CHECK_OK(wm_buf_printf(&w->lines, &err, "%s\n", text), err);
    w->texts += strncmp(text, "sample, step ", 13) == 0;
    if (++w->n == w->stop_at)
        wm_cancel_raise(&w->cancel, 2);
}

static int train(const char *out, unsigned threads, struct watcher *w)
{
    char work[64];
    struct wm_train_result result;
    (void)snprintf(work, sizeof work, "work-%s", out);
    struct wm_train_job job = {.options = &options,
                               .shards = in_top("shards"),
                               .out = in_top(out),
                               .work = in_top(work),
                               .threads = threads};
    if (w) {
        job.line = on_line;
        job.arg = w;
        job.cancel = &w->cancel;
        wm_buf_init(&w->lines, 1 << 20);
    }
    const int status = wm_train(&job, &result, &err);
    return status;
}

static int keep(void *arg, struct wm_str text)
{
    return wm_buf_add(arg, text.ptr, text.len, &err);
}

/* The last ones are what the finished model says. */
static void check_last(struct wm_str lines)
{
    struct wm_generator *g = NULL;
    struct wm_text_sample got = {.step = 0};
    struct wm_generate_options o;
    struct wm_arena arena;
    size_t n = 0;
    wm_options_default(wm_generate_option_table, &o);
    o.max_tokens = options.sample_tokens;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_generator_open(in_top("texts"), 1, &g, &err), err);
    while (wm_text_samples_next(&lines, &arena, &got, &err) == 1) {
        CHECK_STR(got.prompt, wm_str_of(prompts[n % 3]));
        CHECK_U64(got.step, n / 3 == 2 ? 12 : (n / 3 + 1) * 5);
        if (got.step == 12) {
            struct wm_buf text;
            wm_buf_init(&text, 1 << 20);
            o.seed = options.seed + n % 3;
            CHECK_OK(wm_generate(g, got.prompt, &o, keep, &text, NULL, &err), err);
            CHECK_STR(got.text, wm_buf_str(&text));
            wm_buf_done(&text);
        }
        n++;
    }
    CHECK_U64(n, 9); /* after steps 5, 10 and 12 */
    wm_generator_close(g);
    wm_arena_done(&arena);
}

static void check_training(void)
{
    struct watcher w = {.stop_at = 0};
    struct wm_buf lines;
    options = small_options();
    options.sample_every = 0;
    CHECK_OK(train("none", 1, NULL), err);
    CHECK(!wm_exists(in_top("none/samples.jsonl")));
    options.sample_every = 5;
    options.sample_tokens = 20;
    options.average = 0.5; /* the averaged weights are those that write, and the result */
    options.sample_prompt = (struct wm_list){prompts, 3};
    CHECK_OK(train("texts", 3, &w), err);
    CHECK_U64(w.texts, 9);
    CHECK(strstr(w.lines.ptr, "sample, step 12:  three four") != NULL);
    CHECK(strstr(w.lines.ptr, "    \\x1B[31m") != NULL);
    CHECK(strchr(w.lines.ptr, '\x1B') == NULL);
    wm_buf_done(&w.lines);
    wm_buf_init(&lines, 1 << 20);
    CHECK_OK(wm_file_load(in_top("texts/samples.jsonl"), &lines, &err), err);
    check_last(wm_buf_str(&lines));
    wm_buf_done(&lines);
    options.sample_every = 0;
    CHECK_OK(train("averaged", 1, NULL), err);
    CHECK(same_files(in_top("averaged/model.safetensors"), in_top("texts/model.safetensors")));
    CHECK(same_files(in_top("averaged/metrics.jsonl"), in_top("texts/metrics.jsonl")));
}

/* Stopped at each line that is said: before steps, before texts, between them. */
static void check_stops(void)
{
    options.sample_every = 5;
    int status = WM_E_CANCELLED;
    for (unsigned stop = 1; status; stop++) {
        struct watcher w = {.stop_at = stop}, on = {.stop_at = 0};
        status = train("stopped", 2, &w);
        if (status)
            CHECK_U64(status, WM_E_CANCELLED);
        CHECK_OK(train("stopped", 1, &on), err);
        CHECK(same_models(in_top("texts"), in_top("stopped")));
        CHECK(same_files(in_top("texts/events.out.tfevents.0.wetmill"),
                         in_top("stopped/events.out.tfevents.0.wetmill")));
        wm_buf_done(&w.lines);
        wm_buf_done(&on.lines);
        CHECK_OK(wm_remove_tree(in_top("stopped"), &err), err);
        CHECK_OK(wm_remove_tree(in_top("work-stopped"), &err), err);
    }
}

static void check_options(void)
{
    static char long_prompt[1 << 15];
    const char *items[] = {long_prompt};
    const struct wm_train_data data = {300, 4999 / 17};
    struct wm_train_estimate with, without;
    CHECK_OK(wm_train_estimate(&options, &data, &with, &err), err);
    options.sample_every = 0;
    CHECK_OK(wm_train_estimate(&options, &data, &without, &err), err);
    CHECK(with.memory > without.memory && with.memory_least > without.memory_least);
    memset(long_prompt, 'a', sizeof long_prompt - 1);
    options.sample_prompt = (struct wm_list){items, 1};
    CHECK_FAILS(wm_train_options_check(&options, &err), WM_E_CONFIG, err, "sample_prompt");
}

int main(void)
{
    check_lines();
    check_full();
    make_top("text_samples");
    make_shards(in_top("shards"), 60, 300);
    if (!test_failures) {
        check_training();
        check_stops();
        check_options();
    }
    remove_top();
    return test_summary();
}
