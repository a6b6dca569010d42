/* SPDX-License-Identifier: Apache-2.0 */
/* bucket: CCNet's own cutoffs, recorded buckets, tables from files. */
#include "labelled.h"
#include "scratch.h"
#include "stages/cutoffs.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

static struct wm_str bucket_of(struct fixture *f, const char *language, double perplexity)
{
    label.language = wm_str_of(language);
    label.perplexity = perplexity;
    CHECK_KEPT(f, WM_STR("A page."));
    int slot = wm_schema_slot(&f->chain.schema, "bucket");
    if (!f->batch.n_docs || !wm_doc_has(&f->batch.docs[0], slot))
        return WM_STR("none");
    return f->batch.docs[0].values[slot].text;
}

static void open_with(struct fixture *f, const char *settings)
{
    labelled_init(f, &label_both);
    fixture_add(f, "bucket", settings);
    CHECK_OK(fixture_open(f), f->err);
}

static void test_built_in(void)
{
    struct fixture f;
    open_with(&f, NULL);
    CHECK_STR(bucket_of(&f, "en", 0), WM_STR("head"));
    CHECK_STR(bucket_of(&f, "en", 339.9), WM_STR("head"));
    CHECK_STR(bucket_of(&f, "en", 340), WM_STR("middle"));
    CHECK_STR(bucket_of(&f, "en", 519.999), WM_STR("middle"));
    CHECK_STR(bucket_of(&f, "en", 520), WM_STR("tail"));
    CHECK_STR(bucket_of(&f, "zh", 1459), WM_STR("head"));
    CHECK_STR(bucket_of(&f, "xx", 1), WM_STR("all"));
    CHECK_STR(bucket_of(&f, "", 1), WM_STR("all"));
    CHECK_STR(bucket_of(&f, "en", -1), WM_STR("all"));
    fixture_done(&f);
}

static void test_keep(void)
{
    struct fixture f;
    open_with(&f, "keep=head,middle");
    CHECK_STR(bucket_of(&f, "en", 1), WM_STR("head"));
    label.perplexity = 9999;
    CHECK_DROPPED(&f, WM_STR("A page."), "unwanted-bucket");
    label.language = WM_STR("xx");
    CHECK_DROPPED(&f, WM_STR("A page."), "unwanted-bucket");
    fixture_done(&f);
}

static void test_file(void)
{
    struct fixture f;
    char settings[2 * WM_PATH_MAX];
    const char *path = in_top("cutoffs.csv");
    CHECK_OK(
        wm_file_store(path, WM_STR("percentile,en, x-y ,de\r\n10,5,,7.5\r\n90,50,,70\n"), &err),
        err);
    (void)snprintf(settings, sizeof settings, "head=10;tail=90;cutoffs=%s", path);
    open_with(&f, settings);
    CHECK_STR(bucket_of(&f, "de", 7.4), WM_STR("head"));
    CHECK_STR(bucket_of(&f, "de", 7.5), WM_STR("middle"));
    CHECK_STR(bucket_of(&f, "en", 50), WM_STR("tail"));
    CHECK_STR(bucket_of(&f, "x-y", 50), WM_STR("all"));
    CHECK_STR(bucket_of(&f, "fr", 50), WM_STR("all"));
    fixture_done(&f);
}

/* Open with settings that are wrong. */
static void check_refused(const char *settings, const char *words)
{
    struct fixture f;
    labelled_init(&f, &label_both);
    fixture_add(&f, "bucket", settings);
    CHECK(fixture_open(&f) < 0);
    CHECK_(strstr(f.err.what, words), "\"%s\" lacks \"%s\"", f.err.what, words);
    fixture_done(&f);
}

static void check_csv(const char *csv, const char *words)
{
    struct wm_cutoffs cutoffs;
    struct wm_arena arena;
    wm_arena_init(&arena, 1 << 20);
    CHECK(wm_cutoffs_parse(wm_str_of(csv), 30, 60, &arena, &cutoffs, &err) == WM_E_FORMAT);
    CHECK_(strstr(err.what, words), "\"%s\" lacks \"%s\"", err.what, words);
    wm_arena_done(&arena);
}

static void test_errors(void)
{
    check_refused("keep=heads", "no bucket \"heads\"");
    check_refused("head=20", "only percentiles 30 and 60");
    check_refused("head=70", "head 70 is over tail 60");
    check_refused("cutoffs=/nonexistent/cutoffs.csv", "");
    check_csv("", "line 1 names 0 languages");
    check_csv("percentile", "line 1 names 0 languages");
    check_csv("p,en\n30,1\n", "no row for percentile 60");
    check_csv("p,en\n60,1\n", "no row for percentile 30");
    check_csv("p,en\nx,1\n", "line 2 does not start with a percentile");
    check_csv("p,en\n30,1\n101,1\n", "line 3 does not start with a percentile");
    check_csv("p,en\n30,one\n", "line 2: cell 2 is no number");
    check_csv("p,en\n30,1,2\n", "line 2: cell 3 is under no language");
    check_csv("p,en,de\n30,1\n", "line 2 has 1 values for 2 languages");
    check_csv("p,en,en\n30,1,2\n60,2,3\n", "names a language twice");
}

static void check_vector(struct fixture *f, struct wm_str line, struct wm_arena *arena)
{
    struct wm_json r;
    struct wm_str key, language = {0}, want = {0};
    double perplexity = -1;
    wm_arena_reset(arena);
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, &err);
    while (!more && (more = wm_json_key(&r, &key, &err)) > 0) {
        if (wm_str_eq(key, WM_STR("language")))
            more = wm_json_string(&r, &language, &err);
        else if (wm_str_eq(key, WM_STR("perplexity")))
            more = wm_json_real(&r, &perplexity, &err);
        else if (wm_str_eq(key, WM_STR("bucket")))
            more = wm_json_string(&r, &want, &err);
        else
            more = wm_json_skip(&r, NULL, &err);
    }
    CHECK_OK(more, err);
    struct wm_str got = bucket_of(f, wm_arena_cstr(arena, language), perplexity);
    CHECK_(wm_str_eq(got, want), "%.*s", (int)line.len, line.ptr);
}

static void test_vectors_of_buckets(void)
{
    struct fixture f;
    struct wm_buf buf;
    struct wm_arena arena;
    char path[WM_PATH_MAX];
    CHECK_OK(wm_path_join(path, test_vectors(), "lm/buckets.jsonl", &err), err);
    if (!wm_exists(path)) {
        (void)printf("no %s: recorded buckets are not compared\n", path);
        return;
    }
    wm_arena_init(&arena, 16 << 20);
    wm_buf_init(&buf, 256 << 20);
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    open_with(&f, NULL);
    for (struct wm_str rest = wm_buf_str(&buf); rest.len;) {
        struct wm_str line = wm_str_line(&rest);
        if (line.len)
            check_vector(&f, line, &arena);
    }
    fixture_done(&f);
    wm_buf_done(&buf);
    wm_arena_done(&arena);
}

int main(void)
{
    make_top("bucket");
    test_built_in();
    test_keep();
    test_file();
    test_errors();
    test_vectors_of_buckets();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
