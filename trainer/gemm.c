/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/gemm.h"

#include <string.h>

enum {
    BLOCK_ROWS = 48,       /* of A packed at a time: a multiple of every table's mr, */
    SMALL_ROWS = 24,       /* and of the last ones, so that threads end together */
    BLOCK_K_BYTES = 1536,  /* of k packed of A at a time, and multiplied before C is stored */
    SUPER_K = 1536,        /* of B packed at a time */
    SHARED_MOST = 4 << 20, /* floats of packed B */
    PACK_COLS = 64,        /* of B packed by one item: a multiple of every table's nr */
    MIN_COLS = 256,        /* of C in a block: each packs its rows of A again */
    ITEMS_PER_THREAD = 4,  /* blocks of C to share out, if it is large enough */
};
_Static_assert(WM_GEMM_SCRATCH * sizeof(float) == (size_t)BLOCK_ROWS * BLOCK_K_BYTES, "A's block");
_Static_assert(WM_GEMM_MIN_SHARED == SUPER_K * WM_TILE_MAX_COLS, "one panel of B");

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

static size_t n_cuts(size_t n, size_t size)
{
    return (n + size - 1) / size;
}

size_t wm_gemm_shared_floats(size_t n, size_t k)
{
    const size_t super_k = round_up(min_size(k, SUPER_K), WM_TILE_MAX_K_STEP);
    const size_t columns = min_size(round_up(n, WM_TILE_MAX_COLS), SHARED_MOST / super_k);
    const size_t floats = round_up(columns, WM_TILE_MAX_COLS) * super_k;
    return floats < WM_GEMM_MIN_SHARED ? WM_GEMM_MIN_SHARED : floats;
}

/* ---- one block of C by one thread ---- */

struct range {
    size_t at, n;
};

/* A product, or the part of it that fits the packed B. */
struct part {
    const struct wm_gemm *g;
    const struct wm_gemm_tile *tile;
    const struct wm_workshop *shop;
    struct range m, n, k;
    unsigned char *packed_b;                  /* panels of all of k, from n.at on */
    size_t panel_k;                           /* k.n rounded up to the tile's step */
    size_t block_cols, n_row_blocks, n_large; /* the first n_large have BLOCK_ROWS */
    size_t n_items;
};

static struct range clip(size_t at, size_t size, struct range whole)
{
    return (struct range){at, min_size(size, whole.at + whole.n - at)};
}

static void pack(wm_pack *how, void *dst, size_t width, const struct wm_factor *f,
                 struct range outer, struct range k)
{
    const float *src =
        f->k_rows ? f->at + k.at * f->ld + outer.at : f->at + outer.at * f->ld + k.at;
    how(dst, width, src, f->ld, f->k_rows, outer.n, k.n);
}

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
static void edge_tile(const struct wm_gemm_tile *tile, size_t n_k, const void *a, const void *b,
                      const float *from, size_t ld_from, float *c, size_t ldc, size_t n_rows,
                      size_t n_cols)
{
    float whole[WM_TILE_MAX_ROWS * WM_TILE_MAX_COLS] = {0};
    const size_t nr = tile->nr;
    for (size_t i = 0; i < n_rows; i++)
        memcpy(whole + i * nr, from + i * ld_from, n_cols * sizeof *whole);
    const struct wm_tile_ahead ahead = {.c = whole};
    tile->run(n_k, a, b, whole, nr, whole, nr, n_cols <= nr / 2, &ahead);
    for (size_t i = 0; i < n_rows; i++)
        memcpy(c + i * ldc, whole + i * nr, n_cols * sizeof *whole);
}

/* The part of A that this thread packs next, as far as can be said. Packing waits for memory, which
 * the tiles before it leave idle. */
struct coming {
    const struct wm_factor *a;
    struct range rows, k;
};

/* What the n-th tile of a block fetches of it: a row of A, or some rows' worth of columns. */
static struct wm_tile_ahead ahead_of(const struct coming *coming, size_t n, const float *c)
{
    const struct wm_factor *a = coming->a;
    const size_t outer = coming->rows.at, k = coming->k.at;
    struct wm_tile_ahead ahead = {.c = c};
    if (a->k_rows && n * WM_TILE_FETCHES < coming->k.n && coming->rows.n) {
        ahead.from = a->at + (k + n * WM_TILE_FETCHES) * a->ld + outer;
        ahead.step = a->ld;
        ahead.n = coming->rows.n;
    } else if (!a->k_rows && n < coming->rows.n) {
        ahead.from = a->at + (outer + n) * a->ld + k;
        ahead.step = ahead.n = n_cuts(coming->k.n, WM_TILE_FETCHES);
    }
    return ahead;
}

