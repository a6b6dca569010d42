/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Unigram: the path of pieces with the highest sum of log probabilities, by Viterbi over bytes.
 *
 * Which of two near paths wins depends on rounding, so sums are SentencePiece's: a path's sum is a
 * float; a candidate is compared as the double sum of that float and the piece's score (of an
 * unknown character as a float), wins if it is greater than the best so far, in the order of where
 * pieces start, and is then rounded to float.
 *
 * No piece goes over a place that no candidate has reached beyond: the path up to it is settled,
 * and memory is used again. Those places are mostly the ends of words.
 */
#include <stdlib.h>

#include "scorers/sp_model.h"

enum { SLACK = WM_SP_MAX_PIECE_BYTES + 8 }; /* how far behind a place candidates can reach */

static int more_best(struct wm_sp_scratch *s, size_t need, struct wm_error *err)
{
    if (need <= s->best_cap)
        return 0;
    size_t cap = need + need / 2;
    struct wm_sp_best *best = realloc(s->best, cap * sizeof *best);
    if (!best)
        return wm_fail_nomem(err, cap * sizeof *best, "best paths");
    s->best = best;
    s->best_cap = cap;
    return 0;
}

/* Emit the best path to best[len]; text offsets start at `base`. */
static void settle(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t base, uint32_t len)
{
    struct wm_sp_best *best = s->best;
    uint32_t to = len, next = len;
    while (to > 0) { /* turn the chain round: `from` becomes where the next piece ends */
        uint32_t from = best[to].from;
        best[to].from = next;
        next = to;
        to = from;
    }
    for (uint32_t from = 0, end = next; from < len; end = best[end].from) {
        wm_sp_emit(model, s, best[end].id, base + from, base + end);
        from = end;
    }
    s->sum = best[len].score;
}

/* Places up to `to` can be reached from now on. */
static void open_places(struct wm_sp_best *best, uint32_t *far, uint32_t to)
{
    while (*far < to)
        best[++*far].score = -INFINITY;
}

/* All pieces that start at best[at]; true if one of them is a character of `char_bytes`. */
static bool try_pieces(const struct wm_sp *model, struct wm_sp_best *best, const char *text,
                       uint32_t at, uint32_t char_bytes, uint32_t *far)
{
    const struct wm_sp_unit *units = model->trie.units, *unit;
    const double here = (double)best[at].score;
    bool is_single = false;
    uint32_t link = units->link;
    for (uint32_t len = 1; (unit = wm_sp_child(units, link, (unsigned char)text[len - 1])); len++) {
        link = unit->link;
        double score = (double)unit->score;
        if (!(score > -INFINITY))
            continue;
        if (score == INFINITY)
            score = (double)((float)len * model->max_score) - 0.1;
        if (at + len > *far)
            open_places(best, far, at + len);
        struct wm_sp_best *to = &best[at + len];
        if (here + score > (double)to->score)
            *to = (struct wm_sp_best){(float)(here + score), model->trie.ids[unit - units], at};
        is_single = is_single || len == char_bytes;
    }
    return is_single;
}

static void try_unknown(const struct wm_sp *model, struct wm_sp_best *best, uint32_t at,
                        uint32_t char_bytes, uint32_t *far)
{
    float candidate = model->unknown_score + best[at].score;
    open_places(best, far, at + char_bytes);
    if (candidate > best[at + char_bytes].score)
        best[at + char_bytes] = (struct wm_sp_best){candidate, model->unknown, at};
}

int wm_sp_unigram(const struct wm_sp *model, struct wm_sp_scratch *s, uint32_t begin, uint32_t end,
                  struct wm_error *err)
{
    uint32_t base = begin, at = 0, far = 0;
    int status = more_best(s, SLACK, err);
    while (!status && base + at < end) {
        if (at >= far) {
            status = wm_sp_reserve(s, at, err);
            if (status)
                break;
            if (at)
                settle(model, s, base, at);
            base += at;
            at = far = 0;
            s->best[0].score = s->sum;
        }
        status = more_best(s, (size_t)at + SLACK, err);
        if (status)
            break;
        const char *text = s->text + base + at;
        uint32_t char_bytes = (uint32_t)wm_sp_char_bytes(*text);
        if (char_bytes > end - base - at)
            char_bytes = end - base - at;
        if (!try_pieces(model, s->best, text, at, char_bytes, &far))
            try_unknown(model, s->best, at, char_bytes, &far);
        at += char_bytes;
    }
    if (!status)
        status = wm_sp_reserve(s, at, err);
    if (!status && at)
        settle(model, s, base, at);
    return status;
}

