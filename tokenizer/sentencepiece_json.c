/* SPDX-License-Identifier: Apache-2.0 */
/* A SentencePiece BPE model as Hugging Face's tokenizer.json: BPE with byte_fallback over characters
 * and no pre-tokeniser, where "▁" is put in front of a text and for each space.
 *
 * SentencePiece joins by score whatever makes a piece, Hugging Face by the rank of a pair. Both are
 * the same with one pair for each piece, that of wm_sp_splits: neighbours that make a piece and are
 * not its two parts never come about. Of equal scores the leftmost goes first, of pairs the lower
 * rank: two pieces with one score are refused. */
#include "tokenizer/sentencepiece.h"

#include <stdlib.h>

#include "wetmill/json.h"
#include "wetmill/utf8.h"

#define SPACE "\xE2\x96\x81"

struct pair {
    float score;
    uint32_t id, left; /* bytes of the left part */
};

int sp_check_plain(const struct wm_tokenizer *tok, const char *format, struct wm_error *err)
{
    const struct wm_sp *model = tok->pieces;
    const struct wm_sp_rules rules = wm_sp_rules(model);
    static const char *const no = "cannot be expressed there as SentencePiece has it";
    const char *component = wm_sp_kind(model) != WM_SP_BPE
                                ? "is a unigram model: single-precision sums of scores"
                            : rules.has_map ? "has a character map (NFKC, say): longest rule first"
                            : rules.removes_extra_spaces ? "has remove_extra_whitespaces"
                            : rules.space_is_suffix      ? "has treat_whitespace_as_suffix"
                            : !rules.escapes_spaces      ? "has escape_whitespaces off"
                            : rules.rewrites_decoded     ? "has a denormaliser"
                                                         : NULL;
    if (component)
        return wm_fail(err, WM_E_CONFIG, "not to %s: the model %s, which %s", format, component,
                       no);
    for (uint32_t id = 0; id < wm_sp_count(model); id++) {
        enum wm_sp_type type = wm_sp_piece_type(model, id);
        struct wm_str piece = wm_sp_piece(model, id);
        const char *kind = type == WM_SP_USER_DEFINED                               ? "user-defined"
                           : type == WM_SP_UNUSED                                   ? "unused"
                           : !wm_utf8_valid(piece)                                  ? "not UTF-8"
                           : type == WM_SP_NORMAL && wm_sp_find(model, piece) != id ? "there twice"
                                                                                    : NULL;
        if (kind)
            return wm_fail(err, WM_E_CONFIG, "not to %s: piece %lu, \"%.*s\", is %s, which %s",
                           format, (unsigned long)id, (int)piece.len, piece.ptr, kind, no);
    }
    return 0;
}

/* ---- merges ---- */

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score)
                                : (x->id > y->id) - (x->id < y->id);
}

/* Characters that are no piece become bytes, or the unknown piece, before Hugging Face joins. */
static int check_characters(const struct wm_sp *model, uint32_t id, struct wm_error *err)
{
    struct wm_str piece = wm_sp_piece(model, id);
    for (size_t at = 0, len; at < piece.len; at += len) {
        uint32_t code;
        len = wm_utf8_decode((struct wm_str){piece.ptr + at, piece.len - at}, &code);
        uint32_t found = wm_sp_find(model, (struct wm_str){piece.ptr + at, len});
        if (wm_sp_piece_type(model, found) != WM_SP_NORMAL)
            return wm_fail(err, WM_E_CONFIG,
                           "not to tokenizer.json: piece %lu, \"%.*s\", has a character that is no "
                           "piece itself, which is never joined there",
                           (unsigned long)id, (int)piece.len, piece.ptr);
    }
    return 0;
}

/* `*ret` [*ret_n] in the order of joining; the caller frees it. */
static int make_pairs(const struct wm_sp *model, struct pair **ret, size_t *ret_n,
                      struct wm_error *err)
{
    size_t count = wm_sp_count(model), n = 0;
    struct pair *pairs = malloc(count * sizeof *pairs);
    uint32_t *splits = malloc(count * sizeof *splits);
    int status = pairs && splits ? wm_sp_splits(model, false, splits, err)
                                 : wm_fail_nomem(err, count * sizeof *pairs, "merges");
    for (uint32_t id = 0; id < count && !status; id++) {
        if (wm_sp_piece_type(model, id) != WM_SP_NORMAL || !splits[id])
            continue;
        pairs[n++] = (struct pair){wm_sp_piece_score(model, id), id, splits[id]};
        status = check_characters(model, id, err);
    }
    free(splits);
    if (!status && n)
        qsort(pairs, n, sizeof *pairs, compare_pairs);
    for (size_t i = 1; i < n && !status; i++)
        if (pairs[i - 1].score == pairs[i].score)
            status = wm_fail(err, WM_E_CONFIG,
                             "not to tokenizer.json: pieces %lu and %lu have the same score",
                             (unsigned long)pairs[i - 1].id, (unsigned long)pairs[i].id);
    if (status)
        free(pairs);
    *ret = status ? NULL : pairs;
    *ret_n = n;
    return status;
}

/* ---- writing ---- */

