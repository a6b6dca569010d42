/* SPDX-License-Identifier: Apache-2.0 */
/* rejoin: pages find their rows and keep the lines these name; rows that are none are refused. */
#include "fixture.h"

#include "scratch.h"
#include "stages/rejoin_rows.h"

static void store(const char *rows)
{
    CHECK_OK(wm_file_store(in_top("rows.jsonl"), wm_str_of(rows), &err), err);
}

static const char *setting(const char *more)
{
    static char text[2 * WM_PATH_MAX];
    (void)snprintf(text, sizeof text, "minified=%s%s", in_top("rows.jsonl"), more);
    return text;
}

/* Ids 0 2 3; 1 (wide); none. */
static const char rows[] =
    "{\"url\":\"u\",\"digest\":\"sha1:A\",\"cc_segment\":\"x/s.wet.gz\",\"language\":\"de\","
    "\"language_score\":0.75,\"bucket\":\"tail\",\"perplexity\":31.5,\"line_ids\":\"AAACAAMA\"}\n"
    "{\"line_ids32\":\"AQAAAA==\",\"cc_segment\":\"s.wet\",\"digest\":\"sha1:A\",\"url\":\"v\"}\n"
    "{\"url\":\"w\",\"digest\":\"sha1:A\",\"cc_segment\":\"s.wet\",\"line_ids\":\"\"}\n"
    "{\"url\":\"u\",\"digest\":\"sha1:A\",\"cc_segment\":\"y/s.wet\",\"line_ids\":\"AAA=\"}\n";

/* One page through the stage: why it was dropped, or NULL. */
static const char *page(struct fixture *f, const char *text, const char *url, const char *digest,
                        const char *segment)
{
    struct wm_str texts[] = {wm_str_of(text)};
    fixture_fill(f, texts, 1);
    struct wm_doc *doc = &f->batch.docs[0];
    doc->url = wm_str_of(url);
    doc->digest = wm_str_of(digest);
    doc->segment = wm_str_of(segment);
    if (!*text) {
        doc->lines = (struct wm_line_map){NULL, 0};
        doc->source_lines = 0;
    }
    fixture_apply(f);
    if (f->batch.n_docs == 1)
        return NULL;
    return f->chain.links[0].stage->reasons[f->dropped.docs[0].drop - 1];
}

