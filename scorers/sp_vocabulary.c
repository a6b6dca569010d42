/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces of a SentencePiece model: what must hold of them, and what follows from them. */
#include <float.h>
#include <stdlib.h>

#include "scorers/sp_model.h"
#include "wetmill/utf8.h"

/* SentencePiece: an unknown character is that much worse than the worst piece */
#define UNKNOWN_PENALTY 10.0F

static int compare_keys(const void *a, const void *b)
{
    const struct wm_sp_key *x = a, *y = b;
    size_t len = x->text.len < y->text.len ? x->text.len : y->text.len;
    int order = memcmp(x->text.ptr, y->text.ptr, len);
    if (order == 0)
        order = (x->text.len > y->text.len) - (x->text.len < y->text.len);
    return order ? order : (x->id > y->id) - (x->id < y->id);
}

static int sort_keys(struct wm_sp_key *keys, size_t n, struct wm_error *err)
{
    if (n)
        qsort(keys, n, sizeof *keys, compare_keys);
    for (size_t i = 1; i < n; i++)
        if (wm_str_eq(keys[i - 1].text, keys[i].text))
            return wm_fail(err, WM_E_FORMAT, "pieces %u and %u are the same, \"%.*s\"",
                           keys[i - 1].id, keys[i].id, (int)keys[i].text.len, keys[i].text.ptr);
    return 0;
}

static bool in_texts(const struct wm_sp *model, uint32_t id)
{
    return model->types[id] == WM_SP_NORMAL || model->types[id] == WM_SP_USER_DEFINED ||
           model->types[id] == WM_SP_UNUSED;
}

static uint32_t find_reserved(const struct wm_sp *model, struct wm_str text)
{
    size_t low = 0, high = model->n_reserved;
    while (low < high) {
        size_t middle = (low + high) / 2;
        struct wm_sp_key key = {text, model->reserved[middle].id};
        int order = compare_keys(&model->reserved[middle], &key);
        if (order == 0)
            return key.id;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return WM_SP_NONE;
}

uint32_t wm_sp_find(const struct wm_sp *model, struct wm_str piece)
{
    uint32_t id = piece.len ? find_reserved(model, piece) : WM_SP_NONE;
    if (id != WM_SP_NONE)
        return id;
    const struct wm_sp_unit *unit =
        wm_sp_walk(&model->trie, model->trie.units->link, piece.ptr, piece.len);
    id = unit ? model->trie.ids[unit - model->trie.units] : WM_SP_NONE;
    return id == WM_SP_NONE ? model->unknown : id;
}

static uint32_t find_control(const struct wm_sp *model, struct wm_str name)
{
    uint32_t id = wm_sp_find(model, name);
    return model->types[id] == WM_SP_CONTROL ? id : WM_SP_NONE;
}

size_t wm_sp_user_defined(const struct wm_sp *model, const char *text, size_t len, uint32_t *ret_id)
{
    size_t longest = 0;
    uint32_t link = model->trie.units->link;
    if (!model->normaliser.user_first[(unsigned char)*text])
        return 0;
    for (size_t i = 0; i < len; i++) {
        const struct wm_sp_unit *unit =
            wm_sp_child(model->trie.units, link, (unsigned char)text[i]);
        if (!unit)
            break;
        link = unit->link;
        if (unit->score == INFINITY) {
            longest = i + 1;
            *ret_id = model->trie.ids[unit - model->trie.units];
        }
    }
    return longest;
}

/* ---- checks ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int take_byte_piece(struct wm_sp *model, uint32_t id, struct wm_error *err)
{
    struct wm_str piece = wm_sp_piece(model, id);
    if (!model->byte_fallback)
        return wm_fail(err, WM_E_FORMAT, "piece %u is a byte, but byte_fallback is off", id);
    int high = piece.len == 6 ? hex_digit(piece.ptr[3]) : -1;
    int low = piece.len == 6 ? hex_digit(piece.ptr[4]) : -1;
    if (high < 0 || low < 0 || memcmp(piece.ptr, "<0x", 3) != 0 || piece.ptr[5] != '>')
        return wm_fail(err, WM_E_FORMAT, "byte piece %u is \"%.*s\", want \"<0x00>\" to \"<0xFF>\"",
                       id, (int)piece.len, piece.ptr);
    model->byte_ids[high * 16 + low] = id;
    return 0;
}

unsigned wm_sp_byte(const struct wm_sp *model, uint32_t id)
{
    struct wm_str piece = wm_sp_piece(model, id); /* "<0x41>" */
    return (unsigned)(hex_digit(piece.ptr[3]) * 16 + hex_digit(piece.ptr[4]));
}

static int check_piece(struct wm_sp *model, uint32_t id, struct wm_error *err)
{
    float score = model->scores[id];
    if (!(score >= -WM_SP_MAX_SCORE && score <= WM_SP_MAX_SCORE))
        return wm_fail(err, WM_E_FORMAT, "piece %u has the score %g", id, (double)score);
    if (model->types[id] == WM_SP_UNKNOWN) {
        if (model->unknown != WM_SP_NONE)
            return wm_fail(err, WM_E_FORMAT, "pieces %u and %u both stand for the unknown",
                           model->unknown, id);
        model->unknown = id;
    }
    return model->types[id] == WM_SP_BYTE ? take_byte_piece(model, id, err) : 0;
}

