/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding chunks: whatever stands before a place where the text can be cut is encoded by itself.
 *
 * A text can be cut where no added token reaches over the place and, for a named split, where a
 * piece ends that later bytes cannot change. Their pieces look ahead over the run they stand in and
 * at most three characters more ('re, 've, 'll); what a run is cut into depends on how it ends only
 * for its last pieces (blanks before a word, capitals before a small letter), of which there are
 * three at most. HELD_PIECES are kept back, which also covers the pieces that join what is not
 * UTF-8 behind them. Splitting what stands before such a place gives the same pieces again, unless
 * it is a blank: blanks at a text's end stay together, where those before a word may not. */
#include "tokenizer/encode.h"

#include <stdlib.h>

#include "wetmill/utf8.h"

enum {
    HELD_PIECES = 8,
    SLICE = 1 << 20, /* bytes taken at a time of a large chunk */
};

struct wm_encode_stream {
    struct wm_encoder *enc;
    unsigned flags;
    struct wm_buf text; /* not encoded yet */
    size_t wanted;      /* bytes of text before the next attempt */
    size_t checked;     /* bytes of text in which refused names have been looked for */
    uint64_t done;      /* bytes encoded */
    bool begun, named;  /* named: a split that can be followed */
};

int wm_encode_stream_new(struct wm_encoder *enc, unsigned flags, struct wm_encode_stream **ret,
                         struct wm_error *err)
{
    struct wm_encode_stream *s = calloc(1, sizeof *s);
    if (!s)
        return wm_fail_nomem(err, sizeof *s, "stream");
    s->enc = enc;
    s->flags = flags;
    s->named = !enc->tok->pieces && !enc->tok->nfc && bpe_pattern_is_scanned(enc->tok->pattern);
    wm_buf_init(&s->text, BPE_MAX_TEXT);
    *ret = s;
    return 0;
}

void wm_encode_stream_free(struct wm_encode_stream *s)
{
    if (!s)
        return;
    wm_buf_done(&s->text);
    free(s);
}

/* Whether the character before `end` may be a blank. Two or three lead bytes stand for whole rows
 * of characters, as cutting elsewhere does no harm. */
static bool behind_blank(struct wm_str text, size_t end)
{
    const unsigned char *at = (const unsigned char *)text.ptr + end - 1;
    if (*at < 0x80)
        return *at <= ' ' || *at == 0x7F;
    while ((*at & 0xC0) == 0x80)
        at--;
    switch (at[0]) {
    case 0xC2: /* U+0085, U+00A0 */
        return true;
    case 0xE1: /* U+1680, U+180E */
        return at[1] == 0x9A || at[1] == 0xA0;
    case 0xE2: /* U+2000 to U+205F */
        return at[1] == 0x80 || at[1] == 0x81;
    case 0xE3: /* U+3000 */
        return at[1] == 0x80;
    default:
        return false;
    }
}

/* End of the last piece of `text` that has HELD_PIECES behind it and does not end in a blank, 0 if
 * there is none. */
static int certain_pieces(struct wm_encoder *enc, struct wm_str text, size_t *ret,
                          struct wm_error *err)
{
    uint32_t last[HELD_PIECES] = {0}; /* a ring */
    size_t n_pieces = 0;
    int n;
    *ret = 0;
    text.len = wm_utf8_prefix(text);
    bpe_split(enc->splitter, text);
    while ((n = bpe_next_pieces(enc->splitter, enc->block.ends, BPE_BLOCK, err)) > 0)
        for (int i = 0; i < n; i++) {
            uint32_t end = last[n_pieces % HELD_PIECES];
            if (end && !behind_blank(text, end))
                *ret = end;
            last[n_pieces++ % HELD_PIECES] = enc->block.ends[i];
        }
    return n;
}

/* Where what is there can be cut, 0 if nowhere. */
static int find_cut(struct wm_encode_stream *s, size_t *ret, struct wm_error *err)
{
    struct wm_encoder *enc = s->enc;
    struct wm_str text = wm_buf_str(&s->text);
    /* Names that begin before `limit` are there to their ends. */
    size_t longest = bpe_longest_name(enc, s->flags), more = longest ? longest - 1 : 0;
    size_t limit = text.len > more ? text.len - more : 0, pieces = 0;
    *ret = 0;
    int status = bpe_find_stretch(enc, text, limit, s->flags, err);
    if (status)
        return status;
    size_t start = enc->stretch.start, end = enc->stretch.end;
    *ret = start;
    if (end <= limit && end < text.len) { /* a name stands there */
        *ret = end;
    } else if (s->named && limit > start) {
        status =
            certain_pieces(enc, (struct wm_str){text.ptr + start, limit - start}, &pieces, err);
        *ret = start + pieces;
    }
    return status;
}

static int encode_front(struct wm_encode_stream *s, size_t n, struct wm_ids *ids,
                        struct wm_error *err)
{
    int status = s->begun ? 0 : bpe_put_around(s->enc, s->flags, false, ids, err);
    if (!status && n)
        status = bpe_encode(s->enc, (struct wm_str){s->text.ptr, n}, s->flags, ids, err);
    if (status)
        return status;
    s->begun = true;
    s->text.len -= n;
    s->checked -= n < s->checked ? n : s->checked;
    s->done += n;
    if (n && s->text.len)
        memmove(s->text.ptr, s->text.ptr + n, s->text.len);
    return 0;
}

static int check_refused(struct wm_encode_stream *s, struct wm_error *err)
{
    size_t longest = bpe_longest_name(s->enc, s->flags);
    size_t from = s->checked > longest ? s->checked - longest : 0;
    s->checked = s->text.len;
    return bpe_check_refused(s->enc, wm_buf_str(&s->text), from, s->done, s->flags, err);
}

static int feed(struct wm_encode_stream *s, struct wm_str slice, struct wm_ids *ids,
                struct wm_error *err)
{
    size_t cut = 0;
    if (slice.len > BPE_MAX_TEXT - s->text.len)
        return wm_fail(err, WM_E_LIMIT,
                       "from byte %llu on, %d bytes give no place where the text can be cut",
                       (unsigned long long)s->done, BPE_MAX_TEXT);
    int status = wm_buf_add(&s->text, slice.ptr, slice.len, err);
    if (!status)
        status = check_refused(s, err);
    if (status || s->text.len < s->wanted)
        return status;
    status = find_cut(s, &cut, err);
    if (!status)
        status = encode_front(s, cut, ids, err);
    /* Attempts at growing distances, so that a long piece is not split again for each chunk. */
    s->wanted = s->text.len + s->text.len / 2;
    return status;
}

int wm_encode_stream_feed(struct wm_encode_stream *s, struct wm_str chunk, struct wm_ids *ids,
                          struct wm_error *err)
{
    size_t before = ids->n;
    int status = 0;
    for (size_t n; chunk.len && !status; chunk.ptr += n, chunk.len -= n) {
        n = chunk.len < SLICE ? chunk.len : SLICE;
        status = feed(s, (struct wm_str){chunk.ptr, n}, ids, err);
    }
    if (status)
        ids->n = before;
    return status;
}

int wm_encode_stream_finish(struct wm_encode_stream *s, struct wm_ids *ids, struct wm_error *err)
{
    size_t before = ids->n;
    int status = encode_front(s, s->text.len, ids, err);
    if (!status)
        status = bpe_put_around(s->enc, s->flags, true, ids, err);
    if (status)
        ids->n = before;
    s->begun = false;
    s->done = s->wanted = 0;
    return status;
}
