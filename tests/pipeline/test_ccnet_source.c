/* SPDX-License-Identifier: Apache-2.0 */
/* Profile ccnet: lines, header fields by position, where records end, what is title and text; and
 * what happens where cc_net would end with an error. Every document is read again at its place. */
#include "pipeline/ccnet_source.h"
#include "pipeline/doc_json.h"
#include "pipeline/reading_help.h"

static struct wm_source_options options(void)
{
    struct wm_source_options o = help_options();
    o.profile = WM_PROFILE_CCNET;
    o.format = WM_FORMAT_WARC;
    return o;
}

#define HEADER(url)                                                                \
    "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: " url                   \
    "\r\nWARC-Date: D\r\nWARC-Record-ID: <urn:1>\r\nWARC-Refers-To: x\r\nDigest: " \
    "sha1:A\r\nContent-Type: text/plain\r\nContent-Length: 7\r\n\r\n"

struct doc {
    const char *url, *title, *text;
    uint32_t lines;
};

static void check_docs(const char *what, const struct help_docs *all, const struct doc *want)
{
    size_t n = 0;
    for (; want[n].url; n++) {
        if (n >= all->n)
            break;
        const struct wm_doc *got = &all->docs[n];
        CHECK_STR(got->url, wm_str_of(want[n].url));
        CHECK_STR(got->title, wm_str_of(want[n].title));
        CHECK_STR(got->text, wm_str_of(want[n].text));
        CHECK_U64(got->source_lines, want[n].lines);
        CHECK_U64(wm_line_map_count(&got->lines), want[n].lines);
    }
    CHECK_(!want[n].url && n == all->n, "%s: %zu documents", what, all->n);
}

/* The same bytes plain, in one member, and in members cut anywhere. */
static void check_input(const char *what, struct wm_str bytes, const struct doc *want)
{
    for (int how = 0; how < 4; how++) {
        struct wm_buf buf = help_buf();
        size_t at = 0, step = how < 2 ? bytes.len : how == 2 ? 37 : bytes.len / 2 + 1;
        for (; at < bytes.len; at += step) {
            size_t n = bytes.len - at < step ? bytes.len - at : step;
            help_pack(&buf, (struct wm_str){bytes.ptr + at, n}, how ? ".gz" : "");
        }
        const char *path = help_store(how ? "a.wet.gz" : "a.wet", &buf);
        struct help_docs all = help_read_with(options(), path, true);
        check_docs(what, &all, want);
        help_done(&all);
        wm_buf_done(&buf);
    }
}

