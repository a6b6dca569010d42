/* SPDX-License-Identifier: Apache-2.0 */
/* Muon. With X = U S Vᵀ of largest singular value ≤ 1, a step X ← a X + (b A + c A²) X, A = X Xᵀ,
 * maps each singular value s to a s + b s³ + c s⁵; five steps bring those of any use near 1. Tall
 * matrices use A = Xᵀ X from the other side. A and A² are symmetric: half of them is computed. */
#include <math.h>
#include <string.h>

#include "trainer/activations.h"
#include "trainer/optimizer.h"

enum {
    STEPS = 5,
    STRIPE = 192, /* rows of a symmetric product made at a time */
};
/* Coefficients of Jordan et al. */
static const float A = 3.4445F, B = -4.7750F, C = 2.0315F;

static uint32_t smaller(const struct wm_param *p)
{
    const uint32_t rows = p->shape[0] / p->n_stacked;
    return rows < p->shape[1] ? rows : p->shape[1];
}

uint64_t wm_muon_scratch(const struct wm_params *params)
{
    uint64_t most = 0;
    for (size_t i = 0; i < params->n; i++) {
        const struct wm_param *p = &params->table[i];
        const uint64_t side = p->group == WM_GROUP_MATRIX ? smaller(p) : 0;
        const uint64_t floats =
            p->group == WM_GROUP_MATRIX ? 2 * (p->n / p->n_stacked) + 3 * side * side : 0;
        most = floats > most ? floats : most;
    }
    return most;
}

/* One matrix on its way. */
struct muon {
    const struct wm_optimizer *o;
    const struct wm_workshop *shop;
    enum wm_gemm_type type; /* of the products, as the model's: Muon bears rounding well */
    const float *grad;
    float *momentum, *weight;
    float grad_scale, mu;
    size_t rows, columns, n;
    size_t side;         /* of A */
    bool tall;           /* rows > columns */
    float *x, *next;     /* [rows, columns] */
    float *a, *a2, *sum; /* [side, side] */
    float factor, keep;  /* x ×= factor; w = w × keep − x × factor */
};

static size_t span_end(const struct muon *m, size_t item)
{
    return (item + 1) * WM_SPAN < m->n ? (item + 1) * WM_SPAN : m->n;
}

static void all_spans(struct muon *m, void (*body)(void *, size_t))
{
    wm_parallel(m->shop->team, (m->n + WM_SPAN - 1) / WM_SPAN, body, m);
}

static void momentum_span(void *arg, size_t item)
{
    const struct muon *m = arg;
    const float mu = m->mu, rest = 1 - mu;
    const size_t first = item * WM_SPAN, end = span_end(m, item);
    for (size_t i = first; i < end; i++) {
        const float g = m->grad[i] * m->grad_scale;
        m->momentum[i] = mu * m->momentum[i] + rest * g;
        m->x[i] = mu * m->momentum[i] + rest * g;
    }
    m->o->parts[item] = m->shop->kernels->sum_squares(m->x + first, end - first);
}

static void scale_span(void *arg, size_t item)
{
    const struct muon *m = arg;
    m->shop->kernels->scale(m->x + item * WM_SPAN, m->factor, span_end(m, item) - item * WM_SPAN);
}

static void start_span(void *arg, size_t item)
{
    const struct muon *m = arg;
    for (size_t i = item * WM_SPAN, end = span_end(m, item); i < end; i++)
        m->next[i] = A * m->x[i];
}

static void apply_span(void *arg, size_t item)
{
    const struct muon *m = arg;
    for (size_t i = item * WM_SPAN, end = span_end(m, item); i < end; i++)
        m->weight[i] = m->weight[i] * m->keep - m->x[i] * m->factor;
}

/* The half below the diagonal from the one above; and sum = b A + c A² once both are there. */
struct mirror {
    float *c;
    size_t n;
};

static void mirror_rows(void *arg, size_t stripe)
{
    const struct mirror *m = arg;
    const size_t end = (stripe + 1) * STRIPE < m->n ? (stripe + 1) * STRIPE : m->n;
    for (size_t i = stripe * STRIPE; i < end; i++)
        for (size_t j = 0; j < i; j++)
            m->c[i * m->n + j] = m->c[j * m->n + i];
}

