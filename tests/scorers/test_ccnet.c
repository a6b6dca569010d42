/* SPDX-License-Identifier: Apache-2.0 */
/* CCNet's normalisation: equal to the plain version on every character and on random text. */
#include "wetmill/ccnet.h"

#include "scorers/ccnet.h"
#include "scorers/ccnet_plain.h"
#include "test.h"

static struct wm_ccnet forms[WM_UNICODE_VERSIONS];
static unsigned shown;

static bool same(enum wm_unicode_version version, struct wm_str text, unsigned flags)
{
    struct wm_error err;
    struct wm_str got;
    if (wm_ccnet_normalise(&forms[version], text, flags, &got, &err)) {
        (void)printf("%s\n", err.what);
        return false;
    }
    size_t len;
    char *want = plain_normalise(version, text, flags, &len);
    bool ok = wm_str_eq(got, (struct wm_str){want, len});
    if (!ok && shown++ < 5) {
        char a[512], b[512], c[512];
        wm_escape(a, sizeof a, text.ptr, text.len);
        wm_escape(b, sizeof b, got.ptr, got.len);
        wm_escape(c, sizeof c, want, len);
        (void)printf("flags %u: \"%s\"\n gives \"%s\"\n want \"%s\"\n", flags, a, b, c);
    }
    free(want);
    return ok;
}

/* All but surrogates and most of the ideographs, syllables and what is unassigned. */
static bool worth_it(uint32_t c)
{
    static const uint32_t dull[][2] = {{0x3400, 0x9EFF},
                                       {0xAD00, 0xD6FF},
                                       {0x17000, 0x19FFF},
                                       {0x20000, 0xDFFFF},
                                       {0xE2000, 0x10FFFF}};
    for (size_t i = 0; i < sizeof dull / sizeof *dull; i++)
        if (c >= dull[i][0] && c <= dull[i][1])
            return c % 61 == 0;
    return c < 0xD800 || c > 0xDFFF;
}

/* Between letters, so that nothing is stripped, and behind a mark that must be ordered. */
static void check_characters(enum wm_unicode_version version)
{
    static const unsigned sets[] = {WM_CCNET_DEDUP, WM_CCNET_LM,
                                    WM_CCNET_LM | WM_CCNET_NEWLINE_SPACE, WM_CCNET_PUNCT_REPLACE,
                                    WM_CCNET_ACCENTS};
    unsigned wrong = 0;
    for (uint32_t c = 0; c < WM_UCD_CODES; c++) {
        if (!worth_it(c))
            continue;
        char text[32] = "a";
        size_t n = 1 + wm_utf8_encode(c, text + 1);
        memcpy(text + n, "b\xF0\x9D\x85\xA5", 5); /* U+1D165, class 216 */
        n += 5;
        n += wm_utf8_encode(c, text + n);
        for (size_t i = 0; i < (c < 0x3400 ? 5 : 2); i++)
            wrong += !same(version, (struct wm_str){text, n}, sets[i]);
    }
    CHECK_U64(wrong, 0);
}

static uint64_t random_state = 7;
static uint32_t random32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

/* Texts of one script with some of everything mixed in, or of any bytes. */
static size_t random_text(char *s, size_t max)
{
    static const uint32_t scripts[][2] = {
        {'a', 'z'},       {0x20, 0x7E},       {0x410, 0x44F},     {0x370, 0x3FF},
        {0xC0, 0x24F},    {0x5D0, 0x6FF},     {0x900, 0xDFF},     {0xE00, 0x109F},
        {0x1E00, 0x1FFF}, {0x2000, 0x22FF},   {0x3000, 0x30FF},   {0x4E00, 0x9FFF},
        {0xAC00, 0xD7A3}, {0xFF00, 0xFFFF},   {0x1D100, 0x1D200}, {0x10400, 0x1044F},
        {0x1100, 0x11FF}, {0x11300, 0x11400}, {0x300, 0x36F},     {0x1F300, 0x1F700}};
    static const uint32_t odd[] = {' ',    ' ',     '\t',  '\n',    '9',    'Z',    0x3A3,
                                   0x3A3,  0x130,   '\'',  0xAD,    0x85,   0xA0,   0x1D165,
                                   0x302E, 0x1D160, 0x7F,  0x2014,  0x3002, 0xFF0C, 0x2019,
                                   0x1B44, 0x345,   0x660, 0x1D7CE, 0xFFFD};
    const uint32_t *script = scripts[random32() % (sizeof scripts / sizeof *scripts)];
    unsigned rare = 1 + random32() % 30, bad = random32() % 4 ? 1000000 : 20;
    size_t n = 0;
    while (n + 4 <= max) {
        uint32_t code = script[0] + random32() % (script[1] - script[0] + 1);
        if (random32() % rare == 0)
            code = odd[random32() % (sizeof odd / sizeof *odd)];
        if (random32() % 4000 == 0)
            script = scripts[random32() % (sizeof scripts / sizeof *scripts)];
        if (random32() % bad == 0)
            s[n++] = (char)random32();
        else
            n += wm_utf8_encode(code, s + n);
    }
    return n;
}

