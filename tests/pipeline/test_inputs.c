/* SPDX-License-Identifier: Apache-2.0 */
/* The input table: directories, globs, lists, tasks, ranges, and what cannot be read. */
#include "pipeline/listing.h"
#include "reading_help.h"

static struct wm_buf b;

static void make(const char *name, const char *text)
{
    CHECK_OK(wm_file_store(help_path(name), wm_str_of(text), &help_err), help_err);
}

static int open_paths(struct wm_inputs *ret, const char *prefix, const char **paths, size_t n)
{
    struct wm_source_options options = help_options();
    options.paths = (struct wm_list){paths, n};
    options.prefix = prefix;
    int status = wm_inputs_open(&options, ret, &help_err);
    if (!status)
        ret->options.paths = (struct wm_list){0};
    return status;
}

static bool is_row(const struct wm_inputs *inputs, size_t i, const char *name)
{
    return i < inputs->n_rows && strcmp(inputs->rows[i].path, help_path(name)) == 0;
}

static void test_directory(void)
{
    struct wm_inputs inputs;
    make("d/b.txt", "b");
    make("d/a/x.txt", "x");
    make("d/a-1.txt", "a-1");
    make("d/a.txt", "a");
    make("d/B.txt", "B");
    make("d/.hidden", "no");
    make("d/.git/config", "no");
    const char *paths[] = {help_path("d/")};
    CHECK_OK(open_paths(&inputs, NULL, paths, 1), help_err);
    /* by the bytes of the whole path: '-' < '.' < '/' */
    static const char *const want[] = {"d/B.txt", "d/a-1.txt", "d/a.txt", "d/a/x.txt", "d/b.txt"};
    CHECK_U64(inputs.n_rows, 5);
    for (size_t i = 0; i < 5; i++)
        CHECK(is_row(&inputs, i, want[i]));
    CHECK_U64(inputs.n_tasks, 1);
    CHECK_U64(inputs.bytes, 7);
    wm_inputs_close(&inputs);
}

/* What a corpus step writes beside its documents is no document. */
static void test_result_directory(void)
{
    struct wm_inputs inputs;
    make("r/corpus_0000.jsonl", "{}");
    make("r/recipe.json", "{}");
    make("r/step.json", "{}");
    make("r2/recipe.json", "{}");
    const char *paths[] = {help_path("r"), help_path("r2")};
    CHECK_OK(open_paths(&inputs, NULL, paths, 2), help_err);
    CHECK_U64(inputs.n_rows, 2);
    CHECK(is_row(&inputs, 0, "r/corpus_0000.jsonl") && is_row(&inputs, 1, "r2/recipe.json"));
    wm_inputs_close(&inputs);
}

static void test_glob(void)
{
    struct wm_inputs inputs;
    make("g/2.txt", "2");
    make("g/10.txt", "10");
    make("g/1.md", "1");
    make("g/[x].txt", "x");
    const char *paths[] = {help_path("g/*.txt"), help_path("g/[x].txt"), help_path("g/?.md")};
    CHECK_OK(open_paths(&inputs, NULL, paths, 3), help_err);
    CHECK_U64(inputs.n_rows, 5);
    CHECK(is_row(&inputs, 0, "g/10.txt") && is_row(&inputs, 1, "g/2.txt") &&
          is_row(&inputs, 2, "g/[x].txt") && is_row(&inputs, 3, "g/[x].txt") &&
          is_row(&inputs, 4, "g/1.md"));
    wm_inputs_close(&inputs);
    /* whole paths are sorted by their bytes; what begins with a point wants one in the pattern */
    make("s/x/f.txt", "1");
    make("s-2/x/f.txt", "2");
    make("s-2/x/.f.txt", "3");
    make("s-2/y.txt", "4");
    const char *deep[] = {help_path("s*/[!y]/*.txt"), help_path("s-2//x/.*.txt")};
    CHECK_OK(open_paths(&inputs, NULL, deep, 2), help_err);
    CHECK_U64(inputs.n_rows, 3);
    CHECK(is_row(&inputs, 0, "s-2/x/f.txt") && is_row(&inputs, 1, "s/x/f.txt") &&
          is_row(&inputs, 2, "s-2/x/.f.txt"));
    wm_inputs_close(&inputs);
    const char *none[] = {help_path("g/*.gz")};
    CHECK_FAILS(open_paths(&inputs, NULL, none, 1), WM_E_CONFIG, help_err, "no file matches");
    const char *absent[] = {help_path("g/absent.txt")};
    CHECK_FAILS(open_paths(&inputs, NULL, absent, 1), WM_E_CONFIG, help_err, "No such file");
    const char *url[] = {"https://example.org/a.warc.wet.gz"};
    CHECK_FAILS(open_paths(&inputs, NULL, url, 1), WM_E_CONFIG, help_err, "only local files");
    CHECK_FAILS(open_paths(&inputs, NULL, NULL, 0), WM_E_CONFIG, help_err, "no input");
    (void)wm_mkdirs(help_path("empty"), &help_err);
    const char *empty[] = {help_path("empty")};
    CHECK_FAILS(open_paths(&inputs, NULL, empty, 1), WM_E_CONFIG, help_err, "no input");
}

