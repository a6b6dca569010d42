/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens trace to their records in profile ccnet too, through either layout that says where a
 * document is from; and a run's profile reaches source, stages and writer. */
#include "scratch.h"
#include "wetmill/run.h"

/* Pages with a title, other line ends, white space at both ends of lines, and shared lines. */
static void write_pages(const char *path)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 24);
    for (int i = 0; i < 80; i++) {
        CHECK_OK(wm_buf_printf(&buf, &err,
                               "WARC/1.0\r\nWARC-Type: conversion\r\n"
                               "WARC-Target-URI: http://h/%d\r\nWARC-Date: D\r\n"
                               "WARC-Record-ID: <urn:%d>\r\nWARC-Refers-To: x\r\n"
                               "WARC-Block-Digest: sha1:%d\r\nContent-Type: text/plain\r\n"
                               "Content-Length: 100\r\n\r\nTitle %d\n",
                               i, i, i, i),
                 err);
        for (int k = 0; k < 12; k++) {
            int page = k % 4 ? i : 0; /* digits are all alike to dedup, so letters */
            CHECK_OK(wm_buf_printf(&buf, &err, "%sline %c of page %c%c, whatever it says%s%s",
                                   k % 3 ? "" : " \xC2\xA0", 'a' + k, 'a' + page % 26,
                                   'a' + page / 26, k % 5 ? "" : "\t", k % 2 ? "\r" : "\r\n"),
                     err);
        }
        CHECK_OK(wm_buf_add(&buf, "\r\n\r\n", 4, &err), err);
    }
    CHECK_OK(wm_file_store(path, wm_buf_str(&buf), &err), err);
    wm_buf_done(&buf);
}

static void trace(const char *base)
{
    struct wm_tracer *tracer = NULL;
    CHECK_OK(wm_tracer_open(base, NULL, &tracer, &err), err);
    uint64_t n = tracer ? wm_tracer_tokens(tracer) : 0;
    CHECK_(n > 500, "%ju tokens", (uintmax_t)n);
    for (uint64_t at = 0; at < n; at += 1 + n / 400) {
        struct wm_trace found = {0};
        CHECK_OK(wm_tracer_at(tracer, at, &found, &err), err);
        CHECK_(found.equal, "token %ju: the record gives another text", (uintmax_t)at);
        CHECK_STR(found.from.path, WM_STR("pages.wet"));
    }
    wm_tracer_close(tracer);
}

static void test_layout(const char *layout)
{
    char yaml[1024], config[WM_PATH_MAX], out[WM_PATH_MAX], base[WM_PATH_MAX + 64];
    struct wm_run run;
    struct wm_run_result result = {0};
    (void)snprintf(yaml, sizeof yaml,
                   "version: 1\nprofile: ccnet\ninput: {paths: [pages.wet]}\n"
                   "corpus: {stages: [paragraph-dedup, write-jsonl: {%s}]}\n"
                   "tokenizer: {vocabulary: 300}\nshards: {validation_share: 0}\n",
                   layout);
    (void)snprintf(config, sizeof config, "%s", in_top("config.yaml"));
    (void)snprintf(out, sizeof out, "%s", in_top("out"));
    CHECK_OK(wm_file_store(config, wm_str_of(yaml), &err), err);
    CHECK_OK(wm_run_load(config, NULL, 0, &run, &err), err);
    run.options.output = out;
    CHECK_OK(wm_run_execute(&run, WM_STEP_SHARDS, NULL, &result, &err), err);
    wm_run_result_done(&result);
    wm_run_done(&run);
    (void)snprintf(base, sizeof base, "%s/shards/train_00000", out);
    trace(base);
    CHECK_OK(wm_remove_tree(out, &err), err);
}

/* How often `words` stand in the resolved configuration. */
static void check_config(const char *yaml, const char *set, const char *words, unsigned want)
{
    struct wm_run run;
    struct wm_buf text;
    const char *path = in_top("resolved.yaml");
    unsigned n = 0;
    CHECK_OK(wm_file_store(path, wm_str_of(yaml), &err), err);
    wm_buf_init(&text, 1 << 20);
    CHECK_OK(wm_run_load(path, &set, set != NULL, &run, &err), err);
    CHECK_OK(wm_run_print(&run, false, &text, &err), err);
    CHECK_OK(wm_buf_add(&text, "", 1, &err), err);
    for (const char *at = text.ptr; (at = strstr(at, words)) != NULL; at++)
        n++;
    CHECK_(n == want, "\"%s\" %u times, want %u:\n%s", words, n, want, text.ptr);
    wm_buf_done(&text);
    wm_run_done(&run);
}

static void test_inheritance(void)
{
    static const char none[] =
        "version: 1\ninput: {paths: [x]}\ncorpus: {stages: [language: {model: m}]}\n";
    static const char all[] = "version: 1\nprofile: ccnet\ninput: {paths: [x]}\n"
                              "corpus: {stages: [language: {model: m}]}\n";
    static const char some[] = "version: 1\nprofile: ccnet\ninput: {paths: [x], profile: strict}\n"
                               "corpus: {stages: [language: {model: m, profile: strict},"
                               " write-jsonl: {layout: ccnet}]}\n";
    check_config(none, NULL, "profile: strict\n", 4); /* run, input, language, write-jsonl */
    check_config(none, "profile=ccnet", "profile: ccnet\n", 4);
    check_config(all, NULL, "profile: ccnet\n", 4);
    check_config(all, "profile=strict", "profile: strict\n", 4);
    check_config(some, NULL, "profile: strict\n", 2);
    check_config(some, NULL, "profile: ccnet\n", 2);
    check_config(some, "corpus.stages.write-jsonl.profile=strict", "profile: strict\n", 3);
}

int main(void)
{
    make_top("trace-ccnet");
    write_pages(in_top("pages.wet"));
    test_inheritance();
    test_layout("layout: wetmill");
    test_layout("layout: ccnet, provenance: \"yes\"");
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
