/* SPDX-License-Identifier: Apache-2.0 */
/*
 * BPE: of all neighbours whose letters together are a piece, those with the highest score are
 * joined first, the leftmost of equals. User-defined symbols are found before and never joined.
 *
 * A join is an occurrence of a piece in the text, so none goes over a place that no piece found in
 * the text goes over: the text is cut there, and each stretch has a queue of its own.
 *
 * An unused piece may be formed on the way to a longer one; where it is what is left, it stands for
 * the two parts it was formed of. These are always the same: all joins within it come before it,
 * none can go over its ends, so they are the joins of its letters alone (`splits`).
 */
#include <stdlib.h>

#include "scorers/sp_model.h"

enum { SLACK = WM_SP_MAX_PIECE_BYTES + 8 };

static int more_symbols(struct wm_sp_scratch *s, size_t need, struct wm_error *err)
{
    if (need <= s->symbols_cap)
        return 0;
    size_t cap = need + need / 2;
    struct wm_sp_symbol *symbols = realloc(s->symbols, cap * sizeof *symbols);
    if (!symbols)
        return wm_fail_nomem(err, cap * sizeof *symbols, "symbols");
    s->symbols = symbols;
    struct wm_sp_pair *pairs = realloc(s->pairs, 2 * cap * sizeof *pairs);
    if (!pairs)
        return wm_fail_nomem(err, 2 * cap * sizeof *pairs, "pairs of symbols");
    s->pairs = pairs;
    s->symbols_cap = cap;
    return 0;
}

/* ---- the queue: a binary heap ---- */

static bool before(const struct wm_sp_pair *a, const struct wm_sp_pair *b)
{
    return a->score > b->score || (a->score == b->score && a->left < b->left);
}

static void push(struct wm_sp_scratch *s, struct wm_sp_pair pair)
{
    size_t i = s->n_pairs++;
    for (; i && before(&pair, &s->pairs[(i - 1) / 2]); i = (i - 1) / 2)
        s->pairs[i] = s->pairs[(i - 1) / 2];
    s->pairs[i] = pair;
}

static struct wm_sp_pair pop(struct wm_sp_scratch *s)
{
    struct wm_sp_pair top = s->pairs[0], last = s->pairs[--s->n_pairs];
    size_t i = 0, child;
    for (; (child = 2 * i + 1) < s->n_pairs; i = child) {
        if (child + 1 < s->n_pairs && before(&s->pairs[child + 1], &s->pairs[child]))
            child++;
        if (!before(&s->pairs[child], &last))
            break;
        s->pairs[i] = s->pairs[child];
    }
    s->pairs[i] = last;
    return top;
}

/* ---- one stretch: symbols from 0 on, `text` where they start ---- */

static const struct wm_sp_unit *joined(const struct wm_sp *model, const struct wm_sp_scratch *s,
                                       const char *text, uint32_t left, uint32_t right)
{
    const struct wm_sp_symbol *l = &s->symbols[left];
    if (l->link == WM_SP_NONE)
        return NULL;
    return wm_sp_walk(&model->trie, l->link, text + right, s->symbols[right].len);
}

static void consider(const struct wm_sp *model, struct wm_sp_scratch *s, const char *text,
                     uint32_t left, uint32_t right)
{
    if (left == WM_SP_NONE || right == WM_SP_NONE)
        return;
    const struct wm_sp_unit *unit = joined(model, s, text, left, right);
    uint32_t id = unit ? model->trie.ids[unit - model->trie.units] : WM_SP_NONE;
    if (id != WM_SP_NONE)
        push(s, (struct wm_sp_pair){model->scores[id], left,
                                    s->symbols[left].len + s->symbols[right].len});
}

static void set_piece(const struct wm_sp *model, struct wm_sp_symbol *symbol,
                      const struct wm_sp_unit *unit)
{
    symbol->link = unit ? unit->link : WM_SP_NONE;
    symbol->id = unit ? model->trie.ids[unit - model->trie.units] : WM_SP_NONE;
}

/* The next symbol, of `len` bytes at `at`. */
static void add_symbol(const struct wm_sp *model, struct wm_sp_scratch *s, const char *text,
                       uint32_t at, uint32_t len, uint32_t prev)
{
    struct wm_sp_symbol *symbol = &s->symbols[at];
    *symbol = (struct wm_sp_symbol){.len = len, .prev = prev, .next = WM_SP_NONE};
    set_piece(model, symbol, wm_sp_walk(&model->trie, model->trie.units->link, text + at, len));
    if (prev != WM_SP_NONE)
        s->symbols[prev].next = at;
}

/* Join all that can be joined; or stop before a join of `whole` bytes and return its left part. */
static uint32_t join_all(const struct wm_sp *model, struct wm_sp_scratch *s, const char *text,
                         uint32_t whole)
{
    s->n_pairs = 0;
    for (uint32_t i = 0; i != WM_SP_NONE; i = s->symbols[i].next)
        consider(model, s, text, i, s->symbols[i].next);
    while (s->n_pairs) {
        struct wm_sp_pair pair = pop(s);
        struct wm_sp_symbol *left = &s->symbols[pair.left];
        uint32_t right = left->next;
        /* lengths only grow: the sum says whether both are still what they were */
        if (left->len == 0 || right == WM_SP_NONE || left->len + s->symbols[right].len != pair.len)
            continue;
        if (pair.len == whole)
            return left->len;
        set_piece(model, left, joined(model, s, text, pair.left, right));
        left->len = pair.len;
        left->next = s->symbols[right].next;
        s->symbols[right].len = 0;
        if (left->next != WM_SP_NONE)
            s->symbols[left->next].prev = pair.left;
        consider(model, s, text, left->prev, pair.left);
        consider(model, s, text, pair.left, left->next);
    }
    return 0;
}

