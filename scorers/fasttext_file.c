/* SPDX-License-Identifier: Apache-2.0 */
/* A fastText model file, from its first byte to its last. */
#include <stdlib.h>

#include "scorers/fasttext.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#    error "model files are read as they lie: little-endian"
#endif

enum {
    MAGIC = 793712314,
    NEWEST_VERSION = 12,
    VERSION_WITHOUT_SUBWORDS = 11, /* its supervised models ignored minn and maxn */
    MODEL_SUPERVISED = 3,
    READ_BYTES = 64 << 10,
};

void *wm_ft_alloc(uint64_t count, size_t size, const char *what, struct wm_error *err)
{
    if (size && count > SIZE_MAX / 2 / size) {
        (void)wm_fail_nomem(err, SIZE_MAX, what);
        return NULL;
    }
    size_t bytes = (size_t)count * size;
    void *at = calloc(bytes ? bytes : 1, 1);
    if (!at)
        (void)wm_fail_nomem(err, bytes, what);
    return at;
}

static int cut_short(const char *what, struct wm_error *err)
{
    return wm_fail(err, WM_E_FORMAT, "the file ends within its %s", what);
}

static int refill(struct wm_ft_reader *r, void *dst, size_t size, size_t *ret, const char *what,
                  struct wm_error *err)
{
    int status = wm_file_read(r->file, dst, size, ret, err);
    if (!status && *ret == 0)
        return cut_short(what, err);
    return status;
}

int wm_ft_take(struct wm_ft_reader *r, void *dst, uint64_t len, const char *what,
               struct wm_error *err)
{
    if (len > r->left)
        return cut_short(what, err);
    r->left -= len;
    for (unsigned char *to = dst; len > 0;) {
        size_t n = r->have < len ? r->have : (size_t)len;
        if (n) {
            memcpy(to, r->at, n);
            r->at += n;
            r->have -= n;
        } else if (len >= READ_BYTES) {
            int status = refill(r, to, (size_t)len, &n, what, err);
            if (status)
                return status;
        } else {
            int status = refill(r, r->buffer, READ_BYTES, &r->have, what, err);
            if (status)
                return status;
            r->at = r->buffer;
        }
        to += n;
        len -= n;
    }
    return 0;
}

int wm_ft_take_i32(struct wm_ft_reader *r, int32_t *ret, const char *what, struct wm_error *err)
{
    return wm_ft_take(r, ret, sizeof *ret, what, err);
}

int wm_ft_take_i64(struct wm_ft_reader *r, int64_t *ret, const char *what, struct wm_error *err)
{
    return wm_ft_take(r, ret, sizeof *ret, what, err);
}

int wm_ft_take_bool(struct wm_ft_reader *r, bool *ret, const char *what, struct wm_error *err)
{
    unsigned char byte = 0;
    int status = wm_ft_take(r, &byte, 1, what, err);
    if (!status && byte > 1)
        return wm_fail(err, WM_E_FORMAT, "%s: %u where 0 or 1 should be", what, byte);
    if (!status)
        *ret = byte;
    return status;
}

int wm_ft_take_array(struct wm_ft_reader *r, uint64_t count, size_t size, const char *what,
                     void **ret, struct wm_error *err)
{
    if (count > r->left / size)
        return cut_short(what, err);
    void *array = wm_ft_alloc(count, size, what, err);
    if (!array)
        return WM_E_NOMEM;
    int status = wm_ft_take(r, array, count * size, what, err);
    if (status)
        free(array);
    else
        *ret = array;
    return status;
}

/* In the order of the file; the ones that only training needs are skipped. */
enum {
    DIM,
    WINDOW,
    EPOCH,
    MIN_COUNT,
    NEGATIVES,
    WORD_NGRAMS,
    LOSS,
    MODEL,
    BUCKET,
    MINN,
    MAXN,
    UPDATE_RATE,
    N_PARAMETERS
};

