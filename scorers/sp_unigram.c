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
        if (score == -INFINITY)
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
    uint32_t id, from;
};

static void offer(struct lead *to, double sum, uint32_t id, uint32_t from, double *largest)
{
    if (fabs(sum) > *largest)
        *largest = fabs(sum);
    if (sum > to->best) {
        to->second = to->best;
        *to = (struct lead){sum, to->second, id, from};
    } else if (sum > to->second) {
        to->second = sum;
    }
}

/* As try_pieces. A user-defined symbol is not for words: its score is no float. */
static bool offer_pieces(const struct wm_sp *model, struct lead *leads, const char *text,
                         uint32_t at, uint32_t char_bytes, double *largest, bool *is_single)
{
    const struct wm_sp_unit *units = model->trie.units, *unit;
    uint32_t link = units->link;
    for (uint32_t len = 1; (unit = wm_sp_child(units, link, (unsigned char)text[len - 1])); len++) {
        link = unit->link;
        if (unit->score == -INFINITY)
            continue;
        if (unit->score == INFINITY)
            return false;
        offer(&leads[at + len], leads[at].best + (double)unit->score, model->trie.ids[unit - units],
              at, largest);
        *is_single = *is_single || len == char_bytes;
    }
    return true;
}

/* Pieces from the end backwards; the smallest lead on the way. -1: too many. */
static double trace(const struct lead *leads, struct wm_sp_word *word)
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
        word->ids[--n] = leads[to].id;
        word->ends[n] = (uint8_t)to;
    }
    return margin;
}

bool wm_sp_unigram_word(const struct wm_sp *model, const char *text, struct wm_sp_word *word)
{
    struct lead leads[WM_SP_KEY_BYTES + 1];
    double largest = 0;
    unsigned n_chars = 0;
    for (uint32_t i = 0; i <= word->len; i++)
        leads[i] = (struct lead){.best = -INFINITY, .second = -INFINITY};
    leads[0].best = 0;
    for (uint32_t at = 0; at < word->len; n_chars++) {
        uint32_t char_bytes = (uint32_t)wm_sp_char_bytes(text[at]);
        bool is_single = false;
        if (!offer_pieces(model, leads, text + at, at, char_bytes, &largest, &is_single))
            return false;
        if (!is_single)
            offer(&leads[at + char_bytes], leads[at].best + (double)model->unknown_score,
                  model->unknown, at, &largest);
        at += char_bytes;
    }
    double margin = trace(leads, word);
    word->max_sum = max_sum(margin, n_chars, largest);
    return margin > 0 && word->max_sum >= 0;
}
