/* SPDX-License-Identifier: Apache-2.0 */
/* Sidecars: rows back as they were written, and nothing believed of a damaged file. */
#include "shard_fixture.h"
#include "tokenizer/shard_sidecar.h"

static const char recipe[] = "{\"recipe\":1,\"stages\":[\"normalize\"]}";

/* A sidecar of `n` rows at `path`; row i is that of make_doc(i). */
static void make_sidecar(const char *path, uint64_t n)
{
    struct wm_sidecar_out *out;
    struct wm_arena arena;
    struct wm_buf row;
    struct wm_digest digest;
    wm_arena_init(&arena, 1 << 20);
    wm_buf_init(&row, 1 << 20);
    CHECK_OK(wm_sidecar_out_open(path, wm_str_of(recipe), &out, &err), err);
    for (uint64_t i = 0; i < n; i++) {
        wm_arena_reset(&arena);
        struct wm_doc doc = make_doc(i, &arena);
        row.len = 0;
        CHECK_OK(wm_sidecar_row(&doc, &row, &err), err);
        CHECK_OK(wm_sidecar_out_add(out, doc.path, wm_buf_str(&row), &err), err);
    }
    CHECK_OK(wm_sidecar_out_commit(out, &digest, &err), err);
    wm_buf_done(&row);
    wm_arena_done(&arena);
}

static void check_row(struct wm_sidecar *sidecar, uint64_t i)
{
    struct wm_arena arena;
    struct wm_provenance row = {0};
    wm_arena_init(&arena, 1 << 20);
    struct wm_doc doc = make_doc(i, &arena);
    CHECK_OK(wm_sidecar_read(sidecar, i, &arena, &row, &err), err);
    CHECK_STR(row.url, doc.url);
    CHECK_STR(row.path, doc.path);
    CHECK_STR(row.location.tar_member, doc.location.tar_member);
    CHECK_U64(row.location.member_offset, doc.location.member_offset);
    CHECK_U64(row.location.member_length, doc.location.member_length);
    CHECK_U64(row.location.offset, doc.location.offset);
    CHECK(wm_key_compare(row.key, doc.key) == 0 && row.source_lines == doc.source_lines);
    CHECK_U64(row.lines.n_runs, doc.lines.n_runs);
    for (size_t r = 0; r < doc.lines.n_runs && r < row.lines.n_runs; r++) {
        CHECK_U64(row.lines.runs[r].first, doc.lines.runs[r].first);
        CHECK_U64(row.lines.runs[r].count, doc.lines.runs[r].count);
    }
    wm_arena_done(&arena);
}

static void test_round_trip(void)
{
    static const uint64_t sizes[] = {0, 1, 511, 512, 513, 1024, 1500};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        uint64_t n = sizes[s], state = s;
        struct wm_sidecar *sidecar;
        struct wm_provenance row;
        make_sidecar(in_top("x.prov.zst"), n);
        CHECK_OK(wm_sidecar_open(in_top("x"), &sidecar, &err), err);
        CHECK_U64(wm_sidecar_rows(sidecar), n);
        CHECK_STR(wm_sidecar_recipe(sidecar), wm_str_of(recipe));
        for (uint64_t i = 0; i < n; i++)
            check_row(sidecar, i);
        for (unsigned i = 0; n && i < 100; i++)
            check_row(sidecar, next_random(&state) % n);
        CHECK_OK(wm_sidecar_check(sidecar, &err), err);
        struct wm_arena arena = {0};
        CHECK_FAILS(wm_sidecar_read(sidecar, n, &arena, &row, &err), WM_E_LIMIT, err, "no row");
        if (n) /* an arena without room */
            CHECK(wm_sidecar_read(sidecar, 0, &arena, &row, &err) == WM_E_NOMEM);
        wm_sidecar_close(sidecar);
    }
    wm_sidecar_close(NULL);
}

