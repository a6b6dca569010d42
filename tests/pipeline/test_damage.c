/* SPDX-License-Identifier: Apache-2.0 */
/* Files damaged at random: nothing may crash, every byte is accounted for, and what is read is
 * what was written (in what has a checksum) or at least some of it. Also what has no file. */
#include <fcntl.h>
#include <sys/resource.h>

#include "reading_help.h"

enum { PAGES = 12, ROUNDS = 60 };

static uint64_t state = 88172645463325252u;

static size_t random_below(size_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return n ? (size_t)(state % n) : 0;
}

/* Flip, cut out, insert, double or zero a stretch. */
static void hurt(struct wm_buf *out, struct wm_str bytes)
{
    size_t at = random_below(bytes.len), n = 1 + random_below(200);
    if (n > bytes.len - at)
        n = bytes.len - at;
    out->len = 0;
    help_add(out, bytes.ptr, at);
    switch (random_below(5)) {
    case 0:
        help_add(out, bytes.ptr + at, n);
        out->ptr[out->len - 1] = (char)(out->ptr[out->len - 1] ^ (1 << random_below(8)));
        break;
    case 1:
        break;
    case 2:
        for (size_t i = 0; i < n; i++)
            help_fill(out, (char)random_below(256), 1);
        n = 0;
        break;
    case 3:
        help_add(out, bytes.ptr + at, n);
        n = 0;
        break;
    default:
        help_fill(out, 0, n);
        break;
    }
    help_add(out, bytes.ptr + at + n, bytes.len - at - n);
}

static bool was_written(const struct help_docs *original, const struct wm_doc *doc)
{
    for (size_t i = 0; i < original->n; i++)
        if (wm_str_eq(original->docs[i].text, doc->text))
            return true;
    return false;
}

/* `exact`: each record is in a member of its own with a checksum, so nothing may be invented and
 * one stretch of damage hits two members at most. */
static void test_random(const char *name, struct wm_str bytes, bool exact)
{
    struct wm_buf copy = help_buf();
    help_add(&copy, bytes.ptr, bytes.len);
    struct help_docs original = help_read(help_store(name, &copy));
    CHECK_U64(original.n, PAGES);
    for (int i = 0; i < ROUNDS; i++) {
        hurt(&copy, bytes);
        struct help_docs all = help_read(help_store(name, &copy));
        for (size_t k = 0; exact && k < all.n; k++)
            CHECK(was_written(&original, &all.docs[k]));
        CHECK(!exact || all.n + 2 >= PAGES);
        help_done(&all);
    }
    help_done(&original);
    wm_buf_done(&copy);
}

static void test_random_all(void)
{
    static const char *const endings[] = {"", ".gz", ".zst", ".xz", NULL};
    struct wm_buf plain = help_buf(), json = help_buf(), page = help_buf();
    for (unsigned i = 0; i < PAGES; i++) {
        help_page(&plain, i, 400);
        CHECK_OK(wm_buf_printf(&json, &help_err, "{\"text\":\"page %u\",\"url\":\"u%u\"}\n", i, i),
                 help_err);
    }
    for (size_t e = 0; endings[e]; e++) {
        struct wm_buf whole = help_buf(), each = help_buf(), lines = help_buf(), tar = help_buf();
        char name[64];
        (void)snprintf(name, sizeof name, "whole.warc.wet%s", endings[e]);
        help_pack(&whole, wm_buf_str(&plain), endings[e]);
        test_random(name, wm_buf_str(&whole), false);
        (void)snprintf(name, sizeof name, "lines.jsonl%s", endings[e]);
        help_pack(&lines, wm_buf_str(&json), endings[e]);
        test_random(name, wm_buf_str(&lines), false);
        struct help_file file = {name, wm_buf_str(&whole)};
        (void)snprintf(name, sizeof name, "a.warc.wet%s", endings[e]);
        help_tar(&tar, &file, 1);
        test_random("a.tar", wm_buf_str(&tar), false);
        for (unsigned i = 0; e > 0 && e < 3 && i < PAGES; i++) {
            page.len = 0;
            help_page(&page, i, 400);
            help_pack(&each, wm_buf_str(&page), endings[e]);
        }
        (void)snprintf(name, sizeof name, "each.warc.wet%s", endings[e]);
        if (each.len)
            test_random(name, wm_buf_str(&each), true);
        wm_buf_done(&whole);
        wm_buf_done(&each);
        wm_buf_done(&lines);
        wm_buf_done(&tar);
    }
    wm_buf_done(&plain);
    wm_buf_done(&json);
    wm_buf_done(&page);
}

