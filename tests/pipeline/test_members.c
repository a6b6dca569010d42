/* SPDX-License-Identifier: Apache-2.0 */
/* gzip, zstd, xz and tar: whole, in many members, cut, corrupt, with junk, and as bombs. */
#include "pipeline/xz_walk.h"
#include "reading_help.h"

enum { PAGES = 20, PAGE = 3000 };

/* One page a member, as Common Crawl does it; *starts gets each member's place. */
static void members(struct wm_buf *out, const char *ending, size_t starts[PAGES + 1])
{
    struct wm_buf page = help_buf();
    for (unsigned i = 0; i < PAGES; i++) {
        starts[i] = out->len;
        page.len = 0;
        help_page(&page, i, PAGE);
        help_pack(out, wm_buf_str(&page), ending);
    }
    starts[PAGES] = out->len;
    wm_buf_done(&page);
}

static void all_pages(struct wm_buf *out, unsigned n, size_t size)
{
    for (unsigned i = 0; i < n; i++)
        help_page(out, i, size);
}

static bool is_page(const struct wm_doc *doc, unsigned i)
{
    char start[32];
    int n = snprintf(start, sizeof start, "page %u says", i);
    return wm_str_starts(doc->text, (struct wm_str){start, (size_t)n});
}

static void test_many_members(const char *ending)
{
    size_t starts[PAGES + 1];
    struct wm_buf bytes = help_buf();
    char name[32];
    (void)snprintf(name, sizeof name, "many.warc.wet%s", ending);
    members(&bytes, ending, starts);
    struct help_docs all = help_read(help_store(name, &bytes));
    CHECK_U64(all.n, PAGES);
    CHECK_U64(all.tally.n_damage, 0);
    CHECK_U64(all.tally.bytes_compressed, starts[PAGES]);
    for (unsigned i = 0; i < all.n; i++) {
        CHECK(is_page(&all.docs[i], i));
        CHECK_U64(all.docs[i].location.member_offset, starts[i]);
        CHECK_U64(all.docs[i].location.member_length, starts[i + 1] - starts[i]);
        CHECK_U64(all.docs[i].location.offset, 0);
        CHECK_U64(all.docs[i].key.record, i);
    }
    help_done(&all);
    wm_buf_done(&bytes);
}

/* Members cut at any byte, as bgzip and pzstd cut them. */
static void test_records_span_members(const char *ending)
{
    struct wm_buf plain = help_buf(), bytes = help_buf();
    char name[32];
    (void)snprintf(name, sizeof name, "span.warc.wet%s", ending);
    all_pages(&plain, PAGES, PAGE);
    for (size_t at = 0; at < plain.len; at += 1777)
        help_pack(&bytes,
                  (struct wm_str){plain.ptr + at, plain.len - at < 1777 ? plain.len - at : 1777},
                  ending);
    struct help_docs all = help_read(help_store(name, &bytes));
    CHECK_U64(all.n, PAGES);
    CHECK_U64(all.tally.bytes, plain.len);
    CHECK_U64(all.tally.n_damage, 0);
    help_done(&all);
    wm_buf_done(&plain);
    wm_buf_done(&bytes);
}

/* One large member: decoded piece by piece, with a window smaller than it. */
static void test_large_member(const char *ending)
{
    struct wm_buf plain = help_buf(), bytes = help_buf();
    char name[32];
    (void)snprintf(name, sizeof name, "large.warc.wet%s", ending);
    all_pages(&plain, 60, 300000);
    help_pack(&bytes, wm_buf_str(&plain), ending);
    struct help_docs all = help_read_with(help_options(), help_store(name, &bytes), false);
    CHECK_U64(all.n, 60);
    CHECK_U64(all.tally.bytes, plain.len);
    CHECK_U64(all.tally.n_damage, 0);
    all.docs[0] = all.docs[59]; /* reading the last one again decodes all before it */
    all.n = 1;
    help_again(&all);
    help_done(&all);
    wm_buf_done(&plain);
    wm_buf_done(&bytes);
}

