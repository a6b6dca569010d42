/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/generate_text.h"

#include "wetmill/utf8.h"

#define REPLACEMENT WM_STR("\xEF\xBF\xBD")

static int put(const struct wm_text_stream *stream, struct wm_str text)
{
    return text.len ? stream->on_text(stream->arg, text) : 0;
}

static size_t character_length(char lead)
{
    unsigned char c = (unsigned char)lead;
    return c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC2 ? 2 : 1;
}

/* Might more bytes make a character of the invalid `s`? Only if all of `s` is a beginning of one:
 * then it is one maximal subpart (utf8.h) and shorter than its first byte says. */
static bool is_beginning(struct wm_str s)
{
    uint32_t code;
    return wm_utf8_decode(s, &code) == s.len && s.len < character_length(s.ptr[0]) &&
           (unsigned char)s.ptr[0] <= 0xF4;
}

/* Give out what is decided of `s`; `*rest` is the beginning of a character, or empty. */
static int give(const struct wm_text_stream *stream, struct wm_str s, struct wm_str *rest)
{
    int stop = 0;
    while (s.len && !stop) {
        size_t valid = wm_utf8_prefix(s);
        stop = put(stream, (struct wm_str){s.ptr, valid});
        s.ptr += valid;
        s.len -= valid;
        if (!s.len || stop || is_beginning(s))
            break;
        uint32_t code;
        size_t n = wm_utf8_decode(s, &code);
        s.ptr += n;
        s.len -= n;
        stop = put(stream, REPLACEMENT);
    }
    *rest = s;
    return stop;
}

int wm_text_stream_add(struct wm_text_stream *stream, struct wm_str bytes)
{
    /* Complete the pending character byte by byte, then take the rest in one piece. */
    struct wm_str rest;
    while (stream->n_pending && bytes.len) {
        stream->pending[stream->n_pending++] = *bytes.ptr++;
        bytes.len--;
        int stop = give(stream, (struct wm_str){stream->pending, stream->n_pending}, &rest);
        stream->n_pending = rest.len;
        if (rest.len)
            memmove(stream->pending, rest.ptr, rest.len);
        if (stop)
            return stop;
    }
    if (!bytes.len)
        return 0;
    int stop = give(stream, bytes, &rest);
    stream->n_pending = stop ? 0 : rest.len;
    if (stream->n_pending)
        memcpy(stream->pending, rest.ptr, rest.len);
    return stop;
}

int wm_text_stream_end(struct wm_text_stream *stream)
{
    bool unfinished = stream->n_pending > 0;
    stream->n_pending = 0;
    return unfinished ? put(stream, REPLACEMENT) : 0;
}
