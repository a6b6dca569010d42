/* SPDX-License-Identifier: Apache-2.0 */
/* Training by weights: as if documents stood there so many times, in memory and out of it, however
 * they are dealt out; rounding; what a rule is and which file it is for. */
#include <stdlib.h>

#include "bpe_helpers.h"
#include "tokenizer/weights.h"

static struct wm_error err;

enum { DOCS = 600, DOC_MAX = 400, CORPORA = 3, VOCABULARY = 400 };

static char bytes[DOCS][DOC_MAX];
static struct wm_str docs[DOCS];

/* Words, many of them distinct; each corpus prefers other letters. */
static void make_docs(void)
{
    uint64_t state = 11;
    for (size_t i = 0; i < DOCS; i++) {
        size_t n = 0, letters = 4 + 5 * (i % CORPORA);
        while (n + 12 < DOC_MAX) {
            bytes[i][n++] = ' ';
            for (size_t k = 1 + random_below(&state, 8); k > 0; k--)
                bytes[i][n++] = (char)('a' + random_below(&state, letters));
        }
        docs[i] = (struct wm_str){bytes[i], n};
    }
}

static const char *const paths[CORPORA] = {"data/wiki/a.jsonl", "data/code.jsonl", "rest.txt"};

struct dealing {
    size_t n_counters;
    bool backwards;
    uint64_t memory;
};

/* Document i is of paths[i % CORPORA], and counted times[i % CORPORA] times by itself. */
static struct wm_tokenizer *train(const struct wm_tokenizer_options *base, const unsigned *times,
                                  const struct dealing *dealing, struct wm_trainer_stats *stats)
{
    struct wm_tokenizer_options options = *base;
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counters[4] = {0};
    struct wm_tokenizer *tok = NULL;
    options.memory = dealing->memory;
    options.n_counters = (unsigned)dealing->n_counters;
    CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
    for (size_t c = 0; c < dealing->n_counters; c++)
        CHECK_OK(wm_counter_new(trainer, &counters[c], &err), err);
    for (size_t i = 0; i < DOCS; i++) {
        size_t doc = dealing->backwards ? DOCS - 1 - i : i, corpus = doc % CORPORA;
        struct wm_counter *counter = counters[i % dealing->n_counters];
        wm_counter_weigh(counter, wm_trainer_weight(trainer, paths[corpus], NULL));
        for (unsigned t = 0; t < times[corpus]; t++)
            CHECK_OK(wm_counter_add(counter, docs[doc], &err), err);
        if (i % 50 == 0)
            CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    }
    for (size_t c = 0; c < dealing->n_counters; c++) {
        CHECK_OK(wm_trainer_fold(trainer, counters[c], &err), err);
        wm_counter_free(counters[c]);
    }
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    wm_trainer_stats(trainer, stats);
    wm_trainer_free(trainer);
    return tok;
}

static const struct dealing dealings[] = {
    {1, false, 0}, {3, true, 0}, {2, true, 2 << 20}, {4, false, 2 << 20}};

/* `times` without weights and `rules` with every document once come to the same. */
static void check_equal(const unsigned *times, const char *const *rules, size_t n_rules)
{
    static const unsigned once[CORPORA] = {1, 1, 1};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, VOCABULARY);
    struct wm_trainer_stats stats, want_stats;
    struct wm_tokenizer *want = train(&options, times, &dealings[0], &want_stats);
    const char *items[8];
    memcpy(items, rules, n_rules * sizeof *rules);
    options.weights = (struct wm_list){items, n_rules};
    for (size_t i = 0; i < sizeof dealings / sizeof *dealings; i++) {
        struct wm_tokenizer *got = train(&options, once, &dealings[i], &stats);
        CHECK(XXH128_isEqual(wm_tokenizer_identity(got), wm_tokenizer_identity(want)));
        CHECK_U64(stats.distinct_pieces, want_stats.distinct_pieces);
        CHECK((stats.spilled > 0) == (dealings[i].memory > 0));
        wm_tokenizer_free(got);
    }
    wm_tokenizer_free(want);
}

static void check_multiples(void)
{
    check_equal((const unsigned[]){3, 1, 2}, (const char *const[]){"wiki/*=3", "rest.txt=2"}, 2);
    check_equal((const unsigned[]){1, 0, 5}, (const char *const[]){"code*=0", "rest*=5"}, 2);
    check_equal((const unsigned[]){1, 1, 1}, (const char *const[]){"*=1.000"}, 1);
    check_equal((const unsigned[]){1, 7, 1}, (const char *const[]){"code.jsonl=7", "*=1"}, 2);
}

