/* SPDX-License-Identifier: Apache-2.0 */
/* WARC records: headers in every dress, and lengths that lie. */
#include <time.h>

#include "pipeline/warc_digest.h"
#include "pipeline/warc_header.h"
#include "reading_help.h"

static struct wm_buf b;

static struct help_docs read_as(const char *name)
{
    return help_read(help_store(name, &b));
}

static void pages(unsigned first, unsigned n)
{
    for (unsigned i = first; i < first + n; i++)
        help_page(&b, i, 500);
}

/* ---- headers ---- */

static void test_header_forms(void)
{
    struct wm_warc_header h;
    struct wm_str s = WM_STR("WARC/1.1\n"
                             "content-length:   12\n"
                             "warc-target-uri: <http://a.example/b c>\n"
                             "WARC-TYPE:\n"
                             "\tconversion\n"
                             "X-Folded: one\n two\n\tthree\n"
                             "WARC-Payload-Digest: sha1:PAYLOAD\n"
                             "\nhello");
    CHECK(wm_warc_header_read(s, &h) == 1);
    CHECK(!h.problem);
    CHECK_U64(h.length, 12);
    CHECK_U64(h.size, s.len - 5);
    CHECK_STR(h.url, WM_STR("http://a.example/b c"));
    CHECK_STR(h.type, WM_STR("conversion"));
    CHECK_STR(h.digest, WM_STR("sha1:PAYLOAD"));
    for (size_t n = 0; n < h.size; n++)
        CHECK(wm_warc_header_read((struct wm_str){s.ptr, n}, &h) == 0);
}