#define CHECK_WHY(call, want)                                                            \
    do {                                                                                 \
        const char *why_ = (call);                                                       \
        CHECK_(why_ &&strcmp(why_, (want)) == 0, "%s: %s", #call, why_ ? why_ : "kept"); \
    } while (0)

static void test_lines(void)
{
    struct fixture f;
    store(rows);
    fixture_one(&f, "rejoin", setting(";profile=ccnet"));
    int language = wm_schema_slot(&f.chain.schema, "language");
    int perplexity = wm_schema_slot(&f.chain.schema, "perplexity");
    CHECK(page(&f, "a\nb\nc\nd\ne", "u", "sha1:A", "here/s.wet") == NULL);
    CHECK_STR(f.batch.docs[0].text, WM_STR("a\nc\nd"));
    CHECK_U64(f.batch.docs[0].lines.n_runs, 2);
    CHECK_STR(f.batch.docs[0].values[language].text, WM_STR("de"));
    CHECK(wm_doc_has(&f.batch.docs[0], perplexity) &&
          f.batch.docs[0].values[perplexity].real == 31.5);
    CHECK(page(&f, "a\nb", "v", "sha1:A", "s.wet.gz") == NULL);
    CHECK_STR(f.batch.docs[0].text, WM_STR("b"));
    CHECK(f.batch.docs[0].has == 0);
    CHECK(page(&f, "", "w", "sha1:A", "s.wet.gz") == NULL);
    CHECK_WHY(page(&f, "a\nb\nc\nd", "u", "sha1:B", "s.wet"), "no-row");
    CHECK_WHY(page(&f, "a\nb\nc\nd", "x", "sha1:A", "s.wet"), "no-row");
    CHECK_WHY(page(&f, "a\nb\nc\nd", "u", "sha1:A", "t.wet"), "no-row");
    CHECK_WHY(page(&f, "a\nb\nc", "u", "sha1:A", "s.wet"), "other-text");
    CHECK_WHY(page(&f, "a", "w", "sha1:A", "s.wet"), "other-text");
    CHECK(f.chain.links[0].stage->memory(f.chain.links[0].shared, 1) > 1000);
    fixture_done(&f);
}

/* Ids of many shapes come back as they were. */
static void test_ids(void)
{
    enum { ROWS = 300 };
    struct wm_rejoin_rows all;
    struct wm_buf buf;
    static unsigned char keep[ROWS][400];
    uint64_t x = 1;
    wm_buf_init(&buf, 1 << 24);
    for (int i = 0; i < ROWS; i++) {
        char bytes[1600], text[2200];
        size_t n = 0;
        for (uint32_t k = 0; k < 400; k++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            keep[i][k] = (x >> 40) % 400 < (uint64_t)i + 50;
            if (keep[i][k]) {
                memcpy(bytes + 4 * n, (char[]){(char)k, (char)(k >> 8), (char)(i % 3), 0}, 4);
                n++;
            }
        }
        CHECK(n > 0);
        static const char digits[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        size_t len = 0;
        for (size_t b = 0; b < 4 * n * 8; b += 6) {
            unsigned v = 0;
            for (size_t bit = b; bit < b + 6; bit++)
                v = v << 1 |
                    (bit / 8 < 4 * n ? (unsigned char)bytes[bit / 8] >> (7 - bit % 8) & 1u : 0);
            text[len++] = digits[v];
        }
        while (len % 4)
            text[len++] = '=';
        CHECK_OK(wm_buf_printf(&buf, &err, "{\"url\":\"%d\",\"line_ids32\":\"%.*s\"}\n", i,
                               (int)len, text),
                 err);
    }
    CHECK_OK(wm_file_store(in_top("many.jsonl"), wm_buf_str(&buf), &err), err);
    wm_rejoin_init(&all, 1 << 24);
    CHECK_OK(wm_rejoin_load(&all, in_top("many.jsonl"), true, &err), err);
    CHECK_U64(all.n, ROWS);
    for (int i = 0; i < ROWS; i++) {
        char url[16];
        (void)snprintf(url, sizeof url, "%d", i);
        const struct wm_rejoin_row *row =
            wm_rejoin_find(&all, WM_STR(""), wm_str_of(url), WM_STR(""));
        CHECK(row != NULL);
        if (!row)
            continue;
        struct wm_rejoin_ids ids = wm_rejoin_ids(row);
        uint32_t id = 0;
        for (uint32_t k = 0; k < 400; k++)
            if (keep[i][k])
                CHECK(wm_rejoin_next(&ids, &id) && id == (k | (uint32_t)(i % 3) << 16));
        CHECK(!wm_rejoin_next(&ids, &id));
    }
    wm_rejoin_done(&all);
    wm_buf_done(&buf);
}

static void test_refused(void)
{
    static const struct {
        const char *row, *words;
        int status;
    } bad[] = {
        {"[1]", "object", WM_E_FORMAT},
        {"{\"url\":\"u\"", "", WM_E_FORMAT},
        {"{\"url\":1}", "", WM_E_FORMAT},
        {"{\"url\":\"u\",\"digest\":\"d\"}", "no line_ids", WM_E_FORMAT},
        {"{\"line_ids\":\"AAA\"}", "base64", WM_E_FORMAT},
        {"{\"line_ids\":\"AA==\"}", "base64", WM_E_FORMAT},
        {"{\"line_ids\":\"AAAAAA==\"}", "rise", WM_E_FORMAT},
        {"{\"line_ids\":\"AgABAA==\"}", "rise", WM_E_FORMAT},
        {"{\"line_ids32\":\"/////w==\"}", "rise", WM_E_FORMAT},
        {"{\"line_ids32\":\"/v////////8AAAAA\"}", "rise", WM_E_FORMAT},
        {"{\"line_ids32\":\"AAA=\"}", "base64", WM_E_FORMAT},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct wm_rejoin_rows all;
        char line[256];
        (void)snprintf(line, sizeof line, "{\"line_ids\":\"\"}\n%s\n", bad[i].row);
        store(line);
        wm_rejoin_init(&all, 1 << 24);
        CHECK_FAILS(wm_rejoin_load(&all, in_top("rows.jsonl"), false, &err), bad[i].status, err,
                    bad[i].words);
        CHECK_(strstr(err.where, "rows.jsonl: row 2"), "%s", err.where);
        wm_rejoin_done(&all);
    }
    struct fixture f;
    store("{\"url\":\"u\",\"line_ids\":\"AAA=\"}\n");
    fixture_init(&f);
    fixture_add(&f, "rejoin", setting(""));
    CHECK_FAILS(fixture_open(&f), WM_E_CONFIG, f.err, "profile ccnet");
    fixture_done(&f);
    store("\n");
    fixture_init(&f);
    fixture_add(&f, "rejoin", setting(""));
    CHECK_FAILS(fixture_open(&f), WM_E_CONFIG, f.err, "no rows");
    fixture_done(&f);
    CHECK_OK(wm_remove(in_top("rows.jsonl"), &err), err);
    fixture_init(&f);
    fixture_add(&f, "rejoin", setting(""));
    CHECK_FAILS(fixture_open(&f), WM_E_FORMAT, f.err, "cannot");
    fixture_done(&f);
}

static void test_memory(void)
{
    struct wm_rejoin_rows all;
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 24);
    for (int i = 0; i < 20000; i++)
        CHECK_OK(wm_buf_printf(&buf, &err, "{\"url\":\"%d\",\"line_ids\":\"AAA=\"}\n", i), err);
    CHECK_OK(wm_file_store(in_top("rows.jsonl"), wm_buf_str(&buf), &err), err);
    wm_rejoin_init(&all, 1 << 20);
    CHECK_FAILS(wm_rejoin_load(&all, in_top("rows.jsonl"), false, &err), WM_E_LIMIT, err, "memory");
    wm_rejoin_done(&all);
    wm_rejoin_init(&all, 1 << 23);
    CHECK_OK(wm_rejoin_load(&all, in_top("rows.jsonl"), false, &err), err);
    CHECK_U64(all.n, 20000);
    CHECK(wm_rejoin_bytes(&all) <= 1 << 23);
    wm_rejoin_done(&all);
    wm_buf_done(&buf);
}

int main(void)
{
    make_top("rejoin");
    test_lines();
    test_ids();
    test_refused();
    test_memory();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
