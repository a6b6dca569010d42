/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts ccnet and minified, member by member, in both profiles. */
#include "pipeline/doc_json.h"
#include "test.h"
#include "wetmill/inputs.h"

static struct wm_error err;
static const struct wm_schema schema = {.columns = {{"language", WM_COLUMN_TEXT, 0},
                                                    {"language_score", WM_COLUMN_REAL, 4},
                                                    {"perplexity", WM_COLUMN_REAL, 1},
                                                    {"bucket", WM_COLUMN_TEXT, 0}},
                                        .n = 4};

static void check_line(struct wm_doc_json how, const struct wm_doc *doc, const char *want)
{
    struct wm_arena scratch;
    struct wm_buf buf;
    wm_arena_init(&scratch, 1 << 20);
    wm_buf_init(&buf, 1 << 20);
    how.schema = &schema;
    how.text_field = "text";
    CHECK_OK(wm_doc_json_put(&how, doc, &scratch, &buf, &err), err);
    CHECK_STR(wm_buf_str(&buf), wm_str_of(want));
    wm_buf_done(&buf);
    wm_arena_done(&scratch);
}

static const struct wm_doc_json ccnet = {
    .layout = WM_LAYOUT_CCNET, .profile = WM_PROFILE_CCNET, .bare = true};
static const struct wm_doc_json minified = {
    .layout = WM_LAYOUT_MINIFIED, .profile = WM_PROFILE_CCNET, .bare = true};

static struct wm_line_run whole[] = {{0, 2}};
static union wm_value values[] = {
    {.text = {"de", 2}}, {.real = 0.5}, {.real = 12.34}, {.text = {"head", 4}}};

static struct wm_doc page(void)
{
    return (struct wm_doc){.text = WM_STR("\xC3\xA9\nb"),
                           .title = WM_STR("T"),
                           .url = WM_STR("http://u@H:1/x"),
                           .date = WM_STR("D"),
                           .digest = WM_STR("sha1:A"),
                           .record_id = WM_STR("<r>"),
                           .segment = WM_STR("s.wet.gz"),
                           .path = WM_STR("p/s.wet.gz"),
                           .source_lines = 2,
                           .lines = {whole, 1},
                           .has_length = true,
                           .source_length = 77,
                           .values = values};
}

#define HEAD(length, nlines, text)                                                                 \
    "{\"url\":\"http://u@H:1/x\",\"date_download\":\"D\",\"digest\":\"sha1:A\",\"length\":" length \
    ",\"nlines\":" nlines ",\"source_domain\":\"u@H:1\",\"title\":\"T\",\"raw_content\":\"" text   \
    "\",\"cc_segment\":\"s.wet.gz\""

static void test_ccnet(void)
{
    struct wm_doc doc = page();
    struct wm_doc_json how = ccnet;
    check_line(how, &doc, HEAD("77", "2", "\xC3\xA9\\nb") "}\n");
    how.profile = WM_PROFILE_STRICT;
    check_line(how, &doc, HEAD("3", "2", "\xC3\xA9\\nb") "}\n");
    how = ccnet;
    how.cut = true;
    check_line(how, &doc,
               HEAD("3", "2", "\xC3\xA9\\nb") ",\"original_nlines\":2,\"original_length\":77,"
                                              "\"line_ids\":[0,1]}\n");
    struct wm_line_run some[] = {{1, 1}, {5, 2}};
    doc.lines = (struct wm_line_map){some, 2};
    doc.text = WM_STR("a\nb\nc");
    doc.source_lines = 9;
    doc.source_length = -5;
    doc.has = 15;
    doc.extra = WM_STR("\"title\":1,\"length\":2,\"line_ids\":[],\"language\":\"fr\",\"x\":{}");
    check_line(ccnet, &doc,
               HEAD("5", "3", "a\\nb\\nc") ",\"original_nlines\":9,\"original_length\":-5,"
                                           "\"line_ids\":[1,5,6],\"language\":\"de\","
                                           "\"language_score\":0.50,\"perplexity\":12.3,"
                                           "\"bucket\":\"head\",\"x\":{}}\n");
    const uint32_t ids[] = {2, 3, 5, 7, 11, 13, 17, 19, 23};
    doc.page_ids = ids;
    doc.page_lines = 30;
    doc.has = 0;
    doc.extra = (struct wm_str){0};
    how = ccnet;
    how.bare = false;
    check_line(
        how, &doc,
        HEAD("5", "3", "a\\nb\\nc") ",\"original_nlines\":30,\"original_length\":-5,"
                                    "\"line_ids\":[3,13,17],\"record_id\":\"<r>\","
                                    "\"key\":[0,0,0],\"location\":{\"file\":\"p/s.wet.gz\","
                                    "\"offset\":0},\"lines\":[1,1,5,2],\"source_lines\":9}\n");
    doc = (struct wm_doc){.values = values};
    check_line(ccnet, &doc,
               "{\"url\":\"\",\"date_download\":\"\",\"digest\":\"\",\"length\":0,\"nlines\":0,"
               "\"source_domain\":\"\",\"title\":\"\",\"raw_content\":\"\",\"cc_segment\":\"\"}\n");
}

