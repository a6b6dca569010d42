/* SPDX-License-Identifier: Apache-2.0 */
/* zstd's own: skippable frames, dictionaries, windows, and memory that ends. */
#include <errno.h>
#include <limits.h>
#include <zdict.h>
#include <zstd_errors.h>

#include "pipeline/listing.h"
#include "pipeline/source.h"
#include "reading_help.h"

enum { PAGES = 20, PAGE = 3000 };

/* ---- what fails when it is to (the linker's --wrap) ---- */

static unsigned calls_left = UINT_MAX; /* until one of zstd's has no memory */
static bool fail_start;                /* the first bytes of files cannot be looked at */

static bool fails(void)
{
    return calls_left-- == 0;
}

size_t __real_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in);
size_t __wrap_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in);
size_t __wrap_ZSTD_decompressStream(ZSTD_DStream *d, ZSTD_outBuffer *out, ZSTD_inBuffer *in)
{
    return fails() ? (size_t)-ZSTD_error_memory_allocation
                   : __real_ZSTD_decompressStream(d, out, in);
}

size_t __real_ZSTD_decompressDCtx(ZSTD_DCtx *d, void *dst, size_t cap, const void *src, size_t len);
size_t __wrap_ZSTD_decompressDCtx(ZSTD_DCtx *d, void *dst, size_t cap, const void *src, size_t len);
size_t __wrap_ZSTD_decompressDCtx(ZSTD_DCtx *d, void *dst, size_t cap, const void *src, size_t len)
{
    return fails() ? (size_t)-ZSTD_error_memory_allocation
                   : __real_ZSTD_decompressDCtx(d, dst, cap, src, len);
}

ZSTD_DDict *__real_ZSTD_createDDict(const void *bytes, size_t len);
ZSTD_DDict *__wrap_ZSTD_createDDict(const void *bytes, size_t len);
ZSTD_DDict *__wrap_ZSTD_createDDict(const void *bytes, size_t len)
{
    return fails() ? NULL : __real_ZSTD_createDDict(bytes, len);
}

int __real_wm_file_pread(struct wm_file *file, void *dst, size_t size, uint64_t offset,
                         size_t *ret_len, struct wm_error *err);
int __wrap_wm_file_pread(struct wm_file *file, void *dst, size_t size, uint64_t offset,
                         size_t *ret_len, struct wm_error *err);
int __wrap_wm_file_pread(struct wm_file *file, void *dst, size_t size, uint64_t offset,
                         size_t *ret_len, struct wm_error *err)
{
    errno = EIO;
    return fail_start && offset < 16 ? wm_fail_errno(err, "read", wm_file_path(file))
                                     : __real_wm_file_pread(file, dst, size, offset, ret_len, err);
}

/* ---- skippable frames ---- */

static void skippable(struct wm_buf *out, unsigned nibble, struct wm_str content)
{
    unsigned char head[8] = {(unsigned char)(0x50 | nibble), 0x2A, 0x4D, 0x18};
    for (int i = 0; i < 4; i++)
        head[4 + i] = (unsigned char)(content.len >> 8 * i);
    help_add(out, head, sizeof head);
    help_add(out, content.ptr, content.len);
}

static void test_skippable(void)
{
    struct wm_buf bytes = help_buf(), page = help_buf();
    help_page(&page, 1, PAGE);
    for (unsigned i = 0; i < 4; i++) {
        skippable(&bytes, i, WM_STR("passed over"));
        help_zstd(&bytes, wm_buf_str(&page), 3);
    }
    skippable(&bytes, 14, WM_STR("a seek table"));
    struct help_docs all = help_read(help_store("skip.warc.wet.zst", &bytes));
    CHECK_U64(all.n, 4);
    CHECK_U64(all.tally.n_damage, 0);
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&page);
}

