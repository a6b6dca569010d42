/* SPDX-License-Identifier: Apache-2.0 */
/* What the system does not give now it may give later: the same command then makes what it would have
 * made at once, and does nothing again while it still cannot. A run's own corpus is read whole. */
#include <sys/stat.h>

#include "run_fixture.h"
#include "scratch.h"

static const char yaml[] = "version: 1\n"
                           "input: {paths: [%s]}\n"
                           "tokenizer: {vocabulary: 280, split: cl100k}\n"
                           "shards: {}\n"
                           "%s";

static void write_documents(const char *name, unsigned first)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 20);
    for (unsigned i = first; i < first + 20; i++)
        CHECK_OK(
            wm_buf_printf(&buf, &err, "{\"text\":\"page %u has words, number %u\"}\n", i, i * 7919),
            err);
    CHECK_OK(wm_file_store(in_top(name), wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

static void write_config(const char *input, const char *corpus)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 16);
    CHECK_OK(wm_buf_printf(&buf, &err, yaml, in_top(input), corpus), err);
    CHECK_OK(wm_file_store(in_top("config.yaml"), wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

static int run(const char *out, struct wm_run_result *ret)
{
    const struct fixture_how how = {.out = out, .jobs = 2};
    *ret = (struct wm_run_result){0};
    return fixture_run(top, &how, ret, &err);
}

/* Both steps ran, or none did; `skipped` places of the input. */
static void check_run(const char *out, bool ran, bool skipped)
{
    struct wm_run_result result;
    CHECK_OK(run(out, &result), err);
    CHECK_(result.ran[WM_STEP_TOKENIZER] == ran && result.ran[WM_STEP_SHARDS] == ran, "%s: %s", out,
           ran ? "did not run" : "ran");
    CHECK_((result.n_skipped > 0) == skipped, "%s: %d skipped", out, (int)result.n_skipped);
    wm_run_result_done(&result);
}

static void check_same(const char *a, const char *b)
{
    struct wm_digest x = {0}, y = {0};
    char name[64];
    (void)snprintf(name, sizeof name, "%s/manifest.json", a);
    CHECK_OK(wm_file_digest(in_top(name), &x, &err), err);
    (void)snprintf(name, sizeof name, "%s/manifest.json", b);
    CHECK_OK(wm_file_digest(in_top(name), &y, &err), err);
    CHECK_(XXH128_isEqual(x.hash, y.hash), "%s is not %s", a, b);
}

static void forbid(const char *name)
{
    CHECK(chmod(in_top(name), 0) == 0);
}

static void permit(const char *name)
{
    CHECK(chmod(in_top(name), 0644) == 0);
}

static void test_some(void)
{
    write_documents("in/a.jsonl", 0);
    write_documents("in/b.jsonl", 20);
    write_config("in", "");
    check_run("want", true, false);
    forbid("in/b.jsonl");
    check_run("out", true, true);
    check_run("out", false, true); /* as little can be read now */
    permit("in/b.jsonl");
    check_run("out", true, false);
    check_same("out", "want");
    check_run("out", false, false);
}

static void test_all(void)
{
    struct wm_run_result result;
    write_documents("alone/a.jsonl", 0);
    write_config("alone", "");
    check_run("want-alone", true, false);
    forbid("alone/a.jsonl");
    for (int i = 0; i < 2; i++) {
        CHECK_FAILS(run("out-alone", &result), WM_E_FORMAT, err,
                    "the only input file cannot be read: ");
        CHECK(strstr(err.what, "alone/a.jsonl: ") && strstr(err.what, "Permission denied"));
        wm_run_result_done(&result);
    }
    permit("alone/a.jsonl");
    check_run("out-alone", true, false);
    check_same("out-alone", "want-alone");
}

static void test_own_corpus(void)
{
    struct wm_run_result result;
    write_config("in", "corpus: {stages: [normalize]}\n");
    check_run("want-corpus", true, false);
    check_run("corpus", true, false);
    for (int all = 0; all < 2; all++) { /* with a second file, and alone */
        CHECK_OK(wm_remove_tree(in_top("corpus/shards"), &err), err);
        if (!all)
            CHECK(link(in_top("in/a.jsonl"), in_top("corpus/corpus/corpus_0001.jsonl")) == 0);
        forbid("corpus/corpus/corpus_0000.jsonl.zst");
        CHECK_FAILS(run("corpus", &result), all ? WM_E_FORMAT : WM_E_CHANGED, err,
                    all ? "the only input file cannot be read" : "not read whole");
        wm_run_result_done(&result);
        CHECK_(strstr(all ? err.what : err.where, "corpus_0000"), "%s: %s", err.where, err.what);
        CHECK(!wm_exists(in_top("corpus/shards")));
        permit("corpus/corpus/corpus_0000.jsonl.zst");
        CHECK_OK(wm_remove(in_top("corpus/corpus/corpus_0001.jsonl"), &err), err);
    }
    CHECK_OK(run("corpus", &result), err);
    CHECK(result.ran[WM_STEP_SHARDS] && !result.ran[WM_STEP_TOKENIZER]);
    wm_run_result_done(&result);
    check_same("corpus", "want-corpus");
}

int main(void)
{
    enum { NOBODY = 65534 };
    const bool is_root = geteuid() == 0; /* who may read everything */
    make_top("/tmp/wetmill-unread");
    if (is_root && (chown(top, NOBODY, NOBODY) || seteuid(NOBODY)))
        SKIP("no place of one's own");
    CHECK_OK(wm_mkdirs(in_top("in"), &err), err);
    CHECK_OK(wm_mkdirs(in_top("alone"), &err), err);
    test_some();
    test_all();
    test_own_corpus();
    CHECK_OK(wm_remove_tree(top, &err), err);
    if (is_root)
        (void)!seteuid(0);
    return test_summary();
}
