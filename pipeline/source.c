/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes as stored, through a sliding buffer. */
#include "pipeline/source.h"

#include <stdlib.h>
#include <string.h>

/* Tiny files are many: a little is read first, the whole buffer only when more is asked for. */
enum { FIRST_READ = 256 << 10 };

static int read_file(void *context, void *dst, size_t size, size_t *ret_len, struct wm_error *err)
{
    return wm_file_read(context, dst, size, ret_len, err);
}

int wm_source_start(struct wm_source *source, wm_source_read *read, void *context,
                    struct wm_error *err)
{
    if (!source->buffer)
        source->buffer = malloc(WM_SOURCE_BUFFER);
    if (!source->buffer)
        return wm_fail_nomem(err, WM_SOURCE_BUFFER, "reading");
    source->read = read;
    source->context = context;
    source->pos = source->len = 0;
    source->start = source->at = 0;
    source->left = UINT64_MAX;
    source->ended = source->failed = false;
    if (source->hash)
        (void)XXH3_128bits_reset(source->hash);
    return 0;
}

int wm_source_open(struct wm_source *source, const char *path, uint64_t start, uint64_t end,
                   struct wm_error *err)
{
    struct wm_file *file = NULL;
    int status = wm_file_open(path, &file, err);
    if (!status && start > 0)
        status = wm_file_seek(file, start, err);
    if (!status)
        status = wm_source_start(source, read_file, file, err);
    if (status) {
        wm_file_close(file);
        return status;
    }
    source->file = file;
    source->start = source->at = start;
    source->left = end - start;
    return 0;
}

void wm_source_end(struct wm_source *source)
{
    wm_file_close(source->file);
    source->file = NULL;
    source->read = NULL;
    source->ended = true;
    source->pos = source->len = 0;
}

void wm_source_done(struct wm_source *source)
{
    wm_file_close(source->file);
    free(source->buffer);
    (void)XXH3_freeState(source->hash);
    *source = (struct wm_source){0};
}

/* One read; a failure is remembered and ends the stream. */
static size_t read_some(struct wm_source *source, void *dst, size_t size)
{
    size_t want = size < source->left ? size : (size_t)source->left;
    size_t got = 0;
    if (source->ended || want == 0) {
        source->ended = source->ended || source->left == 0;
        return 0;
    }
    if (source->read(source->context, dst, want, &got, &source->failure)) {
        source->failed = source->ended = true;
        return 0;
    }
    if (got < want)
        source->ended = true;
    if (source->left != UINT64_MAX)
        source->left -= got;
    if (source->left == 0)
        source->ended = true;
    if (source->hash && got)
        (void)XXH3_128bits_update(source->hash, dst, got);
    return got;
}

size_t wm_source_see(struct wm_source *source, size_t want)
{
    size_t seen = wm_source_seen(source);
    if (seen >= want || source->ended)
        return seen;
    if (source->pos > 0 && seen > 0)
        memmove(source->buffer, source->buffer + source->pos, seen);
    source->pos = 0;
    source->len = seen;
    size_t room = WM_SOURCE_BUFFER - seen;
    if (source->at == source->start && seen == 0 && want <= FIRST_READ)
        room = FIRST_READ;
    source->len += read_some(source, source->buffer + seen, room);
    return wm_source_seen(source);
}

void wm_source_skip(struct wm_source *source, size_t n)
{
    source->pos += n;
    source->at += n;
}

size_t wm_source_take(struct wm_source *source, void *dst, size_t size)
{
    size_t n = wm_source_seen(source);
    if (n > 0) {
        n = n < size ? n : size;
        memcpy(dst, wm_source_bytes(source), n);
        wm_source_skip(source, n);
        return n;
    }
    n = read_some(source, dst, size);
    source->at += n;
    return n;
}

uint64_t wm_source_drain(struct wm_source *source)
{
    uint64_t total = 0;
    for (size_t n; (n = wm_source_see(source, 1)) > 0; total += n)
        wm_source_skip(source, n);
    return total;
}

int wm_source_look(struct wm_source *source, uint64_t at, void *dst, size_t size, size_t *ret_len,
                   struct wm_error *err)
{
    *ret_len = 0;
    if (!source->file || !wm_file_seekable(source->file))
        return 0;
    return wm_file_pread(source->file, dst, size, at, ret_len, err);
}

bool wm_source_holds(struct wm_source *source, uint64_t n)
{
    size_t seen = wm_source_see(source, n < WM_SOURCE_BUFFER ? (size_t)n : WM_SOURCE_BUFFER), got;
    if (n <= seen || source->failed)
        return true;
    if (source->ended || n - seen > source->left)
        return false;
    if (!source->file || !wm_file_seekable(source->file))
        return true;
    struct wm_error ignored;
    char last;
    return wm_source_look(source, source->at + n - 1, &last, 1, &got, &ignored) || got == 1;
}

void wm_source_fail(struct wm_source *source, const struct wm_error *why)
{
    wm_source_skip(source, wm_source_seen(source));
    source->failure = *why;
    source->failed = source->ended = true;
}

XXH128_hash_t wm_source_hash(const struct wm_source *source)
{
    return source->hash ? XXH3_128bits_digest(source->hash) : (XXH128_hash_t){0, 0};
}
