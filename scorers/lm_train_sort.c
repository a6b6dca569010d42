/* SPDX-License-Identifier: Apache-2.0 */
/* The n-grams of a block, sorted from the most significant word down. What is sorted are positions:
 * large ranges by a stable radix sort on one word, small ones as tuples of all the words that are
 * left, by three-way quicksort (Bentley and Sedgewick: Fast Algorithms for Sorting and Searching
 * Strings, 1997). */
#include <stdlib.h>

#include "scorers/lm_train.h"

enum {
    TUPLES = 2048,  /* a range up to this is sorted as tuples */
    INSERTION = 12, /* tuples that insertion sorts faster */
    FAR_AHEAD = 16, /* positions between a prefetch and its use */
    KEY_PARTS = LM_WORDS / 2,
};

/* Two words each, the first in the upper half. */
struct tuple {
    uint64_t part[KEY_PARTS];
};

struct sorter {
    const uint32_t *tokens;
    unsigned order, digit_bits;
    uint32_t *positions;      /* [n] where an n-gram ends */
    uint64_t *pairs;          /* [n] key, position */
    size_t *at;               /* [2 << digit_bits] */
    struct tuple *tuples;     /* [TUPLES] */
    uint32_t words[LM_WORDS]; /* that the current range has in common, then the n-gram's */
    struct wm_cancel *cancel;
    const struct lm_sink *sink;
};

/* The word that sorts at `depth` of the n-gram that ends at `i`. */
static inline uint32_t key(const struct sorter *s, uint32_t i, unsigned depth)
{
    return s->tokens[depth + 1 < s->order ? i - 1 - depth : i];
}

/* ---- tuples ---- */

static inline int compare(const struct tuple *a, const struct tuple *b, unsigned part)
{
    for (; part < KEY_PARTS; part++)
        if (a->part[part] != b->part[part])
            return a->part[part] < b->part[part] ? -1 : 1;
    return 0;
}

static void insertion_sort(struct tuple *t, size_t n, unsigned part)
{
    for (size_t i = 1; i < n; i++) {
        struct tuple keep = t[i];
        size_t to = i;
        for (; to && compare(&t[to - 1], &keep, part) > 0; to--)
            t[to] = t[to - 1];
        t[to] = keep;
    }
}

static inline void swap(struct tuple *a, struct tuple *b)
{
    struct tuple keep = *a;
    *a = *b;
    *b = keep;
}

static uint64_t median(const struct tuple *t, size_t n, unsigned part)
{
    uint64_t a = t[0].part[part], b = t[n / 2].part[part], c = t[n - 1].part[part];
    if (a > b) {
        uint64_t keep = a;
        a = b;
        b = keep;
    }
    return c < a ? a : c < b ? c : b;
}

/* At most TUPLES are sorted, so the worst case, TUPLES² / 2 steps, is no trouble; the smaller part
 * is the recursion's, so it nests log2(TUPLES) deep for each part of a tuple. */
static void sort_tuples(struct tuple *t, size_t n, unsigned part) /* NOLINT(misc-no-recursion) */
{
    while (n > INSERTION && part < KEY_PARTS) {
        uint64_t pivot = median(t, n, part);
        size_t below = 0, at = 0, above = n;
        while (at < above) {
            uint64_t v = t[at].part[part];
            if (v < pivot)
                swap(&t[below++], &t[at++]);
            else if (v > pivot)
                swap(&t[at], &t[--above]);
            else
                at++;
        }
        sort_tuples(t + below, above - below, part + 1);
        if (below < n - above) {
            sort_tuples(t, below, part);
            t += above;
            n -= above;
        } else {
            sort_tuples(t + above, n - above, part);
            n = below;
        }
    }
    if (part < KEY_PARTS)
        insertion_sort(t, n, part);
}