static int check_pieces(struct wm_sp *model, struct wm_error *err)
{
    model->unknown = WM_SP_NONE;
    memset(model->byte_ids, 0xFF, sizeof model->byte_ids);
    for (uint32_t id = 0; id < model->n_pieces; id++) {
        int status = check_piece(model, id, err);
        if (status)
            return status;
    }
    if (model->unknown == WM_SP_NONE)
        return wm_fail(err, WM_E_FORMAT, "no piece stands for the unknown");
    for (unsigned i = 0; i < 256 && model->byte_fallback; i++)
        if (model->byte_ids[i] == WM_SP_NONE)
            return wm_fail(err, WM_E_FORMAT, "byte_fallback is on, but there is no <0x%02X>", i);
    return 0;
}

/* ---- what follows ---- */

/* Where a piece goes from a space to something else or back, texts cannot be cut. */
static void note_spaces(struct wm_sp *model, struct wm_str piece)
{
    const struct wm_str space = WM_STR(WM_SP_SPACE);
    bool was_space = false;
    for (size_t at = 0; at < piece.len;) {
        bool is_space = wm_str_starts((struct wm_str){piece.ptr + at, piece.len - at}, space);
        if (at && is_space && !was_space)
            model->cut_before_spaces = false;
        if (at && !is_space && was_space)
            model->cut_behind_spaces = false;
        was_space = is_space;
        at += wm_sp_char_bytes(piece.ptr[at]);
    }
}

static void note_piece(struct wm_sp *model, uint32_t id, struct wm_sp_unit *unit)
{
    struct wm_str piece = wm_sp_piece(model, id);
    unit->score = model->types[id] == WM_SP_NORMAL         ? model->scores[id]
                  : model->types[id] == WM_SP_USER_DEFINED ? INFINITY
                                                           : -INFINITY;
    if (model->types[id] == WM_SP_USER_DEFINED) {
        model->has_user_defined = true;
        model->normaliser.user_first[(unsigned char)*piece.ptr] = true;
    }
    for (size_t i = 1; i < piece.len; i++) {
        unsigned char a = (unsigned char)piece.ptr[i - 1], b = (unsigned char)piece.ptr[i];
        if (a < 0x80 && b < 0x80)
            model->joined[a][b] = true;
    }
    if (wm_utf8_valid(piece))
        note_spaces(model, piece);
    else
        model->cut_before_spaces = model->cut_behind_spaces = false;
}

static int make_trie(struct wm_sp *model, struct wm_sp_key *keys, size_t n, struct wm_error *err)
{
    int status = sort_keys(keys, n, err);
    if (!status)
        status = sort_keys(model->reserved, model->n_reserved, err);
    if (!status)
        status = wm_sp_trie_build(keys, n, &model->trie, err);
    model->cut_before_spaces = model->cut_behind_spaces = true;
    for (uint32_t i = 0; !status && i < model->trie.n_units; i++)
        if (model->trie.ids[i] != WM_SP_NONE)
            note_piece(model, model->trie.ids[i], &model->trie.units[i]);
    if (!status)
        model->space = wm_sp_walk(&model->trie, model->trie.units->link, WM_SP_SPACE, 3);
    return status;
}

static int make_keys(struct wm_sp *model, struct wm_error *err)
{
    size_t n = 0;
    struct wm_sp_key *keys = wm_sp_alloc(model->n_pieces, sizeof *keys, "pieces", err);
    model->reserved = wm_sp_alloc(model->n_pieces, sizeof *model->reserved, "pieces", err);
    int status = keys && model->reserved ? 0 : WM_E_NOMEM;
    for (uint32_t id = 0; id < model->n_pieces && !status; id++) {
        struct wm_sp_key key = {wm_sp_piece(model, id), id};
        if (in_texts(model, id))
            keys[n++] = key;
        else
            model->reserved[model->n_reserved++] = key;
    }
    if (!status)
        status = make_trie(model, keys, n, err);
    free(keys);
    return status;
}

static int make_scores(struct wm_sp *model, struct wm_error *err)
{
    float least = FLT_MAX, most = FLT_MIN;
    model->path_scores = wm_sp_alloc(model->n_pieces, sizeof *model->path_scores, "scores", err);
    if (!model->path_scores)
        return WM_E_NOMEM;
    memcpy(model->path_scores, model->scores, model->n_pieces * sizeof *model->scores);
    for (uint32_t id = 0; id < model->n_pieces; id++)
        if (model->types[id] == WM_SP_NORMAL) {
            least = model->scores[id] < least ? model->scores[id] : least;
            most = model->scores[id] > most ? model->scores[id] : most;
        }
    model->max_score = most;
    model->unknown_score = least - UNKNOWN_PENALTY;
    model->largest_score = fmaxf(fmaxf(fabsf(least), fabsf(most)), fabsf(model->unknown_score));
    model->path_scores[model->unknown] = model->unknown_score;
    return 0;
}

int wm_sp_vocabulary(struct wm_sp *model, const struct wm_sp_settings *settings,
                     struct wm_error *err)
{
    int status = check_pieces(model, err);
    if (!status)
        status = make_keys(model, err);
    if (!status)
        status = make_scores(model, err);
    if (!status && model->kind == WM_SP_BPE)
        status = wm_sp_bpe_prepare(model, err);
    if (status)
        return status;
    model->found = wm_sp_alloc(model->n_pieces, sizeof *model->found, "pieces", err);
    if (!model->found)
        return WM_E_NOMEM;
    for (uint32_t id = 0; id < model->n_pieces; id++)
        model->found[id] = wm_sp_find(model, wm_sp_piece(model, id));
    model->begin = find_control(model, settings->begin);
    model->end = find_control(model, settings->end);
    model->pad = find_control(model, settings->pad);
    /* FLT_MAX: no normal piece; what sums are then is of no interest */
    model->cached = (model->cut_before_spaces || model->cut_behind_spaces) &&
                    model->unknown_score < WM_SP_MAX_SCORE;
    return 0;
}
