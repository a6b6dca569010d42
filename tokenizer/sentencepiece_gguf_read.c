/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.ggml.model "llama" back to a SentencePiece model: its pairs are written as the message of
 * a `.model` file, which is then read like any other. Whether a begin or end is added to texts is not
 * taken over: such a tokenizer has no template. */
#include "tokenizer/sentencepiece.h"
#include "wetmill/file.h"

enum { N_ROLES = 3 }; /* begin, end, pad */

struct pairs {
    struct wm_gguf_pair tokens, scores, types; /* key empty: absent */
    struct wm_str identity, unknown_surface;
    uint64_t roles[N_ROLES]; /* ids; UINT64_MAX: not said */
    bool adds_space, removes_spaces;
};

static int take_pair(const struct wm_gguf_pair *pair, struct pairs *ret, struct wm_error *err)
{
    const struct {
        const char *key;
        struct wm_gguf_pair *ret;
        enum wm_gguf_type item;
    } arrays[] = {{"tokenizer.ggml.tokens", &ret->tokens, WM_GGUF_STRING},
                  {"tokenizer.ggml.scores", &ret->scores, WM_GGUF_F32},
                  {"tokenizer.ggml.token_type", &ret->types, WM_GGUF_I32}};
    static const char *const roles[N_ROLES] = {"tokenizer.ggml.bos_token_id",
                                               "tokenizer.ggml.eos_token_id",
                                               "tokenizer.ggml.padding_token_id"};
    for (size_t i = 0; i < 3; i++) {
        if (wm_str_eq(pair->key, wm_str_of(arrays[i].key))) {
            *arrays[i].ret = *pair;
            return wm_gguf_array(pair, arrays[i].item, err);
        }
        if (wm_str_eq(pair->key, wm_str_of(roles[i])))
            return wm_gguf_u64(pair, &ret->roles[i], err);
    }
    if (wm_str_eq(pair->key, WM_STR("tokenizer.ggml.add_space_prefix")))
        return wm_gguf_bool(pair, &ret->adds_space, err);
    if (wm_str_eq(pair->key, WM_STR("tokenizer.ggml.remove_extra_whitespaces")))
        return wm_gguf_bool(pair, &ret->removes_spaces, err);
    if (wm_str_eq(pair->key, WM_STR(SP_GGUF_IDENTITY)))
        return wm_gguf_str(pair, &ret->identity, err);
    if (wm_str_eq(pair->key, WM_STR(SP_GGUF_UNKNOWN)))
        return wm_gguf_str(pair, &ret->unknown_surface, err);
    return 0;
}

static int read_pairs(struct wm_str file, struct pairs *ret, struct wm_error *err)
{
    struct wm_gguf r;
    struct wm_gguf_pair pair;
    int more = wm_gguf_open(&r, file, err);
    while (!more && (more = wm_gguf_next(&r, &pair, err)) > 0)
        more = take_pair(&pair, ret, err);
    if (more)
        return more;
    uint64_t n = ret->tokens.key.len ? ret->tokens.n : 0;
    if (!n || !ret->scores.key.len || ret->scores.n != n || !ret->types.key.len ||
        ret->types.n != n)
        return wm_fail(err, WM_E_FORMAT,
                       "tokenizer.ggml.tokens, scores and token_type are not there with as many "
                       "items each");
    if (n > WM_SP_MAX_PIECES)
        return wm_fail(err, WM_E_LIMIT, "more than %d pieces", WM_SP_MAX_PIECES);
    if (ret->removes_spaces)
        return wm_fail(err, WM_E_FORMAT,
                       "tokenizer.ggml.remove_extra_whitespaces with the model "
                       "\"llama\" is not supported");
    return 0;
}

/* ---- the message ---- */

static int put_varint(struct wm_buf *out, uint64_t value, struct wm_error *err)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; value > 0x7F; value >>= 7)
        bytes[n++] = (unsigned char)(value | 0x80);
    bytes[n++] = (unsigned char)value;
    return wm_buf_add(out, bytes, n, err);
}

static int put_number(struct wm_buf *out, unsigned field, uint64_t value, struct wm_error *err)
{
    int status = put_varint(out, field << 3, err);
    return status ? status : put_varint(out, value, err);
}

static int put_bytes(struct wm_buf *out, unsigned field, struct wm_str bytes, struct wm_error *err)
{
    int status = put_varint(out, field << 3 | 2, err);
    if (!status)
        status = put_varint(out, bytes.len, err);
    return status ? status : wm_buf_add(out, bytes.ptr, bytes.len, err);
}

