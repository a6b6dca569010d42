/* SPDX-License-Identifier: Apache-2.0 */
/* The gradient of attention. With P the probabilities and S the scores:
 *
 *   dV = Pᵀ dO,  dP = dO Vᵀ,  dS = P (dP − Σ dO O) / √D,  dQ = dS K,  dK = dSᵀ Q
 *
 * A key head's gradients take five products a patch when one item makes them all. Heads that would
 * leave threads without work at the end are cut in pieces instead, by queries for dQ and by keys
 * for dK and dV; every piece makes the patches it needs again. Both ways run through the same
 * patches in the same order, so both give the same bits. */
#include <string.h>

#include "trainer/attention_blocks.h"

enum { PIECE_QUERIES = 4 /* blocks of them in a piece */ };

struct backward {
    const struct wm_workshop *shop;
    const struct wm_attention *a;
    const float *d_out;
    float *d_q, *d_k, *d_v;
    size_t ld_d_out, ld_dq, ld_dkv;
    size_t n_query_blocks, n_key_blocks;
    size_t group;   /* heads that share a key head */
    size_t n_whole; /* key heads that are one item each; the others are pieces */
};

enum { TO_Q = 1, TO_KV = 2 };

/* What an item makes: for some heads of a group, query blocks × key blocks. */
struct range {
    size_t first, end;
};
struct work {
    const struct backward *b;
    size_t sequence, kv_head;
    struct range heads, queries, keys;
    unsigned parts;
};

/* A head and its gradients. */
struct head {
    struct wm_head h;
    const struct backward *b;
    const float *d_out;
    float *d_q;
};

static struct head open_head(const struct work *w, size_t head)
{
    const struct backward *b = w->b;
    const size_t row = w->sequence * b->a->t, at = head * b->a->head_dim;
    return (struct head){
        .h = wm_attention_head(b->shop, b->a, w->sequence, head),
        .b = b,
        .d_out = b->d_out + row * b->ld_d_out + at,
        .d_q = b->d_q + row * b->ld_dq + at,
    };
}

/* The block's q and dO as factors of both sides; ret_d[i] = Σ dO O. */
static void pack_rows(const struct head *head, const struct wm_patch *patch, unsigned parts,
                      float *ret_d)
{
    const struct wm_head *h = &head->h;
    const struct wm_attention_memory *m = &h->memory;
    const size_t ld_q = h->a->ld_q, ld_d = head->b->ld_d_out, depth = h->a->head_dim;
    const float *q = h->q + patch->row * ld_q, *d_out = head->d_out + patch->row * ld_d;
    const float *out = h->out + patch->row * h->a->ld_out;
    wm_attention_pack_rows(h, m->rows, q, ld_q, patch->n_rows);
    wm_attention_pack_rows(h, m->d_rows, d_out, ld_d, patch->n_rows);
    if (parts & TO_KV) {
        wm_attention_pack(h, m->q, q, ld_q, true, depth, patch->n_rows);
        wm_attention_pack(h, m->d_out, d_out, ld_d, true, depth, patch->n_rows);
    }
    for (size_t i = 0; i < patch->n_rows; i++)
        ret_d[i] = h->kernels->dot(d_out + i * ld_d, out + i * h->a->ld_out, depth);
}

/* P in scores and dS in d_scores; both 0 where a row may not look. */
static void make_scores(const struct wm_patch *patch, const float *d)
{
    const struct wm_head *h = patch->head;
    const struct wm_attention_memory *m = &h->memory;
    wm_attention_products(patch, m->rows, m->k_turned, m->scores);
    wm_attention_products(patch, m->d_rows, m->v_turned, m->d_scores);
    for (size_t i = 0; i < patch->n_rows; i++) {
        const struct wm_keys keys = patch->keys[i];
        float *p = m->scores + i * WM_ATTENTION_KEYS, *dp = m->d_scores + i * WM_ATTENTION_KEYS;
        wm_attention_clear(patch, i, p);
        wm_attention_clear(patch, i, dp);
        h->kernels->scores_back(p + keys.first, dp + keys.first, h->norm[patch->row + i], d[i],
                                h->factor, keys.end - keys.first);
    }
}

/* dQ of the patch's rows = or += dS K */
static void add_to_q(const struct head *head, const struct wm_patch *patch, size_t reach,
                     bool first)
{
    const struct wm_head *h = &head->h;
    const struct wm_attention_memory *m = &h->memory;
    const size_t depth = h->a->head_dim;
    wm_attention_over_keys(patch, m->d_scores, m->k, reach, m->block);
    for (size_t i = 0; i < patch->n_rows; i++) {
        float *d_q = head->d_q + (patch->row + i) * head->b->ld_dq;
        const float *more = m->block + i * h->ld_block;
        if (first)
            memcpy(d_q, more, depth * sizeof *d_q);
        else
            h->kernels->add(d_q, more, depth);
    }
}

static void zero_unseen(const struct head *head, const struct wm_patch *patch)
{
    for (size_t i = 0; i < patch->n_rows; i++)
        memset(head->d_q + (patch->row + i) * head->b->ld_dq, 0,
               head->h.a->head_dim * sizeof *head->d_q);
}

