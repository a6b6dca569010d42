/* SPDX-License-Identifier: Apache-2.0 */
/* Scanners against PCRE2 with the same pattern: every code point, and longer texts at random, in
 * which pieces begin and end in blocks. $WETMILL_SCAN_TEXTS is the number of the latter,
 * a million unless told; under AddressSanitizer, which takes ten times as long, a tenth of that,
 * and of the code points beyond the first 0x3100 every seventh (and all around multiples of 64). */
#include "split_pieces.h"

/* A code point alone, amid letters, behind a space and before a number, and before a letter amid
 * spaces and newlines. */
static const struct {
    const char *before, *behind;
} contexts[] = {{"", ""}, {"Aa", "a's"}, {" ", "1\n"}, {"\n ", " \n\t'\u0301A"}};

static bool skipped(uint32_t code)
{
    return SLOW && code >= 0x3100 && code % 7 && (code + 1) % 64 > 1;
}

static void check_code_points(struct both_ways *b)
{
    for (uint32_t code = 0; code < 0x110000; code++) {
        if ((code >= 0xD800 && code < 0xE000) || skipped(code))
            continue;
        for (size_t i = 0; i < sizeof contexts / sizeof *contexts; i++) {
            char text[32];
            size_t before = strlen(contexts[i].before), behind = strlen(contexts[i].behind);
            memcpy(text, contexts[i].before, before);
            size_t len = before + wm_utf8_encode(code, text + before);
            memcpy(text + len, contexts[i].behind, behind);
            if (!check_same(b, (struct wm_str){text, len + behind}))
                return;
        }
    }
    test_checks++;
}

/* The first half are ASCII. */
static const char *const parts[] = {
    "a",      "B",          "the",        " The",   "  ",     " ",      "\n",
    "\r\n",   "\t",         "'",          "'s",     "'LL",    "'re",    "'V",
    "1",      "23456",      "!",          "?!",     "/",      "//",     "_",
    "x's",    "iPhone",     "HTTPServer", "\v",     "\x1C",   "\x7F",   "    ",
    " \n",    "\n  \n",     ",\n",        "('t",    "d'you",  "O'RE",   "aaaaaaaaaaaaaaaaaaaaaaaa",
    "é",      "Ü",          "漢",         "字",     "\u0301", "\u00A0", "\xC2\x85",
    "\u3000", "\u2028",     "ſ",          "'ſ",     "'S",     "ǅ",      "ʰ",
    "Ⅷ",      "²",          "\U0001F600", "\u20DD", "И",      "и",      "ا",
    "٣",      "\U00010400", "한",         "\u200D", "…",      "ª",
};
enum { N_PARTS = sizeof parts / sizeof *parts, N_ASCII = 35, TEXT_MAX = 400 };

/* Some texts are of few sorts of parts, some nearly all ASCII, some short. */
static size_t random_parts(uint64_t *state, char *text)
{
    size_t few[6], n_few = 1 + random_below(state, 6), len = 0;
    size_t limit = random_below(state, 8) ? random_below(state, 140) : TEXT_MAX;
    size_t style = random_below(state, 4);
    for (size_t i = 0; i < n_few; i++)
        few[i] = random_below(state, N_PARTS);
    for (;;) {
        size_t rare = style == 1 ? 2 : style == 2 ? 1 : 40; /* of another part than ASCII */
        size_t pick = style == 0                  ? few[random_below(state, n_few)]
                      : random_below(state, rare) ? random_below(state, N_ASCII)
                                                  : random_below(state, N_PARTS);
        size_t n = strlen(parts[pick]);
        if (len + n > limit)
            return len;
        memcpy(text + len, parts[pick], n);
        len += n;
    }
}

static void check_random(struct both_ways *all, uint64_t n)
{
    uint64_t state = 20;
    char text[TEXT_MAX];
    for (uint64_t i = 0; i < n; i++) {
        size_t len = random_parts(&state, text);
        for (size_t k = 0; k < SPLITS_COMPARED; k++)
            if (!check_same(&all[k], (struct wm_str){text, len}))
                return;
    }
    test_checks++;
}

/* Ends come in any portions. */
static void check_portions(struct both_ways *b)
{
    static uint32_t want[PIECES_MAX];
    uint64_t state = 3;
    char text[TEXT_MAX];
    for (int round = 0; round < 2000; round++) {
        struct wm_str all = {text, random_parts(&state, text)};
        size_t n = scan_pieces(b, &bpe_scan_plain, all, want);
        for (const struct bpe_scan_path *const *path = bpe_scan_paths(); *path; path++) {
            uint32_t got[PIECES_MAX];
            size_t at = 0, done = 0, more;
            while ((more = (*path)->scan[b->kind](&b->classes, all, &at, got + done,
                                                  1 + random_below(&state, 100))) > 0)
                done += more;
            CHECK(same_ends(want, n, got, done));
        }
    }
}

int main(void)
{
    struct both_ways all[SPLITS_COMPARED];
    const char *texts = getenv("WETMILL_SCAN_TEXTS");
    uint64_t n = texts && *texts ? strtoull(texts, NULL, 10) : SLOW ? 100000 : 1000000;
    all_splits_init(all);
    check_random(all, n);
    for (size_t i = 0; i < SPLITS_COMPARED; i++) {
        check_code_points(&all[i]);
        check_portions(&all[i]);
        both_ways_done(&all[i]);
    }
    (void)printf("%s code points, %" PRIu64 " texts\n", SLOW ? "a seventh of the" : "all", n);
    return test_summary();
}
