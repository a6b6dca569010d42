/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of attention. With P the probabilities and S the scores:
 *
 *   dV = Pᵀ dO,  dP = dO Vᵀ,  dS = P (dP − Σ dO O) / √D,  dQ = dS K,  dK = dSᵀ Q
 *
 * A key head's gradients take five products a tile when one item makes them all. Heads that would
 * leave threads without work at the end are cut in pieces instead, by queries for dQ and by keys
 * for dK and dV; every piece makes the tiles it needs again. Both ways run through the same tiles
 * in the same order, so both give the same bits. */
#include <string.h>

#include "trainer/attention_blocks.h"

struct backward {
    const struct wm_workshop *shop;
    const struct wm_attention *a;
    const float *d_out;
    float *d_q, *d_k, *d_v;
    size_t ld_d_out, ld_dq, ld_dkv;
    size_t n_query_blocks, n_key_blocks, group; /* group: heads that share a key head */
    size_t n_whole; /* key heads that are one item each; the others are pieces */
};

/* A head and its gradients. */
struct head {
    struct wm_head h;
    const struct backward *b;
    const float *d_out;
    float *d_q, *d_k, *d_v;
};

/* A tile's rows: Σ dO O. */
struct rows {
    struct wm_tile tile;
    float d[WM_ATTENTION_QUERIES];
};

static struct head open_head(const struct backward *b, size_t sequence, size_t head)
{
    const size_t depth = b->a->head_dim, row = sequence * b->a->t;
    const size_t kv_at = sequence * b->a->t_kv * b->ld_dkv + head / b->group * depth;
    return (struct head){
        .h = wm_attention_head(b->shop, b->a, sequence, head),
        .b = b,
        .d_out = b->d_out + row * b->ld_d_out + head * depth,
        .d_q = b->d_q + row * b->ld_dq + head * depth,
        .d_k = b->d_k + kv_at,
        .d_v = b->d_v + kv_at,
    };
}

static struct rows open_rows(const struct head *head, size_t query_block)
{
    struct rows rows = {.tile = wm_attention_rows(&head->h, query_block)};
    const size_t first = rows.tile.row, ld_d = head->b->ld_d_out, ld = head->h.a->ld_out;
    for (size_t i = 0; i < rows.tile.n_rows; i++)
        rows.d[i] = head->h.kernels->dot(head->d_out + (first + i) * ld_d,
                                         head->h.out + (first + i) * ld, head->h.a->head_dim);
    return rows;
}

/* P in scores and dS in d_scores; both 0 where a row may not look. */
static void make_tile(const struct head *head, const struct rows *rows)
{
    const struct wm_head *h = &head->h;
    const struct wm_tile *tile = &rows->tile;
    wm_attention_scores(tile);
    const struct wm_gemm product = {
        .m = tile->n_rows,
        .n = tile->n_keys,
        .k = h->a->head_dim,
        .type = h->a->type,
        .a = {head->d_out + tile->row * head->b->ld_d_out, head->b->ld_d_out, false},
        .b = {h->v + tile->key * h->a->ld_kv, h->a->ld_kv, false},
        .c = h->d_scores,
        .ldc = WM_ATTENTION_KEYS,
    };
    wm_gemm_here(h->kernels, h->gemm, &product);
    for (size_t i = 0; i < tile->n_rows; i++) {
        const struct wm_keys keys = wm_attention_row(tile, i);
        float *p = h->scores + i * WM_ATTENTION_KEYS, *dp = h->d_scores + i * WM_ATTENTION_KEYS;
        const size_t after = (tile->n_keys - keys.end) * sizeof *p;
        memset(p, 0, keys.first * sizeof *p);
        memset(dp, 0, keys.first * sizeof *dp);
        memset(p + keys.end, 0, after);
        memset(dp + keys.end, 0, after);
        h->kernels->scores_back(p + keys.first, dp + keys.first, h->norm[tile->row + i], rows->d[i],
                                h->factor, keys.end - keys.first);
    }
}

static void zero_rows(float *x, size_t ld, size_t first, size_t n_rows, size_t depth)
{
    for (size_t i = first; i < first + n_rows; i++)
        memset(x + i * ld, 0, depth * sizeof *x);
}

/* dQ of the tile's rows += dS K */
static void add_to_q(const struct head *head, const struct wm_tile *tile)
{
    const struct wm_head *h = &head->h;
    const struct wm_gemm product = {
        .m = tile->n_rows,
        .n = h->a->head_dim,
        .k = tile->n_keys,
        .type = h->a->type,
        .a = {h->d_scores, WM_ATTENTION_KEYS, false},
        .b = {h->k + tile->key * h->a->ld_kv, h->a->ld_kv, true},
        .c = head->d_q + tile->row * head->b->ld_dq,
        .ldc = head->b->ld_dq,
        .start = WM_START_C,
    };
    wm_gemm_here(h->kernels, h->gemm, &product);
}

