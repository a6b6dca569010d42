/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file reading_help.h
 * Making input files in every format, and reading them with all that must hold checked: bytes and
 * records are conserved, batches may be of any size, and every document can be read again at its
 * location with the same text.
 */
#ifndef WETMILL_TEST_READING_HELP_H
#define WETMILL_TEST_READING_HELP_H

#include <archive.h>
#include <archive_entry.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "test.h"
#include "wetmill/buf.h"
#include "wetmill/file.h"
#include "wetmill/inputs.h"

static struct wm_error help_err;
static char help_dir[] = "/tmp/wetmill-reading-XXXXXX";

static inline void help_open(void)
{
    if (!mkdtemp(help_dir))
        abort();
}

static inline void help_close(void)
{
    (void)wm_remove_tree(help_dir, &help_err);
}

/** A path in the test's directory; the last 16 stay valid. */
static inline const char *help_path(const char *name)
{
    static char paths[16][WM_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 16];
    (void)snprintf(path, WM_PATH_MAX, "%s/%s", help_dir, name);
    return path;
}

static inline struct wm_buf help_buf(void)
{
    struct wm_buf buf;
    wm_buf_init(&buf, (size_t)1 << 31);
    return buf;
}

static inline void help_add(struct wm_buf *buf, const void *bytes, size_t len)
{
    if (wm_buf_add(buf, bytes, len, &help_err))
        abort();
}

static inline void help_text(struct wm_buf *buf, const char *text)
{
    help_add(buf, text, strlen(text));
}

static inline void help_fill(struct wm_buf *buf, char c, size_t n)
{
    if (wm_buf_reserve(buf, n, &help_err))
        abort();
    memset(buf->ptr + buf->len, c, n);
    buf->len += n;
}

/** Write the bytes to NAME in the test's directory, and empty the buffer. Returns the path. */
static inline const char *help_store(const char *name, struct wm_buf *buf)
{
    const char *path = help_path(name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(buf->ptr, 1, buf->len, file) != buf->len || fclose(file))
        abort();
    buf->len = 0;
    return path;
}

/* ---- compression ---- */

static inline void help_gzip(struct wm_buf *out, struct wm_str bytes, int level)
{
    z_stream z = {0};
    if (deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        wm_buf_reserve(out, deflateBound(&z, bytes.len) + 64, &help_err))
        abort();
    z.next_in = (Bytef *)(uintptr_t)bytes.ptr;
    z.avail_in = (uInt)bytes.len;
    z.next_out = (Bytef *)out->ptr + out->len;
    z.avail_out = (uInt)(out->cap - out->len);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        abort();
    out->len += z.total_out;
    (void)deflateEnd(&z);
}

static inline void help_zstd(struct wm_buf *out, struct wm_str bytes, int level)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1);
    if (wm_buf_reserve(out, ZSTD_compressBound(bytes.len), &help_err))
        abort();
    size_t n = ZSTD_compress2(c, out->ptr + out->len, out->cap - out->len, bytes.ptr, bytes.len);
    if (ZSTD_isError(n))
        abort();
    out->len += n;
    (void)ZSTD_freeCCtx(c);
}

/** One frame that does not tell the size of its content, with a window of 2^log bytes. */
static inline void help_zstd_window(struct wm_buf *out, struct wm_str bytes, int log)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, 1);
    (void)ZSTD_CCtx_setParameter(c, ZSTD_c_windowLog, log);
    if (wm_buf_reserve(out, ZSTD_compressBound(bytes.len), &help_err))
        abort();
    ZSTD_inBuffer in = {bytes.ptr, bytes.len, 0};
    ZSTD_outBuffer packed = {out->ptr, out->cap, out->len};
    if (ZSTD_isError(ZSTD_compressStream2(c, &packed, &in, ZSTD_e_continue)) ||
        ZSTD_compressStream2(c, &packed, &in, ZSTD_e_end) != 0)
        abort();
    out->len = packed.pos;
    (void)ZSTD_freeCCtx(c);
}

static inline la_ssize_t help_archive_write(struct archive *a, void *out, const void *bytes,
                                            size_t len)
{
    (void)a;
    help_add(out, bytes, len);
    return (la_ssize_t)len;
}