static int check_parameters(const int32_t *p, struct wm_error *err)
{
    if (p[MODEL] != MODEL_SUPERVISED)
        return wm_fail(err, WM_E_FORMAT, "a model of word vectors, not a text classifier");
    if (p[DIM] < 1 || p[DIM] > WM_FASTTEXT_MAX_DIM)
        return wm_fail(err, WM_E_FORMAT, "dim is %d, want 1 to %d", p[DIM], WM_FASTTEXT_MAX_DIM);
    if (p[LOSS] < WM_FT_HIERARCHICAL || p[LOSS] > WM_FT_ONE_VS_ALL)
        return wm_fail(err, WM_E_FORMAT, "loss %d is none of fastText's", p[LOSS]);
    if (p[WORD_NGRAMS] < 0 || p[WORD_NGRAMS] > WM_FASTTEXT_MAX_NGRAMS)
        return wm_fail(err, WM_E_FORMAT, "wordNgrams is %d, want 0 to %d", p[WORD_NGRAMS],
                       WM_FASTTEXT_MAX_NGRAMS);
    if (p[MINN] < 0 || p[MAXN] < 0 || p[MAXN] > WM_FASTTEXT_MAX_NGRAMS)
        return wm_fail(err, WM_E_FORMAT, "minn is %d, maxn %d, want 0 to %d", p[MINN], p[MAXN],
                       WM_FASTTEXT_MAX_NGRAMS);
    if (p[BUCKET] < 0 || (p[BUCKET] == 0 && (p[MAXN] > 0 || p[WORD_NGRAMS] > 1)))
        return wm_fail(err, WM_E_FORMAT, "bucket is %d, but there are n-grams to put in",
                       p[BUCKET]);
    return 0;
}

static int take_parameters(struct wm_ft_reader *r, struct wm_fasttext *model, struct wm_error *err)
{
    int32_t magic = 0, version = 0, p[N_PARAMETERS] = {0};
    double sampling = 0;
    int status = wm_ft_take_i32(r, &magic, "header", err);
    if (!status && magic != MAGIC)
        return wm_fail(err, WM_E_FORMAT, "not a fastText model");
    if (!status)
        status = wm_ft_take_i32(r, &version, "header", err);
    if (!status && (version > NEWEST_VERSION || version < 1))
        return wm_fail(err, WM_E_FORMAT, "fastText format %d, this reads up to %d", version,
                       NEWEST_VERSION);
    if (!status)
        status = wm_ft_take(r, p, sizeof p, "parameters", err);
    if (!status)
        status = wm_ft_take(r, &sampling, sizeof sampling, "parameters", err);
    if (status)
        return status;
    if (version <= VERSION_WITHOUT_SUBWORDS)
        p[MAXN] = 0;
    status = check_parameters(p, err);
    if (status)
        return status;
    model->dim = (uint32_t)p[DIM];
    model->word_ngrams = (uint32_t)p[WORD_NGRAMS];
    model->bucket = (uint32_t)p[BUCKET];
    model->minn = (uint32_t)p[MINN];
    model->maxn = (uint32_t)p[MAXN];
    model->loss = (enum wm_ft_loss)p[LOSS];
    model->bucket_inverse = p[BUCKET] ? UINT64_MAX / (uint64_t)p[BUCKET] + 1 : 0;
    return 0;
}

/* Rows that features can ask for are all there. */
static int check_shapes(const struct wm_fasttext *model, struct wm_error *err)
{
    const struct wm_ft_dictionary *d = &model->dictionary;
    bool has_ngrams = model->maxn > 0 || model->word_ngrams > 1;
    uint64_t n_ngrams = !has_ngrams ? 0 : d->pruned ? 0 : model->bucket;
    for (uint32_t i = 0; has_ngrams && i < d->n_kept; i++)
        if (d->kept_rows[i] >= n_ngrams)
            n_ngrams = (uint64_t)d->kept_rows[i] + 1;
    if (model->input.cols != model->dim || model->output.cols != model->dim)
        return wm_fail(err, WM_E_FORMAT, "matrices are %u and %u wide, dim is %u",
                       model->input.cols, model->output.cols, model->dim);
    if (model->input.rows < d->n_words + n_ngrams)
        return wm_fail(err, WM_E_FORMAT, "%ju rows for %u words and %ju n-grams",
                       (uintmax_t)model->input.rows, d->n_words, (uintmax_t)n_ngrams);
    if (model->output.rows < d->n_labels)
        return wm_fail(err, WM_E_FORMAT, "%ju rows for %u labels", (uintmax_t)model->output.rows,
                       d->n_labels);
    return 0;
}

