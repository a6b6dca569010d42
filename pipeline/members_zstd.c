/* SPDX-License-Identifier: Apache-2.0 */
/* zstd frames (RFC 8878): small ones whole, large ones piece by piece. Skippable frames are passed
 * over, but for the first of a .warc.zst file: it holds the dictionary of all others, compressed
 * or not (IIPC, "Zstandard compression for WARC files", draft 1.0). */
#include "pipeline/zstd_frames.h"

#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "pipeline/members.h"

enum {
    PIECE_IN = 128 << 10,
    PIECE_OUT = 256 << 10,
    PROBE_OUT = 64 << 10,
    MAGIC = 0x28,
    DICTIONARY_NIBBLE = 0xD,
    SKIPPABLE_HEADER = 8,
    WINDOW_LOG = 27, /* WM_ZSTD_WINDOW */
};
_Static_assert(1 << WINDOW_LOG == WM_ZSTD_WINDOW, "one limit, said twice");

static const unsigned char dictionary_magic[] = {0x37, 0xA4, 0x30, 0xEC};

struct wm_zstd {
    ZSTD_DCtx *context;
    ZSTD_DDict *dictionary;
    /* of the frame that is decoded piece by piece */
    size_t part; /* bytes left of its header, a block or the checksum */
    bool last;   /* no block follows */
};

static void forget_dictionary(struct wm_zstd *z)
{
    if (z->context)
        (void)ZSTD_DCtx_refDDict(z->context, NULL);
    (void)ZSTD_freeDDict(z->dictionary);
    z->dictionary = NULL;
}

static void zstd_done(struct wm_members *m)
{
    if (!m->zstd)
        return;
    forget_dictionary(m->zstd);
    (void)ZSTD_freeDCtx(m->zstd->context);
    free(m->zstd);
    m->zstd = NULL;
}

/* Memory that ends says nothing about the data. */
static int check_memory(size_t result, struct wm_error *err)
{
    return ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation ? wm_fail_nomem(err, 0, "zstd")
                                                                     : 0;
}

/* zstd gives no reason where it makes no dictionary: one that is sound fits an empty frame, for which
 * no memory is needed. */
static bool is_sound(struct wm_members *m, const unsigned char *bytes, size_t len)
{
    static const unsigned char empty[] = {0x28, 0xB5, 0x2F, 0xFD, 0x20, 0, 1, 0, 0};
    char none;
    return !ZSTD_isError(
        ZSTD_decompress_usingDict(m->zstd->context, &none, 1, empty, sizeof empty, bytes, len));
}

/* One without the dictionary's own magic number is something else's business, one that is damaged
 * shows in the frames. */
static int make_dictionary(struct wm_members *m, const unsigned char *bytes, size_t len,
                           struct wm_error *err)
{
    struct wm_zstd *z = m->zstd;
    if (len <= 8 || memcmp(bytes, dictionary_magic, 4) != 0)
        return 0;
    z->dictionary = ZSTD_createDDict(bytes, len);
    if (!z->dictionary)
        return is_sound(m, bytes, len) ? wm_fail_nomem(err, len, "zstd dictionary") : 0;
    return ZSTD_isError(ZSTD_DCtx_refDDict(z->context, z->dictionary))
               ? wm_fail_nomem(err, len, "zstd dictionary")
               : 0;
}

/* The dictionary of `bytes`: as it is, or compressed. */
static int use_dictionary(struct wm_members *m, const unsigned char *bytes, size_t len,
                          struct wm_error *err)
{
    struct wm_frame frame;
    if (wm_frame_read(bytes, len, &frame) != 1 || frame.skippable)
        return make_dictionary(m, bytes, len, err);
    size_t most = frame.content < WM_ZSTD_DICTIONARY ? (size_t)frame.content : WM_ZSTD_DICTIONARY;
    unsigned char *unpacked = malloc(most + 1);
    if (!unpacked)
        return wm_fail_nomem(err, most, "zstd dictionary");
    size_t size = ZSTD_decompressDCtx(m->zstd->context, unpacked, most, bytes, len);
    int status = check_memory(size, err);
    if (!ZSTD_isError(size))
        status = make_dictionary(m, unpacked, size, err);
    free(unpacked);
    return status;
}

