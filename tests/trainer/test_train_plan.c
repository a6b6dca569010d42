/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of a training before it runs is what it then does: with several sources, from another
 * model's weights, and where not all is known yet. */
#include "train_fixture.h"
#include "trainer/hf_config.h"

static struct wm_train_options options;

static void train(const char *name, struct wm_train_result *ret)
{
    char work[64];
    (void)snprintf(work, sizeof work, "work-%s", name);
    const struct wm_train_job job = {.options = &options,
                                     .shards = in_top("shards"),
                                     .out = in_top(name),
                                     .work = in_top(work),
                                     .threads = 1};
    CHECK_OK(wm_train(&job, ret, &err), err);
}

static struct wm_train_estimate estimate(void)
{
    struct wm_train_data data = {0};
    struct wm_train_estimate e = {0};
    CHECK_OK(wm_train_look(&options, in_top("shards"), 7, &data, &err), err);
    CHECK_OK(wm_train_estimate(&options, &data, &e, &err), err);
    return e;
}

/* As text, ended by NUL; free with wm_buf_done. */
static void explain(struct wm_buf *text)
{
    struct wm_train_data data = {0};
    wm_buf_init(text, 1 << 20);
    CHECK_OK(wm_train_look(&options, in_top("shards"), 7, &data, &err), err);
    CHECK_OK(wm_train_explain(&options, &data, 0, 1, text, &err), err);
    CHECK_OK(wm_buf_add(text, "", 1, &err), err);
}

/* A line of that name ends in `value`. */
static void check_line(const struct wm_buf *text, const char *name, const char *value)
{
    char line[128];
    (void)snprintf(line, sizeof line, "\n  %-40s %10s", name, value);
    CHECK_(strstr(text->ptr, line) != NULL, "no line %s", line + 1);
}

static void check_same(const struct wm_train_estimate *e, const struct wm_train_result *is)
{
    CHECK_U64(e->n_steps, is->n_steps);
    CHECK_U64(e->n_tokens, is->n_tokens);
    CHECK_U64(e->n_params, is->n_params);
}

/* Epochs are of all sources. */
static void check_mix(void)
{
    struct wm_train_result result;
    struct wm_buf text;
    char mix[WM_PATH_MAX], steps[32];
    const char *items[] = {mix};
    options = small_options();
    options.steps = 0;
    options.batch = 40;
    const struct wm_train_estimate alone = estimate();
    (void)snprintf(mix, sizeof mix, "%s=0.5", in_top("other"));
    options.mix = (struct wm_list){items, 1};
    const struct wm_train_estimate both = estimate();
    CHECK(both.n_steps > alone.n_steps);
    train("mixed", &result);
    check_same(&both, &result);
    explain(&text);
    (void)snprintf(steps, sizeof steps, "%u", (unsigned)result.n_steps);
    check_line(&text, "steps", steps);
    check_line(&text, "of them warm-up",
               result.n_steps < 5    ? "0"
               : result.n_steps < 10 ? "1"
                                     : "2");
    CHECK(strstr(text.ptr, "  time, about ") && strstr(text.ptr, " of this machine's "));
    wm_buf_done(&text);
    (void)snprintf(mix, sizeof mix, "%s=0.5", in_top("nothing"));
    CHECK_U64(estimate().n_steps, 0); /* not known */
}

/* config.json of `from` with 64 ids more, in a directory of its own. */
static void make_larger(const char *from, const char *to)
{
    char text[4096], words[32], path[WM_PATH_MAX];
    struct wm_buf file;
    struct wm_hf_config hf;
    CHECK_OK(wm_hf_config_read(from, &hf, &err), err);
    wm_buf_init(&file, sizeof text);
    CHECK_OK(wm_path_join(path, from, "config.json", &err), err);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    CHECK_OK(wm_buf_add(&file, "", 1, &err), err);
    (void)snprintf(words, sizeof words, "\"vocab_size\": %u", hf.model.vocabulary);
    const char *at = strstr(file.ptr, words);
    CHECK_(at != NULL, "%s", file.ptr);
    if (at)
        (void)snprintf(text, sizeof text, "%.*s\"vocab_size\": %u%s", (int)(at - file.ptr),
                       file.ptr, hf.model.vocabulary + 64, at + strlen(words));
    wm_buf_done(&file);
    CHECK_OK(wm_mkdirs(to, &err), err);
    CHECK_OK(wm_path_join(path, to, "config.json", &err), err);
    CHECK_OK(wm_file_store(path, wm_str_of(text), &err), err);
}

/* The model is the other one's, with all its ids. */
static void check_init_from(void)
{
    struct wm_train_result first, second;
    struct wm_train_data data = {0};
    struct wm_train_estimate e;
    struct wm_buf text;
    char from[WM_PATH_MAX], larger[WM_PATH_MAX];
    options = small_options();
    const struct wm_train_estimate plain = estimate();
    train("first", &first);
    check_same(&plain, &first);
    (void)snprintf(from, sizeof from, "%s", in_top("first"));
    (void)snprintf(larger, sizeof larger, "%s", in_top("larger"));
    options.init_from = from;
    train("second", &second);
    e = estimate();
    check_same(&e, &second);
    make_larger(from, larger);
    options.init_from = larger;
    e = estimate();
    CHECK_U64(e.n_params, plain.n_params + 64 * options.width);
    CHECK(e.memory > plain.memory && e.flops > plain.flops);
    char parameters[64];
    (void)snprintf(parameters, sizeof parameters, ": %u parameters", (unsigned)e.n_params);
    explain(&text);
    for (char *at = text.ptr, *to = text.ptr; (*to = *at); at++)
        to += *at != ','; /* counts are grouped */
    CHECK_(strstr(text.ptr, parameters) != NULL, "no \"%s\" in: %.60s", parameters, text.ptr);
    wm_buf_done(&text);
    /* no shards yet: a vocabulary that is planned does not bind the model */
    CHECK_OK(wm_train_look(&options, in_top("nothing"), 50000, &data, &err), err);
    CHECK(data.vocabulary == 50000 && data.n_windows == 0);
    CHECK_OK(wm_train_estimate(&options, &data, &e, &err), err);
    CHECK_U64(e.n_params, plain.n_params + 64 * options.width);
    options.architecture = WM_ARCH_LLAMA;
    CHECK_FAILS(wm_train_estimate(&options, &data, &e, &err), WM_E_MISMATCH, err, "is a gpt2");
}

int main(void)
{
    make_top("train-plan");
    make_shards(in_top("shards"), 60, 300);
    make_shards(in_top("other"), 50, 300);
    if (test_failures)
        return test_summary();
    check_mix();
    check_init_from();
    remove_top();
    return test_summary();
}
