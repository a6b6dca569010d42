/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "wetmill/file.h"
#include "wetmill/state.h"

static struct wm_error err;
static char top[64];

static const char *in_top(const char *name)
{
    static char path[8][WM_PATH_MAX];
    static unsigned turn;
    char *at = path[turn++ % 8];
    (void)snprintf(at, WM_PATH_MAX, "%s/%s", top, name);
    return at;
}

static size_t count_names(const char *dir)
{
    struct wm_arena arena;
    const char **names;
    size_t n = 0;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(dir, &arena, &names, &n, &err), err);
    wm_arena_done(&arena);
    return n;
}

static void check_content(const char *path, struct wm_str want)
{
    struct wm_buf buf;
    wm_buf_init(&buf, 1 << 24);
    CHECK_OK(wm_file_load(path, &buf, &err), err);
    CHECK_STR(wm_buf_str(&buf), want);
    wm_buf_done(&buf);
}

static void test_store_and_read(void)
{
    const char *path = in_top("made/on/the/way/a.txt");
    CHECK(!wm_exists(path));
    CHECK_OK(wm_file_store(path, WM_STR("hello, world"), &err), err);
    check_content(path, WM_STR("hello, world"));
    CHECK_OK(wm_file_store(path, WM_STR("again"), &err), err);
    check_content(path, WM_STR("again"));
    CHECK_U64(count_names(in_top("made/on/the/way")), 1);

    struct wm_stat st;
    CHECK_OK(wm_stat(path, &st, &err), err);
    CHECK(st.is_regular && !st.is_dir && st.size == 5 && st.mtime_ns > 0);
    CHECK_OK(wm_stat(top, &st, &err), err);
    CHECK(st.is_dir && !st.is_regular);

    struct wm_file *file;
    char bytes[16];
    size_t len;
    CHECK_OK(wm_file_open(path, &file, &err), err);
    CHECK(wm_file_seekable(file));
    CHECK_STR(wm_str_of(wm_file_path(file)), wm_str_of(path));
    CHECK_OK(wm_file_read(file, bytes, 2, &len, &err), err);
    CHECK_STR(((struct wm_str){bytes, len}), WM_STR("ag"));
    CHECK_OK(wm_file_pread(file, bytes, sizeof bytes, 3, &len, &err), err);
    CHECK_STR(((struct wm_str){bytes, len}), WM_STR("in"));
    CHECK_OK(wm_file_read(file, bytes, sizeof bytes, &len, &err), err);
    CHECK_STR(((struct wm_str){bytes, len}), WM_STR("ain"));
    CHECK_OK(wm_file_read(file, bytes, sizeof bytes, &len, &err), err);
    CHECK_U64(len, 0);
    CHECK_OK(wm_file_seek(file, 1, &err), err);
    CHECK_OK(wm_file_read(file, bytes, sizeof bytes, &len, &err), err);
    CHECK_STR(((struct wm_str){bytes, len}), WM_STR("gain"));
    CHECK_OK(wm_file_pread(file, bytes, sizeof bytes, 1000, &len, &err), err);
    CHECK_U64(len, 0);
    CHECK_FAILS(wm_file_pread(file, bytes, 1, UINT64_MAX, &len, &err), WM_E_IO, err, "seek");
    wm_file_close(file);
}