static inline void help_xz(struct wm_buf *out, struct wm_str bytes)
{
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    if (archive_write_set_format_raw(a) || archive_write_add_filter_xz(a) ||
        archive_write_set_bytes_per_block(a, 0) ||
        archive_write_open(a, out, NULL, help_archive_write, NULL) ||
        archive_write_header(a, entry) ||
        archive_write_data(a, bytes.ptr, bytes.len) != (la_ssize_t)bytes.len ||
        archive_write_close(a))
        abort();
    (void)archive_write_free(a);
    archive_entry_free(entry);
}

/** With another dictionary: `code` stands for its size in the LZMA2 filter. */
static inline void help_xz_dictionary(struct wm_buf *out, struct wm_str bytes, unsigned char code)
{
    const size_t at = out->len + 12; /* behind the stream's header */
    help_xz(out, bytes);
    unsigned char *header = (unsigned char *)out->ptr + at, *filter = memchr(header, 0x21, 16);
    if (!filter || filter[1] != 1)
        abort();
    filter[2] = code;
    const unsigned size = header[0] * 4u;
    const uint32_t crc = (uint32_t)crc32(0, header, size);
    for (unsigned i = 0; i < 4; i++)
        header[size + i] = (unsigned char)(crc >> 8 * i);
}

/** "", ".gz", ".zst" or ".xz": append `bytes` in that form. */
static inline void help_pack(struct wm_buf *out, struct wm_str bytes, const char *ending)
{
    if (strcmp(ending, ".gz") == 0)
        help_gzip(out, bytes, 6);
    else if (strcmp(ending, ".zst") == 0)
        help_zstd(out, bytes, 3);
    else if (strcmp(ending, ".xz") == 0)
        help_xz(out, bytes);
    else
        help_add(out, bytes.ptr, bytes.len);
}

struct help_file {
    const char *name;
    struct wm_str bytes;
};

static inline void help_tar(struct wm_buf *out, const struct help_file *files, size_t n)
{
    struct archive *a = archive_write_new();
    if (archive_write_set_format_pax_restricted(a) ||
        archive_write_open(a, out, NULL, help_archive_write, NULL))
        abort();
    for (size_t i = 0; i < n; i++) {
        struct archive_entry *entry = archive_entry_new();
        archive_entry_set_pathname_utf8(entry, files[i].name);
        archive_entry_copy_pathname(entry, files[i].name);
        archive_entry_set_filetype(entry, AE_IFREG);
        archive_entry_set_perm(entry, 0644);
        archive_entry_set_size(entry, (la_int64_t)files[i].bytes.len);
        if (archive_write_header(a, entry) < ARCHIVE_WARN ||
            archive_write_data(a, files[i].bytes.ptr, files[i].bytes.len) < 0)
            abort();
        archive_entry_free(entry);
    }
    if (archive_write_close(a))
        abort();
    (void)archive_write_free(a);
}

/* ---- WARC ---- */

/** Append a record. `length` < 0: the true Content-Length. */
static inline void help_record(struct wm_buf *out, const char *type, const char *url,
                               struct wm_str body, long length)
{
    if (wm_buf_printf(out, &help_err,
                      "WARC/1.0\r\nWARC-Type: %s\r\nWARC-Target-URI: %s\r\n"
                      "WARC-Date: 2024-01-02T03:04:05Z\r\nWARC-Record-ID: <urn:uuid:%s>\r\n"
                      "WARC-Block-Digest: sha1:ABC\r\nContent-Type: text/plain\r\n"
                      "Content-Length: %ld\r\n\r\n",
                      type, url, url, length < 0 ? (long)body.len : length))
        abort();
    help_add(out, body.ptr, body.len);
    help_text(out, "\r\n\r\n");
}

/** A conversion record numbered i, with a body of its own of about `size` bytes. */
static inline void help_page(struct wm_buf *out, unsigned i, size_t size)
{
    char url[64];
    struct wm_buf body = help_buf();
    (void)snprintf(url, sizeof url, "http://example.org/%u", i);
    unsigned long long x = i * 2654435761u + 1;
    while (body.len < size) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        if (wm_buf_printf(&body, &help_err, "page %u says %llu%s", i, x >> 40,
                          x >> 62 ? " " : "\n"))
            abort();
    }
    help_text(&body, "\n");
    help_record(out, "conversion", url, wm_buf_str(&body), -1);
    wm_buf_done(&body);
}

