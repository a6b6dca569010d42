/* SPDX-License-Identifier: Apache-2.0 */
/* Windows and dictionaries count against what a reader is allowed, wherever they stand; a limit
 * changes nothing else, and what one file took is there for the next. */
#include "pipeline/reader.h"
#include "reading_help.h"

enum { LINES = 300, BLANK = 30000, PAGE = 3000, MIB = 1 << 20, NO_LIMIT = 1 << 30 };

static struct wm_buf lines; /* JSON lines and blank ones, more than is held back of a frame */

static void put_lines(void)
{
    lines = help_buf();
    for (unsigned i = 0; i < LINES; i++) {
        CHECK_OK(wm_buf_printf(&lines, &help_err, "{\"text\":\"line %u\"}\n", i), help_err);
        help_fill(&lines, ' ', BLANK);
        help_text(&lines, "\n");
    }
    CHECK(lines.len > WM_MEMBER_WHOLE);
}

static void put_tar(struct wm_buf *buf, const char *name)
{
    struct wm_buf tar = help_buf();
    help_tar(&tar, &(struct help_file){name, wm_buf_str(buf)}, 1);
    buf->len = 0;
    help_add(buf, tar.ptr, tar.len);
    wm_buf_done(&tar);
}

/* What reading ends with, under a limit for windows; if well, tally and damage are set. */
static int read_all(const char *path, uint64_t most, struct help_docs *ret)
{
    struct wm_source_options options = help_options();
    struct wm_inputs inputs;
    struct wm_reader *reader;
    struct wm_batch batch = {0};
    options.paths = (struct wm_list){&path, 1};
    memset(ret, 0, sizeof *ret);
    wm_arena_init(&batch.arena, (size_t)1 << 31);
    CHECK_OK(wm_inputs_open(&options, &inputs, &help_err), help_err);
    CHECK_OK(wm_reader_open(&inputs, &inputs.tasks[0], &reader, &help_err), help_err);
    if (most < NO_LIMIT)
        wm_reader_allow(reader, &(struct wm_window_limit){most, (uint64_t)1000 * MIB, 3});
    int more;
    while ((more = wm_reader_fill(reader, &batch, 0, WM_BATCH_TEXT, WM_BATCH_DOCS, &help_err)) > 0)
        wm_arena_reset(&batch.arena);
    if (!more) {
        CHECK(reader->stream.windows.taken == 0);
        help_sum(ret, wm_reader_tally(reader), wm_reader_damage(reader));
    }
    wm_reader_close(reader);
    wm_inputs_close(&inputs);
    wm_arena_done(&batch.arena);
    return more;
}

/* With `mib` beyond the usual it is read, with a byte less it is not. */
static void check(const char *name, struct wm_buf *bytes, uint64_t mib, uint64_t documents)
{
    const char *path = help_store(name, bytes);
    struct help_docs got;
    char hint[64];
    CHECK_(read_all(path, mib * MIB, &got) == 0, "%s: %s", name, help_err.what);
    CHECK_U64(got.tally.documents, documents);
    CHECK_U64(got.tally.n_damage, 0);
    CHECK_(read_all(path, mib * MIB - 1, &got) == WM_E_NOMEM, "%s", name);
    CHECK_(strstr(help_err.what, "needs a window of ") && strstr(help_err.where, name), "%s: %s",
           name, help_err.what);
    (void)snprintf(hint, sizeof hint, "--memory %dMiB would do", 1001);
    CHECK_(strcmp(help_err.hint, hint) == 0, "%s: %s", name, help_err.hint);
}

/* What is usual needs nothing. */
static void test_usual(void)
{
    struct wm_buf bytes = help_buf();
    struct help_docs got;
    help_zstd_window(&bytes, wm_buf_str(&lines), 23);
    CHECK(read_all(help_store("usual.jsonl.zst", &bytes), 0, &got) == 0);
    CHECK_U64(got.tally.documents, LINES);
    wm_buf_done(&bytes);
}

static void test_refused(void)
{
    struct wm_buf bytes = help_buf();
    const struct wm_str text = wm_buf_str(&lines);
    help_zstd_window(&bytes, text, 27);
    check("first.jsonl.zst", &bytes, 120, LINES);
    help_zstd_window(&bytes, text, 20);
    help_zstd_window(&bytes, text, 25);
    check("second.jsonl.zst", &bytes, 24, 2 * LINES);
    help_zstd_window(&bytes, text, 26);
    put_tar(&bytes, "a.jsonl.zst");
    check("in.tar", &bytes, 56, LINES);
    struct wm_buf tar = help_buf();
    help_zstd_window(&bytes, text, 26);
    help_tar(&tar, (struct help_file[]){{"a.jsonl", text}, {"b.jsonl.zst", wm_buf_str(&bytes)}}, 2);
    bytes.len = 0;
    help_zstd_window(&bytes, wm_buf_str(&tar), 24);
    check("both.tar.zst", &bytes, 56 + 8, 2 * LINES);
    wm_buf_done(&tar);
    wm_buf_done(&bytes);
}