/* Thousands of places that look like members, each costing much to try: it must end. */
static void test_made_to_waste_time(void)
{
    /* a gzip header and a stored block of 65,535 bytes, whose bytes are more of the same */
    static const char head[] = "\x1f\x8b\x08\0\0\0\0\0\0\3\0\xff\xff\0\0";
    struct wm_buf bytes = help_buf();
    for (int i = 0; i < 200000; i++)
        help_add(&bytes, head, sizeof head - 1);
    struct help_docs all =
        help_read_with(help_options(), help_store("slow.jsonl.gz", &bytes), false);
    CHECK_U64(all.tally.bad_files, 1);
    CHECK(all.n == 0);
    help_done(&all);
    wm_buf_done(&bytes);
}

static void test_standard_input(void)
{
    struct wm_buf plain = help_buf(), packed = help_buf();
    for (unsigned i = 0; i < 50; i++)
        help_page(&plain, i, 3000);
    help_pack(&packed, wm_buf_str(&plain), ".gz");
    const char *path = help_store("stdin", &packed), *dash = "-";
    int saved = dup(STDIN_FILENO), file = open(path, O_RDONLY);
    CHECK(saved >= 0 && file >= 0 && dup2(file, STDIN_FILENO) == STDIN_FILENO);
    struct wm_source_options options = help_options();
    struct wm_inputs inputs;
    XXH128_hash_t hash;
    options.paths = (struct wm_list){&dash, 1};
    CHECK_OK(wm_inputs_open(&options, &inputs, &help_err), help_err);
    CHECK(inputs.n_rows == 1 && inputs.rows[0].is_pipe);
    CHECK_FAILS(wm_inputs_hash(&inputs, &hash, &help_err), WM_E_CONFIG, help_err, "read again");
    struct help_docs all = help_read_inputs(&inputs, WM_BATCH_TEXT, WM_BATCH_DOCS);
    CHECK_U64(all.n, 50);
    CHECK_U64(all.tally.n_damage, 0);
    CHECK(all.n == 50 && wm_str_eq(all.docs[0].path, WM_STR("-")));
    CHECK(dup2(saved, STDIN_FILENO) == STDIN_FILENO);
    (void)close(saved);
    (void)close(file);
    help_done(&all);
    wm_buf_done(&plain);
    wm_buf_done(&packed);
}

/* One file is open at a time. */
static void test_many_files(void)
{
    enum { FILES = 3000 };
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    limit.rlim_cur = 32;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct wm_buf bytes = help_buf();
    (void)wm_mkdirs(help_path("many"), &help_err);
    for (unsigned i = 0; i < FILES; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "many/%06u.txt", i);
        CHECK_OK(wm_buf_printf(&bytes, &help_err, "text %u", i), help_err);
        (void)help_store(name, &bytes);
    }
    struct help_docs all = help_read_with(help_options(), help_path("many"), false);
    CHECK_U64(all.n, FILES);
    CHECK_U64(all.tally.files, FILES);
    CHECK_U64(all.tally.n_damage, 0);
    CHECK(all.n == FILES && wm_str_eq(all.docs[2999].text, WM_STR("text 2999")));
    help_done(&all);
    wm_buf_done(&bytes);
}

int main(void)
{
    help_open();
    test_random_all();
    test_made_to_waste_time();
    test_standard_input();
    test_many_files();
    help_close();
    return test_summary();
}
