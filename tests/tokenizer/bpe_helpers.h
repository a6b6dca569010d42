/* SPDX-License-Identifier: Apache-2.0 */
/** @file bpe_helpers.h  Random bytes and small tokenizers for the tests of this folder. */
#ifndef WETMILL_TEST_BPE_HELPERS_H
#define WETMILL_TEST_BPE_HELPERS_H

#include "test.h"
#include "tokenizer/bpe.h"

/** SplitMix64. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static inline size_t random_below(uint64_t *state, size_t n)
{
    return (size_t)(random_next(state) % n);
}

/** Fill `out` [cap] with up to cap bytes of words, blanks, other scripts, and with `wild` also of
 *  broken UTF-8; returns the length. */
static inline size_t random_text(uint64_t *state, bool wild, char *out, size_t cap)
{
    static const char *const parts[] = {"a",
                                        "b",
                                        "ab",
                                        "the",
                                        " the",
                                        "  ",
                                        " ",
                                        "\n",
                                        "\r\n",
                                        "\t",
                                        "'s",
                                        "'LL",
                                        "1",
                                        "234",
                                        "5678",
                                        ".",
                                        "!!!",
                                        "é",
                                        "ß",
                                        "漢字",
                                        "मन",
                                        "😀",
                                        "한국",
                                        "ſ",
                                        "\xC2\xA0",
                                        "<|endoftext|>",
                                        "<|",
                                        "|>",
                                        "aaaaaaaaaaaaaaaa",
                                        "\xE2\x80\x83",
                                        "==",
                                        "//",
                                        "\xC2\x85",
                                        "Ⅷ",
                                        "ǅ",
                                        "ʰ"};
    static const char *const broken[] = {"\xFF", "\x80",         "\xE2\x82", "\xF0\x9F\x98",
                                         "\xC3", "\xED\xA0\x80", "\xC0\xAF", "\xF5\x80\x80\x80"};
    size_t n_parts = sizeof parts / sizeof *parts, n_broken = sizeof broken / sizeof *broken;
    size_t n = 0, want = random_below(state, cap);
    while (n < want) {
        size_t pick = random_below(state, n_parts + (wild ? 8 : 0));
        const char *part = pick < n_parts ? parts[pick] : broken[random_below(state, n_broken)];
        size_t len = strlen(part);
        if (n + len > cap)
            break;
        memcpy(out + n, part, len);
        n += len;
    }
    return n;
}

/** Options for small corpora: no least frequency, no longest token. */
static inline struct wm_tokenizer_options small_options(int split, uint64_t vocabulary)
{
    struct wm_tokenizer_options options = {0};
    wm_options_default(wm_tokenizer_option_table, &options);
    options.split = split;
    options.vocabulary = vocabulary;
    options.min_frequency = 1;
    options.max_token = BPE_MAX_TOKEN;
    return options;
}

/** Train on texts by one counter. */
static inline struct wm_tokenizer *train_on(const struct wm_tokenizer_options *options,
                                            const struct wm_str *texts, size_t n)
{
    struct wm_error err = {0};
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    struct wm_tokenizer *tok = NULL;
    CHECK_OK(wm_trainer_new(options, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    for (size_t i = 0; i < n; i++)
        CHECK_OK(wm_counter_add(counter, texts[i], &err), err);
    CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    wm_counter_free(counter);
    wm_trainer_free(trainer);
    return tok;
}

/** A tokenizer learned from random text. */
static inline struct wm_tokenizer *random_tokenizer(uint64_t seed,
                                                    const struct wm_tokenizer_options *options)
{
    static char text[1 << 16];
    size_t n = random_text(&seed, false, text, sizeof text);
    struct wm_str all = {text, n};
    return train_on(options, &all, 1);
}

/** Both give the same ids for 300 random texts. */
static inline void check_same_ids(const struct wm_tokenizer *a, const struct wm_tokenizer *b)
{
    struct wm_error err = {0};
    struct wm_encoder *enc_a = NULL, *enc_b = NULL;
    struct wm_ids ids_a = {0}, ids_b = {0};
    uint64_t state = 5;
    char text[600];
    CHECK_OK(wm_encoder_new(a, &enc_a, &err), err);
    CHECK_OK(wm_encoder_new(b, &enc_b, &err), err);
    for (unsigned round = 0; round < 300; round++) {
        struct wm_str s = {text, random_text(&state, true, text, sizeof text)};
        ids_a.n = ids_b.n = 0;
        CHECK_OK(wm_encode(enc_a, s, round % 2, &ids_a, &err), err);
        CHECK_OK(wm_encode(enc_b, s, round % 2, &ids_b, &err), err);
        CHECK(ids_a.n == ids_b.n && memcmp(ids_a.ids, ids_b.ids, 4 * ids_a.n) == 0);
    }
    wm_encoder_free(enc_a);
    wm_encoder_free(enc_b);
    wm_ids_done(&ids_a);
    wm_ids_done(&ids_b);
}

#endif /* WETMILL_TEST_BPE_HELPERS_H */
