/* SPDX-License-Identifier: Apache-2.0 */
/* Matrices as fastText stores them: floats, or one byte for every few columns (product
 * quantisation, Jégou et al. 2011), with the rows' norms quantised apart if that was asked for. */
#include <stdlib.h>

#include "scorers/fasttext.h"

enum { CENTROIDS = 256 };

/* Infinities and NaNs would spread over every score. */
static int check_finite(const float *values, uint64_t n, const char *what, struct wm_error *err)
{
    uint32_t worst = 0;
    for (uint64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        uint32_t exponent = bits & 0x7F800000;
        worst = exponent > worst ? exponent : worst;
    }
    if (worst == 0x7F800000)
        return wm_fail(err, WM_E_FORMAT, "%s: a value that is not a number", what);
    return 0;
}

static int take_floats(struct wm_ft_reader *r, uint64_t n, const char *what, float **ret,
                       struct wm_error *err)
{
    void *values = NULL;
    int status = wm_ft_take_array(r, n, sizeof(float), what, &values, err);
    if (status)
        return status;
    *ret = values;
    return check_finite(*ret, n, what, err);
}

static int take_shape(struct wm_ft_reader *r, struct wm_ft_matrix *m, struct wm_error *err)
{
    int64_t rows = 0, cols = 0;
    int status = wm_ft_take_i64(r, &rows, "matrix", err);
    if (!status)
        status = wm_ft_take_i64(r, &cols, "matrix", err);
    if (status)
        return status;
    if (rows < 0 || cols < 1 || cols > WM_FASTTEXT_MAX_DIM || (uint64_t)rows > UINT32_MAX * 2ULL)
        return wm_fail(err, WM_E_FORMAT, "a matrix of %jd × %jd", (intmax_t)rows, (intmax_t)cols);
    m->rows = (uint64_t)rows;
    m->cols = (uint32_t)cols;
    return 0;
}

static int take_quantiser(struct wm_ft_reader *r, uint32_t cols, struct wm_ft_quantiser *q,
                          struct wm_error *err)
{
    int32_t p[4]; /* columns, sub-quantisers, columns of each, columns of the last */
    int status = wm_ft_take(r, p, sizeof p, "quantiser", err);
    if (status)
        return status;
    if (p[0] < 1 || (uint32_t)p[0] != cols || p[1] < 1 || p[2] < 1 || p[3] < 1 || p[3] > p[2] ||
        ((int64_t)p[1] - 1) * p[2] + p[3] != p[0])
        return wm_fail(err, WM_E_FORMAT, "a quantiser of %d × %d columns, the last %d, for %u",
                       p[1], p[2], p[3], cols);
    q->n_sub = (uint32_t)p[1];
    q->width = (uint32_t)p[2];
    q->last_width = (uint32_t)p[3];
    return take_floats(r, (uint64_t)cols * CENTROIDS, "quantiser", &q->centroids, err);
}

static int take_quantised(struct wm_ft_reader *r, struct wm_ft_matrix *m, struct wm_error *err)
{
    bool has_norms = false;
    int32_t n_codes = 0;
    void *codes = NULL;
    int status = wm_ft_take_bool(r, &has_norms, "quantised matrix", err);
    if (!status)
        status = take_shape(r, m, err);
    if (!status)
        status = wm_ft_take_i32(r, &n_codes, "quantised matrix", err);
    if (!status && n_codes < 0)
        return wm_fail(err, WM_E_FORMAT, "a matrix of %d codes", n_codes);
    if (!status)
        status = wm_ft_take_array(r, (uint64_t)n_codes, 1, "codes", &codes, err);
    m->codes = codes;
    if (!status)
        status = take_quantiser(r, m->cols, &m->quantiser, err);
    if (!status && m->rows * m->quantiser.n_sub != (uint64_t)n_codes)
        return wm_fail(err, WM_E_FORMAT, "%d codes for %ju rows of %u", n_codes, (uintmax_t)m->rows,
                       m->quantiser.n_sub);
    if (status || !has_norms)
        return status;
    void *norms = NULL;
    status = wm_ft_take_array(r, m->rows, 1, "norms", &norms, err);
    m->norms = norms;
    return status ? status : take_quantiser(r, 1, &m->norm_quantiser, err);
}

int wm_ft_matrix_take(struct wm_ft_reader *r, bool quantised, struct wm_ft_matrix *ret,
                      struct wm_error *err)
{
    if (quantised)
        return take_quantised(r, ret, err);
    int status = take_shape(r, ret, err);
    return status ? status : take_floats(r, ret->rows * ret->cols, "matrix", &ret->dense, err);
}