/* Four pages, a skippable frame before the first or the third; `tail` more bytes behind them. */
static void put_odd_length(struct wm_buf *bytes, unsigned nibble, bool first, uint32_t length,
                           size_t tail)
{
    struct wm_buf page = help_buf();
    size_t at = 0;
    for (unsigned i = 0; i < 4; i++) {
        if (i == (first ? 0 : 2)) {
            at = bytes->len;
            skippable(bytes, nibble, WM_STR("passed over"));
        }
        page.len = 0;
        help_page(&page, i, PAGE);
        help_zstd(bytes, wm_buf_str(&page), 3);
    }
    for (int i = 0; i < 4; i++)
        bytes->ptr[at + 4 + (size_t)i] = (char)(length >> 8 * i);
    for (size_t n = bytes->len + tail; bytes->len < n;)
        skippable(bytes, 1, WM_STR("what stands behind what is looked at at once"));
    wm_buf_done(&page);
}

/* The length of a skippable frame is damaged and leads beyond the file: what stands behind the header
 * is looked through. */
static void test_skippable_length(unsigned nibble, bool first, uint32_t length, bool in_tar)
{
    struct wm_buf bytes = help_buf(), tar = help_buf();
    put_odd_length(&bytes, nibble, first, length, 0);
    help_tar(&tar, &(struct help_file){"a.warc.wet.zst", wm_buf_str(&bytes)}, 1);
    struct help_docs all = help_read(help_store("length.warc.wet.zst", in_tar ? &tar : &bytes));
    CHECK_U64(all.n, 4);
    CHECK_DAMAGE(all, length < PAGE ? "no frame stands behind a skippable one"
                                    : "a skippable frame is longer than the file");
    CHECK_U64(all.tally.n_damage, 1);
    CHECK_U64(all.tally.bad_files, 1);
    CHECK_U64(all.tally.bytes_damaged, in_tar ? 0 : 8 + sizeof "passed over" - 1);
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&tar);
}

/* Where there is no looking ahead, frames that stand within what is claimed are met on the way. */
static void test_skippable_far(unsigned nibble, bool first)
{
    struct wm_buf bytes = help_buf(), tar = help_buf();
    put_odd_length(&bytes, nibble, first, 16 << 20, 9 << 20);
    help_tar(&tar, &(struct help_file){"a.warc.wet.zst", wm_buf_str(&bytes)}, 1);
    struct help_docs all = help_read(help_store("far.tar", &tar));
    CHECK_U64(all.n, 4);
    CHECK_DAMAGE(all, "19 bytes are no zstd data (a frame starts inside a skippable one)");
    CHECK_U64(all.tally.n_damage, 1);
    CHECK_U64(all.tally.bad_files, 1);
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&tar);
}

/* A long one in a tar that is what it says, or that the file ends in. */
static void test_skippable_long(unsigned nibble, bool whole)
{
    struct wm_buf bytes = help_buf(), tar = help_buf(), page = help_buf(), content = help_buf();
    help_page(&page, 1, PAGE);
    help_zstd(&bytes, wm_buf_str(&page), 3);
    while (content.len < (6 << 20)) /* what looks like frames, but is none */
        help_add(&content, "\x28\xB5\x2F\xFD\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 16);
    skippable(&bytes, nibble, wm_buf_str(&content));
    if (whole)
        help_zstd(&bytes, wm_buf_str(&page), 3);
    else
        bytes.len -= 1000;
    help_tar(&tar, &(struct help_file){"a.warc.wet.zst", wm_buf_str(&bytes)}, 1);
    struct help_docs all = help_read(help_store("long.tar", &tar));
    CHECK_U64(all.n, whole ? 2 : 1);
    CHECK_U64(all.tally.n_damage, !whole);
    if (!whole)
        CHECK_DAMAGE(all, "ends inside a skippable zstd frame");
    help_done(&all);
    wm_buf_done(&bytes);
    wm_buf_done(&tar);
    wm_buf_done(&page);
    wm_buf_done(&content);
}

static void test_skippable_lengths(void)
{
    static const uint32_t lengths[] = {1, 1000, 100000, 5 << 20, 15 << 20, 17 << 20, UINT32_MAX};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++)
        for (unsigned kind = 0; kind < 8; kind++)
            test_skippable_length(kind & 1 ? 13 : 3, kind & 2, lengths[i], kind & 4);
    for (unsigned kind = 0; kind < 4; kind++)
        test_skippable_far(kind & 1 ? 13 : 3, kind & 2);
    for (unsigned kind = 0; kind < 4; kind++)
        test_skippable_long(kind & 1 ? 13 : 3, kind & 2);
}

