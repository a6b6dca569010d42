/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/gemm.h"

#include <string.h>

enum {
    BLOCK_ROWS = 96,       /* of A packed at a time: a multiple of every table's mr */
    BLOCK_K = 256,         /* BLOCK_ROWS × BLOCK_K floats stay in the second-level cache */
    SUPER_K = 2048,        /* of B packed at a time */
    SHARED_MOST = 4 << 20, /* floats of packed B */
    PACK_K = 128,          /* of a panel written at a time */
    PACK_PANELS = 2,       /* of B packed by one item */
    ITEMS_PER_THREAD = 8,  /* blocks a product is cut into for the team, if it is large enough */
};
_Static_assert(WM_GEMM_SCRATCH == BLOCK_ROWS * BLOCK_K, "one block of A");
_Static_assert(WM_GEMM_MIN_SHARED == SUPER_K * WM_TILE_MAX_COLS, "one panel of B");

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

size_t wm_gemm_shared_floats(size_t n, size_t k)
{
    size_t super_k = min_size(k, SUPER_K);
    size_t columns = min_size(round_up(n, WM_TILE_MAX_COLS), SHARED_MOST / super_k);
    size_t floats = round_up(columns, WM_TILE_MAX_COLS) * super_k;
    return floats < WM_GEMM_MIN_SHARED ? WM_GEMM_MIN_SHARED : floats;
}

size_t wm_gemm_here_floats(size_t n, size_t k)
{
    return WM_GEMM_SCRATCH + round_up(n, WM_TILE_MAX_COLS) * k;
}

/* ---- packing: panels of `width` outer indices, each [k, width], short ones padded with 0 ---- */

/* 4 × 4 at a time through registers; a plain loop would store one float per cycle. */
static void pack_transposed(float *dst, size_t width, const float *src, size_t ld, size_t n_outer,
                            size_t n_k)
{
    typedef float four __attribute__((vector_size(16)));
    size_t o = 0;
    for (; o + 4 <= n_outer; o += 4) {
        const float *s = src + o * ld;
        size_t k = 0;
        for (; k + 4 <= n_k; k += 4) {
            four r0, r1, r2, r3;
            memcpy(&r0, s + k, sizeof r0);
            memcpy(&r1, s + k + ld, sizeof r1);
            memcpy(&r2, s + k + 2 * ld, sizeof r2);
            memcpy(&r3, s + k + 3 * ld, sizeof r3);
            four a = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
            four b = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
            four c = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
            four d = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
            r0 = __builtin_shufflevector(a, b, 0, 1, 4, 5);
            r1 = __builtin_shufflevector(a, b, 2, 3, 6, 7);
            r2 = __builtin_shufflevector(c, d, 0, 1, 4, 5);
            r3 = __builtin_shufflevector(c, d, 2, 3, 6, 7);
            memcpy(dst + k * width + o, &r0, sizeof r0);
            memcpy(dst + (k + 1) * width + o, &r1, sizeof r1);
            memcpy(dst + (k + 2) * width + o, &r2, sizeof r2);
            memcpy(dst + (k + 3) * width + o, &r3, sizeof r3);
        }
        for (; k < n_k; k++)
            for (size_t i = 0; i < 4; i++)
                dst[k * width + o + i] = s[k + i * ld];
    }
    for (; o < n_outer; o++)
        for (size_t k = 0; k < n_k; k++)
            dst[k * width + o] = src[o * ld + k];
}

/* From [k, outer]: row by row into all panels at once, so that memory is read in order. `width` is a
 * constant where this is called from, and its copies are a few instructions. */
static inline void pack_rows(float *dst, size_t width, const float *src, size_t ld, size_t n_outer,
                             size_t n_k)
{
    const size_t panel = width * n_k, whole = n_outer / width * width, rest = n_outer - whole;
    for (size_t k = 0; k < n_k; k++, src += ld, dst += width) {
        float *to = dst;
        for (size_t o = 0; o < whole; o += width, to += panel)
            memcpy(to, src + o, width * sizeof *to);
        if (rest) {
            memcpy(to, src + whole, rest * sizeof *to);
            memset(to + rest, 0, (width - rest) * sizeof *to);
        }
    }
}

