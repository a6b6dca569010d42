/* SPDX-License-Identifier: Apache-2.0 */
/* KenLM's hash tables with linear probing: open and query. Numbers lie unaligned.
 *
 *     u32 version 0, u32 words; slots {u64 hash of the word, u32 index}
 *     unigrams {f32 probability, f32 back-off [, f32 rest cost]} of all words and one more
 *     for orders 2 to N - 1: slots {u64 key, f32 probability, f32 back-off [, f32 rest cost]}
 *     slots {u64 key, f32 probability} of order N
 *
 * A table of n entries has max(n + 1, multiplier * n) slots; a key starts at its remainder; key 0
 * is a free slot. The key of words w1 … wn is the index of wn, joined with those before it in turn.
 */
#include <math.h>

#include "scorers/ngram_window.h"

enum { WORD_SLOT = 12, LONGEST_SLOT = 12, MANY_PROBES = 1 << 16 };

static uint64_t join(uint64_t key, uint32_t word)
{
    return key * UINT64_C(8978948897894561157) ^
           ((uint64_t)word + 1) * UINT64_C(17894857484156487943);
}

/* The quotient by the rounded inverse is too small by one at most. */
WM_NGRAM_INLINE uint64_t home_of(const struct wm_ngram_table *t, uint64_t key)
{
    uint64_t quotient = (uint64_t)((wm_u128)key * t->inverse >> 64);
    uint64_t rest = key - quotient * t->buckets;
    return rest >= t->buckets ? rest - t->buckets : rest;
}

/* The slot of `key`, or NULL. */
WM_NGRAM_INLINE const unsigned char *find(const struct wm_ngram_table *t, uint64_t key,
                                          unsigned size)
{
    uint64_t i = home_of(t, key);
    for (uint64_t probes = 0; probes < t->max_probes; probes++) {
        const unsigned char *slot = t->at + i * size;
        uint64_t there = wm_ngram_u64(slot);
        if (there == key)
            return slot;
        if (there == 0)
            return NULL;
        i = i + 1 < t->buckets ? i + 1 : 0;
    }
    return NULL;
}

static uint32_t find_word(const struct wm_ngram *m, struct wm_str word)
{
    const unsigned char *slot = find(&m->vocabulary, wm_ngram_murmur(word), WORD_SLOT);
    uint32_t index = slot ? wm_ngram_u32(slot + 8) : WM_NGRAM_UNKNOWN;
    return index < m->n_words ? index : WM_NGRAM_UNKNOWN;
}

/* `size` is constant where this is inlined into the score of one kind of file. */
WM_NGRAM_INLINE struct wm_ngram_hit unigram_of(const struct wm_ngram *m, uint32_t word,
                                               unsigned size)
{
    const unsigned char *at = m->unigrams + (size_t)word * size;
    struct wm_ngram_hit hit = wm_ngram_flagged(wm_ngram_float(at), wm_ngram_float(at + 4), true);
    hit.node.a = word;
    return hit;
}

WM_NGRAM_INLINE struct wm_ngram_node aim_of(const struct wm_ngram *m, unsigned order,
                                            struct wm_ngram_node node, uint32_t word, bool go,
                                            unsigned size)
{
    const struct wm_ngram_table *t = &m->tables[order];
    struct wm_ngram_node next = {.a = join(node.a, word)};
    next.b = home_of(t, next.a);
    uint64_t offset = next.b * (order == m->order ? LONGEST_SLOT : size);
    __builtin_prefetch(t->at + (offset & (0 - (uint64_t)go))); /* no branch */
    return next;
}

WM_NGRAM_INLINE const unsigned char *find_from(const struct wm_ngram_table *t,
                                               struct wm_ngram_node node, unsigned size)
{
    const unsigned char *slot = t->at + node.b * size, *end = t->at + t->buckets * size;
    for (uint64_t probes = 0; probes < t->max_probes; probes++) {
        uint64_t there = wm_ngram_u64(slot);
        if (there == node.a)
            return slot;
        if (there == 0)
            return NULL;
        slot += size;
        if (__builtin_expect(slot == end, 0))
            slot = t->at;
    }
    return NULL;
}

WM_NGRAM_INLINE struct wm_ngram_hit middle_of(const struct wm_ngram *m, unsigned order,
                                              struct wm_ngram_node node, unsigned size)
{
    const unsigned char *slot = find_from(&m->tables[order], node, size);
    const unsigned char *value = slot ? slot + 8 : m->unigrams;
    struct wm_ngram_hit hit =
        wm_ngram_flagged(wm_ngram_float(value), wm_ngram_float(value + 4), slot != NULL);
    hit.node = node;
    return hit;
}