/** Few documents (3) among much that is none (150 records). */
static inline const char *help_pages(const char *name, const char *ending, bool members)
{
    enum { RECORDS = 150, BODY = 20000, PAGE = 12000 };
    struct wm_buf record = help_buf(), body = help_buf(), out = help_buf();
    uint64_t x = 1;
    for (unsigned i = 0; i < RECORDS; i++) {
        body.len = 0;
        while (body.len < BODY) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            if (wm_buf_printf(&body, &help_err, "<p>%" PRIx64 "\n", x))
                abort();
        }
        help_record(&record, i % 3 ? "response" : "request", "http://a.example/", wm_buf_str(&body),
                    -1);
        if (i % 40 == 39)
            help_page(&record, i, PAGE);
        if (!members && i + 1 < RECORDS)
            continue;
        help_pack(&out, wm_buf_str(&record), ending);
        record.len = 0;
    }
    wm_buf_done(&record);
    wm_buf_done(&body);
    const char *path = help_store(name, &out);
    wm_buf_done(&out);
    return path;
}

/* ---- reading ---- */

static inline struct wm_source_options help_options(void)
{
    struct wm_source_options options = {0};
    wm_options_default(wm_source_option_table, &options);
    return options;
}

struct help_docs {
    struct wm_inputs inputs;
    struct wm_arena arena;
    struct wm_doc *docs; /**< Copies. */
    size_t n, cap;
    struct wm_read_tally tally; /**< Over all tasks. */
    char damage[4096];          /**< Words of all damage, a line each. */
    XXH128_hash_t hash;
};

static inline void help_keep(struct help_docs *all, const struct wm_doc *doc)
{
    if (all->n == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 64;
        all->docs = realloc(all->docs, all->cap * sizeof *all->docs);
        if (!all->docs)
            abort();
    }
    struct wm_doc copy = *doc;
    struct wm_str *strings[] = {
        &copy.text,      &copy.url,    &copy.date, &copy.digest,
        &copy.record_id, &copy.extra,  &copy.path, &copy.location.tar_member,
        &copy.title,     &copy.segment};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++)
        *strings[i] = wm_arena_str(&all->arena, *strings[i]);
    copy.lines.runs = wm_arena_alloc(&all->arena, doc->lines.n_runs + 1, sizeof *copy.lines.runs);
    if (doc->lines.n_runs)
        memcpy(copy.lines.runs, doc->lines.runs, doc->lines.n_runs * sizeof *copy.lines.runs);
    all->docs[all->n++] = copy;
}

static inline void help_sum(struct help_docs *all, const struct wm_read_tally *t,
                            const struct wm_damage *damage)
{
    uint64_t *to = (uint64_t *)&all->tally;
    const uint64_t *from = (const uint64_t *)t;
    for (size_t i = 0; i < sizeof *t / sizeof *to; i++)
        to[i] += from[i];
    for (uint64_t i = 0; i < t->n_damage && i < WM_DAMAGE_MAX; i++) {
        size_t used = strlen(all->damage);
        (void)snprintf(all->damage + used, sizeof all->damage - used, "@%llu #%llu %s\n",
                       (unsigned long long)damage[i].at, (unsigned long long)damage[i].record,
                       damage[i].what);
    }
    uint64_t rejected = 0;
    for (int i = 0; i < WM_READ_REASONS; i++)
        rejected += t->reasons[i];
    CHECK_U64(t->bytes, t->bytes_in_records + t->bytes_skipped);
    CHECK_U64(t->records, t->documents + rejected);
}

static inline void help_check_doc(const struct wm_doc *doc, size_t max_text, size_t n_docs)
{
    CHECK(doc->drop == 0 && doc->has == 0);
    CHECK(max_text > doc->text.len || n_docs == 1);
}