static int take_matrices(struct wm_ft_reader *r, struct wm_fasttext *model, struct wm_error *err)
{
    bool quantised = false, quantised_output = false;
    int status = wm_ft_take_bool(r, &quantised, "input matrix", err);
    if (!status && !quantised && model->dictionary.pruned)
        return wm_fail(err, WM_E_FORMAT, "pruned, but not quantised");
    if (!status)
        status = wm_ft_matrix_take(r, quantised, &model->input, err);
    if (!status)
        status = wm_ft_take_bool(r, &quantised_output, "output matrix", err);
    if (!status)
        status = wm_ft_matrix_take(r, quantised && quantised_output, &model->output, err);
    if (!status && r->left)
        return wm_fail(err, WM_E_FORMAT, "%ju bytes behind the model", (uintmax_t)r->left);
    return status;
}

static int load(struct wm_ft_reader *r, struct wm_fasttext *model, struct wm_error *err)
{
    enum { EXPAND_BYTES = 64 << 20 };
    int status = take_parameters(r, model, err);
    if (!status)
        status = wm_ft_dictionary_take(r, model->bucket, &model->dictionary, err);
    if (!status)
        status = take_matrices(r, model, err);
    if (!status)
        status = check_shapes(model, err);
    if (!status)
        status = wm_ft_matrix_expand(&model->input, EXPAND_BYTES, err);
    if (!status)
        status = wm_ft_matrix_expand(&model->output, EXPAND_BYTES, err);
    if (!status && model->loss == WM_FT_HIERARCHICAL)
        status = wm_ft_tree_make(model, err);
    return status ? status : wm_ft_features_prepare(model, err);
}

static int load_new(struct wm_ft_reader *r, struct wm_fasttext **ret, struct wm_error *err)
{
    struct wm_fasttext *model = wm_ft_alloc(1, sizeof *model, "fastText model", err);
    if (!model)
        return WM_E_NOMEM;
    int status = load(r, model, err);
    if (status)
        wm_fasttext_free(model);
    else
        *ret = model;
    return status;
}

int wm_fasttext_parse(struct wm_str bytes, struct wm_fasttext **ret, struct wm_error *err)
{
    struct wm_ft_reader r = {
        .at = (const unsigned char *)bytes.ptr, .have = bytes.len, .left = bytes.len};
    return load_new(&r, ret, err);
}

static int open_file(const char *path, struct wm_ft_reader *r, struct wm_fasttext **ret,
                     struct wm_error *err)
{
    struct wm_stat stat = {0};
    int status = wm_stat(path, &stat, err);
    if (status)
        return status;
    if (!stat.is_regular)
        return wm_fail(err, WM_E_FORMAT, "not a regular file");
    r->left = stat.size;
    r->buffer = wm_ft_alloc(READ_BYTES, 1, "read buffer", err);
    if (!r->buffer)
        return WM_E_NOMEM;
    status = wm_file_open(path, &r->file, err);
    return status ? status : load_new(r, ret, err);
}

int wm_fasttext_open(const char *path, struct wm_fasttext **ret, struct wm_error *err)
{
    struct wm_ft_reader r = {0};
    int status = open_file(path, &r, ret, err);
    if (r.file)
        wm_file_close(r.file);
    free(r.buffer);
    return status ? wm_error_where(err, "%s", path) : 0;
}

void wm_fasttext_free(struct wm_fasttext *model)
{
    if (!model)
        return;
    wm_ft_dictionary_done(&model->dictionary);
    wm_ft_matrix_done(&model->input);
    wm_ft_matrix_done(&model->output);
    free(model->tree);
    free(model->word_sums);
    free(model->word_counts);
    free(model);
}

size_t wm_fasttext_memory(const struct wm_fasttext *model)
{
    const struct wm_ft_dictionary *d = &model->dictionary;
    size_t bytes = sizeof *model + wm_ft_dictionary_memory(d, model->bucket) +
                   wm_ft_matrix_memory(&model->input) + wm_ft_matrix_memory(&model->output);
    if (model->tree)
        bytes += 2 * (size_t)d->n_labels * sizeof *model->tree;
    if (model->word_sums)
        bytes += (size_t)d->n_words * (model->dim * sizeof(float) + sizeof(uint32_t));
    return bytes;
}

size_t wm_fasttext_labels(const struct wm_fasttext *model)
{
    return model->dictionary.n_labels;
}

struct wm_str wm_fasttext_label(const struct wm_fasttext *model, size_t i)
{
    static const struct wm_str prefix = {"__label__", 9};
    struct wm_str label = wm_ft_entry(&model->dictionary, model->dictionary.n_words + (uint32_t)i);
    if (!wm_str_starts(label, prefix))
        return label;
    return (struct wm_str){label.ptr + prefix.len, label.len - prefix.len};
}