/* d of the tile's keys += scoresᵀ × rows */
static void add_to_keys(const struct head *head, const struct wm_tile *tile, const float *scores,
                        const float *rows, size_t ld_rows, float *d)
{
    const struct wm_gemm product = {
        .m = tile->n_keys,
        .n = head->h.a->head_dim,
        .k = tile->n_rows,
        .type = head->h.a->type,
        .a = {scores, WM_ATTENTION_KEYS, true},
        .b = {rows + tile->row * ld_rows, ld_rows, true},
        .c = d + tile->key * head->b->ld_dkv,
        .ldc = head->b->ld_dkv,
        .start = WM_START_C,
    };
    wm_gemm_here(head->h.kernels, head->h.gemm, &product);
}

static void add_to_kv(const struct head *head, const struct wm_tile *tile)
{
    add_to_keys(head, tile, head->h.d_scores, head->h.q, head->h.a->ld_q, head->d_k);
    add_to_keys(head, tile, head->h.scores, head->d_out, head->b->ld_d_out, head->d_v);
}

/* ---- items ---- */

enum parts { TO_Q = 1, TO_KV = 2 };

/* Query blocks [q, q_end) × key blocks [k, k_end) of one head. */
static void run_head(const struct head *head, size_t q, size_t q_end, size_t k, size_t k_end,
                     unsigned parts)
{
    for (; q < q_end; q++) {
        struct rows rows = open_rows(head, q);
        struct wm_tile *tile = &rows.tile;
        if (parts & TO_Q)
            zero_rows(head->d_q, head->b->ld_dq, tile->row, tile->n_rows, head->h.a->head_dim);
        for (size_t block = k; block < k_end; block++) {
            if (!wm_attention_keys(tile, block))
                continue;
            make_tile(head, &rows);
            if (parts & TO_Q)
                add_to_q(head, tile);
            if (parts & TO_KV)
                add_to_kv(head, tile);
        }
    }
}

/* All heads of a group for key blocks [k, k_end). */
static void run_group(const struct backward *b, size_t kv_head, size_t k, size_t k_end,
                      unsigned parts)
{
    const size_t sequence = kv_head / b->a->n_kv_head;
    const size_t first = kv_head % b->a->n_kv_head * b->group;
    const size_t key = k * WM_ATTENTION_KEYS, end = k_end * WM_ATTENTION_KEYS;
    const size_t n_keys = (end < b->a->t_kv ? end : b->a->t_kv) - key;
    for (size_t i = 0; i < b->group; i++) {
        const struct head head = open_head(b, sequence, first + i);
        if (i == 0) {
            zero_rows(head.d_k, b->ld_dkv, key, n_keys, b->a->head_dim);
            zero_rows(head.d_v, b->ld_dkv, key, n_keys, b->a->head_dim);
        }
        run_head(&head, 0, b->n_query_blocks, k, k_end, parts);
    }
}

static void backward_item(void *arg, size_t item)
{
    const struct backward *b = arg;
    if (item < b->n_whole) {
        run_group(b, item, 0, b->n_key_blocks, TO_Q | TO_KV);
        return;
    }
    const size_t of_q = b->group * b->n_query_blocks, pieces = b->n_key_blocks + of_q;
    const size_t kv_head = b->n_whole + (item - b->n_whole) / pieces;
    const size_t piece = (item - b->n_whole) % pieces;
    if (piece < b->n_key_blocks) {
        run_group(b, kv_head, piece, piece + 1, TO_KV);
        return;
    }
    const size_t at = piece - b->n_key_blocks; /* the last queries first */
    const size_t block = b->n_query_blocks - 1 - at / b->group;
    const struct head head = open_head(b, kv_head / b->a->n_kv_head,
                                       kv_head % b->a->n_kv_head * b->group + at % b->group);
    run_head(&head, block, block + 1, 0, b->n_key_blocks, TO_Q);
}

void wm_attention_backward(const struct wm_workshop *shop, const struct wm_attention *a,
                           const float *d_out, size_t ld_d_out, float *d_q, float *d_k, float *d_v,
                           size_t ld_dq, size_t ld_dkv)
{
    struct backward b = {
        .shop = shop,
        .a = a,
        .d_out = d_out,
        .d_q = d_q,
        .d_k = d_k,
        .d_v = d_v,
        .ld_d_out = ld_d_out,
        .ld_dq = ld_dq,
        .ld_dkv = ld_dkv,
        .n_query_blocks = wm_attention_query_blocks(a),
        .n_key_blocks = wm_attention_key_blocks(a),
        .group = a->n_head / a->n_kv_head,
    };
    /* In pieces a head costs seven products instead of five. */
    const size_t n_heads = (size_t)a->b * a->n_kv_head, n_threads = wm_team_size(shop->team);
    const size_t rest = n_heads % n_threads;
    b.n_whole = 7 * rest < 5 * n_threads ? n_heads - rest : n_heads;
    const size_t pieces = b.n_key_blocks + b.group * b.n_query_blocks;
    wm_parallel(shop->team, b.n_whole + (n_heads - b.n_whole) * pieces, backward_item, &b);
}