static size_t n_stripes(size_t n)
{
    return (n + STRIPE - 1) / STRIPE;
}

/* c [n, n] = F Fᵀ where factor `f` has n outer indices and k inner ones. */
static void symmetric(const struct muon *m, struct wm_factor f, size_t k, float *c)
{
    const size_t n = m->side;
    for (size_t first = 0; first < n; first += STRIPE) {
        struct wm_factor part = f;
        part.at += f.k_rows ? first : first * f.ld;
        const struct wm_gemm product = {
            .m = n - first < STRIPE ? n - first : STRIPE,
            .n = n - first,
            .k = k,
            .type = m->type,
            .a = part,
            .b = part,
            .c = c + first * n + first,
            .ldc = n,
        };
        wm_gemm(m->shop, &product);
    }
    struct mirror mirror = {c, n};
    wm_parallel(m->shop->team, n_stripes(n), mirror_rows, &mirror);
}

static void sum_rows(void *arg, size_t stripe)
{
    const struct muon *m = arg;
    const size_t n = m->side, end = (stripe + 1) * STRIPE < n ? (stripe + 1) * STRIPE : n;
    for (size_t i = stripe * STRIPE * n; i < end * n; i++)
        m->sum[i] = B * m->a[i] + C * m->a2[i];
}

static void newton_schulz(struct muon *m)
{
    const struct wm_factor x = {m->x, m->columns, m->tall};
    symmetric(m, x, m->tall ? m->rows : m->columns, m->a);
    symmetric(m, (struct wm_factor){m->a, m->side, false}, m->side, m->a2);
    wm_parallel(m->shop->team, n_stripes(m->side), sum_rows, m);
    all_spans(m, start_span);
    const struct wm_factor sum = {m->sum, m->side, m->tall};
    struct wm_gemm product = {
        .m = m->rows,
        .n = m->columns,
        .k = m->side,
        .type = m->type,
        .a = m->tall ? (struct wm_factor){m->x, m->columns, false} : sum,
        .b = m->tall ? sum : (struct wm_factor){m->x, m->columns, true},
        .c = m->next,
        .ldc = m->columns,
        .start = WM_START_C,
    };
    wm_gemm(m->shop, &product);
    float *done = m->next;
    m->next = m->x;
    m->x = done;
}

static void update_matrix(struct muon *m, double lr, double decay)
{
    m->n = m->rows * m->columns;
    m->next = m->x + m->n;
    m->a = m->next + m->n;
    m->a2 = m->a + m->side * m->side;
    m->sum = m->a2 + m->side * m->side;
    all_spans(m, momentum_span);
    double sum = 0;
    for (size_t i = 0; i < (m->n + WM_SPAN - 1) / WM_SPAN; i++)
        sum += m->o->parts[i];
    m->factor = (float)(1 / (sqrt(sum) + 1e-30));
    all_spans(m, scale_span);
    for (int i = 0; i < STEPS; i++)
        newton_schulz(m);
    m->factor = (float)(lr * 0.2 * sqrt((double)(m->tall ? m->rows : m->columns)));
    m->keep = (float)(1 - lr * decay);
    all_spans(m, apply_span);
}

void wm_muon_update(struct wm_optimizer *o, size_t tensor, const struct wm_optimizer_step *how)
{
    const struct wm_model *model = o->model;
    const struct wm_param *p = &model->layout.table[tensor];
    const size_t rows = p->shape[0] / p->n_stacked, columns = p->shape[1];
    for (uint32_t i = 0; i < p->n_stacked; i++) {
        const uint64_t inside = (uint64_t)i * rows * columns;
        struct muon m = {
            .o = o,
            .shop = &model->acts->shop,
            .type = wm_product_type(model),
            .grad = model->grads + p->offset + inside,
            .momentum = wm_optimizer_slot(o, tensor, 0) + inside,
            .weight = model->params + p->offset + inside,
            .grad_scale = (float)how->grad_scale,
            .mu = (float)o->config.momentum,
            .rows = rows,
            .columns = columns,
            .side = smaller(p),
            .tall = rows > columns,
            .x = o->scratch,
        };
        update_matrix(&m, how->lr * p->lr_multiplier, o->config.weight_decay * p->decay_multiplier);
    }
}
