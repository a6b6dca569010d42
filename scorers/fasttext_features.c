/* SPDX-License-Identifier: Apache-2.0 */
/* From text to the mean of its rows: each word gives its own row and those of its character
 * n-grams, and each run of words the row of its hash.
 *
 * A word's rows are added up first, then the words: so a sum that is remembered — for the model's
 * own words, or by a thread for others — gives the same bits as one made anew. */
#include <stdlib.h>

#include "scorers/fasttext.h"

static const struct wm_str end_of_line = {"</s>", 4};
static const struct wm_str label_prefix = {"__label__", 9};

/* hash % bucket without dividing: Lemire, Kaser, Kurz, "Faster remainder by direct computation",
 * 2019; the upper half of a 64 × 32 bit product in two steps. */
static uint32_t bucket_of(const struct wm_fasttext *model, uint32_t hash)
{
    uint64_t fraction = model->bucket_inverse * hash;
    return (uint32_t)(((fraction >> 32) * model->bucket +
                       ((fraction & UINT32_MAX) * model->bucket >> 32)) >>
                      32);
}

static uint32_t add_bucket(const struct wm_fasttext *model, uint32_t bucket, float *sum)
{
    uint32_t row = wm_ft_kept_row(&model->dictionary, bucket);
    if (row == WM_FT_ABSENT)
        return 0;
    wm_ft_matrix_add(&model->input, (uint64_t)model->dictionary.n_words + row, sum);
    return 1;
}

static bool continues(char byte)
{
    return ((unsigned char)byte & 0xC0) == 0x80;
}

/* The n-grams that start at byte `from` of "<word>"; `n` characters are in `hash` already. A
 * single "<" or ">" is none. */
static uint32_t add_ngrams_from(const struct wm_fasttext *model, struct wm_str word, size_t from,
                                uint32_t hash, uint32_t n, float *sum)
{
    uint32_t count = 0;
    size_t i = from;
    while (n < model->maxn && i < word.len) {
        hash = wm_ft_hash_step(hash, word.ptr[i++]);
        while (i < word.len && continues(word.ptr[i]))
            hash = wm_ft_hash_step(hash, word.ptr[i++]);
        if (++n >= model->minn)
            count += add_bucket(model, bucket_of(model, hash), sum);
    }
    if (n < model->maxn && n + 1 >= model->minn)
        count += add_bucket(model, bucket_of(model, wm_ft_hash_step(hash, '>')), sum);
    return count;
}

/* Character n-grams of minn to maxn characters of "<word>". */
static uint32_t add_ngrams(const struct wm_fasttext *model, struct wm_str word, float *sum)
{
    if (model->maxn == 0)
        return 0;
    uint32_t start = wm_ft_hash_step(WM_FT_HASH_START, '<');
    uint32_t count = add_ngrams_from(model, word, 0, start, 1, sum);
    for (size_t i = 0; i < word.len; i++)
        if (!continues(word.ptr[i]))
            count += add_ngrams_from(model, word, i, WM_FT_HASH_START, 0, sum);
    return count;
}

/* A word of the dictionary: its row and its n-grams'. */
static uint32_t add_known(const struct wm_fasttext *model, uint32_t word, float *sum)
{
    struct wm_str text = wm_ft_entry(&model->dictionary, word);
    wm_ft_matrix_add(&model->input, word, sum);
    return 1 + (wm_str_eq(text, end_of_line) ? 0 : add_ngrams(model, text, sum));
}

int wm_ft_features_prepare(struct wm_fasttext *model, struct wm_error *err)
{
    enum { SUMS_BYTES = 64 << 20 };
    uint32_t n = model->dictionary.n_words;
    if (model->maxn == 0 || n > SUMS_BYTES / sizeof(float) / model->dim)
        return 0;
    model->word_sums = wm_ft_alloc((uint64_t)n * model->dim, sizeof(float), "word sums", err);
    model->word_counts = wm_ft_alloc(n, sizeof *model->word_counts, "word sums", err);
    if (!model->word_sums || !model->word_counts)
        return WM_E_NOMEM;
    for (uint32_t i = 0; i < n; i++)
        model->word_counts[i] = add_known(model, i, model->word_sums + (size_t)i * model->dim);
    return 0;
}

size_t wm_ft_cache_slots(const struct wm_fasttext *model)
{
    enum { CACHE_BYTES = 512 << 10, FEWEST = 64, MOST = 8192 };
    size_t n = FEWEST;
    while (n < MOST && 2 * n * model->dim * sizeof(float) <= CACHE_BYTES)
        n *= 2;
    return n;
}

/* In double: over the millions of words of a long text, floats would drift away from the mean. */
static void add_sum(const float *restrict from, size_t n, double *restrict to)
{
    for (size_t i = 0; i < n; i++)
        to[i] += (double)from[i];
}

