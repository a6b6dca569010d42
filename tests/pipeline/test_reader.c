/* SPDX-License-Identifier: Apache-2.0 */
/* Every container and compression gives the same documents; batches may be of any size; real
 * crawl files give the counts they should. */
#include "reading_help.h"

enum { PAGES = 30 };

static struct wm_buf b, plain;

static void check_pages(const struct help_docs *all, size_t n)
{
    CHECK_U64(all->n, n);
    CHECK_U64(all->tally.n_damage, 0);
    for (size_t i = 0; i < all->n; i++) {
        char start[32];
        int len = snprintf(start, sizeof start, "page %zu says", i % PAGES);
        CHECK(wm_str_starts(all->docs[i].text, (struct wm_str){start, (size_t)len}));
    }
}

static void test_warc_in_all_forms(void)
{
    static const char *const endings[] = {"", ".gz", ".zst", ".xz", NULL};
    for (size_t i = 0; endings[i]; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "a.warc%s", endings[i]);
        help_pack(&b, wm_buf_str(&plain), endings[i]);
        struct help_docs all = help_read(help_store(name, &b));
        check_pages(&all, PAGES);
        CHECK_U64(all.tally.bytes, plain.len);
        help_done(&all);
    }
}

/* Names that say nothing, or something wrong: the content decides. */
static void test_content_decides(void)
{
    static const char *const names[] = {"noname", "a.txt", "a.jsonl", "a.gz", NULL};
    for (size_t i = 0; names[i]; i++) {
        help_add(&b, plain.ptr, plain.len);
        struct help_docs all = help_read(help_store(names[i], &b));
        check_pages(&all, PAGES);
        help_done(&all);
    }
}

static void test_tar(const char *outer)
{
    static const char *const inner[] = {"", ".gz", ".zst", ".xz"};
    static const char json[] = "{\"text\":\"line\"}\n";
    struct wm_buf packed[4], tar = help_buf();
    struct help_file files[8] = {{"a/notes.txt", WM_STR("some notes")},
                                 {"a/.hidden", WM_STR("no")},
                                 {"a/b\xC3\xA9.jsonl", {json, sizeof json - 1}},
                                 {"a/empty", {"", 0}}};
    char names[4][32], name[32];
    for (size_t i = 0; i < 4; i++) {
        packed[i] = help_buf();
        help_pack(&packed[i], wm_buf_str(&plain), inner[i]);
        (void)snprintf(names[i], sizeof names[i], "a/%zu.warc.wet%s", i, inner[i]);
        files[4 + i] = (struct help_file){names[i], wm_buf_str(&packed[i])};
    }
    help_tar(&tar, files, 8);
    help_pack(&b, wm_buf_str(&tar), outer);
    (void)snprintf(name, sizeof name, "a.tar%s", outer);
    struct help_docs all = help_read(help_store(name, &b));
    CHECK_U64(all.n, 2 + 4 * PAGES);
    CHECK_U64(all.tally.n_damage, 0);
    if (all.n == 2 + 4 * PAGES) {
        CHECK_STR(all.docs[0].location.tar_member, WM_STR("a/notes.txt"));
        CHECK_STR(all.docs[1].location.tar_member, WM_STR("a/b\xC3\xA9.jsonl"));
        CHECK_STR(all.docs[2 + PAGES].location.tar_member, WM_STR("a/1.warc.wet.gz"));
        CHECK_U64(all.docs[all.n - 1].key.record, all.n - 1);
    }
    help_done(&all);
    if (!*outer) { /* cut in the last file */
        help_add(&b, tar.ptr, tar.len - 20000);
        all = help_read_with(help_options(), help_store("cut.tar", &b), false);
        CHECK(all.n >= 2 + 2 * PAGES && all.n < 2 + 4 * PAGES);
        CHECK_U64(all.tally.bad_files, 1);
        CHECK_DAMAGE(all, "in a/");
        help_done(&all);
    }
    for (size_t i = 0; i < 4; i++)
        wm_buf_done(&packed[i]);
    wm_buf_done(&tar);
}

