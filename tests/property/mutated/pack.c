/* SPDX-License-Identifier: Apache-2.0 */
/* Packing and unpacking without the code under test. */
#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "archives.h"
#include "wetmill/file.h"

enum { GZIP_BITS = 15 + 16, STEP = 64 };

static void pack_gzip(struct wm_buf *out, struct wm_str bytes)
{
    struct wm_error err;
    z_stream z = {0};
    if (deflateInit2(&z, 6, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        wm_buf_reserve(out, deflateBound(&z, bytes.len) + 64, &err))
        give_up("gzip");
    z.next_in = (Bytef *)(uintptr_t)bytes.ptr;
    z.avail_in = (uInt)bytes.len;
    z.next_out = (Bytef *)out->ptr + out->len;
    z.avail_out = (uInt)(out->cap - out->len);
    if (deflate(&z, Z_FINISH) != Z_STREAM_END)
        give_up("gzip");
    out->len += z.total_out;
    (void)deflateEnd(&z);
}

static void pack_zstd(struct wm_buf *out, struct wm_str bytes)
{
    struct wm_error err;
    ZSTD_CCtx *c = ZSTD_createCCtx();
    if (!c || wm_buf_reserve(out, ZSTD_compressBound(bytes.len), &err) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_checksumFlag, 1)))
        give_up("zstd");
    size_t n = ZSTD_compress2(c, out->ptr + out->len, out->cap - out->len, bytes.ptr, bytes.len);
    if (ZSTD_isError(n))
        give_up("zstd");
    out->len += n;
    (void)ZSTD_freeCCtx(c);
}

static la_ssize_t take_packed(struct archive *a, void *out, const void *bytes, size_t len)
{
    (void)a;
    buf_put(out, bytes, len);
    return (la_ssize_t)len;
}

static void pack_xz(struct wm_buf *out, struct wm_str bytes)
{
    struct archive *a = archive_write_new();
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_filetype(entry, AE_IFREG);
    if (archive_write_set_format_raw(a) || archive_write_add_filter_xz(a) ||
        archive_write_set_bytes_per_block(a, 0) ||
        archive_write_open(a, out, NULL, take_packed, NULL) || archive_write_header(a, entry) ||
        archive_write_data(a, bytes.ptr, bytes.len) != (la_ssize_t)bytes.len ||
        archive_write_close(a))
        give_up("xz");
    (void)archive_write_free(a);
    archive_entry_free(entry);
}

void pack(struct wm_buf *out, struct wm_str bytes, const char *ending)
{
    if (strcmp(ending, ".gz") == 0)
        pack_gzip(out, bytes);
    else if (strcmp(ending, ".zst") == 0)
        pack_zstd(out, bytes);
    else if (strcmp(ending, ".xz") == 0)
        pack_xz(out, bytes);
    else
        buf_put(out, bytes.ptr, bytes.len);
}

const char *find_words(struct wm_str s, const char *words)
{
    size_t n = strlen(words);
    while (s.len >= n) {
        const char *at = memchr(s.ptr, words[0], s.len - n + 1);
        if (!at || memcmp(at, words, n) == 0)
            return at;
        s.len -= (size_t)(at + 1 - s.ptr);
        s.ptr = at + 1;
    }
    return NULL;
}

/* ---- which bytes give which ---- */

static void map_gzip(struct wm_str packed, uint64_t *map)
{
    static unsigned char out[1 << 18];
    z_stream z = {0};
    if (inflateInit2(&z, GZIP_BITS) != Z_OK)
        give_up("gzip");
    for (size_t at = 0; at < packed.len; at += STEP) {
        map[at / STEP] = z.total_out;
        z.next_in = (Bytef *)(uintptr_t)(packed.ptr + at);
        z.avail_in = (uInt)(packed.len - at < STEP ? packed.len - at : STEP);
        do {
            z.next_out = out;
            z.avail_out = sizeof out;
            if (inflate(&z, Z_NO_FLUSH) < Z_BUF_ERROR)
                give_up("gzip");
        } while (z.avail_out == 0);
    }
    (void)inflateEnd(&z);
}