/* A piece that was formed, or, of an unused one, what it was formed of. */
static void emit_piece(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t id,
                       uint32_t begin, uint32_t end)
{
    uint32_t split = id == WM_SP_NONE ? 0 : model->splits[id];
    if (split) { /* both parts are shorter: at most WM_SP_MAX_PIECE_BYTES deep */
        for (unsigned part = 0; part < 2; part++) {
            uint32_t from = part ? begin + split : begin, to = part ? end : begin + split;
            const struct wm_sp_unit *unit =
                wm_sp_walk(&model->trie, model->trie.units->link, s->text + from, to - from);
            emit_piece(model, s, unit ? model->trie.ids[unit - model->trie.units] : WM_SP_NONE,
                       from, to);
        }
        return;
    }
    if (id != WM_SP_NONE && model->types[model->found[id]] != WM_SP_CONTROL)
        id = model->found[id]; /* as SentencePiece looks it up again, by its text */
    wm_sp_emit(model, s, id == WM_SP_NONE ? model->unknown : id, begin, end);
}

static int finish_stretch(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t base,
                          uint32_t len, struct wm_error *err)
{
    int status = wm_sp_reserve(s, len, err);
    if (status || !len)
        return status;
    (void)join_all(model, s, s->text + base, UINT32_MAX);
    for (uint32_t i = 0; i != WM_SP_NONE; i = s->symbols[i].next)
        emit_piece(model, s, s->symbols[i].id, base + i, base + i + s->symbols[i].len);
    return 0;
}

/* How far pieces reach from `text`, in bytes; the text ends with NUL. */
static uint32_t reach(const struct wm_sp *model, const char *text)
{
    const struct wm_sp_unit *units = model->trie.units, *unit;
    uint32_t link = units->link, longest = 0;
    for (uint32_t len = 1; (unit = wm_sp_child(units, link, (unsigned char)text[len - 1])); len++) {
        link = unit->link;
        if (model->trie.ids[unit - units] != WM_SP_NONE)
            longest = len;
    }
    return longest;
}

int wm_sp_bpe(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t begin, uint32_t end,
              struct wm_error *err)
{
    uint32_t base = begin, at = 0, far = 0, prev = WM_SP_NONE, symbol = 0;
    int status = 0;
    while (!status && base + at < end) {
        const char *text = s->text + base + at;
        uint32_t len = model->has_user_defined
                           ? (uint32_t)wm_sp_user_defined(model, text, end - base - at, &symbol)
                           : 0;
        if (at >= far || len) {
            status = finish_stretch(model, s, base, at, err);
            base += at;
            at = far = 0;
            prev = WM_SP_NONE;
        }
        if (len) {
            status = status ? status : wm_sp_reserve(s, len, err);
            if (!status)
                emit_piece(model, s, symbol, base, base + len);
            base += len;
            continue;
        }
        if (!status)
            status = more_symbols(s, (size_t)at + SLACK, err);
        if (status)
            break;
        len = (uint32_t)wm_sp_char_bytes(*text);
        if (len > end - base - at)
            len = end - base - at;
        add_symbol(model, s, s->text + base, at, len, prev);
        uint32_t reached = at + reach(model, text);
        far = reached > far ? reached : far;
        prev = at;
        at += len;
    }
    return status ? status : finish_stretch(model, s, base, at, err);
}

/* ---- how pieces come about ---- */

/* `*ret`: bytes of the left part of the last join that makes the piece, 0 if none does. */
static int split_piece(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t id,
                       uint32_t *ret, struct wm_error *err)
{
    struct wm_str piece = wm_sp_piece(model, id);
    uint32_t prev = WM_SP_NONE;
    int status = more_symbols(s, piece.len, err);
    for (uint32_t at = 0; at < piece.len && !status;) {
        size_t len = wm_sp_char_bytes(piece.ptr[at]);
        len = len > piece.len - at ? piece.len - at : len;
        add_symbol(model, s, piece.ptr, at, (uint32_t)len, prev);
        prev = at;
        at += (uint32_t)len;
    }
    if (!status)
        *ret = join_all(model, s, piece.ptr, (uint32_t)piece.len);
    return status;
}

int wm_sp_splits(const struct wm_sp *model, bool unused_only, uint32_t *ret, struct wm_error *err)
{
    struct wm_sp_scratch s = {0};
    int status = 0;
    for (uint32_t id = 0; id < model->n_pieces && !status; id++) {
        enum wm_sp_type type = wm_sp_piece_type(model, id);
        ret[id] = 0;
        if (type == WM_SP_UNUSED || (type == WM_SP_NORMAL && !unused_only))
            status = split_piece(model, &s, id, &ret[id], err);
    }
    free(s.symbols);
    free(s.pairs);
    return status;
}

int wm_sp_bpe_prepare(struct wm_sp *model, struct wm_error *err)
{
    model->splits = wm_sp_alloc(model->n_pieces, sizeof *model->splits, "unused pieces", err);
    return model->splits ? wm_sp_splits(model, true, model->splits, err) : WM_E_NOMEM;
}