/* Size of the dictionary, 0 if no frame for one is at the start of the file. */
static int dictionary_size(struct wm_source *s, size_t *ret, struct wm_error *err)
{
    unsigned char head[SKIPPABLE_HEADER];
    size_t len = sizeof head;
    struct wm_frame frame;
    *ret = 0;
    int status = s->at > 0 ? wm_source_look(s, 0, head, len, &len, err) : 0;
    if (s->at == 0 && wm_source_see(s, len) >= len)
        memcpy(head, wm_source_bytes(s), len);
    else if (s->at == 0)
        len = 0;
    if (!status && len == sizeof head && wm_frame_read(head, len, &frame) == 1 && frame.skippable &&
        frame.nibble == DICTIONARY_NIBBLE && frame.size <= WM_ZSTD_DICTIONARY)
        *ret = (size_t)frame.size;
    return status;
}

/* A frame that cannot be looked at beforehand was cut short. */
static void report_cut(struct wm_members *m, uint64_t from)
{
    if (m->source->failed)
        return; /* which is told as such */
    bool plain = m->source == m->file;
    wm_report_damage(m->report, plain ? from : m->file->at,
                     "the file ends inside a skippable zstd frame");
    if (plain)
        m->report->tally.bytes_damaged += m->source->at - from;
}

static int read_dictionary(struct wm_members *m, unsigned char *bytes, size_t size, size_t *ret_len,
                           struct wm_error *err)
{
    struct wm_source *s = m->source;
    uint64_t from = s->at;
    if (from > 0)
        return wm_source_look(s, SKIPPABLE_HEADER, bytes, size, ret_len, err);
    wm_source_skip(s, SKIPPABLE_HEADER);
    *ret_len = 0;
    for (size_t n = 1; *ret_len < size && n > 0; *ret_len += n)
        n = wm_source_take(s, bytes + *ret_len, size - *ret_len);
    if (*ret_len < size)
        report_cut(m, from);
    return 0;
}

/* Is there no looking at what stands behind `n` bytes? (They have been asked for.) */
static bool is_out_of_sight(const struct wm_source *s, uint64_t n)
{
    return n > wm_source_seen(s) && (!s->file || !wm_file_seekable(s->file));
}

/* Behind `n` bytes, is there a frame or the end of the file? True where that cannot be seen. */
static bool goes_on_behind(struct wm_source *s, uint64_t n)
{
    enum { MAGIC_SIZE = 4 };
    unsigned char bytes[MAGIC_SIZE];
    const unsigned char *next = bytes;
    struct wm_error ignored;
    size_t seen = wm_source_seen(s), got = 0;
    if (n <= seen && (seen - n >= MAGIC_SIZE || !s->file)) {
        next = wm_source_bytes(s) + n;
        got = seen - (size_t)n;
        if (got < MAGIC_SIZE && (!s->ended || s->failed))
            return true;
    } else if (!s->file || !wm_file_seekable(s->file) ||
               wm_source_look(s, s->at + n, bytes, sizeof bytes, &got, &ignored)) {
        return true;
    }
    return got == 0 || wm_codec_detect(next, got) == WM_CODEC_ZSTD;
}

/* Is the length of the dictionary frame here right? If what it holds starts as a dictionary does, that
 * no frame stands behind it may be the frame's fault. */
static bool is_length_right(struct wm_source *s, uint64_t size)
{
    if (!wm_source_holds(s, size))
        return false;
    if (!is_out_of_sight(s, size) && goes_on_behind(s, size))
        return true;
    const unsigned char *content = wm_source_bytes(s) + SKIPPABLE_HEADER;
    return wm_source_seen(s) >= SKIPPABLE_HEADER + 4 &&
           (memcmp(content, dictionary_magic, 4) == 0 ||
            memcmp(content, "\x28\xB5\x2F\xFD", 4) == 0);
}

