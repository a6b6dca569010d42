/* SPDX-License-Identifier: Apache-2.0 */
/* Merging a long piece window by window, in time ∝ its bytes.
 *
 * Let every token come from one merge only, and every merge join tokens that come from merges of
 * lower rank (tok->origins). A merge then only makes pairs of higher rank, so merging goes through
 * the ranks once, left to right within each. It follows that tokens t1 … tn, each what its own
 * bytes merge to, are what their joined bytes merge to if and only if no two neighbours merge
 * when encoded together as (ti, ti+1): were t1 … tn not the result, look at the first merge across
 * a border. Until then both its sides went exactly as they go in the two tokens alone, and there
 * the same merge would have taken place. (Local checks of this kind: Berglund and van der Merwe,
 * "Formalizing BPE Tokenization", 2023.)
 *
 * So the tokens of a window are right as soon as the first of them stays apart from the last one
 * of before. The last ones of a window are not taken, as they mostly change with what follows, and
 * the next window begins there. Where the check fails, a larger window takes more of the past. If
 * that happens too often — it takes a text made for it — the heap does the whole piece. */
#include <stdlib.h>

#include "tokenizer/bpe.h"

enum {
    UNTAKEN = 2, /* tokens at a window's end */
    MANY = 8,    /* tokens: the next window may be a small one again */
    WORK_PER_BYTE =
        16, /* bytes of windows for each byte of the piece, before the heap takes over */
};

bool bpe_stays_apart(const struct wm_tokenizer *tok, uint32_t left, uint32_t right)
{
    /* Backwards through the ranks: undo the later of the two merges at the border. While both
     * tokens stood side by side, until `before`, no merge of the two may have come. */
    const struct bpe_origin *origins = tok->origins;
    uint32_t before = UINT32_MAX;
    for (;;) {
        const struct bpe_pair_slot *slot = bpe_merge_of(&tok->pairs, left, right);
        if (slot && slot->rank + 1 < before)
            return false;
        uint32_t left_order = origins[left].order, right_order = origins[right].order;
        if (left_order > right_order) {
            before = left_order; /* an equal merge across the border would come later */
            left = origins[left].right;
        } else if (right_order) {
            before = right_order + 1; /* … would come first */
            right = origins[right].left;
        } else {
            return true;
        }
    }
}

struct windows {
    const struct wm_tokenizer *tok;
    struct bpe_scratch *scratch;
    struct wm_str piece;
    struct wm_ids *ids;
    size_t first;         /* place in ids of the piece's first id */
    size_t done;          /* bytes whose ids are taken */
    size_t work, limit;   /* bytes of windows so far, and at most */
    struct wm_ids large;  /* ids of a window over BPE_SHORT_PIECE */
    struct wm_ids window; /* borrowed: those of the present window */
    struct wm_str merged; /* whose ids `window` has */
    uint32_t small[BPE_SHORT_PIECE];
    uint32_t apart[2]; /* a pair that has just been found to stay apart */
};

/* Ids of the `size` bytes from `done` on. */
static int merge_window(struct windows *w, size_t size, struct wm_error *err)
{
    struct wm_str bytes = {w->piece.ptr + w->done, size};
    /* In a run of one character all windows are the same. */
    if (wm_str_eq(bytes, w->merged))
        return 0;
    w->merged = bytes;
    if (size <= BPE_SHORT_PIECE) {
        size_t n = bpe_merge_short(w->tok, bytes, w->small);
        w->window = (struct wm_ids){w->small, n, BPE_SHORT_PIECE};
        return 0;
    }
    w->large.n = 0;
    int status = bpe_merge_heap(w->tok, w->scratch, bytes, &w->large, err);
    w->window = w->large;
    return status;
}

static bool joint_holds(struct windows *w)
{
    if (w->ids->n == w->first)
        return true;
    uint32_t left = w->ids->ids[w->ids->n - 1], right = w->window.ids[0];
    if (left == w->apart[0] && right == w->apart[1])
        return true;
    if (!bpe_stays_apart(w->tok, left, right))
        return false;
    w->apart[0] = left;
    w->apart[1] = right;
    return true;
}

/* Give back tokens of at least `bytes` bytes, as far as there are any; returns their bytes. */
static size_t give_back(struct windows *w, size_t bytes)
{
    size_t given = 0;
    while (given < bytes && w->ids->n > w->first)
        given += w->tok->tokens[w->ids->ids[--w->ids->n]].len;
    w->done -= given;
    return given;
}

/* One window, or one attempt at it. `*size` is that of the next. */
static int step(struct windows *w, size_t *size, struct wm_error *err)
{
    size_t rest = w->piece.len - w->done, n = *size < rest ? *size : rest;
    w->work += n;
    int status = merge_window(w, n, err);
    if (status)
        return status;
    if (!joint_holds(w)) {
        *size = 2 * n + give_back(w, n);
        return 0;
    }
    size_t take = w->window.n;
    if (n < rest)
        take = take > UNTAKEN ? take - UNTAKEN : 0;
    status = bpe_ids_reserve(w->ids, take, err);
    if (status)
        return status;
    for (size_t i = 0; i < take; i++)
        w->done += w->tok->tokens[w->window.ids[i]].len;
    memcpy(w->ids->ids + w->ids->n, w->window.ids, take * sizeof *w->window.ids);
    w->ids->n += take;
    if (take == 0)
        *size = 2 * n;
    else if (w->window.n > MANY)
        *size = BPE_SHORT_PIECE;
    return 0;
}

int bpe_merge_windows(const struct wm_tokenizer *tok, struct bpe_scratch *scratch,
                      struct wm_str piece, struct wm_ids *ids, struct wm_error *err)
{
    struct windows w = {
        .tok = tok,
        .scratch = scratch,
        .piece = piece,
        .ids = ids,
        .first = ids->n,
        .limit = WORK_PER_BYTE * piece.len,
        .apart = {BPE_NONE, BPE_NONE},
    };
    size_t size = BPE_SHORT_PIECE;
    int status = 0;
    while (!status && w.done < piece.len && w.work <= w.limit)
        status = step(&w, &size, err);
    free(w.large.ids);
    if (status || w.done == piece.len)
        return status;
    ids->n = w.first;
    return bpe_merge_heap(tok, scratch, piece, ids, err);
}
