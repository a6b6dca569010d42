/* SPDX-License-Identifier: Apache-2.0 */
/* A job over each kind of file, killed again and again in the middle of its tasks. */
#include "points_fixture.h"

static const char *make_tar(void)
{
    struct wm_buf a = help_buf(), b = help_buf(), out = help_buf(), packed = help_buf();
    for (unsigned i = 0; i < PAGES / 2; i++) {
        add_line(&a, i);
        help_page(&b, i, PAGE);
    }
    help_pack(&packed, wm_buf_str(&b), ".gz");
    help_tar(
        &out,
        (struct help_file[]){{"x/a.jsonl", wm_buf_str(&a)}, {"x/b.warc.gz", wm_buf_str(&packed)}},
        2);
    a.len = 0;
    help_pack(&a, wm_buf_str(&out), ".zst");
    const char *path = help_store("two.tar.zst", &a);
    wm_buf_done(&a);
    wm_buf_done(&b);
    wm_buf_done(&out);
    wm_buf_done(&packed);
    return path;
}

/* Files of one document each, in a directory: one task. */
static const char *make_many(void)
{
    struct wm_buf text = help_buf();
    CHECK_OK(wm_mkdirs(help_path("many"), &err), err);
    for (unsigned i = 0; i < PAGES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "many/%04u.txt", i);
        CHECK_OK(wm_buf_printf(&text, &err, "a text of its own, number %u\n", i * 7919), err);
        (void)help_store(name, &text);
    }
    wm_buf_done(&text);
    return help_path("many");
}

static void test_members(void)
{
    test_kills(make_crawl("a.warc.wet.gz", ".gz", PAGES, true, false), false, "members");
}

static void test_large_member(void)
{
    test_kills(make_crawl("b.warc.wet.gz", ".gz", 2 * PAGES, false, false), true, "large member");
}

static void test_damaged(void)
{
    test_kills(make_crawl("c.warc.wet.gz", ".gz", PAGES, true, true), true, "damaged members");
}

static void test_damaged_plain(void)
{
    test_kills(make_crawl("d.warc.wet", "", PAGES, true, true), false, "damaged, plain");
}

static void test_frames(void)
{
    test_kills(make_lines("e.jsonl.zst", ".zst", 6), true, "zstd frames");
}

static void test_lines(void)
{
    test_kills(make_lines("f.jsonl", "", 1), false, "plain lines");
}

static void test_xz(void)
{
    test_kills(make_lines("g.jsonl.xz", ".xz", 1), false, "xz");
}

static void test_tar(void)
{
    test_kills(make_tar(), false, "tar");
}

static void test_many(void)
{
    test_kills(make_many(), false, "many files");
}

/* Also where no document comes for long the reader comes back, and is gone on with from there. */
static void test_pages(void)
{
    batch_text = 16 << 10;
    test_kills(help_pages("pages.warc.gz", ".gz", true), false, "pages in members");
    test_kills(help_pages("pages-one.warc.gz", ".gz", false), false, "pages in one member");
    test_kills(help_pages("pages.warc.zst", ".zst", true), false, "pages in frames");
    test_kills(help_pages("pages.warc", "", true), true, "pages, plain");
    batch_text = 0;
}

int main(int argc, char **argv)
{
    static void (*const tests[])(void) = {
        test_members, test_large_member, test_damaged, test_damaged_plain, test_frames,
        test_lines,   test_xz,           test_tar,     test_many,          test_pages};
    return points_main(argc, argv, tests, sizeof tests / sizeof *tests);
}