static void map_zstd(struct wm_str packed, uint64_t *map)
{
    static unsigned char bytes[1 << 18];
    ZSTD_DCtx *c = ZSTD_createDCtx();
    uint64_t total = 0;
    for (size_t at = 0; c && at < packed.len; at += STEP) {
        ZSTD_inBuffer in = {packed.ptr + at, packed.len - at < STEP ? packed.len - at : STEP, 0};
        ZSTD_outBuffer out = {bytes, sizeof bytes, 0};
        map[at / STEP] = total;
        do {
            out.pos = 0;
            if (ZSTD_isError(ZSTD_decompressStream(c, &out, &in)))
                give_up("zstd");
            total += out.pos;
        } while (in.pos < in.size || out.pos == out.size);
    }
    (void)ZSTD_freeDCtx(c);
}

uint64_t *map_output(struct wm_str packed, const char *ending)
{
    uint64_t *map = calloc(packed.len / STEP + 1, sizeof *map);
    if (!map)
        give_up("no memory for a map");
    if (strcmp(ending, ".gz") == 0)
        map_gzip(packed, map);
    else if (strcmp(ending, ".zst") == 0)
        map_zstd(packed, map);
    return map;
}

/* ---- files ---- */

bool load_file(const char *path, size_t most, struct wm_buf *ret)
{
    struct wm_error err;
    FILE *file = fopen(path, "rb");
    if (!file)
        return false;
    for (size_t n = 1; n > 0 && ret->len < most; ret->len += n) {
        if (wm_buf_reserve(ret, 1 << 16, &err))
            give_up("%s", err.what);
        n = fread(ret->ptr + ret->len, 1, 1 << 16, file);
    }
    (void)fclose(file);
    return true;
}

bool load_plain(const char *path, size_t most, struct wm_buf *ret)
{
    struct wm_buf packed = buf_new();
    struct wm_error err;
    struct wm_str name = wm_str_of(path);
    bool zst = wm_str_ends(name, WM_STR(".zst")), gz = wm_str_ends(name, WM_STR(".gz"));
    if (!load_file(path, zst || gz ? SIZE_MAX : most, &packed))
        return false;
    if (wm_buf_reserve(ret, most, &err))
        give_up("%s", err.what);
    if (zst) {
        ZSTD_DCtx *c = ZSTD_createDCtx();
        ZSTD_inBuffer in = {packed.ptr, packed.len, 0};
        ZSTD_outBuffer out = {ret->ptr, most, 0};
        while (c && in.pos < in.size && out.pos < out.size &&
               !ZSTD_isError(ZSTD_decompressStream(c, &out, &in))) {
        }
        ret->len = out.pos;
        (void)ZSTD_freeDCtx(c);
    } else if (gz) {
        z_stream z = {.next_in = (Bytef *)packed.ptr,
                      .avail_in = (uInt)packed.len,
                      .next_out = (Bytef *)ret->ptr,
                      .avail_out = (uInt)most};
        if (inflateInit2(&z, GZIP_BITS) != Z_OK)
            give_up("gzip");
        while (z.avail_in && z.avail_out && inflate(&z, Z_NO_FLUSH) == Z_STREAM_END) {
            Bytef *in = z.next_in, *out = z.next_out;
            uInt n_in = z.avail_in, n_out = z.avail_out;
            (void)inflateReset(&z);
            z.next_in = in, z.avail_in = n_in, z.next_out = out, z.avail_out = n_out;
        }
        ret->len = most - z.avail_out;
        (void)inflateEnd(&z);
    } else {
        buf_put(ret, packed.ptr, packed.len);
    }
    wm_buf_done(&packed);
    return true;
}

void store(const char *dir, const char *name, struct wm_str bytes, char *path)
{
    (void)snprintf(path, WM_PATH_MAX, "%s/%s", dir, name);
    FILE *file = fopen(path, "wb");
    if (!file || (bytes.len && fwrite(bytes.ptr, 1, bytes.len, file) != bytes.len) || fclose(file))
        give_up("%s cannot be written", path);
}
