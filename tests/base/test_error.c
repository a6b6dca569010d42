/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>

static struct wm_error err;

static void check_escape(struct wm_str from, size_t size, const char *want)
{
    char text[256];
    wm_escape(text, size, from.ptr, from.len);
    CHECK_STR(wm_str_of(text), wm_str_of(want));
}

static void test_escape(void)
{
    check_escape(WM_STR("plain"), 64, "plain");
    check_escape(WM_STR("caf\xC3\xA9 \xE6\xBC\xA2 \xF0\x9F\x98\x80"), 64,
                 "caf\xC3\xA9 \xE6\xBC\xA2 \xF0\x9F\x98\x80");
    check_escape(WM_STR("\x1B[31mred\n\r\t\x7F\0end"), 64,
                 "\\x1B[31mred\\x0A\\x0D\\x09\\x7F\\x00"
                 "end");
    check_escape(WM_STR("\xFF\xC0\xAF\xED\xA0\x80\xC2\x9B"), 64,
                 "\\xFF\\xC0\\xAF\\xED\\xA0\\x80\\xC2\\x9B");
    check_escape(WM_STR("a\xE2\x80\xAE"
                        "b\xE2\x81\xA6"
                        "c\xE2\x80\x8F"),
                 64,
                 "a\\xE2\\x80\\xAE"
                 "b\\xE2\\x81\\xA6"
                 "c\\xE2\\x80\\x8F");
    check_escape(WM_STR("0123456789"), 11, "0123456789");
    check_escape(WM_STR("0123456789"), 10, "012345...");
    check_escape(WM_STR("01234\x01\x01"), 10, "01234...");
    check_escape(WM_STR("abcd\xC3\xA9xyz"), 9, "abcd...");
    check_escape(WM_STR("0123456789"), 3, "");
    char lines[64];
    wm_escape_lines(lines, sizeof lines, "two\nlines\x1B[2J\r", 14);
    CHECK_STR(wm_str_of(lines), WM_STR("two\nlines\\x1B[2J\\x0D"));
    /* Any size, any bytes: always ends, never overruns (the sanitizers look on). */
    for (size_t size = 1; size < 40; size++) {
        char *text = malloc(size);
        wm_escape(text, size, "ab\x01\xC3\xA9\xFFlonger than that", 22);
        CHECK(strlen(text) < size);
        free(text);
    }
}

static void test_words(void)
{
    CHECK_U64(-wm_fail(&err, WM_E_FORMAT, "length is \"%s\"", "1\n2"), -WM_E_FORMAT);
    CHECK_STR(wm_str_of(err.what), WM_STR("length is \"1\\x0A2\""));
    CHECK(!err.where[0] && !err.hint[0] && !err.excerpt[0] && err.status == WM_E_FORMAT);
    CHECK(wm_error_where(&err, "%s: record %d", "a.warc", 17) == WM_E_FORMAT);
    CHECK(wm_error_where(&err, "outer") == WM_E_FORMAT);
    CHECK_STR(wm_str_of(err.where), WM_STR("a.warc: record 17"));
    CHECK(wm_error_hint(&err, "do this") == WM_E_FORMAT);
    (void)wm_error_hint(&err, "do that");
    CHECK_STR(wm_str_of(err.hint), WM_STR("do this"));

    errno = ENOSPC;
    CHECK(wm_fail_errno(&err, "write", "out/x") == WM_E_IO);
    CHECK(strstr(err.what, "cannot write: No space left") && !strcmp(err.where, "out/x"));
    CHECK(strstr(err.hint, "room") != NULL);
    errno = EMFILE;
    (void)wm_fail_errno(&err, "open", "x");
    CHECK(strstr(err.hint, "ulimit") != NULL);
    CHECK(wm_fail_nomem(&err, 123, "batches") == WM_E_NOMEM &&
          strstr(err.what, "123 bytes (batches)"));

    char longest[4000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    (void)wm_fail(&err, WM_E_IO, "%s", longest);
    CHECK(strlen(err.what) == sizeof err.what - 1 &&
          wm_str_ends(wm_str_of(err.what), WM_STR("...")));
}

static void check_excerpt(struct wm_str line, size_t column, const char *want)
{
    (void)wm_fail(&err, WM_E_CONFIG, "x");
    CHECK(wm_error_excerpt(&err, line, column) == WM_E_CONFIG);
    CHECK_STR(wm_str_of(err.excerpt), wm_str_of(want));
}

static void test_excerpt(void)
{
    check_excerpt(WM_STR("a: b"), 3, "    a: b\n       ^");
    check_excerpt(WM_STR("a: b"), 99, "    a: b\n        ^");
    check_excerpt(WM_STR(""), 0, "    \n    ^");
    check_excerpt(WM_STR("\xC3\xA9: \x01x"), 5, "    \xC3\xA9: \\x01x\n           ^");

    /* A window around the column; characters are not cut in half; the caret stays below. */
    char line[700];
    for (size_t i = 0; i + 1 < sizeof line; i += 2)
        memcpy(line + i, "\xC3\xA9", 2);
    for (size_t column = 0; column <= sizeof line; column += 10) {
        (void)wm_fail(&err, WM_E_CONFIG, "x");
        (void)wm_error_excerpt(&err, (struct wm_str){line, sizeof line}, column);
        const char *newline = strchr(err.excerpt, '\n');
        CHECK(newline && strlen(newline) <= 110 &&
              wm_str_ends(wm_str_of(err.excerpt), WM_STR("^")));
        CHECK(strstr(err.excerpt, "\\x") == NULL);
    }
    memset(line, 1, sizeof line); /* every byte takes four columns */
    (void)wm_error_excerpt(&err, (struct wm_str){line, sizeof line}, 300);
    CHECK(wm_str_ends(wm_str_of(err.excerpt), WM_STR("^")));
}

int main(void)
{
    test_escape();
    test_words();
    test_excerpt();
    return test_summary();
}
