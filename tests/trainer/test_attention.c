/* SPDX-License-Identifier: Apache-2.0 */
/* Attention against its definition in double, forward and backward: every mask, document resets,
 * shared key heads, separate keys, lengths on both sides of the block sizes. The same bits for any
 * number of threads and every instruction set, and nothing written beside the outputs. */
#include "trainer/attention.h"

#include <math.h>

#include "test.h"

static uint32_t state = 3;

static float random_float(float range)
{
    state = state * 1664525u + 1013904223u;
    return (float)((int32_t)state >> 8) * 0x1p-23f * range;
}

static void *make(size_t n, size_t size)
{
    void *p = calloc(n, size);
    if (!p)
        exit(1);
    return p;
}

static float *floats(size_t n, float range)
{
    float *x = make(n, sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = random_float(range);
    return x;
}

struct shape {
    uint32_t b, t, t_kv, n_head, n_kv_head, depth;
    enum wm_mask mask;
    bool first_key;
};

/* A problem: every matrix has a few columns more than it needs. */
struct problem {
    struct wm_attention a;
    size_t n_q, n_kv, n_norm; /* floats */
    float *q, *k, *v, *d_out;
    uint32_t *prefix, *first_key;
};

enum { PAD = 3 };

/* The gradients and results of one run, whose padding must keep this value. */
static const float untouched = 12345;
struct results {
    float *out, *norm, *d_q, *d_k, *d_v;
};

static struct problem new_problem(const struct shape *s)
{
    struct problem p = {.prefix = make(s->b, sizeof(uint32_t)),
                        .first_key = make((size_t)s->b * s->t, sizeof(uint32_t))};
    const size_t ld_q = (size_t)s->n_head * s->depth + PAD;
    const size_t ld_kv = (size_t)s->n_kv_head * s->depth + PAD;
    p.n_q = s->b * s->t * ld_q;
    p.n_kv = s->b * s->t_kv * ld_kv;
    p.n_norm = (size_t)s->b * s->n_head * s->t;
    p.q = floats(p.n_q, 3);
    p.k = floats(p.n_kv, 3);
    p.v = floats(p.n_kv, 2);
    p.d_out = floats(p.n_q, 1);
    for (uint32_t i = 0; i < s->b; i++) {
        p.prefix[i] = (uint32_t)((i + 1) * 37 % (s->t_kv + 1));
        uint32_t first = 0;
        for (uint32_t j = 0; j < s->t; j++) {
            const uint32_t at = j + s->t_kv - s->t;
            if (j % 29 == (i * 7 + 11) % 29 && s->t_kv >= s->t)
                first = at;
            p.first_key[i * s->t + j] = first;
        }
    }
    p.a = (struct wm_attention){.b = s->b,
                                .t = s->t,
                                .t_kv = s->t_kv,
                                .n_head = s->n_head,
                                .n_kv_head = s->n_kv_head,
                                .head_dim = s->depth,
                                .q = p.q,
                                .ld_q = ld_q,
                                .k = p.k,
                                .v = p.v,
                                .ld_kv = ld_kv,
                                .mask = s->mask,
                                .prefix = p.prefix,
                                .first_key = s->first_key ? p.first_key : NULL,
                                .ld_out = ld_q};
    return p;
}

static void free_problem(struct problem *p)
{
    free(p->q);
    free(p->k);
    free(p->v);
    free(p->d_out);
    free(p->prefix);
    free(p->first_key);
}

static struct results new_results(const struct problem *p)
{
    struct results r = {make(p->n_q, sizeof(float)), make(p->n_norm, sizeof(float)),
                        make(p->n_q, sizeof(float)), make(p->n_kv, sizeof(float)),
                        make(p->n_kv, sizeof(float))};
    for (size_t i = 0; i < p->n_q; i++)
        r.out[i] = r.d_q[i] = untouched;
    for (size_t i = 0; i < p->n_kv; i++)
        r.d_k[i] = r.d_v[i] = untouched;
    return r;
}

static void free_results(struct results *r)
{
    free(r->out);
    free(r->norm);
    free(r->d_q);
    free(r->d_k);
    free(r->d_v);
}

static void run(struct problem *p, const struct wm_kernels *kernels, unsigned n_threads,
                struct results *r)
{
    struct wm_error err;
    struct wm_team *team = NULL;
    CHECK_OK(wm_team_new(n_threads, &team, &err), err);
    struct wm_workshop shop = {.kernels = kernels, .team = team};
    shop.scratch_floats = wm_attention_scratch_floats(p->a.head_dim);
    shop.scratch = make(shop.scratch_floats * n_threads, sizeof(float));
    p->a.out = r->out;
    p->a.norm = r->norm;
    wm_attention_forward(&shop, &p->a);
    wm_attention_backward(&shop, &p->a, p->d_out, p->a.ld_out, r->d_q, r->d_k, r->d_v, p->a.ld_q,
                          p->a.ld_kv);
    wm_team_free(team);
    free(shop.scratch);
}

/* ---- the definition ---- */

struct exact {
    double *out, *norm, *d_q, *d_k, *d_v;
};

static bool sees(const struct wm_attention *a, size_t sequence, size_t row, size_t key)
{
    if (a->first_key && key < a->first_key[sequence * a->t + row])
        return false;
    return a->mask == WM_MASK_FULL || key + a->t <= row + a->t_kv ||
           (a->mask == WM_MASK_PREFIX && key < a->prefix[sequence]);
}

static double dot(const float *x, const float *y, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)y[i];
    return sum;
}