/* One document with millions of kept lines; and frames that end early because of it. */
static void test_long_rows(void)
{
    enum { RUNS = 400000 };
    struct wm_sidecar_out *out;
    struct wm_sidecar *sidecar;
    struct wm_digest digest;
    struct wm_arena arena;
    struct wm_buf row, tiny;
    struct wm_doc doc = {.url = WM_STR("u"), .source_lines = UINT32_MAX};
    wm_arena_init(&arena, 64 << 20);
    wm_buf_init(&row, WM_SIDECAR_ROW_MAX);
    wm_buf_init(&tiny, 1000);
    doc.lines.runs = wm_arena_alloc(&arena, RUNS, sizeof *doc.lines.runs);
    for (doc.lines.n_runs = 0; doc.lines.n_runs < RUNS; doc.lines.n_runs++)
        doc.lines.runs[doc.lines.n_runs] =
            (struct wm_line_run){(uint32_t)doc.lines.n_runs * 10001, 10000};
    doc.lines.runs[RUNS - 1].count = UINT32_MAX - doc.lines.runs[RUNS - 1].first;
    CHECK_OK(wm_sidecar_row(&doc, &row, &err), err);
    CHECK_FAILS(wm_sidecar_row(&doc, &tiny, &err), WM_E_LIMIT, err, "limit");
    CHECK_OK(wm_sidecar_out_open(in_top("x.prov.zst"), (struct wm_str){0}, &out, &err), err);
    for (int i = 0; i < 3; i++)
        CHECK_OK(wm_sidecar_out_add(out, WM_STR("p"), wm_buf_str(&row), &err), err);
    static char long_path[WM_PATH_MAX];
    CHECK_FAILS(wm_sidecar_out_add(out, (struct wm_str){long_path, sizeof long_path},
                                   wm_buf_str(&row), &err),
                WM_E_LIMIT, err, "limit");
    CHECK_OK(wm_sidecar_out_commit(out, &digest, &err), err);
    CHECK_OK(wm_sidecar_open(in_top("x"), &sidecar, &err), err);
    CHECK_U64(wm_sidecar_rows(sidecar), 3);
    CHECK_U64(wm_sidecar_recipe(sidecar).len, 0);
    struct wm_provenance got;
    CHECK_OK(wm_sidecar_read(sidecar, 2, &arena, &got, &err), err);
    CHECK_U64(got.lines.n_runs, RUNS);
    CHECK(memcmp(got.lines.runs, doc.lines.runs, RUNS * sizeof *got.lines.runs) == 0);
    CHECK_STR(got.path, WM_STR("p"));
    wm_sidecar_close(sidecar);
    wm_buf_done(&row);
    wm_buf_done(&tiny);
    wm_arena_done(&arena);
}

/* An exact copy of the bytes, opened and read through. */
static int read_all(struct wm_str bytes)
{
    struct wm_sidecar *sidecar = NULL;
    char *copy = malloc(bytes.len ? bytes.len : 1);
    memcpy(copy, bytes.ptr, bytes.len);
    int status = wm_sidecar_open_bytes((struct wm_str){copy, bytes.len}, &sidecar, &err);
    if (!status)
        status = wm_sidecar_check(sidecar, &err);
    wm_sidecar_close(sidecar);
    free(copy);
    return status;
}

static void fix_checksum(struct wm_buf *file)
{
    wm_set_le64((unsigned char *)file->ptr + file->len - 16,
                XXH3_64bits(file->ptr, file->len - 16));
}

static void test_damage(void)
{
    struct wm_buf file;
    make_sidecar(in_top("x.prov.zst"), 600);
    load_file(in_top("x.prov.zst"), &file);
    CHECK_OK(read_all(wm_buf_str(&file)), err);
    for (size_t cut = 0; cut < file.len; cut += cut < 200 || cut > file.len - 200 ? 1 : 37)
        CHECK(read_all((struct wm_str){file.ptr, cut}) == WM_E_FORMAT);
    for (size_t at = 0; at < file.len; at++) {
        file.ptr[at] ^= 0x10;
        CHECK_(read_all(wm_buf_str(&file)) == WM_E_FORMAT, "byte %zu", at);
        file.ptr[at] ^= 0x10;
    }
    /* Damage that knows of the checksum may go unnoticed in bytes nobody reads; it never harms. */
    uint64_t state = 7, refused = 0;
    for (int i = 0; i < 3000; i++) {
        size_t at = (size_t)(next_random(&state) % (file.len - 16));
        char was = file.ptr[at];
        file.ptr[at] = (char)next_random(&state);
        fix_checksum(&file);
        refused += read_all(wm_buf_str(&file)) != 0;
        file.ptr[at] = was;
    }
    CHECK(refused > 2800);
    fix_checksum(&file);
    CHECK_OK(read_all(wm_buf_str(&file)), err);

    file.ptr[16] = 2;
    CHECK_FAILS(read_all(wm_buf_str(&file)), WM_E_FORMAT, err, "version is 2");
    file.ptr[16] = 1;
    file.ptr[20] = 1;
    CHECK_FAILS(read_all(wm_buf_str(&file)), WM_E_FORMAT, err, "byte order");
    wm_buf_done(&file);
}

