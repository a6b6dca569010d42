/* SPDX-License-Identifier: Apache-2.0 */
/* A small whole job on the sample crawl, for tests of the run. */
#ifndef WETMILL_TESTS_RUN_FIXTURE_H
#define WETMILL_TESTS_RUN_FIXTURE_H

#include <stdlib.h>
#include <unistd.h>

#include "test.h"
#include "wetmill/run.h"

static const char fixture_yaml[] =
    "version: 1\n"
    "input:\n"
    "  paths: [%s/samples/crawl]\n"
    "corpus:\n"
    "  stages:\n"
    "    - normalize\n"
    "    - length: {min_characters: 200}\n"
    "    - line-repeat\n"
    "    - symbols\n"
    "    - language: {model: %s/samples/lid.176.ftz, languages: [de, es]}\n"
    "    - paragraph-dedup: {keep: first}\n"
    "    - write-jsonl: {file_size: 1 MiB}\n"
    "tokenizer: {vocabulary: 600, split: cl100k}\n"
    "shards: {validation_share: 0.1}\n"
    "train: {layers: 1, heads: 2, width: 32, context: 32, batch: 4,\n"
    "        micro_batch: 2, steps: 6, warmup: 2, validate_every: 3,\n"
    "        validation_tokens: 512, checkpoint_every: 2}\n"
    "sample: {tokens: 8, prompts: [\"Der\", \"El\"]}\n";

/* Make DIR and DIR/config.yaml; returns DIR (static). */
static inline const char *fixture_dir(const char *name)
{
    static char dir[256];
    char path[512];
    struct wm_error err = {0};
    struct wm_buf yaml;
    (void)snprintf(dir, sizeof dir, "%s.%ld", name, (long)getpid());
    wm_buf_init(&yaml, 1 << 16);
    CHECK_OK(wm_remove_tree(dir, &err), err);
    CHECK_OK(wm_mkdirs(dir, &err), err);
    CHECK_OK(wm_buf_printf(&yaml, &err, fixture_yaml, WM_SOURCE_DIR, WM_SOURCE_DIR), err);
    (void)snprintf(path, sizeof path, "%s/config.yaml", dir);
    CHECK_OK(wm_file_store(path, wm_buf_str(&yaml), &err), err);
    wm_buf_done(&yaml);
    return dir;
}

struct fixture_how {
    const char *out;    /* below the fixture's directory */
    const char *set[4]; /* overrides */
    unsigned jobs;
    size_t batch_text, batch_docs;
    bool reverse;
    const struct wm_run_hooks *hooks;
};

/* Run DIR/config.yaml into DIR/out; returns the status, `ret` is to be freed by the caller. */
static inline int fixture_run(const char *dir, const struct fixture_how *how,
                              struct wm_run_result *ret, struct wm_error *err)
{
    char path[512], out[512];
    struct wm_run run;
    size_t n = 0;
    while (n < 4 && how->set[n])
        n++;
    (void)snprintf(path, sizeof path, "%s/config.yaml", dir);
    (void)snprintf(out, sizeof out, "%s/%s", dir, how->out);
    int status = wm_run_load(path, how->set, n, &run, err);
    if (status)
        return status;
    run.options.output = out;
    run.options.jobs = how->jobs;
    run.batch_text = how->batch_text;
    run.batch_docs = how->batch_docs;
    run.reverse = how->reverse;
    status = wm_run_execute(&run, WM_STEPS - 1, how->hooks, ret, err);
    wm_run_done(&run);
    return status;
}

#endif