/* A dictionary frame stands at the start of the file, also when only a range of it is read. Where it
 * cannot be read, no frame can, and none of them is damaged. */
static int find_dictionary(struct wm_members *m, struct wm_error *err)
{
    struct wm_source *s = m->source;
    struct wm_error trouble;
    size_t size, got = 0;
    int failed = dictionary_size(s, &size, &trouble);
    if (!failed && (!size || (s->at == 0 && !is_length_right(s, SKIPPABLE_HEADER + size))))
        return 0;
    unsigned char *bytes = failed ? NULL : malloc(size);
    if (!failed && !bytes)
        return wm_fail_nomem(err, size, "zstd dictionary");
    if (!failed)
        failed = read_dictionary(m, bytes, size, &got, &trouble);
    if (failed)
        wm_source_fail(s, &trouble);
    int status = !failed && got == size ? use_dictionary(m, bytes, size, err) : 0;
    free(bytes);
    return status;
}

static int zstd_start(struct wm_members *m, struct wm_error *err)
{
    if (!m->zstd) {
        m->zstd = calloc(1, sizeof *m->zstd);
        if (!m->zstd)
            return wm_fail_nomem(err, sizeof *m->zstd, "zstd");
        m->zstd->context = ZSTD_createDCtx();
        if (!m->zstd->context)
            return wm_fail_nomem(err, 128 << 10, "zstd");
        (void)ZSTD_DCtx_setParameter(m->zstd->context, ZSTD_d_windowLogMax, WINDOW_LOG);
    }
    (void)ZSTD_DCtx_reset(m->zstd->context, ZSTD_reset_session_only);
    forget_dictionary(m->zstd);
    return find_dictionary(m, err);
}

/* What decoding the frame piece by piece takes. */
static uint64_t window_of(const struct wm_frame *frame)
{
    return frame->content < frame->window ? frame->content : frame->window;
}

/* The next `n` bytes of the frame, decoded into window[ready]: compressed bytes taken, bytes given,
 * and zstd's own result (0 = frame ended). What one call decodes before it meets damage is not
 * given: so a call gets one block. */
static size_t feed(struct wm_members *m, size_t n, size_t room, size_t *ret_in, size_t *ret_out)
{
    ZSTD_inBuffer in = {wm_source_bytes(m->source) + m->fed, n, 0};
    ZSTD_outBuffer out = {m->window + m->ready, room, 0};
    size_t result = ZSTD_decompressStream(m->zstd->context, &out, &in);
    *ret_in = in.pos;
    *ret_out = out.pos;
    return result;
}

/* The header of a frame with a small window in place of its own. */
static size_t small_header(const struct wm_members *m, const struct wm_frame *frame,
                           unsigned char ret[WM_FRAME_HEADER + 1])
{
    enum { WINDOW_AT = 5, SINGLE = 0x20, MIB_WINDOW = 10 << 3 };
    const unsigned char *bytes = wm_source_bytes(m->source);
    bool single = bytes[4] & SINGLE;
    size_t rest = WINDOW_AT + !single;
    memcpy(ret, bytes, WINDOW_AT);
    ret[4] &= (unsigned char)~SINGLE;
    ret[WINDOW_AT] = MIB_WINDOW;
    memcpy(ret + WINDOW_AT + 1, bytes + rest, frame->header - rest);
    return WINDOW_AT + 1 + frame->header - rest;
}

/* Does the frame here decode, as far as there is room for it? That far no window matters, and none is
 * taken for what may be junk. */
