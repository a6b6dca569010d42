/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of tokens, words and bytes by language, against counting by hand and by encoding. */
#include "bpe_helpers.h"
#include "wetmill/tokenizer_usage.h"

static void check_by_hand(const struct wm_tokenizer *tok)
{
    struct wm_error err = {0};
    struct wm_usage *usage = NULL;
    size_t n = 0;
    CHECK_OK(wm_usage_new(tok, &usage, &err), err);
    CHECK_OK(wm_usage_add(usage, WM_STR("fr"), WM_STR("l'\xC3\xA9t\xC3\xA9 \xC2\xA0 bleu\n"), &err),
             err);
    CHECK_OK(wm_usage_add(usage, WM_STR("en"),
                          WM_STR(" a b\xE2\x80\x83"
                                 "c"),
                          &err),
             err);
    CHECK_OK(wm_usage_add(usage, WM_STR("en"), WM_STR(""), &err), err);
    CHECK_OK(wm_usage_add(usage, WM_STR(""), WM_STR("x"), &err), err);
    CHECK_OK(wm_usage_add(usage, WM_STR("a name that is far too long for a language"), WM_STR("y"),
                          &err),
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

/* Tokens of all languages add up to what encoding gives, and to the counts by id. */
static void check_sums(const struct wm_tokenizer *tok)
{
    struct wm_error err = {0};
    struct wm_usage *usage = NULL;
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    uint64_t state = 9, by_language = 0, by_id = 0;
    char text[500], name[16];
    size_t n = 0;
    CHECK_OK(wm_usage_new(tok, &usage, &err), err);
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    for (int i = 0; i < 3000; i++) {
        struct wm_str s = {text, random_text(&state, false, text, sizeof text)};
        int len = snprintf(name, sizeof name, "l%d", (int)random_below(&state, 1500));
        CHECK_OK(wm_usage_add(usage, (struct wm_str){name, (size_t)len}, s, &err), err);
        CHECK_OK(wm_encode(enc, s, 0, &ids, &err), err);
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
    wm_encoder_free(enc);
    wm_ids_done(&ids);
    wm_usage_free(usage);
}

int main(void)
{
    struct wm_tokenizer_options options = small_options(WM_SPLIT_CL100K, 500);
    struct wm_tokenizer *tok = random_tokenizer(3, &options);
    check_by_hand(tok);
    check_sums(tok);
    wm_tokenizer_free(tok);
    return test_summary();
}
