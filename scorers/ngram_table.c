/* SPDX-License-Identifier: Apache-2.0 */
/* Queries in wetmill's own tables: one bucket, which is one cache line, for nearly every look-up. */
#include <xxhash.h>

#include "scorers/ngram_window.h"

uint64_t wm_ngram_word_hash(struct wm_str word)
{
    return XXH3_64bits(word.ptr, word.len);
}

static uint32_t find_word(const struct wm_ngram *m, struct wm_str word)
{
    const struct wm_ngram_words *v = &m->words;
    const uint64_t hash = wm_ngram_word_hash(word), high = hash >> 32;
    uint64_t slot;
    for (uint64_t i = hash & v->mask, n = 0;
         n <= v->mask && (slot = wm_ngram_u64(v->slots + 8 * i)) != 0; i = (i + 1) & v->mask, n++) {
        uint32_t index = (uint32_t)slot;
        if (slot >> 32 != high || index >= m->n_words)
            continue;
        uint32_t start = wm_ngram_u32(v->starts + 4 * (size_t)index);
        uint32_t end = wm_ngram_u32(v->starts + 4 * ((size_t)index + 1));
        if (start <= end && end <= v->n_bytes &&
            wm_str_eq(word, (struct wm_str){v->bytes + start, end - start}))
            return index;
    }
    return WM_NGRAM_UNKNOWN;
}

WM_NGRAM_INLINE struct wm_ngram_hit unigram(const struct wm_ngram *m, uint32_t word)
{
    const unsigned char *at = m->unigrams + (size_t)word * 8;
    struct wm_ngram_hit hit = wm_ngram_flagged(wm_ngram_float(at), wm_ngram_float(at + 4), true);
    hit.node.a = word;
    return hit;
}

/* A node is a hash and the bucket where its key should be. */
WM_NGRAM_INLINE struct wm_ngram_node aim(const struct wm_ngram *m, unsigned order,
                                         struct wm_ngram_node node, uint32_t word, bool go)
{
    const struct wm_ngram_table *t = &m->tables[order];
    uint64_t hash = wm_ngram_join(node.a, word);
    uint64_t home = wm_ngram_home(wm_ngram_key(hash), t->buckets) * WM_NGRAM_BUCKET;
    /* what is not looked for fetches the first bucket, rather than branching */
    __builtin_prefetch(t->at + (home & (0 - (uint64_t)go)));
    return (struct wm_ngram_node){.a = hash, .b = home};
}

/* A key's place in its bucket, 0 if it has none; `*ret_found` says which. */
WM_NGRAM_INLINE unsigned in_bucket(const unsigned char *bucket, uint64_t key, unsigned n,
                                   bool *ret_found)
{
    unsigned at = 0, found = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned here = (wm_ngram_u64(bucket + 8 * i) & ~UINT64_C(1)) == key;
        at |= i & (0 - here);
        found |= here;
    }
    *ret_found = found;
    return at;
}

/* Keys whose home was full lie in the next bucket that had room. */
static __attribute__((noinline)) const unsigned char *
further(const struct wm_ngram_table *t, uint64_t home, uint64_t key, unsigned n)
{
    const uint64_t end = t->buckets * WM_NGRAM_BUCKET;
    const unsigned char *bucket = t->at + home;
    bool found = false;
    for (uint64_t probes = 1; wm_ngram_went_on(bucket, key) && probes < t->max_probes && !found;
         probes++) {
        home = home + WM_NGRAM_BUCKET < end ? home + WM_NGRAM_BUCKET : 0;
        bucket = t->at + home;
        (void)in_bucket(bucket, key, n, &found);
    }
    return bucket;
}

WM_NGRAM_INLINE const unsigned char *find(const struct wm_ngram_table *t, struct wm_ngram_node node,
                                          unsigned n, unsigned *ret_at, bool *ret_found)
{
    uint64_t key = wm_ngram_key(node.a);
    const unsigned char *bucket = t->at + node.b;
    *ret_at = in_bucket(bucket, key, n, ret_found);
    if (__builtin_expect(wm_ngram_went_on(bucket, key) & !*ret_found, 0)) {
        bucket = further(t, node.b, key, n);
        *ret_at = in_bucket(bucket, key, n, ret_found);
    }
    return bucket;
}

WM_NGRAM_INLINE struct wm_ngram_hit middle(const struct wm_ngram *m, unsigned order,
                                           struct wm_ngram_node node, uint32_t word)
{
    (void)word;
    unsigned at;
    bool found;
    const unsigned char *bucket = find(&m->tables[order], node, WM_NGRAM_MIDDLES, &at, &found);
    const unsigned char *value = bucket + 8 * WM_NGRAM_MIDDLES + 8 * at;
    struct wm_ngram_hit hit =
        wm_ngram_flagged(wm_ngram_float(value), wm_ngram_float(value + 4), found);
    hit.node = node;
    return hit;
}

WM_NGRAM_INLINE struct wm_ngram_hit longest(const struct wm_ngram *m, struct wm_ngram_node node,
                                            uint32_t word)
{
    (void)word;
    unsigned at;
    bool found;
    const unsigned char *bucket = find(&m->tables[m->order], node, WM_NGRAM_LONGESTS, &at, &found);
    const unsigned char *value = bucket + 8 * WM_NGRAM_LONGESTS + 4 * at;
    return wm_ngram_flagged(wm_ngram_float(value), 0, found);
}

static const struct wm_ngram_search search = {unigram, aim, middle, longest};

static void score(const struct wm_ngram *m, struct wm_ngram_cursor *cursor)
{
    wm_ngram_window_score(m, cursor, &search);
}

void wm_ngram_own_use(struct wm_ngram *model)
{
    model->word = find_word;
    model->score = score;
    for (unsigned order = 2; order <= model->order; order++)
        model->tables[order].max_probes = WM_NGRAM_MAX_PROBES;
    if (model->order == 1)
        model->tables[2].at = model->unigrams; /* aimed at, never searched */
}
