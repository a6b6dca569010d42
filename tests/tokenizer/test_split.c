/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces of the named patterns and of patterns of one's own: gaps, empty matches, limits. */
#include "bpe_helpers.h"

typedef int new_pattern(struct wm_str text, struct bpe_pattern **ret, struct wm_error *err);

static void check_pieces_of(new_pattern *make, const char *pattern, const char *text,
                            const char *want)
{
    struct wm_error err = {0};
    struct bpe_pattern *p = NULL;
    struct bpe_splitter *s = NULL;
    struct wm_buf got;
    struct wm_str piece;
    int more;
    wm_buf_init(&got, 1 << 20);
    CHECK_OK(make(wm_str_of(pattern), &p, &err), err);
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

/* The pieces of `text`, each behind a |; by a scanner, where there is one, and by PCRE2. */
static void check_pieces(const char *pattern, const char *text, const char *want)
{
    check_pieces_of(bpe_pattern_new, pattern, text, want);
    check_pieces_of(bpe_pattern_new_pcre, pattern, text, want);
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
    const char *o200k = bpe_named_patterns[WM_SPLIT_O200K];
    check_pieces(o200k, "HTTPServer iPhone don't 12345", "|HTTPServer| i|Phone| don't| |123|45");
    check_pieces(o200k, "a!\n//b\n/c 'Tis X'LLy", "|a|!\n//|b|\n|/c| '|Tis| X'LL|y");
    check_pieces(o200k, "ʰA漢B \u0301C", "|ʰA漢|B| \u0301|C");
    check_pieces(bpe_named_patterns[WM_SPLIT_QWEN2], "It's 123!", "|It|'s| |1|2|3|!");
}

/* Numbers cut otherwise than the split does. */
static void test_digits(void)
{
    static const struct {
        int split;
        const char *single, *three;
    } cases[] = {
        {WM_SPLIT_R50K, "|a| |1|2|3|4|5| |²|Ⅷ|x|'s| | |7", "|a| |123|45| |²Ⅷ|x|'s| | |7"},
        {WM_SPLIT_CL100K, "|a| |1|2|3|4|5| |²|Ⅷ|x|'s| | |7", "|a| |123|45| |²Ⅷ|x|'s| | |7"},
        {WM_SPLIT_LLAMA3, "|a| |1|2|3|4|5| |²|Ⅷ|x|'s| | |7", "|a| |123|45| |²Ⅷ|x|'s| | |7"},
        {WM_SPLIT_QWEN2, "|a| |1|2|3|4|5| |²|Ⅷ|x|'s| | |7", "|a| |123|45| |²Ⅷ|x|'s| | |7"},
        {WM_SPLIT_O200K, "|a| |1|2|3|4|5| |²|Ⅷ|x's| | |7", "|a| |123|45| |²Ⅷ|x's| | |7"},
    };
    const char *text = "a 12345 ²Ⅷx's  7";
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int split = cases[i].split;
        check_pieces(bpe_digits_pattern(split, WM_DIGITS_SINGLE), text, cases[i].single);
        check_pieces(bpe_digits_pattern(split, WM_DIGITS_THREE), text, cases[i].three);
        CHECK(bpe_digits_pattern(split, WM_DIGITS_PATTERN) == bpe_named_patterns[split]);
    }
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
    CHECK_FAILS(bpe_pattern_new(WM_STR("\\Gx"), &p, &err), WM_E_CONFIG, err, "\\G");
    CHECK_FAILS(bpe_pattern_new(WM_STR("x(*SKIP)y"), &p, &err), WM_E_CONFIG, err, "(*SKIP");
    char *longest = calloc(1, BPE_MAX_PATTERN + 1);
    memset(longest, 'a', BPE_MAX_PATTERN + 1);
    CHECK_FAILS(bpe_pattern_new((struct wm_str){longest, BPE_MAX_PATTERN + 1}, &p, &err),
                WM_E_CONFIG, err, "limit");
    free(longest);
    CHECK(p == NULL);
}

/* Pieces of `text` up to the error, which there must be, and which names the pattern. */
static void check_fails(const char *pattern, struct wm_str text, const char *words)
{
    struct wm_error err = {0};
    struct bpe_pattern *p = NULL;
    struct bpe_splitter *s = NULL;
    struct wm_str piece;
    int more;
    CHECK_OK(bpe_pattern_new(wm_str_of(pattern), &p, &err), err);
    CHECK_OK(bpe_splitter_new(p, &s, &err), err);
    bpe_split(s, text);
    while ((more = bpe_next_piece(s, &piece, &err)) > 0)
        ;
    CHECK_FAILS(more, WM_E_LIMIT, err, words);
    CHECK_(strstr(err.what, pattern) != NULL, "\"%s\" does not name %s", err.what, pattern);
    bpe_splitter_free(s);
    bpe_pattern_free(p);
}