/* The tiles of one block for the k that packed_a holds. */
static void tiles(const struct part *p, const unsigned char *packed_a, struct range rows,
                  struct range cols, struct range k, const struct coming *coming)
{
    const struct wm_gemm *g = p->g;
    const struct wm_gemm_tile *tile = p->tile;
    const size_t mr = tile->mr, nr = tile->nr, depth = round_up(k.n, tile->k_step);
    const unsigned char *b =
        p->packed_b + ((cols.at - p->n.at) * p->panel_k + (k.at - p->k.at) * nr) * tile->element;
    size_t n_made = 0;
    for (size_t j = 0; j < cols.n; j += nr, b += nr * p->panel_k * tile->element) {
        const size_t n_cols = min_size(nr, cols.n - j);
        const unsigned char *a = packed_a;
        for (size_t i = 0; i < rows.n; i += mr, a += mr * depth * tile->element) {
            const size_t n_rows = min_size(mr, rows.n - i);
            size_t ld;
            const float *from = start_of(g, rows.at + i, cols.at + j, k.at, &ld);
            float *c = g->c + (rows.at + i) * g->ldc + cols.at + j;
            const float *next = c;
            if (i + mr < rows.n)
                next = c + mr * g->ldc;
            else if (j + nr < cols.n)
                next = g->c + rows.at * g->ldc + cols.at + j + nr;
            const struct wm_tile_ahead ahead = ahead_of(coming, n_made++, next);
            if (n_rows == mr && (n_cols == nr || n_cols == nr / 2))
                tile->run(depth, a, b, from, ld, c, g->ldc, n_cols < nr, &ahead);
            else
                edge_tile(tile, depth, a, b, from, ld, c, g->ldc, n_rows, n_cols);
        }
    }
}

/* `next_rows` (n 0: unknown): of the block that comes after this one. */
static void block(const struct part *p, float *scratch, struct range rows, struct range cols,
                  struct range next_rows)
{
    const struct wm_gemm *g = p->g;
    const size_t block_k = BLOCK_K_BYTES / p->tile->element, end = p->k.at + p->k.n;
    for (size_t at = p->k.at; at < end; at += block_k) {
        const struct range k = clip(at, block_k, p->k);
        const bool more = at + block_k < end;
        const struct coming coming = {&g->a, more ? rows : next_rows,
                                      clip(more ? at + block_k : p->k.at, block_k, p->k)};
        pack(p->tile->pack_a, scratch, p->tile->mr, &g->a, rows, k);
        tiles(p, (const unsigned char *)scratch, rows, cols, k, &coming);
    }
    if (g->finish && end == g->k)
        g->finish(g->finish_arg, rows.at, rows.n, cols.at, cols.n);
}

static void pack_b_item(void *arg, size_t item)
{
    const struct part *p = arg;
    const size_t at = item * PACK_COLS;
    pack(p->tile->pack_b, p->packed_b + at * p->panel_k * p->tile->element, p->tile->nr, &p->g->b,
         clip(p->n.at + at, PACK_COLS, p->n), p->k);
}

/* ---- the team ---- */

static struct range rows_of(const struct part *p, size_t i)
{
    const size_t small = p->n_large * BLOCK_ROWS;
    return i < p->n_large ? clip(i * BLOCK_ROWS, BLOCK_ROWS, p->m)
                          : clip(small + (i - p->n_large) * SMALL_ROWS, SMALL_ROWS, p->m);
}

static void block_item(void *arg, size_t item)
{
    const struct part *p = arg;
    const size_t col = p->n.at + item / p->n_row_blocks * p->block_cols;
    const size_t next = item + wm_team_size(p->shop->team);
    block(p, p->shop->scratch + wm_team_slot() * p->shop->scratch_floats,
          rows_of(p, item % p->n_row_blocks), clip(col, p->block_cols, p->n),
          next < p->n_items ? rows_of(p, next % p->n_row_blocks) : (struct range){0, 0});
}

/* The last block of each thread is halved. Every cut of the columns packs A once more, so there are
 * only as many as a team needs. */
static void cut(struct part *p)
{
    const size_t n_threads = wm_team_size(p->shop->team), whole = n_cuts(p->m.n, BLOCK_ROWS);
    p->n_large = n_threads == 1 ? whole : whole > n_threads + 1 ? whole - n_threads - 1 : 0;
    const size_t large_rows = p->n_large * BLOCK_ROWS;
    p->n_row_blocks =
        p->n_large + (large_rows < p->m.n ? n_cuts(p->m.n - large_rows, SMALL_ROWS) : 0);
    size_t cuts = n_cuts(ITEMS_PER_THREAD * n_threads, p->n_row_blocks);
    cuts = min_size(cuts, n_cuts(p->n.n, MIN_COLS));
    p->block_cols = round_up(n_cuts(p->n.n, cuts), WM_TILE_MAX_COLS);
    p->n_items = p->n_row_blocks * n_cuts(p->n.n, p->block_cols);
}

void wm_gemm(const struct wm_workshop *shop, const struct wm_gemm *g)
{
    struct part p = {.g = g,
                     .tile = g->type == WM_GEMM_BF16 ? shop->kernels->bf16 : shop->kernels->f32,
                     .shop = shop,
                     .m = {0, g->m},
                     .packed_b = (unsigned char *)shop->shared};
    const size_t super_k = round_up(min_size(g->k, SUPER_K), WM_TILE_MAX_K_STEP);
    const size_t super_n = shop->shared_floats * sizeof(float) / p.tile->element / super_k /
                           WM_TILE_MAX_COLS * WM_TILE_MAX_COLS;
    for (size_t n = 0; n < g->n; n += super_n) {
        p.n = clip(n, super_n, (struct range){0, g->n});
        cut(&p);
        for (size_t k = 0; k < g->k; k += super_k) {
            p.k = clip(k, super_k, (struct range){0, g->k});
            p.panel_k = round_up(p.k.n, p.tile->k_step);
            wm_parallel(shop->team, n_cuts(p.n.n, PACK_COLS), pack_b_item, &p);
            wm_parallel(shop->team, p.n_items, block_item, &p);
        }
    }
}
