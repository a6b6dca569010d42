/* SPDX-License-Identifier: Apache-2.0 */
/* Training: against a naive trainer, independence of order and number of counters, options. */
#include "bpe_helpers.h"

/* ---- the definition, without any bookkeeping ---- */

struct naive_word {
    uint32_t ids[400];
    size_t n;
};

/* All pairs of neighbours counted anew; the most frequent of at most `max_token` bytes together,
 * then the smallest. */
static uint64_t naive_best(const struct wm_tokenizer *tok, const struct naive_word *words,
                           size_t n_words, uint32_t n_ids, uint64_t max_token, uint64_t *counts,
                           uint32_t *ret_pair)
{
    memset(counts, 0, (size_t)n_ids * n_ids * sizeof *counts);
    for (size_t w = 0; w < n_words; w++)
        for (size_t i = 0; i + 1 < words[w].n; i++)
            counts[(size_t)words[w].ids[i] * n_ids + words[w].ids[i + 1]]++;
    uint64_t best = 0;
    for (uint32_t pair = 0; pair < n_ids * n_ids; pair++) {
        size_t len = wm_token_bytes(tok, pair / n_ids).len + wm_token_bytes(tok, pair % n_ids).len;
        if (counts[pair] > best && len <= max_token) {
            best = counts[pair];
            *ret_pair = pair;
        }
    }
    return best;
}

static void naive_merge(struct naive_word *word, uint32_t left, uint32_t right, uint32_t id)
{
    size_t n = 0;
    for (size_t i = 0; i < word->n; i++) {
        bool here = i + 1 < word->n && word->ids[i] == left && word->ids[i + 1] == right;
        word->ids[n++] = here ? id : word->ids[i];
        i += here;
    }
    word->n = n;
}

static size_t naive_words(const struct wm_tokenizer *tok, struct wm_str text,
                          struct naive_word *words)
{
    struct wm_error err = {0};
    struct bpe_splitter *splitter = NULL;
    struct wm_str piece;
    size_t n = 0;
    CHECK_OK(bpe_splitter_new(tok->pattern, &splitter, &err), err);
    bpe_split(splitter, text);
    while (bpe_next_piece(splitter, &piece, &err) > 0) {
        CHECK(piece.len <= 400);
        words[n].n = piece.len;
        for (size_t i = 0; i < piece.len; i++)
            words[n].ids[i] = tok->byte_ids[(unsigned char)piece.ptr[i]];
        n++;
    }
    bpe_splitter_free(splitter);
    return n;
}

static void check_naive(uint64_t seed, int split, size_t max_len, uint64_t min_frequency,
                        uint64_t max_token, int ties)
{
    enum { MERGES = 60, IDS = 256 + MERGES };
    struct wm_tokenizer_options options = small_options(split, IDS + 1);
    char *text = malloc(max_len);
    struct naive_word *words = malloc(max_len * sizeof *words);
    uint64_t *counts = malloc((size_t)IDS * IDS * sizeof *counts);
    struct wm_str all = {text, random_text(&seed, false, text, max_len)};
    options.min_frequency = min_frequency;
    options.max_token = max_token;
    options.ties = ties;
    struct wm_tokenizer *tok = train_on(&options, &all, 1);
    size_t n_words = naive_words(tok, all, words);
    uint32_t n = 0, pair = 0;
    for (; n < MERGES; n++) {
        uint64_t count = naive_best(tok, words, n_words, IDS, max_token, counts, &pair);
        if (count == 0 || count < min_frequency)
            break;
        uint32_t left = pair / IDS, right = pair % IDS;
        CHECK_(n < tok->n_merges && tok->merges[n].left == left && tok->merges[n].right == right,
               "seed %" PRIu64 ": merge %u differs", seed, n);
        for (size_t w = 0; w < n_words; w++)
            naive_merge(&words[w], left, right, 256 + n);
    }
    CHECK_U64(tok->n_merges, n);
    wm_tokenizer_free(tok);
    free(text);
    free(words);
    free(counts);
}

