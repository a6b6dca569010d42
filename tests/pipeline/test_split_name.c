/* SPDX-License-Identifier: Apache-2.0 */
/* Values become file names: safe ones, and different ones for different values. */
#include "pipeline/split_name.h"

#include "test.h"
#include "wetmill/file.h"

static struct wm_str name_of(struct wm_str a, struct wm_str b, uint64_t has, size_t n,
                             char out[WM_SPLIT_NAME])
{
    static const int slots[] = {0, 1, 2, 3};
    union wm_value values[4] = {{.text = a}, {.text = b}, {.text = a}, {.text = b}};
    struct wm_doc doc = {.values = values, .has = has};
    size_t len = wm_split_name(&doc, slots, n, out);
    CHECK(len < WM_SPLIT_NAME && out[len] == '\0');
    CHECK(wm_split_name_valid((struct wm_str){out, len}));
    return (struct wm_str){out, len};
}

static void is(struct wm_str value, const char *want)
{
    char out[WM_SPLIT_NAME];
    CHECK_STR(name_of(value, value, 1, 1, out), wm_str_of(want));
}

static void test_values(void)
{
    is(WM_STR("en"), "en");
    is(WM_STR("zh-Hant.x1"), "zh-Hant.x1");
    is(WM_STR("eng_Latn"), "eng%5FLatn");
    is(WM_STR("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
    is(WM_STR("."), "%2E");
    is(WM_STR("-rf"), "%2Drf");
    is(WM_STR("a\0b\n"), "a%00b%0A");
    is(WM_STR("č%"), "%C4%8D%25");
    is(WM_STR(""), "empty");
    is(WM_STR("empty"), "%65mpty");
    is(WM_STR("none"), "%6Eone");
    is(WM_STR("nones"), "nones");
    char out[WM_SPLIT_NAME];
    CHECK_STR(name_of(WM_STR("en"), WM_STR("head"), 3, 2, out), WM_STR("en_head"));
    CHECK_STR(name_of(WM_STR("en"), WM_STR("head"), 2, 2, out), WM_STR("none_head"));
    CHECK_STR(name_of(WM_STR("en"), WM_STR("head"), 0, 2, out), WM_STR("none_none"));
    CHECK_STR(name_of(WM_STR("a_b"), WM_STR("c"), 3, 2, out), WM_STR("a%5Fb_c"));
}

/* As long as may be without being cut, and one more; files in four columns can still be made. */
static void test_long(void)
{
    char value[400], out[WM_SPLIT_NAME], other[WM_SPLIT_NAME];
    memset(value, 'x', sizeof value);
    for (size_t len = 1; len <= WM_SPLIT_VALUE; len++)
        CHECK_U64(name_of((struct wm_str){value, len}, WM_STR(""), 1, 1, out).len, len);
    for (size_t len = WM_SPLIT_VALUE + 1; len < sizeof value; len += 7) {
        struct wm_str name = name_of((struct wm_str){value, len}, WM_STR(""), 1, 1, out);
        CHECK(name.len <= WM_SPLIT_VALUE && wm_str_starts(name, WM_STR("xxxxxxxx")));
        struct wm_str next = name_of((struct wm_str){value, len + 1}, WM_STR(""), 1, 1, other);
        CHECK(!wm_str_eq(name, next));
    }
    memset(value, '\xC3', sizeof value); /* escapes are not cut in two */
    struct wm_str name = name_of((struct wm_str){value, 100}, WM_STR(""), 1, 1, out);
    CHECK(wm_str_starts(name, WM_STR("%C3%C3%C3%C3%%")) && name.len == 12 + 2 + 32);
    memset(value, '?', sizeof value);
    name = name_of((struct wm_str){value, 400}, (struct wm_str){value, 399}, 15, 4, out);
    CHECK(name.len + strlen("_00000.jsonl.zst.tmp.4194304.4294967295") <= 255);
}

/* All values of up to three bytes of an alphabet of trouble, as one column and as two. */
static void test_different(void)
{
    static const char alphabet[] = {'a', '_', '%', '.', '-', '/', '\0', '2', 'E', '\x80'};
    enum { A = sizeof alphabet, N = A + A * A + A * A * A };
    static char values[N][3], names[2 * N][WM_SPLIT_NAME];
    static size_t lens[N];
    size_t n = 0;
    for (size_t len = 1, count = A; len <= 3; len++, count *= A)
        for (size_t i = 0; i < count; i++, n++) {
            size_t rest = i;
            lens[n] = len;
            for (size_t k = 0; k < len; k++, rest /= A)
                values[n][k] = alphabet[rest % A];
        }
    for (size_t i = 0; i < N; i++) {
        struct wm_str value = {values[i], lens[i]};
        (void)name_of(value, value, 1, 1, names[i]);
        struct wm_str a = {value.ptr, 1}, b = {value.ptr + 1, value.len - 1};
        (void)name_of(a, b, 3, 2, names[N + i]);
    }
    for (size_t i = 0; i < 2 * N; i++)
        for (size_t k = i + 1; k < 2 * N; k++)
            CHECK_(strcmp(names[i], names[k]) != 0, "%zu and %zu are both %s", i, k, names[i]);
}

static void test_valid(void)
{
    static const char *const bad[] = {"", ".", "..", "../x", "a/b", "-x", "a b", "a\nb", "\xC3"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_(!wm_split_name_valid(wm_str_of(bad[i])), "%s", bad[i]);
    char name[WM_SPLIT_NAME];
    memset(name, 'x', sizeof name);
    CHECK(!wm_split_name_valid((struct wm_str){name, sizeof name}));
    CHECK(!wm_split_name_valid(WM_STR("a\0b")));
}

int main(void)
{
    test_values();
    test_long();
    test_different();
    test_valid();
    return test_summary();
}