static void test_list(const char *ending)
{
    struct wm_inputs inputs;
    char name[32];
    (void)snprintf(name, sizeof name, "wet.paths%s", ending);
    make("l/1.txt", "1");
    make("l/sub/2.txt", "2");
    help_pack(&b, WM_STR("l/sub/2.txt\r\n\n# a comment\nl/1.txt\nl/absent.txt\nl/sub"), ending);
    const char *paths[] = {help_store(name, &b)};
    const char *prefixes[] = {help_dir, help_path("")};
    for (size_t i = 0; i < 2; i++) {
        CHECK_OK(open_paths(&inputs, prefixes[i], paths, 1), help_err);
        CHECK_U64(inputs.n_rows, 4);
        CHECK(is_row(&inputs, 0, "l/sub/2.txt") && is_row(&inputs, 1, "l/1.txt"));
        CHECK(!inputs.rows[0].problem && strstr(inputs.rows[2].problem, "No such file"));
        CHECK(strstr(inputs.rows[3].problem, "directory") != NULL);
        struct help_docs all = help_read_inputs(&inputs, 100, 100);
        CHECK_U64(all.n, 2);
        CHECK_U64(all.tally.files, 4);
        CHECK_U64(all.tally.bad_files, 2);
        CHECK_DAMAGE(all, "No such file");
        help_done(&all);
    }
    help_pack(&b, WM_STR("# nothing\n"), ending);
    paths[0] = help_store(name, &b);
    CHECK_FAILS(open_paths(&inputs, NULL, paths, 1), WM_E_CONFIG, help_err, "names no file");
}

static void test_cut_list(void)
{
    struct wm_inputs inputs;
    help_gzip(&b, WM_STR("a-long-name-of-a-file\nanother-one\n"), 6);
    b.len -= 9;
    const char *paths[] = {help_store("cut.paths.gz", &b)};
    CHECK_FAILS(open_paths(&inputs, NULL, paths, 1), WM_E_CONFIG, help_err, "cannot be read");
}

static void test_odd_files(void)
{
    struct wm_inputs inputs;
    make("o/good.txt", "good");
    CHECK(symlink("nowhere", help_path("o/dangling.txt")) == 0);
    CHECK(symlink("itself.txt", help_path("o/itself.txt")) == 0);
    CHECK(symlink("../o", help_path("o/round")) == 0);
    CHECK(symlink("../d", help_path("o/zz")) == 0);
    CHECK(mkfifo(help_path("o/pipe"), 0600) == 0);
    const char *paths[] = {help_path("o")};
    CHECK_OK(open_paths(&inputs, NULL, paths, 1), help_err);
    struct help_docs all = help_read_inputs(&inputs, 1000, 1000);
    CHECK_U64(all.n, 6); /* good.txt, and the directory behind the link */
    CHECK_U64(all.tally.bad_files, 4);
    CHECK_DAMAGE(all, "No such file");
    CHECK_DAMAGE(all, "Too many levels of symbolic links");
    CHECK_DAMAGE(all, "a link back to a directory it lies in");
    CHECK_DAMAGE(all, "neither a file nor a directory");
    help_done(&all);
}

