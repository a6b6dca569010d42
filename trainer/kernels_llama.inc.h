/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels that LLaMA's parts add: RMSNorm, rotary positions, SwiGLU. Included after
 * trainer/kernels.inc.h. */

static float square_sum(const float *x, size_t n)
{
    struct lanes s0 = lanes_all(0), s1 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        struct lanes a = lanes_load(x + i), b = lanes_load(x + i + 16);
        s0 = lanes_add(s0, lanes_mul(a, a));
        s1 = lanes_add(s1, lanes_mul(b, b));
    }
    for (; i < n; i += 16) {
        struct lanes a = n - i < 16 ? lanes_load_n(x + i, n - i, 0) : lanes_load(x + i);
        s0 = lanes_add(s0, lanes_mul(a, a));
    }
    return lanes_sum(lanes_add(s0, s1));
}

static void rms_norm(const float *x, const float *gain, float epsilon, size_t n, float *y,
                     float *ret_rstd)
{
    const float rstd = 1.0f / sqrtf(square_sum(x, n) / (float)n + epsilon);
    const struct lanes r = lanes_all(rstd);
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(y + i, lanes_mul(lanes_mul(lanes_load(x + i), r), lanes_load(gain + i)));
    for (; i < n; i++)
        y[i] = x[i] * rstd * gain[i];
    *ret_rstd = rstd;
}

/* With z = x rstd and g = dy × gain:  dx = (g − z mean(g z)) rstd. */
static void rms_norm_back(const float *dy, const float *x, const float *gain, float rstd, size_t n,
                          bool add_to, float *dx, float *dgain)
{
    const struct lanes r = lanes_all(rstd);
    struct lanes sum = lanes_all(0);
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        struct lanes dz = lanes_mul(lanes_load(dy + i), lanes_mul(lanes_load(x + i), r));
        lanes_store(dgain + i, lanes_add(lanes_load(dgain + i), dz));
        sum = lanes_add(sum, lanes_mul(dz, lanes_load(gain + i)));
    }
    if (i < n) {
        struct lanes z = lanes_mul(lanes_load_n(x + i, n - i, 0), r);
        struct lanes dz = lanes_mul(lanes_load_n(dy + i, n - i, 0), z);
        struct lanes d = lanes_add(lanes_load_n(dgain + i, n - i, 0), dz);
        lanes_store_n(dgain + i, d, n - i);
        sum = lanes_add(sum, lanes_mul(dz, lanes_load_n(gain + i, n - i, 0)));
    }
    const float mean = lanes_sum(sum) / (float)n;
    const struct lanes m = lanes_all(mean);
    for (i = 0; i + 16 <= n; i += 16) {
        struct lanes g = lanes_mul(lanes_load(dy + i), lanes_load(gain + i));
        struct lanes z = lanes_mul(lanes_load(x + i), r);
        g = lanes_mul(lanes_sub(g, lanes_mul(z, m)), r);
        lanes_store(dx + i, add_to ? lanes_add(lanes_load(dx + i), g) : g);
    }
    for (; i < n; i++) {
        const float g = (dy[i] * gain[i] - x[i] * rstd * mean) * rstd;
        dx[i] = add_to ? dx[i] + g : g;
    }
}

/* (x, y) → (x cos − y sin, y cos + x sin) */
static void rope(float *x, const float *cos, const float *sin, size_t half, size_t n_head,
                 bool back)
{
    const float sign = back ? -1.0f : 1.0f;
    for (size_t h = 0; h < n_head; h++, x += 2 * half) {
        float *y = x + half;
        size_t i = 0;
        for (; i + 16 <= half; i += 16) {
            struct lanes c = lanes_load(cos + i), s = lanes_load(sin + i);
            struct lanes a = lanes_load(x + i), b = lanes_load(y + i);
            s = lanes_mul(s, lanes_all(sign));
            lanes_store(x + i, lanes_sub(lanes_mul(a, c), lanes_mul(b, s)));
            lanes_store(y + i, lanes_add(lanes_mul(b, c), lanes_mul(a, s)));
        }
        for (; i < half; i++) {
            const float a = x[i], b = y[i], s = sin[i] * sign;
            x[i] = a * cos[i] - b * s;
            y[i] = b * cos[i] + a * s;
        }
    }
}

/* σ(x) = 1 / (1 + e^−x) */
static inline struct lanes sigmoid(struct lanes x, struct lanes *ret_e)
{
    *ret_e = lanes_exp(lanes_sub(lanes_all(0), x));
    return lanes_div(lanes_all(1), lanes_add(*ret_e, lanes_all(1)));
}

static inline struct lanes swiglu_16(struct lanes gate, struct lanes up)
{
    struct lanes e;
    return lanes_mul(lanes_mul(gate, sigmoid(gate, &e)), up);
}

static void swiglu(const float *gate, const float *up, float *y, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        lanes_store(y + i, swiglu_16(lanes_load(gate + i), lanes_load(up + i)));
    if (i < n)
        lanes_store_n(y + i,
                      swiglu_16(lanes_load_n(gate + i, n - i, 0), lanes_load_n(up + i, n - i, 0)),
                      n - i);
}

/* silu' = σ + x σ (1 − σ); 1 − σ is e σ, which does not cancel. Gradients take their place. */
static inline void swiglu_back_16(struct lanes *gate, struct lanes *up, struct lanes dy)
{
    struct lanes e, s = sigmoid(*gate, &e), silu = lanes_mul(*gate, s);
    struct lanes slope = lanes_add(s, lanes_mul(silu, lanes_mul(e, s)));
    *gate = lanes_mul(lanes_mul(dy, *up), slope);
    *up = lanes_mul(dy, silu);
}

static void swiglu_back(const float *gate, const float *up, const float *dy, float *d_gate,
                        float *d_up, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        struct lanes g = lanes_load(gate + i), u = lanes_load(up + i);
        swiglu_back_16(&g, &u, lanes_load(dy + i));
        lanes_store(d_gate + i, g);
        lanes_store(d_up + i, u);
    }
    if (i < n) {
        struct lanes g = lanes_load_n(gate + i, n - i, 0), u = lanes_load_n(up + i, n - i, 0);
        swiglu_back_16(&g, &u, lanes_load_n(dy + i, n - i, 0));
        lanes_store_n(d_gate + i, g, n - i);
        lanes_store_n(d_up + i, u, n - i);
    }
}
