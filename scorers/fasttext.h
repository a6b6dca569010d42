/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file fasttext.h
 * What the parts of the fastText reader share.
 *
 *     fasttext_file.c        bytes of a file, counted; the parameters; loading in order
 *     fasttext_matrix.c      dense and product-quantised matrices
 *     fasttext_dictionary.c  words, labels, hashes, the rows that pruning left
 *     fasttext_features.c    a text to the mean of its rows
 *     fasttext_predict.c     that mean to labels
 *
 * File, little-endian: magic, version, parameters, dictionary {size, words, labels, tokens, pruned,
 * entries {word NUL count type}, pruned pairs}, u8 quantised, input matrix, u8 quantised output,
 * output matrix.
 */
#ifndef WETMILL_SCORERS_FASTTEXT_H
#define WETMILL_SCORERS_FASTTEXT_H

#include <stdbool.h>

#include "wetmill/fasttext.h"
#include "wetmill/file.h"

/** Bytes of a model file in order; `left` is what remains. */
struct wm_ft_reader {
    struct wm_file *file; /**< NULL: everything is at `at`. */
    const unsigned char *at;
    size_t have;
    uint64_t left;
    unsigned char *buffer;
};
int wm_ft_take(struct wm_ft_reader *r, void *dst, uint64_t len, const char *what,
               struct wm_error *err);
int wm_ft_take_i32(struct wm_ft_reader *r, int32_t *ret, const char *what, struct wm_error *err);
int wm_ft_take_i64(struct wm_ft_reader *r, int64_t *ret, const char *what, struct wm_error *err);
int wm_ft_take_bool(struct wm_ft_reader *r, bool *ret, const char *what, struct wm_error *err);
/** `count` × `size` bytes into memory of their own, taken only if the file has as many. */
int wm_ft_take_array(struct wm_ft_reader *r, uint64_t count, size_t size, const char *what,
                     void **ret, struct wm_error *err);

/** malloc of a checked size; NULL with `*err` filled. */
void *wm_ft_alloc(uint64_t count, size_t size, const char *what, struct wm_error *err);

/** Sub-quantisers: centroids [n_sub][256][width], the last one `last_width` wide. */
struct wm_ft_quantiser {
    uint32_t n_sub, width, last_width;
    float *centroids;
};

/** [rows, cols] floats: `dense`, or `codes` [rows][n_sub] (times a norm, if `norms`). */
struct wm_ft_matrix {
    uint64_t rows;
    uint32_t cols;
    float *dense;
    uint8_t *codes, *norms;
    struct wm_ft_quantiser quantiser, norm_quantiser;
};
int wm_ft_matrix_take(struct wm_ft_reader *r, bool quantised, struct wm_ft_matrix *ret,
                      struct wm_error *err);
/** A small quantised matrix becomes dense, with the same values: one cache line a row. */
int wm_ft_matrix_expand(struct wm_ft_matrix *m, uint64_t max_bytes, struct wm_error *err);
void wm_ft_matrix_done(struct wm_ft_matrix *m);
size_t wm_ft_matrix_memory(const struct wm_ft_matrix *m);
void wm_ft_matrix_add(const struct wm_ft_matrix *m, uint64_t row, float *sum);
/** `ret` [rows] = m × v. */
void wm_ft_matrix_times(const struct wm_ft_matrix *m, const float *v, float *ret);
float wm_ft_matrix_dot(const struct wm_ft_matrix *m, uint64_t row, const float *v);

/** 64 buckets of which some were kept; those before them number `before`. */
struct wm_ft_kept {
    uint64_t bits;
    uint32_t before;
};

struct wm_ft_dictionary {
    uint32_t n_words, n_labels;
    char *bytes;           /**< All words, then all labels, without their NULs. */
    uint32_t *starts;      /**< [n_words + n_labels + 1] into bytes */
    int64_t *label_counts; /**< [n_labels] */
    uint64_t *slots;       /**< Open addressing: hash << 32 | index + 1; 0 is free. */
    uint32_t slot_mask;
    bool pruned;
    uint32_t n_kept;
    struct wm_ft_kept *kept; /**< [bucket / 64 + 1], NULL if nothing was kept */
    uint32_t *kept_rows;     /**< [n_kept], by bucket */
};
int wm_ft_dictionary_take(struct wm_ft_reader *r, uint32_t bucket, struct wm_ft_dictionary *ret,
                          struct wm_error *err);