static void test_dictionary(void)
{
    struct wm_buf bytes = help_buf();
    help_xz_dictionary(&bytes, wm_buf_str(&lines), 28); /* 64 MiB */
    struct wm_buf twice = help_buf();
    help_add(&twice, bytes.ptr, bytes.len);
    check("large.jsonl.xz", &twice, 56, LINES);
    help_xz(&twice, WM_STR("{\"text\":\"a\"}\n"));
    help_add(&twice, bytes.ptr, bytes.len);
    check("second.jsonl.xz", &twice, 56, LINES + 1);
    help_add(&twice, bytes.ptr, bytes.len);
    put_tar(&twice, "a.jsonl.xz");
    check("dictionary.tar", &twice, 56, LINES);
    wm_buf_done(&twice);
    wm_buf_done(&bytes);
}

/* Files behind one another need no more than the largest. */
static void test_given_back(void)
{
    struct wm_buf a = help_buf(), b = help_buf(), tar = help_buf();
    help_zstd_window(&a, wm_buf_str(&lines), 25);
    help_zstd_window(&b, wm_buf_str(&lines), 24);
    const struct help_file files[] = {{"a.jsonl.zst", wm_buf_str(&a)},
                                      {"b.jsonl.zst", wm_buf_str(&b)},
                                      {"c.jsonl.zst", wm_buf_str(&a)}};
    help_tar(&tar, files, 3);
    check("three.tar", &tar, 24, 3 * LINES);
    wm_buf_done(&a);
    wm_buf_done(&b);
    wm_buf_done(&tar);
}

/* Junk that starts as a frame with a large window: what stands behind it is looked for without
 * taking one, and a limit changes no word of what is said. */
static void test_junk(void)
{
    static const unsigned char frames[][12] = {
        {0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x88, 0xFF, 0xFF, 0xFF, 1, 2, 3}, /* 128 MiB */
        {0x28, 0xB5, 0x2F, 0xFD, 0xA0, 0, 0, 0, 5, 0xFF, 0xFF, 0xFF},    /* 80 MiB, all one */
        {0x28, 0xB5, 0x2F, 0xFD, 0x84, 0x80, 0, 0, 0, 9, 0xFF, 0xFF},    /* 64 MiB of 144 */
    };
    struct wm_buf bytes = help_buf(), page = help_buf();
    for (unsigned i = 0; i < 6; i++) {
        page.len = 0;
        help_page(&page, i, PAGE);
        help_zstd(&bytes, wm_buf_str(&page), 3);
        help_text(&bytes, "junk");
        help_add(&bytes, frames[i % 3], sizeof frames[0]);
    }
    help_zstd(&bytes, wm_buf_str(&page), 3);
    const char *path = help_store("junk.warc.wet.zst", &bytes);
    struct help_docs want, got;
    CHECK(read_all(path, NO_LIMIT, &want) == 0);
    CHECK(read_all(path, 0, &got) == 0);
    CHECK_U64(got.tally.documents, 7);
    CHECK_U64(got.tally.n_damage, 6);
    CHECK(memcmp(&got.tally, &want.tally, sizeof got.tally) == 0);
    CHECK_(strcmp(got.damage, want.damage) == 0, "%s\n%s", got.damage, want.damage);
    wm_buf_done(&bytes);
    wm_buf_done(&page);
}

/* Behind damage a frame with a large window is found without it, and then refused. */
static void test_behind_damage(void)
{
    struct wm_buf bytes = help_buf(), page = help_buf();
    help_page(&page, 1, PAGE);
    help_zstd(&bytes, wm_buf_str(&page), 3);
    help_text(&bytes, "junk");
    page.len = 0;
    while (page.len < lines.len)
        help_page(&page, 2, 5 * PAGE);
    help_zstd_window(&bytes, wm_buf_str(&page), 27);
    const char *path = help_store("behind.warc.wet.zst", &bytes);
    struct help_docs got;
    CHECK(read_all(path, (uint64_t)120 * MIB, &got) == 0);
    CHECK(got.tally.documents > 2);
    CHECK(read_all(path, (uint64_t)119 * MIB, &got) == WM_E_NOMEM);
    CHECK(strstr(help_err.what, "a window of 128 MiB, --memory leaves 127 MiB") != NULL);
    /* what the content fits into is enough */
    for (int log = 24; log <= 27; log += 3) {
        bytes.len = 0;
        help_text(&bytes, "\x28\xB5junk");
        ZSTD_CCtx *c = ZSTD_createCCtx();
        (void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, log);
        CHECK_OK(wm_buf_reserve(&bytes, ZSTD_compressBound(page.len), &help_err), help_err);
        bytes.len +=
            ZSTD_compress2(c, bytes.ptr + bytes.len, bytes.cap - bytes.len, page.ptr, page.len);
        (void)ZSTD_freeCCtx(c);
        path = help_store("sized.warc.wet.zst", &bytes);
        CHECK(read_all(path, page.len - WM_USUAL_WINDOW, &got) == 0);
        CHECK(got.tally.documents > 2);
        CHECK_U64(got.tally.n_damage, 1);
        CHECK(read_all(path, page.len - WM_USUAL_WINDOW - 1, &got) == WM_E_NOMEM);
    }
    wm_buf_done(&bytes);
    wm_buf_done(&page);
}

int main(void)
{
    help_open();
    put_lines();
    test_usual();
    test_refused();
    test_dictionary();
    test_given_back();
    test_junk();
    test_behind_damage();
    wm_buf_done(&lines);
    help_close();
    return test_summary();
}