static void put_piece_member(struct wm_json_out *w, const char *key, const struct wm_sp *model,
                             uint32_t id)
{
    wm_json_put_key(w, key);
    wm_json_put_str(w, wm_sp_piece(model, id));
}

static void put_added(struct wm_json_out *w, const struct wm_tokenizer *tok)
{
    wm_json_put_key(w, "added_tokens");
    wm_json_put_open(w, '[');
    for (uint32_t i = 0; i < tok->n_added; i++) {
        uint32_t id = tok->added[i].id;
        wm_json_put_open(w, '{');
        wm_json_member_u64(w, "id", id);
        put_piece_member(w, "content", tok->pieces, id);
        wm_json_member_bool(w, "single_word", false);
        wm_json_member_bool(w, "lstrip", false);
        wm_json_member_bool(w, "rstrip", false);
        wm_json_member_bool(w, "normalized", false);
        wm_json_member_bool(w, "special", true);
        wm_json_put_close(w, '}');
    }
    wm_json_put_close(w, ']');
}

/* Constant components, with a prefix and without. */
static const char normalizer[][200] = {
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SPACE "\"}",
    "{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\",\"prepend\":\"" SPACE "\"},"
    "{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":\"" SPACE "\"}]}"};
#define DECODERS                                                                                  \
    "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"" SPACE \
    "\"},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}"
static const char decoder[][300] = {
    DECODERS "]}", DECODERS ",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"};

static void put_vocab(struct wm_json_out *w, const struct wm_sp *model)
{
    char name[WM_SP_MAX_PIECE_BYTES + 1];
    wm_json_put_key(w, "vocab");
    wm_json_put_open(w, '{');
    for (uint32_t id = 0; id < wm_sp_count(model) && !w->status; id++) {
        struct wm_str piece = wm_sp_piece(model, id);
        memcpy(name, piece.ptr, piece.len);
        name[piece.len] = '\0';
        wm_json_put_key(w, name);
        wm_json_put_u64(w, id);
    }
    wm_json_put_close(w, '}');
}

static void put_model(struct wm_json_out *w, const struct wm_sp *model, const struct pair *pairs,
                      size_t n)
{
    wm_json_put_key(w, "model");
    wm_json_put_open(w, '{');
    wm_json_member_text(w, "type", "BPE");
    wm_json_member_text(w, "dropout", NULL);
    put_piece_member(w, "unk_token", model, wm_sp_unknown(model));
    wm_json_member_text(w, "continuing_subword_prefix", NULL);
    wm_json_member_text(w, "end_of_word_suffix", NULL);
    wm_json_member_bool(w, "fuse_unk", true);
    wm_json_member_bool(w, "byte_fallback", wm_sp_rules(model).byte_fallback);
    wm_json_member_bool(w, "ignore_merges", false);
    put_vocab(w, model);
    wm_json_put_key(w, "merges");
    wm_json_put_open(w, '[');
    for (size_t i = 0; i < n && !w->status; i++) {
        struct wm_str piece = wm_sp_piece(model, pairs[i].id);
        wm_json_put_open(w, '[');
        wm_json_put_str(w, (struct wm_str){piece.ptr, pairs[i].left});
        wm_json_put_str(w, (struct wm_str){piece.ptr + pairs[i].left, piece.len - pairs[i].left});
        wm_json_put_close(w, ']');
    }
    wm_json_put_close(w, ']');
    wm_json_put_close(w, '}');
}

int sp_format_json(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    struct wm_json_out w;
    struct pair *pairs = NULL;
    size_t n = 0;
    int status = sp_check_plain(tok, "tokenizer.json", err);
    if (!status)
        status = make_pairs(tok->pieces, &pairs, &n, err);
    if (status)
        return status;
    bool prefix = wm_sp_rules(tok->pieces).adds_space;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    wm_json_member_text(&w, "version", "1.0");
    wm_json_member_text(&w, "truncation", NULL);
    wm_json_member_text(&w, "padding", NULL);
    put_added(&w, tok);
    wm_json_put_key(&w, "normalizer");
    wm_json_put_raw(&w, wm_str_of(normalizer[prefix]));
    wm_json_member_text(&w, "pre_tokenizer", NULL);
    wm_json_member_text(&w, "post_processor", NULL);
    wm_json_put_key(&w, "decoder");
    wm_json_put_raw(&w, wm_str_of(decoder[prefix]));
    put_model(&w, tok->pieces, pairs, n);
    wm_json_put_close(&w, '}');
    free(pairs);
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}

int sp_format_config(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    static const char *const names[] = {"bos_token", "eos_token", "pad_token", "unk_token"};
    struct wm_json_out w;
    uint32_t roles[4];
    sp_roles(tok, roles);
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    wm_json_member_bool(&w, "add_bos_token", false);
    wm_json_member_bool(&w, "add_eos_token", false);
    wm_json_member_bool(&w, "clean_up_tokenization_spaces", false);
    for (size_t i = 0; i < 4; i++)
        if (roles[i] != WM_SP_NONE)
            put_piece_member(&w, names[i], tok->pieces, roles[i]);
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}