static uint32_t sum_of_unknown(const struct wm_fasttext *model, struct wm_str word, float *sum)
{
    memset(sum, 0, model->dim * sizeof *sum);
    return add_ngrams(model, word, sum);
}

/* A word outside the dictionary: only its n-grams are known. */
static uint32_t add_unknown(const struct wm_fasttext *model, struct wm_fasttext_scratch *s,
                            struct wm_str word, uint32_t hash)
{
    if (model->maxn == 0)
        return 0;
    float *sum = s->sum;
    uint32_t count;
    if (word.len > WM_FT_CACHED_WORD) {
        count = sum_of_unknown(model, word, sum);
    } else {
        uint32_t slot = hash & s->cache_mask;
        struct wm_ft_cached *c = &s->cached[slot];
        sum = s->cached_sums + (size_t)slot * model->dim;
        if (c->len != word.len || memcmp(c->word, word.ptr, word.len) != 0) {
            c->len = (unsigned char)word.len;
            memcpy(c->word, word.ptr, word.len);
            c->count = sum_of_unknown(model, word, sum);
        }
        count = c->count;
    }
    add_sum(sum, model->dim, s->total);
    return count;
}

static uint32_t add_word(const struct wm_fasttext *model, struct wm_fasttext_scratch *s,
                         struct wm_str word, uint32_t hash, uint32_t id)
{
    if (id == WM_FT_ABSENT)
        return wm_str_eq(word, end_of_line) ? 0 : add_unknown(model, s, word, hash);
    const float *sum = s->sum;
    uint32_t count;
    if (model->word_sums) {
        sum = model->word_sums + (size_t)id * model->dim;
        count = model->word_counts[id];
    } else {
        memset(s->sum, 0, model->dim * sizeof *s->sum);
        count = add_known(model, id, s->sum);
    }
    add_sum(sum, model->dim, s->total);
    return count;
}

/* Word n-grams that end with this word. fastText widens the signed 32-bit hashes. */
static uint32_t add_word_ngrams(const struct wm_fasttext *model, struct wm_fasttext_scratch *s,
                                uint32_t hash)
{
    if (model->word_ngrams < 2)
        return 0;
    uint64_t wide = (uint64_t)(int64_t)(int32_t)hash;
    uint32_t count = 0;
    memset(s->sum, 0, model->dim * sizeof *s->sum);
    for (uint32_t i = 0; i < s->n_running; i++) {
        s->running[i] = s->running[i] * 116049371U + wide;
        count += add_bucket(model, (uint32_t)(s->running[i] % model->bucket), s->sum);
    }
    add_sum(s->sum, model->dim, s->total);
    if (s->n_running == model->word_ngrams - 1) {
        memmove(s->running, s->running + 1, (s->n_running - 1) * sizeof *s->running);
        s->n_running--;
    }
    s->running[s->n_running++] = wide;
    return count;
}

static uint32_t add_token(const struct wm_fasttext *model, struct wm_fasttext_scratch *s,
                          struct wm_str word, uint32_t hash)
{
    const struct wm_ft_dictionary *d = &model->dictionary;
    uint32_t id = wm_ft_find(d, word, hash);
    bool is_label = id == WM_FT_ABSENT ? wm_str_starts(word, label_prefix) : id >= d->n_words;
    if (is_label)
        return 0;
    uint32_t count = add_word(model, s, word, hash, id);
    return count + add_word_ngrams(model, s, hash);
}

/* What parts words: blank, \t \n \v \f \r and NUL. */
static bool parts(char byte)
{
    return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == '\0';
}

uint64_t wm_ft_features(const struct wm_fasttext *model, struct wm_fasttext_scratch *s,
                        struct wm_str text)
{
    memset(s->total, 0, model->dim * sizeof *s->total);
    s->n_running = 0;
    uint64_t count = 0;
    bool ended = false;
    for (size_t i = 0; !ended && i < text.len;) {
        if (parts(text.ptr[i])) {
            i++;
            continue;
        }
        size_t start = i;
        uint32_t hash = WM_FT_HASH_START;
        for (; i < text.len && !parts(text.ptr[i]); i++)
            hash = wm_ft_hash_step(hash, text.ptr[i]);
        struct wm_str word = {text.ptr + start, i - start};
        count += add_token(model, s, word, hash);
        ended = wm_str_eq(word, end_of_line);
    }
    if (!ended) {
        uint32_t hash = WM_FT_HASH_START;
        for (size_t i = 0; i < end_of_line.len; i++)
            hash = wm_ft_hash_step(hash, end_of_line.ptr[i]);
        count += add_token(model, s, end_of_line, hash);
    }
    for (uint32_t i = 0; count && i < model->dim; i++)
        s->hidden[i] = (float)(s->total[i] / (double)count);
    return count;
}