/* The alphabet: order and extent, and what the numbers of the merges follow from. */
static void check_alphabet(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 257);
    struct wm_str text = WM_STR("b\xC3\xA9\n b b");
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    options.ties = WM_TIES_RAW_BYTE;
    struct wm_tokenizer *tok = train_on(&options, &text, 1);
    for (uint32_t id = 0; id < 256; id++)
        CHECK_U64((unsigned char)wm_token_bytes(tok, id).ptr[0], id);
    wm_tokenizer_free(tok);
    for (options.ties = 0; options.ties < 2; options.ties++) {
        options.alphabet = WM_ALPHABET_SEEN;
        tok = train_on(&options, &text, 1);
        const char *want = options.ties ? "\n b\xA9\xC3" : "b\xA9\xC3\n ";
        for (uint32_t id = 0; id < 5; id++)
            CHECK_STR(wm_token_bytes(tok, id), ((struct wm_str){want + id, 1}));
        CHECK_STR(wm_token_bytes(tok, 5), WM_STR(" b"));
        CHECK(wm_token_is_special(tok, wm_tokenizer_size(tok) - 1));
        CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
        CHECK_OK(wm_encode(enc, text, 0, &ids, &err), err);
        CHECK_FAILS(wm_encode(enc, WM_STR("a"), 0, &ids, &err), WM_E_FORMAT, err, "");
        wm_encoder_free(enc);
        wm_tokenizer_free(tok);
    }
    wm_ids_done(&ids);
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    options.vocabulary = 5;
    CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    CHECK_OK(wm_counter_add(counter, text, &err), err);
    CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    CHECK_FAILS(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), WM_E_CONFIG, err,
                "special tokens are 6");
    wm_counter_free(counter);
    wm_trainer_free(trainer);
}

/* A sample has about its share of documents, another one with another seed, and grows with it. */
static void check_sample(void)
{
    enum { DOCS = 20000 };
    struct wm_error err = {0};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 300);
    struct wm_bpe_trainer *trainers[4] = {0};
    const double shares[4] = {0.25, 0.25, 0.5, 0};
    size_t taken[4] = {0}, both = 0;
    for (size_t t = 0; t < 4; t++) {
        options.sample = shares[t];
        options.seed = t == 1;
        CHECK_OK(wm_trainer_new(&options, &trainers[t], &err), err);
    }
    for (uint32_t i = 0; i < DOCS; i++) {
        char bytes[16];
        struct wm_str text = {bytes, (size_t)snprintf(bytes, sizeof bytes, "%" PRIu32, i)};
        bool takes[4];
        for (size_t t = 0; t < 4; t++)
            taken[t] += takes[t] = wm_trainer_takes(trainers[t], text);
        CHECK(!takes[0] || takes[2]);
        both += takes[0] && takes[1];
    }
    CHECK(taken[0] > DOCS / 5 && taken[0] < DOCS * 3 / 10);
    CHECK(taken[1] > DOCS / 5 && taken[1] < DOCS * 3 / 10);
    CHECK(taken[2] > DOCS * 9 / 20 && taken[2] < DOCS * 11 / 20);
    CHECK(both > DOCS / 20 && both < DOCS / 12);
    CHECK_U64(taken[3], 0);
    for (size_t t = 0; t < 4; t++)
        wm_trainer_free(trainers[t]);
}

/* Runs, where places of a pair overlap. */
static void check_runs(void)
{
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 256 + 4 + 1);
    struct wm_str text = WM_STR("aaaaaaaaaaa aaaaa");
    struct wm_tokenizer *tok = train_on(&options, &text, 1);
    static const char *const want[] = {"aa", "aaaa"};
    for (size_t i = 0; i < 2; i++)
        CHECK_STR(wm_token_bytes(tok, 256 + (uint32_t)i), wm_str_of(want[i]));
    wm_tokenizer_free(tok);
}