/* From [outer, k]: panel by panel, PACK_K at a time so that what is written stays in cache. */
static void pack_columns(float *dst, size_t width, const float *src, size_t ld, size_t n_outer,
                         size_t n_k)
{
    for (size_t o = 0; o < n_outer; o += width, dst += width * n_k) {
        const size_t n = min_size(width, n_outer - o);
        if (n < width)
            memset(dst, 0, width * n_k * sizeof *dst);
        for (size_t k = 0; k < n_k; k += PACK_K)
            pack_transposed(dst + k * width, width, src + o * ld + k, ld, n,
                            min_size(PACK_K, n_k - k));
    }
}

/* Outer indices [outer, outer + n_outer) and k in [k, k + n_k). */
static void pack(float *dst, size_t width, const struct wm_factor *f, size_t outer, size_t n_outer,
                 size_t k, size_t n_k)
{
    if (!f->k_rows) {
        pack_columns(dst, width, f->at + outer * f->ld + k, f->ld, n_outer, n_k);
        return;
    }
    const float *src = f->at + k * f->ld + outer;
    switch (width) {
    case 32:
        pack_rows(dst, 32, src, f->ld, n_outer, n_k);
        break;
    case 16:
        pack_rows(dst, 16, src, f->ld, n_outer, n_k);
        break;
    case 12:
        pack_rows(dst, 12, src, f->ld, n_outer, n_k);
        break;
    default:
        pack_rows(dst, width, src, f->ld, n_outer, n_k);
    }
}

/* ---- one block of C by one thread ---- */

/* A product, or the part of it that fits the packed B: columns [col, col + n), k in [k, k + n_k).
 */
struct part {
    const struct wm_gemm *g;
    const struct wm_kernels *kernels;
    const struct wm_workshop *shop; /* NULL: by one thread */
    float *packed_b;                /* panels of nr columns, each [n_k, nr] */
    size_t col, n, k, n_k;
    size_t block_rows, block_cols, n_row_blocks;
};

/* Where a tile's sums begin. */
static const float *start_of(const struct wm_gemm *g, size_t row, size_t col, size_t k,
                             size_t *ret_ld)
{
    static const float zeros[WM_TILE_MAX_COLS];
    if (k > 0 || g->start == WM_START_C) {
        *ret_ld = g->ldc;
        return g->c + row * g->ldc + col;
    }
    *ret_ld = 0;
    return g->start == WM_START_BIAS ? g->bias + col : zeros;
}

/* A tile that reaches over C's edge is made in a full one beside it. */
static void edge_tile(const struct wm_kernels *kernels, size_t n_k, const float *a, const float *b,
                      const float *from, size_t ld_from, float *c, size_t ldc, size_t n_rows,
                      size_t n_cols)
{
    float whole[WM_TILE_MAX_ROWS * WM_TILE_MAX_COLS] = {0};
    const size_t nr = kernels->nr;
    for (size_t i = 0; i < n_rows; i++)
        memcpy(whole + i * nr, from + i * ld_from, n_cols * sizeof *whole);
    kernels->tile(n_k, a, b, whole, nr, whole, nr, n_cols <= nr / 2);
    for (size_t i = 0; i < n_rows; i++)
        memcpy(c + i * ldc, whole + i * nr, n_cols * sizeof *whole);
}

/* The tiles of rows [row, row + n_rows) × columns [col, col + n_cols) for k in [k, k + n_k), which
 * lies inside the part; `packed_a` holds the rows. */
static void tiles(const struct part *p, const float *packed_a, size_t row, size_t n_rows,
                  size_t col, size_t n_cols, size_t k, size_t n_k)
{
    const struct wm_gemm *g = p->g;
    const size_t mr = p->kernels->mr, nr = p->kernels->nr;
    for (size_t j = 0; j < n_cols; j += nr) {
        const size_t cols = min_size(nr, n_cols - j);
        const float *b = p->packed_b + (col - p->col + j) * p->n_k + (k - p->k) * nr;
        for (size_t i = 0; i < n_rows; i += mr) {
            const size_t rows = min_size(mr, n_rows - i);
            size_t ld;
            const float *from = start_of(g, row + i, col + j, k, &ld);
            float *c = g->c + (row + i) * g->ldc + col + j;
            if (rows == mr && (cols == nr || cols == nr / 2))
                p->kernels->tile(n_k, packed_a + i * n_k, b, from, ld, c, g->ldc, cols < nr);
            else
                edge_tile(p->kernels, n_k, packed_a + i * n_k, b, from, ld, c, g->ldc, rows, cols);
        }
    }
}