static void test_header_problems(void)
{
    static const struct {
        const char *text, *problem;
    } cases[] = {
        {"WARC/1.0\r\nWARC-Type: conversion\r\n\r\n", "no Content-Length"},
        {"WARC/1.0\r\nContent-Length: 4\r\n\r\n", "no WARC-Type"},
        {"WARC/1.0\r\nWARC-Type: x\r\nContent-Length: 12x\r\n\r\n", "no whole number"},
        {"WARC/1.0\r\nWARC-Type: x\r\nContent-Length: -1\r\n\r\n", "no whole number"},
        {"WARC/1.0\r\nWARC-Type: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
         "no whole number"},
        {"WARC/1.0\r\nWARC-Type: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "twice"},
        {"WARC/7.0\r\nWARC-Type: x\r\nContent-Length: 1\r\n\r\n", "version"},
        {"WARC/1.x\r\nWARC-Type: x\r\nContent-Length: 1\r\n\r\n", "version"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct wm_warc_header h;
        CHECK(wm_warc_header_read(wm_str_of(cases[i].text), &h) == 1);
        CHECK_(h.problem && strstr(h.problem, cases[i].problem), "%s: %s", cases[i].text,
               h.problem ? h.problem : "no problem");
    }
    struct wm_warc_header h;
    CHECK(wm_warc_header_read(WM_STR("HTTP/1.0\r\n\r\n"), &h) == -1);
    CHECK(wm_warc_header_read(WM_STR("WARC/1.0 and so on and so on and so on\r\n"), &h) == -1);
    CHECK(wm_warc_header_read(
              WM_STR("WARC/0.18\r\nWARC-Type: x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n"),
              &h) == 1);
    CHECK(!h.problem);
}

static void test_fields(void)
{
    help_text(&b, "WARC/1.0\nCONTENT-LENGTH: 6\nWARC-Target-URI: http://a.example/\n  folded\n"
                  "WARC-Record-ID: <urn:uuid:1>\nWARC-Date: 2020-01-01T00:00:00Z\n"
                  "WARC-Block-Digest: sha1:X\nwarc-type: Conversion\n\na\xFF\r\nb\n\n\n");
    struct help_docs all = read_as("fields.warc");
    CHECK_U64(all.n, 1);
    if (all.n == 1) {
        CHECK_STR(all.docs[0].text, WM_STR("a\xEF\xBF\xBD\nb"));
        CHECK_STR(all.docs[0].url, WM_STR("http://a.example/ folded"));
        CHECK_STR(all.docs[0].date, WM_STR("2020-01-01T00:00:00Z"));
        CHECK_STR(all.docs[0].record_id, WM_STR("<urn:uuid:1>"));
        CHECK_STR(all.docs[0].digest, WM_STR("sha1:X"));
        CHECK_U64(all.docs[0].source_lines, 2);
        CHECK_U64(all.docs[0].lines.n_runs, 1);
        CHECK_U64(all.docs[0].lines.runs[0].count, 2);
    }
    CHECK_U64(all.tally.repaired_utf8, 1);
    help_done(&all);
}

/* ---- kinds ---- */

static void test_kinds(void)
{
    static const char *const types[] = {"warcinfo", "request",  "metadata",     "revisit",
                                        "response", "resource", "continuation", "conversion",
                                        "new-type", NULL};
    for (size_t i = 0; types[i]; i++)
        help_record(&b, types[i], "u", WM_STR("text"), -1);
    help_text(&b, "WARC/1.0\r\nWARC-Type: metadata\r\nContent-Type: application/json\r\n"
                  "Content-Length: 2\r\n\r\n{}\r\n\r\n");
    help_text(&b, "WARC/1.0\r\nWARC-Type: conversion\r\nContent-Type: image/png\r\n"
                  "Content-Length: 2\r\n\r\nPN\r\n\r\n");
    struct help_docs all = read_as("kinds.warc");
    CHECK_U64(all.n, 1);
    CHECK_U64(all.tally.records, 11);
    CHECK_U64(all.tally.reasons[WM_READ_NEEDS_EXTRACT], 3);
    CHECK_U64(all.tally.reasons[WM_READ_NOT_TEXT], 7);
    CHECK(wm_read_reason_hints[WM_READ_NEEDS_EXTRACT] != NULL);
    CHECK(all.n == 1 && all.docs[0].key.record == 7);
    help_done(&all);
}

static void test_arc(void)
{
    help_text(&b, "filedesc://x.arc 0.0.0.0 20140216050221 text/plain 6\n1 0 X\n\n"
                  "http://a.example/with space 1.2.3.4 20140216050221 text/html 11\n"
                  "HTTP/1.0 ok\n\n"
                  "http://b.example/ 1.2.3.4 20140216050221 text/html abc\n"
                  "http://c.example/ 1.2.3.4 20140216050221 text/html 3\nabc\n");
    struct help_docs all = read_as("pages.arc");
    CHECK_U64(all.n, 0);
    CHECK_U64(all.tally.reasons[WM_READ_NOT_TEXT], 1);
    CHECK_U64(all.tally.reasons[WM_READ_NEEDS_EXTRACT], 2);
    CHECK_U64(all.tally.reasons[WM_READ_BAD_HEADER], 1);
    CHECK_DAMAGE(all, "does not end in a length");
    help_done(&all);
}

/* ---- lengths ---- */

static void test_length_too_short(void)
{
    help_record(&b, "conversion", "u1", WM_STR("one two three four"), 5);
    help_record(&b, "conversion", "u2", WM_STR("five six"), -1);
    struct help_docs all = read_as("short.warc.wet");
    CHECK_U64(all.n, 2);
    CHECK(all.n == 2);
    if (all.n == 2) {
        CHECK_STR(all.docs[0].text, WM_STR("one two three four"));
        CHECK_STR(all.docs[1].text, WM_STR("five six"));
    }
    CHECK_DAMAGE(all, "@0 #0 Content-Length is 5, but the record holds 22 bytes");
    CHECK_U64(all.tally.bad_files, 0);
    help_done(&all);
}

static void test_length_too_long(void)
{
    static const long lengths[] = {20, 200, 260, 400, 5000};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        help_record(&b, "conversion", "u1", WM_STR("one two"), lengths[i]);
        help_record(&b, "conversion", "u2", WM_STR("three"), -1);
        help_record(&b, "conversion", "u3", WM_STR("four"), -1);
        struct help_docs all = read_as("long.warc.wet");
        CHECK_U64(all.n, 3);
        if (all.n == 3) {
            CHECK_STR(all.docs[0].text, WM_STR("one two"));
            CHECK_STR(all.docs[1].text, WM_STR("three"));
        }
        CHECK_DAMAGE(all, "Content-Length is");
        help_done(&all);
    }
}

/* A payload that holds a WARC record, and says its length rightly, is one record. */
static void test_record_in_payload(void)
{
    struct wm_buf body = help_buf();
    help_text(&body, "A record looks like this:\r\n\r\n");
    help_record(&body, "conversion", "inner", WM_STR("no document"), -1);
    help_text(&body, "and so on");
    help_record(&b, "conversion", "u1", wm_buf_str(&body), -1);
    help_record(&b, "conversion", "u2", WM_STR("next"), -1);
    struct help_docs all = read_as("nested.warc.wet");
    CHECK_U64(all.n, 2);
    CHECK_U64(all.tally.n_damage, 0);
    CHECK(all.n == 2 && all.docs[0].text.len > body.len / 2);
    help_done(&all);
    wm_buf_done(&body);
}

/* Words that only look like a record do not end one, even where the length lies. */
static void test_quoted_version_line(void)
{
    help_record(&b, "conversion", "u1",
                WM_STR("Files start so:\nWARC/1.0\nand then come headers\n\nWARC/1.0\n"
                       "WARC-Type: warcinfo\nas well"),
                7);
    help_record(&b, "conversion", "u2", WM_STR("next"), -1);
    struct help_docs all = read_as("quoted.warc.wet");
    CHECK_U64(all.n, 2);
    CHECK(all.n == 2 && wm_str_ends(all.docs[0].text, WM_STR("as well")));
    help_done(&all);
}

/* LF turned into CRLF after the lengths were written, and the other way round. */
static void test_line_ends_rewritten(void)
{
    struct wm_buf plain = help_buf();
    for (unsigned i = 0; i < 20; i++)
        help_page(&plain, i, 900);
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.ptr[i] == '\n' && plain.ptr[i - 1] != '\r')
            help_add(&b, "\r", 1);
        help_add(&b, plain.ptr + i, 1);
    }
    struct help_docs crlf = read_as("crlf.warc.wet");
    for (size_t i = 0; i < plain.len; i++)
        if (plain.ptr[i] != '\r')
            help_add(&b, plain.ptr + i, 1);
    struct help_docs lf = read_as("lf.warc.wet");
    help_add(&b, plain.ptr, plain.len);
    struct help_docs all = read_as("right.warc.wet");
    CHECK_U64(all.n, 20);
    CHECK_U64(crlf.n, 20);
    CHECK_U64(lf.n, 20);
    for (size_t i = 0; i < 20 && all.n == 20 && crlf.n == 20 && lf.n == 20; i++) {
        CHECK_STR(crlf.docs[i].text, all.docs[i].text);
        CHECK_STR(lf.docs[i].text, all.docs[i].text);
    }
    help_done(&all);
    help_done(&crlf);
    help_done(&lf);
    wm_buf_done(&plain);
}