static inline struct wm_ngram_hit longest(const struct wm_ngram *m, struct wm_ngram_node node,
                                          uint32_t word)
{
    (void)word;
    const unsigned char *slot = find_from(&m->tables[m->order], node, LONGEST_SLOT);
    return wm_ngram_flagged(wm_ngram_float(slot ? slot + 8 : m->unigrams), 0, slot != NULL);
}

enum { PLAIN = 8, REST = 12, KEY = 8 };

#define WM_NGRAM_KIND(name, size)                                                             \
    static inline struct wm_ngram_hit name##_unigram(const struct wm_ngram *m, uint32_t word) \
    {                                                                                         \
        return unigram_of(m, word, size);                                                     \
    }                                                                                         \
    static inline struct wm_ngram_node name##_aim(const struct wm_ngram *m, unsigned order,   \
                                                  struct wm_ngram_node node, uint32_t word,   \
                                                  bool go)                                    \
    {                                                                                         \
        return aim_of(m, order, node, word, go, KEY + (size));                                \
    }                                                                                         \
    static inline struct wm_ngram_hit name##_middle(const struct wm_ngram *m, unsigned order, \
                                                    struct wm_ngram_node node, uint32_t word) \
    {                                                                                         \
        (void)word;                                                                           \
        return middle_of(m, order, node, KEY + (size));                                       \
    }                                                                                         \
    static const struct wm_ngram_search name##_search = {name##_unigram, name##_aim,          \
                                                         name##_middle, longest};             \
    static void name##_score(const struct wm_ngram *m, struct wm_ngram_cursor *cursor)        \
    {                                                                                         \
        wm_ngram_window_score(m, cursor, &name##_search);                                     \
    }

WM_NGRAM_KIND(plain, PLAIN)
WM_NGRAM_KIND(rest, REST)

/* A table as it is in the file. Where it has room to spare, no run of slots is long; a damaged one
 * must not be searched to its end for every word. */
static int take_table(struct wm_ngram *m, struct wm_ngram_kenlm *k, uint64_t entries, unsigned size,
                      struct wm_ngram_table *ret, struct wm_error *err)
{
    float wanted = k->multiplier * (float)entries; /* rounded as the writer does */
    uint64_t buckets = wanted < 1e18f ? (uint64_t)wanted : UINT64_MAX / 2;
    if (buckets < entries + 1)
        buckets = entries + 1;
    ret->buckets = buckets;
    ret->inverse = UINT64_MAX / buckets;
    ret->max_probes = buckets / 5 * 4 > entries && buckets > MANY_PROBES ? MANY_PROBES : buckets;
    return wm_ngram_kenlm_take(m, k, buckets, size, "hash tables", &ret->at, err);
}

int wm_ngram_probing_open(struct wm_ngram *m, struct wm_ngram_kenlm *k, struct wm_error *err)
{
    const unsigned char *at;
    bool rest = k->type == WM_KENLM_REST_PROBING;
    if (!(k->multiplier >= 1 && k->multiplier < 1e6f))
        return wm_fail(err, WM_E_FORMAT, "a probing multiplier below 1 or above a million");
    int status = wm_ngram_kenlm_take(m, k, 8, 1, "vocabulary", &at, err);
    if (!status)
        status = take_table(m, k, m->counts[1], WORD_SLOT, &m->vocabulary, err);
    if (status)
        return status;
    m->n_words = wm_ngram_u32(at + 4);
    if (wm_ngram_u32(at) != 0 || m->n_words < 1 || m->n_words > m->counts[1] + 1)
        return wm_fail(err, WM_E_FORMAT, "the vocabulary is not as long as announced");
    m->unigram_size = rest ? REST : PLAIN;
    status =
        wm_ngram_kenlm_take(m, k, m->counts[1] + 1, m->unigram_size, "unigrams", &m->unigrams, err);
    for (unsigned order = 2; !status && order <= m->order; order++)
        status = take_table(m, k, m->counts[order],
                            order == m->order ? LONGEST_SLOT : KEY + m->unigram_size,
                            &m->tables[order], err);
    m->word = find_word;
    m->score = rest ? rest_score : plain_score;
    m->begin = status ? 0 : find_word(m, WM_STR("<s>"));
    m->end = status ? 0 : find_word(m, WM_STR("</s>"));
    return status;
}
