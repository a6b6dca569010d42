/* SPDX-License-Identifier: Apache-2.0 */
/* Where everything lies in KenLM's tries.
 *
 *     u64 words without <unk>; u64 hash of each word, rising; room for one more
 *     quantised: u8 version 2, u8 bits of a probability, u8 bits of a back-off, 5 bytes;
 *         for orders 2 to N - 1: f32 of each probability code, f32 of each back-off code;
 *         f32 of each probability code of order N
 *     unigrams {f32 probability, f32 back-off, u64 first child}, two more than words
 *     for orders 2 to N - 1:
 *         array-compressed: u8 version 0, u8 bits; from the next multiple of 8 on 8 bytes, and u64
 *             entries at which the high part of the pointers goes up; 7 bytes of room in all
 *         entries {word, weights, pointer}, one more than n-grams; 8 bytes
 *     entries {word, probability} of order N, one more; 8 bytes
 *
 * Weights are 31 bits of a probability (its sign is known) and 32 of a back-off, or a code of a
 * back-off and one of a probability. A number that goes up to n takes as many bits as n has. An
 * array-compressed pointer leaves out its upper c bits, with the c of all up to `bits` that makes
 * the array of 64-bit entries cost least for what it saves. */
#include "scorers/ngram.h"

enum { MAX_CODE_BITS = 25, MAX_BITS = 57, QUANTISED_VERSION = 2, ARRAY_VERSION = 0, PAD = 8 };

static unsigned bits_of(uint64_t n)
{
    return n ? 64 - (unsigned)__builtin_clzll(n) : 0;
}

static int take_vocabulary(struct wm_ngram *m, struct wm_ngram_kenlm *k, struct wm_error *err)
{
    const unsigned char *at;
    int status = wm_ngram_kenlm_take(m, k, m->counts[1] + 1, 8, "vocabulary", &at, err);
    if (status)
        return status;
    m->trie.n_hashes = wm_ngram_u64(at);
    m->trie.hashes = at + 8;
    if (m->trie.n_hashes >= m->counts[1] + 1)
        return wm_fail(err, WM_E_FORMAT, "the vocabulary is not as long as announced");
    m->n_words = (uint32_t)m->trie.n_hashes + 1;
    return 0;
}

static int take_codes(struct wm_ngram *m, struct wm_ngram_kenlm *k, struct wm_error *err)
{
    const unsigned char *at;
    int status = wm_ngram_kenlm_take(m, k, 8, 1, "codes", &at, err);
    if (status)
        return status;
    unsigned prob = at[1], backoff = at[2];
    if (at[0] != QUANTISED_VERSION)
        return wm_fail(err, WM_E_FORMAT, "a KenLM file with codes of unknown version %u", at[0]);
    if (prob < 1 || prob > MAX_CODE_BITS || backoff < 1 || backoff > MAX_CODE_BITS)
        return wm_fail(err, WM_E_FORMAT, "codes of %u and %u bits", prob, backoff);
    for (unsigned order = 2; !status && order <= m->order; order++) {
        struct wm_ngram_level *l = &m->trie.levels[order];
        l->prob_bits = prob;
        status = wm_ngram_kenlm_take(m, k, (uint64_t)1 << prob, 4, "codes", &l->probs, err);
        if (status || order == m->order)
            break;
        l->backoff_bits = backoff;
        status = wm_ngram_kenlm_take(m, k, (uint64_t)1 << backoff, 4, "codes", &l->backoffs, err);
    }
    return status;
}

/* The most bits of a pointer that pay for being left out. */
static unsigned bits_left_out(uint64_t entries, uint64_t highest, unsigned most)
{
    unsigned bits = bits_of(highest), best = 0;
    int64_t least = INT64_MAX;
    for (unsigned c = 0; c <= bits && c <= most; c++) {
        int64_t cost = (int64_t)(highest >> (bits - c)) * 64 - (int64_t)entries * (int64_t)c;
        if (cost < least) {
            least = cost;
            best = c;
        }
    }
    return best;
}

/* The array of one order, whose pointers go up to `highest`. */
static int take_array(struct wm_ngram *m, struct wm_ngram_kenlm *k, struct wm_ngram_level *l,
                      unsigned *most, struct wm_error *err)
{
    const unsigned char *at;
    uint64_t highest = l->next_entries, from = k->at;
    int status = wm_ngram_kenlm_take(m, k, 2, 1, "pointers", &at, err);
    if (status)
        return status;
    if (*most == UINT32_MAX) { /* the first order's header counts */
        if (at[0] != ARRAY_VERSION)
            return wm_fail(err, WM_E_FORMAT, "a KenLM file with pointers of unknown version %u",
                           at[0]);
        *most = at[1];
    }
    unsigned left_out = bits_left_out(l->entries + 1, highest, *most);
    l->next_bits = bits_of(highest) - left_out;
    l->n_high = (highest >> l->next_bits) + 1;
    k->at = (from + 7) / 8 * 8;
    if (k->at > m->bytes.len)
        k->at = m->bytes.len;
    status = wm_ngram_kenlm_take(m, k, l->n_high + 1, 8, "pointers", &at, err);
    if (status)
        return status;
    l->high = at + 8;
    k->at = from;
    return wm_ngram_kenlm_take(m, k, (l->n_high + 1) * 8 + 7, 1, "pointers", &at, err);
}

static int take_level(struct wm_ngram *m, struct wm_ngram_kenlm *k, unsigned order, unsigned *most,
                      struct wm_error *err)
{
    struct wm_ngram_level *l = &m->trie.levels[order];
    bool longest = order == m->order, array = k->type >= WM_KENLM_ARRAY_TRIE;
    l->entries = m->counts[order];
    l->word_bits = bits_of(m->counts[1]);
    l->weight_bits = m->trie.quantised ? l->prob_bits + l->backoff_bits : longest ? 31 : 63;
    if (!longest) {
        l->next_entries = m->counts[order + 1];
        l->next_bits = bits_of(l->next_entries);
        int status = array ? take_array(m, k, l, most, err) : 0;
        if (status)
            return status;
    }
    l->bits = l->word_bits + l->weight_bits + l->next_bits;
    if (l->next_bits > MAX_BITS)
        return wm_fail(err, WM_E_FORMAT, "more n-grams than the file can hold");
    uint64_t bytes = ((1 + l->entries) * l->bits + 7) / 8 + PAD;
    return wm_ngram_kenlm_take(m, k, bytes, 1, "n-grams", &l->at, err);
}

int wm_ngram_trie_open(struct wm_ngram *m, struct wm_ngram_kenlm *k, struct wm_error *err)
{
    unsigned most = UINT32_MAX;
    m->trie.quantised =
        k->type == WM_KENLM_QUANTISED_TRIE || k->type == WM_KENLM_QUANTISED_ARRAY_TRIE;
    int status = take_vocabulary(m, k, err);
    if (!status && m->trie.quantised)
        status = take_codes(m, k, err);
    m->unigram_size = 16;
    if (!status)
        status = wm_ngram_kenlm_take(m, k, m->counts[1] + 2, 16, "unigrams", &m->unigrams, err);
    for (unsigned order = 2; !status && order <= m->order; order++)
        status = take_level(m, k, order, &most, err);
    if (!status)
        wm_ngram_trie_use(m);
    return status;
}