static void test_digest(void)
{
    /* More than the writer's buffer, in pieces of odd sizes. */
    enum { SIZE = 300001 };
    unsigned char *bytes = malloc(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (unsigned char)(i * i >> 5);
    struct wm_out *out;
    struct wm_digest digest, again;
    CHECK_OK(wm_out_open(in_top("digest"), &out, &err), err);
    for (size_t at = 0, step = 1; at < SIZE; at += step, step = step * 3 % 100003) {
        if (step > SIZE - at)
            step = SIZE - at;
        CHECK_OK(wm_out_write(out, bytes + at, step, &err), err);
    }
    CHECK_U64(wm_out_size(out), SIZE);
    CHECK(!wm_exists(in_top("digest")));
    CHECK_OK(wm_out_commit(out, &digest, &err), err);
    CHECK_U64(digest.size, SIZE);
    CHECK(XXH128_isEqual(digest.hash, XXH3_128bits(bytes, SIZE)));
    CHECK_OK(wm_file_digest(in_top("digest"), &again, &err), err);
    CHECK(again.size == SIZE && XXH128_isEqual(digest.hash, again.hash));

    char hex[WM_HEX128];
    XXH128_hash_t back;
    wm_hex128(digest.hash, hex);
    CHECK(strlen(hex) == 32 && wm_unhex128(hex, &back) && XXH128_isEqual(back, digest.hash));
    hex[31] = 'g';
    CHECK(!wm_unhex128(hex, &back));
    CHECK(!wm_unhex128("00", &back));
    CHECK(!wm_unhex128("000000000000000000000000000000000", &back));
    wm_hex128((XXH128_hash_t){.low64 = 0x1, .high64 = 0xAB}, hex);
    CHECK_STR(wm_str_of(hex), WM_STR("00000000000000ab0000000000000001"));

    /* A header put in afterwards. */
    CHECK_OK(wm_out_open(in_top("digest"), &out, &err), err);
    CHECK_OK(wm_out_write(out, bytes, SIZE, &err), err);
    CHECK_OK(wm_out_pwrite(out, "HEADER", 6, 10, &err), err);
    CHECK_FAILS(wm_out_pwrite(out, "xx", 2, SIZE - 1, &err), WM_E_LIMIT, err, "not written yet");
    CHECK_OK(wm_out_write(out, "tail", 4, &err), err);
    CHECK_OK(wm_out_commit(out, &digest, &err), err);
    CHECK_OK(wm_file_digest(in_top("digest"), &again, &err), err);
    CHECK(again.size == SIZE + 4 && digest.size == SIZE + 4);
    CHECK(XXH128_isEqual(digest.hash, again.hash));
    free(bytes);
}

static void test_abandon_and_leftovers(void)
{
    CHECK_OK(wm_mkdirs(in_top("left"), &err), err);
    CHECK_OK(wm_file_store(in_top("left/a"), WM_STR("old"), &err), err);
    struct wm_out *out;
    CHECK_OK(wm_out_open(in_top("left/a"), &out, &err), err);
    CHECK_OK(wm_out_write(out, "new", 3, &err), err);
    CHECK_U64(count_names(in_top("left")), 2);
    wm_out_abandon(out);
    wm_out_abandon(NULL);
    CHECK_U64(count_names(in_top("left")), 1);
    check_content(in_top("left/a"), WM_STR("old"));

    /* What a crashed process with our number would have left: the next names are taken. */
    for (unsigned i = 0; i < 40; i++) {
        char name[WM_PATH_MAX];
        (void)snprintf(name, sizeof name, "%s/left/a.tmp.%ld.%u", top, (long)getpid(), i);
        int fd = open(name, O_CREAT | O_WRONLY, 0666);
        CHECK(fd >= 0);
        (void)close(fd);
    }
    CHECK_OK(wm_file_store(in_top("left/a"), WM_STR("third"), &err), err);
    check_content(in_top("left/a"), WM_STR("third"));
    CHECK_OK(wm_file_store(in_top("left/b.tmp.x"), WM_STR("no leftover"), &err), err);
    CHECK_OK(wm_file_store(in_top("left/.tmp.1.2"), WM_STR("no leftover"), &err), err);
    CHECK_U64(count_names(in_top("left")), 43);
    CHECK_OK(wm_remove_leftovers(in_top("left"), &err), err);
    CHECK_U64(count_names(in_top("left")), 3);
    CHECK_OK(wm_remove_leftovers(in_top("absent"), &err), err);
}

static void test_targets(void)
{
    /* A link to a file: the file behind it is replaced, the link stays. */
    CHECK_OK(wm_file_store(in_top("real/file"), WM_STR("1"), &err), err);
    CHECK(symlink("real/file", in_top("link")) == 0);
    CHECK_OK(wm_file_store(in_top("link"), WM_STR("22"), &err), err);
    check_content(in_top("real/file"), WM_STR("22"));
    struct stat st;
    CHECK(lstat(in_top("link"), &st) == 0 && S_ISLNK(st.st_mode));
    CHECK_U64(count_names(in_top("real")), 1);

    /* Devices are written, not replaced. */
    CHECK_OK(wm_file_store("/dev/null", WM_STR("gone"), &err), err);
    CHECK(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    struct wm_out *out;
    CHECK_OK(wm_out_open("/dev/null", &out, &err), err);
    CHECK_FAILS(wm_out_pwrite(out, "", 0, 0, &err), WM_E_IO, err, "rewrite");
    wm_out_abandon(out);

    /* A pipe whose reader has gone. */
    int ends[2];
    CHECK(pipe(ends) == 0);
    int keep = dup(STDOUT_FILENO);
    CHECK(dup2(ends[1], STDOUT_FILENO) == STDOUT_FILENO);
    CHECK_OK(wm_out_open("-", &out, &err), err);
    CHECK_OK(wm_out_write(out, "x", 1, &err), err);
    char byte = 0;
    CHECK(read(ends[0], &byte, 1) == 1 && byte == 'x');
    (void)close(ends[0]);
    CHECK_FAILS(wm_out_write(out, "y", 1, &err), WM_E_PIPE, err, "stopped");
    wm_out_abandon(out);
    CHECK(dup2(keep, STDOUT_FILENO) == STDOUT_FILENO);
    (void)close(keep);
    (void)close(ends[1]);
}

/* A named pipe: opened without a writer, waited for when it is read, as long as nobody asks to stop. */
static void test_named_pipe(void)
{
    struct wm_file *file;
    struct wm_map map;
    struct wm_digest digest;
    struct wm_cancel cancel = {0};
    char path[600], got[8];
    size_t n = 0;
    (void)snprintf(path, sizeof path, "%s", in_top("fifo"));
    CHECK(mkfifo(path, 0666) == 0);
    CHECK_FAILS(wm_file_digest(path, &digest, &err), WM_E_CONFIG, err, "more than once");
    CHECK_FAILS(wm_file_digest("-", &digest, &err), WM_E_CONFIG, err, "more than once");
    CHECK_FAILS(wm_map_open(path, &map, &err), WM_E_IO, err, "regular");
    CHECK_OK(wm_file_open(path, &file, &err), err);
    CHECK(!wm_file_seekable(file));
    wm_file_heed(&cancel);
    wm_cancel_raise(&cancel, SIGTERM);
    CHECK_FAILS(wm_file_read(file, got, sizeof got, &n, &err), WM_E_CANCELLED, err, "SIGTERM");
    CHECK_FAILS(wm_file_read_some(file, got, sizeof got, &n, &err), WM_E_CANCELLED, err, "SIGTERM");
    cancel = (struct wm_cancel){0};
    int out = open(path, O_WRONLY);
    CHECK(out >= 0 && write(out, "abcd", 4) == 4);
    CHECK_OK(wm_file_read_some(file, got, sizeof got, &n, &err), err);
    CHECK_U64(n, 4);
    CHECK(write(out, "efg", 3) == 3 && close(out) == 0);
    wm_file_heed(NULL);
    CHECK_OK(wm_file_read(file, got, sizeof got, &n, &err), err);
    CHECK(n == 3 && memcmp(got, "efg", 3) == 0);
    CHECK_OK(wm_file_read(file, got, sizeof got, &n, &err), err);
    CHECK_U64(n, 0);
    wm_file_close(file);
}

static void test_refusals(void)
{
    struct wm_file *file;
    struct wm_map map;
    struct wm_stat st;
    struct wm_digest digest;
    struct wm_out *out;
    CHECK_FAILS(wm_file_open(in_top("missing"), &file, &err), WM_E_IO, err, "No such file");
    CHECK_STR(wm_str_of(err.where), wm_str_of(in_top("missing")));
    CHECK_FAILS(wm_file_open(top, &file, &err), WM_E_IO, err, "directory");
    CHECK_FAILS(wm_stat(in_top("missing"), &st, &err), WM_E_IO, err, "No such file");
    CHECK_FAILS(wm_map_open(in_top("missing"), &map, &err), WM_E_IO, err, "No such file");
    CHECK_FAILS(wm_map_open("/dev/null", &map, &err), WM_E_IO, err, "regular");
    CHECK_FAILS(wm_file_digest(in_top("missing"), &digest, &err), WM_E_IO, err, "No such file");

    /* A parent that is a file; a place where nobody may write; a directory; a full disk. */
    CHECK_OK(wm_file_store(in_top("plain"), WM_STR("x"), &err), err);
    CHECK_FAILS(wm_file_store(in_top("plain/below/x"), WM_STR("x"), &err), WM_E_IO, err,
                "Not a directory");
    CHECK_FAILS(wm_file_store("/proc/wetmill-test/x", WM_STR("x"), &err), WM_E_IO, err, "cannot");
    CHECK_FAILS(wm_file_store(top, WM_STR("x"), &err), WM_E_IO, err, "directory");
    CHECK_FAILS(wm_file_store("", WM_STR("x"), &err), WM_E_IO, err, "empty");
    CHECK_FAILS(wm_file_store("/dev/full", WM_STR("x"), &err), WM_E_IO, err, "No space");
    CHECK(err.hint[0] != '\0');
    CHECK_OK(wm_out_open("/dev/full", &out, &err), err);
    static const char big[100000];
    CHECK_FAILS(wm_out_write(out, big, sizeof big, &err), WM_E_IO, err, "No space");
    wm_out_abandon(out);

    struct wm_buf buf;
    wm_buf_init(&buf, 4);
    CHECK_OK(wm_file_store(in_top("five"), WM_STR("12345"), &err), err);
    CHECK_FAILS(wm_file_load(in_top("five"), &buf, &err), WM_E_LIMIT, err, "limit of 4");
    CHECK_STR(wm_str_of(err.where), wm_str_of(in_top("five")));
    wm_buf_done(&buf);
    wm_buf_init(&buf, 5);
    CHECK_OK(wm_file_load(in_top("five"), &buf, &err), err);
    CHECK_U64(buf.len, 5);
    wm_buf_done(&buf);
}

/* Cut by somebody while it is read: not what it was, and not all of it. */
static void test_cut(void)
{
    struct wm_file *file;
    char bytes[16];
    size_t len;
    CHECK_OK(wm_file_store(in_top("cut"), WM_STR("0123456789"), &err), err);
    CHECK_OK(wm_file_open(in_top("cut"), &file, &err), err);
    CHECK_OK(wm_file_check_end(file, 10, &err), err);
    CHECK_OK(wm_file_check_end(file, 4, &err), err); /* nobody cut it */
    CHECK(truncate(in_top("cut"), 4) == 0);
    CHECK_OK(wm_file_read(file, bytes, sizeof bytes, &len, &err), err);
    CHECK_U64(len, 4);
    CHECK_FAILS(wm_file_check_end(file, len, &err), WM_E_CHANGED, err, "cut to 4 of its 10 bytes");
    CHECK_STR(wm_str_of(err.where), wm_str_of(in_top("cut")));
    CHECK_OK(wm_file_check_end(file, 10, &err), err); /* all of it was read before */
    wm_file_close(file);

    /* Pipes, devices and what grows end where they end. */
    CHECK_OK(wm_file_open("/dev/null", &file, &err), err);
    CHECK_OK(wm_file_check_end(file, 0, &err), err);
    wm_file_close(file);
    CHECK_OK(wm_file_open(in_top("cut"), &file, &err), err);
    CHECK(truncate(in_top("cut"), 9) == 0);
    CHECK_OK(wm_file_check_end(file, 9, &err), err);
    wm_file_close(file);
}

static void test_map(void)
{
    struct wm_map map;
    CHECK_OK(wm_file_store(in_top("mapped"), WM_STR("mapped bytes"), &err), err);
    CHECK_OK(wm_map_open(in_top("mapped"), &map, &err), err);
    CHECK_STR(((struct wm_str){(const char *)map.ptr, map.len}), WM_STR("mapped bytes"));
    wm_map_close(&map);
    wm_map_close(&map);
    CHECK_OK(wm_file_store(in_top("mapped"), WM_STR(""), &err), err);
    CHECK_OK(wm_map_open(in_top("mapped"), &map, &err), err);
    CHECK(map.ptr != NULL && map.len == 0);
    wm_map_close(&map);
}

/* Wishes change nothing that can be read. */
static void test_large_map(void)
{
    enum { SIZE = (4 << 20) + 5 };
    struct wm_map map;
    char *bytes = malloc(SIZE);
    CHECK(bytes != NULL);
    for (size_t i = 0; bytes && i < SIZE; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    CHECK_OK(wm_file_store(in_top("large"), (struct wm_str){bytes, SIZE}, &err), err);
    wm_file_forget(in_top("large"));
    wm_file_forget(in_top("missing"));
    CHECK_OK(wm_map_open(in_top("large"), &map, &err), err);
    wm_map_want_large_pages(&map);
    CHECK(map.len == SIZE && memcmp(map.ptr, bytes, SIZE) == 0);
    wm_map_close(&map);
    free(bytes);
}

static void test_paths(void)
{
    char path[WM_PATH_MAX], longest[WM_PATH_MAX];
    CHECK_OK(wm_path_join(path, "a", "b", &err), err);
    CHECK_STR(wm_str_of(path), WM_STR("a/b"));
    CHECK_OK(wm_path_join(path, "a/", "b", &err), err);
    CHECK_STR(wm_str_of(path), WM_STR("a/b"));
    CHECK_OK(wm_path_join(path, "a", "/b", &err), err);
    CHECK_STR(wm_str_of(path), WM_STR("/b"));
    CHECK_OK(wm_path_join(path, "", "b", &err), err);
    CHECK_STR(wm_str_of(path), WM_STR("b"));
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    CHECK_FAILS(wm_path_join(path, "a", longest, &err), WM_E_LIMIT, err, "longer");

    CHECK_OK(wm_mkdirs(in_top("x//y/z/"), &err), err);
    CHECK_OK(wm_mkdirs(in_top("x/y"), &err), err);
    CHECK(wm_exists(in_top("x/y/z")));
    CHECK(wm_same_path(in_top("x/y"), in_top("x/y/z/../")));
    CHECK(symlink("y", in_top("x/link")) == 0 && wm_same_path(in_top("x/link"), in_top("x/y")));
    CHECK(!wm_same_path(in_top("x/y"), in_top("x")));
    CHECK(!wm_same_path(in_top("x/absent"), in_top("x/absent")));
    CHECK_FAILS(wm_mkdirs(in_top("plain/x"), &err), WM_E_IO, err, "Not a directory");
    CHECK_FAILS(wm_mkdirs(in_top("plain"), &err), WM_E_IO, err, "Not a directory");

    uint64_t bytes = 0;
    CHECK_OK(wm_disk_free(in_top("not/there/yet"), &bytes, &err), err);
    CHECK(bytes > 0);
    CHECK_OK(wm_disk_free("not-there-either", &bytes, &err), err);
    CHECK_OK(wm_disk_free("/not-there-either", &bytes, &err), err);
    CHECK_FAILS(wm_disk_free(in_top("plain/x"), &bytes, &err), WM_E_IO, err, "Not a directory");
}

static void test_trees(void)
{
    CHECK_OK(wm_mkdirs(in_top("tree/a/b"), &err), err);
    CHECK_OK(wm_mkdirs(in_top("kept"), &err), err);
    CHECK_OK(wm_file_store(in_top("kept/file"), WM_STR("kept"), &err), err);
    CHECK_OK(wm_file_store(in_top("tree/f"), WM_STR("1"), &err), err);
    CHECK_OK(wm_file_store(in_top("tree/a/b/g"), WM_STR("2"), &err), err);
    CHECK(symlink("../kept", in_top("tree/link")) == 0);

    struct wm_arena arena;
    const char **names;
    size_t n;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_list_dir(in_top("tree"), &arena, &names, &n, &err), err);
    CHECK_U64(n, 3);
    CHECK(n == 3 && !strcmp(names[0], "a") && !strcmp(names[1], "f") && !strcmp(names[2], "link"));
    CHECK_FAILS(wm_list_dir(in_top("gone"), &arena, &names, &n, &err), WM_E_IO, err, "list");
    CHECK_OK(wm_list_dir(in_top("x/y/z"), &arena, &names, &n, &err), err);
    CHECK_U64(n, 0);
    wm_arena_done(&arena);

    CHECK_OK(wm_remove_tree(in_top("tree"), &err), err);
    CHECK(!wm_exists(in_top("tree")));
    check_content(in_top("kept/file"), WM_STR("kept"));
    CHECK_OK(wm_remove_tree(in_top("tree"), &err), err);
    CHECK_OK(wm_remove_tree(in_top("kept/file"), &err), err);
    CHECK_OK(wm_remove(in_top("kept/file"), &err), err);
    CHECK_FAILS(wm_remove(in_top("kept"), &err), WM_E_IO, err, "remove");

    char deep[WM_PATH_MAX];
    (void)snprintf(deep, sizeof deep, "%s/deep", top);
    for (int i = 0; i < WM_TREE_DEPTH + 4; i++)
        (void)snprintf(deep + strlen(deep), sizeof deep - strlen(deep), "/d");
    CHECK_OK(wm_mkdirs(deep, &err), err);
    CHECK_FAILS(wm_remove_tree(in_top("deep"), &err), WM_E_LIMIT, err, "deeper");
    CHECK_OK(wm_remove_tree(in_top("deep/d/d/d/d/d/d"), &err), err);
}

/* ---- going on with a file ---- */

static void fill(struct wm_out *out, size_t from, size_t to, unsigned salt)
{
    unsigned char piece[777];
    for (size_t n; from < to; from += n) {
        n = to - from < sizeof piece ? to - from : sizeof piece;
        for (size_t i = 0; i < n; i++)
            piece[i] = (unsigned char)((from + i) * 2654435761u >> 11 ^ salt);
        CHECK_OK(wm_out_write(out, piece, n, &err), err);
    }
}

/* The process that saved went on writing before it died: what stands behind the save goes. */
static void test_go_on(size_t saved, size_t behind)
{
    const char *path = in_top("on/a"), *plain = in_top("on/b");
    enum { MORE = 1000 };
    struct wm_state_out state;
    struct wm_out *out;
    struct wm_digest got, want;
    wm_state_out_open(&state, 4096);
    CHECK_OK(wm_out_open(path, &out, &err), err);
    fill(out, 0, saved, 0);
    CHECK_OK(wm_out_save(out, &state, &err), err);
    fill(out, saved, saved + behind, 0x55);
    wm_out_abandon(out);
    struct wm_state_in in = {.rest = wm_buf_str(&state.buf)};
    int status = wm_out_load(path, &in, &out, &err);
    CHECK_(status == 0, "%zu + %zu bytes: %s", saved, behind, err.what);
    if (!status) {
        fill(out, saved, saved + MORE, 0);
        CHECK_OK(wm_out_commit(out, &got, &err), err);
        CHECK_OK(wm_out_open(plain, &out, &err), err);
        fill(out, 0, saved + MORE, 0);
        CHECK_OK(wm_out_commit(out, &want, &err), err);
        CHECK_U64(got.size, want.size);
        CHECK(XXH128_isEqual(got.hash, want.hash));
        CHECK_OK(wm_file_digest(path, &got, &err), err);
        CHECK(got.size == want.size && XXH128_isEqual(got.hash, want.hash));
    }
    wm_state_out_done(&state);
    CHECK_OK(wm_remove_tree(in_top("on"), &err), err);
}

/* Sizes on either side of the pieces that a file is written and read in. */
static void test_go_on_all(void)
{
    static const size_t sizes[] = {0, 1, 65535, 65536, 65537, 100000, 131072, 131073, 200001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        test_go_on(sizes[i], 0);
        test_go_on(sizes[i], 10);
        test_go_on(sizes[i], 200000);
    }
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)snprintf(top, sizeof top, "test_file.XXXXXX");
    if (!mkdtemp(top))
        return 1;
    test_store_and_read();
    test_digest();
    test_abandon_and_leftovers();
    test_targets();
    test_named_pipe();
    test_refusals();
    test_cut();
    test_map();
    test_large_map();
    test_paths();
    test_trees();
    test_go_on_all();
    CHECK_OK(wm_remove_tree(top, &err), err);
    CHECK(!wm_exists(top));
    return test_summary();
}