static size_t try_frame(struct wm_members *m, const struct wm_frame *frame, size_t seen,
                        size_t *ret_out)
{
    unsigned char header[WM_FRAME_HEADER + 1];
    size_t in, result;
    m->fed = 0;
    (void)ZSTD_DCtx_reset(m->zstd->context, ZSTD_reset_session_only);
    if (window_of(frame) <= WM_USUAL_WINDOW)
        return feed(m, seen, PROBE_OUT, &in, ret_out);
    ZSTD_inBuffer small = {header, small_header(m, frame, header), 0};
    ZSTD_outBuffer out = {m->window + m->ready, PROBE_OUT, 0};
    *ret_out = 0;
    result = ZSTD_decompressStream(m->zstd->context, &out, &small);
    if (ZSTD_isError(result))
        return result;
    m->fed = frame->header;
    result = feed(m, seen - m->fed, PROBE_OUT, &in, ret_out);
    m->fed = 0;
    return result;
}

static int probe(struct wm_members *m, bool *ret, struct wm_error *err)
{
    size_t seen = wm_source_see(m->source, PIECE_IN + WM_FRAME_HEADER);
    struct wm_frame frame;
    *ret = false;
    if (wm_frame_read(wm_source_bytes(m->source), seen, &frame) != 1 || frame.skippable ||
        frame.window > WM_ZSTD_WINDOW)
        return 0;
    int status = wm_members_room(m, PROBE_OUT, err);
    if (status)
        return status;
    size_t out, result = try_frame(m, &frame, seen, &out);
    m->wasted += out + 1;
    *ret = !ZSTD_isError(result);
    return check_memory(result, err);
}

/* Compressed size of the frame if all of it is seen, else 0; `*ret_most` bounds its content. */
static size_t frame_size(const unsigned char *bytes, size_t seen, const struct wm_frame *frame,
                         size_t *ret_most)
{
    struct wm_block block = {0};
    size_t at = frame->header, most = 0;
    while (!block.last) {
        if (seen - at < WM_BLOCK_HEADER || !wm_block_read(bytes + at, &block))
            return 0;
        at += WM_BLOCK_HEADER;
        if (seen - at < block.stored)
            return 0;
        at += block.stored;
        most += block.most;
        if (most > WM_MEMBER_WHOLE + WM_BLOCK_MOST)
            return 0;
    }
    at += frame->checksum ? 4 : 0;
    *ret_most = frame->content < most ? (size_t)frame->content : most;
    return at <= seen ? at : 0;
}

/* 1 = decoded, 0 = too large or damaged: piece by piece will tell. */
static int decode_whole(struct wm_members *m, const struct wm_frame *frame, struct wm_error *err)
{
    size_t seen = wm_source_seen(m->source), most = 0;
    size_t size = frame_size(wm_source_bytes(m->source), seen, frame, &most);
    if (size == 0) {
        seen = wm_source_see(m->source, WM_SOURCE_BUFFER);
        size = frame_size(wm_source_bytes(m->source), seen, frame, &most);
    }
    if (size == 0 || most > WM_MEMBER_WHOLE)
        return 0;
    int status = wm_members_room(m, most + 1, err);
    if (status)
        return status;
    size_t out = ZSTD_decompressDCtx(m->zstd->context, m->window + m->ready, m->cap - m->ready,
                                     wm_source_bytes(m->source), size);
    if (ZSTD_isError(out))
        return check_memory(out, err);
    status = wm_members_mark(m, m->source->at, size, err);
    if (status)
        return status;
    wm_source_skip(m->source, size);
    m->ready += out;
    m->decoded += out;
    m->len = m->ready;
    return 1;
}

/* Where the next call to the decoder ends. What is no block is left to it to refuse. */
static void next_part(struct wm_members *m, size_t seen)
{
    struct wm_zstd *z = m->zstd;
    struct wm_block block = {0};
    bool read = !z->last && seen - m->fed >= WM_BLOCK_HEADER &&
                wm_block_read(wm_source_bytes(m->source) + m->fed, &block);
    z->part = WM_BLOCK_HEADER + (read ? block.stored : 1);
    z->last = z->last || (read && block.last);
}

