/* SPDX-License-Identifier: Apache-2.0 */
/* What a step reads from outside is what its identity speaks of: input, models, recipes and first
 * weights that change between the two are an error, and the same command again is a run like any
 * other. */
#include <stdlib.h>
#include <unistd.h>

#include "test.h"
#include "wetmill/run.h"

static const char yaml[] = "version: 1\n"
                           "input: {paths: [in]}\n"
                           "corpus:\n"
                           "  stages:\n"
                           "    - normalize\n"
                           "    - language: {model: lid.ftz}\n"
                           "tokenizer: {vocabulary: 280, split: cl100k}\n"
                           "shards: {validation_share: 0.2}\n"
                           "train: {layers: 1, heads: 2, width: 16, context: 16, batch: 2,\n"
                           "        steps: 2, warmup: 1}\n";

static const char yaml_elsewhere[] = "version: 1\n"
                                     "input: {paths: [corpus]}\n"
                                     "tokenizer: {vocabulary: 280, split: cl100k}\n"
                                     "shards: {validation_share: 0.2}\n";

static char dir[256];
static struct wm_error err;

static const char *in_dir(const char *name)
{
    static char path[1024];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void copy(const char *from, const char *to)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 64 << 20);
    CHECK_OK(wm_file_load(from, &buf, &err), err);
    CHECK_OK(wm_file_store(in_dir(to), wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

static void write_documents(const char *to, unsigned n)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 20);
    for (unsigned i = 0; i < n; i++)
        CHECK_OK(wm_buf_printf(&buf, &err,
                               "{\"text\":\"The miller grinds %u sacks of corn in the mill, "
                               "and %u in the next one.\",\"url\":\"http://a.example/%u\"}\n",
                               i * 7919, i * 104729, i),
                 err);
    CHECK_OK(wm_file_store(in_dir(to), wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

/* ---- runs, with something that happens as a step begins ---- */

struct event {
    const char *step;
    void (*happen)(void);
};

static void on_step(void *arg, const char *name, const char *state)
{
    const struct event *event = arg;
    if (event->step && strcmp(name, event->step) == 0 && strcmp(state, "runs") == 0)
        event->happen();
}

static int run(const char *config, const char *out_name, const char *set, const struct event *event)
{
    char path[1024], out[1024];
    struct wm_run r;
    struct wm_run_result result = {0};
    struct wm_run_hooks hooks = {.step = on_step, .arg = (void *)(uintptr_t)event};
    const char *const sets[] = {set};
    (void)snprintf(path, sizeof path, "%s/%s", dir, config);
    (void)snprintf(out, sizeof out, "%s/%s", dir, out_name);
    CHECK_OK(wm_run_load(path, sets, set != NULL, &r, &err), err);
    r.options.output = out;
    r.options.jobs = 2;
    int status = wm_run_execute(&r, WM_STEPS - 1, &hooks, &result, &err);
    wm_run_result_done(&result);
    wm_run_done(&r);
    return status;
}

static struct wm_digest manifest_of(const char *out)
{
    struct wm_digest digest = {0};
    char name[300];
    (void)snprintf(name, sizeof name, "%s/manifest.json", out);
    CHECK_OK(wm_file_digest(in_dir(name), &digest, &err), err);
    return digest;
}

static void check_same(const char *a, const char *b)
{
    CHECK(XXH128_isEqual(manifest_of(a).hash, manifest_of(b).hash));
}

/* ---- what may happen ---- */

static void replace_model(void)
{
    copy(WM_SOURCE_DIR "/samples/lid.176.ftz", "lid.ftz");
}

static void add_input(void)
{
    write_documents("in/more.jsonl", 30);
}

static void change_recipe(void)
{
    CHECK_OK(wm_file_store(in_dir("corpus/recipe.json"),
                           WM_STR("{\"recipe\":1,\"input\":{},\"stages\":[]}"), &err),
             err);
}

static void change_first_model(void)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 20);
    CHECK_OK(wm_file_load(in_dir("out/model/config.json"), &buf, &err), err);
    CHECK_OK(wm_buf_add(&buf, "\n", 1, &err), err);
    CHECK_OK(wm_file_store(in_dir("out/model/config.json"), wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

static const struct event nothing;

static void test_model(void)
{
    const struct event event = {"corpus", replace_model};
    CHECK_FAILS(run("config.yaml", "model", NULL, &event), WM_E_BUSY, err, "changed since");
    CHECK(strstr(err.where, "lid.ftz"));
    CHECK_OK(run("config.yaml", "model", NULL, &nothing), err);
    check_same("out", "model");
}

static void test_recipe(void)
{
    const struct event event = {"shards", change_recipe};
    struct wm_digest was[2];
    CHECK_OK(wm_file_store(in_dir("elsewhere.yaml"), wm_str_of(yaml_elsewhere), &err), err);
    CHECK_OK(wm_mkdirs(in_dir("corpus"), &err), err);
    write_documents("corpus/corpus_0000.jsonl", 60);
    CHECK_OK(run("elsewhere.yaml", "carried", NULL, &nothing), err);
    was[0] = manifest_of("carried");
    CHECK_FAILS(run("elsewhere.yaml", "recipe", NULL, &event), WM_E_BUSY, err, "recipe");
    CHECK_OK(run("elsewhere.yaml", "recipe", NULL, &nothing), err);
    was[1] = manifest_of("recipe");
    CHECK(!XXH128_isEqual(was[0].hash, was[1].hash));
    CHECK_OK(run("elsewhere.yaml", "carried", NULL, &nothing), err); /* another recipe now */
    check_same("carried", "recipe");
}

static void test_first_weights(void)
{
    const struct event event = {"train", change_first_model};
    char set[1200];
    (void)snprintf(set, sizeof set, "train.init_from=%s", in_dir("out/model"));
    CHECK_FAILS(run("config.yaml", "first", set, &event), WM_E_BUSY, err, "starts from");
    CHECK_OK(run("config.yaml", "first", set, &nothing), err);
    CHECK_OK(run("config.yaml", "first-alone", set, &nothing), err);
    check_same("first", "first-alone");
}

static void test_input(void)
{
    const struct event event = {"corpus", add_input};
    CHECK_FAILS(run("config.yaml", "input", NULL, &event), WM_E_BUSY, err, "input files");
    CHECK_OK(run("config.yaml", "input", NULL, &nothing), err);
    CHECK_OK(run("config.yaml", "input-alone", NULL, &nothing), err);
    check_same("input", "input-alone");
}

int main(void)
{
    (void)snprintf(dir, sizeof dir, "changed.%ld", (long)getpid());
    CHECK_OK(wm_remove_tree(dir, &err), err);
    CHECK_OK(wm_mkdirs(in_dir("in"), &err), err);
    CHECK_OK(wm_file_store(in_dir("config.yaml"), wm_str_of(yaml), &err), err);
    copy(WM_SOURCE_DIR "/samples/lid.176.ftz", "lid.ftz");
    write_documents("in/a.jsonl", 60);
    CHECK_OK(run("config.yaml", "out", NULL, &nothing), err);
    test_model();
    test_recipe();
    test_first_weights();
    test_input();
    CHECK_OK(wm_remove_tree(dir, &err), err);
    return test_summary();
}