/* One head × one block of keys. */
static void run_head(const struct work *w, size_t index, size_t block, size_t reach)
{
    const struct head head = open_head(w, w->kv_head * w->b->group + index);
    const struct wm_attention_memory *m = &head.h.memory;
    for (size_t i = w->queries.first; i < w->queries.end; i++) {
        struct wm_patch patch = wm_attention_rows(&head.h, i);
        float d[WM_ATTENTION_QUERIES];
        if (block == 0 && patch.seen.end == 0 && (w->parts & TO_Q))
            zero_unseen(&head, &patch);
        if (!wm_attention_keys(&patch, block))
            continue;
        pack_rows(&head, &patch, w->parts, d);
        make_scores(&patch, d);
        if (w->parts & TO_Q)
            add_to_q(&head, &patch, reach, block == patch.seen.first / WM_ATTENTION_KEYS);
        if (w->parts & TO_KV) {
            const size_t at = patch.offset * head.h.ld_block;
            wm_attention_over_rows(&patch, m->d_scores, m->q, m->d_k + at);
            wm_attention_over_rows(&patch, m->scores, m->d_out, m->d_v + at);
        }
    }
}

/* Sums over the group's heads to where they belong. */
static void store_keys(const struct work *w, const struct wm_head *h, size_t block)
{
    const struct backward *b = w->b;
    const size_t first = block * WM_ATTENTION_KEYS, left = b->a->t_kv - first;
    const size_t n = left < WM_ATTENTION_KEYS ? left : WM_ATTENTION_KEYS;
    const size_t at = (w->sequence * b->a->t_kv + first) * b->ld_dkv + w->kv_head * b->a->head_dim;
    const size_t size = b->a->head_dim * sizeof(float);
    for (size_t i = 0; i < n; i++) {
        memcpy(b->d_k + at + i * b->ld_dkv, h->memory.d_k + i * h->ld_block, size);
        memcpy(b->d_v + at + i * b->ld_dkv, h->memory.d_v + i * h->ld_block, size);
    }
}

static void run(const struct work *w)
{
    const struct wm_attention *a = w->b->a;
    const struct wm_head h =
        wm_attention_head(w->b->shop, a, w->sequence, w->kv_head * w->b->group);
    const struct wm_attention_memory *m = &h.memory;
    const size_t depth = a->head_dim, ld = a->ld_kv;
    for (size_t block = w->keys.first; block < w->keys.end; block++) {
        const size_t at = block * WM_ATTENTION_KEYS * ld;
        const size_t reach = wm_attention_reach(&h, w->queries.end, block);
        wm_attention_pack(&h, m->k_turned, h.k + at, ld, false, reach, depth);
        wm_attention_pack(&h, m->v_turned, h.v + at, ld, false, reach, depth);
        if (w->parts & TO_Q)
            wm_attention_pack(&h, m->k, h.k + at, ld, true, depth, reach);
        if (w->parts & TO_KV) {
            const size_t floats = (WM_ATTENTION_KEYS + WM_TILE_MAX_ROWS) * h.ld_block;
            memset(m->d_k, 0, floats * sizeof *m->d_k);
            memset(m->d_v, 0, floats * sizeof *m->d_v);
        }
        for (size_t i = w->heads.first; i < w->heads.end; i++)
            run_head(w, i, block, reach);
        if (w->parts & TO_KV)
            store_keys(w, &h, block);
    }
}

/* ---- items ---- */

static size_t pieces_of_queries(const struct backward *b)
{
    return wm_attention_cuts(b->n_query_blocks, PIECE_QUERIES);
}

static size_t n_pieces(const struct backward *b)
{
    return b->n_key_blocks + b->group * pieces_of_queries(b);
}

static void backward_item(void *arg, size_t item)
{
    const struct backward *b = arg;
    const bool whole = item < b->n_whole;
    const size_t index = whole ? item : b->n_whole + (item - b->n_whole) / n_pieces(b);
    struct work w = {.b = b,
                     .sequence = index / b->a->n_kv_head,
                     .kv_head = index % b->a->n_kv_head,
                     .heads = {0, b->group},
                     .queries = {0, b->n_query_blocks},
                     .keys = {0, b->n_key_blocks},
                     .parts = TO_Q | TO_KV};
    const size_t piece = whole ? 0 : (item - b->n_whole) % n_pieces(b);
    if (!whole && piece < b->n_key_blocks) {
        w.keys = (struct range){piece, piece + 1};
        w.parts = TO_KV;
    } else if (!whole) {
        const size_t at = piece - b->n_key_blocks, head = at % b->group;
        /* the last queries first */
        const size_t first = (pieces_of_queries(b) - 1 - at / b->group) * PIECE_QUERIES;
        const size_t end = first + PIECE_QUERIES;
        w.heads = (struct range){head, head + 1};
        w.queries = (struct range){first, end < b->n_query_blocks ? end : b->n_query_blocks};
        w.parts = TO_Q;
    }
    run(&w);
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
        .n_query_blocks = wm_attention_cuts(a->t, WM_ATTENTION_QUERIES),
        .n_key_blocks = wm_attention_cuts(a->t_kv, WM_ATTENTION_KEYS),
        .group = a->n_head / a->n_kv_head,
    };
    /* In pieces a head costs seven products instead of five. */
    const size_t n_heads = (size_t)a->b * a->n_kv_head, n_threads = wm_team_size(shop->team);
    const size_t rest = n_heads % n_threads;
    b.n_whole = 7 * rest < 5 * n_threads ? n_heads - rest : n_heads;
    wm_parallel(shop->team, b.n_whole + (n_heads - b.n_whole) * n_pieces(&b), backward_item, &b);
}