void wm_ft_dictionary_done(struct wm_ft_dictionary *d);
size_t wm_ft_dictionary_memory(const struct wm_ft_dictionary *d, uint32_t bucket);
struct wm_str wm_ft_entry(const struct wm_ft_dictionary *d, uint32_t i);

#define WM_FT_ABSENT UINT32_MAX
/** Entry of `word`, whose hash is `hash`, or WM_FT_ABSENT. */
uint32_t wm_ft_find(const struct wm_ft_dictionary *d, struct wm_str word, uint32_t hash);

/* FNV-1a, but with bytes taken as signed, as fastText has it. */
#define WM_FT_HASH_START UINT32_C(0x811C9DC5)
#define WM_FT_HASH_PRIME UINT32_C(0x01000193)
static inline uint32_t wm_ft_hash_step(uint32_t hash, char byte)
{
    return (hash ^ (uint32_t)(int32_t)(signed char)byte) * WM_FT_HASH_PRIME;
}

/** Row of bucket `bucket` among those behind the words', or WM_FT_ABSENT if it was pruned. */
static inline uint32_t wm_ft_kept_row(const struct wm_ft_dictionary *d, uint32_t bucket)
{
    if (!d->pruned)
        return bucket;
    if (!d->kept)
        return WM_FT_ABSENT;
    const struct wm_ft_kept *k = &d->kept[bucket >> 6];
    uint64_t bit = (uint64_t)1 << (bucket & 63);
    if (!(k->bits & bit))
        return WM_FT_ABSENT;
    return d->kept_rows[k->before + (uint32_t)__builtin_popcountll(k->bits & (bit - 1))];
}

enum wm_ft_loss { WM_FT_HIERARCHICAL = 1, WM_FT_NEGATIVE, WM_FT_SOFTMAX, WM_FT_ONE_VS_ALL };

/** A node of the Huffman tree over labels: both children, or -1. Leaf i is label i. */
struct wm_ft_node {
    int32_t left, right;
};

struct wm_fasttext {
    uint32_t dim, word_ngrams, bucket, minn, maxn;
    enum wm_ft_loss loss;
    uint64_t bucket_inverse; /**< For hashes modulo bucket without a division. */
    struct wm_ft_dictionary dictionary;
    struct wm_ft_matrix input, output;
    struct wm_ft_node *tree; /**< [2 × labels − 1], hierarchical softmax */
    float *word_sums;        /**< [n_words, dim] with subwords added up, if that is small */
    uint32_t *word_counts;   /**< [n_words] rows in each sum */
};

/** Prepare word_sums where that saves work. */
int wm_ft_features_prepare(struct wm_fasttext *model, struct wm_error *err);
/** Huffman tree over the labels' counts. */
int wm_ft_tree_make(struct wm_fasttext *model, struct wm_error *err);

/** What a thread remembers of a word outside the dictionary. */
enum { WM_FT_CACHED_WORD = 26 };
struct wm_ft_cached {
    uint32_t count;
    unsigned char len; /**< 0: free. */
    char word[WM_FT_CACHED_WORD + 1];
};

struct wm_ft_visit {
    int32_t node;
    float score;
};

struct wm_fasttext_scratch {
    double *total;               /**< [dim] sum of all rows of the text */
    float *hidden;               /**< [dim] their mean */
    float *sum;                  /**< [dim] of one word */
    float *output;               /**< [labels] */
    struct wm_ft_visit *visits;  /**< [labels + 1] */
    struct wm_ft_cached *cached; /**< [cache_mask + 1] */
    float *cached_sums;          /**< [cache_mask + 1, dim] */
    uint32_t cache_mask;
    uint64_t running[WM_FASTTEXT_MAX_NGRAMS]; /**< Hashes of the word n-grams that may go on. */
    uint32_t n_running;
};

/** Entries of the cache of a scratch. */
size_t wm_ft_cache_slots(const struct wm_fasttext *model);

/** Mean of the rows of `text` into scratch->hidden; returns the number of rows. */
uint64_t wm_ft_features(const struct wm_fasttext *model, struct wm_fasttext_scratch *scratch,
                        struct wm_str text);

#endif /* WETMILL_SCORERS_FASTTEXT_H */
