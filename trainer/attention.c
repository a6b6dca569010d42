/* SPDX-License-Identifier: Apache-2.0 */
/* Causal attention, one item per sequence and head. Scores exist for WM_QUERY_ROWS queries at a
 * time and only up to the last of these queries; the gradient makes them again, with the same
 * bits, instead of keeping T × T of them (after Rabe and Staats 2021, Dao et al. 2022). */
#include <math.h>

#include "trainer/activations.h"

struct attention {
    const struct wm_model *model;
    const float *qkv, *mixed, *d_mixed;
    float *out, *d_qkv; /* forward writes out, backward writes d_qkv */
    uint32_t t;
};

/* One head of one sequence, and a slot's scratch. */
struct head {
    const struct wm_kernels *kernels;
    const float *q, *k, *v;   /* [t, D] with rows `ld` apart */
    size_t t, depth, ld;      /* ld = 3C */
    float factor;             /* 1 / √D */
    float *gemm;              /* scratch of products */
    float *scores, *d_scores; /* [WM_QUERY_ROWS, ld_scores] */
    size_t ld_scores;
};

static size_t scores_ld(size_t t)
{
    return (t + 15) / 16 * 16;
}

static size_t gemm_floats(size_t t, size_t depth)
{
    size_t a = wm_gemm_here_floats(t, depth), b = wm_gemm_here_floats(depth, t);
    size_t c = wm_gemm_here_floats(depth, WM_QUERY_ROWS);
    a = a > b ? a : b;
    return ((a > c ? a : c) + 15) / 16 * 16;
}

size_t wm_attention_scratch(const struct wm_model_config *config)
{
    return gemm_floats(config->n_ctx, config->n_embd / config->n_head) +
           (size_t)2 * WM_QUERY_ROWS * scores_ld(config->n_ctx);
}

static struct head open_head(const struct attention *a, size_t item)
{
    const struct wm_model_config *config = &a->model->config;
    const struct wm_workshop *shop = &a->model->acts->shop;
    const size_t c = config->n_embd, depth = c / config->n_head, t = a->t;
    const float *q = a->qkv + item / config->n_head * t * 3 * c + item % config->n_head * depth;
    float *scratch = shop->scratch + wm_team_slot() * shop->scratch_floats;
    float *scores = scratch + gemm_floats(t, depth);
    return (struct head){
        .kernels = shop->kernels,
        .q = q,
        .k = q + c,
        .v = q + 2 * c,
        .t = t,
        .depth = depth,
        .ld = 3 * c,
        .factor = 1.0f / sqrtf((float)depth),
        .gemm = scratch,
        .scores = scores,
        .d_scores = scores + WM_QUERY_ROWS * scores_ld(t),
        .ld_scores = scores_ld(t),
    };
}

/* Queries [first, first + n) see keys [0, first + n): exp(score − max) in h->scores, 0 above the
 * diagonal; ret_sums[i] is row i's sum. */
static void make_scores(const struct head *h, size_t first, size_t n, float *ret_sums)
{
    const struct wm_gemm product = {
        .m = n,
        .n = first + n,
        .k = h->depth,
        .a = {h->q + first * h->ld, h->ld, false},
        .b = {h->k, h->ld, false},
        .c = h->scores,
        .ldc = h->ld_scores,
    };
    wm_gemm_here(h->kernels, h->gemm, &product);
    for (size_t i = 0; i < n; i++) {
        float max;
        ret_sums[i] = h->kernels->softmax(h->scores + i * h->ld_scores, first + i + 1, first + n,
                                          h->factor, &max);
    }
}

static void forward_head(void *arg, size_t item)
{
    const struct attention *a = arg;
    const struct head h = open_head(a, item);
    const size_t c = a->model->config.n_embd, n_head = a->model->config.n_head;
    float *out = a->out + item / n_head * h.t * c + item % n_head * h.depth;
    float sums[WM_QUERY_ROWS];
    for (size_t first = 0; first < h.t; first += WM_QUERY_ROWS) {
        const size_t n = h.t - first < WM_QUERY_ROWS ? h.t - first : WM_QUERY_ROWS;
        make_scores(&h, first, n, sums);
        const struct wm_gemm mix = {
            .m = n,
            .n = h.depth,
            .k = first + n,
            .a = {h.scores, h.ld_scores, false},
            .b = {h.v, h.ld, true},
            .c = out + first * c,
            .ldc = c,
        };
        wm_gemm_here(h.kernels, h.gemm, &mix);
        for (size_t i = 0; i < n; i++)
            h.kernels->scale(out + (first + i) * c, 1.0f / sums[i], h.depth);
    }
}

