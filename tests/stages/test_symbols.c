/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"

int main(void)
{
    struct fixture f;
    fixture_one(&f, "symbols", "max_symbols=0.25;max_digits=1;max_short_lines=1");
    CHECK_KEPT(&f, WM_STR(""));
    CHECK_KEPT(&f, WM_STR("\n \n\t\n"));
    CHECK_KEPT(&f, WM_STR("abc.")); /* 1 of 4 */
    CHECK_DROPPED(&f, WM_STR("ab ."), "too-many-symbols");
    CHECK_KEPT(&f, WM_STR("ขึ้น ก่อน. é\xCC\x81")); /* letters with marks are no symbols */
    CHECK_DROPPED(&f, WM_STR("漢字漢。、"), "too-many-symbols");
    CHECK_DROPPED(&f, WM_STR("ab 😀"), "too-many-symbols");
    CHECK_DROPPED(&f, WM_STR("ab \xEF\xBF\xBD"), "too-many-symbols");
    CHECK_DROPPED(&f, WM_STR("ab \xEE\x80\x80"), "too-many-symbols"); /* private use */
    CHECK_KEPT(&f, WM_STR("ab \xE2\x80\x8B\xE2\x80\x8E"));            /* not to be seen */
    fixture_done(&f);

    fixture_one(&f, "symbols", "max_digits=0.5;max_short_lines=1");
    CHECK_KEPT(&f, WM_STR("a1b2"));
    CHECK_DROPPED(&f, WM_STR("a12"), "too-many-digits");
    CHECK_DROPPED(&f, WM_STR("क१२"), "too-many-digits");
    CHECK_KEPT(&f, WM_STR("aⅫ½")); /* numbers, but no digits */
    fixture_done(&f);

    fixture_one(&f, "symbols", "max_short_lines=0.5;short_line=5");
    CHECK_KEPT(&f, WM_STR("abcde\nabcd"));
    CHECK_KEPT(&f, WM_STR("abcde\n\n \n\nabcd\n"));
    CHECK_DROPPED(&f, WM_STR("abcde\nabcd\na"), "too-many-short-lines");
    CHECK_KEPT(&f, WM_STR("a b c"));                            /* blanks within count, … */
    CHECK_DROPPED(&f, WM_STR("  a  "), "too-many-short-lines"); /* … those around do not */
    CHECK_KEPT(&f, WM_STR("漢字漢字漢"));
    fixture_done(&f);

    fixture_one(&f, "symbols", "max_symbols=0;max_digits=0;max_short_lines=0;short_line=0");
    CHECK_KEPT(&f, WM_STR("a\nb"));
    CHECK_DROPPED(&f, WM_STR("a-b"), "too-many-symbols");
    CHECK_DROPPED(&f, WM_STR("a1b"), "too-many-digits");
    fixture_done(&f);
    return test_summary();
}