/* Σ weight · occurrences is rounded once: three halves of a word are two, one half is one, four
 * tenths are none. */
static void check_rounding(void)
{
    const struct {
        uint64_t sum, unit, want;
    } cases[] = {{0, 1, 0},
                 {7, 1, 7},
                 {1, 2, 1},
                 {3, 2, 2},
                 {2, 5, 0},
                 {3, 5, 1},
                 {499, 1000, 0},
                 {500, 1000, 1},
                 {UINT64_MAX, 1, UINT64_MAX},
                 {UINT64_MAX, 1000, UINT64_MAX / 1000 + 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_U64(bpe_weight_round(cases[i].sum, cases[i].unit), cases[i].want);

    static const char *const words[] = {" ab", " cd", " ef", " cd", " cd", " ab", " ab", " ab"};
    const char *rules[] = {"*=0.4"}; /* ab 1.6, cd 1.2, ef 0.4 */
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 256 + 10 + 1);
    options.weights = (struct wm_list){rules, 1};
    for (int spilled = 0; spilled < 2; spilled++) {
        struct wm_bpe_trainer *trainer = NULL;
        struct wm_counter *counter = NULL;
        struct wm_tokenizer *tok = NULL;
        struct wm_trainer_stats stats;
        options.merge_memory = spilled ? 2 << 20 : 0;
        CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
        CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
        wm_counter_weigh(counter, wm_trainer_weight(trainer, "x", NULL));
        for (size_t i = 0; i < sizeof words / sizeof *words; i++)
            CHECK_OK(wm_counter_add(counter, wm_str_of(words[i]), &err), err);
        CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
        CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
        wm_trainer_stats(trainer, &stats);
        CHECK_U64(stats.pieces, 8);
        CHECK_U64(stats.distinct_pieces, 2);
        CHECK_U64(stats.merges, 4); /* of ab, which is 2, before cd, which is 1; none of ef */
        CHECK_STR(wm_token_bytes(tok, 257), WM_STR(" ab"));
        CHECK_STR(wm_token_bytes(tok, 259), WM_STR(" cd"));
        wm_counter_free(counter);
        wm_tokenizer_free(tok);
        wm_trainer_free(trainer);
    }
}

static void check_refused(void)
{
    static const char *const wrong[] = {
        "wiki", "=2",   "a=",   "a=-1", "a=1.2345", "a=1001",     "a=1e3",
        "a=.",  "a=1.", "a=2x", "a= 2", "a=0x10",   "a=1000.001", "a=99999999999999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 300);
        struct wm_bpe_trainer *trainer = NULL;
        const char *items[] = {"a=1", wrong[i]};
        options.weights = (struct wm_list){items, 2};
        CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err, wrong[i]);
    }
}

/* A sum over 2^64 is an error. */
static void check_overflow(void)
{
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 300);
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    wm_counter_weigh(counter, UINT64_MAX - 1);
    CHECK_OK(wm_counter_add(counter, WM_STR("ab"), &err), err);
    wm_counter_weigh(counter, 2);
    CHECK_FAILS(wm_counter_add(counter, WM_STR("ab"), &err), WM_E_LIMIT, err, "2^64");
    wm_counter_free(counter);
    wm_trainer_free(trainer);
}

static void check_files(void)
{
    const char *items[] = {"a=b/*.txt=2", "wiki/*=0.25", "/top/*=4", "exact=0.5", "?=1000"};
    struct wm_list list = {items, 5};
    const struct {
        const char *path;
        size_t rule;
        uint64_t weight; /* of which 4 are 1: 0.25 and 0.5 have that in common */
    } cases[] = {{"x/a=b/c.txt", 0, 8},
                 {"wiki/en.jsonl", 1, 1},
                 {"/data/wiki/en/0.jsonl", 1, 1},
                 {"mywiki/en", 5, 4},
                 {"/top/a/b", 2, 16},
                 {"x/top/aa", 5, 4},
                 {"exact", 3, 2},
                 {"d/exact", 3, 2},
                 {"exactly", 5, 4},
                 {"-", 4, 4000},
                 {"", 5, 4}};
    struct bpe_weights weights;
    struct wm_arena arena;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(bpe_weights_init(&weights, &list, &arena, &err), err);
    CHECK_U64(weights.unit, 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t rule;
        CHECK_U64(bpe_weight_of(&weights, cases[i].path, &rule), cases[i].weight);
        CHECK_U64(rule, cases[i].rule);
    }
    wm_arena_done(&arena);
}

int main(void)
{
    make_docs();
    check_multiples();
    check_rounding();
    check_refused();
    check_overflow();
    check_files();
    return test_summary();
}