/* A pattern that takes 2^n steps, or n² in a long text, stops with an error instead. */
static void test_hostile(const char *jit)
{
    enum { LONG = 1 << 20 };
    char *text = malloc(LONG);
    char pattern[64];
    memset(text, 'a', LONG);
    memcpy(text + LONG - 2, "cb", 2); /* without a b PCRE2 knows better */
    struct wm_str tail = {text + LONG - 64, 64}, all = {text, LONG};
    static const char *const patterns[] = {"(a+)+b", "(a+)+$", "(a|aa)+$", "(?:a?){20}a{20}$"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        (void)snprintf(pattern, sizeof pattern, "%s%s", jit, patterns[i]);
        if (i < 3) /* the last is done with, at so few places */
            check_fails(pattern, tail, "split pattern fails at byte 0");
        check_fails(pattern, all, "split pattern fails at byte");
    }
    if (!*jit) /* few steps, but each to the end of the text: takes seconds until it is over */
        check_fails(".(?=.*z)", all, "split pattern fails at byte");
    free(text);
}

/* Where few steps are not enough, more are given: the same pieces as with any number. */
static void test_second_try(void)
{
    enum { N = 5000 };
    struct wm_error err = {0};
    struct bpe_pattern *p = NULL;
    struct bpe_splitter *s = NULL;
    uint32_t ends[8];
    char *text = malloc(N);
    memset(text, '-', N);
    memset(text + 1000, ' ', 3000); /* takes 3000 steps to find there is no newline */
    memcpy(text + 4000, "\n", 1);
    memset(text + 4500, ' ', 499);
    CHECK_OK(bpe_pattern_new(WM_STR("\\s*[\\r\\n]+|x"), &p, &err), err);
    CHECK_OK(bpe_splitter_new(p, &s, &err), err);
    bpe_split(s, (struct wm_str){text, N});
    CHECK_U64(bpe_next_pieces(s, ends, 8, &err), 3);
    CHECK(ends[0] == 1000 && ends[1] == 4001 && ends[2] == N);
    CHECK_U64(bpe_next_pieces(s, ends, 8, &err), 0);
    bpe_splitter_free(s);
    bpe_pattern_free(p);
    free(text);
}

/* Pieces one by one and many at once, by turns. */
static void test_mixed(void)
{
    struct wm_error err = {0};
    struct bpe_pattern *p = NULL;
    struct bpe_splitter *s = NULL;
    struct wm_str piece;
    uint32_t ends[2];
    CHECK_OK(bpe_pattern_new(wm_str_of(bpe_named_patterns[WM_SPLIT_CL100K]), &p, &err), err);
    CHECK_OK(bpe_splitter_new(p, &s, &err), err);
    bpe_split(s, WM_STR("a b c d e f"));
    CHECK_U64(bpe_next_piece(s, &piece, &err), 1);
    CHECK_STR(piece, WM_STR("a"));
    CHECK_U64(bpe_next_pieces(s, ends, 2, &err), 2);
    CHECK(ends[0] == 3 && ends[1] == 5);
    CHECK_U64(bpe_next_piece(s, &piece, &err), 1);
    CHECK_STR(piece, WM_STR(" d"));
    bpe_split(s, WM_STR("x y"));
    CHECK_U64(bpe_next_pieces(s, ends, 2, &err), 2);
    CHECK(ends[0] == 1 && ends[1] == 3);
    CHECK_U64(bpe_next_pieces(s, ends, 2, &err), 0);
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
    for (size_t i = 0; i < 2 * (size_t)BPE_NAMED_PATTERNS; i++) {
        struct wm_str pattern = wm_str_of(bpe_named_patterns[i / 2]);
        struct bpe_pattern *p = NULL;
        struct bpe_splitter *s = NULL;
        CHECK_OK((i % 2 ? bpe_pattern_new : bpe_pattern_new_pcre)(pattern, &p, &err), err);
        CHECK_OK(bpe_splitter_new(p, &s, &err), err);
        for (size_t u = 0; u < sizeof units / sizeof *units; u++) {
            size_t len = strlen(units[u]), n = N / len * len, total = 0;
            struct wm_str piece;
            int more;
            for (size_t k = 0; k < n; k++)
                text[k] = units[u][k % len];
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
    test_digits();
    test_own();
    test_spaces();
    test_refused();
    test_hostile("");
    test_hostile("(*NO_JIT)");
    test_second_try();
    test_mixed();
    test_long_runs();
    return test_summary();
}