/* What is corrupt in the middle loses itself and nothing else. */
static void test_corrupt_member(const char *ending)
{
    size_t starts[PAGES + 1];
    struct wm_buf bytes = help_buf();
    members(&bytes, ending, starts);
    for (unsigned hit = 0; hit < PAGES; hit += 7) {
        for (size_t part = 1; part < 4; part++) {
            struct wm_buf copy = help_buf();
            help_add(&copy, bytes.ptr, bytes.len);
            size_t at = starts[hit] + (starts[hit + 1] - starts[hit]) * part / 4;
            copy.ptr[at] = (char)~copy.ptr[at];
            struct help_docs all = help_read(help_store("hit.warc.wet", &copy));
            CHECK_U64(all.n, PAGES - 1);
            for (unsigned i = 0; i < all.n; i++)
                CHECK(is_page(&all.docs[i], i + (i >= hit)));
            CHECK_DAMAGE(all, "damaged");
            CHECK_U64(all.tally.bad_files, 1);
            help_done(&all);
            wm_buf_done(&copy);
        }
    }
    wm_buf_done(&bytes);
}

static void test_junk_between(const char *ending)
{
    size_t starts[PAGES + 1];
    struct wm_buf bytes = help_buf(), junk = help_buf();
    char words[64];
    members(&bytes, ending, starts);
    help_add(&junk, bytes.ptr, starts[5]);
    help_text(&junk, "this is no member\x1f\x8b\x08 and \x28\xb5\x2f\xfd neither");
    size_t n = junk.len - starts[5];
    help_add(&junk, bytes.ptr + starts[5], bytes.len - starts[5]);
    struct help_docs all = help_read(help_store("junk.warc.wet", &junk));
    CHECK_U64(all.n, PAGES);
    (void)snprintf(words, sizeof words, "@%zu #5 %zu bytes are no", starts[5], n);
    CHECK_DAMAGE(all, words);
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&junk);
}

/* Junk before the first member: the name still says what is to be looked for. */
static void test_junk_first(const char *ending)
{
    size_t starts[PAGES + 1];
    struct wm_buf bytes = help_buf(), junk = help_buf();
    char name[64];
    members(&bytes, ending, starts);
    help_text(&junk, "\xff\xfe no member");
    size_t n = junk.len;
    help_add(&junk, bytes.ptr, bytes.len);
    (void)snprintf(name, sizeof name, "first.warc.wet%s", ending);
    struct help_docs all = help_read(help_store(name, &junk));
    CHECK_U64(all.n, PAGES);
    (void)snprintf(name, sizeof name, "@0 #0 %zu bytes are no", n);
    CHECK_DAMAGE(all, name);
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&junk);
}

/* A block lost in the middle: two members are hit, all others stay. */
static void test_hole(const char *ending)
{
    size_t starts[PAGES + 1];
    struct wm_buf bytes = help_buf(), hole = help_buf();
    members(&bytes, ending, starts);
    size_t from = (starts[3] + starts[4]) / 2, to = (starts[8] + starts[9]) / 2;
    help_add(&hole, bytes.ptr, from);
    help_add(&hole, bytes.ptr + to, bytes.len - to);
    struct help_docs all = help_read(help_store("hole.warc.wet", &hole));
    CHECK_U64(all.n, PAGES - 6);
    CHECK(is_page(&all.docs[2], 2) && is_page(&all.docs[3], 9));
    CHECK_DAMAGE(all, "damaged");
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&hole);
}

/* The file is cut anywhere: all whole members before stay. */
static void test_truncated(const char *ending)
{
    size_t starts[PAGES + 1];
    struct wm_buf bytes = help_buf();
    members(&bytes, ending, starts);
    for (size_t cut = 5; cut < bytes.len; cut += 997) {
        struct wm_buf copy = help_buf();
        size_t whole = 0;
        while (whole < PAGES && starts[whole + 1] <= cut)
            whole++;
        help_add(&copy, bytes.ptr, cut);
        struct help_docs all = help_read(help_store("cut.warc.wet", &copy));
        CHECK_U64(all.n, whole);
        if (cut != starts[whole])
            CHECK_U64(all.tally.bad_files, 1);
        help_done(&all);
        wm_buf_done(&copy);
    }
    wm_buf_done(&bytes);
}

