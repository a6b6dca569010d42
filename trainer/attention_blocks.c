/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/attention_blocks.h"

#include <math.h>
#include <string.h>

_Static_assert(WM_ATTENTION_KEYS % WM_ATTENTION_STEP == 0, "blocks begin where patches may");
_Static_assert(WM_ATTENTION_STEP % WM_TILE_MAX_COLS == 0 &&
                   WM_ATTENTION_STEP % WM_ATTENTION_QUERIES == 0 &&
                   WM_ATTENTION_QUERIES % WM_TILE_MAX_ROWS == 0,
               "whole tiles");

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t round_up(size_t n, size_t step)
{
    return (n + step - 1) / step * step;
}

/* ---- memory ---- */

static float *take(float *base, size_t *used, size_t n)
{
    float *at = base ? base + *used : NULL;
    *used += round_up(n, 16);
    return at;
}

/* base NULL: only counts. Packed factors are at most as large as floats. */
static size_t place(struct wm_attention_memory *m, float *base, size_t depth)
{
    const size_t wide = round_up(depth, WM_TILE_MAX_COLS), queries = WM_ATTENTION_QUERIES;
    const size_t keys = WM_ATTENTION_KEYS, tall = keys + WM_TILE_MAX_ROWS;
    size_t used = 0;
    m->scores = take(base, &used, queries * keys);
    m->d_scores = take(base, &used, queries * keys);
    m->block = take(base, &used, queries * wide);
    m->d_k = take(base, &used, tall * wide);
    m->d_v = take(base, &used, tall * wide);
    m->max = take(base, &used, WM_ATTENTION_GROUP * queries);
    m->sum = take(base, &used, WM_ATTENTION_GROUP * queries);
    m->rows = take(base, &used, queries * wide);
    m->d_rows = take(base, &used, queries * wide);
    m->q = take(base, &used, queries * wide);
    m->d_out = take(base, &used, queries * wide);
    m->k_turned = take(base, &used, keys * wide);
    m->v_turned = take(base, &used, keys * wide);
    m->k = take(base, &used, keys * wide);
    m->v = take(base, &used, keys * wide);
    m->left = take(base, &used, tall * queries);
    return used;
}

size_t wm_attention_scratch_floats(uint32_t head_dim)
{
    struct wm_attention_memory unused;
    return place(&unused, NULL, head_dim);
}

struct wm_head wm_attention_head(const struct wm_workshop *shop, const struct wm_attention *a,
                                 size_t sequence, size_t head)
{
    const size_t depth = a->head_dim, kv_head = head / (a->n_head / a->n_kv_head);
    const size_t row = sequence * a->t, kv_at = sequence * a->t_kv * a->ld_kv + kv_head * depth;
    struct wm_head h = {
        .kernels = shop->kernels,
        .tile = a->type == WM_GEMM_BF16 ? shop->kernels->bf16 : shop->kernels->f32,
        .a = a,
        .sequence = sequence,
        .q = a->q + row * a->ld_q + head * depth,
        .k = a->k + kv_at,
        .v = a->v + kv_at,
        .out = a->out + row * a->ld_out + head * depth,
        .norm = a->norm + (sequence * a->n_head + head) * a->t,
        .factor = 1.0f / sqrtf((float)depth),
        .ld_block = round_up(depth, WM_TILE_MAX_COLS),
    };
    (void)place(&h.memory, shop->scratch + wm_team_slot() * shop->scratch_floats, depth);
    return h;
}

/* ---- what a mask leaves ---- */

static struct wm_keys row_keys(const struct wm_head *h, size_t row)
{
    const struct wm_attention *a = h->a;
    struct wm_keys keys = {0, a->t_kv};
    if (a->mask != WM_MASK_FULL)
        keys.end = row + 1 + a->t_kv - a->t;
    if (a->mask == WM_MASK_PREFIX)
        keys.end = most(keys.end, a->prefix[h->sequence]);
    if (a->first_key)
        keys.first = least(a->first_key[h->sequence * a->t + row], keys.end);
    return keys;
}

