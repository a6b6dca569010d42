/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of tokens, words and bytes by language, against counting by hand and by encoding. */
#include "bpe_helpers.h"
#include "wetmill/tokenizer_usage.h"

static int add(struct wm_usage *usage, struct wm_str language, struct wm_str text,
               struct wm_error *err)
{
    const struct wm_usage_document document = {.text = text, .language = language};
    return wm_usage_add(usage, &document, 1, err);
}

static void check_by_hand(const struct wm_tokenizer *tok)
{
    struct wm_error err = {0};
    struct wm_usage *usage = NULL;
    size_t n = 0;
    CHECK_OK(wm_usage_new(tok, NULL, &usage, &err), err);
    CHECK_OK(add(usage, WM_STR("fr"), WM_STR("l'\xC3\xA9t\xC3\xA9 \xC2\xA0 bleu\n"), &err), err);
    CHECK_OK(add(usage, WM_STR("en"),
                 WM_STR(" a b\xE2\x80\x83"
                        "c"),
                 &err),
             err);
    CHECK_OK(add(usage, WM_STR("en"), WM_STR(""), &err), err);
    CHECK_OK(add(usage, WM_STR(""), WM_STR("x"), &err), err);
    CHECK_OK(add(usage, WM_STR("a name that is far too long for a language"), WM_STR("y"), &err),
             err);
    const struct wm_usage_language *l = wm_usage_languages(usage, &n);
    CHECK_U64(n, 4);
    CHECK(strcmp(l[0].name, "en") == 0 && strcmp(l[1].name, "fr") == 0);
    CHECK(strcmp(l[2].name, "other") == 0 && strcmp(l[3].name, "unknown") == 0);
    CHECK_U64(l[0].documents, 2);
    CHECK_U64(l[0].bytes, 8);
    CHECK_U64(l[0].words, 3);
    CHECK_U64(l[1].words, 2);
    CHECK_U64(l[1].bytes, 16);
    CHECK_U64(wm_usage_count(usage, UINT32_MAX), 0);
    wm_usage_free(usage);
}

enum { BATCH = 50, N_BATCHES = 60, TEXT = 500 };

static void check_same(const struct wm_tokenizer *tok, const struct wm_usage *a,
                       const struct wm_usage *b)
{
    size_t n, m;
    const struct wm_usage_language *x = wm_usage_languages(a, &n), *y = wm_usage_languages(b, &m);
    CHECK_U64(n, m);
    for (size_t i = 0; i < n && i < m; i++)
        CHECK(strcmp(x[i].name, y[i].name) == 0 && x[i].documents == y[i].documents &&
              x[i].bytes == y[i].bytes && x[i].words == y[i].words && x[i].tokens == y[i].tokens);
    for (uint32_t id = 0; id < wm_tokenizer_size(tok); id++)
        CHECK_U64(wm_usage_count(a, id), wm_usage_count(b, id));
}

/* Tokens of all languages add up to what encoding gives, and to the counts by id; a team changes
 * nothing. */
static void check_sums(const struct wm_tokenizer *tok)
{
    static char texts[BATCH][TEXT], names[BATCH][16];
    struct wm_error err = {0};
    struct wm_usage *usage = NULL, *alone = NULL;
    struct wm_encoder *enc = NULL;
    struct wm_team *team = NULL;
    struct wm_ids ids = {0};
    struct wm_usage_document documents[BATCH];
    uint64_t state = 9, by_language = 0, by_id = 0;
    size_t n = 0;
    CHECK_OK(wm_team_new(3, &team, &err), err);
    CHECK_OK(wm_usage_new(tok, team, &usage, &err), err);
    CHECK_OK(wm_usage_new(tok, NULL, &alone, &err), err);
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    for (int k = 0; k < N_BATCHES; k++) {
        for (int i = 0; i < BATCH; i++) {
            size_t len = random_text(&state, false, texts[i], TEXT);
            int name = snprintf(names[i], sizeof names[i], "l%d", (int)random_below(&state, 1500));
            documents[i].text = (struct wm_str){texts[i], len};
            documents[i].language = (struct wm_str){names[i], (size_t)name};
            CHECK_OK(wm_encode(enc, documents[i].text, 0, &ids, &err), err);
            CHECK_OK(wm_usage_add(alone, &documents[i], 1, &err), err);
        }
        CHECK_OK(wm_usage_add(usage, documents, BATCH, &err), err);
    }
    const struct wm_usage_language *l = wm_usage_languages(usage, &n);
    CHECK_U64(n, WM_USAGE_LANGUAGES + 1); /* more came: "other" */
    for (size_t i = 0; i < n; i++) {
        by_language += l[i].tokens;
        CHECK(i == 0 || strcmp(l[i - 1].name, l[i].name) < 0);
    }
    for (uint32_t id = 0; id < wm_tokenizer_size(tok); id++)
        by_id += wm_usage_count(usage, id);
    CHECK_U64(by_language, ids.n);
    CHECK_U64(by_id, ids.n);
    check_same(tok, usage, alone);
    wm_encoder_free(enc);
    wm_ids_done(&ids);
    wm_usage_free(usage);
    wm_usage_free(alone);
    wm_team_free(team);
}

/* A vocabulary that lacks bytes refuses texts: the first one's error, and none of them counts. */
static void check_error(void)
{
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 50);
    struct wm_error err = {0};
    struct wm_team *team = NULL;
    struct wm_usage *usage = NULL;
    size_t n = 0;
    options.alphabet = WM_ALPHABET_SEEN;
    struct wm_tokenizer *tok = NULL;
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    CHECK_OK(wm_counter_add(counter, WM_STR("abcd abcd"), &err), err);
    CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    wm_counter_free(counter);
    wm_trainer_free(trainer);
    const struct wm_usage_document documents[] = {{.text = WM_STR("abc"), .language = WM_STR("en")},
                                                  {.text = WM_STR("x"), .language = WM_STR("en")},
                                                  {.text = WM_STR("y"), .language = WM_STR("en")}};
    CHECK_OK(wm_team_new(2, &team, &err), err);
    CHECK_OK(wm_usage_new(tok, team, &usage, &err), err);
    CHECK_FAILS(wm_usage_add(usage, documents, 3, &err), WM_E_FORMAT, err, "0x78");
    (void)wm_usage_languages(usage, &n);
    CHECK_U64(n, 0);
    CHECK_OK(wm_usage_add(usage, documents, 1, &err), err);
    CHECK_U64(wm_usage_languages(usage, &n)->documents, 1);
    wm_usage_free(usage);
    wm_team_free(team);
    wm_tokenizer_free(tok);
}

int main(void)
{
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 500);
    struct wm_tokenizer *tok = random_tokenizer(3, &options);
    check_by_hand(tok);
    check_sums(tok);
    check_error();
    wm_tokenizer_free(tok);
    return test_summary();
}