static int put_piece(struct wm_buf *out, struct wm_buf *piece, struct wm_str text, uint32_t score,
                     uint32_t type, struct wm_error *err)
{
    unsigned char fixed[5] = {2 << 3 | 5, (unsigned char)score, (unsigned char)(score >> 8),
                              (unsigned char)(score >> 16), (unsigned char)(score >> 24)};
    piece->len = 0;
    int status = put_bytes(piece, 1, text, err);
    if (!status)
        status = wm_buf_add(piece, fixed, sizeof fixed, err);
    if (!status)
        status = put_number(piece, 3, type, err);
    return status ? status : put_bytes(out, 1, wm_buf_str(piece), err);
}

/* Pieces, and into `trainer` the names of begin, end and pad. A model's ids behind its tokenizer's,
 * which a file of ours may have, are left out. */
static int put_pieces(const struct pairs *p, struct wm_buf *out, struct wm_buf *trainer,
                      struct wm_error *err)
{
    struct wm_str tokens = p->tokens.data, scores = p->scores.data, types = p->types.data;
    struct wm_buf piece;
    bool bytes = false;
    int status = 0;
    wm_buf_init(&piece, WM_SP_MAX_MODEL_BYTES);
    for (uint64_t id = 0; id < p->tokens.n && !status; id++) {
        struct wm_str text = wm_gguf_next_str(&tokens);
        uint32_t score = wm_gguf_next_u32(&scores), type = wm_gguf_next_u32(&types);
        if (type == WM_SP_USER_DEFINED)
            status =
                wm_fail(err, WM_E_FORMAT,
                        "token %llu, \"%.*s\", is user-defined, which llama.cpp and "
                        "SentencePiece look for otherwise",
                        (unsigned long long)id, (int)(text.len < 48 ? text.len : 48), text.ptr);
        if (status || (type == WM_SP_UNUSED && p->identity.ptr))
            continue;
        bytes = bytes || type == WM_SP_BYTE;
        status = put_piece(out, &piece, text, score, type, err);
        for (unsigned i = 0; i < N_ROLES && !status; i++)
            if (p->roles[i] == id)
                status = put_bytes(trainer, 46 + i, text, err);
        if (!status && type == WM_SP_UNKNOWN && p->roles[2] == UINT64_MAX)
            status = put_bytes(trainer, 48, text, err); /* no control symbol: there is no pad */
    }
    wm_buf_done(&piece);
    return status ? status : put_number(trainer, 35, bytes, err);
}

static int put_model(const struct pairs *p, struct wm_buf *out, struct wm_error *err)
{
    struct wm_buf trainer, normaliser;
    wm_buf_init(&trainer, WM_SP_MAX_MODEL_BYTES);
    wm_buf_init(&normaliser, 64);
    int status = put_number(&trainer, 3, WM_SP_BPE, err);
    if (!status)
        status = put_pieces(p, out, &trainer, err);
    if (!status && p->unknown_surface.ptr)
        status = put_bytes(&trainer, 44, p->unknown_surface, err);
    if (!status)
        status = put_bytes(out, 2, wm_buf_str(&trainer), err);
    if (!status)
        status = put_number(&normaliser, 3, p->adds_space, err);
    if (!status)
        status = put_number(&normaliser, 4, false, err);
    if (!status)
        status = put_bytes(out, 3, wm_buf_str(&normaliser), err);
    wm_buf_done(&trainer);
    wm_buf_done(&normaliser);
    return status;
}

int sp_parse_gguf(struct wm_str file, struct wm_tokenizer **ret, struct wm_error *err)
{
    struct pairs p = {.roles = {UINT64_MAX, UINT64_MAX, UINT64_MAX}, .adds_space = true};
    struct wm_tokenizer *tok = NULL;
    struct wm_buf model;
    char hex[WM_HEX128];
    wm_buf_init(&model, WM_SP_MAX_MODEL_BYTES);
    int status = read_pairs(file, &p, err);
    if (!status)
        status = put_model(&p, &model, err);
    if (!status)
        status = sp_parse(wm_buf_str(&model), &tok, err);
    wm_buf_done(&model);
    if (status)
        return status;
    wm_hex128(wm_tokenizer_identity(tok), hex);
    if (p.identity.ptr && !wm_str_eq(p.identity, wm_str_of(hex))) {
        wm_tokenizer_free(tok);
        return wm_fail(err, WM_E_MISMATCH, "the file says it holds tokenizer %.*s, but it holds %s",
                       (int)(p.identity.len < 48 ? p.identity.len : 48), p.identity.ptr, hex);
    }
    *ret = tok;
    return 0;
}
