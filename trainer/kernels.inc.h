/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels of trainer/kernels.h except the matrix tile, written once and compiled for every
 * instruction set (kernels_*.c include this after trainer/lanes.inc.h). A row's tail of fewer than
 * 16 elements goes through the same arithmetic with neutral values in the missing lanes. */

static void add(float *y, const float *x, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(y + i, lanes_add(lanes_load(y + i), lanes_load(x + i)));
    for (; i < n; i++)
        y[i] += x[i];
}

static void axpy(float *y, float a, const float *x, size_t n)
{
    const struct lanes f = lanes_all(a);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(y + i, lanes_add(lanes_load(y + i), lanes_mul(f, lanes_load(x + i))));
    for (; i < n; i++)
        y[i] += a * x[i];
}

/* Four sums side by side use whole lines of a row, and rows lie far apart. */
static void add_rows(float *y, const float *x, size_t ld, size_t n_rows, size_t n)
{
    enum { AHEAD = 16 };
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        struct lanes s0 = lanes_all(0), s1 = s0, s2 = s0, s3 = s0;
        const float *at = x + i;
        for (size_t row = 0; row < n_rows; row++, at += ld) {
            for (size_t line = 0; line < 64; line += 16)
                __builtin_prefetch(
                    (const void *)((uintptr_t)at + (AHEAD * ld + line) * sizeof *at));
            s0 = lanes_add(s0, lanes_load(at));
            s1 = lanes_add(s1, lanes_load(at + 16));
            s2 = lanes_add(s2, lanes_load(at + 32));
            s3 = lanes_add(s3, lanes_load(at + 48));
        }
        lanes_store(y + i, lanes_add(lanes_load(y + i), s0));
        lanes_store(y + i + 16, lanes_add(lanes_load(y + i + 16), s1));
        lanes_store(y + i + 32, lanes_add(lanes_load(y + i + 32), s2));
        lanes_store(y + i + 48, lanes_add(lanes_load(y + i + 48), s3));
    }
    for (; i < n; i++) {
        float sum = 0;
        for (size_t row = 0; row < n_rows; row++)
            sum += x[row * ld + i];
        y[i] += sum;
    }
}

static void scale(float *x, float factor, size_t n)
{
    const struct lanes f = lanes_all(factor);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(x + i, lanes_mul(lanes_load(x + i), f));
    for (; i < n; i++)
        x[i] *= factor;
}

/* Four sums of 16 lanes hide the latency of the additions. */
static float dot(const float *a, const float *b, size_t n)
{
    struct lanes s0 = lanes_all(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        s0 = lanes_add(s0, lanes_mul(lanes_load(a + i), lanes_load(b + i)));
        s1 = lanes_add(s1, lanes_mul(lanes_load(a + i + 16), lanes_load(b + i + 16)));
        s2 = lanes_add(s2, lanes_mul(lanes_load(a + i + 32), lanes_load(b + i + 32)));
        s3 = lanes_add(s3, lanes_mul(lanes_load(a + i + 48), lanes_load(b + i + 48)));
    }
    for (; i + 16 <= n; i += 16)
        s0 = lanes_add(s0, lanes_mul(lanes_load(a + i), lanes_load(b + i)));
    if (i < n)
        s1 = lanes_add(s1, lanes_mul(lanes_load_n(a + i, n - i, 0), lanes_load_n(b + i, n - i, 0)));
    return lanes_sum(lanes_add(lanes_add(s0, s1), lanes_add(s2, s3)));
}

static double sum_squares(const float *x, size_t n)
{
    double sum[16] = {0};
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        for (size_t j = 0; j < 16; j++)
            sum[j] += (double)x[i + j] * (double)x[i + j];
    for (size_t j = 0; i + j < n; j++)
        sum[j] += (double)x[i + j] * (double)x[i + j];
    for (size_t half = 8; half; half /= 2)
        for (size_t j = 0; j < half; j++)
            sum[j] += sum[j + half];
    return sum[0];
}