static void test_any_batch_size(void)
{
    static const size_t texts[] = {1, 100, 5000, 1 << 20}, docs[] = {1, 3, 4096};
    struct wm_source_options options = help_options();
    help_pack(&b, wm_buf_str(&plain), ".gz");
    const char *path = help_store("batch.warc.wet.gz", &b);
    for (size_t i = 0; i < 4; i++) {
        for (size_t k = 0; k < 3; k++) {
            struct wm_inputs inputs;
            options.paths = (struct wm_list){&path, 1};
            CHECK_OK(wm_inputs_open(&options, &inputs, &help_err), help_err);
            struct help_docs all = help_read_inputs(&inputs, texts[i], docs[k]);
            check_pages(&all, PAGES);
            help_done(&all);
        }
    }
}

static void test_at_mismatch(void)
{
    struct wm_source_options options = help_options();
    struct wm_batch batch = {0};
    wm_arena_init(&batch.arena, 1 << 26);
    help_add(&b, plain.ptr, plain.len);
    const char *path = help_store("at.warc.wet", &b);
    struct wm_location place = {.offset = 10};
    CHECK_FAILS(wm_reader_at(&options, path, &place, &batch, &help_err), WM_E_MISMATCH, help_err,
                "no document starts");
    place.offset = plain.len + 100;
    CHECK_FAILS(wm_reader_at(&options, path, &place, &batch, &help_err), WM_E_MISMATCH, help_err,
                "no record starts");
    CHECK_FAILS(wm_reader_at(&options, "-", &place, &batch, &help_err), WM_E_MISMATCH, help_err,
                "standard input");
    CHECK_FAILS(wm_reader_at(&options, "/absent/file", &place, &batch, &help_err), WM_E_IO,
                help_err, "No such file");
    place.tar_member = WM_STR("absent");
    CHECK_FAILS(wm_reader_at(&options, path, &place, &batch, &help_err), WM_E_MISMATCH, help_err,
                "no record starts");
    wm_arena_done(&batch.arena);
}

static void test_fingerprint(void)
{
    struct wm_digest digest;
    XXH128_hash_t hash;
    help_pack(&b, wm_buf_str(&plain), ".zst");
    help_text(&b, "junk at the end");
    const char *path = help_store("hash.warc.wet.zst", &b);
    struct help_docs all = help_read(path);
    CHECK_OK(wm_file_digest(path, &digest, &help_err), help_err);
    CHECK(XXH128_isEqual(all.hash, wm_inputs_combine(&digest.hash, 1)));
    CHECK_OK(wm_inputs_hash(&all.inputs, &hash, &help_err), help_err);
    CHECK(XXH128_isEqual(hash, all.hash));
    CHECK_U64(all.tally.bytes_compressed, digest.size);
    help_done(&all);
}

/* ---- real files ---- */

static void check_real(const char *name, size_t n, uint64_t truncated)
{
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/%s", test_data(), name);
    struct help_docs all = help_read(path);
    CHECK_(all.n == n, "%s gave %zu documents, want %zu", name, all.n, n);
    CHECK_(all.tally.reasons[WM_READ_TRUNCATED] == truncated, "%s: %" PRIu64 " cut short", name,
           all.tally.reasons[WM_READ_TRUNCATED]);
    help_done(&all);
}

static void test_mangled_equals_repaired(void)
{
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/wet/CC-MAIN-2020-50.00404.head318.repaired.warc.wet.gz",
                   test_data());
    struct help_docs right = help_read(path);
    (void)snprintf(path, sizeof path,
                   "%s/wet/CC-MAIN-2020-50.crlf-mangled.single-member.warc.wet.gz", test_data());
    struct help_docs mangled = help_read(path);
    CHECK_U64(right.tally.n_damage, 0);
    CHECK_U64(mangled.tally.n_damage, 1);
    for (size_t i = 0; i < right.n && i < mangled.n; i++) {
        CHECK_STR(mangled.docs[i].text, right.docs[i].text);
        CHECK_STR(mangled.docs[i].url, right.docs[i].url);
    }
    help_done(&right);
    help_done(&mangled);
}