void wm_attention_forward(const struct wm_model *model, const float *qkv, float *mixed, uint32_t b,
                          uint32_t t)
{
    struct attention a = {.model = model, .qkv = qkv, .out = mixed, .t = t};
    wm_parallel(model->team, (size_t)b * model->config.n_head, forward_head, &a);
}

/* Probabilities in h->scores and the scores' gradient in h->d_scores:
 * dP = dO Vᵀ,  dS = P (dP − Σ dO O) / √D. */
static void make_d_scores(const struct head *h, size_t first, size_t n, const float *mixed,
                          const float *d_mixed, size_t c)
{
    float sums[WM_QUERY_ROWS];
    make_scores(h, first, n, sums);
    const struct wm_gemm product = {
        .m = n,
        .n = first + n,
        .k = h->depth,
        .a = {d_mixed + first * c, c, false},
        .b = {h->v, h->ld, false},
        .c = h->d_scores,
        .ldc = h->ld_scores,
    };
    wm_gemm_here(h->kernels, h->gemm, &product);
    for (size_t i = 0; i < n; i++) {
        float *p = h->scores + i * h->ld_scores;
        const size_t at = (first + i) * c;
        h->kernels->scale(p, 1.0f / sums[i], first + n);
        float d = h->kernels->dot(d_mixed + at, mixed + at, h->depth);
        h->kernels->softmax_back(p, h->d_scores + i * h->ld_scores, d, h->factor, first + n);
    }
}

/* Keys and values [0, first + n) gather from these queries: += scoresᵀ × rows. */
static void gather(const struct head *h, const float *scores, const float *rows, size_t ld_rows,
                   float *d, size_t first, size_t n)
{
    const struct wm_gemm product = {
        .m = first + n,
        .n = h->depth,
        .k = n,
        .a = {scores, h->ld_scores, true},
        .b = {rows, ld_rows, true},
        .c = d,
        .ldc = h->ld,
        .start = first + n == h->t ? WM_START_ZERO : WM_START_C,
    };
    wm_gemm_here(h->kernels, h->gemm, &product);
}

/* From the last queries to the first, so that the first gather reaches every key and value. */
static void backward_head(void *arg, size_t item)
{
    const struct attention *a = arg;
    const struct head h = open_head(a, item);
    const size_t c = a->model->config.n_embd, n_head = a->model->config.n_head;
    const size_t at = item / n_head * h.t * c + item % n_head * h.depth;
    const float *mixed = a->mixed + at, *d_mixed = a->d_mixed + at;
    float *d_q = a->d_qkv + (h.q - a->qkv);
    for (size_t end = h.t; end;) {
        const size_t first = (end - 1) / WM_QUERY_ROWS * WM_QUERY_ROWS, n = end - first;
        make_d_scores(&h, first, n, mixed, d_mixed, c);
        const struct wm_gemm to_q = {
            .m = n,
            .n = h.depth,
            .k = end,
            .a = {h.d_scores, h.ld_scores, false},
            .b = {h.k, h.ld, true},
            .c = d_q + first * h.ld,
            .ldc = h.ld,
        };
        wm_gemm_here(h.kernels, h.gemm, &to_q);
        gather(&h, h.d_scores, h.q + first * h.ld, h.ld, d_q + c, first, n);
        gather(&h, h.scores, d_mixed + first * c, c, d_q + 2 * c, first, n);
        end = first;
    }
}

void wm_attention_backward(const struct wm_model *model, const float *qkv, const float *mixed,
                           const float *d_mixed, float *d_qkv, uint32_t b, uint32_t t)
{
    struct attention a = {
        .model = model, .qkv = qkv, .mixed = mixed, .d_mixed = d_mixed, .d_qkv = d_qkv, .t = t};
    wm_parallel(model->team, (size_t)b * model->config.n_head, backward_head, &a);
}