static void block(const struct part *p, float *packed_a, size_t row, size_t n_rows, size_t col,
                  size_t n_cols)
{
    const size_t mr = p->kernels->mr, end = p->k + p->n_k;
    for (size_t k = p->k; k < end; k += BLOCK_K) {
        const size_t n_k = min_size(BLOCK_K, end - k);
        pack(packed_a, mr, &p->g->a, row, n_rows, k, n_k);
        tiles(p, packed_a, row, n_rows, col, n_cols, k, n_k);
    }
    if (p->g->finish && end == p->g->k)
        p->g->finish(p->g->finish_arg, row, n_rows, col, n_cols);
}

static void pack_b_item(void *arg, size_t item)
{
    const struct part *p = arg;
    const size_t nr = p->kernels->nr, columns = PACK_PANELS * nr, at = item * columns;
    pack(p->packed_b + at * p->n_k, nr, &p->g->b, p->col + at, min_size(columns, p->n - at), p->k,
         p->n_k);
}

/* ---- the team ---- */

static void block_item(void *arg, size_t item)
{
    const struct part *p = arg;
    const size_t row = item % p->n_row_blocks * p->block_rows;
    const size_t col = item / p->n_row_blocks * p->block_cols;
    float *packed_a = p->shop->scratch + wm_team_slot() * p->shop->scratch_floats;
    block(p, packed_a, row, min_size(p->block_rows, p->g->m - row), p->col + col,
          min_size(p->block_cols, p->n - col));
}

static size_t n_blocks(const struct part *p)
{
    return (p->g->m + p->block_rows - 1) / p->block_rows *
           ((p->n + p->block_cols - 1) / p->block_cols);
}

/* Rows of A are packed once per column block, so blocks are cut across columns only as far as the
 * team needs items. */
static size_t cut(struct part *p)
{
    const size_t least = (size_t)ITEMS_PER_THREAD * wm_team_size(p->shop->team);
    p->block_rows = BLOCK_ROWS;
    p->block_cols = round_up(p->n, WM_TILE_MAX_COLS);
    while (n_blocks(p) < least && p->block_cols > (size_t)4 * WM_TILE_MAX_COLS)
        p->block_cols = round_up(p->block_cols / 2, WM_TILE_MAX_COLS);
    while (n_blocks(p) < least && p->block_rows > BLOCK_ROWS / 4)
        p->block_rows /= 2;
    p->n_row_blocks = (p->g->m + p->block_rows - 1) / p->block_rows;
    return n_blocks(p);
}

void wm_gemm(const struct wm_workshop *shop, const struct wm_gemm *product)
{
    struct part p = {
        .g = product, .kernels = shop->kernels, .shop = shop, .packed_b = shop->shared};
    const size_t columns = (size_t)PACK_PANELS * shop->kernels->nr;
    const size_t super_k = min_size(product->k, SUPER_K);
    const size_t super_n =
        shop->shared_floats / super_k / WM_TILE_MAX_COLS * (size_t)WM_TILE_MAX_COLS;
    for (p.col = 0; p.col < product->n; p.col += super_n) {
        p.n = min_size(super_n, product->n - p.col);
        size_t n_items = cut(&p);
        for (p.k = 0; p.k < product->k; p.k += super_k) {
            p.n_k = min_size(super_k, product->k - p.k);
            wm_parallel(shop->team, (p.n + columns - 1) / columns, pack_b_item, &p);
            wm_parallel(shop->team, n_items, block_item, &p);
        }
    }
}

void wm_gemm_here(const struct wm_kernels *kernels, float *scratch, const struct wm_gemm *product)
{
    struct part p = {.g = product,
                     .kernels = kernels,
                     .packed_b = scratch + WM_GEMM_SCRATCH,
                     .n = product->n,
                     .n_k = product->k};
    pack(p.packed_b, kernels->nr, &product->b, 0, product->n, 0, product->k);
    for (size_t row = 0; row < product->m; row += BLOCK_ROWS)
        block(&p, scratch, row, min_size(BLOCK_ROWS, product->m - row), 0, product->n);
}
