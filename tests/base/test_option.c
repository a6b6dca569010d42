/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <math.h>

#include "wetmill/option.h"

static struct wm_error err;
static struct wm_arena arena;

struct target {
    double max_share, timeout, any;
    uint64_t min_lines, memory, free_count;
    bool keep;
    const char *name, *model;
    int scope;
    struct wm_list languages, inputs;
};

static const char *const scopes[] = {"all", "group", "file-wise", NULL};

static const struct wm_option table[] = {
    WM_REAL(struct target, max_share, 0.3, 0, 1, "share", "largest share of symbols"),
    WM_DURATION(struct target, timeout, 90, 0, 86400, "time to wait"),
    WM_REAL(struct target, any, -1, 0, 0, "", "any number"),
    WM_COUNT(struct target, min_lines, 3, 1, 1000, "lines", "fewest lines"),
    WM_SIZE(struct target, memory, 16 << 20, 1 << 20, 0x1p40, "memory to use"),
    WM_COUNT(struct target, free_count, 7, 0, 0x1p64, "", "seed"),
    WM_BOOL(struct target, keep, true, "keep it"),
    WM_TEXT(struct target, name, "x y", "name"),
    WM_PATH(struct target, model, NULL, "model file"),
    WM_CHOICE(struct target, scope, scopes, 1, "scope"),
    WM_LIST(struct target, languages, "languages"),
    WM_PATHS(struct target, inputs, "inputs"),
    {0},
};

static int set(struct target *t, const char *name, const char *value)
{
    const struct wm_option *o = wm_option_find(table, wm_str_of(name));
    CHECK_(o != NULL, "no option %s", name);
    return o ? wm_option_set(o, t, wm_str_of(value), &arena, &err) : 1;
}

static void check_format(const struct target *t, const char *name, const char *want)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 16);
    CHECK_OK(wm_option_format(wm_option_find(table, wm_str_of(name)), t, &buf, &err), err);
    CHECK_STR(wm_buf_str(&buf), wm_str_of(want));
    wm_buf_done(&buf);
}

static void test_defaults(void)
{
    struct target t;
    memset(&t, 0xAA, sizeof t);
    wm_options_default(table, &t);
    CHECK(t.max_share == 0.3 && t.timeout == 90 && t.min_lines == 3 && t.memory == 16 << 20);
    CHECK(t.keep && t.scope == 1 && !strcmp(t.name, "x y") && !t.model);
    CHECK(t.languages.n == 0 && t.inputs.n == 0);
    check_format(&t, "max_share", "0.3");
    check_format(&t, "timeout", "90 s");
    check_format(&t, "min_lines", "3");
    check_format(&t, "memory", "16 MiB");
    check_format(&t, "keep", "true");
    check_format(&t, "name", "\"x y\"");
    check_format(&t, "model", "null");
    check_format(&t, "scope", "group");
    check_format(&t, "languages", "[]");
}

static void test_set(void)
{
    struct target t;
    wm_options_default(table, &t);
    CHECK_OK(set(&t, "max-share", "0.25"), err);
    CHECK_OK(set(&t, "any", "-1e300"), err);
    CHECK_OK(set(&t, "min_lines", "1000"), err);
    CHECK_OK(set(&t, "free_count", "18446744073709551615"), err);
    CHECK_OK(set(&t, "memory", "1.5 GiB"), err);
    CHECK_OK(set(&t, "timeout", "1h30m"), err);
    CHECK_OK(set(&t, "keep", "No"), err);
    CHECK_OK(set(&t, "scope", "file-wise"), err);
    CHECK_OK(set(&t, "name", ""), err);
    CHECK_OK(set(&t, "model", "a/b"), err);
    CHECK_OK(set(&t, "languages", " de, no,fr "), err);
    CHECK(t.max_share == 0.25 && t.any == -1e300 && t.min_lines == 1000);
    CHECK(t.free_count == UINT64_MAX && t.memory == 3ull << 29 && t.timeout == 5400);
    CHECK(!t.keep && t.scope == 2 && t.languages.n == 3);
    check_format(&t, "languages", "[de, \"no\", fr]");
    check_format(&t, "memory", "1536 MiB");
    check_format(&t, "name", "\"\"");
    check_format(&t, "model", "a/b");
    CHECK_OK(set(&t, "min_lines", "1e2"), err);
    CHECK_U64(t.min_lines, 100);
    CHECK_OK(set(&t, "languages", ""), err);
    CHECK_U64(t.languages.n, 0);

    const struct wm_option *inputs = wm_option_find(table, WM_STR("inputs"));
    for (int i = 0; i < 100; i++) {
        char item[24];
        (void)snprintf(item, sizeof item, "file %d", i);
        CHECK_OK(wm_option_append(inputs, &t, wm_str_of(item), &arena, &err), err);
    }
    CHECK_U64(t.inputs.n, 100);
    CHECK(!strcmp(t.inputs.items[0], "file 0") && !strcmp(t.inputs.items[99], "file 99"));
    CHECK(wm_option_find(table, WM_STR("max_shar")) == NULL);
    CHECK(wm_option_find(table, WM_STR("max_share_")) == NULL);
    CHECK(wm_option_find(table, WM_STR("")) == NULL);
}

