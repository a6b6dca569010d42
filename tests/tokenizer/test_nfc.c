/* SPDX-License-Identifier: Apache-2.0 */
/* The normaliser: where it stands among the steps of encoding, in training, in files, and what
 * becomes of bytes that are not UTF-8. */
#include "bpe_helpers.h"
#include "tokenizer/nfc.h"
#include "tokenizer/tokenizer_json.h"

static void check_nfc(const char *text, const char *want)
{
    struct wm_error err = {0};
    struct bpe_nfc nfc;
    struct wm_str got = {0};
    bpe_nfc_init(&nfc);
    CHECK_OK(bpe_nfc(&nfc, wm_str_of(text), &got, &err), err);
    CHECK_STR(got, wm_str_of(want));
    CHECK(got.ptr != text || strcmp(text, want) == 0);
    bpe_nfc_done(&nfc);
}

static void test_text(void)
{
    check_nfc("", "");
    check_nfc("plain", "plain");
    check_nfc("é漢", "é漢");
    check_nfc("e\u0301", "é");
    check_nfc("ASCII before e\u0301 and behind", "ASCII before é and behind");
    check_nfc("\u1112\u1161\u11AB", "한");
    check_nfc("\u212B \u0958", "Å \u0915\u093C"); /* K and its nukta stay apart */
    check_nfc("e\u0301\xFF\x80o\u0308\xC3", "é\xFF\x80ö\xC3");
    check_nfc("e\xFF\u0301", "e\xFF\u0301");
}

/* A vocabulary of bytes, a merge for é, and two added tokens, of which one is looked for in text
 * that has been normalised. */
static struct wm_tokenizer *small(bool nfc, const char *name, struct wm_error *err)
{
    struct wm_tokenizer *tok = NULL;
    CHECK_OK(bpe_new(&tok, err), *err);
    for (unsigned b = 0; b < 256; b++) {
        char byte = (char)b;
        CHECK_OK(bpe_put_token(tok, b, (struct wm_str){&byte, 1}, BPE_TOKEN, err), *err);
    }
    CHECK_OK(bpe_put_token(tok, 256, WM_STR("é"), BPE_TOKEN, err), *err);
    CHECK_OK(bpe_put_token(tok, 257, WM_STR("e\u0301!"), BPE_ADDED, err), *err);
    CHECK_OK(bpe_put_token(tok, 258, wm_str_of(name), BPE_ADDED, err), *err);
    CHECK_OK(bpe_index_tokens(tok, err), *err);
    CHECK_OK(bpe_add_merge(tok, 0xC3, 0xA9, 256, err), *err);
    CHECK_OK(bpe_put_added(tok, 257, false, err), *err);
    CHECK_OK(bpe_put_added(tok, 258, true, err), *err);
    CHECK_OK(bpe_set_pattern(tok, wm_str_of(bpe_named_patterns[WM_SPLIT_QWEN2]), err), *err);
    tok->nfc = nfc;
    if (bpe_finish(tok, err)) {
        wm_tokenizer_free(tok);
        return NULL;
    }
    return tok;
}

static void check_ids(const struct wm_tokenizer *tok, const char *text, const uint32_t *want,
                      size_t n)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    CHECK_OK(wm_encode(enc, wm_str_of(text), 0, &ids, &err), err);
    CHECK_(ids.n == n && memcmp(ids.ids, want, n * sizeof *want) == 0, "\"%s\": other ids", text);
    wm_encoder_free(enc);
    wm_ids_done(&ids);
}

static void test_order(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *with = small(true, "é?", &err), *without = small(false, "é?", &err);
    if (!with || !without)
        return;
    /* The first round sees the text as it is: "e\u0301!" is found, "é!" is not. */
    check_ids(with, "e\u0301!", (const uint32_t[]){257}, 1);
    check_ids(with, "é!", (const uint32_t[]){256, '!'}, 2);
    /* The second round sees it normalised: both forms of "é?" are found. */
    check_ids(with, "e\u0301?", (const uint32_t[]){258}, 1);
    check_ids(with, "é?x", (const uint32_t[]){258, 'x'}, 2);
    check_ids(with, "e\u0301", (const uint32_t[]){256}, 1);
    check_ids(with, "e\u0301\xFF", (const uint32_t[]){256, 0xFF}, 2);
    check_ids(without, "e\u0301?", (const uint32_t[]){'e', 0xCC, 0x81, '?'}, 4);
    CHECK(!XXH128_isEqual(wm_tokenizer_identity(with), wm_tokenizer_identity(without)));
    wm_tokenizer_free(with);
    wm_tokenizer_free(without);
    CHECK(small(true, "e\u0301?", &err) == NULL);
    CHECK(err.status == WM_E_FORMAT && strstr(err.what, "not in NFC"));
}

static void test_file(void)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = small(true, "é?", &err), *back = NULL;
    struct wm_buf json;
    wm_buf_init(&json, 1 << 20);
    CHECK_OK(bpe_format_json(tok, &json, &err), err);
    CHECK_OK(wm_buf_add(&json, "", 1, &err), err);
    CHECK(strstr(json.ptr, "\"normalizer\":{\"type\":\"NFC\"}") != NULL);
    CHECK_OK(bpe_parse_json(wm_str_of(json.ptr), &back, &err), err);
    CHECK(back->nfc && XXH128_isEqual(wm_tokenizer_identity(tok), wm_tokenizer_identity(back)));
    wm_tokenizer_free(tok);
    wm_tokenizer_free(back);
    wm_buf_done(&json);
}

/* Both forms of a text train the same tokenizer, by split qwen2; llama3 takes whole tokens. */
static void test_training(void)
{
    struct wm_tokenizer_options options = small_options(WM_SPLIT_QWEN2, 262);
    struct wm_tokenizer *composed = train_on(&options, &WM_STR("éclair éclair café"), 1);
    struct wm_tokenizer *parted = train_on(&options, &WM_STR("e\u0301clair éclair cafe\u0301"), 1);
    CHECK(composed->nfc && !composed->ignore_merges);
    CHECK(XXH128_isEqual(wm_tokenizer_identity(composed), wm_tokenizer_identity(parted)));
    wm_tokenizer_free(composed);
    wm_tokenizer_free(parted);
    options.split = WM_SPLIT_LLAMA3;
    struct wm_tokenizer *llama = train_on(&options, &WM_STR("aab aab 1234"), 1);
    CHECK(!llama->nfc && llama->ignore_merges);
    wm_tokenizer_free(llama);
}

int main(void)
{
    test_text();
    test_order();
    test_file();
    test_training();
    return test_summary();
}