static void check_random(void)
{
    enum { LONGEST = 400, ROUNDS = 20000 };
    unsigned wrong = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        size_t max = random32() % LONGEST;
        char *s = malloc(max + 1); /* of its own size, so that a sanitizer sees reads beyond it */
        if (!s)
            abort();
        struct wm_str text = {s, random_text(s, max)};
        unsigned any = random32() % WM_CCNET_FLAG_SETS;
        enum wm_unicode_version version = round % 2 ? WM_UNICODE_14_0 : WM_UNICODE_15_0;
        wrong += !same(version, text, WM_CCNET_DEDUP);
        wrong += !same(version, text, WM_CCNET_LM);
        if (round % 16 == 0)
            wrong += !same(version, text, any);
        free(s);
    }
    CHECK_U64(wrong, 0);
}

/* The ways to run a map write the same and stop at the same place. */
static bool same_paths(const struct wm_charmap *map, struct wm_str text)
{
    const struct wm_charmap_path *const *paths = wm_charmap_paths();
    const unsigned char *in = (const unsigned char *)text.ptr, *first_stop = NULL;
    size_t room = map->growth * text.len + WM_CHARMAP_SLACK, first_len = 0;
    char *first = malloc(room), *other = malloc(room);
    bool same = first && other;
    for (size_t i = 0; same && paths[i]; i++) {
        char *out = i ? other : first;
        const unsigned char *stop = paths[i]->run(map, in, in + text.len, &out);
        size_t len = (size_t)(out - (i ? other : first));
        if (i == 0) {
            first_stop = stop;
            first_len = len;
        }
        same = stop == first_stop && len == first_len && memcmp(first, i ? other : first, len) == 0;
        if (!same && shown++ < 5)
            (void)printf("path %s differs from %s\n", paths[i]->name, paths[0]->name);
    }
    free(first);
    free(other);
    return same;
}

static void check_paths(void)
{
    enum { LONGEST = 300, ROUNDS = 60000 };
    unsigned wrong = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct wm_error err;
        const struct wm_charmap *map;
        unsigned flags = round % 3 == 0   ? WM_CCNET_DEDUP
                         : round % 3 == 1 ? WM_CCNET_LM
                                          : round % 64;
        if (wm_ccnet_map(WM_UNICODE_14_0, flags, &map, &err))
            abort();
        size_t max = random32() % LONGEST;
        char *s = malloc(max + 1);
        if (!s)
            abort();
        wrong += !same_paths(map, (struct wm_str){s, random_text(s, max)});
        free(s);
    }
    CHECK_U64(wrong, 0);
}

/* Longer than what room is made for at once, with characters across the joints. */
static void check_long(void)
{
    enum { LONG = 300000 };
    static const char *const parts[] = {
        "Aa1\xC3\x89", "\xEC\x95\x88",      "\xF0\x9D\x85\xA5\xE3\x80\xAE",
        "'\xCE\xA3''", "\xD0\x9F\xD1\x80 ", "\x80",
        "\xCE\xA3"};
    char *s = malloc(LONG);
    if (!s)
        abort();
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        struct wm_str part = wm_str_of(parts[i]);
        size_t n = 1 + i;
        memset(s, 'x', n);
        for (; n + part.len < (i == 2 ? 3000 : LONG); n += part.len)
            memcpy(s + n, part.ptr, part.len);
        CHECK(same(WM_UNICODE_14_0, (struct wm_str){s, n}, WM_CCNET_DEDUP));
        CHECK(same(WM_UNICODE_14_0, (struct wm_str){s, n}, WM_CCNET_LM));
    }
    free(s);
}

static void check_known(void)
{
    struct wm_error err;
    struct wm_str got;
    CHECK_OK(wm_ccnet_dedup(&forms[0], WM_STR(" \xC2\xAB A1\t\xC2\xBB\xE3\x80\x80"), &got, &err),
             err);
    CHECK_STR(got, WM_STR(" a0"));
    CHECK_OK(wm_ccnet_lm(&forms[0], WM_STR("\xC3\x89t\xC3\xA9\n\xE2\x80\x94"), 0, &got, &err), err);
    CHECK_STR(got, WM_STR("ete - "));
    CHECK_OK(wm_ccnet_lm(&forms[0], WM_STR("a\nb"), WM_CCNET_NEWLINE_SPACE, &got, &err), err);
    CHECK_STR(got, WM_STR("a b"));
    CHECK_OK(wm_ccnet_lm(&forms[0], (struct wm_str){NULL, 0}, 0, &got, &err), err);
    CHECK_STR(got, WM_STR(""));
    CHECK_U64(wm_ccnet_sha1_8((struct wm_str){NULL, 0}), 0x0d4b6b5eeea339da);

    struct wm_ccnet small;
    wm_ccnet_init(&small, WM_UNICODE_14_0, 100);
    CHECK_FAILS(
        wm_ccnet_dedup(&small, WM_STR("0123456789012345678901234567890123456789"), &got, &err),
        WM_E_LIMIT, err, "limit");
    wm_ccnet_done(&small);
    wm_ccnet_done(&small);
}

int main(void)
{
    for (unsigned v = 0; v < WM_UNICODE_VERSIONS; v++)
        wm_ccnet_init(&forms[v], (enum wm_unicode_version)v, 1 << 24);
    check_known();
    check_characters(WM_UNICODE_14_0);
    check_characters(WM_UNICODE_15_0);
    check_random();
    check_paths();
    check_long();
    for (unsigned v = 0; v < WM_UNICODE_VERSIONS; v++)
        wm_ccnet_done(&forms[v]);
    return test_summary();
}