/* As in dot, four sums. */
static float row_sum(const float *x, size_t n)
{
    struct lanes s0 = lanes_all(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        s0 = lanes_add(s0, lanes_load(x + i));
        s1 = lanes_add(s1, lanes_load(x + i + 16));
        s2 = lanes_add(s2, lanes_load(x + i + 32));
        s3 = lanes_add(s3, lanes_load(x + i + 48));
    }
    for (; i + 16 <= n; i += 16)
        s0 = lanes_add(s0, lanes_load(x + i));
    if (i < n)
        s1 = lanes_add(s1, lanes_load_n(x + i, n - i, 0));
    return lanes_sum(lanes_add(lanes_add(s0, s1), lanes_add(s2, s3)));
}

static inline struct lanes add_spread(struct lanes sum, struct lanes x, struct lanes mean)
{
    const struct lanes d = lanes_sub(x, mean);
    return lanes_add(sum, lanes_mul(d, d));
}

/* Σ (x − mean)² */
static float row_spread(const float *x, float mean, size_t n)
{
    const struct lanes mu = lanes_all(mean);
    struct lanes s0 = lanes_all(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        s0 = add_spread(s0, lanes_load(x + i), mu);
        s1 = add_spread(s1, lanes_load(x + i + 16), mu);
        s2 = add_spread(s2, lanes_load(x + i + 32), mu);
        s3 = add_spread(s3, lanes_load(x + i + 48), mu);
    }
    for (; i + 16 <= n; i += 16)
        s0 = add_spread(s0, lanes_load(x + i), mu);
    if (i < n)
        s1 = add_spread(s1, lanes_load_n(x + i, n - i, mean), mu);
    return lanes_sum(lanes_add(lanes_add(s0, s1), lanes_add(s2, s3)));
}

static inline struct lanes norm_of(struct lanes x, struct lanes mean, struct lanes rstd)
{
    return lanes_mul(lanes_sub(x, mean), rstd);
}

static void layer_norm(const float *x, const float *gain, const float *bias, float epsilon,
                       size_t n, float *y, float *ret_mean, float *ret_rstd)
{
    float mean = row_sum(x, n) / (float)n;
    float rstd = 1.0f / sqrtf(row_spread(x, mean, n) / (float)n + epsilon);
    const struct lanes mu = lanes_all(mean), r = lanes_all(rstd);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        struct lanes z = norm_of(lanes_load(x + i), mu, r);
        lanes_store(y + i, lanes_add(lanes_mul(z, lanes_load(gain + i)), lanes_load(bias + i)));
    }
    for (; i < n; i++)
        y[i] = (x[i] - mean) * rstd * gain[i] + bias[i];
    *ret_mean = mean;
    *ret_rstd = rstd;
}

/* With z = (x − mean) rstd and g = dy × gain:  dx = (g − mean(g) − z mean(g z)) rstd. */
static void layer_norm_back(const float *dy, const float *x, const float *gain, float mean,
                            float rstd, size_t n, float *dx, float *dgain, float *dbias)
{
    const struct lanes mu = lanes_all(mean), r = lanes_all(rstd);
    struct lanes sum_g = lanes_all(0), sum_gz = sum_g;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        struct lanes d = lanes_load(dy + i), z = norm_of(lanes_load(x + i), mu, r);
        struct lanes dz = lanes_mul(d, z), gn = lanes_load(gain + i);
        lanes_store(dbias + i, lanes_add(lanes_load(dbias + i), d));
        lanes_store(dgain + i, lanes_add(lanes_load(dgain + i), dz));
        sum_g = lanes_add(sum_g, lanes_mul(d, gn));
        sum_gz = lanes_add(sum_gz, lanes_mul(dz, gn));
    }
    if (i < n) {
        struct lanes d = lanes_load_n(dy + i, n - i, 0), gn = lanes_load_n(gain + i, n - i, 0);
        struct lanes dz = lanes_mul(d, norm_of(lanes_load_n(x + i, n - i, mean), mu, r));
        lanes_store_n(dbias + i, lanes_add(lanes_load_n(dbias + i, n - i, 0), d), n - i);
        lanes_store_n(dgain + i, lanes_add(lanes_load_n(dgain + i, n - i, 0), dz), n - i);
        sum_g = lanes_add(sum_g, lanes_mul(d, gn));
        sum_gz = lanes_add(sum_gz, lanes_mul(dz, gn));
    }
    float mean_g = lanes_sum(sum_g) / (float)n, mean_gz = lanes_sum(sum_gz) / (float)n;
    const struct lanes mg = lanes_all(mean_g), mgz = lanes_all(mean_gz);
    for (i = 0; i + 16 <= n; i += 16) {
        struct lanes g = lanes_mul(lanes_load(dy + i), lanes_load(gain + i));
        struct lanes z = norm_of(lanes_load(x + i), mu, r);
        g = lanes_sub(lanes_sub(g, mg), lanes_mul(z, mgz));
        lanes_store(dx + i, lanes_add(lanes_load(dx + i), lanes_mul(g, r)));
    }
    for (; i < n; i++) {
        float z = (x[i] - mean) * rstd;
        dx[i] += (dy[i] * gain[i] - mean_g - z * mean_gz) * rstd;
    }
}

