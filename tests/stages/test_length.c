/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

static void check_characters(void)
{
    struct fixture f;
    fixture_one(&f, "length", "min_characters=5;max_characters=8");
    CHECK_DROPPED(&f, WM_STR(""), "too-short");
    CHECK_DROPPED(&f, WM_STR("äöüß"), "too-short"); /* 8 bytes, 4 characters */
    CHECK_KEPT(&f, WM_STR("äöü\nß"));
    CHECK_KEPT(&f, WM_STR("\n\n\n\n\n"));
    CHECK_KEPT(&f, WM_STR("12345678"));
    CHECK_KEPT(&f, WM_STR("漢字漢字漢字漢字"));
    CHECK_DROPPED(&f, WM_STR("123456789"), "too-long");
    fixture_done(&f);

    fixture_one(&f, "length", NULL);
    struct wm_str least = repeated("x", 300), less = repeated("x", 299);
    CHECK_KEPT(&f, least);
    CHECK_DROPPED(&f, less, "too-short");
    forget(least);
    forget(less);
    fixture_done(&f);
}

static void check_words_and_lines(void)
{
    struct fixture f;
    fixture_one(&f, "length", "min_characters=0;min_words=2;max_words=4");
    CHECK_DROPPED(&f, WM_STR(""), "too-few-words");
    CHECK_DROPPED(&f, WM_STR(" \n\tword\xC2\xA0\n"), "too-few-words");
    CHECK_KEPT(&f, WM_STR("two\xC2\xA0words"));
    CHECK_KEPT(&f, WM_STR("a b\nc\xE3\x80\x80"
                          "d"));
    CHECK_DROPPED(&f, WM_STR("a b\nc d e"), "too-many-words");
    fixture_done(&f);

    fixture_one(&f, "length", "min_characters=0;min_lines=2;max_lines=3");
    CHECK_DROPPED(&f, WM_STR("\n\n \n\t\n"), "too-few-lines");
    CHECK_DROPPED(&f, WM_STR("one line"), "too-few-lines");
    CHECK_KEPT(&f, WM_STR("one\n\n \ntwo\n"));
    CHECK_KEPT(&f, WM_STR("one\n two words\nthree"));
    CHECK_DROPPED(&f, WM_STR("1\n2\n3\n4"), "too-many-lines");
    fixture_done(&f);

    fixture_init(&f);
    fixture_add(&f, "length", "min_words=5;max_words=4");
    CHECK_FAILS(fixture_open(&f), WM_E_CONFIG, f.err, "min_words 5 is over max_words 4");
    fixture_done(&f);
}

int main(void)
{
    check_characters();
    check_words_and_lines();
    return test_summary();
}
