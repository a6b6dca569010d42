/* SPDX-License-Identifier: Apache-2.0 */
/* Dropping lines, the line map, and the way back. */
#include "test.h"
#include "wetmill/batch.h"

static struct wm_batch batch;
static struct wm_error err;

static uint64_t state = 1;
static uint64_t dice(uint64_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (state >> 33) % n;
}

static struct wm_doc doc_of(struct wm_str text)
{
    struct wm_doc doc = {.text = text};
    doc.source_lines = (uint32_t)wm_line_count(text);
    doc.lines.runs = wm_arena_alloc(&batch.arena, 1, sizeof *doc.lines.runs);
    doc.lines.runs[0] = (struct wm_line_run){0, doc.source_lines};
    doc.lines.n_runs = 1;
    return doc;
}

static void keep(struct wm_doc *doc, const char *mask)
{
    unsigned char bytes[64];
    size_t n = strlen(mask);
    for (size_t i = 0; i < n; i++)
        bytes[i] = mask[i] == '1';
    CHECK_OK(wm_doc_keep_lines(&batch, doc, bytes, n, &err), err);
}

static void test_keep(void)
{
    struct wm_doc doc = doc_of(WM_STR("a\nb\n\nd\ne\nf"));
    keep(&doc, "111111");
    CHECK_STR(doc.text, WM_STR("a\nb\n\nd\ne\nf"));
    CHECK_U64(doc.lines.n_runs, 1);
    keep(&doc, "101110");
    CHECK_STR(doc.text, WM_STR("a\n\nd\ne"));
    CHECK_U64(doc.lines.n_runs, 2);
    CHECK(doc.lines.runs[1].first == 2 && doc.lines.runs[1].count == 3);
    keep(&doc, "1101"); /* composed: lines 0, 2 and 4 of the source */
    CHECK_STR(doc.text, WM_STR("a\n\ne"));
    CHECK_U64(doc.lines.n_runs, 3);
    CHECK(doc.lines.runs[1].first == 2 && doc.lines.runs[1].count == 1);
    CHECK(doc.lines.runs[2].first == 4 && doc.lines.runs[2].count == 1);
    CHECK_U64(wm_line_map_count(&doc.lines), 3);
    keep(&doc, "000");
    CHECK_U64(doc.text.len, 0);
    CHECK_U64(doc.lines.n_runs, 0);
}

static void test_edges(void)
{
    struct wm_doc doc = doc_of(WM_STR("\n\n"));
    keep(&doc, "010");
    CHECK_U64(doc.text.len, 0);
    CHECK_U64(doc.lines.n_runs, 1);
    CHECK_U64(doc.lines.runs[0].first, 1);
    doc = doc_of(WM_STR("a\n"));
    keep(&doc, "01");
    CHECK_U64(doc.text.len, 0);
    CHECK_U64(doc.lines.runs[0].first, 1);
    doc = doc_of((struct wm_str){NULL, 0});
    keep(&doc, "1");
    CHECK_U64(doc.lines.n_runs, 1);
    keep(&doc, "0");
    CHECK_U64(doc.lines.n_runs, 0);

    doc = doc_of(WM_STR("a\nb"));
    batch.rederive = true;
    keep(&doc, "01");
    CHECK_STR(doc.text, WM_STR("a\nb"));
    batch.rederive = false;

    unsigned char three[3] = {1, 0, 1};
    CHECK_FAILS(wm_doc_keep_lines(&batch, &doc, three, 3, &err), WM_E_FORMAT, err, "line map");
    struct wm_batch full = {0};
    wm_arena_init(&full.arena, 0);
    CHECK_FAILS(wm_doc_keep_lines(&full, &doc, (const unsigned char[]){1, 0}, 2, &err), WM_E_NOMEM,
                err, "memory");
}

/* Several rounds of dropping on random texts; picking by the map must give the text again. */
static void test_random(void)
{
    for (int round = 0; round < 2000; round++) {
        wm_arena_reset(&batch.arena);
        size_t len = dice(200);
        char *text = wm_arena_bytes(&batch.arena, len);
        for (size_t i = 0; i < len; i++)
            text[i] = "ab\n"[dice(3)];
        struct wm_str source = {text, len};
        struct wm_doc doc = doc_of(source);
        for (size_t drop = dice(4); drop; drop--) {
            unsigned char mask[256];
            size_t n = wm_line_count(doc.text), kept = 0, out = 0;
            char want[256];
            struct wm_str rest = doc.text;
            for (size_t i = 0; i < n; i++) {
                struct wm_str line = wm_str_line(&rest);
                mask[i] = dice(3) != 0;
                if (!mask[i])
                    continue;
                if (kept++)
                    want[out++] = '\n';
                if (line.len)
                    memcpy(want + out, line.ptr, line.len);
                out += line.len;
            }
            if (doc.lines.n_runs == 0)
                break;
            CHECK_OK(wm_doc_keep_lines(&batch, &doc, mask, n, &err), err);
            CHECK_STR(doc.text, ((struct wm_str){want, out}));
            CHECK_U64(wm_line_map_count(&doc.lines), kept);
        }
        for (size_t i = 1; i < doc.lines.n_runs; i++)
            CHECK(doc.lines.runs[i].first >
                  doc.lines.runs[i - 1].first + doc.lines.runs[i - 1].count - 1);
        struct wm_str picked;
        CHECK_OK(wm_lines_pick(source, &doc.lines, &batch.arena, &picked, &err), err);
        CHECK_STR(picked, doc.text);
    }
}

static void test_pick_hostile(void)
{
    struct wm_str text = WM_STR("a\nb\nc"), out;
    struct wm_line_run beyond[] = {{1, 3}}, falling[] = {{1, 1}, {0, 1}}, none[] = {{1, 0}},
                       huge[] = {{UINT32_MAX, UINT32_MAX}};
    struct wm_line_map maps[] = {{beyond, 1}, {falling, 2}, {none, 1}, {huge, 1}};
    for (size_t i = 0; i < 4; i++)
        CHECK_FAILS(wm_lines_pick(text, &maps[i], &batch.arena, &out, &err), WM_E_MISMATCH, err,
                    "line map names");
    CHECK_OK(wm_lines_pick(text, &(struct wm_line_map){0}, &batch.arena, &out, &err), err);
    CHECK_U64(out.len, 0);
}

int main(void)
{
    wm_arena_init(&batch.arena, 1 << 20);
    test_keep();
    test_edges();
    test_random();
    test_pick_hostile();
    wm_arena_done(&batch.arena);
    return test_summary();
}