struct wm_keys wm_attention_row(const struct wm_patch *patch, size_t row)
{
    struct wm_keys keys = row_keys(patch->head, patch->row + row);
    keys.end = least(most(keys.end, patch->key) - patch->key, patch->n_keys);
    keys.first = least(most(keys.first, patch->key) - patch->key, keys.end);
    return keys;
}

struct wm_patch wm_attention_rows(const struct wm_head *h, size_t query_block)
{
    const size_t first = query_block * WM_ATTENTION_QUERIES;
    struct wm_patch patch = {
        .head = h,
        .row = first,
        .n_rows = least(h->a->t - first, WM_ATTENTION_QUERIES),
        .seen = {h->a->t_kv, 0},
    };
    for (size_t i = 0; i < patch.n_rows; i++) {
        const struct wm_keys keys = row_keys(h, first + i);
        if (keys.first < keys.end) {
            patch.seen.first = least(keys.first, patch.seen.first);
            patch.seen.end = most(keys.end, patch.seen.end);
        }
    }
    return patch;
}

bool wm_attention_keys(struct wm_patch *patch, size_t key_block)
{
    const size_t begin = key_block * WM_ATTENTION_KEYS;
    const size_t end = least(begin + WM_ATTENTION_KEYS, patch->seen.end);
    if (patch->seen.first >= end || begin >= end)
        return false;
    patch->offset =
        (most(begin, patch->seen.first) - begin) / WM_ATTENTION_STEP * WM_ATTENTION_STEP;
    patch->key = begin + patch->offset;
    patch->n_keys = end - patch->key;
    return true;
}

/* No later row sees less far than an earlier one. */
size_t wm_attention_reach(const struct wm_head *h, size_t query_end, size_t key_block)
{
    const size_t rows = least(query_end * WM_ATTENTION_QUERIES, h->a->t);
    const size_t end = row_keys(h, rows - 1).end, begin = key_block * WM_ATTENTION_KEYS;
    return least(most(end, begin) - begin, WM_ATTENTION_KEYS);
}

/* ---- products ---- */

void wm_attention_pack(const struct wm_head *h, float *dst, const float *src, size_t ld,
                       bool k_rows, size_t n_outer, size_t n_k)
{
    h->tile->pack_b(dst, h->tile->nr, src, ld, k_rows, n_outer, n_k);
}

void wm_attention_pack_left(const struct wm_head *h, float *dst, const float *src, size_t ld,
                            bool k_rows, size_t n_outer, size_t n_k)
{
    h->tile->pack_a(dst, h->tile->mr, src, ld, k_rows, n_outer, n_k);
}

void wm_attention_multiply(const struct wm_head *h, const struct wm_small_product *p)
{
    static const float zeros[WM_TILE_MAX_COLS];
    const struct wm_gemm_tile *tile = h->tile;
    const size_t deep = round_up(p->k, tile->k_step), whole = round_up(p->depth, tile->k_step);
    const unsigned char *right = (const unsigned char *)p->right +
                                 (p->outer * whole + p->first_k * tile->nr) * tile->element;
    for (size_t j = 0; j < p->n; j += tile->nr, right += tile->nr * whole * tile->element) {
        const unsigned char *left = (const unsigned char *)p->left;
        const bool narrow = p->n - j <= tile->nr / 2;
        for (size_t i = 0; i < p->m; i += tile->mr, left += tile->mr * deep * tile->element) {
            float *c = p->c + i * p->ldc + j;
            tile->run(deep, left, right, p->add ? c : zeros, p->add ? p->ldc : 0, c, p->ldc,
                      narrow, c);
        }
    }
}

void wm_attention_products(const struct wm_patch *patch, const float *left, const float *turned,
                           float *c)
{
    const struct wm_small_product p = {
        .m = patch->n_rows,
        .n = patch->n_keys,
        .k = patch->head->a->head_dim,
        .left = left,
        .right = turned,
        .depth = patch->head->a->head_dim,
        .outer = patch->offset,
        .c = c,
        .ldc = WM_ATTENTION_KEYS,
    };
    wm_attention_multiply(patch->head, &p);
}
