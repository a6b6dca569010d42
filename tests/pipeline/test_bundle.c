/* SPDX-License-Identifier: Apache-2.0 */
/* Bundles: what waits keeps to its limit, the fullest group is cut; the index is read back, and a
 * damaged one is refused whatever is wrong with it. */
#include "pipeline/bundle.h"

#include "scratch.h"
#include "wetmill/records.h"

struct writer {
    struct wm_crew crew;
    struct wm_packer packer;
    struct wm_bundle bundle;
    char path[WM_PATH_MAX];
};

static void open_writer(struct writer *w, uint64_t max_pending)
{
    CHECK_OK(wm_path_join(w->path, top, "part.bundle", &err), err);
    CHECK_OK(wm_crew_init(&w->crew, NULL, &err), err);
    CHECK_OK(wm_packer_open(&w->packer, WM_PACK_NONE, 0, &err), err);
    CHECK_OK(wm_bundle_open(&w->bundle, &w->crew, &w->packer, w->path, max_pending, &err), err);
}

static void add(struct writer *w, const char *group, char c, size_t len)
{
    static char bytes[6 << 20];
    struct wm_bundle_count count = {1, 2, len / 2};
    memset(bytes, c, len);
    CHECK_OK(wm_bundle_add(&w->bundle, wm_str_of(group), (struct wm_str){bytes, len}, &count, &err),
             err);
}

static struct wm_bundle_index commit(struct writer *w, struct wm_arena *arena)
{
    struct wm_bundle_index index = {0};
    struct wm_digest digest;
    struct wm_file *file;
    bool written = false;
    uint64_t checksum = 0;
    CHECK_OK(wm_bundle_commit(&w->bundle, &written, &digest, &checksum, &err), err);
    CHECK(written);
    CHECK_OK(wm_file_open(w->path, &file, &err), err);
    CHECK_OK(wm_bundle_read(file, digest.size, arena, &index, &err), err);
    CHECK_U64(index.checksum, checksum);
    wm_file_close(file);
    return index;
}

static void close_writer(struct writer *w)
{
    wm_bundle_close(&w->bundle);
    wm_packer_close(&w->packer);
    wm_crew_done(&w->crew);
}

static void is_frame(const struct wm_bundle_index *index, size_t i, const char *group,
                     uint64_t size, uint64_t documents)
{
    const struct wm_bundle_frame *frame = &index->frames[i];
    CHECK_STR(index->names[frame->group], wm_str_of(group));
    CHECK_U64(frame->size, size);
    CHECK_U64(frame->count.documents, documents);
    CHECK_U64(frame->count.lines, 2 * documents);
    CHECK_U64(frame->offset, i ? frame[-1].offset + frame[-1].size : 0);
}

/* Four blocks of 16 KiB. */
static void test_cuts(void)
{
    enum { KIB = 1024 };
    struct writer w;
    struct wm_arena arena;
    wm_arena_init(&arena, 64 << 20);
    open_writer(&w, 64 * KIB);
    add(&w, "a", 'a', 10 * KIB);
    add(&w, "b", 'b', 20 * KIB); /* two blocks */
    add(&w, "a", 'A', 6 * KIB);  /* fills a's block */
    add(&w, "c", 'c', 1);        /* the fourth */
    CHECK_U64(w.bundle.n_blocks, 4);
    CHECK_U64(w.bundle.n_sent, 0);
    add(&w, "d", 'd', 1); /* b has most */
    CHECK_U64(w.bundle.n_sent, 1);
    add(&w, "c", 'C', 63 * KIB); /* all that waits has to go, what is c's too */
    CHECK_U64(w.bundle.n_sent, 4);
    add(&w, "c", 'C', 1024); /* fills the last block */
    CHECK_U64(w.bundle.n_sent, 4);
    add(&w, "e", 'e', 64 * KIB + 1); /* longer than what may wait: written at once */
    add(&w, "e", 'E', 5);
    struct wm_bundle_index index = commit(&w, &arena);
    CHECK_U64(index.n_groups, 5);
    CHECK_U64(index.n_frames, 7);
    is_frame(&index, 0, "b", 20 * KIB, 1);
    is_frame(&index, 1, "a", 16 * KIB, 2);
    is_frame(&index, 2, "c", 1, 1);
    is_frame(&index, 3, "d", 1, 1);
    is_frame(&index, 4, "e", 64 * KIB + 1, 1);
    is_frame(&index, 5, "c", 64 * KIB, 2);
    is_frame(&index, 6, "e", 5, 1);
    close_writer(&w);

    /* frames of the usual size, and a document that is longer */
    open_writer(&w, 32 << 20);
    for (int i = 0; i < 9; i++)
        add(&w, i % 2 ? "odd" : "even", (char)('0' + i), 1 << 20);
    add(&w, "even", 'x', 5 << 20);
    index = commit(&w, &arena);
    CHECK_U64(index.n_frames, 4);
    is_frame(&index, 0, "even", 4 << 20, 4);
    is_frame(&index, 1, "even", 1 << 20, 1);
    is_frame(&index, 2, "even", 5 << 20, 1);
    is_frame(&index, 3, "odd", 4 << 20, 4);
    close_writer(&w);
    wm_arena_done(&arena);
}