static void exact_row(const struct problem *p, struct exact *e, size_t sequence, size_t head,
                      size_t row, double *prob)
{
    const struct wm_attention *a = &p->a;
    const size_t depth = a->head_dim, kv_head = head / (a->n_head / a->n_kv_head);
    const size_t at = (sequence * a->t + row) * a->ld_q + head * depth;
    const size_t kv_at = sequence * a->t_kv * a->ld_kv + kv_head * depth;
    const double factor = 1 / sqrt((double)depth);
    double max = -INFINITY, sum = 0, d = 0;
    for (size_t j = 0; j < a->t_kv; j++) {
        prob[j] = sees(a, sequence, row, j)
                      ? dot(a->q + at, a->k + kv_at + j * a->ld_kv, depth) * factor
                      : -INFINITY;
        max = fmax(max, prob[j]);
    }
    if (max == -INFINITY)
        return;
    for (size_t j = 0; j < a->t_kv; j++)
        sum += exp(prob[j] - max);
    e->norm[(sequence * a->n_head + head) * a->t + row] = max + log(sum);
    for (size_t j = 0; j < a->t_kv; j++) {
        prob[j] = exp(prob[j] - max) / sum;
        for (size_t i = 0; i < depth; i++)
            e->out[at + i] += prob[j] * (double)a->v[kv_at + j * a->ld_kv + i];
    }
    for (size_t i = 0; i < depth; i++)
        d += e->out[at + i] * (double)p->d_out[at + i];
    for (size_t j = 0; j < a->t_kv; j++) {
        const size_t key = kv_at + j * a->ld_kv;
        const double ds = prob[j] * (dot(p->d_out + at, a->v + key, depth) - d) * factor;
        for (size_t i = 0; i < depth; i++) {
            e->d_v[key + i] += prob[j] * (double)p->d_out[at + i];
            e->d_q[at + i] += ds * (double)a->k[key + i];
            e->d_k[key + i] += ds * (double)a->q[at + i];
        }
    }
}

