/* SPDX-License-Identifier: Apache-2.0 */
/* Ids to bytes, at once and bit by bit. */
#include "tokenizer/sentencepiece.h"

int wm_decode(const struct wm_tokenizer *tok, const uint32_t *ids, size_t n, bool skip_specials,
              struct wm_buf *out, struct wm_error *err)
{
    size_t before = out->len;
    if (tok->pieces)
        return sp_decode(tok, ids, n, skip_specials, out, err);
    for (size_t i = 0; i < n; i++) {
        struct wm_str bytes = wm_token_bytes(tok, ids[i]);
        int status = 0;
        if (bytes.len == 0)
            status = wm_fail(err, WM_E_FORMAT, "no token has the id %lu (%lu ids)",
                             (unsigned long)ids[i], (unsigned long)tok->n_ids);
        else if (!skip_specials || tok->kinds[ids[i]] != BPE_SPECIAL)
            status = wm_buf_add(out, bytes.ptr, bytes.len, err);
        if (status) {
            out->len = before;
            return status;
        }
    }
    return 0;
}

/* Bytes at the end of `out` that begin a UTF-8 sequence and may become a whole one. */
static unsigned open_end(struct wm_str out)
{
    static const unsigned char second[5][3] = {/* lead, least and greatest second byte */
                                               {0xE0, 0xA0, 0xBF},
                                               {0xED, 0x80, 0x9F},
                                               {0xF0, 0x90, 0xBF},
                                               {0xF4, 0x80, 0x8F},
                                               {0, 0x80, 0xBF}};
    for (unsigned n = 1; n <= 3 && n <= out.len; n++) {
        const unsigned char *at = (const unsigned char *)out.ptr + out.len - n;
        if ((*at & 0xC0) == 0x80)
            continue;
        unsigned whole = *at >= 0xF0 ? 4 : *at >= 0xE0 ? 3 : 2, row = 0;
        if (*at < 0xC2 || *at > 0xF4 || n >= whole)
            return 0;
        while (row < 4 && second[row][0] != *at)
            row++;
        return n > 1 && (at[1] < second[row][1] || at[1] > second[row][2]) ? 0 : n;
    }
    return 0;
}

int wm_decode_text(const struct wm_tokenizer *tok, struct wm_decode_state *state,
                   const uint32_t *ids, size_t n, bool skip_specials, struct wm_buf *out,
                   struct wm_error *err)
{
    size_t before = out->len;
    if (tok->pieces)
        return sp_decode_text(tok, &state->pieces, ids, n, skip_specials, out, err);
    int status = wm_buf_add(out, state->held, state->n_held, err);
    if (!status)
        status = wm_decode(tok, ids, n, skip_specials, out, err);
    if (status) {
        out->len = before;
        return status;
    }
    struct wm_str added = {out->ptr + before, out->len - before};
    state->n_held = added.len ? open_end(added) : 0;
    out->len -= state->n_held;
    if (state->n_held)
        memcpy(state->held, out->ptr + out->len, state->n_held);
    return 0;
}

int wm_decode_end(struct wm_decode_state *state, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_add(out, state->held, state->n_held, err);
    if (!status)
        status = wm_sp_decode_end(&state->pieces, out, err);
    if (!status)
        *state = (struct wm_decode_state){.n_held = 0};
    return status;
}

bool wm_tokenizer_decodes_in_parts(const struct wm_tokenizer *tok)
{
    return !tok->pieces || wm_sp_decodes_in_parts(tok->pieces);
}