static void test_refusals(void)
{
    static const char *const cases[][3] = {
        {"max_share", "2", "max_share is \"2\", want a number from 0 to 1 (share)"},
        {"max_share", "-0.1", "from 0 to 1"},
        {"max_share", "0,5", "want a number"},
        {"max_share", "nan", "want a number"},
        {"max_share", "", "want a number"},
        {"min_lines", "0", "min_lines is \"0\", want a whole number from 1 to 1000 (lines)"},
        {"min_lines", "1.5", "whole number"},
        {"min_lines", "-3", "whole number"},
        {"min_lines", "x", "whole number"},
        {"memory", "4 parsecs", "want a size such as 512 MiB or 4G from 1 MiB to 1 TiB"},
        {"memory", "1k", "from 1 MiB"},
        {"memory", "2 TiB", "to 1 TiB"},
        {"timeout", "2 d", "want a duration such as 30 s, 10 m or 1h30m from 0 s to 86400 s"},
        {"keep", "maybe", "want true or false"},
        {"scope", "grup", "want one of all, group, file-wise"},
        {"scope", "", "one of"},
        {"model", "", "a path"},
        {"languages", "de,,fr", "empty item"},
    };
    struct target t;
    wm_options_default(table, &t);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_FAILS(set(&t, cases[i][0], cases[i][1]), WM_E_CONFIG, err, cases[i][2]);
    CHECK(t.max_share == 0.3 && t.min_lines == 3 && t.languages.n == 0);
    CHECK(set(&t, "scope", "grup") == WM_E_CONFIG);
    CHECK_STR(wm_str_of(err.hint), WM_STR("did you mean \"group\"?"));
    const struct wm_option *name = wm_option_find(table, WM_STR("name"));
    CHECK_FAILS(wm_option_set(name, &t, WM_STR("a\0b"), &arena, &err), WM_E_CONFIG, err, "NUL");
    CHECK_FAILS(wm_option_append(name, &t, WM_STR("a"), &arena, &err), WM_E_CONFIG, err,
                "not a list");
    struct wm_arena none;
    wm_arena_init(&none, 0);
    CHECK(wm_option_set(name, &t, WM_STR("a"), &none, &err) == WM_E_NOMEM);
}

static void test_required(void)
{
    struct one {
        const char *out;
        struct wm_list inputs;
    } one = {NULL, {NULL, 0}};
    struct wm_option need[] = {
        WM_PATH(struct one, out, NULL, "where results go"),
        WM_PATHS(struct one, inputs, "what to read"),
        {0},
    };
    CHECK_OK(wm_options_required(need, &one, &err), err);
    need[0].flags = need[1].flags = WM_OPTION_REQUIRED;
    CHECK_FAILS(wm_options_required(need, &one, &err), WM_E_CONFIG, err, "out is missing");
    one.out = "x";
    CHECK_FAILS(wm_options_required(need, &one, &err), WM_E_CONFIG, err, "inputs is missing");
    CHECK_OK(wm_option_append(&need[1], &one, WM_STR("a"), &arena, &err), err);
    CHECK_OK(wm_options_required(need, &one, &err), err);
}

static void check_size(const char *text, uint64_t want)
{
    uint64_t bytes = 0;
    CHECK_OK(wm_parse_size(wm_str_of(text), &bytes, &err), err);
    CHECK_(bytes == want, "%s is %" PRIu64 ", want %" PRIu64, text, bytes, want);
}

static void test_quantities(void)
{
    check_size("0", 0);
    check_size("4096", 4096);
    check_size("16 MiB", 16 << 20);
    check_size("16MiB", 16 << 20);
    check_size(" 16  mib ", 16 << 20);
    check_size("4M", 4000000);
    check_size("4 MB", 4000000);
    check_size("10k", 10000);
    check_size("1.5 GiB", 3ull << 29);
    check_size("0.1 GiB", 107374182);
    check_size("2 T", 2000000000000);
    check_size("1 TiB", 1ull << 40);
    check_size("18446744073709551615", UINT64_MAX);
    check_size("16777215 TiB", 16777215ull << 40);
    static const char *const not_sizes[] = {
        "",     "MiB",  "-1",      "1 2",    "1 MiB 2", "1.",           ".5G",
        "1e3",  "0x10", "1,5 GiB", "1.2.3k", "4 X",     "16777216 TiB", "18446744073709551616",
        "4 m b"};
    uint64_t bytes;
    for (size_t i = 0; i < sizeof not_sizes / sizeof *not_sizes; i++)
        CHECK_FAILS(wm_parse_size(wm_str_of(not_sizes[i]), &bytes, &err), WM_E_CONFIG, err,
                    "not a size");

    static const struct {
        const char *text;
        double want;
    } durations[] = {{"90", 90},      {"30 s", 30},      {"1.5h", 5400},
                     {"1h30m", 5400}, {"2d", 172800},    {"250 ms", 0.25},
                     {"10 min", 600}, {"1 h 5 s", 3605}, {"0.5", 0.5}};
    double seconds = 0;
    for (size_t i = 0; i < sizeof durations / sizeof *durations; i++) {
        CHECK_OK(wm_parse_duration(wm_str_of(durations[i].text), &seconds, &err), err);
        CHECK_(seconds == durations[i].want, "%s is %g", durations[i].text, seconds);
    }
    static const char *const not_durations[] = {"", "h", "-1s", "1h30", "30 1h", "1 year", "1e3 s"};
    for (size_t i = 0; i < sizeof not_durations / sizeof *not_durations; i++)
        CHECK_FAILS(wm_parse_duration(wm_str_of(not_durations[i]), &seconds, &err), WM_E_CONFIG,
                    err, "not a duration");
}