/* A file of one member, cut or corrupt: what stands (well) before is kept. */
static void test_single_member(const char *ending)
{
    struct wm_buf plain = help_buf(), bytes = help_buf(), copy = help_buf();
    all_pages(&plain, 200, 4000);
    help_pack(&bytes, wm_buf_str(&plain), ending);
    help_add(&copy, bytes.ptr, bytes.len / 2);
    struct help_docs all =
        help_read_with(help_options(), help_store("half.warc.wet", &copy), false);
    CHECK(all.n > 60 && all.n < 140);
    CHECK_DAMAGE(all, "ends inside");
    CHECK_U64(all.tally.reasons[WM_READ_TRUNCATED], 1);
    size_t short_of = all.n;
    help_done(&all);
    help_add(&copy, bytes.ptr, bytes.len);
    for (size_t i = 0; i < 64; i++)
        copy.ptr[bytes.len / 2 + i] = (char)0xA5;
    all = help_read_with(help_options(), help_store("bad.warc.wet", &copy), false);
    CHECK_(all.n > 20 && all.n <= short_of, "%zu pages: %s", all.n, all.damage);
    for (unsigned i = 0; i < all.n; i++)
        CHECK(is_page(&all.docs[i], i));
    CHECK_DAMAGE(all, "damaged");
    help_done(&all);
    wm_buf_done(&plain);
    wm_buf_done(&bytes);
    wm_buf_done(&copy);
}

static void test_zero_padding(void)
{
    struct wm_buf bytes = help_buf(), page = help_buf();
    help_page(&page, 1, PAGE);
    help_gzip(&bytes, wm_buf_str(&page), 6);
    help_fill(&bytes, 0, 700);
    help_gzip(&bytes, wm_buf_str(&page), 6);
    help_fill(&bytes, 0, 100000);
    struct help_docs all = help_read(help_store("tape.warc.wet.gz", &bytes));
    CHECK_U64(all.n, 2);
    CHECK_U64(all.tally.n_damage, 0);
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&page);
}

/* ---- xz's own ---- */

static void test_xz_dictionary(void)
{
    struct wm_buf bytes = help_buf();
    help_xz(&bytes, WM_STR("{\"text\":\"a\"}\n"));
    char *props = memchr(bytes.ptr + 12, 0x21, 16); /* the LZMA2 filter */
    CHECK(props && props[1] == 1);
    props[2] = 36; /* 1 GiB */
    struct help_docs all = help_read(help_store("big.jsonl.xz", &bytes));
    CHECK_U64(all.n, 0);
    CHECK_DAMAGE(all, "dictionary of 1024 MiB, over the limit of 256 MiB");
    help_done(&all);
    wm_buf_done(&bytes);
}

/* Further blocks and streams may ask for more than the first did. */
static void test_xz_later_dictionary(void)
{
    struct wm_buf bytes = help_buf(), second = help_buf(), plain = help_buf();
    all_pages(&plain, 60, 4000);
    help_xz(&bytes, wm_buf_str(&plain));
    help_xz(&second, WM_STR("WARC/1.0\r\n"));
    char *props = memchr(second.ptr + 12, 0x21, 16);
    CHECK(props && props[1] == 1);
    props[2] = 40;           /* 4 GiB */
    help_fill(&bytes, 0, 8); /* padding */
    help_add(&bytes, second.ptr, second.len);
    struct help_docs all =
        help_read_with(help_options(), help_store("later.warc.wet.xz", &bytes), false);
    CHECK(all.n > 20); /* but for the 64 KiB before */
    CHECK_DAMAGE(all, "dictionary of 4095 MiB, over the limit of 256 MiB");
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&second);
    wm_buf_done(&plain);
}

/* The walk keeps to the blocks, chunks and indices of sound data, in pieces of any size. */
static void test_xz_walk(void)
{
    struct wm_buf bytes = help_buf(), plain = help_buf();
    for (int round = 0; round < 3; round++) {
        help_xz(&bytes, wm_buf_str(&plain));
        help_fill(&bytes, 0, 4 * (size_t)round);
        all_pages(&plain, 60, 9000);
    }
    for (int i = 0; i < 300000; i++) /* what does not compress is stored */
        help_fill(&plain, (char)(((unsigned)i * 2654435761u) >> 24 ^ (unsigned)i), 1);
    help_xz(&bytes, wm_buf_str(&plain));
    for (size_t piece = 1; piece < bytes.len; piece = piece * 7 + 1) {
        struct wm_xz_walk walk = {0};
        size_t passed = 0;
        while (passed < bytes.len) {
            size_t n = piece < bytes.len - passed ? piece : bytes.len - passed;
            CHECK_U64(wm_xz_pass(&walk, (const unsigned char *)bytes.ptr + passed, n, 64 << 20), n);
            passed += n;
        }
        CHECK(walk.part == WM_XZ_STREAM_HEADER && walk.n_held == 0 && walk.skip == 0);
    }
    struct wm_xz_walk walk = {0};
    CHECK(wm_xz_pass(&walk, (const unsigned char *)bytes.ptr, bytes.len, 4096) < 100);
    CHECK(walk.dictionary > 4096);
    wm_buf_done(&bytes);
    wm_buf_done(&plain);
}