/* The same documents, dealt to several counters in several orders. */
static void check_counters(void)
{
    enum { DOCS = 64 };
    struct wm_error err = {0};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 900);
    static char text[DOCS][800];
    struct wm_str docs[DOCS];
    uint64_t state = 99;
    for (size_t i = 0; i < DOCS; i++)
        docs[i] = (struct wm_str){text[i], random_text(&state, true, text[i], sizeof text[i])};
    struct wm_tokenizer *want = train_on(&options, docs, DOCS);
    for (size_t n_counters = 1; n_counters <= 7; n_counters += 3) {
        struct wm_bpe_trainer *trainer = NULL;
        struct wm_counter *counters[7] = {0};
        struct wm_tokenizer *got = NULL;
        struct wm_trainer_stats stats;
        CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
        for (size_t c = 0; c < n_counters; c++)
            CHECK_OK(wm_counter_new(trainer, &counters[c], &err), err);
        for (size_t i = DOCS; i-- > 0;) {
            struct wm_counter *counter = counters[random_below(&state, n_counters)];
            CHECK_OK(wm_counter_add(counter, docs[i], &err), err);
            if (i % 10 == 0)
                CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
        }
        for (size_t c = n_counters; c-- > 0;) {
            CHECK_OK(wm_trainer_fold(trainer, counters[c], &err), err);
            wm_counter_free(counters[c]);
        }
        CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &got, &err), err);
        wm_trainer_stats(trainer, &stats);
        CHECK_U64(stats.documents, DOCS);
        CHECK_U64(stats.merges, got->n_merges);
        CHECK(stats.pieces >= stats.distinct_pieces && stats.distinct_pieces > 0);
        CHECK(XXH128_isEqual(wm_tokenizer_identity(got), wm_tokenizer_identity(want)));
        wm_tokenizer_free(got);
        wm_trainer_free(trainer);
    }
    wm_tokenizer_free(want);
}

static void check_options(void)
{
    struct wm_error err = {0};
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 256);
    CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err, "vocabulary is 256");
    options = small_options(WM_SPLIT_PATTERN, 300);
    CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err, "pattern is not given");
    options.pattern = "(";
    CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err, "behind \"(\"");
    options.pattern = "a";
    options.digits = WM_DIGITS_SINGLE;
    CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err, "digits is single");
    options.digits = WM_DIGITS_PATTERN;
    options.split = WM_SPLIT_R50K;
    CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err, "split is r50k");
    options.pattern = NULL;
    const char *twice[] = {"<s>", "<s>"};
    options.specials = (struct wm_list){twice, 2};
    CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err, "given twice");
    const char *broken[] = {"\xFF"};
    options.specials = (struct wm_list){broken, 1};
    CHECK_FAILS(wm_trainer_new(&options, &trainer, &err), WM_E_CONFIG, err, "not UTF-8");
    CHECK(trainer == NULL);
}

/* Tokens stay within max_token; text never learns the name of a special token. */
static void check_limits(void)
{
    const char *names[] = {"abc"};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 400);
    struct wm_str text = WM_STR("abc abc abc abcabc abcd abcdefghijklmnop abcdefghijklmnop");
    options.specials = (struct wm_list){names, 1};
    options.max_token = 5;
    struct wm_tokenizer *tok = train_on(&options, &text, 1);
    size_t longest = 0;
    for (uint32_t id = 0; id < wm_tokenizer_size(tok); id++) {
        size_t len = wm_token_bytes(tok, id).len;
        longest = len > longest ? len : longest;
        CHECK(wm_token_is_special(tok, id) || !wm_str_eq(wm_token_bytes(tok, id), WM_STR("abc")));
    }
    CHECK_U64(longest, 5);
    wm_tokenizer_free(tok);
}

static int stop(void *arg, uint64_t done, uint64_t wanted)
{
    uint64_t *calls = arg;
    CHECK(done <= wanted);
    return ++*calls == 2;
}

static void check_cancel(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer_options options = small_options(WM_SPLIT_R50K, 1000);
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    struct wm_tokenizer *tok = NULL;
    static char text[1 << 15];
    uint64_t state = 8, calls = 0;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "abcdefgh "[random_below(&state, 9)];
    CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    CHECK_OK(wm_counter_add(counter, (struct wm_str){text, sizeof text}, &err), err);
    CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    CHECK_FAILS(wm_trainer_finish(trainer, stop, &calls, &tok, &err), WM_E_CANCELLED, err,
                "cancelled");
    CHECK_U64(calls, 2);
    CHECK(tok == NULL);
    CHECK_FAILS(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), WM_E_CONFIG, err, "over");
    wm_counter_free(counter);
    wm_trainer_free(trainer);
}

int main(void)
{
    for (uint64_t seed = 1; seed <= 40; seed++)
        check_naive(seed, (int)(seed % 2), 40 << seed % 7, seed % 3,
                    seed % 4 ? BPE_MAX_TOKEN : 2 + seed / 4, (int)(seed / 2 % 2));
    check_runs();
    check_alphabet();
    check_sample();
    check_counters();
    check_options();
    check_limits();
    check_cancel();
    return test_summary();
}