static inline void help_task(struct help_docs *all, uint32_t number, size_t max_text,
                             size_t max_docs)
{
    struct wm_reader *reader;
    struct wm_batch batch = {0};
    const struct wm_task *task = &all->inputs.tasks[number];
    wm_arena_init(&batch.arena, (size_t)1 << 31);
    CHECK_OK(wm_reader_open(&all->inputs, task, &reader, &help_err), help_err);
    int more;
    while ((more = wm_reader_fill(reader, &batch, 3, max_text, max_docs, &help_err)) > 0) {
        CHECK(batch.n_docs <= max_docs);
        for (size_t i = 0; i < batch.n_docs; i++) {
            help_check_doc(&batch.docs[i], max_text, batch.n_docs);
            help_keep(all, &batch.docs[i]);
        }
        wm_arena_reset(&batch.arena);
    }
    CHECK(more == 0);
    help_sum(all, wm_reader_tally(reader), wm_reader_damage(reader));
    XXH128_hash_t rows = wm_inputs_combine(wm_reader_hashes(reader), task->n);
    XXH128_hash_t both[] = {all->hash, rows};
    all->hash = all->inputs.n_tasks == 1 ? rows : wm_inputs_combine(both, 2);
    wm_reader_close(reader);
    wm_arena_done(&batch.arena);
}

/** Every document must be found again at its location. */
static inline void help_again(const struct help_docs *all)
{
    struct wm_batch batch = {0};
    wm_arena_init(&batch.arena, (size_t)1 << 31);
    for (size_t i = 0; i < all->n; i++) {
        const struct wm_doc *doc = &all->docs[i];
        char *path = wm_arena_cstr(&batch.arena, doc->path);
        int status = wm_reader_at(&all->inputs.options, path, &doc->location, &batch, &help_err);
        CHECK_(status == 0, "%s: document %zu: %s: %s", path, i, help_err.where, help_err.what);
        if (!status) {
            CHECK_U64(batch.n_docs, 1);
            CHECK_STR(batch.docs[0].text, doc->text);
            CHECK_STR(batch.docs[0].url, doc->url);
            CHECK_STR(batch.docs[0].path, doc->path);
        }
        wm_arena_reset(&batch.arena);
    }
    wm_arena_done(&batch.arena);
}

static inline void help_done(struct help_docs *all)
{
    free(all->docs);
    wm_arena_done(&all->arena);
    if (all->inputs.rows)
        wm_inputs_close(&all->inputs);
}

/** Read an opened input table. */
static inline struct help_docs help_read_inputs(const struct wm_inputs *inputs, size_t max_text,
                                                size_t max_docs)
{
    struct help_docs all = {.inputs = *inputs};
    wm_arena_init(&all.arena, (size_t)1 << 31);
    for (uint32_t i = 0; i < inputs->n_tasks; i++)
        help_task(&all, i, max_text, max_docs);
    CHECK_U64(all.tally.documents, all.n);
    for (size_t i = 1; i < all.n; i++)
        if (wm_str_eq(all.docs[i].path, all.docs[i - 1].path))
            CHECK(wm_key_compare(all.docs[i - 1].key, all.docs[i].key) < 0);
    return all;
}

/** Read one path with `options`; everything that must hold is checked. */
static inline struct help_docs help_read_with(struct wm_source_options options, const char *path,
                                              bool again)
{
    struct wm_inputs inputs = {0};
    options.paths = (struct wm_list){&path, 1};
    int status = wm_inputs_open(&options, &inputs, &help_err);
    CHECK_(status == 0, "%s: %s: %s", path, help_err.where, help_err.what);
    inputs.options.paths = (struct wm_list){0};
    struct help_docs all = help_read_inputs(&inputs, WM_BATCH_TEXT, WM_BATCH_DOCS);
    if (again)
        help_again(&all);
    return all;
}

static inline struct help_docs help_read(const char *path)
{
    return help_read_with(help_options(), path, true);
}

/** Damage must be told in these words. */
#define CHECK_DAMAGE(all, words)                                                              \
    CHECK_(strstr((all).damage, (words)) != NULL, "damage \"%s\" lacks \"%s\"", (all).damage, \
           (words))

#endif /* WETMILL_TEST_READING_HELP_H */
