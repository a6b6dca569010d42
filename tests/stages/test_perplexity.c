/* SPDX-License-Identifier: Apache-2.0 */
/* perplexity: recorded pages and lines get the perplexities CCNet's programs gave them. */
#include <math.h>

#include "labelled.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

static struct wm_error err;

struct vector {
    struct wm_str text;
    double log10, n, perplexity;
};

static int read_vector(struct wm_str line, struct wm_arena *arena, struct vector *v)
{
    struct wm_json r;
    struct wm_str key;
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, &err);
    while (!more && (more = wm_json_key(&r, &key, &err)) > 0) {
        if (wm_str_eq(key, WM_STR("in")))
            more = wm_json_string(&r, &v->text, &err);
        else if (wm_str_eq(key, WM_STR("pp")))
            more = wm_json_real(&r, &v->perplexity, &err);
        else
            more = wm_json_skip(&r, NULL, &err);
    }
    return more;
}

static double perplexity_of(struct fixture *f, struct wm_str text)
{
    CHECK_KEPT(f, text);
    int slot = wm_schema_slot(&f->chain.schema, "perplexity");
    if (!f->batch.n_docs || !wm_doc_has(&f->batch.docs[0], slot))
        return -1;
    return f->batch.docs[0].values[slot].real;
}

static void open_with(struct fixture *f, const char *lm, const char *profile)
{
    char settings[2 * WM_PATH_MAX];
    (void)snprintf(settings, sizeof settings,
                   "lm=%s/lm/%s;sentencepiece=%s/lm/en.sp.model;profile=%s", test_vectors(), lm,
                   test_vectors(), profile);
    labelled_init(f, &label_language);
    fixture_add(f, "perplexity", settings);
    CHECK_OK(fixture_open(f), f->err);
    label.language = WM_STR("en");
}

static void test_recorded(const char *lm, struct wm_str vectors)
{
    struct fixture f;
    struct wm_arena arena;
    size_t n = 0;
    wm_arena_init(&arena, 64 << 20);
    open_with(&f, lm, "ccnet");
    for (struct wm_str rest = vectors; rest.len;) {
        struct wm_str line = wm_str_line(&rest);
        struct vector v = {.perplexity = -1};
        if (!line.len)
            continue;
        wm_arena_reset(&arena);
        CHECK_OK(read_vector(line, &arena, &v), err);
        double got = perplexity_of(&f, v.text);
        CHECK_(got == v.perplexity, "%s: %.17g, want %.17g: %.*s", lm, got, v.perplexity,
               (int)(line.len < 200 ? line.len : 200), line.ptr);
        n++;
    }
    CHECK(n > 0);
    fixture_done(&f);
    wm_arena_done(&arena);
}

/* strict keeps words apart that a newline parts, and the digits behind the point. */
static void test_strict(void)
{
    struct fixture f;
    open_with(&f, "en.arpa.bin", "strict");
    double lines = perplexity_of(&f, WM_STR("the city\nof the town")),
           spaces = perplexity_of(&f, WM_STR("the city of the town"));
    CHECK(lines == spaces && lines > 1);
    CHECK(lines != round(lines * 10) / 10);
    label.language = WM_STR("de");
    CHECK(perplexity_of(&f, WM_STR("the city")) < 0);
    label.language = (struct wm_str){0};
    CHECK(perplexity_of(&f, WM_STR("the city")) < 0);
    fixture_done(&f);
    open_with(&f, "en.arpa.bin", "ccnet");
    CHECK(perplexity_of(&f, WM_STR("the city\nof the town")) ==
          perplexity_of(&f, WM_STR("the cityof the town")));
    fixture_done(&f);
}

/* A digit of the Kawi script is 0, like any other, from Unicode 15.0 on. */
static void test_unicode(void)
{
    static const char *const profiles[] = {"strict", "strict;unicode=14.0", "strict;unicode=15.0"};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        open_with(&f, "en.arpa.bin", profiles[i]);
        double kawi = perplexity_of(&f, WM_STR("the year \U00011F52 of the city")),
               zero = perplexity_of(&f, WM_STR("the year 0 of the city"));
        CHECK_((kawi == zero) == (i == 2), "%s: %g, %g", profiles[i], kawi, zero);
        fixture_done(&f);
    }
}

static void check_refused(const char *settings, const char *words)
{
    struct fixture f;
    labelled_init(&f, &label_language);
    fixture_add(&f, "perplexity", settings);
    CHECK(fixture_open(&f) < 0);
    CHECK_(strstr(f.err.what, words), "\"%s\" lacks \"%s\"", f.err.what, words);
    fixture_done(&f);
}

int main(void)
{
    char path[WM_PATH_MAX];
    struct wm_buf buf;
    check_refused("lm=a/en.arpa;sentencepiece=b/de.model", "no counterpart in sentencepiece");
    check_refused("lm=a/en.arpa;sentencepiece=b/en.model,b/de.model", "no counterpart in lm");
    check_refused("lm=a/en.arpa,b/en.bin;sentencepiece=b/en.model", "two models are called en");
    CHECK_OK(wm_path_join(path, test_vectors(), "lm/lm_scores.jsonl", &err), err);
    if (!wm_exists(path))
        SKIP("no %s", path);
    wm_buf_init(&buf, 256 << 20);
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    test_recorded("en.arpa.bin", wm_buf_str(&buf));
    test_recorded("en.trie.bin", wm_buf_str(&buf));
    test_strict();
    test_unicode();
    wm_buf_done(&buf);
    return test_summary();
}
