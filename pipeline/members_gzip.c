/* SPDX-License-Identifier: Apache-2.0 */
/* gzip members (RFC 1952): small ones whole with libdeflate, large ones piece by piece with zlib.
 * Both check CRC-32 and length. */
#include <libdeflate.h>
#include <stdlib.h>
#include <zlib.h>

#include "pipeline/members.h"

enum {
    WHOLE_FIRST = 256 << 10, /* room tried first: most pages fit */
    PIECE_IN = 64 << 10,
    PIECE_OUT = 256 << 10,
    PROBE_OUT = 64 << 10, /* what has to decode before a header is believed */
    HEADER = 10,
    RESERVED_FLAGS = 0xE0,
    MAGIC = 0x1F,
    AUTO_GZIP = 15 + 16, /* zlib's windowBits for gzip */
};

struct wm_gzip {
    struct libdeflate_decompressor *whole;
    z_stream pieces;
    bool pieces_ready;
};

static int gzip_start(struct wm_members *m, struct wm_error *err)
{
    if (m->gzip)
        return 0;
    m->gzip = calloc(1, sizeof *m->gzip);
    if (!m->gzip)
        return wm_fail_nomem(err, sizeof *m->gzip, "gzip");
    m->gzip->whole = libdeflate_alloc_decompressor();
    m->gzip->pieces_ready = inflateInit2(&m->gzip->pieces, AUTO_GZIP) == Z_OK;
    if (!m->gzip->whole || !m->gzip->pieces_ready)
        return wm_fail_nomem(err, 64 << 10, "gzip");
    return 0;
}

static void gzip_done(struct wm_members *m)
{
    if (!m->gzip)
        return;
    if (m->gzip->whole)
        libdeflate_free_decompressor(m->gzip->whole);
    if (m->gzip->pieces_ready)
        (void)inflateEnd(&m->gzip->pieces);
    free(m->gzip);
    m->gzip = NULL;
}

static bool header_here(struct wm_source *source, size_t seen)
{
    const unsigned char *b = wm_source_bytes(source);
    return seen >= HEADER && b[0] == MAGIC && b[1] == 0x8B && b[2] == 8 &&
           (b[3] & RESERVED_FLAGS) == 0;
}

static void feed(struct wm_members *m, size_t seen, char *out, size_t room)
{
    z_stream *z = &m->gzip->pieces;
    /* zlib's next_in is const only in newer versions */
    z->next_in = (Bytef *)(uintptr_t)(wm_source_bytes(m->source) + m->fed);
    z->avail_in = (uInt)(seen - m->fed);
    z->next_out = (Bytef *)out;
    z->avail_out = (uInt)room;
}

/* Behind damage: does a member start here, and does its beginning decode? */
static int probe(struct wm_members *m, bool *ret, struct wm_error *err)
{
    size_t seen = wm_source_see(m->source, PIECE_IN);
    *ret = false;
    if (!header_here(m->source, seen))
        return 0;
    int status = wm_members_room(m, PROBE_OUT, err);
    if (status)
        return status;
    (void)inflateReset(&m->gzip->pieces);
    m->fed = 0;
    feed(m, seen, m->window + m->ready, PROBE_OUT);
    int z = inflate(&m->gzip->pieces, Z_NO_FLUSH);
    size_t out = PROBE_OUT - m->gzip->pieces.avail_out;
    m->wasted += out + 1;
    *ret = z == Z_STREAM_END || (z == Z_OK && out > 0);
    return z == Z_MEM_ERROR ? wm_fail_nomem(err, 64 << 10, "gzip") : 0;
}

/* 1 = decoded, 0 = too large or damaged: piece by piece will tell. */
static int decode_whole(struct wm_members *m, struct wm_error *err)
{
    size_t seen = wm_source_seen(m->source), room = WHOLE_FIRST;
    for (;;) {
        int status = wm_members_room(m, room, err);
        if (status)
            return status;
        size_t in = 0, out = 0;
        room = m->cap - m->ready < WM_MEMBER_WHOLE ? m->cap - m->ready : WM_MEMBER_WHOLE;
        enum libdeflate_result result =
            libdeflate_gzip_decompress_ex(m->gzip->whole, wm_source_bytes(m->source), seen,
                                          m->window + m->ready, room, &in, &out);
        if (result == LIBDEFLATE_SUCCESS) {
            status = wm_members_mark(m, m->source->at, in, err);
            if (status)
                return status;
            wm_source_skip(m->source, in);
            m->ready += out;
            m->decoded += out;
            m->len = m->ready;
            return 1;
        }
        if (result == LIBDEFLATE_INSUFFICIENT_SPACE) {
            if (room >= WM_MEMBER_WHOLE)
                return 0;
            room = room * 4 < WM_MEMBER_WHOLE ? room * 4 : WM_MEMBER_WHOLE;
            continue;
        }
        size_t more = wm_source_see(m->source, WM_SOURCE_BUFFER);
        if (more == seen)
            return 0;
        seen = more;
    }
}

static int decode_piece(struct wm_members *m, struct wm_error *err)
{
    int status = wm_members_room(m, PIECE_OUT, err);
    if (status)
        return status;
    size_t seen = wm_source_see(m->source, m->fed + PIECE_IN);
    if (seen == m->fed)
        return wm_member_damaged(m, WM_FAULT_SHORT, err);
    feed(m, seen, m->window + m->ready, PIECE_OUT);
    int z = inflate(&m->gzip->pieces, Z_NO_FLUSH);
    wm_member_step(m, seen - m->fed - m->gzip->pieces.avail_in,
                   PIECE_OUT - m->gzip->pieces.avail_out);
    if (z == Z_STREAM_END)
        wm_member_end(m);
    else if (z == Z_MEM_ERROR)
        return wm_fail_nomem(err, 64 << 10, "gzip");
    else if (z != Z_OK && z != Z_BUF_ERROR)
        return wm_member_damaged(m, WM_FAULT_CORRUPT, err);
    return 0;
}

/* Tapes and some tools pad with zeros; gzip(1) passes over them silently too. */
static size_t skip_zeros(struct wm_source *source)
{
    size_t seen = wm_source_see(source, HEADER);
    while (seen > 0 && wm_source_bytes(source)[0] == 0) {
        size_t n = 1;
        while (n < seen && wm_source_bytes(source)[n] == 0)
            n++;
        wm_source_skip(source, n);
        seen = wm_source_see(source, HEADER);
    }
    return seen;
}

static int gzip_pull(struct wm_members *m, struct wm_error *err)
{
    if (m->inside)
        return decode_piece(m, err);
    size_t seen = wm_source_see(m->source, PIECE_IN);
    if (seen > 0 && wm_source_bytes(m->source)[0] == 0)
        seen = skip_zeros(m->source);
    if (seen == 0) {
        m->ended = true;
        return 0;
    }
    if (!header_here(m->source, seen))
        return wm_member_damaged(m, WM_FAULT_JUNK, err);
    if (!m->prefer_pieces) {
        int status = decode_whole(m, err);
        if (status)
            return status < 0 ? status : 0;
    }
    (void)inflateReset(&m->gzip->pieces);
    return wm_member_begin(m, err);
}

const struct wm_codec_ops wm_codec_gzip = {gzip_start, gzip_pull, gzip_done,    probe,
                                           MAGIC,      "gzip",    "gzip member"};