static int parse(const char *bytes, size_t len, size_t n_rows, struct wm_sidecar_frame *frame)
{
    static char *copy;
    free(copy);
    copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    int status = wm_sidecar_frame_parse((struct wm_str){copy, len}, n_rows, frame, &err);
    return status;
}

static void test_hostile_rows(void)
{
    static struct wm_sidecar_frame frame;
    struct wm_provenance row;
    struct wm_arena arena;
    /*                       path   url tar  key        location  lines runs */
    static const char good[] = "\2p"
                               "\1u"
                               "\0"
                               "\1\2\3"
                               "\4\5\6"
                               "\7"
                               "\1"
                               "\0\7";
    size_t len = sizeof good - 1;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(parse(good, len, 1, &frame), err);
    CHECK_OK(wm_sidecar_frame_row(&frame, 0, &arena, &row, &err), err);
    CHECK(row.lines.n_runs == 1 && row.lines.runs[0].first == 0 && row.lines.runs[0].count == 7);
    CHECK(row.key.part == 3 && row.location.offset == 6 && row.source_lines == 7);
    for (size_t cut = 0; cut < len; cut++)
        CHECK(parse(good, cut, 1, &frame) == WM_E_FORMAT);
    CHECK_FAILS(parse(good, len, 0, &frame), WM_E_FORMAT, err, "behind");
    CHECK_FAILS(parse(good, len, 2, &frame), WM_E_FORMAT, err, "row 1");
    CHECK_FAILS(parse(good, len, 513, &frame), WM_E_LIMIT, err, "513");
    /* The first row must have a path; a number must fit; a map may not wrap. */
    CHECK_FAILS(parse("\0\0\0\0\0\0\0\0\0\0\0", 11, 1, &frame), WM_E_FORMAT, err, "no path");
    CHECK_FAILS(parse("\1\0\0\0\0\0\0\0\0\0\1\0\xFF", 13, 1, &frame), WM_E_FORMAT, err, "line map");
    CHECK_FAILS(parse("\1\0\0\0\0\0\0\0\0\0\x7F\0\1", 13, 1, &frame), WM_E_FORMAT, err,
                "cut short");
    CHECK_FAILS(parse("\1\0\0\xFF\xFF\xFF\xFF\x7F\0\0\0\0\0\0\0", 15, 1, &frame), WM_E_FORMAT, err,
                "out of range");
    CHECK_FAILS(parse("\1\0\0\0\0\0\0\0\0\0\1\1\xFF\xFF\xFF\xFF\x0F", 17, 1, &frame), WM_E_FORMAT,
                err, "line map");
    CHECK_OK(parse("\1\0\0\0\0\0\0\0\0\0\1\0\xFF\xFF\xFF\xFF\x0F", 17, 1, &frame), err);
    CHECK_FAILS(parse("\1\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\2", 11, 1, &frame), WM_E_FORMAT, err,
                "cut short");
    CHECK_FAILS(parse("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\1", 10, 1, &frame), WM_E_FORMAT, err,
                "no path");
    CHECK_OK(parse("", 0, 0, &frame), err);
    wm_arena_done(&arena);
    (void)parse("", 0, 0, &frame);
}

int main(void)
{
    make_top("test_shard_sidecar");
    test_round_trip();
    test_long_rows();
    test_damage();
    test_hostile_rows();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