#define ROW "{\"url\":\"http://u@H:1/x\",\"digest\":\"sha1:A\",\"cc_segment\":\"s.wet.gz\""

static void test_minified(void)
{
    struct wm_doc doc = page();
    struct wm_doc_json how = minified;
    struct wm_line_run some[] = {{5, 1}, {7, 1}, {11, 1}}, far[] = {{1, 1}, {65535, 1}},
                       beyond[] = {{1, 1}, {65535, 2}};
    doc.lines = (struct wm_line_map){some, 3};
    doc.source_lines = 1 << 20;
    check_line(how, &doc, ROW ",\"line_ids\":\"BQAHAAsA\"}\n");
    doc.has = 15;
    check_line(how, &doc,
               ROW
               ",\"language\":\"de\",\"language_score\":0.50,\"bucket\":\"head\",\"perplexity\":"
               "12.3,\"line_ids\":\"BQAHAAsA\"}\n");
    doc.has = 0;
    doc.lines = (struct wm_line_map){far, 2};
    check_line(how, &doc, ROW ",\"line_ids\":\"AQD//w==\"}\n");
    doc.lines = (struct wm_line_map){beyond, 2}; /* what cc_net cannot write */
    check_line(how, &doc, ROW ",\"line_ids32\":\"AQAAAP//AAAAAAEA\"}\n");
    doc.lines = (struct wm_line_map){some, 3};
    how.profile = WM_PROFILE_STRICT;
    check_line(how, &doc, ROW ",\"line_ids32\":\"BQAAAAcAAAALAAAA\"}\n");
    doc.lines = (struct wm_line_map){NULL, 0};
    check_line(minified, &doc, ROW ",\"line_ids\":\"\"}\n");
}

/* Layout wetmill: the title stands beside the text where it is no part of it. */
static void test_wetmill(void)
{
    struct wm_doc doc = page();
    struct wm_doc_json how = {.bare = true};
    check_line(how, &doc,
               "{\"text\":\"\xC3\xA9\\nb\",\"url\":\"http://u@H:1/x\",\"date\":\"D\",\"digest\":"
               "\"sha1:A\"}\n");
    how.profile = WM_PROFILE_CCNET;
    doc.extra = WM_STR("\"title\":\"U\"");
    check_line(
        how, &doc,
        "{\"text\":\"\xC3\xA9\\nb\",\"title\":\"T\",\"url\":\"http://u@H:1/x\",\"date\":\"D\","
        "\"digest\":\"sha1:A\"}\n");
}

static void test_bare(void)
{
    CHECK(!wm_layout_is_bare(WM_LAYOUT_WETMILL, WM_PROFILE_STRICT, WM_PROVENANCE_AUTO));
    CHECK(!wm_layout_is_bare(WM_LAYOUT_WETMILL, WM_PROFILE_CCNET, WM_PROVENANCE_AUTO));
    CHECK(!wm_layout_is_bare(WM_LAYOUT_CCNET, WM_PROFILE_STRICT, WM_PROVENANCE_AUTO));
    CHECK(wm_layout_is_bare(WM_LAYOUT_CCNET, WM_PROFILE_CCNET, WM_PROVENANCE_AUTO));
    CHECK(wm_layout_is_bare(WM_LAYOUT_MINIFIED, WM_PROFILE_STRICT, WM_PROVENANCE_AUTO));
    CHECK(!wm_layout_is_bare(WM_LAYOUT_CCNET, WM_PROFILE_CCNET, WM_PROVENANCE_YES));
    CHECK(wm_layout_is_bare(WM_LAYOUT_WETMILL, WM_PROFILE_STRICT, WM_PROVENANCE_NO));
}

int main(void)
{
    test_ccnet();
    test_minified();
    test_wetmill();
    test_bare();
    return test_summary();
}