void wm_ft_matrix_done(struct wm_ft_matrix *m)
{
    free(m->dense);
    free(m->codes);
    free(m->norms);
    free(m->quantiser.centroids);
    free(m->norm_quantiser.centroids);
    *m = (struct wm_ft_matrix){0};
}

size_t wm_ft_matrix_memory(const struct wm_ft_matrix *m)
{
    size_t rows = (size_t)m->rows, bytes = 0;
    if (m->dense)
        bytes += rows * m->cols * sizeof(float);
    if (m->codes)
        bytes += rows * m->quantiser.n_sub + (size_t)m->cols * CENTROIDS * sizeof(float);
    if (m->norms)
        bytes += rows + CENTROIDS * sizeof(float);
    return bytes;
}

static const float *centroid(const struct wm_ft_quantiser *q, uint32_t sub, uint8_t code)
{
    size_t start = (size_t)sub * CENTROIDS * q->width;
    return q->centroids + start + (size_t)code * (sub + 1 == q->n_sub ? q->last_width : q->width);
}

static float row_norm(const struct wm_ft_matrix *m, uint64_t row)
{
    return m->norms ? m->norm_quantiser.centroids[m->norms[row]] : 1.0F;
}

static void add_quantised(const struct wm_ft_matrix *m, uint64_t row, float *sum)
{
    const struct wm_ft_quantiser *q = &m->quantiser;
    const uint8_t *codes = m->codes + row * q->n_sub;
    float norm = row_norm(m, row);
    for (uint32_t sub = 0; sub < q->n_sub; sub++) {
        const float *c = centroid(q, sub, codes[sub]);
        uint32_t n = sub + 1 == q->n_sub ? q->last_width : q->width;
        for (uint32_t i = 0; i < n; i++)
            sum[(size_t)sub * q->width + i] += norm * c[i];
    }
}

void wm_ft_matrix_add(const struct wm_ft_matrix *m, uint64_t row, float *restrict sum)
{
    if (!m->dense) {
        add_quantised(m, row, sum);
        return;
    }
    const float *restrict values = m->dense + row * m->cols;
    for (uint32_t i = 0; i < m->cols; i++)
        sum[i] += values[i];
}

/* The norm multiplies the sum, not each product: as fastText does. */
static float dot_quantised(const struct wm_ft_matrix *m, uint64_t row, const float *v)
{
    const struct wm_ft_quantiser *q = &m->quantiser;
    const uint8_t *codes = m->codes + row * q->n_sub;
    float dot = 0;
    for (uint32_t sub = 0; sub < q->n_sub; sub++) {
        const float *c = centroid(q, sub, codes[sub]);
        uint32_t n = sub + 1 == q->n_sub ? q->last_width : q->width;
        for (uint32_t i = 0; i < n; i++)
            dot += v[(size_t)sub * q->width + i] * c[i];
    }
    return dot * row_norm(m, row);
}

float wm_ft_matrix_dot(const struct wm_ft_matrix *m, uint64_t row, const float *v)
{
    if (!m->dense)
        return dot_quantised(m, row, v);
    const float *values = m->dense + row * m->cols;
    float dot = 0;
    for (uint32_t i = 0; i < m->cols; i++)
        dot += values[i] * v[i];
    return dot;
}

/* Four rows side by side: sums of their own, so that one need not wait for the other. */
void wm_ft_matrix_times(const struct wm_ft_matrix *m, const float *v, float *ret)
{
    uint64_t row = 0;
    for (; m->dense && row + 4 <= m->rows; row += 4) {
        const float *values = m->dense + row * m->cols;
        float a = 0, b = 0, c = 0, d = 0;
        for (uint32_t i = 0; i < m->cols; i++) {
            a += values[i] * v[i];
            b += values[i + (size_t)m->cols] * v[i];
            c += values[i + 2 * (size_t)m->cols] * v[i];
            d += values[i + 3 * (size_t)m->cols] * v[i];
        }
        ret[row] = a;
        ret[row + 1] = b;
        ret[row + 2] = c;
        ret[row + 3] = d;
    }
    for (; row < m->rows; row++)
        ret[row] = wm_ft_matrix_dot(m, row, v);
}

int wm_ft_matrix_expand(struct wm_ft_matrix *m, uint64_t max_bytes, struct wm_error *err)
{
    if (m->dense || m->rows > max_bytes / sizeof(float) / m->cols)
        return 0;
    struct wm_ft_matrix dense = {.rows = m->rows, .cols = m->cols};
    dense.dense = wm_ft_alloc(m->rows * m->cols, sizeof(float), "matrix", err);
    if (!dense.dense)
        return WM_E_NOMEM;
    for (uint64_t row = 0; row < m->rows; row++)
        add_quantised(m, row, dense.dense + row * m->cols);
    wm_ft_matrix_done(m);
    *m = dense;
    return 0;
}