static void test_quirks(void)
{
    static const struct {
        const char *what, *bytes;
        struct doc want[4];
    } cases[] = {
        {"newlines of all kinds, stripped lines",
         HEADER("http://a") "T\r  b \rc\xC2\xA0\n\xE3\x80\x80 d\x0B"
                            "e\x1F\r\n\r\n\r\n",
         {{"http://a", "T",
           "b\nc\nd\x0B"
           "e",
           3}}},
        {"two empty lines go, no more and no less",
         HEADER("http://a") "T\na\n\n\n\n" HEADER("http://b") "T\na\n\n" HEADER("http://c") "T\na",
         {{"http://a", "T", "a\n", 2}, {"http://b", "T", "a\n", 2}, {"http://c", "T", "a", 1}}},
        {"title alone, nothing, one empty line",
         HEADER("http://a") "T\n\n\n" HEADER("http://b") "\n\n" HEADER("http://c") "\n",
         {{"http://a", "T", "", 0}, {"http://b", "", "", 0}, {"http://c", "", "", 0}}},
        {"title and one empty line: a text of one line",
         HEADER("http://a") "T\n\n",
         {{"http://a", "T", "", 1}}},
        {"WARC/1.0 in the text ends it, WARC/1.1 does not",
         HEADER("http://a") "T\nx\nWARC/1.1\n WARC/1.0\t\nlost\n\nlost\n" HEADER("http://b") "T\ny",
         {{"http://a", "T", "x\nWARC/1.1", 2}, {"http://b", "T", "y", 1}}},
        {"fields by position, whatever their names",
         "1\n2 conversion 3\nc http://a b\nd\tD\ne\nf\ng \xE3\x80\x80h\ni\nj +1_0 x\n\nT\nx",
         {{"http://a", "T", "x", 1}}},
        {"a header of today is malformed",
         "WARC/1.0\nt: conversion\nu: http://a\nd: D\ni: <1>\nr: x\nb: sha1:A\nl: eng\nc: "
         "text/plain\n"
         "n: 3\n\nT\nx\n" HEADER("http://b") "T\ny",
         {{"http://b", "T", "y", 1}}},
        {"other types, and no body at all",
         "WARC/1.0\nt: response\n\nx\nWARC/1.0\nt: warcinfo\n\nx\n" HEADER("http://a")
             HEADER("http://b") "T\ny",
         {{"http://b", "T", "y", 1}}},
        {"invalid UTF-8 in text and title",
         HEADER("http://a") "\xFFT\nb\xE3\x80\n",
         {{"http://a", "\xEF\xBF\xBDT", "b\xEF\xBF\xBD", 1}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        check_input(cases[i].what, wm_str_of(cases[i].bytes), cases[i].want);
}

static void test_lengths(void)
{
    static const struct {
        const char *word;
        bool good;
        int64_t length;
    } cases[] = {{"7", true, 7},
                 {"-5", true, -5},
                 {"+1_0", true, 10},
                 {"\xD9\xA3", true, 3},
                 {"9223372036854775807", true, INT64_MAX},
                 {"9223372036854775808", false, 0},
                 {"1__0", false, 0},
                 {"_1", false, 0},
                 {"1_", false, 0},
                 {"-", false, 0},
                 {"12x", false, 0},
                 {"\xC2\xB2", false, 0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[256];
        struct wm_ccnet_header h;
        (void)snprintf(header, sizeof header, "0\n1 conversion\n2 u\n3 d\n4\n5\n6 g\n7\n8 %s\n\n",
                       cases[i].word);
        enum wm_read_reason reason = wm_ccnet_header_read(wm_str_of(header), &h);
        CHECK_(reason == (cases[i].good ? WM_READ_REASONS : WM_READ_BAD_HEADER), "%s",
               cases[i].word);
        if (cases[i].good)
            CHECK(h.length == cases[i].length);
    }
}

static struct wm_buf three_members(size_t starts[4])
{
    struct wm_buf buf = help_buf();
    static const char *const records[] = {HEADER("http://a") "T\nfirst\n\r\n\r\n",
                                          HEADER("http://b") "T\nsecond\n\r\n\r\n",
                                          HEADER("http://c") "T\nthird\n\r\n\r\n"};
    for (int i = 0; i < 3; i++) {
        starts[i] = buf.len;
        help_gzip(&buf, wm_str_of(records[i]), 6);
    }
    starts[3] = buf.len;
    return buf;
}

/* cc_net loses the whole shard, or what it has not written yet; here one record is lost. */
static void test_damage(void)
{
    static const struct doc ac[] = {
        {"http://a", "T", "first", 1}, {"http://c", "T", "third", 1}, {0}};
    static const struct doc ab[] = {
        {"http://a", "T", "first", 1}, {"http://b", "T", "second", 1}, {0}};
    size_t starts[4];
    struct wm_buf buf = three_members(starts);
    buf.ptr[starts[1] + 20] ^= 0x55;
    struct help_docs all = help_read_with(options(), help_store("corrupt.gz", &buf), true);
    check_docs("corrupt", &all, ac);
    CHECK(all.tally.n_damage > 0 && all.tally.bad_files == 1);
    help_done(&all);
    wm_buf_done(&buf);
    buf = three_members(starts);
    buf.len = starts[3] - 30;
    all = help_read_with(options(), help_store("short.gz", &buf), true);
    check_docs("cut short", &all, ab);
    CHECK(all.tally.bad_files == 1);
    help_done(&all);
    wm_buf_done(&buf);
}

/* Behind damage, what is left of a record is passed over up to the next WARC/1.0. */
static void test_resume(void)
{
    static const struct doc want[] = {{"http://b", "T", "y", 1}, {0}};
    struct wm_buf buf = help_buf();
    help_gzip(&buf, WM_STR(HEADER("http://a") "T\nlos "), 6);
    size_t at = buf.len;
    help_gzip(&buf, WM_STR("because of this "), 6);
    buf.ptr[at + 14] ^= 0x55;
    help_gzip(&buf, WM_STR("and this\n\n" HEADER("http://b") "T\ny\n\n\n"), 6);
    struct help_docs all = help_read_with(options(), help_store("resume.gz", &buf), true);
    check_docs("behind damage", &all, want);
    CHECK_U64(all.tally.reasons[WM_READ_TRUNCATED], 1); /* it should have 7 bytes */
    help_done(&all);
    wm_buf_done(&buf);
}

static void test_long(void)
{
    static const struct doc want[] = {{"http://a", "T", "x", 1}, {"http://c", "T", "y", 1}, {0}};
    for (int how = 0; how < 3; how++) {
        struct wm_source_options o = options();
        struct wm_buf buf = help_buf();
        o.max_record = 4096;
        help_text(&buf, HEADER("http://a") "T\nx\n\n\n" HEADER("http://b") "T\n");
        for (int i = 0; i < (how ? 20000 : 100); i++) {
            help_fill(&buf, 'x', 50);
            help_text(&buf, how == 1 ? "\r" : how == 2 ? " " : "\n");
        }
        help_text(&buf, "\n\n\n" HEADER("http://c") "T\ny\n\n\n");
        struct help_docs all = help_read_with(o, help_store("long.wet", &buf), true);
        check_docs("long", &all, want);
        CHECK_U64(all.tally.reasons[WM_READ_TOO_LONG], 1);
        help_done(&all);
        wm_buf_done(&buf);
    }
    /* a header that never ends */
    struct wm_source_options o = options();
    struct wm_buf buf = help_buf();
    o.max_record = 4096;
    help_text(&buf, "WARC/1.0\n");
    for (int i = 0; i < 20000; i++)
        help_text(&buf, "no empty line here\n");
    help_text(&buf, HEADER("http://a") "T\nx\n\n\n" HEADER("http://c") "T\ny\n\n\n");
    struct help_docs all = help_read_with(o, help_store("header.wet", &buf), true);
    check_docs("endless header", &all, want);
    CHECK_U64(all.tally.reasons[WM_READ_BAD_HEADER], 1);
    help_done(&all);
    wm_buf_done(&buf);
}

static void test_segment(void)
{
    char list[WM_PATH_MAX], prefix[WM_PATH_MAX];
    struct wm_buf buf = help_buf();
    struct wm_source_options o = options();
    help_text(&buf, HEADER("http://a") "T\nx\n\n\n");
    (void)help_store("crawl.wet", &buf);
    help_text(&buf, "/crawl.wet\n");
    (void)snprintf(list, sizeof list, "%s", help_store("wet.paths", &buf));
    (void)snprintf(prefix, sizeof prefix, "%s", help_dir);
    o.prefix = prefix;
    struct help_docs all = help_read_with(o, list, true);
    CHECK_U64(all.n, 1);
    CHECK_STR(all.n ? all.docs[0].segment : WM_STR(""), WM_STR("crawl.wet"));
    CHECK(all.n && all.docs[0].has_length && all.docs[0].source_length == 7);
    help_done(&all);
    wm_buf_done(&buf);
}

static uint64_t random_state = 1;
static unsigned random_below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

static void test_line_end(void)
{
    char bytes[200];
    for (int round = 0; round < 2000; round++) {
        size_t len = random_below(sizeof bytes), from = random_below(17);
        for (size_t i = 0; i < len; i++)
            bytes[i] = "\r\nabcdefghijklmnopqrstuvwxyz\xFF\x8A\x8D"[random_below(31)];
        for (size_t i = 0; round % 2 && i < len; i++)
            bytes[i] = random_below(60) ? 'x' : bytes[i];
        struct wm_str s = {bytes + (from < len ? from : 0), len - (from < len ? from : 0)};
        CHECK_U64(wm_ccnet_line_end(s), wm_ccnet_line_end_plain(s));
    }
}

/* Soup of all that means something: nothing is lost track of, every document is found again. */
static void test_soup(void)
{
    static const char *const pieces[] = {"\n",        "\r",        "\r\n",     "WARC/1.0",
                                         "WARC/1.1",  " ",         "\xC2\x85", "\xE3\x80\x80",
                                         "\xE3",      "text",      "\n\n\n",   "WARC/1.0\n",
                                         HEADER("u"), HEADER("v"), "T\nx\n"};
    for (int round = 0; round < 60; round++) {
        struct wm_buf plain = help_buf(), buf = help_buf();
        for (unsigned n = random_below(400); n > 0; n--)
            help_text(&plain, pieces[random_below(sizeof pieces / sizeof *pieces)]);
        help_text(&plain, ".");
        for (size_t at = 0; at < plain.len;) {
            size_t n = 1 + random_below(3000);
            n = n < plain.len - at ? n : plain.len - at;
            help_gzip(&buf, (struct wm_str){plain.ptr + at, n}, 1);
            at += n;
        }
        if (round % 3 == 0)
            buf.ptr[random_below((unsigned)buf.len)] ^= 0x41;
        struct help_docs all = help_read_with(options(), help_store("soup.gz", &buf), true);
        help_done(&all);
        wm_buf_done(&plain);
        wm_buf_done(&buf);
    }
}

/* What Python's urlparse(url).netloc gives. */
static void test_authority(void)
{
    static const char *const cases[][2] = {
        {"http://User:p@H.example:80/x?y#z", "User:p@H.example:80"},
        {"http://a", "a"},
        {"HTTPS://x?y", "x"},
        {"ftp://x#y/", "x"},
        {"//n/x", "n"},
        {"http:/x", ""},
        {"a:b://c", ""},
        {"1http://x/", ""},
        {"-a://x", ""},
        {"a.b+c-1://n@/", "n@"},
        {"mailto:a@b", ""},
        {"http//x", ""},
        {"\x01 http://x", "x"},
        {"http://[::1]:8/x", "[::1]:8"},
        {"", ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        CHECK_STR(wm_url_authority(wm_str_of(cases[i][0])), wm_str_of(cases[i][1]));
}

int main(void)
{
    help_open();
    test_quirks();
    test_lengths();
    test_damage();
    test_resume();
    test_long();
    test_segment();
    test_line_end();
    test_soup();
    test_authority();
    help_close();
    return test_summary();
}
