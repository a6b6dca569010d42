/* SPDX-License-Identifier: Apache-2.0 */
/* The dictionary of a fastText model, and the hash buckets that pruning left of its n-grams. */
#include <stdlib.h>

#include "scorers/fasttext.h"
#include "wetmill/buf.h"
#include "wetmill/utf8.h"

enum {
    ENTRY_BYTES = 1 + 8 + 1, /* of an entry with an empty word */
    LABELS_MAX = 1 << 28,    /* nodes of their tree are numbered in 31 bits */
};

/* An n-gram that pruning kept, as the file has it. */
struct pair {
    int32_t bucket, row;
};

struct wm_str wm_ft_entry(const struct wm_ft_dictionary *d, uint32_t i)
{
    return (struct wm_str){d->bytes + d->starts[i], d->starts[i + 1] - d->starts[i]};
}

static uint32_t hash_word(struct wm_str word)
{
    uint32_t hash = WM_FT_HASH_START;
    for (size_t i = 0; i < word.len; i++)
        hash = wm_ft_hash_step(hash, word.ptr[i]);
    return hash;
}

/* The slot of `word`, or the free one where it would go. */
static uint32_t slot_of(const struct wm_ft_dictionary *d, struct wm_str word, uint32_t hash)
{
    uint32_t slot = hash & d->slot_mask;
    for (; d->slots[slot]; slot = (slot + 1) & d->slot_mask) {
        uint64_t entry = d->slots[slot];
        if (entry >> 32 == hash && wm_str_eq(wm_ft_entry(d, (uint32_t)entry - 1), word))
            break;
    }
    return slot;
}

uint32_t wm_ft_find(const struct wm_ft_dictionary *d, struct wm_str word, uint32_t hash)
{
    uint64_t entry = d->slots[slot_of(d, word, hash)];
    return entry ? (uint32_t)entry - 1 : WM_FT_ABSENT;
}

static int take_word(struct wm_ft_reader *r, struct wm_buf *words, struct wm_error *err)
{
    for (;;) {
        char byte;
        int status = wm_ft_take(r, &byte, 1, "dictionary", err);
        if (status || byte == '\0')
            return status;
        status = wm_buf_add(words, &byte, 1, err);
        if (status)
            return status;
    }
}

static int take_entry(struct wm_ft_reader *r, struct wm_ft_dictionary *d, uint32_t i,
                      struct wm_buf *words, struct wm_error *err)
{
    int64_t count = 0;
    unsigned char type = 0;
    bool is_label = i >= d->n_words;
    int status = take_word(r, words, err);
    if (!status)
        status = wm_ft_take_i64(r, &count, "dictionary", err);
    if (!status)
        status = wm_ft_take(r, &type, 1, "dictionary", err);
    if (status)
        return status;
    if (type != is_label)
        return wm_fail(err, WM_E_FORMAT, "dictionary: entry %u is not a %s", i,
                       is_label ? "label" : "word");
    d->starts[i + 1] = (uint32_t)words->len;
    if (!is_label)
        return 0;
    struct wm_str label = {words->ptr + d->starts[i], words->len - d->starts[i]};
    if (!wm_utf8_valid(label))
        return wm_fail(err, WM_E_FORMAT, "dictionary: label %u is not UTF-8", i - d->n_words);
    d->label_counts[i - d->n_words] = count;
    return 0;
}

static int take_entries(struct wm_ft_reader *r, struct wm_ft_dictionary *d, struct wm_error *err)
{
    uint64_t n = (uint64_t)d->n_words + d->n_labels;
    struct wm_buf words;
    wm_buf_init(&words, WM_FASTTEXT_MAX_BYTES_OF_WORDS);
    d->starts = wm_ft_alloc(n + 1, sizeof *d->starts, "dictionary", err);
    d->label_counts = wm_ft_alloc(d->n_labels, sizeof *d->label_counts, "dictionary", err);
    int status = d->starts && d->label_counts ? 0 : WM_E_NOMEM;
    for (uint32_t i = 0; !status && i < n; i++)
        status = take_entry(r, d, i, &words, err);
    if (!status) {
        d->bytes = wm_ft_alloc(words.len, 1, "dictionary", err);
        status = d->bytes ? 0 : WM_E_NOMEM;
    }
    if (d->bytes && words.len)
        memcpy(d->bytes, words.ptr, words.len);
    wm_buf_done(&words);
    return status;
}

/* Where a word stands twice, the later one counts, as in fastText. */
static int index_entries(struct wm_ft_dictionary *d, struct wm_error *err)
{
    uint32_t n = d->n_words + d->n_labels;
    uint64_t n_slots = 16;
    while (n_slots < 2 * (uint64_t)n)
        n_slots *= 2;
    d->slots = wm_ft_alloc(n_slots, sizeof *d->slots, "dictionary", err);
    if (!d->slots)
        return WM_E_NOMEM;
    d->slot_mask = (uint32_t)(n_slots - 1);
    for (uint32_t i = 0; i < n; i++) {
        struct wm_str word = wm_ft_entry(d, i);
        uint32_t hash = hash_word(word);
        d->slots[slot_of(d, word, hash)] = (uint64_t)hash << 32 | (i + 1);
    }
    return 0;
}

