/* SPDX-License-Identifier: Apache-2.0 */
/* One item of the forward pass is a block of queries of one head; it walks the blocks of keys. */
#include "trainer/attention_blocks.h"

#include <math.h>
#include <string.h>

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

static size_t gemm_floats(size_t depth)
{
    size_t scores = wm_gemm_here_floats(WM_ATTENTION_KEYS, depth);
    size_t sums = wm_gemm_here_floats(depth, most(WM_ATTENTION_KEYS, WM_ATTENTION_QUERIES));
    return (most(scores, sums) + 15) / 16 * 16;
}

size_t wm_attention_scratch_floats(uint32_t head_dim)
{
    return gemm_floats(head_dim) + (size_t)2 * WM_ATTENTION_QUERIES * WM_ATTENTION_KEYS;
}

struct wm_head wm_attention_head(const struct wm_workshop *shop, const struct wm_attention *a,
                                 size_t sequence, size_t head)
{
    const size_t depth = a->head_dim, kv_head = head / (a->n_head / a->n_kv_head);
    const size_t row = sequence * a->t, kv_at = sequence * a->t_kv * a->ld_kv + kv_head * depth;
    float *scratch = shop->scratch + wm_team_slot() * shop->scratch_floats;
    float *scores = scratch + gemm_floats(depth);
    return (struct wm_head){
        .kernels = shop->kernels,
        .a = a,
        .sequence = sequence,
        .q = a->q + row * a->ld_q + head * depth,
        .k = a->k + kv_at,
        .v = a->v + kv_at,
        .out = a->out + row * a->ld_out + head * depth,
        .norm = a->norm + (sequence * a->n_head + head) * a->t,
        .factor = 1.0f / sqrtf((float)depth),
        .gemm = scratch,
        .scores = scores,
        .d_scores = scores + WM_ATTENTION_QUERIES * WM_ATTENTION_KEYS,
    };
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
        keys.first = a->first_key[h->sequence * a->t + row];
    if (keys.first > keys.end)
        keys.first = keys.end;
    return keys;
}

struct wm_keys wm_attention_row(const struct wm_tile *tile, size_t row)
{
    struct wm_keys keys = row_keys(tile->head, tile->row + row);
    keys.first = keys.first > tile->key ? keys.first - tile->key : 0;
    keys.end = keys.end > tile->key ? keys.end - tile->key : 0;
    if (keys.end > tile->n_keys)
        keys.end = tile->n_keys;
    if (keys.first > keys.end)
        keys.first = keys.end;
    return keys;
}

struct wm_tile wm_attention_rows(const struct wm_head *h, size_t query_block)
{
    const size_t first = query_block * WM_ATTENTION_QUERIES, left = h->a->t - first;
    struct wm_tile tile = {
        .head = h,
        .row = first,
        .n_rows = left < WM_ATTENTION_QUERIES ? left : WM_ATTENTION_QUERIES,
        .seen = {h->a->t_kv, 0},
    };
    for (size_t i = 0; i < tile.n_rows; i++) {
        struct wm_keys keys = row_keys(h, first + i);
        if (keys.first < keys.end) {
            tile.seen.first = keys.first < tile.seen.first ? keys.first : tile.seen.first;
            tile.seen.end = most(keys.end, tile.seen.end);
        }
    }
    tile.seen.first = tile.seen.first / 16 * 16; /* rows of scores begin at whole registers */
    return tile;
}

bool wm_attention_keys(struct wm_tile *tile, size_t key_block)
{
    const size_t first = key_block * WM_ATTENTION_KEYS, end = first + WM_ATTENTION_KEYS;
    tile->key = most(first, tile->seen.first);
    if (tile->key >= end || tile->key >= tile->seen.end)
        return false;
    tile->n_keys = (end < tile->seen.end ? end : tile->seen.end) - tile->key;
    return true;
}

void wm_attention_scores(const struct wm_tile *tile)
{
    const struct wm_head *h = tile->head;
    const struct wm_gemm product = {
        .m = tile->n_rows,
        .n = tile->n_keys,
        .k = h->a->head_dim,
        .type = h->a->type,
        .a = {h->q + tile->row * h->a->ld_q, h->a->ld_q, false},
        .b = {h->k + tile->key * h->a->ld_kv, h->a->ld_kv, false},
        .c = h->scores,
        .ldc = WM_ATTENTION_KEYS,
    };
    wm_gemm_here(h->kernels, h->gemm, &product);
}

/* ---- forward ---- */

