/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces back to text, as SentencePiece does it. */
#include <stdlib.h>

#include "scorers/sp_model.h"
#include "wetmill/utf8.h"

struct decoder {
    const struct wm_sp *model;
    struct wm_buf *out;
    size_t from; /* where in `out` this text starts */
    bool at_start, took_space;
    char bytes[4]; /* of byte pieces, a character not yet whole */
    size_t n_bytes;
};

/* Write what the pending bytes start with: a character, or U+FFFD for the first of them. */
static int flush_one(struct decoder *d, struct wm_error *err)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t used = wm_sp_char_bytes(d->bytes[0]);
    bool valid = used <= d->n_bytes && wm_utf8_valid((struct wm_str){d->bytes, used});
    int status =
        valid ? wm_buf_add(d->out, d->bytes, used, err) : wm_buf_add(d->out, replacement, 3, err);
    used = valid ? used : 1;
    d->n_bytes -= used;
    memmove(d->bytes, d->bytes + used, d->n_bytes);
    return status;
}

static int flush_bytes(struct decoder *d, struct wm_error *err)
{
    int status = 0;
    while (d->n_bytes && !status)
        status = flush_one(d, err);
    return status;
}

static int add_byte(struct decoder *d, uint32_t id, struct wm_error *err)
{
    static const char digits[] = "0123456789ABCDEF";
    struct wm_str piece = wm_sp_piece(d->model, id); /* "<0x41>" */
    size_t high = (size_t)(strchr(digits, piece.ptr[3]) - digits);
    size_t low = (size_t)(strchr(digits, piece.ptr[4]) - digits);
    d->bytes[d->n_bytes++] = (char)(high * 16 + low);
    return d->n_bytes == sizeof d->bytes ? flush_one(d, err) : 0;
}

/* A piece's text with spaces for "▁". */
static int add_text(struct decoder *d, struct wm_str piece, struct wm_error *err)
{
    const struct wm_str space = WM_STR(WM_SP_SPACE);
    int status = 0;
    while (piece.len && !status) {
        size_t used = wm_str_starts(piece, space) ? 3 : 1;
        status = wm_buf_add(d->out, used == 3 ? " " : piece.ptr, 1, err);
        piece.ptr += used;
        piece.len -= used;
    }
    return status;
}

static int add_piece(struct decoder *d, uint32_t id, struct wm_error *err)
{
    const struct wm_sp *model = d->model;
    const struct wm_sp_normaliser *n = &model->normaliser;
    int status = flush_bytes(d, err);
    if (status)
        return status;
    if (d->took_space || d->out->len > d->from)
        d->at_start = false;
    d->took_space = false;
    if (model->types[id] == WM_SP_CONTROL)
        return 0;
    if (model->types[id] == WM_SP_UNKNOWN)
        return wm_buf_add(d->out, model->unknown_surface, model->unknown_surface_bytes, err);
    struct wm_str piece = wm_sp_piece(model, id);
    if (d->at_start && (n->add_dummy_prefix || n->remove_extra_whitespaces) &&
        wm_str_starts(piece, WM_STR(WM_SP_SPACE))) {
        piece.ptr += 3;
        piece.len -= 3;
        d->took_space = !n->remove_extra_whitespaces; /* else all in front are left out */
    }
    return add_text(d, piece, err);
}

static int denormalise(struct decoder *d, struct wm_error *err)
{
    struct wm_sp_scratch s = {0};
    struct wm_str text = {d->out->ptr ? d->out->ptr + d->from : NULL, d->out->len - d->from};
    int status = wm_sp_normalise_into(&d->model->denormaliser, NULL, text, &s, err);
    if (!status) {
        d->out->len = d->from;
        status = wm_buf_add(d->out, s.text, s.text_len, err);
    }
    free(s.text);
    return status;
}

int wm_sp_decode(const struct wm_sp *model, const uint32_t *ids, size_t n, struct wm_buf *out,
                 struct wm_error *err)
{
    struct decoder d = {.model = model, .out = out, .from = out->len, .at_start = true};
    int status = 0;
    for (size_t i = 0; i < n && !status; i++) {
        if (ids[i] >= model->n_pieces)
            return wm_fail(err, WM_E_FORMAT, "id %u, the model has %u pieces", ids[i],
                           model->n_pieces);
        uint32_t id = model->found[ids[i]];
        status = model->types[id] == WM_SP_BYTE ? add_byte(&d, id, err) : add_piece(&d, id, err);
    }
    if (!status)
        status = flush_bytes(&d, err);
    if (!status && model->has_denormaliser)
        status = denormalise(&d, err);
    return status;
}