static void check_hash(const struct help_docs *all)
{
    XXH128_hash_t hash;
    CHECK_OK(wm_inputs_hash(&all->inputs, &hash, &help_err), help_err);
    CHECK(all->inputs.n_tasks > 1 || XXH128_isEqual(hash, all->hash));
}

static void test_what_is_nothing(void)
{
    static const struct {
        const char *name, *bytes;
        size_t len;
        const char *words;
    } cases[] = {
        {"empty.warc.wet.gz", "", 0, "the file is empty"},
        {"binary",
         "\x7F"
         "ELF\0\0\0\1\2\3",
         10, "neither WARC"},
        {"binary.gz", "\x1F\x8B\x08\0oops", 8, "8 bytes are no gzip data"},
        {"text.warc.wet.gz", "no gzip", 7, "7 bytes hold no WARC record"},
        {"bad.warc.wet.zst", "\x28\xB5\x2F\xFD\xFF\xFF", 6, "bytes are no zstd data"},
        {"bad.tar.xz",
         "\xFD"
         "7zXZ\0\0\0",
         8, "xz data"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        help_add(&b, cases[i].bytes, cases[i].len);
        struct help_docs all = help_read(help_store(cases[i].name, &b));
        CHECK_U64(all.n, 0);
        CHECK_U64(all.tally.bad_files, 1);
        CHECK_DAMAGE(all, cases[i].words);
        check_hash(&all);
        help_done(&all);
    }
}

/* A file that shrinks, vanishes or becomes a directory after it was listed. */
static void test_changed(void)
{
    static const char *const words[] = {"shorter: 6000 bytes", "No such file", "directory"};
    for (int i = 0; i < 3; i++) {
        struct wm_inputs inputs;
        for (unsigned k = 0; k < 20; k++)
            help_page(&b, k, 1000);
        size_t size = b.len;
        const char *path = help_store("change.warc.wet", &b), *paths[] = {path};
        CHECK_OK(open_paths(&inputs, NULL, paths, 1), help_err);
        if (i == 0)
            CHECK(truncate(path, (off_t)size - 6000) == 0);
        else
            CHECK(unlink(path) == 0);
        if (i == 2)
            CHECK_OK(wm_mkdirs(path, &help_err), help_err);
        struct help_docs all = help_read_inputs(&inputs, 1 << 20, 100);
        CHECK(i == 0 ? all.n > 10 && all.n < 20 : all.n == 0);
        CHECK_U64(all.tally.bad_files, 1);
        CHECK_DAMAGE(all, words[i]);
        help_done(&all);
    }
}

static void test_tasks(void)
{
    struct wm_inputs inputs;
    (void)wm_mkdirs(help_path("t"), &help_err);
    for (unsigned i = 0; i < 5000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "t/%05u", i);
        size_t size = i == 10 ? 2 << 20 : i >= 100 && i < 140 ? 900 << 10 : 1;
        help_fill(&b, 'x', size);
        (void)help_store(name, &b);
    }
    const char *paths[] = {help_path("t")};
    CHECK_OK(open_paths(&inputs, NULL, paths, 1), help_err);
    CHECK_U64(inputs.n_rows, 5000);
    uint64_t bytes = 0;
    uint32_t next = 0;
    for (uint32_t i = 0; i < inputs.n_tasks; i++) {
        const struct wm_task *task = &inputs.tasks[i];
        CHECK_U64(task->first, next);
        CHECK(task->n == 1 || (task->bytes <= 16 << 20 && task->n <= 4096));
        next += task->n;
        bytes += task->bytes;
    }
    CHECK_U64(next, 5000);
    CHECK_U64(bytes, inputs.bytes);
    /* 0-9 | 10 | 11- with 18 of the large | 18 more | the rest up to 4096 | the rest */
    CHECK_U64(inputs.n_tasks, 6);
    CHECK(inputs.tasks[1].n == 1 && inputs.tasks[4].n == 4096);
    wm_inputs_close(&inputs);
}

