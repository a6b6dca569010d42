/* SPDX-License-Identifier: Apache-2.0 */
/* A SentencePiece BPE model in GGUF's tokenizer.ggml.* pairs, model "llama". llama.cpp joins whatever
 * makes any token, control symbols and bytes too, where SentencePiece joins to normal pieces only:
 * a model in whose texts the name of such a symbol could come about by joining is refused. */
#include "tokenizer/sentencepiece.h"

#include <stdio.h>

#include "wetmill/file.h"

/* Whether `s` can be a symbol in a text: a character, or a normal piece. */
static bool is_symbol(const struct wm_sp *model, struct wm_str s)
{
    uint32_t id = wm_sp_find(model, s);
    bool one = ((unsigned char)*s.ptr & 0xC0) != 0x80;
    for (size_t i = 1; i < s.len && one; i++)
        one = ((unsigned char)s.ptr[i] & 0xC0) == 0x80;
    return one || wm_sp_piece_type(model, id) == WM_SP_NORMAL;
}

static int check_names(const struct wm_sp *model, struct wm_error *err)
{
    for (uint32_t id = 0; id < wm_sp_count(model); id++) {
        struct wm_str name = wm_sp_piece(model, id);
        if (wm_sp_piece_type(model, id) == WM_SP_NORMAL)
            continue;
        for (size_t i = 1; i < name.len; i++)
            if (is_symbol(model, (struct wm_str){name.ptr, i}) &&
                is_symbol(model, (struct wm_str){name.ptr + i, name.len - i}))
                return wm_fail(err, WM_E_CONFIG,
                               "not to GGUF: llama.cpp would join \"%.*s\" and \"%.*s\" in a text "
                               "to piece %lu, which SentencePiece never finds there",
                               (int)i, name.ptr, (int)(name.len - i), name.ptr + i,
                               (unsigned long)id);
    }
    return 0;
}

static int check(const struct wm_tokenizer *tok, struct wm_error *err)
{
    uint32_t roles[4];
    int status = sp_check_plain(tok, "GGUF", err);
    if (!status && !wm_sp_rules(tok->pieces).byte_fallback)
        status = wm_fail(err, WM_E_CONFIG,
                         "not to GGUF: the model has no byte pieces, which llama.cpp wants");
    sp_roles(tok, roles);
    if (!status && (roles[0] == WM_SP_NONE || roles[1] == WM_SP_NONE))
        status = wm_fail(err, WM_E_CONFIG,
                         "not to GGUF: the model has no <s> or no </s>, where llama.cpp would take "
                         "pieces 1 and 2");
    return status ? status : check_names(tok->pieces, err);
}

/* Ids from the model's number up to `n` are unused ones. */
static void put_pieces(struct wm_gguf_out *w, const struct wm_sp *model, uint32_t n)
{
    const uint32_t n_pieces = (uint32_t)wm_sp_count(model);
    uint32_t bits;
    char name[32];
    wm_gguf_put_array(w, "tokenizer.ggml.tokens", WM_GGUF_STRING, n);
    for (uint32_t id = 0; id < n; id++) {
        (void)snprintf(name, sizeof name, "[PAD%lu]", (unsigned long)id);
        wm_gguf_item_str(w, id < n_pieces ? wm_sp_piece(model, id) : wm_str_of(name));
    }
    wm_gguf_put_array(w, "tokenizer.ggml.scores", WM_GGUF_F32, n);
    for (uint32_t id = 0; id < n; id++) {
        float score = id < n_pieces ? wm_sp_piece_score(model, id) : 0;
        memcpy(&bits, &score, sizeof bits);
        wm_gguf_item_u32(w, bits);
    }
    wm_gguf_put_array(w, "tokenizer.ggml.token_type", WM_GGUF_I32, n); /* numbered alike */
    for (uint32_t id = 0; id < n; id++)
        wm_gguf_item_u32(w, id < n_pieces ? wm_sp_piece_type(model, id) : WM_SP_UNUSED);
}

int sp_put_gguf(const struct wm_tokenizer *tok, uint32_t n_ids, struct wm_gguf_out *w)
{
    static const char *const keys[] = {"tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
                                       "tokenizer.ggml.padding_token_id",
                                       "tokenizer.ggml.unknown_token_id"};
    uint32_t roles[4];
    char hex[WM_HEX128];
    if (!w->status)
        w->status = check(tok, w->err);
    if (w->status)
        return w->status;
    wm_gguf_put_str(w, "tokenizer.ggml.model", WM_STR("llama"));
    wm_gguf_put_str(w, "tokenizer.ggml.pre", WM_STR("default"));
    put_pieces(w, tok->pieces, n_ids > tok->n_ids ? n_ids : tok->n_ids);
    sp_roles(tok, roles);
    for (size_t i = 0; i < 4; i++)
        if (roles[i] != WM_SP_NONE)
            wm_gguf_put_u32(w, keys[i], roles[i]);
    wm_gguf_put_bool(w, "tokenizer.ggml.add_bos_token", false);
    wm_gguf_put_bool(w, "tokenizer.ggml.add_eos_token", false);
    wm_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", wm_sp_rules(tok->pieces).adds_space);
    wm_gguf_put_bool(w, "tokenizer.ggml.remove_extra_whitespaces", false);
    wm_hex128(wm_tokenizer_identity(tok), hex);
    wm_gguf_put_str(w, SP_GGUF_UNKNOWN, wm_sp_unknown_surface(tok->pieces));
    wm_gguf_put_str(w, SP_GGUF_IDENTITY, wm_str_of(hex));
    return w->status;
}