static int decode_piece(struct wm_members *m, struct wm_error *err)
{
    int status = wm_members_room(m, PIECE_OUT, err);
    if (status)
        return status;
    size_t seen = wm_source_see(m->source, m->fed + PIECE_IN);
    if (m->zstd->part == 0)
        next_part(m, seen);
    size_t n = m->zstd->part < seen - m->fed ? m->zstd->part : seen - m->fed, in, out;
    size_t result = feed(m, n, PIECE_OUT, &in, &out);
    if ((status = check_memory(result, err)))
        return status;
    m->zstd->part -= in;
    wm_member_step(m, in, out);
    if (ZSTD_isError(result))
        return wm_member_damaged(m, WM_FAULT_CORRUPT, err);
    if (result == 0)
        wm_member_end(m);
    else if (in == 0 && out == 0 && m->source->ended)
        return wm_member_damaged(m, WM_FAULT_SHORT, err);
    return 0;
}

/* A length that leads beyond the file, or to what is no frame, is not believed: what follows the
 * header may be frames. Where that cannot be seen it is believed until a frame is met on the way
 * (members.h). */
static int skip_frame(struct wm_members *m, const struct wm_frame *frame, struct wm_error *err)
{
    struct wm_source *s = m->source;
    uint64_t from = s->at;
    uint64_t size = frame->header + frame->size;
    if (!wm_source_holds(s, size))
        return wm_member_damaged(m, WM_FAULT_LONG, err);
    if (!goes_on_behind(s, size))
        return wm_member_damaged(m, WM_FAULT_LOOSE, err);
    bool inner = false, search = is_out_of_sight(s, size);
    wm_source_skip(s, frame->header);
    int status = search ? wm_member_pass(m, from + size, &inner, err) : 0;
    if (inner)
        wm_member_lost(m, WM_FAULT_INNER, from);
    if (status || inner)
        return status;
    for (uint64_t left = from + size - s->at; left > 0;) {
        size_t seen = wm_source_see(s, 1);
        size_t n = seen < left ? seen : (size_t)left;
        if (n == 0) {
            report_cut(m, from);
            return 0;
        }
        wm_source_skip(s, n);
        left -= n;
    }
    return 0;
}

static int zstd_pull(struct wm_members *m, struct wm_error *err)
{
    if (m->inside)
        return decode_piece(m, err);
    size_t seen = wm_source_see(m->source, PIECE_IN);
    if (seen == 0) {
        m->ended = true;
        return 0;
    }
    struct wm_frame frame;
    if (wm_frame_read(wm_source_bytes(m->source), seen, &frame) != 1)
        return wm_member_damaged(m, WM_FAULT_JUNK, err);
    if (frame.skippable)
        return skip_frame(m, &frame, err);
    if (frame.window > WM_ZSTD_WINDOW) {
        wm_report_damage(m->report, m->file->at,
                         "a zstd frame needs a window of %llu MiB, over the limit of %d MiB",
                         (unsigned long long)(frame.window >> 20), WM_ZSTD_WINDOW >> 20);
        return wm_member_damaged(m, WM_FAULT_JUNK, err); /* it may be junk that looks like one */
    }
    int status = m->prefer_pieces ? 0 : decode_whole(m, &frame, err);
    if (status)
        return status < 0 ? status : 0;
    status = wm_members_window(m, window_of(&frame), "a zstd frame", err);
    if (status)
        return status;
    (void)ZSTD_DCtx_reset(m->zstd->context, ZSTD_reset_session_only);
    m->zstd->part = frame.header;
    m->zstd->last = false;
    return wm_member_begin(m, err);
}

const struct wm_codec_ops wm_codec_zstd = {zstd_start, zstd_pull, zstd_done,   probe,
                                           MAGIC,      "zstd",    "zstd frame"};