static struct exact exactly(const struct problem *p)
{
    const struct wm_attention *a = &p->a;
    struct exact e = {make(p->n_q, sizeof(double)), make(p->n_norm, sizeof(double)),
                      make(p->n_q, sizeof(double)), make(p->n_kv, sizeof(double)),
                      make(p->n_kv, sizeof(double))};
    double *prob = make(a->t_kv, sizeof *prob);
    for (size_t sequence = 0; sequence < a->b; sequence++)
        for (size_t head = 0; head < a->n_head; head++)
            for (size_t row = 0; row < a->t; row++)
                exact_row(p, &e, sequence, head, row, prob);
    free(prob);
    return e;
}

static void free_exact(struct exact *e)
{
    free(e->out);
    free(e->norm);
    free(e->d_q);
    free(e->d_k);
    free(e->d_v);
}

/* ---- comparing ---- */

/* Largest difference over largest value; the padding of rows of `width` in `ld` must be untouched. */
static double difference(const float *got, const double *want, size_t n, size_t width, size_t ld)
{
    double most = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        if (i % ld >= width) {
            CHECK(got[i] == untouched);
            continue;
        }
        const double error = fabs((double)got[i] - want[i]);
        most = error <= most ? most : error; /* a NaN stands */
        size = fmax(size, fabs(want[i]));
    }
    return size > 0 ? most / size : most;
}

static bool same(const struct problem *p, const struct results *x, const struct results *y)
{
    return memcmp(x->out, y->out, p->n_q * sizeof(float)) == 0 &&
           memcmp(x->norm, y->norm, p->n_norm * sizeof(float)) == 0 &&
           memcmp(x->d_q, y->d_q, p->n_q * sizeof(float)) == 0 &&
           memcmp(x->d_k, y->d_k, p->n_kv * sizeof(float)) == 0 &&
           memcmp(x->d_v, y->d_v, p->n_kv * sizeof(float)) == 0;
}

/* A few float roundings of sums of up to 600 terms. */
static void check_exact(const struct problem *p, const struct results *r, const char *what)
{
    const struct wm_attention *a = &p->a;
    const size_t wide = a->ld_q - PAD, narrow = a->ld_kv - PAD;
    struct exact e = exactly(p);
    CHECK_(difference(r->out, e.out, p->n_q, wide, a->ld_q) <= 2e-6, "%s: out", what);
    CHECK_(difference(r->norm, e.norm, p->n_norm, p->n_norm, p->n_norm) <= 1e-6, "%s: norm", what);
    CHECK_(difference(r->d_q, e.d_q, p->n_q, wide, a->ld_q) <= 4e-6, "%s: d_q", what);
    CHECK_(difference(r->d_k, e.d_k, p->n_kv, narrow, a->ld_kv) <= 4e-6, "%s: d_k", what);
    CHECK_(difference(r->d_v, e.d_v, p->n_kv, narrow, a->ld_kv) <= 4e-6, "%s: d_v", what);
    free_exact(&e);
}

static void check_shape(const struct shape *s)
{
    char what[120];
    (void)snprintf(what, sizeof what, "b %u t %u × %u heads %u/%u × %u mask %d resets %d", s->b,
                   s->t, s->t_kv, s->n_head, s->n_kv_head, s->depth, (int)s->mask, s->first_key);
    struct problem p = new_problem(s);
    struct results one = new_results(&p);
    run(&p, wm_kernels_available()[0], 1, &one);
    check_exact(&p, &one, what);
    static const unsigned threads[] = {2, 3, 7};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        struct results r = new_results(&p);
        run(&p, wm_kernels_available()[0], threads[i], &r);
        CHECK_(same(&p, &one, &r), "%s: other bits with %u threads", what, threads[i]);
        free_results(&r);
    }
    for (const struct wm_kernels *const *k = wm_kernels_available() + 1; *k; k++) {
        struct results r = new_results(&p);
        run(&p, *k, 2, &r);
        CHECK_(same(&p, &one, &r), "%s: other bits from %s", what, (*k)->name);
        free_results(&r);
    }
    free_results(&one);
    free_problem(&p);
}

