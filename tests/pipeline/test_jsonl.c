/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines, plain text, and corpora of our own. */
#include "pipeline/doc_json.h"
#include "reading_help.h"

static struct wm_buf b;

static struct help_docs read_as(const char *name)
{
    return help_read(help_store(name, &b));
}

static void test_fields(void)
{
    help_text(&b,
              "\xEF\xBB\xBF{\"text\":\"a\\nb\\r\\nc\\n\",\"url\":\"http://a.example/\","
              "\"date_download\":\"2020\",\"digest\":\"sha1:X\",\"record_id\":\"r\","
              "\"language\":\"en\", \"language_score\" : 0.97,\"nested\":{\"text\":[1,2]}}\r\n"
              "\n  \n"
              "{\"raw_content\":\"plain\",\"url\":null,\"date\":\"2021\",\"title\":\"t\\u00e9\"}\n"
              "{\"text\":\"both\",\"raw_content\":\"other\"}");
    struct help_docs all = read_as("fields.jsonl");
    CHECK_U64(all.n, 3);
    CHECK_U64(all.tally.records, 3);
    CHECK_U64(all.tally.n_damage, 0);
    if (all.n == 3) {
        CHECK_STR(all.docs[0].text, WM_STR("a\nb\nc\n"));
        CHECK_STR(all.docs[0].url, WM_STR("http://a.example/"));
        CHECK_STR(all.docs[0].date, WM_STR("2020"));
        CHECK_STR(all.docs[0].digest, WM_STR("sha1:X"));
        CHECK_STR(all.docs[0].record_id, WM_STR("r"));
        CHECK_STR(
            all.docs[0].extra,
            WM_STR("\"language\":\"en\",\"language_score\" : 0.97,\"nested\":{\"text\":[1,2]}"));
        CHECK_U64(all.docs[0].source_lines, 4);
        CHECK_U64(all.docs[0].location.offset, 3);
        CHECK_STR(all.docs[1].text, WM_STR("plain"));
        CHECK_STR(all.docs[1].date, WM_STR("2021"));
        CHECK_STR(all.docs[1].extra, WM_STR("\"url\":null,\"title\":\"t\\u00e9\""));
        CHECK_STR(all.docs[2].text, WM_STR("both"));
        CHECK_STR(all.docs[2].extra, WM_STR("\"raw_content\":\"other\""));
    }
    help_done(&all);
}

static void test_text_field(void)
{
    struct wm_source_options options = help_options();
    options.text_field = "body";
    help_text(&b, "{\"text\":\"no\",\"body\":\"yes\"}\n{\"text\":\"no\"}\n");
    struct help_docs all = help_read_with(options, help_store("field.jsonl", &b), true);
    CHECK_U64(all.n, 1);
    CHECK(all.n == 1 && wm_str_eq(all.docs[0].text, WM_STR("yes")));
    CHECK_U64(all.tally.reasons[WM_READ_NO_TEXT], 1);
    help_done(&all);
}

static void test_bad_lines(void)
{
    help_text(&b, "{\"text\":\"1\"}\n{\"text\":\"2\"\n[1,2]\n\"text\"\n{\"text\":3}\n{}\n"
                  "{\"text\":\"\xC3\x28\"}\n{\"text\":\"\\ud83d!\\ude00\"}\n"
                  "{\"text\":\"\\ud83d\\ude00\"}\n{\"text\":\"nul \\u0000 and ");
    help_add(&b, "\"}\n{\"text\":\"x\0y\"}\n{\"text\":\"cut", 28);
    struct help_docs all = read_as("bad.jsonl");
    CHECK_U64(all.n, 5);
    CHECK_U64(all.tally.reasons[WM_READ_BAD_JSON], 5);
    CHECK_U64(all.tally.reasons[WM_READ_NO_TEXT], 2);
    CHECK_U64(all.tally.repaired_utf8, 2);
    CHECK_DAMAGE(all, "@13 #1 a line is no JSON object");
    if (all.n == 5) {
        CHECK_STR(all.docs[1].text, WM_STR("\xEF\xBF\xBD("));
        CHECK_STR(all.docs[2].text, WM_STR("\xEF\xBF\xBD!\xEF\xBF\xBD"));
        CHECK_STR(all.docs[3].text, WM_STR("\xF0\x9F\x98\x80"));
        CHECK_STR(all.docs[4].text, ((struct wm_str){"nul \0 and ", 10}));
    }
    help_done(&all);
}