/* The n-grams that end at `positions` and have the first `depth` sorting words in common. */
static int take_tuples(struct sorter *s, const uint32_t *positions, size_t n, unsigned depth,
                       struct wm_error *err)
{
    struct tuple *t = s->tuples;
    for (size_t i = 0; i < n; i++) {
        t[i] = (struct tuple){{0}};
        for (unsigned d = depth; d < s->order; d++)
            t[i].part[(d - depth) / 2] |= (uint64_t)key(s, positions[i], d)
                                          << ((d - depth) % 2 ? 0 : 32);
    }
    sort_tuples(t, n, 0);
    int status = 0;
    for (size_t i = 0, end; !status && i < n; i = end) {
        for (end = i + 1; end < n && compare(&t[i], &t[end], 0) == 0; end++)
            continue;
        for (unsigned d = depth; d < s->order; d++)
            s->words[d] = (uint32_t)(t[i].part[(d - depth) / 2] >> ((d - depth) % 2 ? 0 : 32));
        status = s->sink->take(s->sink->arg, s->words, end - i, err);
    }
    return status;
}

/* ---- positions ---- */

static void sum_up(size_t *at, size_t n)
{
    for (size_t i = 0, sum = 0; i < n; i++) {
        size_t count = at[i];
        at[i] = sum;
        sum += count;
    }
}

/* Stable, by two digits of the word at `depth`. */
static void radix_sort(struct sorter *s, uint32_t *positions, size_t n, unsigned depth)
{
    size_t n_buckets = (size_t)1 << s->digit_bits;
    size_t *low = s->at, *high = s->at + n_buckets;
    memset(low, 0, 2 * n_buckets * sizeof *low);
    for (size_t i = 0; i < n; i++) {
        uint32_t k = key(s, positions[i], depth);
        low[k & (n_buckets - 1)]++;
        high[k >> s->digit_bits]++;
    }
    sum_up(low, n_buckets);
    sum_up(high, n_buckets);
    for (size_t i = 0; i < n; i++) {
        uint32_t k = key(s, positions[i], depth);
        s->pairs[low[k & (n_buckets - 1)]++] = (uint64_t)k << 32 | positions[i];
    }
    for (size_t i = 0; i < n; i++)
        positions[high[s->pairs[i] >> 32 >> s->digit_bits]++] = (uint32_t)s->pairs[i];
}

static int sort_range(struct sorter *s, uint32_t *positions, size_t n,
                      unsigned depth, /* NOLINT(misc-no-recursion) */
                      struct wm_error *err)
{
    if (depth == s->order)
        return s->sink->take(s->sink->arg, s->words, n, err);
    if (n <= TUPLES)
        return take_tuples(s, positions, n, depth, err);
    int status = wm_cancel_check(s->cancel, err);
    if (status)
        return status;
    radix_sort(s, positions, n, depth);
    for (size_t i = 0, end; !status && i < n; i = end) {
        uint32_t k = key(s, positions[i], depth);
        for (end = i + 1; end < n && key(s, positions[end], depth) == k; end++)
            if (end + FAR_AHEAD < n)
                __builtin_prefetch(&s->tokens[positions[end + FAR_AHEAD]]);
        s->words[depth] = k;
        status = sort_range(s, positions + i, end - i, depth + 1, err);
    }
    return status;
}

int lm_sort_block(const struct lm_block *block, unsigned order, size_t n_words,
                  struct wm_cancel *cancel, const struct lm_sink *sink, struct wm_error *err)
{
    unsigned bits = 1;
    while (bits < 16 && n_words > (uint64_t)1 << (2 * bits))
        bits++;
    struct sorter s = {block->tokens, order, bits, .cancel = cancel, .sink = sink};
    s.positions = lm_alloc((block->n + 1) * sizeof *s.positions);
    s.pairs = lm_alloc((block->n + 1) * sizeof *s.pairs);
    s.at = malloc((size_t)2 * sizeof *s.at << bits);
    s.tuples = malloc(TUPLES * sizeof *s.tuples);
    int status = 0;
    if (s.positions && s.pairs && s.at && s.tuples) {
        size_t n = 0;
        for (size_t i = block->start; i < block->n; i++) {
            s.positions[n] = (uint32_t)i;
            n += block->tokens[i] != LM_BOS;
        }
        if (n)
            status = sort_range(&s, s.positions, n, 0, err);
    } else {
        status = wm_fail_nomem(err, block->n * LM_BLOCK_TOKEN, "sorting n-grams");
    }
    free(s.positions);
    free(s.pairs);
    free(s.at);
    free(s.tuples);
    return status;
}
