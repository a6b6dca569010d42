/* SPDX-License-Identifier: Apache-2.0 */
#include "fixture.h"
#include "wetmill/utf8.h"

static void check_default(void)
{
    struct fixture f;
    fixture_one(&f, "normalize", NULL);
    CHECK_DROPPED(&f, WM_STR(""), "empty");
    CHECK_DROPPED(&f, WM_STR("\n\n\n"), "empty");
    CHECK_DROPPED(&f, WM_STR(" \t\u00A0\r\n\u200B\uFEFF\n"), "empty");
    struct wm_str clean = WM_STR("A clean line.\n\nÄnother one, 漢字.");
    fixture_fill(&f, &clean, 1);
    const char *before = f.batch.docs[0].text.ptr;
    fixture_apply(&f);
    CHECK(f.batch.n_docs == 1 && f.batch.docs[0].text.ptr == before); /* nothing was copied */
    CHECK_BECOMES(&f, WM_STR("a"), WM_STR("a"));
    CHECK_BECOMES(&f, WM_STR("a\n"), WM_STR("a"));
    CHECK_BECOMES(&f, WM_STR("\na\r\n\n\n\n b \n\n"), WM_STR("a\n\nb"));
    CHECK_U64(f.batch.docs[0].lines.n_runs, 2);
    CHECK_BECOMES(&f, WM_STR("  two  \t words\u00A0"), WM_STR("two words"));
    CHECK_BECOMES(&f,
                  WM_STR("a\rb\vc\fd\xC2\x85"
                         "e\u2028"
                         "f\u2029g"),
                  WM_STR("a b c d e f g"));
    CHECK_BECOMES(&f,
                  WM_STR("nul\0, esc\x1B[0m, del\x7F, c1\xC2\x9B"
                         "0m"),
                  WM_STR("nul, esc[0m, del, c10m"));
    CHECK_BECOMES(&f, WM_STR("zero\u200Bwidth\uFEFF soft\u00ADhyphen \u202Ex"),
                  WM_STR("zerowidth softhyphen x"));
    CHECK_BECOMES(&f, WM_STR("bad \uFFFD stays"), WM_STR("bad \uFFFD stays"));
    CHECK_BECOMES(&f, WM_STR("e\u0301 \u212B \u1112\u1161\u11AB"), WM_STR("é Å 한"));
    CHECK_BECOMES(&f, WM_STR("e\u200B\u0301"), WM_STR("é")); /* cleaned up before NFC */
    CHECK_BECOMES(&f, WM_STR("ﬁ ２ ½"), WM_STR("ﬁ ２ ½"));
    /* joiners: Persian and a family stay whole, English has none */
    CHECK_BECOMES(&f, WM_STR("می\u200Cخواهم"), WM_STR("می\u200Cخواهم"));
    CHECK_BECOMES(&f, WM_STR("क्\u200Dष"), WM_STR("क्\u200Dष"));
    CHECK_BECOMES(&f, WM_STR("👩\u200D👧"), WM_STR("👩\u200D👧"));
    CHECK_BECOMES(&f, WM_STR("th\u200Ce\u200D"), WM_STR("the"));
    /* tags: the flag of Scotland, and hidden text */
    CHECK_BECOMES(&f, WM_STR("\U0001F3F4\U000E0067\U000E007F x\U000E0041"),
                  WM_STR("\U0001F3F4\U000E0067\U000E007F x"));
    fixture_done(&f);
}

static void check_options(void)
{
    struct fixture f;
    fixture_one(&f, "normalize", "form=nfkc");
    CHECK_BECOMES(&f, WM_STR("ﬁ ２ Ａ…"), WM_STR("fi 2 A..."));
    CHECK_BECOMES(&f, WM_STR("a ¨"), WM_STR("a \u0308")); /* the space NFKC brings is one more */
    struct wm_str blow_up = repeated("\uFDFA", 100000);   /* 3 bytes become 33 */
    CHECK_DROPPED(&f, blow_up, "grows-too-much");
    forget(blow_up);
    fixture_done(&f);

    fixture_one(&f, "normalize", "form=none;controls=no;invisible=no;joiners=keep");
    CHECK_BECOMES(&f, WM_STR("e\xCC\x81\x01\xE2\x80\x8Bth\u200C  e"),
                  WM_STR("e\xCC\x81\x01\xE2\x80\x8Bth\u200C e"));
    fixture_done(&f);
    fixture_one(&f, "normalize", "joiners=remove");
    CHECK_BECOMES(&f, WM_STR("می\u200Cخواهم"), WM_STR("میخواهم"));
    fixture_done(&f);
    fixture_one(&f, "normalize", "white_space=trim");
    CHECK_BECOMES(&f, WM_STR("\tif (x)  return;\t \n\n\n\t}\u2028\r\n"),
                  WM_STR("\tif (x)  return;\n\n\t}"));
    fixture_done(&f);
    fixture_one(&f, "normalize", "white_space=keep;blank_lines=keep");
    CHECK_BECOMES(&f, WM_STR("\n a \u00A0\r\n\v\n"), WM_STR("\n a \u00A0\n \n"));
    CHECK_DROPPED(&f, WM_STR(" \n\v\n\t"), "empty");
    fixture_done(&f);
    fixture_one(&f, "normalize", "blank_lines=drop");
    CHECK_BECOMES(&f, WM_STR("\na\n\n\nb\n\nc\n"), WM_STR("a\nb\nc"));
    CHECK_U64(f.batch.docs[0].lines.n_runs, 3);
    fixture_done(&f);
}

/* Time and memory stay in proportion on what is meant to make them grow. */
static void check_huge(void)
{
    static const char *const pieces[] = {"\n",
                                         " ",
                                         "x",
                                         "a  ",
                                         "\u0301\u0316",
                                         "\u1161",
                                         "क\u200D\u200D",
                                         "\u200D",
                                         "\u0301\u200D",
                                         "ﬀ",
                                         "\u0F73\u0F71"};
    struct fixture f;
    fixture_one(&f, "normalize", NULL);
    for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
        struct wm_str text = repeated(pieces[i], 300000);
        const char *why = fixture_run(&f, text);
        CHECK(i < 2 ? why && strcmp(why, "empty") == 0 : f.batch.n_docs + f.dropped.n == 1);
        for (size_t d = 0; d < f.batch.n_docs; d++)
            CHECK(wm_utf8_valid(f.batch.docs[d].text));
        forget(text);
    }
    fixture_done(&f);
}

int main(void)
{
    check_default();
    check_options();
    check_huge();
    return test_summary();
}
