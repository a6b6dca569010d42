/* SPDX-License-Identifier: Apache-2.0 */
/* A SentencePiece model as a tokenizer: making it, and back to text. */
#define XXH_STATIC_LINKING_ONLY
#include "tokenizer/sentencepiece.h"

#include <stdlib.h>

/* ---- making ---- */

/* What the piece writes in the middle of a text: "▁" is a space, a byte piece its byte. */
static size_t bytes_of(const struct wm_sp *model, uint32_t id, char ret[WM_SP_MAX_PIECE_BYTES])
{
    const struct wm_str space = WM_STR("\xE2\x96\x81");
    struct wm_str piece = wm_sp_piece(model, id);
    enum wm_sp_type type = wm_sp_piece_type(model, id);
    size_t n = 0;
    if (type == WM_SP_BYTE) {
        ret[0] = (char)wm_sp_byte(model, id);
        return 1;
    }
    bool is_name = type == WM_SP_CONTROL || type == WM_SP_UNKNOWN;
    while (piece.len) {
        size_t used = !is_name && wm_str_starts(piece, space) ? space.len : 1;
        ret[n++] = used > 1 ? ' ' : *piece.ptr;
        piece.ptr += used;
        piece.len -= used;
    }
    return n;
}

static int put_pieces(struct wm_tokenizer *tok, struct wm_error *err)
{
    char bytes[WM_SP_MAX_PIECE_BYTES];
    int status = 0;
    for (uint32_t id = 0; id < wm_sp_count(tok->pieces) && !status; id++) {
        enum wm_sp_type type = wm_sp_piece_type(tok->pieces, id);
        bool special = type == WM_SP_CONTROL || type == WM_SP_UNKNOWN;
        size_t len = bytes_of(tok->pieces, id, bytes);
        status = bpe_put_token(tok, id, (struct wm_str){bytes, len},
                               special ? BPE_SPECIAL : BPE_TOKEN, err);
        if (!status && special)
            status = bpe_put_added(tok, id, false, err);
        if (!special && len > tok->max_token)
            tok->max_token = (uint32_t)len;
    }
    return status;
}

static void take_identity(struct wm_tokenizer *tok)
{
    static const char kind[] = "wetmill tokenizer 1: SentencePiece";
    unsigned char canonical[sizeof(XXH128_canonical_t)];
    XXH128_hash_t model = wm_sp_identity(tok->pieces);
    XXH3_state_t state;
    (void)XXH3_128bits_reset(&state);
    (void)XXH3_128bits_update(&state, kind, sizeof kind);
    XXH128_canonicalFromHash((XXH128_canonical_t *)(void *)canonical, model);
    (void)XXH3_128bits_update(&state, canonical, sizeof canonical);
    tok->identity = XXH3_128bits_digest(&state);
}

int sp_parse(struct wm_str file, struct wm_tokenizer **ret, struct wm_error *err)
{
    struct wm_tokenizer *tok = NULL;
    int status = bpe_new(&tok, err);
    if (status)
        return status;
    status = wm_sp_parse(file, &tok->pieces, err);
    if (!status)
        status = wm_buf_add(&tok->file, file.ptr, file.len, err);
    if (!status)
        status = put_pieces(tok, err);
    if (!status)
        status = bpe_index_added(tok, err);
    if (status) {
        wm_tokenizer_free(tok);
        return status;
    }
    take_identity(tok);
    *ret = tok;
    return 0;
}

void sp_roles(const struct wm_tokenizer *tok, uint32_t ret[4])
{
    ret[0] = wm_sp_begin(tok->pieces);
    ret[1] = wm_sp_end(tok->pieces);
    ret[2] = wm_sp_pad(tok->pieces);
    ret[3] = wm_sp_unknown(tok->pieces);
}

int sp_format_model(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    if (!tok->pieces)
        return wm_fail(err, WM_E_FORMAT,
                       "a SentencePiece model cannot express byte-level BPE with a split pattern");
    return wm_buf_add(out, tok->file.ptr, tok->file.len, err);
}

/* ---- text to ids ---- */

/* Where the pieces stand in `text`: the normalised text must be the text but for the space put in
 * front or behind, which has no place in it. */
static int place(const struct wm_tokenizer *tok, const struct wm_sp_pieces *pieces,
                 struct wm_str text, size_t base, struct wm_span *ret, struct wm_error *err)
{
    const struct wm_str space = WM_STR("\xE2\x96\x81");
    const struct wm_sp_rules rules = wm_sp_rules(tok->pieces);
    const size_t mark = !rules.adds_space ? 0 : rules.escapes_spaces ? space.len : 1;
    size_t from = rules.space_is_suffix ? 0 : mark, i = 0, at = 0;
    size_t to = pieces->text.len - (rules.space_is_suffix && pieces->n ? mark : 0);
    bool same = true;
    for (size_t k = 0; k < pieces->n; k++) {
        ret[k].start = (uint32_t)(base + at);
        while (i < pieces->ends[k] && same) {
            struct wm_str rest = {pieces->text.ptr + i, pieces->text.len - i};
            bool put_in = i < from || i >= to;
            bool escaped = !put_in && at < text.len && text.ptr[at] == ' ' &&
                           rules.escapes_spaces && wm_str_starts(rest, space);
            same = put_in || escaped || (at < text.len && text.ptr[at] == *rest.ptr);
            i += escaped ? space.len : 1;
            at += !put_in;
        }
        ret[k].end = (uint32_t)(base + at);
    }
    if (same && at == text.len)
        return 0;
    return wm_fail(err, WM_E_CONFIG,
                   "the normaliser changes this text: its tokens have no places in the original");
}

