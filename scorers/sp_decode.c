/* SPDX-License-Identifier: Apache-2.0 */
/* Pieces back to text, as SentencePiece does it. */
#include <stdlib.h>

#include "scorers/sp_model.h"
#include "wetmill/utf8.h"

struct decoder {
    const struct wm_sp *model;
    struct wm_sp_decoding *state;
    struct wm_buf *out;
    size_t from; /* where in `out` this part starts */
};

/* Write what the pending bytes start with: a character, or U+FFFD for the first of them. */
static int flush_one(struct wm_sp_decoding *state, struct wm_buf *out, struct wm_error *err)
{
    static const char replacement[] = "\xEF\xBF\xBD";
    size_t used = wm_sp_char_bytes(state->bytes[0]);
    bool valid = used <= state->n_bytes && wm_utf8_valid((struct wm_str){state->bytes, used});
    int status =
        valid ? wm_buf_add(out, state->bytes, used, err) : wm_buf_add(out, replacement, 3, err);
    used = valid ? used : 1;
    state->n_bytes -= (unsigned)used;
    memmove(state->bytes, state->bytes + used, state->n_bytes);
    return status;
}

int wm_sp_decode_end(struct wm_sp_decoding *state, struct wm_buf *out, struct wm_error *err)
{
    int status = 0;
    while (state->n_bytes && !status)
        status = flush_one(state, out, err);
    return status;
}

static int add_byte(struct decoder *d, uint32_t id, struct wm_error *err)
{
    struct wm_sp_decoding *state = d->state;
    int status = 0;
    state->bytes[state->n_bytes++] = (char)wm_sp_byte(d->model, id);
    while (state->n_bytes && wm_sp_char_bytes(state->bytes[0]) <= state->n_bytes && !status)
        status = flush_one(state, d->out, err);
    return status;
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
    struct wm_sp_decoding *state = d->state;
    int status = wm_sp_decode_end(state, d->out, err);
    if (status)
        return status;
    if (state->took_space || state->wrote || d->out->len > d->from)
        state->behind_start = true;
    state->took_space = false;
    if (model->types[id] == WM_SP_CONTROL)
        return 0;
    if (model->types[id] == WM_SP_UNKNOWN)
        return wm_buf_add(d->out, model->unknown_surface, model->unknown_surface_bytes, err);
    struct wm_str piece = wm_sp_piece(model, id);
    if (!state->behind_start && (n->add_dummy_prefix || n->remove_extra_whitespaces) &&
        wm_str_starts(piece, WM_STR(WM_SP_SPACE))) {
        piece.ptr += 3;
        piece.len -= 3;
        state->took_space = !n->remove_extra_whitespaces; /* else all in front are left out */
    }
    return add_text(d, piece, err);
}

static int add_pieces(struct decoder *d, const uint32_t *ids, size_t n, struct wm_error *err)
{
    const struct wm_sp *model = d->model;
    int status = 0;
    for (size_t i = 0; i < n && !status; i++) {
        if (ids[i] >= model->n_pieces)
            return wm_fail(err, WM_E_FORMAT, "id %u, the model has %u pieces", ids[i],
                           model->n_pieces);
        uint32_t id = model->found[ids[i]];
        status = model->types[id] == WM_SP_BYTE ? add_byte(d, id, err) : add_piece(d, id, err);
    }
    return status;
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
    struct wm_sp_decoding state = {.n_bytes = 0};
    struct decoder d = {model, &state, out, out->len};
    int status = add_pieces(&d, ids, n, err);
    if (!status)
        status = wm_sp_decode_end(&state, out, err);
    if (!status && model->has_denormaliser)
        status = denormalise(&d, err);
    return status;
}

bool wm_sp_decodes_in_parts(const struct wm_sp *model)
{
    return !model->has_denormaliser;
}

int wm_sp_decode_part(const struct wm_sp *model, struct wm_sp_decoding *state, const uint32_t *ids,
                      size_t n, struct wm_buf *out, struct wm_error *err)
{
    struct decoder d = {model, state, out, out->len};
    if (model->has_denormaliser)
        return wm_fail(err, WM_E_CONFIG,
                       "this model rewrites decoded text: it decodes whole texts only");
    int status = add_pieces(&d, ids, n, err);
    state->wrote = state->wrote || out->len > d.from;
    return status;
}
