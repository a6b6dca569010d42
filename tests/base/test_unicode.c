/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/unicode.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include "test.h"
#include "wetmill/utf8.h"

static uint64_t seed = 99;

static uint32_t below(uint32_t n)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((seed >> 32) * n >> 32);
}

/* Characters that normalisation is about, and others between them. */
static uint32_t any_character(void)
{
    static const uint32_t starts[] = {'a',    0xC0,   0x300,  0x301,   0x316,   0x345,  0x590,
                                      0x640,  0x900,  0x9BE,  0xE38,   0xF40,   0x1100, 0x1160,
                                      0x11A8, 0x1E00, 0x2000, 0x2126,  0x3040,  0x3099, 0xAC00,
                                      0xF900, 0xFB1D, 0xFF21, 0x1D15E, 0x1109A, 0x2F800};
    uint32_t c =
        below(3) ? starts[below(sizeof starts / sizeof *starts)] + below(24) : below(0x30000);
    return c >= 0xD800 && c < 0xE000 ? 'x' : c;
}

static struct wm_str random_text(char *bytes, size_t n_codes)
{
    size_t len = 0;
    for (size_t i = 0; i < n_codes; i++)
        len += wm_utf8_encode(below(4) ? any_character() : 'a' + below(26), bytes + len);
    return (struct wm_str){bytes, len};
}

/* The plain version: the whole text through ICU. */
static struct wm_str by_icu(enum wm_normal_form form, struct wm_str s, char *bytes)
{
    enum { MOST = 8192 };
    static UChar in[MOST], out[MOST];
    UErrorCode code = U_ZERO_ERROR;
    int32_t n_in = 0;
    while (s.len) {
        uint32_t c = wm_utf8_next(&s);
        U16_APPEND_UNSAFE(in, n_in, c);
    }
    const UNormalizer2 *icu =
        form == WM_FORM_NFC ? unorm2_getNFCInstance(&code) : unorm2_getNFKCInstance(&code);
    int32_t n = unorm2_normalize(icu, in, n_in, out, MOST, &code);
    CHECK(U_SUCCESS(code));
    size_t len = 0;
    for (int32_t i = 0; i < n;) {
        UChar32 c;
        U16_NEXT(out, i, n, c);
        len += wm_utf8_encode((uint32_t)c, bytes + len);
    }
    return (struct wm_str){bytes, len};
}

static void check_normalise(void)
{
    static char text[4096], want_bytes[32768];
    struct wm_error err;
    struct wm_normaliser n = {0};
    struct wm_buf out;
    wm_buf_init(&out, 1 << 20);
    for (int i = 0; i < 20000; i++) {
        enum wm_normal_form form = i % 2 ? WM_FORM_NFKC : WM_FORM_NFC;
        struct wm_str s = random_text(text, below(40));
        struct wm_str want = by_icu(form, s, want_bytes);
        out.len = 0;
        CHECK_OK(wm_normalise(&n, form, s, &out, &err), err);
        CHECK_STR(wm_buf_str(&out), want);
        size_t prefix = wm_normal_prefix(form, s);
        CHECK(prefix < s.len || wm_str_eq(s, want));
        CHECK(prefix <= want.len && memcmp(s.ptr, want.ptr, prefix) == 0);
    }
    out.len = 0;
    CHECK_OK(wm_normalise(&n, WM_FORM_NONE, WM_STR("e\xCC\x81"), &out, &err), err);
    CHECK_STR(wm_buf_str(&out), WM_STR("e\xCC\x81"));
    wm_buf_done(&out);
    wm_normaliser_done(&n);
}

static void check_table(void)
{
    const struct wm_unicode *u = wm_unicode();
    CHECK(u != NULL);
    for (uint32_t c = 0; u && c < 0x110000; c += c < 0x30000 ? 1 : 17) {
        uint32_t entry = wm_unicode_entry(u, c);
        if (wm_char_category(entry) != U_GET_GC_MASK((UChar32)c))
            CHECK_(false, "entry of U+%04X is wrong", c);
    }
    static const struct {
        uint32_t code;
        enum wm_char_class class;
    } some[] = {
        {'a', WM_CHAR_PLAIN},        {'\n', WM_CHAR_PLAIN},       {' ', WM_CHAR_BLANK},
        {'\t', WM_CHAR_BLANK},       {0xA0, WM_CHAR_BLANK},       {0x3000, WM_CHAR_BLANK},
        {'\r', WM_CHAR_BREAK},       {0x85, WM_CHAR_BREAK},       {0x2028, WM_CHAR_BREAK},
        {0, WM_CHAR_CONTROL},        {0x7F, WM_CHAR_CONTROL},     {0x9F, WM_CHAR_CONTROL},
        {0xFFFF, WM_CHAR_CONTROL},   {0x10FFFE, WM_CHAR_CONTROL}, {0xFDD0, WM_CHAR_CONTROL},
        {0xFEFF, WM_CHAR_INVISIBLE}, {0x200B, WM_CHAR_INVISIBLE}, {0x202E, WM_CHAR_INVISIBLE},
        {0xAD, WM_CHAR_INVISIBLE},   {0x200D, WM_CHAR_JOINER},    {0xE0067, WM_CHAR_TAG},
        {0xFFFD, WM_CHAR_PLAIN},     {0xE000, WM_CHAR_PLAIN},     {0x1F600, WM_CHAR_PLAIN},
    };
    for (size_t i = 0; u && i < sizeof some / sizeof *some; i++)
        CHECK_U64(wm_char_class(wm_unicode_entry(u, some[i].code)), some[i].class);
    CHECK(u && wm_unicode_entry(u, 0x627) & WM_JOINS_BIT);
    CHECK(u && wm_unicode_entry(u, 0x1F468) & WM_JOINS_BIT);
    CHECK(u && !(wm_unicode_entry(u, 'a') & WM_JOINS_BIT));
}

int main(void)
{
    check_table();
    check_normalise();
    return test_summary();
}