/* Spans for the pieces that will stand behind n_ids ids. Those of ids in between stay open. */
static int note_spans(struct wm_encoder *enc, const struct wm_sp_pieces *pieces, struct wm_str text,
                      size_t n_ids, struct wm_error *err)
{
    struct sp_spans *s = enc->spans;
    size_t want = n_ids - s->first + pieces->n;
    if (want > s->cap) {
        size_t cap = want + want / 2;
        struct wm_span *grown = realloc(s->at, cap * sizeof *grown);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *grown, "spans");
        s->at = grown;
        s->cap = cap;
    }
    if (want > s->n)
        memset(s->at + s->n, 0xFF, (want - s->n) * sizeof *s->at);
    s->n = want;
    struct wm_span none, *at = pieces->n ? s->at + want - pieces->n : &none;
    return place(enc->tok, pieces, text, (size_t)(text.ptr - s->base), at, err);
}

int sp_encode(struct wm_encoder *enc, struct wm_str text, struct wm_ids *ids, struct wm_error *err)
{
    struct wm_sp_pieces pieces;
    if (text.len == 0)
        return 0;
    int status = wm_sp_encode(enc->tok->pieces, enc->pieces, text, &pieces, err);
    if (!status && enc->spans)
        status = note_spans(enc, &pieces, text, ids->n, err);
    if (!status)
        status = bpe_ids_reserve(ids, pieces.n, err);
    if (status)
        return status;
    if (pieces.n)
        memcpy(ids->ids + ids->n, pieces.ids, pieces.n * sizeof *pieces.ids);
    ids->n += pieces.n;
    return 0;
}

/* Names found in the text stand where what is before them ends. */
static void place_names(const struct wm_tokenizer *tok, const uint32_t *ids, struct wm_span *spans,
                        size_t n)
{
    uint32_t at = 0;
    for (size_t i = 0; i < n; i++) {
        if (spans[i].start == UINT32_MAX)
            spans[i] = (struct wm_span){at, at + (uint32_t)wm_token_bytes(tok, ids[i]).len};
        at = spans[i].end;
    }
}

int sp_encode_spans(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
                    struct wm_span **ret_spans, struct wm_error *err)
{
    struct sp_spans spans = {.base = text.ptr, .first = ids->n};
    enc->spans = &spans;
    int status = wm_encode(enc, text, flags, ids, err);
    enc->spans = NULL;
    size_t n = ids->n - spans.first;
    struct wm_span *ret = status ? NULL : realloc(spans.at, (n + 1) * sizeof *ret);
    if (!status && !ret)
        status = wm_fail_nomem(err, (n + 1) * sizeof *ret, "spans");
    if (status) {
        free(spans.at);
        ids->n = spans.first;
        return status;
    }
    memset(ret + spans.n, 0xFF, (n + 1 - spans.n) * sizeof *ret);
    if (n)
        place_names(enc->tok, ids->ids + spans.first, ret, n);
    *ret_spans = ret;
    return 0;
}

/* ---- ids to text ---- */

/* The ids that are not special; the caller frees. */
static uint32_t *without_specials(const struct wm_tokenizer *tok, const uint32_t *ids, size_t *n,
                                  struct wm_error *err)
{
    uint32_t *kept = malloc((*n + 1) * sizeof *kept);
    size_t n_kept = 0;
    if (!kept) {
        (void)wm_fail_nomem(err, *n * sizeof *kept, "ids");
        return NULL;
    }
    for (size_t i = 0; i < *n; i++)
        if (!wm_token_is_special(tok, ids[i]))
            kept[n_kept++] = ids[i];
    *n = n_kept;
    return kept;
}

static int decode(const struct wm_tokenizer *tok, struct wm_sp_decoding *state, const uint32_t *ids,
                  size_t n, bool skip_specials, struct wm_buf *out, struct wm_error *err)
{
    size_t before = out->len;
    uint32_t *kept = skip_specials ? without_specials(tok, ids, &n, err) : NULL;
    if (skip_specials && !kept)
        return WM_E_NOMEM;
    int status = state ? wm_sp_decode_part(tok->pieces, state, kept ? kept : ids, n, out, err)
                       : wm_sp_decode(tok->pieces, kept ? kept : ids, n, out, err);
    if (status)
        out->len = before;
    free(kept);
    return status;
}

int sp_decode(const struct wm_tokenizer *tok, const uint32_t *ids, size_t n, bool skip_specials,
              struct wm_buf *out, struct wm_error *err)
{
    return decode(tok, NULL, ids, n, skip_specials, out, err);
}

int sp_decode_text(const struct wm_tokenizer *tok, struct wm_sp_decoding *state,
                   const uint32_t *ids, size_t n, bool skip_specials, struct wm_buf *out,
                   struct wm_error *err)
{
    return decode(tok, state, ids, n, skip_specials, out, err);
}
