/* SPDX-License-Identifier: Apache-2.0 */
/* The scores that KenLM gave for recorded sentences, from all of its file formats. */
#include <math.h>

#include "scratch.h"
#include "wetmill/arena.h"
#include "wetmill/json.h"
#include "wetmill/ngram.h"

enum { VECTOR_BYTES = 256 << 20, WORDS = 1 << 16 };

struct vector {
    struct wm_str tokenized;
    double log10, pp;
    uint64_t n, oov;
    size_t n_full;
    double full[WORDS];
    uint64_t matched[WORDS];
    bool unknown[WORDS];
};

static int read_full(struct wm_json *r, struct vector *v)
{
    int more = wm_json_array(r, &err);
    for (v->n_full = 0; !more && (more = wm_json_item(r, &err)) > 0; v->n_full++) {
        size_t i = v->n_full < WORDS ? v->n_full : WORDS - 1;
        if ((more = wm_json_array(r, &err)) != 0 || (more = wm_json_item(r, &err)) < 0 ||
            (more = wm_json_real(r, &v->full[i], &err)) != 0 ||
            (more = wm_json_item(r, &err)) < 0 ||
            (more = wm_json_u64(r, &v->matched[i], &err)) != 0 ||
            (more = wm_json_item(r, &err)) < 0 ||
            (more = wm_json_bool(r, &v->unknown[i], &err)) != 0)
            return more;
        more = wm_json_item(r, &err);
    }
    return more;
}

static int read_vector(struct wm_str line, struct wm_arena *arena, struct vector *v)
{
    struct wm_json r;
    struct wm_str key;
    v->n_full = 0;
    v->tokenized = WM_STR("");
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, &err);
    while (!more && (more = wm_json_key(&r, &key, &err)) > 0) {
        if (wm_str_eq(key, WM_STR("tokenized")))
            more = wm_json_string(&r, &v->tokenized, &err);
        else if (wm_str_eq(key, WM_STR("log10")))
            more = wm_json_real(&r, &v->log10, &err);
        else if (wm_str_eq(key, WM_STR("pp")))
            more = wm_json_real(&r, &v->pp, &err);
        else if (wm_str_eq(key, WM_STR("n")))
            more = wm_json_u64(&r, &v->n, &err);
        else if (wm_str_eq(key, WM_STR("oov")))
            more = wm_json_u64(&r, &v->oov, &err);
        else if (wm_str_eq(key, WM_STR("full_scores")) && wm_json_peek(&r) == WM_JSON_ARRAY)
            more = read_full(&r, v);
        else
            more = wm_json_skip(&r, NULL, &err);
    }
    return more;
}

static size_t words_of(const struct wm_ngram *model, struct wm_str text, uint32_t *words)
{
    size_t n = 0;
    while (text.len && n < WORDS - 1) {
        const char *space = memchr(text.ptr, ' ', text.len);
        size_t len = space ? (size_t)(space - text.ptr) : text.len;
        if (len)
            words[n++] = wm_ngram_word(model, (struct wm_str){text.ptr, len});
        text.ptr += len + (space != NULL);
        text.len -= len + (space != NULL);
    }
    return n;
}

struct run {
    struct wm_ngram *model;
    const char *name;
    bool quantised;
    double worst;
};

static uint32_t words[WORDS];
static float scores[WORDS];
static unsigned char matched[WORDS];
static struct vector v;

/* Codes stand for means of many probabilities; n-grams, words and the way down are the same. */
static void check(struct run *run)
{
    struct wm_ngram_score got = {0};
    double allowed = run->quantised ? 0.2 : 1e-4;
    size_t n = words_of(run->model, v.tokenized, words);
    wm_ngram_score(run->model, words, n, &got, scores, matched);
    double off = fabs(got.log10 - v.log10), pp = pow(10, -got.log10 / (double)(n + 1));
    CHECK_U64(n + 1, v.n);
    CHECK_U64(got.oov, v.oov);
    if (run->quantised) {
        run->worst = fmax(run->worst, off / (double)(n + 1));
        CHECK_(off <= allowed * (double)(n + 1), "%s: log10 %f, want %f", run->name, got.log10,
               v.log10);
    } else {
        run->worst = fmax(run->worst, off);
        CHECK_(off <= allowed, "%s: log10 %f, want %f", run->name, got.log10, v.log10);
        CHECK_(fabs(round(pp * 10) / 10 - v.pp) < 1e-6 * v.pp + 1e-9,
               "%s: perplexity %f, want %.1f", run->name, pp, v.pp);
    }
    CHECK(v.n_full == 0 || v.n_full == n + 1);
    for (size_t i = 0; i < v.n_full && i <= n; i++) {
        CHECK_(fabs((double)scores[i] - v.full[i]) <= (run->quantised ? 1.5 : 1e-6),
               "%s: word %zu scores %f, want %f", run->name, i, (double)scores[i], v.full[i]);
        CHECK_U64(matched[i], v.matched[i]);
        CHECK(v.unknown[i] == (i < n && words[i] == WM_NGRAM_UNKNOWN));
    }
}

static int check_all(struct run *run, struct wm_str lines)
{
    struct wm_arena arena;
    int n = 0;
    wm_arena_init(&arena, VECTOR_BYTES);
    for (; lines.len; n++) {
        wm_arena_reset(&arena);
        CHECK_OK(read_vector(wm_str_line(&lines), &arena, &v), err);
        check(run);
    }
    wm_arena_done(&arena);
    return n;
}

int main(void)
{
    static struct run runs[] = {
        {.name = "en.arpa.gz"},
        {.name = "own"},
        {.name = "en.arpa.bin"},
        {.name = "en.trie.bin"},
        {.name = "en.trie.q8a22.bin", .quantised = true},
    };
    char path[WM_PATH_MAX];
    struct wm_buf file;
    (void)snprintf(path, sizeof path, "%s/lm/lm_scores.jsonl", test_vectors());
    if (!wm_exists(path))
        SKIP("no %s", path);
    wm_buf_init(&file, VECTOR_BYTES);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    make_top("ngram");
    (void)snprintf(path, sizeof path, "%s/lm/en.arpa.gz", test_vectors());
    CHECK_OK(wm_ngram_convert(path, in_top("own"), 0, &err), err);
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        struct run *run = &runs[i];
        if (strcmp(run->name, "own") == 0)
            (void)snprintf(path, sizeof path, "%s", in_top("own"));
        else
            (void)snprintf(path, sizeof path, "%s/lm/%s", test_vectors(), run->name);
        if (!wm_exists(path)) {
            (void)printf("no %s\n", path);
            continue;
        }
        CHECK_OK(wm_ngram_open(path, &run->model, &err), err);
        if (!run->model)
            continue;
        int n = check_all(run, wm_buf_str(&file));
        CHECK(n > 0);
        (void)printf("%-40s %d sentences, worst %.2g%s\n", wm_ngram_format(run->model), n,
                     run->worst, run->quantised ? " a word" : "");
        CHECK_OK(wm_ngram_verify(run->model, &err), err);
        wm_ngram_free(run->model);
    }
    wm_buf_done(&file);
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