static void test_real_files(void)
{
    static const struct {
        const char *name;
        size_t n;
        uint64_t truncated;
    } real[] = {
        {"wet/CC-MAIN-2014-10.head59.warc.wet", 59, 0},
        {"wet/CC-MAIN-2015-35.2rec.wet.gz", 2, 0},
        {"wet/CC-MAIN-2020-50.00404.head318.repaired.warc.wet.gz", 318, 0},
        {"wet/CC-MAIN-2020-50.crlf-mangled.single-member.warc.wet.gz", 318, 0},
        {"wet/CC-MAIN-2026-12.head263.truncated.warc.wet", 262, 1},
        {"wet/appended_zip_fragment_unexpected_eof.wet.gz", 15, 1},
        {"wet/cc_net_sample.warc.txt", 3, 0},
        {"wet/corrupt_starts_with_conversion.wet.gz", 5, 0},
        {"wet/corrupt_two_warcinfo.wet.gz", 5, 0},
        {"wet/corrupt_warcconversion_1.wet.gz", 5, 0},
        {"wet/corrupt_warcconversion_2.wet.gz", 1, 0},
        {"wet/corrupt_warcinfo_1.wet.gz", 5, 0},
        {"wet/file_and_wet_headers_only.wet.gz", 0, 1},
        {"wet/file_headers_only.wet.gz", 0, 1},
        {"wet/filter_test_1.wet.gz", 25, 0},
        {"wet/fragment1_asthma_incomplete_last.wet.gz", 2, 0},
        {"wet/fragment1_incomplete_last.wet.gz", 1, 1},
        {"wet/fragment2_no_header.wet.gz", 1, 1},
        {"wet/fragment3.wet.gz", 5, 0},
        {"warc/bad.arc", 0, 0},
        {"warc/cc.warc.gz", 0, 0},
        {"warc/clipped.warc.gz", 0, 1},
        {"warc/example.arc.gz", 0, 0},
        {"warc/example.warc", 0, 0},
        {"warc/example.warc.gz", 0, 0},
        {"warc/example-resource.warc.gz", 0, 0},
        {"warc/gzip_extra_sl.warc.gz", 0, 0},
        {"warc/standard-torture-missing.warc", 0, 0},
        {"warc/standard-torture-validate-field.warc", 0, 0},
        {"warc/standard-torture-validate-record.warc", 1, 0},
        {"warc/whirlwind.warc.wat.gz", 0, 0},
        {"warc/whirlwind.warc.wet", 1, 0},
        {"warc/whirlwind.warc.wet.gz", 1, 0},
    };
    for (size_t i = 0; i < sizeof real / sizeof *real; i++)
        check_real(real[i].name, real[i].n, real[i].truncated);
    test_mangled_equals_repaired();
}

int main(void)
{
    b = help_buf();
    plain = help_buf();
    help_open();
    for (unsigned i = 0; i < PAGES; i++)
        help_page(&plain, i, 2000);
    test_warc_in_all_forms();
    test_content_decides();
    test_tar("");
    test_tar(".gz");
    test_tar(".zst");
    test_tar(".xz");
    test_any_batch_size();
    test_at_mismatch();
    test_fingerprint();
    help_close();
    wm_buf_done(&b);
    wm_buf_done(&plain);
    char wet[WM_PATH_MAX];
    (void)snprintf(wet, sizeof wet, "%s/wet", test_data());
    if (wm_exists(wet))
        test_real_files();
    else
        (void)printf("skipped: no real crawl files at %s\n", wet);
    return test_summary();
}
