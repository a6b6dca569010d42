/* SPDX-License-Identifier: Apache-2.0 */
/* Queries in KenLM's tries. An n-gram's entry lies among those of the n-gram without its first
 * word: level 1 is the last word, level 2 the word before it, and so on. The entries of one parent
 * are a range, sorted by word; each points to where its own children start, and they end where the
 * next entry's start. Numbers of any width lie bit after bit, low bits first. */
#include "scorers/ngram_window.h"

/* Up to 57 bits. Behind every array of entries the file has 8 bytes more. */
WM_NGRAM_INLINE uint64_t bits_at(const unsigned char *base, uint64_t bit, unsigned n)
{
    return wm_ngram_u64(base + (bit >> 3)) >> (bit & 7) & (((uint64_t)1 << n) - 1);
}

static uint32_t find_word(const struct wm_ngram *m, struct wm_str word)
{
    const uint64_t hash = wm_ngram_murmur(word);
    uint64_t from = 0, to = m->trie.n_hashes;
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        uint64_t there = wm_ngram_u64(m->trie.hashes + 8 * middle);
        if (there == hash)
            return (uint32_t)(middle + 1);
        if (there < hash)
            from = middle + 1;
        else
            to = middle;
    }
    return WM_NGRAM_UNKNOWN;
}

/* A range that does not lie among `entries` is none. */
WM_NGRAM_INLINE struct wm_ngram_node range(uint64_t from, uint64_t to, uint64_t entries)
{
    bool right = from <= to && to <= entries;
    return (struct wm_ngram_node){right ? from : 0, right ? to : 0};
}

static inline struct wm_ngram_hit unigram(const struct wm_ngram *m, uint32_t word)
{
    const unsigned char *at = m->unigrams + (size_t)word * 16;
    struct wm_ngram_hit hit = {
        .prob = wm_ngram_float(at), .backoff = wm_ngram_float(at + 4), .found = true};
    hit.node = range(wm_ngram_u64(at + 8), wm_ngram_u64(at + 24), m->trie.levels[2].entries);
    hit.goes_left = hit.node.a < hit.node.b;
    return hit;
}

/* Words are spread evenly enough to guess where in the range this one is. */
WM_NGRAM_INLINE uint64_t guess(const struct wm_ngram *m, struct wm_ngram_node node, uint32_t word)
{
    return node.a + (uint64_t)((wm_u128)(node.b - node.a) * word / m->n_words);
}

static inline struct wm_ngram_node aim(const struct wm_ngram *m, unsigned order,
                                       struct wm_ngram_node node, uint32_t word, bool go)
{
    const struct wm_ngram_level *l = &m->trie.levels[order];
    if (go)
        __builtin_prefetch(l->at + (guess(m, node, word) * l->bits >> 3));
    return node;
}

/* Index of `word` in the range, or UINT64_MAX. Two guesses narrow a long range, then halving. */
static inline uint64_t find(const struct wm_ngram *m, const struct wm_ngram_level *l,
                            struct wm_ngram_node node, uint32_t word)
{
    uint64_t from = node.a, to = node.b;
    uint64_t low = 0, high = m->n_words; /* words in the range are in [low, high) */
    for (unsigned guesses = 0; from < to; guesses++) {
        uint64_t at = from + (to - from) / 2;
        if (guesses < 3 && low <= word && word < high)
            at = from + (uint64_t)((wm_u128)(to - from) * (word - low) / (high - low));
        uint64_t there = bits_at(l->at, at * l->bits, l->word_bits);
        if (there == word)
            return at;
        if (there < word) {
            from = at + 1;
            low = there + 1;
        } else {
            to = at;
            high = there;
        }
    }
    return UINT64_MAX;
}

/* How often the part above next_bits has gone up, up to entry `index`. */
static uint64_t high_part(const struct wm_ngram_level *l, uint64_t index)
{
    uint64_t from = 0, to = l->n_high;
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        if (wm_ngram_u64(l->high + 8 * middle) <= index)
            from = middle + 1;
        else
            to = middle;
    }
    return from ? from - 1 : 0;
}

static inline struct wm_ngram_node children(const struct wm_ngram_level *l, uint64_t index)
{
    uint64_t bit = index * l->bits + l->word_bits + l->weight_bits;
    uint64_t from = bits_at(l->at, bit, l->next_bits);
    uint64_t to = bits_at(l->at, bit + l->bits, l->next_bits);
    if (l->n_high) {
        from |= high_part(l, index) << l->next_bits;
        to |= high_part(l, index + 1) << l->next_bits;
    }
    return range(from, to, l->next_entries);
}

static inline struct wm_ngram_hit middle(const struct wm_ngram *m, unsigned order,
                                         struct wm_ngram_node node, uint32_t word)
{
    const struct wm_ngram_level *l = &m->trie.levels[order];
    struct wm_ngram_hit hit = {.found = false};
    uint64_t index = find(m, l, node, word), bit = index * l->bits + l->word_bits;
    if (index == UINT64_MAX)
        return hit;
    hit.found = true;
    if (m->trie.quantised) {
        uint64_t prob = bits_at(l->at, bit + l->backoff_bits, l->prob_bits);
        hit.backoff = wm_ngram_float(l->backoffs + 4 * bits_at(l->at, bit, l->backoff_bits));
        hit.prob = wm_ngram_float(l->probs + 4 * prob);
    } else {
        hit.prob = wm_ngram_from_bits((uint32_t)bits_at(l->at, bit, 31) | WM_NGRAM_SIGN);
        hit.backoff = wm_ngram_from_bits((uint32_t)bits_at(l->at, bit + 31, 32));
    }
    hit.node = children(l, index);
    hit.goes_left = hit.node.a < hit.node.b;
    return hit;
}

static inline struct wm_ngram_hit longest(const struct wm_ngram *m, struct wm_ngram_node node,
                                          uint32_t word)
{
    const struct wm_ngram_level *l = &m->trie.levels[m->order];
    struct wm_ngram_hit hit = {.found = false};
    uint64_t index = find(m, l, node, word), bit = index * l->bits + l->word_bits;
    if (index == UINT64_MAX)
        return hit;
    hit.found = true;
    hit.prob = m->trie.quantised
                   ? wm_ngram_float(l->probs + 4 * bits_at(l->at, bit, l->prob_bits))
                   : wm_ngram_from_bits((uint32_t)bits_at(l->at, bit, 31) | WM_NGRAM_SIGN);
    return hit;
}

static const struct wm_ngram_search search = {unigram, aim, middle, longest};

static void score(const struct wm_ngram *m, struct wm_ngram_cursor *cursor)
{
    wm_ngram_window_score(m, cursor, &search);
}

void wm_ngram_trie_use(struct wm_ngram *model)
{
    model->word = find_word;
    model->score = score;
    model->begin = find_word(model, WM_STR("<s>"));
    model->end = find_word(model, WM_STR("</s>"));
}
