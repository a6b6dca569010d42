/* SPDX-License-Identifier: Apache-2.0 */
/* Scanners against PCRE2 with the same pattern: every short string of one character of each sort,
 * alone (all paths do that piece by piece) and with text around it, in which blocks of ASCII are
 * read at once. $WETMILL_SCAN_LENGTH is the longest string, 4 unless told. */
#include "split_pieces.h"

static const char *const characters[] = {
    "s",
    "T",
    "r",
    "e",
    "L",
    "\u017F", /* letters of the contractions */
    "'",
    " ",
    "\t",
    "\r",
    "\n",
    "\u00A0",
    "\xC2\x85",
    "\u01C5",
    /* Lt */ "\u02B0",
    /* Lm */ "\u6F22",
    /* Lo */ "\u0301", /* Mn */
    "\u20DD",
    /* Me */ "1",
    "\u2167",
    /* Nl */ "\u00B2",
    /* No */ "/",
    "+",
    "\U0001F600",
};
enum { N_CHARACTERS = sizeof characters / sizeof *characters };

/* The contractions, whole: their letters in both cases, and what may stand around them. */
static const char *const contractions[] = {
    "'", "s", "t", "r", "e", "v", "m", "l",      "d", "S",
    "T", "R", "E", "V", "M", "L", "D", "\u017F", " ", "1",
};
enum { N_CONTRACTIONS = sizeof contractions / sizeof *contractions };

/* What may stand before and behind: bytes that fill a block, of words and of other things. */
static const char before[] = "The quick (brown) fox's 12345 jumps;\n\n  over";
static const char behind[] =
    "the lazy dog, isn't it? \tYes: 7890 of THEM'll do\r\n so. And then some";
enum { BEFORE = sizeof before - 1, BEHIND = sizeof behind - 1, STRING_MAX = 8 * 4 };

/* In the middle of a text, the string begins at a place that depends on it, so that blocks begin
 * and end everywhere. The paths must agree; that all agree with PCRE2 is seen now and then. */
static bool check_amid(struct both_ways *b, struct wm_str string, uint64_t number)
{
    static uint32_t want[PIECES_MAX], got[PIECES_MAX];
    char text[BEFORE + STRING_MAX + BEHIND];
    size_t skip = number * 7 % (BEFORE + 1), cut = number % 11, len = BEFORE - skip;
    memcpy(text, before + skip, len);
    memcpy(text + len, string.ptr, string.len);
    memcpy(text + len + string.len, behind, BEHIND - cut);
    struct wm_str all = {text, len + string.len + BEHIND - cut};
    if (number % 64 == 0)
        return check_same(b, all);
    size_t n = scan_pieces(b, &bpe_scan_plain, all, want);
    for (const struct bpe_scan_path *const *path = bpe_scan_paths(); *path; path++)
        if (*path != &bpe_scan_plain && !same_ends(want, n, got, scan_pieces(b, *path, all, got)))
            return pieces_differ(b, (*path)->name, all);
    return true;
}

/* All strings of `length` of these characters; false at the first that differs. */
static bool check_length(struct both_ways *b, const char *const *of, unsigned n_of, unsigned length)
{
    uint64_t n_strings = 1;
    for (unsigned i = 0; i < length; i++)
        n_strings *= n_of;
    for (uint64_t number = 0; number < n_strings; number++) {
        char text[STRING_MAX];
        size_t len = 0;
        uint64_t rest = number;
        for (unsigned i = 0; i < length; i++, rest /= n_of) {
            const char *c = of[rest % n_of];
            size_t n = strlen(c);
            memcpy(text + len, c, n);
            len += n;
        }
        char *exact = malloc(len ? len : 1); /* so that AddressSanitizer sees one byte too many */
        memcpy(exact, text, len);
        bool same = check_same(b, (struct wm_str){exact, len});
        free(exact);
        if (!same || !check_amid(b, (struct wm_str){text, len}, number))
            return false;
    }
    test_checks++;
    return true;
}

int main(void)
{
    struct both_ways all[SPLITS_COMPARED];
    const char *longest = getenv("WETMILL_SCAN_LENGTH");
    unsigned length = longest && *longest ? (unsigned)strtoul(longest, NULL, 10) : 4;
    all_splits_init(all);
    for (size_t i = 0; i < SPLITS_COMPARED; i++) {
        for (unsigned n = 0; n <= length && n <= STRING_MAX / 4; n++)
            if (!check_length(&all[i], characters, N_CHARACTERS, n))
                break;
        (void)check_length(&all[i], contractions, N_CONTRACTIONS, 4);
        both_ways_done(&all[i]);
    }
    (void)printf("strings of up to %u of %d characters\n", length, N_CHARACTERS);
    return test_summary();
}
