/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/scan.h"
#include "base/text_scan.h"
#include "wetmill/utf8.h"

static struct wm_error err;

static uint64_t random_state = 0x9E3779B97F4A7C15u;
static uint32_t random32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

/* Every code point goes through encode, decode and the check of validity. */
static void test_all_code_points(void)
{
    size_t wrong = 0;
    for (uint32_t code = 0; code <= 0x10FFFF; code++) {
        char bytes[4];
        bool surrogate = code >= 0xD800 && code <= 0xDFFF;
        struct wm_str s = {bytes, wm_utf8_encode(code, bytes)};
        uint32_t back = 0;
        wrong += !wm_utf8_valid(s) || wm_utf8_decode(s, &back) != s.len;
        wrong += back != (surrogate ? WM_UTF8_REPLACEMENT : code);
        wrong += wm_utf8_count(s) != 1;
    }
    CHECK_U64(wrong, 0);
    char bytes[4];
    CHECK_U64(wm_utf8_encode(0x110000, bytes), 3);
}

/* Validity by definition: decode by the lengths the lead byte promises and compare with what
 * encoding the code point gives. */
static bool valid_plain(const unsigned char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t n = s[i] < 0x80 ? 1 : s[i] >= 0xF8 ? 9 : s[i] >= 0xF0 ? 4 : s[i] >= 0xE0 ? 3 : 2;
        if (n > len - i)
            return false;
        uint32_t code = n == 1 ? s[i] : s[i] & (0xFFu >> (n + 1));
        for (size_t k = 1; k < n; k++)
            code = code << 6 | (s[i + k] & 0x3F);
        char bytes[4];
        if (wm_utf8_encode(code, bytes) != n || memcmp(bytes, s + i, n) != 0)
            return false;
        i += n;
    }
    return true;
}

static void test_validity_random(void)
{
    static const unsigned char likely[] = {0x00, 0x41, 0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0,
                                           0xBF, 0xC0, 0xC1, 0xC2, 0xDF, 0xE0, 0xE1, 0xED,
                                           0xEE, 0xEF, 0xF0, 0xF1, 0xF4, 0xF5, 0xF8, 0xFF};
    size_t wrong = 0, n_valid = 0;
    for (int round = 0; round < 300000; round++) {
        unsigned char s[40];
        size_t len = random32() % 6, pad = random32() % 34;
        memset(s, 'a', pad);
        for (size_t i = 0; i < len; i++)
            s[pad + i] = likely[random32() % sizeof likely];
        bool valid = wm_utf8_valid((struct wm_str){(char *)s, pad + len});
        n_valid += valid;
        wrong += valid != valid_plain(s, pad + len);
    }
    CHECK_U64(wrong, 0);
    CHECK(n_valid > 1000);
}

static void test_scan_equals_plain(void)
{
    size_t wrong = 0;
    for (int round = 0; round < 200000; round++) {
        unsigned char s[80];
        size_t len = random32() % sizeof s;
        unsigned rare = 1 + random32() % 64;
        for (size_t i = 0; i < len; i++)
            s[i] = (unsigned char)(random32() % rare ? 'a' + random32() % 26 : random32());
        wrong += wm_scan_ascii(s, len) != wm_scan_ascii_plain(s, len);
        bool high = false, high_plain = false;
        wrong += wm_scan_json(s, len, &high) != wm_scan_json_plain(s, len, &high_plain);
        wrong += high != high_plain;
        wrong += wm_scan_count(s, len, 'a') != wm_scan_count_plain(s, len, 'a');
        wrong += wm_scan_characters(s, len) != wm_scan_characters_plain(s, len);
    }
    static unsigned char much[70001]; /* more than 255 in a lane */
    memset(much, '\n', sizeof much);
    for (size_t len = sizeof much - 40; len <= sizeof much; len++) {
        wrong += wm_scan_count(much, len, '\n') != len;
        wrong += wm_scan_characters(much, len) != len;
    }
    CHECK_U64(wrong, 0);
}

static size_t unequal_facts(struct wm_text_facts a, struct wm_text_facts b)
{
    return a.n_newlines != b.n_newlines || a.has_cr != b.has_cr || a.is_utf8 != b.is_utf8;
}

static size_t wrong_copy(const unsigned char *s, size_t len)
{
    char plain[400], fast[400];
    struct wm_str src = {(const char *)s, len};
    memset(fast, 0x5A, sizeof fast);
    struct wm_text_facts want = wm_text_copy_plain(plain, src);
    size_t wrong = unequal_facts(wm_text_copy(fast, src), want);
    wrong += len && (memcmp(plain, s, len) != 0 || memcmp(fast, s, len) != 0);
    wrong += fast[len] != 0x5A;
    wrong += want.is_utf8 != valid_plain(s, len);
    wrong += wm_utf8_prefix(src) != wm_utf8_prefix_from(src, 0);
    return wrong;
}