/* ---- damage ---- */

static void test_junk(void)
{
    struct wm_buf junk = help_buf();
    help_fill(&junk, 'j', 700000); /* over the piece that is searched at once */
    junk.ptr[300000] = '\n';
    help_add(&b, junk.ptr, 1000);
    help_text(&b, "\n");
    pages(0, 3);
    help_add(&b, junk.ptr, junk.len);
    help_text(&b, "\nWARC/1.0 no\r\n\n");
    pages(3, 2);
    help_add(&b, junk.ptr, 10);
    struct help_docs all = read_as("junk.warc.wet");
    CHECK_U64(all.n, 5);
    CHECK_U64(all.tally.bytes_skipped, 1001 + junk.len + 15 + 10);
    CHECK_DAMAGE(all, "@0 #0 1001 bytes hold no WARC record");
    CHECK_DAMAGE(all, "700015 bytes hold no WARC record");
    CHECK_U64(all.tally.bad_files, 1);
    help_done(&all);
    wm_buf_done(&junk);
}

static void test_bad_headers(void)
{
    pages(0, 1);
    help_text(&b, "WARC/1.0\r\nWARC-Type: conversion\r\n\r\nno length\r\n\r\n");
    pages(1, 1);
    help_text(&b, "WARC/1.0\r\nContent-Length: 7\r\n\r\nno type\r\n\r\n");
    pages(2, 1);
    struct help_docs all = read_as("bad-headers.warc.wet");
    CHECK_U64(all.n, 3);
    CHECK_U64(all.tally.reasons[WM_READ_BAD_HEADER], 2);
    CHECK_DAMAGE(all, "#1 a record's header is of no use: there is no Content-Length");
    CHECK_DAMAGE(all, "#3 a record's header is of no use: there is no WARC-Type");
    help_done(&all);
}