static void json_page(struct wm_buf *out, unsigned i)
{
    unsigned long long x = i + 1;
    help_text(out, "{\"text\":\"");
    for (int k = 0; k < 60; k++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        CHECK_OK(wm_buf_printf(out, &help_err, "%llu ", x), help_err);
    }
    help_text(out, "\"}\n");
}

/* Ranges give the same documents as the whole file; rows are numbered on. */
static void test_ranges(const char *name, bool jsonl, const char *ending, bool can_cut)
{
    struct wm_buf page = help_buf();
    for (unsigned i = 0; i < 200; i++) {
        page.len = 0;
        if (jsonl)
            json_page(&page, i);
        else
            help_page(&page, i, 700);
        help_pack(&b, wm_buf_str(&page), ending);
    }
    const char *path = help_store(name, &b);
    struct help_docs whole = help_read_with(help_options(), path, false);
    struct wm_source_options options = help_options();
    struct wm_inputs inputs;
    options.paths = (struct wm_list){&path, 1};
    CHECK_OK(wm_inputs_open_cut(&options, 10000, &inputs, &help_err), help_err);
    CHECK(can_cut ? inputs.n_rows > 4 : inputs.n_rows == 1);
    CHECK_U64(inputs.n_tasks, inputs.n_rows);
    uint64_t at = 0;
    for (uint32_t i = 0; i < inputs.n_rows; i++) {
        CHECK_U64(inputs.rows[i].start, at);
        CHECK(i + 1 == inputs.n_rows || inputs.rows[i].end - at < 13000);
        at = inputs.rows[i].end;
    }
    CHECK(at == UINT64_MAX);
    inputs.options.paths = (struct wm_list){0};
    struct help_docs cut = help_read_inputs(&inputs, WM_BATCH_TEXT, WM_BATCH_DOCS);
    CHECK_U64(whole.n, 200);
    CHECK_U64(cut.n, 200);
    CHECK_U64(cut.tally.files, 1);
    CHECK_U64(cut.tally.n_damage, 0);
    for (size_t i = 0; i < 200 && cut.n == 200; i++) {
        CHECK_STR(cut.docs[i].text, whole.docs[i].text);
        CHECK_U64(cut.docs[i].location.member_offset, whole.docs[i].location.member_offset);
        CHECK_U64(cut.docs[i].location.offset, whole.docs[i].location.offset);
    }
    help_again(&cut);
    help_done(&whole);
    help_done(&cut);
    wm_buf_done(&page);
}

static void test_root(void)
{
    struct wm_source_options options = help_options();
    make("r/in.txt", "text");
    options.root = help_dir;
    struct help_docs all = help_read_with(options, help_path("r/in.txt"), true);
    CHECK(all.n == 1 && wm_str_eq(all.docs[0].path, WM_STR("r/in.txt")));
    help_done(&all);
    options.root = "/somewhere/else";
    all = help_read_with(options, help_path("r/in.txt"), true);
    CHECK(all.n == 1 && wm_str_eq(all.docs[0].path, wm_str_of(help_path("r/in.txt"))));
    help_done(&all);
}

int main(void)
{
    static const char *const endings[] = {"", ".gz", ".zst", ".xz", NULL};
    b = help_buf();
    help_open();
    test_directory();
    test_result_directory();
    test_glob();
    for (size_t i = 0; endings[i]; i++)
        test_list(endings[i]);
    test_cut_list();
    test_odd_files();
    test_what_is_nothing();
    test_changed();
    test_tasks();
    test_ranges("a.warc.wet", false, "", true);
    test_ranges("a.jsonl", true, "", true);
    test_ranges("a.warc.wet.zst", false, ".zst", true);
    test_ranges("a.jsonl.zst", true, ".zst", true);
    test_ranges("a.warc.wet.gz", false, ".gz", false);
    test_root();
    help_close();
    wm_buf_done(&b);
    return test_summary();
}