/* (1 + tanh u) / 2 is the logistic function of 2u, so one exponential does it:
 * e = e^(−2u), s = 1 / (1 + e), u = √(2/π) (x + 0.044715 x³);  gelu = x s. */
static inline struct lanes gelu_share(struct lanes x, struct lanes *ret_e)
{
    struct lanes x2 = lanes_mul(x, x);
    /* the constants × −2 √(2/π) */
    struct lanes u =
        lanes_fma(x2, lanes_all(-0.07135481627260025f), lanes_all(-1.5957691216057308f));
    *ret_e = lanes_exp(lanes_mul(u, x));
    return lanes_div(lanes_all(1.0f), lanes_add(*ret_e, lanes_all(1.0f)));
}

static inline struct lanes gelu_of(struct lanes x)
{
    struct lanes e;
    return lanes_mul(x, gelu_share(x, &e));
}

/* gelu' = s + x s (1 − s) (2u)'; 1 − s is e s, which does not cancel. */
static inline struct lanes gelu_slope(struct lanes x)
{
    struct lanes e, s = gelu_share(x, &e);
    /* 2 √(2/π) (1 + 3 × 0.044715 x²) */
    struct lanes du =
        lanes_fma(lanes_mul(x, x), lanes_all(0.2140644488178367f), lanes_all(1.5957691216057308f));
    return lanes_fma(lanes_mul(lanes_mul(e, s), s), lanes_mul(x, du), s);
}

static void gelu(const float *x, float *y, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(y + i, gelu_of(lanes_load(x + i)));
    if (i < n)
        lanes_store_n(y + i, gelu_of(lanes_load_n(x + i, n - i, 0)), n - i);
}

static void gelu_back(const float *x, float *dy, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(dy + i, lanes_mul(lanes_load(dy + i), gelu_slope(lanes_load(x + i))));
    if (i < n) {
        struct lanes slope = gelu_slope(lanes_load_n(x + i, n - i, 0));
        lanes_store_n(dy + i, lanes_mul(lanes_load_n(dy + i, n - i, 0), slope), n - i);
    }
}

static float row_top(const float *s, size_t n)
{
    struct lanes t0 = lanes_all(s[0]), t1 = t0, t2 = t0, t3 = t0;
    size_t i = 0;
    for (; i + 64 <= n; i += 64) {
        t0 = lanes_max(t0, lanes_load(s + i));
        t1 = lanes_max(t1, lanes_load(s + i + 16));
        t2 = lanes_max(t2, lanes_load(s + i + 32));
        t3 = lanes_max(t3, lanes_load(s + i + 48));
    }
    for (; i + 16 <= n; i += 16)
        t0 = lanes_max(t0, lanes_load(s + i));
    if (i < n)
        t1 = lanes_max(t1, lanes_load_n(s + i, n - i, s[0]));
    return lanes_top(lanes_max(lanes_max(t0, t1), lanes_max(t2, t3)));
}

static float exp_sum(float *s, size_t n, float factor, float max)
{
    const struct lanes f = lanes_all(factor), m = lanes_all(-max);
    struct lanes sum = lanes_all(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        struct lanes e = lanes_exp(lanes_fma(lanes_load(s + i), f, m));
        lanes_store(s + i, e);
        sum = lanes_add(sum, e);
    }
    if (i < n) {
        struct lanes e = lanes_load_n(s + i, n - i, 0);
        e = lanes_exp(lanes_fma(e, f, m));
        lanes_store_n(s + i, e, n - i);
        sum = lanes_add(sum, lanes_load_n(s + i, n - i, 0));
    }
    return lanes_sum(sum);
}