static void test_xz(void)
{
    struct wm_buf plain = help_buf(), bytes = help_buf(), copy = help_buf();
    all_pages(&plain, 100, 4000);
    help_xz(&bytes, wm_buf_str(&plain));
    help_add(&copy, bytes.ptr, bytes.len);
    struct help_docs all =
        help_read_with(help_options(), help_store("a.warc.wet.xz", &copy), false);
    CHECK_U64(all.n, 100);
    CHECK_U64(all.tally.n_damage, 0);
    all.docs[0] = all.docs[99];
    all.n = 1;
    help_again(&all);
    help_done(&all);
    help_add(&copy, bytes.ptr, bytes.len / 2);
    all = help_read_with(help_options(), help_store("half.warc.wet.xz", &copy), false);
    CHECK_(all.n > 20 && all.n < 80, "%zu pages", all.n);
    CHECK_DAMAGE(all, "ends inside xz data");
    help_done(&all);
    wm_buf_done(&plain);
    wm_buf_done(&bytes);
    wm_buf_done(&copy);
}

/* ---- bombs ---- */

static void test_bomb(const char *ending)
{
    struct wm_buf zeros = help_buf(), bytes = help_buf();
    char name[32];
    (void)snprintf(name, sizeof name, "bomb.jsonl%s", ending);
    help_fill(&zeros, '0', 100 << 20);
    zeros.ptr[0] = '{';
    zeros.ptr[1] = '"';
    help_pack(&bytes, wm_buf_str(&zeros), ending);
    CHECK(bytes.len < zeros.len / 1000);
    const char *path = help_store(name, &bytes);
    struct help_docs all = help_read_with(help_options(), path, false);
    CHECK_U64(all.n, 0);
    CHECK_DAMAGE(all, "decompression bomb");
    CHECK(all.tally.bytes < 80 << 20);
    help_done(&all);
    struct wm_source_options options = help_options();
    options.max_ratio = 0;
    all = help_read_with(options, path, false);
    CHECK_U64(all.tally.bytes, zeros.len);
    CHECK_U64(all.tally.reasons[WM_READ_TOO_LONG], 1);
    help_done(&all);
    wm_buf_done(&zeros);
    wm_buf_done(&bytes);
}

/* Much comes out of the first piece of a file, but no more than its bytes may give. */
static void test_dense(const char *ending)
{
    struct wm_buf plain = help_buf(), bytes = help_buf();
    char name[32];
    (void)snprintf(name, sizeof name, "dense.jsonl%s", ending);
    help_text(&plain, "{\"text\":\"");
    for (uint64_t x = 1; plain.len < 150000;) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        help_fill(&plain, (char)('0' + (x >> 58)), 1);
    }
    help_fill(&plain, '0', 90 << 20);
    help_text(&plain, "\"}\n");
    help_pack(&bytes, wm_buf_str(&plain), ending);
    CHECK(bytes.len > 100000 && bytes.len < 300000);
    struct help_docs all = help_read_with(help_options(), help_store(name, &bytes), false);
    CHECK_U64(all.tally.bytes, plain.len);
    CHECK_(strstr(all.damage, "bomb") == NULL, "%s: %s", name, all.damage);
    help_done(&all);
    wm_buf_done(&plain);
    wm_buf_done(&bytes);
}

int main(void)
{
    static const char *const endings[] = {".gz", ".zst", NULL};
    help_open();
    for (size_t i = 0; endings[i]; i++) {
        test_many_members(endings[i]);
        test_records_span_members(endings[i]);
        test_large_member(endings[i]);
        test_corrupt_member(endings[i]);
        test_junk_between(endings[i]);
        test_junk_first(endings[i]);
        test_hole(endings[i]);
        test_truncated(endings[i]);
        test_single_member(endings[i]);
        test_bomb(endings[i]);
        test_dense(endings[i]);
    }
    test_zero_padding();
    test_xz();
    test_xz_dictionary();
    test_xz_later_dictionary();
    test_xz_walk();
    test_bomb(".xz");
    test_dense(".xz");
    help_close();
    return test_summary();
}