/* ---- dictionaries ---- */

/* A dictionary trained on pages like those it serves. */
static void train(struct wm_buf *out)
{
    enum { SAMPLES = 300, SIZE = 4096 };
    struct wm_buf samples = help_buf();
    size_t sizes[SAMPLES];
    for (unsigned i = 0; i < SAMPLES; i++) {
        size_t before = samples.len;
        help_page(&samples, 1000 + i, PAGE);
        sizes[i] = samples.len - before;
    }
    CHECK_OK(wm_buf_reserve(out, SIZE, &help_err), help_err);
    size_t n = ZDICT_trainFromBuffer(out->ptr, SIZE, samples.ptr, sizes, SAMPLES);
    CHECK(!ZDICT_isError(n));
    out->len = ZDICT_isError(n) ? 0 : n;
    wm_buf_done(&samples);
}

/* .warc.zst: the first frame is the dictionary of all others. */
static void put_dictionary_file(struct wm_buf *bytes, bool packed)
{
    struct wm_buf page = help_buf(), dictionary = help_buf(), trained = help_buf();
    train(&trained);
    struct wm_str raw = wm_buf_str(&trained);
    if (packed)
        help_zstd(&dictionary, raw, 3);
    skippable(bytes, 13, packed ? wm_buf_str(&dictionary) : raw);
    ZSTD_CCtx *c = ZSTD_createCCtx();
    for (unsigned i = 0; i < PAGES; i++) {
        page.len = 0;
        help_page(&page, i, PAGE);
        CHECK_OK(wm_buf_reserve(bytes, 2 * PAGE + 1000, &help_err), help_err);
        size_t n = ZSTD_compress_usingDict(c, bytes->ptr + bytes->len, bytes->cap - bytes->len,
                                           page.ptr, page.len, raw.ptr, raw.len, 3);
        CHECK(!ZSTD_isError(n));
        bytes->len += n;
    }
    (void)ZSTD_freeCCtx(c);
    wm_buf_done(&page);
    wm_buf_done(&dictionary);
    wm_buf_done(&trained);
}

static void test_dictionary(bool packed)
{
    struct wm_buf bytes = help_buf();
    put_dictionary_file(&bytes, packed);
    struct help_docs all = help_read(help_store("dictionary.warc.zst", &bytes));
    CHECK_U64(all.n, PAGES);
    CHECK_U64(all.tally.n_damage, 0);
    CHECK(all.n == PAGES && all.docs[PAGES - 1].location.member_offset > 0);
    help_done(&all);
    wm_buf_done(&bytes);
}

/* A range whose dictionary cannot be read now was not read; its frames are not damaged. */
static void test_dictionary_unread(void)
{
    struct wm_buf bytes = help_buf();
    struct wm_source_options options = help_options();
    struct wm_inputs inputs;
    put_dictionary_file(&bytes, false);
    const char *path = help_store("unread.warc.zst", &bytes);
    options.paths = (struct wm_list){&path, 1};
    CHECK_OK(wm_inputs_open_cut(&options, 12000, &inputs, &help_err), help_err);
    CHECK(inputs.n_rows > 1);
    fail_start = true;
    struct help_docs all = help_read_inputs(&inputs, WM_BATCH_TEXT, WM_BATCH_DOCS);
    fail_start = false;
    CHECK(all.n > 0 && all.n < PAGES);
    CHECK_U64(all.tally.n_damage, inputs.n_rows - 1);
    CHECK_DAMAGE(all, "cannot read");
    CHECK_(strstr(all.damage, "damaged") == NULL, "%s", all.damage);
    help_done(&all);
    wm_buf_done(&bytes);
}

