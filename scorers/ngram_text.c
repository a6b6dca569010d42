/* SPDX-License-Identifier: Apache-2.0 */
/* Lines of a text file, plain or gzip (RFC 1952), member after member. */
#define ZLIB_CONST /* inflate does not write to its input */
#include <stdlib.h>
#include <zlib.h>

#include "scorers/ngram.h"

enum {
    READ_BYTES = 256 << 10,
    BUFFER = 2 * WM_NGRAM_MAX_LINE,
    ANY_GZIP = 15 + 16,      /* zlib's windowBits for gzip */
    MOST_TIMES_LARGER = 1032 /* DEFLATE cannot do more */
};

struct wm_ngram_text {
    struct wm_file *file; /* NULL: all bytes are at `at` */
    const unsigned char *at;
    size_t have;
    unsigned char *in; /* what was read of the file */
    bool in_ended, ended, gzip, z_ready, within_member;
    z_stream z;
    char *buffer;
    size_t from, to; /* lines not given out yet */
    uint64_t number, most;
};

static int refill(struct wm_ngram_text *t, struct wm_error *err)
{
    if (t->have || t->in_ended)
        return 0;
    if (!t->file) {
        t->in_ended = true;
        return 0;
    }
    int status = wm_file_read(t->file, t->in, READ_BYTES, &t->have, err);
    t->at = t->in;
    t->in_ended = t->have == 0;
    return status;
}

static int take_plain(struct wm_ngram_text *t, struct wm_error *err)
{
    int status = refill(t, err);
    size_t room = BUFFER - t->to, n = t->have < room ? t->have : room;
    if (status)
        return status;
    if (n)
        memcpy(t->buffer + t->to, t->at, n);
    t->at += n;
    t->have -= n;
    t->to += n;
    t->ended = t->in_ended;
    return 0;
}

static int take_gzip(struct wm_ngram_text *t, struct wm_error *err)
{
    int status = refill(t, err);
    if (status)
        return status;
    if (t->in_ended) {
        t->ended = true;
        return t->within_member ? wm_fail(err, WM_E_FORMAT, "the gzip data ends too early") : 0;
    }
    unsigned given = t->have < READ_BYTES ? (unsigned)t->have : READ_BYTES;
    unsigned room = (unsigned)(BUFFER - t->to);
    t->z.next_in = t->at;
    t->z.avail_in = given;
    t->z.next_out = (unsigned char *)t->buffer + t->to;
    t->z.avail_out = room;
    t->within_member = true;
    int got = inflate(&t->z, Z_NO_FLUSH);
    t->at += given - t->z.avail_in;
    t->have -= given - t->z.avail_in;
    t->to += room - t->z.avail_out;
    if (got == Z_STREAM_END) {
        t->within_member = false;
        return inflateReset(&t->z) == Z_OK ? 0 : wm_fail(err, WM_E_FORMAT, "bad gzip data");
    }
    return got == Z_OK ? 0 : wm_fail(err, WM_E_FORMAT, "bad gzip data");
}

int wm_ngram_text_line(struct wm_ngram_text *t, struct wm_str *ret, struct wm_error *err)
{
    for (size_t seen = t->from;;) {
        const char *end = t->to > seen ? memchr(t->buffer + seen, '\n', t->to - seen) : NULL;
        if (end || (t->ended && t->to > t->from)) {
            size_t stop = end ? (size_t)(end - t->buffer) : t->to;
            *ret = (struct wm_str){t->buffer + t->from, stop - t->from};
            t->from = stop + (end != NULL);
            t->number++;
            if (ret->len && ret->ptr[ret->len - 1] == '\r')
                ret->len--;
            return 1;
        }
        if (t->ended)
            return 0;
        if (t->to - t->from > WM_NGRAM_MAX_LINE)
            return wm_fail(err, WM_E_LIMIT, "line %llu is longer than %d bytes",
                           (unsigned long long)t->number + 1, WM_NGRAM_MAX_LINE);
        if (t->to == BUFFER) {
            memmove(t->buffer, t->buffer + t->from, t->to - t->from);
            t->to -= t->from;
            t->from = 0;
        }
        seen = t->to;
        int status = t->gzip ? take_gzip(t, err) : take_plain(t, err);
        if (status)
            return status;
    }
}

static int start(struct wm_ngram_text *t, struct wm_error *err)
{
    t->buffer = malloc(BUFFER);
    if (!t->buffer)
        return wm_fail_nomem(err, BUFFER, "lines");
    int status = refill(t, err);
    t->gzip = !status && t->have >= 2 && t->at[0] == 0x1F && t->at[1] == 0x8B;
    if (!t->gzip)
        return status;
    if (inflateInit2(&t->z, ANY_GZIP) != Z_OK)
        return wm_fail_nomem(err, 64 << 10, "gzip");
    t->z_ready = true;
    if (t->most < UINT64_MAX / MOST_TIMES_LARGER)
        t->most *= MOST_TIMES_LARGER;
    return 0;
}

static int open_file(struct wm_ngram_text *t, const char *path, struct wm_error *err)
{
    struct wm_stat stat = {0};
    int status = wm_file_open(path, &t->file, err);
    if (status)
        return status;
    t->in = malloc(READ_BYTES);
    if (!t->in)
        return wm_fail_nomem(err, READ_BYTES, "read buffer");
    t->most = UINT64_MAX;
    if (wm_file_seekable(t->file) && wm_stat(path, &stat, err) == 0)
        t->most = stat.size;
    return 0;
}

int wm_ngram_text_open(const char *path, struct wm_str bytes, struct wm_ngram_text **ret,
                       struct wm_error *err)
{
    struct wm_ngram_text *t = calloc(1, sizeof *t);
    if (!t)
        return wm_fail_nomem(err, sizeof *t, "lines");
    t->at = (const unsigned char *)bytes.ptr;
    t->have = t->most = bytes.len;
    int status = path ? open_file(t, path, err) : 0;
    if (!status)
        status = start(t, err);
    if (status)
        wm_ngram_text_close(t);
    else
        *ret = t;
    return status;
}

void wm_ngram_text_close(struct wm_ngram_text *t)
{
    if (!t)
        return;
    if (t->z_ready)
        (void)inflateEnd(&t->z);
    if (t->file)
        wm_file_close(t->file);
    free(t->in);
    free(t->buffer);
    free(t);
}

uint64_t wm_ngram_text_number(const struct wm_ngram_text *text)
{
    return text->number;
}

uint64_t wm_ngram_text_most(const struct wm_ngram_text *text)
{
    return text->most;
}