static void test_cut_anywhere(void)
{
    struct wm_buf whole = help_buf();
    for (unsigned i = 0; i < 4; i++)
        help_page(&whole, i, 300);
    for (size_t n = 1; n < whole.len; n += 5) {
        help_add(&b, whole.ptr, n);
        struct help_docs all = read_as("cut.warc.wet");
        CHECK(all.n <= 4 && all.n + 1 >= n * 4 / whole.len);
        CHECK(all.tally.documents == all.tally.records || all.tally.bad_files == 1);
        help_done(&all);
    }
    wm_buf_done(&whole);
}

/* ---- over the limit ---- */

/* An honest record over the limit, a lying one, a WARC as payload; the next one is found. */
static void test_too_long(const char *name, const char *ending, bool alone)
{
    struct wm_buf plain = help_buf(), body = help_buf();
    struct wm_source_options options = help_options();
    options.max_record = 100000;
    help_fill(&body, 'x', 400000);
    help_text(&body, "\n");
    if (alone)
        help_page(&body, 77, 300);
    for (unsigned i = 0; i < 5; i++) {
        plain.len = 0;
        if (i == 2)
            help_record(&plain, "conversion", "long", wm_buf_str(&body), -1);
        else
            help_page(&plain, i, 500);
        help_pack(&b, wm_buf_str(&plain), ending);
    }
    struct help_docs all = help_read_with(options, help_store(name, &b), true);
    CHECK_U64(all.n, 4);
    CHECK_U64(all.tally.reasons[WM_READ_TOO_LONG], 1);
    CHECK_U64(all.tally.bytes_skipped, 0);
    CHECK_DAMAGE(all, "is longer than max_record");
    CHECK_U64(all.tally.bad_files, 0);
    help_done(&all);
    wm_buf_done(&plain);
    wm_buf_done(&body);
}

static void test_length_lies_over_limit(const char *name, const char *ending)
{
    struct wm_buf plain = help_buf();
    for (unsigned i = 0; i < 6; i++) {
        if (i == 2)
            help_record(&plain, "conversion", "liar", WM_STR("short"), 2000000000);
        help_page(&plain, i, 500);
    }
    help_pack(&b, wm_buf_str(&plain), ending);
    struct help_docs all = help_read(help_store(name, &b));
    CHECK_U64(all.n, 6);
    CHECK_U64(all.tally.reasons[WM_READ_TOO_LONG], 1);
    help_done(&all);
    wm_buf_done(&plain);
}

/* ---- text ---- */

static void test_text(void)
{
    help_record(&b, "conversion", "u", (struct wm_str){"a\0b\r\n\rc\r\r\nd\n\n\r\n", 14}, -1);
    help_record(&b, "conversion", "empty", WM_STR(""), -1);
    struct help_docs all = read_as("text.warc.wet");
    CHECK_U64(all.n, 2);
    if (all.n == 2) {
        CHECK_STR(all.docs[0].text, ((struct wm_str){"a\0b\n\rc\nd", 8}));
        CHECK_U64(all.docs[0].source_lines, 3);
        CHECK_U64(all.docs[1].text.len, 0);
        CHECK_U64(all.docs[1].source_lines, 1);
    }
    CHECK_U64(all.tally.repaired_utf8, 0);
    help_done(&all);
}

