/* SPDX-License-Identifier: Apache-2.0 */
/* The forward pass. An item is some blocks of queries of one head; they walk the blocks of keys
 * side by side, so that keys and values are packed once for all of them. How many they are does
 * not change what is computed for each. */
#include "trainer/attention.h"

#include <math.h>
#include <string.h>

#include "trainer/attention_blocks.h"

enum { ITEMS_PER_THREAD = 8 };

struct forward {
    const struct wm_workshop *shop;
    const struct wm_attention *a;
    size_t n_blocks, group, n_groups; /* of queries */
};

/* Some rows of the softmaxes under way, and what their outputs shrink by because of a new
 * maximum. */
struct rows {
    float *max, *sum, shrink[WM_ATTENTION_QUERIES];
};

/* Scores of row i → exp(score − max), 0 where it may not look; its maximum and sum go on. */
static void soften_row(const struct wm_patch *patch, size_t i, struct rows *rows)
{
    const struct wm_head *h = patch->head;
    const struct wm_keys keys = patch->keys[i];
    float *s = h->memory.scores + i * WM_ATTENTION_KEYS;
    wm_attention_clear(patch, i, s);
    rows->shrink[i] = 1;
    if (keys.first == keys.end)
        return;
    const size_t n = keys.end - keys.first;
    const float top = h->kernels->top(s + keys.first, n) * h->factor;
    if (!(top <= rows->max[i])) {
        rows->shrink[i] = rows->max[i] - top;
        (void)h->kernels->exp_sum(&rows->shrink[i], 1, 1, 0);
        rows->max[i] = top;
    }
    const float sum = h->kernels->exp_sum(s + keys.first, n, h->factor, rows->max[i]);
    rows->sum[i] = rows->sum[i] * rows->shrink[i] + sum;
}

/* out = out × shrink + scores × v; `first`: there is nothing yet. */
static void mix(const struct wm_patch *patch, const struct rows *rows, size_t reach, bool first)
{
    const struct wm_head *h = patch->head;
    const struct wm_attention *a = h->a;
    wm_attention_over_keys(patch, h->memory.scores, h->memory.v, reach, h->memory.block);
    for (size_t i = 0; i < patch->n_rows; i++) {
        float *out = h->out + (patch->row + i) * a->ld_out;
        const float *more = h->memory.block + i * h->ld_block;
        if (first) {
            memcpy(out, more, a->head_dim * sizeof *out);
            continue;
        }
        if (rows->shrink[i] != 1)
            h->kernels->scale(out, rows->shrink[i], a->head_dim);
        h->kernels->add(out, more, a->head_dim);
    }
}

static void finish_rows(const struct wm_patch *patch, struct rows *rows)
{
    const struct wm_head *h = patch->head;
    const size_t depth = h->a->head_dim;
    for (size_t i = 0; i < patch->n_rows; i++) {
        float *out = h->out + (patch->row + i) * h->a->ld_out;
        if (rows->sum[i] != 0) {
            h->kernels->scale(out, 1.0f / rows->sum[i], depth);
        } else { /* saw no key */
            memset(out, 0, depth * sizeof *out);
            rows->sum[i] = 1;
            rows->max[i] = 0;
        }
    }
    h->kernels->log(rows->sum, patch->n_rows);
    for (size_t i = 0; i < patch->n_rows; i++)
        h->norm[patch->row + i] = rows->max[i] + rows->sum[i];
}

/* One block of queries meets one of keys. */
static void meet(const struct wm_patch *patch, struct rows *rows, size_t reach, bool first)
{
    const struct wm_head *h = patch->head;
    wm_attention_pack_rows(h, h->memory.rows, h->q + patch->row * h->a->ld_q, h->a->ld_q,
                           patch->n_rows);
    wm_attention_products(patch, h->memory.rows, h->memory.k_turned, h->memory.scores);
    for (size_t i = 0; i < patch->n_rows; i++)
        soften_row(patch, i, rows);
    mix(patch, rows, reach, first);
}

/* Query blocks [q, q_end). */
static void walk(const struct wm_head *h, size_t q, size_t q_end)
{
    const struct wm_attention *a = h->a;
    for (size_t i = 0; i < (q_end - q) * WM_ATTENTION_QUERIES; i++) {
        h->memory.max[i] = -INFINITY;
        h->memory.sum[i] = 0;
    }
    for (size_t block = 0; block * WM_ATTENTION_KEYS < a->t_kv; block++) {
        const size_t reach = wm_attention_reach(h, q_end, block);
        const size_t at = block * WM_ATTENTION_KEYS * a->ld_kv;
        bool packed = false;
        for (size_t i = q; i < q_end; i++) {
            struct wm_patch patch = wm_attention_rows(h, i);
            if (!wm_attention_keys(&patch, block))
                continue;
            if (!packed) {
                wm_attention_pack(h, h->memory.k_turned, h->k + at, a->ld_kv, false, reach,
                                  a->head_dim);
                wm_attention_pack(h, h->memory.v, h->v + at, a->ld_kv, true, a->head_dim, reach);
                packed = true;
            }
            const size_t mine = (i - q) * WM_ATTENTION_QUERIES;
            struct rows rows = {.max = h->memory.max + mine, .sum = h->memory.sum + mine};
            meet(&patch, &rows, reach, block == patch.seen.first / WM_ATTENTION_KEYS);
        }
    }
}

/* The last queries first: under a causal mask they cost most. */
static void forward_item(void *arg, size_t item)
{
    const struct forward *f = arg;
    const size_t n_heads = (size_t)f->a->b * f->a->n_head, which = item % n_heads;
    const size_t q = (f->n_groups - 1 - item / n_heads) * f->group;
    const size_t q_end = q + f->group < f->n_blocks ? q + f->group : f->n_blocks;
    const struct wm_head h =
        wm_attention_head(f->shop, f->a, which / f->a->n_head, which % f->a->n_head);
    walk(&h, q, q_end);
    for (size_t i = q; i < q_end; i++) {
        const struct wm_patch patch = wm_attention_rows(&h, i);
        const size_t mine = (i - q) * WM_ATTENTION_QUERIES;
        struct rows rows = {.max = h.memory.max + mine, .sum = h.memory.sum + mine};
        finish_rows(&patch, &rows);
    }
}

void wm_attention_forward(const struct wm_workshop *shop, const struct wm_attention *a)
{
    struct forward f = {.shop = shop,
                        .a = a,
                        .n_blocks = wm_attention_cuts(a->t, WM_ATTENTION_QUERIES),
                        .group = WM_ATTENTION_GROUP};
    const size_t n_heads = (size_t)a->b * a->n_head, n_threads = wm_team_size(shop->team);
    f.n_groups = wm_attention_cuts(f.n_blocks, f.group);
    while (n_threads > 1 && f.group > 1 && n_heads * f.n_groups < ITEMS_PER_THREAD * n_threads) {
        f.group /= 2;
        f.n_groups = wm_attention_cuts(f.n_blocks, f.group);
    }
    wm_parallel(shop->team, n_heads * f.n_groups, forward_item, &f);
}