static void test_none(void)
{
    struct writer w;
    struct wm_digest digest;
    bool written = true;
    uint64_t checksum;
    open_writer(&w, 64 << 10);
    CHECK_OK(wm_remove(w.path, &err), err);
    CHECK_OK(wm_bundle_commit(&w.bundle, &written, &digest, &checksum, &err), err);
    CHECK(!written && !wm_exists(w.path));
    close_writer(&w);
    open_writer(&w, 64 << 10); /* left behind */
    add(&w, "a", 'a', 60000);
    add(&w, "b", 'b', 60000);
    close_writer(&w);
    CHECK(!wm_exists(w.path));
}

/* A bundle that is full says so in time: never more frames than it can have. */
static void test_full(void)
{
    struct writer w;
    struct wm_arena arena;
    wm_arena_init(&arena, 64 << 20);
    open_writer(&w, 64 << 10);
    uint64_t n = 0;
    for (; !wm_bundle_full(&w.bundle); n++) {
        char name[16];
        (void)snprintf(name, sizeof name, "g%u", (unsigned)(n % 5000));
        add(&w, name, 'x', 3);
    }
    CHECK(n > WM_BUNDLE_FRAMES / 2);
    struct wm_bundle_index index = commit(&w, &arena);
    CHECK_U64(index.n_groups, 5000);
    CHECK(index.n_frames <= WM_BUNDLE_FRAMES && index.n_frames > WM_BUNDLE_FRAMES / 2);
    uint64_t documents = 0;
    for (size_t i = 0; i < index.n_frames; i++)
        documents += index.frames[i].count.documents;
    CHECK_U64(documents, n);
    close_writer(&w);
    wm_arena_done(&arena);
}

/* Every byte of an index changed, with and without a checksum that fits; every length. */
static void test_damage(void)
{
    struct writer w;
    struct wm_arena arena;
    struct wm_buf file;
    wm_arena_init(&arena, 64 << 20);
    wm_buf_init(&file, 1 << 20);
    open_writer(&w, 64 << 10);
    add(&w, "en_head", 'a', 100);
    add(&w, "de_tail", 'b', 200);
    (void)commit(&w, &arena);
    CHECK_OK(wm_file_load(w.path, &file, &err), err);
    size_t data = 300, len = file.len - data;
    char *index = file.ptr + data, *trailer = file.ptr + file.len - WM_BUNDLE_TRAILER;
    struct wm_bundle_index ret;
    struct wm_str whole = {index, len};
    CHECK_OK(wm_bundle_parse(whole, file.len, &arena, &ret, &err), err);
    for (size_t at = 0; at < len; at++) {
        index[at] ^= 0x41;
        CHECK_(wm_bundle_parse(whole, file.len, &arena, &ret, &err) == WM_E_FORMAT, "byte %zu", at);
        char checksum[8];
        memcpy(checksum, trailer + 32, 8);
        wm_put_be64((unsigned char *)trailer + 32, XXH3_64bits(index, len - 16));
        /* counts and hashes of frames are believed then; the rest shows */
        if (wm_bundle_parse(whole, file.len, &arena, &ret, &err) == 0) {
            CHECK_U64(ret.n_frames, 2);
            CHECK_U64(ret.n_groups, 2);
            for (size_t i = 0; i < 2; i++)
                CHECK(ret.frames[i].group < 2 && wm_split_name_valid(ret.names[i]));
            CHECK_U64(ret.frames[1].offset + ret.frames[1].size, data);
        }
        memcpy(trailer + 32, checksum, 8);
        index[at] ^= 0x41;
    }
    for (size_t cut = 1; cut <= len; cut++) {
        whole = (struct wm_str){index + cut, len - cut};
        CHECK(wm_bundle_parse(whole, file.len, &arena, &ret, &err) == WM_E_FORMAT);
    }
    whole = (struct wm_str){index, len};
    CHECK(wm_bundle_parse(whole, file.len + 1, &arena, &ret, &err) == WM_E_FORMAT);
    CHECK(wm_bundle_parse(whole, len - 1, &arena, &ret, &err) == WM_E_FORMAT);
    wm_put_be32((unsigned char *)trailer + 24, 2);
    CHECK_FAILS(wm_bundle_parse(whole, file.len, &arena, &ret, &err), WM_E_FORMAT, err,
                "version 2");
    close_writer(&w);
    wm_buf_done(&file);
    wm_arena_done(&arena);
}

int main(void)
{
    make_top("bundle");
    test_cuts();
    test_none();
    test_full();
    test_damage();
    CHECK_OK(wm_remove_tree(top, &err), err);
    return test_summary();
}
