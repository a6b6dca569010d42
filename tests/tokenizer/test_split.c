/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of the named patterns and of patterns of one's own: gaps, empty matches, limits. */
#include "bpe_helpers.h"

/* The pieces of `text`, each behind a |. */
static void check_pieces(const char *pattern, const char *text, const char *want)
{
    struct wm_error err = {0};
    struct bpe_pattern *p = NULL;
    struct bpe_splitter *s = NULL;
    struct wm_buf got;
    struct wm_str piece;
    int more;
    wm_buf_init(&got, 1 << 20);
    CHECK_OK(bpe_pattern_new(wm_str_of(pattern), &p, &err), err);
    CHECK_OK(bpe_splitter_new(p, &s, &err), err);
    bpe_split(s, wm_str_of(text));
    while ((more = bpe_next_piece(s, &piece, &err)) > 0) {
        CHECK(piece.len > 0);
        CHECK_OK(wm_buf_add(&got, "|", 1, &err), err);
        CHECK_OK(wm_buf_add(&got, piece.ptr, piece.len, &err), err);
    }
    CHECK_OK(more, err);
    CHECK_STR(wm_buf_str(&got), wm_str_of(want));
    bpe_splitter_free(s);
    bpe_pattern_free(p);
    wm_buf_done(&got);
}

static void test_named(void)
{
    const char *r50k = bpe_named_patterns[WM_SPLIT_R50K];
    const char *cl100k = bpe_named_patterns[WM_SPLIT_CL100K];
    check_pieces(r50k, "", "");
    check_pieces(r50k, "It's 2024,  ok?\n", "|It|'s| 2024|,| | ok|?|\n");
    check_pieces(r50k, "DON'T don't a  ", "|DON|'|T| don|'t| a|  ");
    check_pieces(r50k, "über 漢字 x²", "|über| 漢字| x|²");
    check_pieces(cl100k, "It's 12345,  ok?\n\n x", "|It|'s| |123|45|,| | ok|?\n\n| x");
    check_pieces(cl100k, "DON'T a'ſ 'ſ", "|DON|'T| a|'ſ| '|ſ");
    check_pieces(cl100k, "a\r\n\r\n  b", "|a|\r\n\r\n| | b");
}

static void test_own(void)
{
    check_pieces("[a-z]+", "12ab34cd56", "|12|ab|34|cd|56");
    check_pieces("[a-z]+", "1234", "|1234");
    check_pieces("x*", "abxxc", "|a|b|xx|c");
    check_pieces("(?=b)", "abab", "|a|ba|b");
    check_pieces("漢?", "漢a漢", "|漢|a|漢");
    check_pieces("a\\Kb", "abab", "|a|b|a|b");
    check_pieces("(*NO_JIT)\\w+", "no jit", "|no| |jit");
    check_pieces("(?<=a)b", "ab ab", "|a|b| a|b");
    check_pieces("$", "ab", "|ab");
    check_pieces("\\cs|b", "a\x13 b", "|a|\x13| |b");
}

/* \s is the property White_Space, as for Oniguruma and tiktoken: U+0085 is one, U+180E is none. */
static void test_spaces(void)
{
    check_pieces("\\s+", "a\u180E b", "|a\u180E| |b");
    check_pieces("[^\\s]+", "a\u180Eb \xC2\x85", "|a\u180Eb| \xC2\x85");
    check_pieces("\\S+", "a\u180Eb\u3000c", "|a\u180Eb|\u3000|c");
    check_pieces("\\\\s", "a\\s ", "|a|\\s| ");
    check_pieces("\\Q\\s\\E\\s", "a\\s b", "|a|\\s |b");
    check_pieces(bpe_named_patterns[WM_SPLIT_R50K], "\u180E a", "|\u180E| a");
}

static void test_refused(void)
{
    struct wm_error err = {0};
    struct bpe_pattern *p = NULL;
    CHECK_FAILS(bpe_pattern_new(WM_STR(""), &p, &err), WM_E_CONFIG, err, "empty");
    CHECK_FAILS(bpe_pattern_new(WM_STR("a(b"), &p, &err), WM_E_CONFIG, err, "behind \"a(b\"");
    CHECK_FAILS(bpe_pattern_new(WM_STR("\\C"), &p, &err), WM_E_CONFIG, err, "pattern");
    char *longest = calloc(1, BPE_MAX_PATTERN + 1);
    memset(longest, 'a', BPE_MAX_PATTERN + 1);
    CHECK_FAILS(bpe_pattern_new((struct wm_str){longest, BPE_MAX_PATTERN + 1}, &p, &err),
                WM_E_CONFIG, err, "limit");
    free(longest);
    CHECK(p == NULL);
}

/* A pattern that takes 2^n steps stops with an error instead. */
static void test_hostile(const char *pattern)
{
    struct wm_error err = {0};
    struct bpe_pattern *p = NULL;
    struct bpe_splitter *s = NULL;
    struct wm_str piece;
    char text[64];
    memset(text, 'a', sizeof text);
    memcpy(text + sizeof text - 2, "cb", 2); /* without a b PCRE2 knows better */
    CHECK_OK(bpe_pattern_new(wm_str_of(pattern), &p, &err), err);
    CHECK_OK(bpe_splitter_new(p, &s, &err), err);
    bpe_split(s, (struct wm_str){text, sizeof text});
    CHECK_FAILS(bpe_next_piece(s, &piece, &err), WM_E_LIMIT, err, "split pattern fails at byte 0");
    bpe_splitter_free(s);
    bpe_pattern_free(p);
}

/* Long runs of every kind stay within the limits of the named patterns. */
static void test_long_runs(void)
{
    enum { N = 4 << 20 };
    static const char *const units[] = {" ", "a", "1", "!", "\n", "é", "\xE2\x80\x83", " \n", "'"};
    struct wm_error err = {0};
    char *text = malloc(N);
    for (size_t split = 0; split < 2; split++) {
        struct bpe_pattern *p = NULL;
        struct bpe_splitter *s = NULL;
        CHECK_OK(bpe_pattern_new(wm_str_of(bpe_named_patterns[split]), &p, &err), err);
        CHECK_OK(bpe_splitter_new(p, &s, &err), err);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t len = strlen(units[u]), n = N / len * len, total = 0;
            struct wm_str piece;
            int more;
            for (size_t i = 0; i < n; i++)
                text[i] = units[u][i % len];
            bpe_split(s, (struct wm_str){text, n});
            while ((more = bpe_next_piece(s, &piece, &err)) > 0)
                total += piece.len;
            CHECK_OK(more, err);
            CHECK_U64(total, n);
        }
        bpe_splitter_free(s);
        bpe_pattern_free(p);
    }
    free(text);
}

int main(void)
{
    test_named();
    test_own();
    test_spaces();
    test_refused();
    test_hostile("(a+)+b");
    test_hostile("(*NO_JIT)(a+)+b");
    test_long_runs();
    return test_summary();
}