/* A block's rows: what was seen of their softmax so far. */
struct running {
    float max[WM_ATTENTION_QUERIES], sum[WM_ATTENTION_QUERIES];
    float shrink[WM_ATTENTION_QUERIES]; /* of what is there, because of a new maximum */
};

/* Scores of row i → exp(score − max), 0 where it may not look; its maximum and sum go on. */
static void soften_row(const struct wm_tile *tile, size_t i, struct running *run)
{
    const struct wm_head *h = tile->head;
    const struct wm_keys keys = wm_attention_row(tile, i);
    float *s = h->scores + i * WM_ATTENTION_KEYS;
    memset(s, 0, keys.first * sizeof *s);
    memset(s + keys.end, 0, (tile->n_keys - keys.end) * sizeof *s);
    run->shrink[i] = 1;
    if (keys.first == keys.end)
        return;
    const size_t n = keys.end - keys.first;
    const float top = h->kernels->top(s + keys.first, n) * h->factor;
    if (!(top <= run->max[i])) {
        run->shrink[i] = run->max[i] - top;
        (void)h->kernels->exp_sum(&run->shrink[i], 1, 1, 0);
        run->max[i] = top;
    }
    float sum = h->kernels->exp_sum(s + keys.first, n, h->factor, run->max[i]);
    run->sum[i] = run->sum[i] * run->shrink[i] + sum;
}

/* out = out × shrink + scores × v; `first`: there is nothing yet. */
static void mix(const struct wm_tile *tile, const struct running *run, bool first)
{
    const struct wm_head *h = tile->head;
    const struct wm_attention *a = h->a;
    float *out = h->out + tile->row * a->ld_out;
    for (size_t i = 0; i < tile->n_rows && !first; i++)
        if (run->shrink[i] != 1)
            h->kernels->scale(out + i * a->ld_out, run->shrink[i], a->head_dim);
    const struct wm_gemm product = {
        .m = tile->n_rows,
        .n = a->head_dim,
        .k = tile->n_keys,
        .type = h->a->type,
        .a = {h->scores, WM_ATTENTION_KEYS, false},
        .b = {h->v + tile->key * a->ld_kv, a->ld_kv, true},
        .c = out,
        .ldc = a->ld_out,
        .start = first ? WM_START_ZERO : WM_START_C,
    };
    wm_gemm_here(h->kernels, h->gemm, &product);
}

static void finish_rows(const struct wm_tile *tile, struct running *run, bool any)
{
    const struct wm_head *h = tile->head;
    const size_t depth = h->a->head_dim;
    for (size_t i = 0; i < tile->n_rows; i++) {
        float *out = h->out + (tile->row + i) * h->a->ld_out;
        if (!any)
            memset(out, 0, depth * sizeof *out);
        else if (run->sum[i] != 0)
            h->kernels->scale(out, 1.0f / run->sum[i], depth);
        if (run->sum[i] == 0) { /* saw no key */
            run->sum[i] = 1;
            run->max[i] = 0;
        }
    }
    h->kernels->log(run->sum, tile->n_rows);
    for (size_t i = 0; i < tile->n_rows; i++)
        h->norm[tile->row + i] = run->max[i] + run->sum[i];
}

struct forward {
    const struct wm_workshop *shop;
    const struct wm_attention *a;
    size_t n_blocks;
};

/* The last queries first: under a causal mask they cost most. */
static void forward_block(void *arg, size_t item)
{
    const struct forward *f = arg;
    const size_t n_heads = (size_t)f->a->b * f->a->n_head, which = item % n_heads;
    const struct wm_head h =
        wm_attention_head(f->shop, f->a, which / f->a->n_head, which % f->a->n_head);
    struct wm_tile tile = wm_attention_rows(&h, f->n_blocks - 1 - item / n_heads);
    struct running run;
    for (size_t i = 0; i < tile.n_rows; i++) {
        run.max[i] = -INFINITY;
        run.sum[i] = 0;
    }
    bool any = false;
    for (size_t block = tile.seen.first / WM_ATTENTION_KEYS;
         block * WM_ATTENTION_KEYS < tile.seen.end; block++) {
        if (!wm_attention_keys(&tile, block))
            continue;
        wm_attention_scores(&tile);
        for (size_t i = 0; i < tile.n_rows; i++)
            soften_row(&tile, i, &run);
        mix(&tile, &run, !any);
        any = true;
    }
    finish_rows(&tile, &run, any);
}

void wm_attention_forward(const struct wm_workshop *shop, const struct wm_attention *a)
{
    struct forward f = {shop, a, wm_attention_query_blocks(a)};
    wm_parallel(shop->team, f.n_blocks * a->b * a->n_head, forward_block, &f);
}