/* What is formatted reads back as the same value. */
static void test_round_trip(void)
{
    static const char *const names[] = {"max_share", "timeout",    "any",  "min_lines",
                                        "memory",    "free_count", "keep", "scope"};
    static const char *const values[][4] = {
        {"0", "1", "0.1", "0.3333333333333333"},
        {"0", "0.001", "86400", "59.5"},
        {"-1e-300", "123456789", "0.1", "1e22"},
        {"1", "2", "999", "1000"},
        {"1 MiB", "1048577", "10 GB", "123456789 kB"},
        {"0", "9007199254740993", "18446744073709551615", "1"},
        {"true", "false", "on", "off"},
        {"all", "group", "file-wise", "all"},
    };
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 16);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (size_t k = 0; k < 4; k++) {
            struct target a, b;
            memset(&a, 0, sizeof a);
            wm_options_default(table, &a);
            memcpy(&b, &a, sizeof b);
            CHECK_OK(set(&a, names[i], values[i][k]), err);
            buf.len = 0;
            const struct wm_option *o = wm_option_find(table, wm_str_of(names[i]));
            CHECK_OK(wm_option_format(o, &a, &buf, &err), err);
            CHECK_OK(wm_option_set(o, &b, wm_buf_str(&buf), &arena, &err), err);
            CHECK_(memcmp(&a, &b, sizeof a) == 0, "%s: %s came back different", names[i],
                   values[i][k]);
        }
    wm_buf_done(&buf);
}

static void check_quote(struct wm_str s, const char *want)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 10);
    CHECK_OK(wm_option_quote(s, &buf, &err), err);
    CHECK_STR(wm_buf_str(&buf), wm_str_of(want));
    wm_buf_done(&buf);
}

static void test_quote(void)
{
    check_quote(WM_STR("abc"), "abc");
    check_quote(WM_STR("../a/b-c_d.txt"), "../a/b-c_d.txt");
    check_quote(WM_STR(""), "\"\"");
    check_quote(WM_STR("null"), "\"null\"");
    check_quote(WM_STR("Yes"), "\"Yes\"");
    check_quote(WM_STR("12"), "\"12\"");
    check_quote(WM_STR("1e5"), "\"1e5\"");
    check_quote(WM_STR("-"), "\"-\"");
    check_quote(WM_STR("---"), "\"---\"");
    check_quote(WM_STR("..."), "\"...\"");
    check_quote(WM_STR("a: b"), "\"a: b\"");
    check_quote(WM_STR("q\"\\\n\t\x01\x7F\xC2\x85|\xC3\xA9"),
                "\"q\\\"\\\\\\n\\t\\u0001\\u007F\\u0085|\xC3\xA9\"");
}

static void test_nearest(void)
{
    static const char *const names[] = {"vocabulary", "max_share", "scope",
                                        "j",          "no",        "line-repeat"};
    static const char *const cases[][2] = {
        {"vocabulry", "vocabulary"},
        {"vocab", "vocabulary"},
        {"max-share", "max_share"},
        {"maxshare", "max_share"},
        {"mxa_share", "max_share"},
        {"Scope", "scope"},
        {"scoep", "scope"},
        {"line_repeat", "line-repeat"},
        {"linerepat", "line-repeat"},
        {"x", NULL},
        {"zzzzzz", NULL},
        {"", NULL},
        {"on", "no"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *got = wm_nearest(wm_str_of(cases[i][0]), names, sizeof names / sizeof *names);
        CHECK_STR(wm_str_of(got), wm_str_of(cases[i][1]));
    }
    char longest[300];
    memset(longest, 'a', sizeof longest);
    CHECK(wm_nearest((struct wm_str){longest, sizeof longest}, names, 3) == NULL);
}

int main(void)
{
    wm_arena_init(&arena, 1 << 22);
    test_defaults();
    test_set();
    test_refusals();
    test_required();
    test_quantities();
    test_round_trip();
    test_quote();
    test_nearest();
    wm_arena_done(&arena);
    return test_summary();
}