/* Every pair of bytes, each with what may stand before and behind it, at every place of a block. */
static void test_copy_pairs(void)
{
    static const char *const before[] = {"",         "\xE2",         "\xE2\x82",
                                         "\xF0\x9F", "\xF0\x9F\x98", "\xC3"};
    static const char *const behind[] = {"", "\x80", "\x80\x80", "a"};
    unsigned char s[160];
    size_t wrong = 0;
    for (unsigned pair = 0; pair < 65536; pair++) {
        size_t at = 56 + pair * 7 % 16, len = at;
        memset(s, 'a', sizeof s);
        const char *lead = before[pair % 6], *tail = behind[pair / 6 % 4];
        memcpy(s + len, lead, strlen(lead));
        len += strlen(lead);
        s[len++] = (unsigned char)(pair >> 8);
        s[len++] = (unsigned char)pair;
        memcpy(s + len, tail, strlen(tail));
        len += strlen(tail);
        wrong += wrong_copy(s, len) + wrong_copy(s, 128) + wrong_copy(s, 130);
    }
    CHECK_U64(wrong, 0);
}

static void test_copy_random(void)
{
    size_t wrong = 0, n_valid = 0;
    for (int round = 0; round < 100000; round++) {
        unsigned char s[360];
        size_t len = 0, most = random32() % 340;
        unsigned ascii = random32() % 8, rare = random32() % 3 ? 0 : 1 + random32() % 100;
        while (len < most) {
            uint32_t code = random32() % 8 < ascii ? random32() % 0x80
                            : random32() % 64 == 0 ? random32() % 2 ? '\n' : '\r'
                            : random32() % 2       ? random32() % 0x800
                                                   : random32() % 0x110000;
            len += wm_utf8_encode(code, (char *)s + len);
        }
        if (rare && len && random32() % rare == 0)
            s[random32() % len] = (unsigned char)random32();
        if (len && random32() % 4 == 0)
            len -= random32() % (len < 4 ? len : 4);
        n_valid += valid_plain(s, len);
        wrong += wrong_copy(s, len);
    }
    CHECK_U64(wrong, 0);
    CHECK(n_valid > 10000 && n_valid < 99000);
}

static void check_repair(struct wm_str from, struct wm_str want, size_t want_replaced)
{
    struct wm_arena arena;
    struct wm_str got;
    size_t replaced;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_utf8_repair(from, &arena, &got, &replaced, &err), err);
    CHECK_STR(got, want);
    CHECK_U64(replaced, want_replaced);
    CHECK(wm_utf8_valid(got));
    wm_arena_done(&arena);
}

#define R "\xEF\xBF\xBD"

static void test_repair(void)
{
    check_repair(WM_STR(""), WM_STR(""), 0);
    check_repair(WM_STR("na\xC3\xAFve"), WM_STR("na\xC3\xAFve"), 0);
    /* Tables 3-8 to 3-11 of the Unicode standard, chapter 3. */
    check_repair(WM_STR("\xC0\xAF\xE0\x80\xBF\xF0\x81\x82\x41"), WM_STR(R R R R R R R R "A"), 8);
    check_repair(WM_STR("\xED\xA0\x80\xED\xBF\xBF\xED\xAF\x41"), WM_STR(R R R R R R R R "A"), 8);
    check_repair(WM_STR("\xF4\x91\x92\x93\xFF\x41\x80\xBF\x42"), WM_STR(R R R R R "A" R R "B"), 7);
    check_repair(WM_STR("\xE1\x80\xE2\xF0\x91\x92\xF1\xBF\x41"), WM_STR(R R R R "A"), 4);
    check_repair(WM_STR("abc\xE2\x82"), WM_STR("abc" R), 1);
    check_repair(WM_STR("\xE2\x82\xAC\x00\xFFz"), WM_STR("\xE2\x82\xAC\x00" R "z"), 1);

    struct wm_arena none;
    struct wm_str got;
    wm_arena_init(&none, 0);
    CHECK_FAILS(wm_utf8_repair(WM_STR("\xFF"), &none, &got, NULL, &err), WM_E_NOMEM, err, "memory");
    wm_arena_done(&none);
}

static void test_next(void)
{
    struct wm_str rest = WM_STR("a\xC3\xA9\xFF\xF0\x9F\x98\x80");
    CHECK_U64(wm_utf8_next(&rest), 'a');
    CHECK_U64(wm_utf8_next(&rest), 0xE9);
    CHECK_U64(wm_utf8_next(&rest), WM_UTF8_REPLACEMENT);
    CHECK_U64(wm_utf8_next(&rest), 0x1F600);
    CHECK_U64(rest.len, 0);
    CHECK_U64(wm_utf8_count(WM_STR("a\xC3\xA9\xF0\x9F\x98\x80")), 3);
}

int main(void)
{
    test_all_code_points();
    test_validity_random();
    test_scan_equals_plain();
    test_copy_pairs();
    test_copy_random();
    test_repair();
    test_next();
    return test_summary();
}