/* One 100 MB line between good ones: passed over without being held. */
static void test_long_line(const char *name, int format, const char *ending)
{
    struct wm_buf plain = help_buf();
    struct wm_source_options options = help_options();
    options.format = format;
    options.text_unit = WM_TEXT_LINE;
    help_text(&plain, "{\"text\":\"before\"}\n{\"text\":\"");
    help_fill(&plain, 'x', 100 << 20);
    help_text(&plain, "\"}\n{\"text\":\"behind\"}\n");
    help_pack(&b, wm_buf_str(&plain), ending);
    options.max_ratio = 0;
    struct help_docs all = help_read_with(options, help_store(name, &b), false);
    CHECK_U64(all.n, 2);
    CHECK_U64(all.tally.reasons[WM_READ_TOO_LONG], 1);
    CHECK_U64(all.tally.bytes, plain.len);
    CHECK_DAMAGE(all, "longer than max_record");
    CHECK_U64(all.tally.bad_files, 0);
    help_done(&all);
    wm_buf_done(&plain);
}

/* ---- our own corpus ---- */

static void test_round_trip(void)
{
    struct wm_buf line = help_buf();
    struct wm_arena scratch;
    struct wm_schema schema = {0};
    struct wm_line_run runs[] = {{1, 2}, {7, 1}};
    struct wm_doc doc = {
        .text = WM_STR("second\nthird\neighth"),
        .url = WM_STR("http://a.example/\"q\""),
        .date = WM_STR("2020-11-29"),
        .digest = WM_STR("sha1:A"),
        .record_id = WM_STR("<urn:uuid:1>"),
        .extra = WM_STR("\"a\":1,\"b\":[2]"),
        .key = {3, 4000000000000, 1},
        .path = WM_STR("crawl/a.warc.wet.gz"),
        .location = {123456789012, 4321, 17, WM_STR("in/side.warc")},
        .source_lines = 9,
        .lines = {runs, 2},
    };
    wm_arena_init(&scratch, 1 << 20);
    struct wm_doc_json how = {.schema = &schema, .text_field = "text"};
    CHECK_OK(wm_doc_json_put(&how, &doc, &scratch, &line, &help_err), help_err);
    help_add(&b, line.ptr, line.len);
    struct help_docs all = help_read_with(help_options(), help_store("own.jsonl", &b), false);
    CHECK(all.n >= 1);
    const struct wm_doc *got = all.docs;
    CHECK_STR(got->text, doc.text);
    CHECK_STR(got->url, doc.url);
    CHECK_STR(got->extra, doc.extra);
    CHECK_STR(got->path, doc.path);
    CHECK(wm_key_compare(got->key, doc.key) == 0);
    CHECK_U64(got->location.member_offset, doc.location.member_offset);
    CHECK_U64(got->location.member_length, doc.location.member_length);
    CHECK_U64(got->location.offset, doc.location.offset);
    CHECK_STR(got->location.tar_member, doc.location.tar_member);
    CHECK_U64(got->source_lines, 9);
    CHECK_U64(got->lines.n_runs, 2);
    CHECK(memcmp(got->lines.runs, runs, sizeof runs) == 0);
    help_done(&all);
    wm_arena_done(&scratch);
    wm_buf_done(&line);
}