static void mark_kept(struct wm_ft_dictionary *d, const struct pair *pairs, uint32_t n,
                      uint32_t bucket)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t b = (uint32_t)pairs[i].bucket;
        d->kept[b >> 6].bits |= (uint64_t)1 << (b & 63);
    }
    for (uint32_t i = 0; i <= bucket / 64; i++) {
        d->kept[i].before = d->n_kept;
        d->n_kept += (uint32_t)__builtin_popcountll(d->kept[i].bits);
    }
}

/* Pairs {bucket, row}. A bitmap over the buckets with running counts answers "was it kept?" from
 * one cache line, and most questions are about n-grams that were not. */
static int index_kept(struct wm_ft_dictionary *d, const struct pair *pairs, uint32_t n,
                      uint32_t bucket, struct wm_error *err)
{
    if (bucket == 0 || bucket > WM_FASTTEXT_MAX_BUCKET)
        return wm_fail(err, WM_E_FORMAT, "pruned, with %u buckets, want 1 to %d", bucket,
                       WM_FASTTEXT_MAX_BUCKET);
    for (uint32_t i = 0; i < n; i++)
        if (pairs[i].bucket < 0 || (uint32_t)pairs[i].bucket >= bucket || pairs[i].row < 0)
            return wm_fail(err, WM_E_FORMAT, "pruned n-gram %u: bucket %d of %u, row %d", i,
                           pairs[i].bucket, bucket, pairs[i].row);
    d->kept = wm_ft_alloc(bucket / 64 + 1, sizeof *d->kept, "pruned n-grams", err);
    if (!d->kept)
        return WM_E_NOMEM;
    mark_kept(d, pairs, n, bucket);
    d->kept_rows = wm_ft_alloc(d->n_kept, sizeof *d->kept_rows, "pruned n-grams", err);
    if (!d->kept_rows)
        return WM_E_NOMEM;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t b = (uint32_t)pairs[i].bucket;
        const struct wm_ft_kept *k = &d->kept[b >> 6];
        uint64_t below = k->bits & (((uint64_t)1 << (b & 63)) - 1);
        d->kept_rows[k->before + (uint32_t)__builtin_popcountll(below)] = (uint32_t)pairs[i].row;
    }
    return 0;
}

static int take_kept(struct wm_ft_reader *r, int64_t n, uint32_t bucket, struct wm_ft_dictionary *d,
                     struct wm_error *err)
{
    d->pruned = n >= 0;
    if (n <= 0)
        return 0;
    if ((uint64_t)n > UINT32_MAX / 2)
        return wm_fail(err, WM_E_FORMAT, "%jd pruned n-grams", (intmax_t)n);
    void *pairs = NULL;
    int status =
        wm_ft_take_array(r, (uint64_t)n, sizeof(struct pair), "pruned n-grams", &pairs, err);
    if (!status)
        status = index_kept(d, pairs, (uint32_t)n, bucket, err);
    free(pairs);
    return status;
}

int wm_ft_dictionary_take(struct wm_ft_reader *r, uint32_t bucket, struct wm_ft_dictionary *ret,
                          struct wm_error *err)
{
    int32_t n = 0, n_words = 0, n_labels = 0;
    int64_t n_tokens = 0, n_kept = 0;
    int status = wm_ft_take_i32(r, &n, "dictionary", err);
    if (!status)
        status = wm_ft_take_i32(r, &n_words, "dictionary", err);
    if (!status)
        status = wm_ft_take_i32(r, &n_labels, "dictionary", err);
    if (!status)
        status = wm_ft_take_i64(r, &n_tokens, "dictionary", err);
    if (!status)
        status = wm_ft_take_i64(r, &n_kept, "dictionary", err);
    if (status)
        return status;
    if (n_words < 0 || n_labels < 1 || n_labels > LABELS_MAX || (int64_t)n_words + n_labels != n ||
        (uint64_t)n > r->left / ENTRY_BYTES)
        return wm_fail(err, WM_E_FORMAT, "dictionary: %d entries, %d words, %d labels", n, n_words,
                       n_labels);
    ret->n_words = (uint32_t)n_words;
    ret->n_labels = (uint32_t)n_labels;
    status = take_entries(r, ret, err);
    if (!status)
        status = index_entries(ret, err);
    return status ? status : take_kept(r, n_kept, bucket, ret, err);
}

void wm_ft_dictionary_done(struct wm_ft_dictionary *d)
{
    free(d->bytes);
    free(d->starts);
    free(d->label_counts);
    free(d->slots);
    free(d->kept);
    free(d->kept_rows);
    *d = (struct wm_ft_dictionary){0};
}

size_t wm_ft_dictionary_memory(const struct wm_ft_dictionary *d, uint32_t bucket)
{
    size_t n = (size_t)d->n_words + d->n_labels;
    size_t bytes = d->starts[n] + (n + 1) * sizeof *d->starts +
                   d->n_labels * sizeof *d->label_counts +
                   ((size_t)d->slot_mask + 1) * sizeof *d->slots;
    if (d->kept)
        bytes += ((size_t)bucket / 64 + 1) * sizeof *d->kept + d->n_kept * sizeof *d->kept_rows;
    return bytes;
}