/* One that is damaged is no lack of memory. */
static void test_dictionary_damaged(void)
{
    struct wm_buf bytes = help_buf();
    put_dictionary_file(&bytes, false);
    memset(bytes.ptr + 16, 0xFF, 64); /* behind magic number and id: tables */
    struct help_docs all = help_read(help_store("bad-dictionary.warc.zst", &bytes));
    CHECK_U64(all.n, 0);
    CHECK_U64(all.tally.bad_files, 1);
    help_done(&all);
    wm_buf_done(&bytes);
}

/* ---- memory ---- */

static void test_zstd_window(void)
{
    /* frame header: no content size, window byte 0x98 = 2^(10 + 19) = 512 MiB */
    static const unsigned char frame[] = {0x28, 0xB5, 0x2F, 0xFD, 0x00, 0x98, 0x01, 0x00, 0x00};
    struct wm_buf bytes = help_buf();
    help_add(&bytes, frame, sizeof frame);
    struct help_docs all = help_read(help_store("window.jsonl.zst", &bytes));
    CHECK_U64(all.n, 0);
    CHECK_DAMAGE(all, "window of 512 MiB, over the limit of 128 MiB");
    help_done(&all);
    wm_buf_done(&bytes);
}

/* What reading a file ends with. */
static int read_status(const char *path)
{
    struct wm_source_options options = help_options();
    struct wm_inputs inputs;
    struct wm_reader *reader;
    struct wm_batch batch = {0};
    options.paths = (struct wm_list){&path, 1};
    wm_arena_init(&batch.arena, (size_t)1 << 31);
    CHECK_OK(wm_inputs_open(&options, &inputs, &help_err), help_err);
    CHECK_OK(wm_reader_open(&inputs, &inputs.tasks[0], &reader, &help_err), help_err);
    int more;
    while ((more = wm_reader_fill(reader, &batch, 0, WM_BATCH_TEXT, WM_BATCH_DOCS, &help_err)) > 0)
        wm_arena_reset(&batch.arena);
    wm_reader_close(reader);
    wm_inputs_close(&inputs);
    wm_arena_done(&batch.arena);
    return more;
}

/* Memory that ends ends the reading, wherever zstd asks for it; nothing is taken for damaged. */
static void test_memory(const char *name, struct wm_buf *bytes, unsigned least)
{
    const char *path = help_store(name, bytes);
    calls_left = UINT_MAX;
    CHECK(read_status(path) == 0);
    unsigned calls = UINT_MAX - calls_left;
    CHECK_(calls >= least, "%s: %u calls", name, calls);
    for (unsigned i = 0; i < calls; i += 1 + calls / 50) {
        calls_left = i;
        int status = read_status(path);
        CHECK_(status == WM_E_NOMEM, "%s: call %u of %u: status %d", name, i, calls, status);
    }
    calls_left = UINT_MAX;
}

static void test_memory_all(void)
{
    struct wm_buf bytes = help_buf(), plain = help_buf();
    put_dictionary_file(&bytes, false);
    test_memory("memory-dictionary.warc.zst", &bytes, PAGES + 1);
    put_dictionary_file(&bytes, true);
    test_memory("memory-packed.warc.zst", &bytes, PAGES + 2);
    for (unsigned i = 0; i < 40; i++)
        help_page(&plain, i, 300000);
    help_zstd(&bytes, wm_buf_str(&plain), 3);
    test_memory("memory-large.warc.wet.zst", &bytes, 40);
    for (unsigned i = 0; i < 3; i++) {
        plain.len = 0;
        help_page(&plain, i, PAGE);
        help_zstd(&bytes, wm_buf_str(&plain), 3);
        help_text(&bytes, "junk");
    }
    test_memory("memory-junk.warc.wet.zst", &bytes, 5);
    wm_buf_done(&bytes);
    wm_buf_done(&plain);
}

int main(void)
{
    help_open();
    test_skippable();
    test_skippable_lengths();
    test_dictionary(false);
    test_dictionary(true);
    test_dictionary_damaged();
    test_dictionary_unread();
    test_zstd_window();
    test_memory_all();
    help_close();
    return test_summary();
}