static void test_digest(void)
{
    struct wm_str block = WM_STR("wet corn"), none = {0};
    static const char *const right[] = {"sha1:4L4BZGHNHATBZFUDAFCGK2WBM7I3G5QK",
                                        "SHA1:4l4bzghnhatbzfudafcgk2wbm7i3g5qk",
                                        "sha1:e2f81c98ed38261c96830144656ac167d1b3760a"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++) {
        CHECK(wm_warc_digest_agrees(wm_str_of(right[i]), block) == 1);
        CHECK(wm_warc_digest_agrees(wm_str_of(right[i]), none) == 0);
    }
    CHECK(wm_warc_digest_agrees(WM_STR("sha1:3I42H3S6NNFQ2MSVX7XZKYAYSCX5QBYJ"), none) == 1);
    static const char *const unknown[] = {"",
                                          "sha1:",
                                          "md5:4L4BZGHNHATBZFUDAFCGK2WBM7I3G5QK",
                                          "sha1:4L4BZGHNHATBZFUDAFCGK2WBM7I3G5Q",
                                          "sha1:4L4BZGHNHATBZFUDAFCGK2WBM7I3G5Q1",
                                          "sha1:e2f81c98ed38261c96830144656ac167d1b3760g"};
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        CHECK(wm_warc_digest_agrees(wm_str_of(unknown[i]), block) == -1);
}

/* Every line looks like the start of a record, none is: found out in time that grows as the file. */
static void test_many_version_lines(const char *lines)
{
    enum { BYTES = 2 << 20, CPU_SECONDS = 10 /* ten times as long if each costs a whole header */ };
    pages(0, 1);
    size_t junk = b.len;
    help_text(&b, "no record\r\n");
    while (b.len < BYTES)
        help_text(&b, lines);
    help_text(&b, "\r\n");
    junk = b.len - junk;
    pages(1, 1);
    clock_t start = clock();
    struct help_docs all = help_read_with(help_options(), help_store("lines.warc.wet", &b), false);
    double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECK_(seconds < CPU_SECONDS, "%.0f s for %zu bytes", seconds, junk);
    CHECK_U64(all.n, 2);
    CHECK_U64(all.tally.bytes_skipped, junk);
    help_done(&all);
}

/* A line that is no field decides, whatever follows; a folded one is part of a field. */
static void test_plausible(void)
{
    static const struct {
        const char *text;
        bool plausible, cut;
    } cases[] = {
        {"WARC/1.0\nWARC-Type: x\nContent-Length: 1\n\n", true, false},
        {"WARC/1.0\nWARC-Type: x\n folded\nContent-Length: 1\n\n", true, false},
        {"WARC/1.0\nWARC-Type: x\nContent-Le", false, true},
        {"WARC/1.0\nWARC-Type: x\nno field\nContent-Le", false, false},
        {"WARC/1.0\nno field\nWARC-Type: x\nContent-Length: 1\n\n", false, false},
        {"WARC/1.0\nWARC/1.0\nWARC-Type: x\nContent-Length: 1\n\n", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bool cut, found = wm_warc_header_plausible(wm_str_of(cases[i].text), false, &cut);
        CHECK_(found == cases[i].plausible && cut == cases[i].cut, "case %zu: %d, cut %d", i, found,
               cut);
    }
}

int main(void)
{
    b = help_buf();
    help_open();
    test_header_forms();
    test_header_problems();
    test_fields();
    test_kinds();
    test_arc();
    test_length_too_short();
    test_length_too_long();
    test_record_in_payload();
    test_quoted_version_line();
    test_line_ends_rewritten();
    test_junk();
    test_plausible();
    test_many_version_lines("WARC/1\n");
    test_many_version_lines("WARC/1.0\nWARC-Type: conversion\n");
    test_bad_headers();
    test_cut_anywhere();
    test_too_long("long.warc.wet", "", true);
    test_too_long("long.warc.wet.gz", ".gz", true);
    test_too_long("long.warc.wet.zst", ".zst", true);
    test_length_lies_over_limit("liar.warc.wet", "");
    test_length_lies_over_limit("liar.warc.wet.gz", ".gz");
    test_length_lies_over_limit("liar.warc.wet.xz", ".xz");
    test_text();
    test_digest();
    help_close();
    wm_buf_done(&b);
    return test_summary();
}