/* Products of factors rounded to eight bits: near the definition, and as reproducible. */
static void check_bf16(const struct shape *s, const struct wm_kernels *kernels)
{
    struct problem p = new_problem(s);
    p.a.type = WM_GEMM_BF16;
    struct results one = new_results(&p), three = new_results(&p);
    run(&p, kernels, 1, &one);
    run(&p, kernels, 3, &three);
    CHECK_(same(&p, &one, &three), "bf16, %s: other bits with 3 threads", kernels->name);
    struct exact e = exactly(&p);
    const size_t wide = p.a.ld_q - PAD, narrow = p.a.ld_kv - PAD;
    const double errors[] = {difference(one.out, e.out, p.n_q, wide, p.a.ld_q),
                             difference(one.d_q, e.d_q, p.n_q, wide, p.a.ld_q),
                             difference(one.d_k, e.d_k, p.n_kv, narrow, p.a.ld_kv),
                             difference(one.d_v, e.d_v, p.n_kv, narrow, p.a.ld_kv)};
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        CHECK_(errors[i] > 1e-4 && errors[i] < 0.03, "bf16, %s: result %zu is off by %g",
               kernels->name, i, errors[i]);
    free_exact(&e);
    free_results(&one);
    free_results(&three);
    free_problem(&p);
}

/* Rows without a key give zeros and pass no gradient on. */
static void blind_rows(void)
{
    const struct shape s = {1, 70, 70, 1, 1, 8, WM_MASK_CAUSAL, true};
    struct problem p = new_problem(&s);
    for (uint32_t i = 0; i < s.t; i++)
        p.first_key[i] = i < 66 ? 70 : 0;
    struct results r = new_results(&p);
    run(&p, wm_kernels_available()[0], 1, &r);
    check_exact(&p, &r, "blind rows");
    CHECK(r.out[0] == 0 && r.d_q[0] == 0 && r.norm[0] == 0);
    free_results(&r);
    free_problem(&p);
}

int main(void)
{
    static const struct shape shapes[] = {
        {1, 1, 1, 1, 1, 1, WM_MASK_CAUSAL, false},
        {2, 5, 5, 3, 3, 7, WM_MASK_CAUSAL, false},
        {2, 64, 64, 2, 2, 16, WM_MASK_CAUSAL, false},
        {1, 129, 129, 6, 2, 24, WM_MASK_CAUSAL, false},
        {1, 600, 600, 3, 3, 32, WM_MASK_CAUSAL, false},
        {1, 600, 600, 3, 1, 32, WM_MASK_CAUSAL, true},
        {2, 300, 300, 4, 2, 17, WM_MASK_CAUSAL, true},
        {2, 300, 300, 2, 2, 16, WM_MASK_PREFIX, false},
        {2, 257, 257, 2, 1, 16, WM_MASK_PREFIX, true},
        {2, 65, 65, 2, 1, 16, WM_MASK_FULL, false},
        {1, 70, 530, 2, 1, 16, WM_MASK_FULL, true},
        {2, 33, 290, 2, 1, 20, WM_MASK_CAUSAL, false},
        {1, 300, 40, 5, 5, 12, WM_MASK_FULL, false},
        {1, 66, 66, 1, 1, 130, WM_MASK_CAUSAL, false},
        {1, 850, 850, 1, 1, 8, WM_MASK_CAUSAL, true},
        {1, 1000, 1000, 2, 1, 4, WM_MASK_PREFIX, false},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_shape(&shapes[i]);
    blind_rows();
    for (const struct wm_kernels *const *k = wm_kernels_available(); *k; k++) {
        check_bf16(&(struct shape){1, 337, 337, 3, 1, 23, WM_MASK_CAUSAL, true}, *k);
        check_bf16(&(struct shape){1, 65, 301, 1, 1, 64, WM_MASK_FULL, false}, *k);
    }
    return test_summary();
}
