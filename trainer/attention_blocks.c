/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/attention_blocks.h"

#include <math.h>
#include <string.h>

_Static_assert(WM_ATTENTION_KEYS % WM_ATTENTION_STEP == 0, "blocks begin where patches may");
_Static_assert(WM_ATTENTION_STEP % WM_TILE_MAX_COLS == 0 &&
                   WM_ATTENTION_STEP % WM_ATTENTION_QUERIES == 0 &&
                   WM_ATTENTION_QUERIES % WM_ATTENTION_BAND == 0 &&
                   WM_ATTENTION_BAND % WM_TILE_MAX_ROWS == 0 &&
                   WM_ATTENTION_BAND % WM_TILE_MAX_K_STEP == 0,
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

static struct wm_keys keys_of(const struct wm_patch *patch, size_t row)
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
    for (size_t i = 0; i < patch->n_rows; i++)
        patch->keys[i] = keys_of(patch, i);
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

void wm_attention_pack_rows(const struct wm_head *h, float *dst, const float *src, size_t ld,
                            size_t n_rows)
{
    h->tile->pack_a(dst, h->tile->mr, src, ld, false, n_rows, h->a->head_dim);
}

/* Keys that any row of the band that `row` is in may see: there its products end. */
static size_t band_end(const struct wm_patch *patch, size_t row)
{
    const size_t end = row - row % WM_ATTENTION_BAND + WM_ATTENTION_BAND;
    return patch->keys[least(end, patch->n_rows) - 1].end;
}

/* One tile over D columns and more of them. */
static const float zeros[WM_TILE_MAX_COLS];

void wm_attention_products(const struct wm_patch *patch, const float *left, const float *turned,
                           float *c)
{
    const struct wm_gemm_tile *tile = patch->head->tile;
    const size_t deep = round_up(patch->head->a->head_dim, tile->k_step);
    const size_t panel = tile->nr * deep * tile->element, rows = tile->mr * deep * tile->element;
    const unsigned char *right = (const unsigned char *)turned + patch->offset / tile->nr * panel;
    for (size_t j = 0; j < patch->n_keys; j += tile->nr, right += panel) {
        const unsigned char *a = (const unsigned char *)left;
        for (size_t i = 0; i < patch->n_rows; i += tile->mr, a += rows) {
            const size_t end = band_end(patch, i);
            float *to = c + i * WM_ATTENTION_KEYS + j;
            const struct wm_tile_ahead ahead = {.c = to};
            if (j < end)
                tile->run(deep, a, right, zeros, 0, to, WM_ATTENTION_KEYS, end - j <= tile->nr / 2,
                          &ahead);
        }
    }
}

/* A band's products read as far as its end, and those of a band of keys that begins before it read
 * that band to its end. */
void wm_attention_clear(const struct wm_patch *patch, size_t row, float *scores)
{
    const struct wm_keys keys = patch->keys[row];
    const size_t end = least(round_up(band_end(patch, row), WM_ATTENTION_BAND), patch->n_keys);
    for (size_t i = 0; i < keys.first; i++)
        scores[i] = 0;
    for (size_t i = keys.end; i < end; i++)
        scores[i] = 0;
}

void wm_attention_over_keys(const struct wm_patch *patch, const float *scores, const float *right,
                            size_t depth, float *c)
{
    const struct wm_head *h = patch->head;
    const struct wm_gemm_tile *tile = h->tile;
    const size_t whole = round_up(depth, tile->k_step), ldc = h->ld_block, d = h->a->head_dim;
    for (size_t i = 0; i < patch->n_rows; i += WM_ATTENTION_BAND) {
        const size_t n_k = band_end(patch, i), deep = round_up(n_k, tile->k_step);
        const size_t n_rows = least(patch->n_rows - i, WM_ATTENTION_BAND);
        const unsigned char *b =
            (const unsigned char *)right + patch->offset * tile->nr * tile->element;
        tile->pack_a(h->memory.left, tile->mr, scores + i * WM_ATTENTION_KEYS, WM_ATTENTION_KEYS,
                     false, n_rows, n_k);
        for (size_t j = 0; j < d; j += tile->nr, b += tile->nr * whole * tile->element) {
            const unsigned char *a = (const unsigned char *)h->memory.left;
            for (size_t r = 0; r < n_rows; r += tile->mr, a += tile->mr * deep * tile->element) {
                float *to = c + (i + r) * ldc + j;
                const struct wm_tile_ahead ahead = {.c = to};
                tile->run(deep, a, b, zeros, 0, to, ldc, d - j <= tile->nr / 2, &ahead);
            }
        }
    }
}

void wm_attention_over_rows(const struct wm_patch *patch, const float *scores, const float *right,
                            float *c)
{
    const struct wm_head *h = patch->head;
    const struct wm_gemm_tile *tile = h->tile;
    const size_t deep = round_up(patch->n_rows, tile->k_step), ldc = h->ld_block;
    const size_t d = h->a->head_dim, panel = tile->nr * deep * tile->element;
    tile->pack_a(h->memory.left, tile->mr, scores, WM_ATTENTION_KEYS, true, patch->n_keys,
                 patch->n_rows);
    for (size_t i = 0, row = 0; i < patch->n_keys; i += tile->mr) {
        const size_t band = i - i % WM_ATTENTION_BAND;
        while (row < patch->n_rows && patch->keys[row].end <= band)
            row++; /* sees none of the band's keys */
        if (row == patch->n_rows)
            break;
        const size_t first = row / tile->k_step * tile->k_step;
        const unsigned char *a =
            (const unsigned char *)h->memory.left + (i * deep + first * tile->mr) * tile->element;
        const unsigned char *b = (const unsigned char *)right + first * tile->nr * tile->element;
        for (size_t j = 0; j < d; j += tile->nr, b += panel) {
            float *to = c + i * ldc + j;
            const struct wm_tile_ahead ahead = {.c = to};
            tile->run(deep - first, a, b, to, ldc, to, ldc, d - j <= tile->nr / 2, &ahead);
        }
    }
}