/* Members of those names that are not ours, or that do not fit together, stay what they are. */
static void test_not_ours(void)
{
    static const char *const tails[] = {
        "\"key\":\"abc\"",
        "\"location\":\"Berlin\",\"lines\":12",
        "\"key\":[0,1,0],\"location\":{\"file\":\"x\",\"offset\":1},\"lines\":[0,2],"
        "\"source_lines\":5", /* two lines kept, but the text has one */
        "\"key\":[0,1,0],\"location\":{\"file\":\"x\",\"offset\":1},\"lines\":[5,1],"
        "\"source_lines\":5", /* beyond the record's lines */
        "\"key\":[0,1],\"location\":{\"file\":\"x\",\"offset\":1},\"lines\":[0,1],"
        "\"source_lines\":5",
        "\"key\":[0,1,0],\"location\":{\"file\":\"x\",\"where\":1},\"lines\":[0,1],"
        "\"source_lines\":5",
        "\"key\":[0,1,0],\"location\":{\"offset\":1},\"lines\":[0,1],\"source_lines\":5",
        "\"key\":[0,1,0],\"location\":{\"file\":\"x\",\"offset\":-1},\"lines\":[0,1],"
        "\"source_lines\":5",
    };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        CHECK_OK(wm_buf_printf(&b, &help_err, "{\"text\":\"one line\",%s}\n", tails[i]), help_err);
        const char *path = help_store("foreign.jsonl", &b);
        struct help_docs all = help_read(path);
        CHECK_U64(all.n, 1);
        CHECK_STR(all.docs[0].extra, wm_str_of(tails[i]));
        CHECK_STR(all.docs[0].path, wm_str_of(path));
        CHECK_U64(all.docs[0].source_lines, 1);
        help_done(&all);
    }
}

/* ---- plain text ---- */

static void test_text_file(void)
{
    help_text(&b, "\xEF\xBB\xBFline 1\r\nline 2\r\n\r\n");
    struct help_docs all = read_as("a.txt");
    CHECK_U64(all.n, 1);
    CHECK(all.n == 1 && wm_str_eq(all.docs[0].text, WM_STR("line 1\nline 2")));
    help_done(&all);
    help_text(&b, "Gr\xFC\xDF"
                  "e");
    all = read_as("latin1.txt");
    CHECK_U64(all.n, 1);
    CHECK_U64(all.tally.repaired_utf8, 1);
    help_done(&all);
    struct wm_source_options options = help_options();
    options.max_record = 5000;
    help_fill(&b, 'x', 5001);
    all = help_read_with(options, help_store("long.txt", &b), true);
    CHECK_U64(all.n, 0);
    CHECK_U64(all.tally.reasons[WM_READ_TOO_LONG], 1);
    help_done(&all);
}

static void test_text_lines(const char *ending)
{
    struct wm_source_options options = help_options();
    options.text_unit = WM_TEXT_LINE;
    char name[32];
    (void)snprintf(name, sizeof name, "lines.txt%s", ending);
    help_pack(&b, WM_STR("one\r\n\n  \ntwo\n{\"text\":3}\nthree"), ending);
    struct help_docs all = help_read_with(options, help_store(name, &b), true);
    CHECK_U64(all.n, 4);
    CHECK(all.n == 4 && wm_str_eq(all.docs[0].text, WM_STR("one")) &&
          wm_str_eq(all.docs[2].text, WM_STR("{\"text\":3}")) &&
          wm_str_eq(all.docs[3].text, WM_STR("three")));
    help_done(&all);
}

int main(void)
{
    static const char *const endings[] = {"", ".gz", ".zst", ".xz", NULL};
    b = help_buf();
    help_open();
    test_fields();
    test_text_field();
    test_bad_lines();
    test_long_line("long.jsonl", WM_FORMAT_AUTO, "");
    test_long_line("long.jsonl.gz", WM_FORMAT_JSONL, ".gz");
    test_long_line("long.txt", WM_FORMAT_TEXT, "");
    test_round_trip();
    test_not_ours();
    test_text_file();
    for (size_t i = 0; endings[i]; i++)
        test_text_lines(endings[i]);
    help_close();
    wm_buf_done(&b);
    return test_summary();
}