static float softmax(float *s, size_t n, size_t n_padded, float factor, float *ret_max)
{
    *ret_max = row_top(s, n) * factor;
    memset(s + n, 0, (n_padded - n) * sizeof *s);
    return exp_sum(s, n, factor, *ret_max);
}

static inline struct lanes scores_back_16(struct lanes *s, struct lanes dp, float norm, float d,
                                          float factor)
{
    const struct lanes f = lanes_all(factor);
    *s = lanes_exp(lanes_fma(*s, f, lanes_all(-norm)));
    return lanes_mul(lanes_mul(*s, lanes_sub(dp, lanes_all(d))), f);
}

static void scores_back(float *s, float *dp, float norm, float d, float factor, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        struct lanes p = lanes_load(s + i);
        lanes_store(dp + i, scores_back_16(&p, lanes_load(dp + i), norm, d, factor));
        lanes_store(s + i, p);
    }
    if (i < n) {
        struct lanes p = lanes_load_n(s + i, n - i, 0);
        struct lanes ds = scores_back_16(&p, lanes_load_n(dp + i, n - i, 0), norm, d, factor);
        lanes_store_n(dp + i, ds, n - i);
        lanes_store_n(s + i, p, n - i);
    }
}

static void logs(float *x, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(x + i, lanes_log(lanes_load(x + i)));
    if (i < n)
        lanes_store_n(x + i, lanes_log(lanes_load_n(x + i, n - i, 1)), n - i);
}

static inline void adamw_16(float *p, const float *g, float *m, float *v,
                            const struct wm_adamw_constants *c)
{
    struct lanes grad = lanes_mul(lanes_load(g), lanes_all(c->grad_scale));
    struct lanes first = lanes_add(lanes_mul(lanes_load(m), lanes_all(c->beta1)),
                                   lanes_mul(grad, lanes_all(c->one_minus_beta1)));
    struct lanes second =
        lanes_add(lanes_mul(lanes_load(v), lanes_all(c->beta2)),
                  lanes_mul(lanes_mul(grad, lanes_all(c->one_minus_beta2)), grad));
    struct lanes root = lanes_div(lanes_sqrt(second), lanes_all(c->root_bias2));
    struct lanes step = lanes_mul(first, lanes_all(c->step_size));
    step = lanes_div(step, lanes_add(root, lanes_all(c->epsilon)));
    lanes_store(m, first);
    lanes_store(v, second);
    lanes_store(p, lanes_sub(lanes_mul(lanes_load(p), lanes_all(c->decay_keep)), step));
}

static void adamw(float *p, const float *g, float *m, float *v, const struct wm_adamw_constants *c,
                  size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        adamw_16(p + i, g + i, m + i, v + i, c);
    if (i == n)
        return;
    float t[4][16] = {{0}};
    size_t left = (n - i) * sizeof(float);
    memcpy(t[0], p + i, left);
    memcpy(t[1], g + i, left);
    memcpy(t[2], m + i, left);
    memcpy(t[3], v + i, left);
    adamw_16(t[0], t[1], t[2], t[3], c);
    memcpy(p + i, t[0], left);
    memcpy(m + i, t[2], left);
    memcpy(v + i, t[3], left);
}

#define WM_VECTOR_KERNELS                                                                     \
    .add = add, .axpy = axpy, .add_rows = add_rows, .scale = scale, .dot = dot,               \
    .sum_squares = sum_squares, .layer_norm = layer_norm, .layer_norm_back = layer_norm_back, \
    .rms_norm = rms_norm, .rms_norm_back = rms_norm_back, .rope = rope, .gelu = gelu,         \
    .gelu_back = gelu_back, .swiglu = swiglu, .swiglu_back = swiglu_back, .softmax = softmax, \
    .top = row_top, .exp_sum = exp_sum, .log = logs, .scores_back = scores_back, .adamw = adamw