/* ---- words to remember ---- */

/*
 * A word's path from a sum S is its path from 0 unless rounding decides. With u = 2^-24, C
 * characters and all sums within ±M, a stored sum differs from the exact one by at most C·u·M (each
 * of at most C pieces rounds once, and a candidate is passed over only for one that is not smaller
 * by more than a rounding). So the exact winner wins everywhere on its path if it leads all other
 * candidates there by 2·C·u·M. M is |S| + the word's largest sum; the factor has 5 % and a character
 * to spare for the double sums used here. `max_sum` is the largest |S| for which that holds.
 */
static float max_sum(double margin, unsigned n_chars, double largest)
{
    const double u = 1.0 / (1 << 24);
    double most = margin / (2.1 * (n_chars + 1) * u) - largest;
    return most < 1e30 ? (float)(most * 0.999) : 1e30F;
}

struct lead {
    double best, second;
    uint32_t unit, from; /* WM_SP_NONE: an unknown character */
};

/* Without branches: which candidate wins is anyone's guess. Where no piece ends, `score` is −∞. */
static void offer(struct lead *to, double sum, uint32_t unit, uint32_t from)
{
    const bool wins = sum > to->best;
    const double loser = wins ? to->best : sum;
    to->second = loser > to->second ? loser : to->second;
    to->best = wins ? sum : to->best;
    to->unit = wins ? unit : to->unit;
    to->from = wins ? from : to->from;
}

/* As try_pieces and try_unknown; returns the bytes of the character at leads[at]. Pieces end with
 * characters. A user-defined symbol makes all sums from here on infinite. */
static uint32_t offer_pieces(const struct wm_sp *model, struct lead *leads, const char *text,
                             uint32_t at)
{
    const struct wm_sp_unit *units = model->trie.units, *unit;
    const double here = leads[at].best;
    const uint32_t char_bytes = (uint32_t)wm_sp_char_bytes(text[at]);
    uint32_t end = at + char_bytes;
    if (char_bytes == 1)
        unit = wm_sp_child(units, units->link, (unsigned char)text[at]);
    else if (char_bytes == 3 && memcmp(text + at, WM_SP_SPACE, 3) == 0)
        unit = model->space;
    else
        unit = wm_sp_walk(&model->trie, units->link, text + at, char_bytes);
    if (!unit || unit->score == -INFINITY)
        offer(&leads[end], here + (double)model->unknown_score, WM_SP_NONE, at);
    while (unit) {
        offer(&leads[end], here + (double)unit->score, (uint32_t)(unit - units), at);
        unit = wm_sp_child(units, unit->link, (unsigned char)text[end++]);
    }
    return char_bytes;
}

/* Pieces from the end backwards; the smallest lead on the way. -1: too many. */
static double trace(const struct wm_sp *model, const struct lead *leads, struct wm_sp_word *word)
{
    double margin = INFINITY;
    unsigned n = 0;
    for (uint32_t to = word->len; to > 0; to = leads[to].from, n++) {
        if (n == WM_SP_WORD_PIECES)
            return -1;
        if (leads[to].best - leads[to].second < margin)
            margin = leads[to].best - leads[to].second;
    }
    word->n = (uint8_t)n;
    for (uint32_t to = word->len; to > 0; to = leads[to].from) {
        uint32_t unit = leads[to].unit;
        word->ids[--n] = unit == WM_SP_NONE ? model->unknown : model->trie.ids[unit];
        word->ends[n] = (uint8_t)to;
    }
    return margin;
}

bool wm_sp_unigram_word(const struct wm_sp *model, const char *text, struct wm_sp_word *word)
{
    enum { BEHIND = 2 }; /* the trie may know the first bytes of "▁", as another character's */
    struct lead leads[WM_SP_KEY_BYTES + 1 + BEHIND];
    unsigned n_chars = 0;
    for (uint32_t i = 0; i <= word->len + (uint32_t)BEHIND; i++)
        leads[i] = (struct lead){-INFINITY, -INFINITY, 0, 0};
    leads[0].best = 0;
    for (uint32_t at = 0; at < word->len; n_chars++)
        at += offer_pieces(model, leads, text, at);
    if (leads[word->len].best == INFINITY)
        return false; /* a user-defined symbol's score is no float */
    double margin = trace(model, leads, word);
    word->max_sum = max_sum(margin, n_chars, (double)n_chars * (double)model->largest_score);
    return margin > 0 && word->max_sum >= 0;
}
