/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <float.h>
#include <locale.h>
#include <math.h>

#include "wetmill/number.h"

static uint64_t random_state = 12345;
static uint64_t random64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void check_text(double v, int decimals, const char *want)
{
    char text[WM_REAL_TEXT];
    size_t len = wm_format_real(text, v, decimals);
    CHECK_STR(((struct wm_str){text, len}), wm_str_of(want));
    CHECK_U64(strlen(text), len);
}

static void test_format(void)
{
    check_text(0.1, -1, "0.1");
    check_text(0.1 + 0.2, -1, "0.30000000000000004");
    check_text(1.0 / 3, -1, "0.3333333333333333");
    check_text(100, -1, "100");
    check_text(1e21, -1, "1e+21");
    check_text(5e-324, -1, "5e-324");
    check_text(2.2250738585072014e-308, -1, "2.2250738585072014e-308");
    check_text(DBL_MAX, -1, "1.7976931348623157e+308");
    check_text(-2.5, -1, "-2.5");
    check_text(2.0 / 3, 3, "0.667");
    check_text(-0.0001, 2, "0.00");
    check_text(-0.0, 0, "0");
    check_text(-0.006, 2, "-0.01");
    char text[WM_REAL_TEXT];
    CHECK_U64(wm_format_real(text, -DBL_MAX, 99), 1 + 309 + 1 + 17);
}

static void test_parse(void)
{
    uint64_t u;
    double v;
    CHECK(wm_parse_u64(WM_STR("18446744073709551615"), &u) && u == UINT64_MAX);
    CHECK(wm_parse_u64(WM_STR("007"), &u) && u == 7);
    static const char *const not_u64[] = {
        "", "-1", "+1", " 1", "1 ", "1.0", "0x1", "18446744073709551616", "99999999999999999999"};
    for (size_t i = 0; i < sizeof not_u64 / sizeof *not_u64; i++)
        CHECK_(!wm_parse_u64(wm_str_of(not_u64[i]), &u), "\"%s\" was taken", not_u64[i]);

    CHECK(wm_parse_real(WM_STR("-12.5e-1"), &v) && v == -1.25);
    CHECK(wm_parse_real(WM_STR("+3"), &v) && v == 3);
    CHECK(wm_parse_real(WM_STR("0.1"), &v) && v == 0.1);
    CHECK(wm_parse_real(WM_STR("-0"), &v) && v == 0 && signbit(v));
    CHECK(wm_parse_real(WM_STR("1e-999"), &v) && v == 0);
    CHECK(wm_parse_real(WM_STR("9007199254740993"), &v) && v == 9007199254740992.0);
    static const char *const not_real[] = {"",      "-",   ".5",   "1.",    "1e",    "1e+",
                                           "0x1p3", "nan", "inf",  "1,5",   " 1",    "1 ",
                                           "1.5.2", "--1", "1e5x", "1e999", "-1e999"};
    for (size_t i = 0; i < sizeof not_real / sizeof *not_real; i++)
        CHECK_(!wm_parse_real(wm_str_of(not_real[i]), &v), "\"%s\" was taken", not_real[i]);
}

static void test_round_trip(void)
{
    size_t wrong = 0, longer = 0;
    for (int i = 0; i < 200000; i++) {
        uint64_t bits = random64();
        double v, back = 0;
        memcpy(&v, &bits, 8);
        if (i % 2) /* short decimals, where the shortest text is known */
            v = (double)(int64_t)(bits % 2000001 - 1000000) / (i % 4 == 1 ? 1000.0 : 10.0);
        if (!isfinite(v))
            continue;
        char text[WM_REAL_TEXT];
        size_t len = wm_format_real(text, v, -1);
        wrong += !wm_parse_real((struct wm_str){text, len}, &back) || memcmp(&v, &back, 8) != 0;
        longer += i % 2 && len > 8;
        /* libc must read the same */
        wrong += strtod(text, NULL) != v;
    }
    CHECK_U64(wrong, 0);
    CHECK_U64(longer, 0);
}

static void test_locale(void)
{
    static const char *const commas[] = {"de_DE.UTF-8", "fr_FR.UTF-8", "de_DE", "fr_FR"};
    for (size_t i = 0; i < sizeof commas / sizeof *commas; i++)
        if (setlocale(LC_ALL, commas[i]) && localeconv()->decimal_point[0] == ',')
            break;
    check_text(0.5, -1, "0.5");
    check_text(0.5, 2, "0.50");
    double v;
    CHECK(wm_parse_real(WM_STR("1.2345678901234567890123"), &v) && v == 1.2345678901234567);
    CHECK(!wm_parse_real(WM_STR("1,5"), &v));
    (void)setlocale(LC_ALL, "C");
}

int main(void)
{
    test_format();
    test_parse();
    test_round_trip();
    test_locale();
    return test_summary();
}
