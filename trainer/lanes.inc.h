/* SPDX-License-Identifier: Apache-2.0 */
/* Sixteen floats as 1, 2 or 4 vector registers: WM_LANES = 16, 8 or 4 floats in each. Included
 * after the instruction set was chosen; every operation is exact IEEE arithmetic per lane, so the
 * three widths agree bit for bit. */

typedef float part __attribute__((vector_size(WM_LANES * 4)));
typedef uint32_t upart __attribute__((vector_size(WM_LANES * 4)));

#if WM_LANES == 16
struct lanes {
    part a;
};
#    define EACH(f, x) \
        {              \
            f((x).a)   \
        }
#    define EACH2(f, x, y)  \
        {                   \
            f((x).a, (y).a) \
        }
#elif WM_LANES == 8
struct lanes {
    part a, b;
};
#    define EACH(f, x)         \
        {                      \
            f((x).a), f((x).b) \
        }
#    define EACH2(f, x, y)                   \
        {                                    \
            f((x).a, (y).a), f((x).b, (y).b) \
        }
#else
struct lanes {
    part a, b, c, d;
};
#    define EACH(f, x)                             \
        {                                          \
            f((x).a), f((x).b), f((x).c), f((x).d) \
        }
#    define EACH2(f, x, y)                                                     \
        {                                                                      \
            f((x).a, (y).a), f((x).b, (y).b), f((x).c, (y).c), f((x).d, (y).d) \
        }
#endif

#if WM_LANES == 16
#    define EACH3(f, x, y, z)      \
        {                          \
            f((x).a, (y).a, (z).a) \
        }
#elif WM_LANES == 8
#    define EACH3(f, x, y, z)                              \
        {                                                  \
            f((x).a, (y).a, (z).a), f((x).b, (y).b, (z).b) \
        }
#else
#    define EACH3(f, x, y, z)                                   \
        {                                                       \
            f((x).a, (y).a, (z).a), f((x).b, (y).b, (z).b),     \
                f((x).c, (y).c, (z).c), f((x).d, (y).d, (z).d) \
        }
#endif

#define LANES_OP1(name, f)                          \
    static inline struct lanes name(struct lanes x) \
    {                                               \
        return (struct lanes)EACH(f, x);            \
    }
#define LANES_OP2(name, f)                                          \
    static inline struct lanes name(struct lanes x, struct lanes y) \
    {                                                               \
        return (struct lanes)EACH2(f, x, y);                        \
    }
#define LANES_OP3(name, f)                                                          \
    static inline struct lanes name(struct lanes x, struct lanes y, struct lanes z) \
    {                                                                               \
        return (struct lanes)EACH3(f, x, y, z);                                     \
    }

#define PART_ADD(x, y) ((x) + (y))
#define PART_SUB(x, y) ((x) - (y))
#define PART_MUL(x, y) ((x) * (y))
#define PART_DIV(x, y) ((x) / (y))

#if WM_LANES == 4
static inline part part_choose(upart mask, part x, part y)
{
    return (part)((mask & (upart)x) | (~mask & (upart)y));
}
#endif

/* The first if it is larger (smaller), else the second: a NaN in second place stands. What the
 * instructions do, too. */
static inline part part_max(part x, part y)
{
#if WM_LANES == 16
    return (part)_mm512_max_ps((__m512)x, (__m512)y);
#elif WM_LANES == 8
    return (part)_mm256_max_ps((__m256)x, (__m256)y);
#else
    return part_choose((upart)(x > y), x, y);
#endif
}

static inline part part_min(part x, part y)
{
#if WM_LANES == 16
    return (part)_mm512_min_ps((__m512)x, (__m512)y);
#elif WM_LANES == 8
    return (part)_mm256_min_ps((__m256)x, (__m256)y);
#else
    return part_choose((upart)(x < y), x, y);
#endif
}

/* x × y + z, rounded once. */
static inline part part_fma(part x, part y, part z)
{
#if WM_LANES == 16
    return (part)_mm512_fmadd_ps((__m512)x, (__m512)y, (__m512)z);
#elif WM_LANES == 8
    return (part)_mm256_fmadd_ps((__m256)x, (__m256)y, (__m256)z);
#else
    for (int i = 0; i < 4; i++)
        x[i] = fmaf(x[i], y[i], z[i]);
    return x;
#endif
}

static inline part part_sqrt(part x)
{
#if WM_LANES == 16
    return (part)_mm512_sqrt_ps((__m512)x);
#elif WM_LANES == 8
    return (part)_mm256_sqrt_ps((__m256)x);
#else
    for (int i = 0; i < 4; i++)
        x[i] = sqrtf(x[i]);
    return x;
#endif
}

/* 2^n from n + 1.5 × 2^23 as a float, −126 ≤ n ≤ 127. */
static inline part part_power_of_two(part biased)
{
    return (part)(((upart)biased + (127u - 0x4B400000u)) << 23);
}

/* e of x = m 2^e with m in [√½, √2): the bits above those of √½, as a signed count. */
static inline part part_exponent(part x)
{
    const upart e = ((upart)x - 0x3F3504F3u + (128u << 23)) >> 23; /* e + 128 */
    return (part)(e + 0x4B400000u) - (12582912.0f + 128.0f);
}

static inline part part_mantissa(part x)
{
    const upart above = (upart)x - 0x3F3504F3u;
    return (part)((above & 0x007FFFFFu) + 0x3F3504F3u);
}

LANES_OP2(lanes_add, PART_ADD)
LANES_OP2(lanes_sub, PART_SUB)
LANES_OP2(lanes_mul, PART_MUL)
LANES_OP2(lanes_div, PART_DIV)
LANES_OP2(lanes_max, part_max)
LANES_OP2(lanes_min, part_min)
LANES_OP3(lanes_fma, part_fma)
LANES_OP1(lanes_sqrt, part_sqrt)
LANES_OP1(lanes_power_of_two, part_power_of_two)
LANES_OP1(lanes_exponent, part_exponent)
LANES_OP1(lanes_mantissa, part_mantissa)

static inline part part_load(const float *p)
{
    part x;
    memcpy(&x, p, sizeof x);
    return x;
}

/* Register by register: a copy of the whole structure goes through the stack, in halves. */
static inline struct lanes lanes_load(const float *p)
{
#if WM_LANES == 16
    return (struct lanes){part_load(p)};
#elif WM_LANES == 8
    return (struct lanes){part_load(p), part_load(p + 8)};
#else
    return (struct lanes){part_load(p), part_load(p + 4), part_load(p + 8), part_load(p + 12)};
#endif
}

static inline void lanes_store(float *p, struct lanes x)
{
    memcpy(p, &x.a, sizeof x.a);
#if WM_LANES <= 8
    memcpy(p + WM_LANES, &x.b, sizeof x.b);
#endif
#if WM_LANES == 4
    memcpy(p + 8, &x.c, sizeof x.c);
    memcpy(p + 12, &x.d, sizeof x.d);
#endif
}

static inline struct lanes lanes_all(float value)
{
    const part p = value - (part){0};
#if WM_LANES == 16
    return (struct lanes){p};
#elif WM_LANES == 8
    return (struct lanes){p, p};
#else
    return (struct lanes){p, p, p, p};
#endif
}

/* The first n < 16 from memory, the others `fill`; and the first n to memory. */
#if WM_LANES == 16
static inline struct lanes lanes_load_n(const float *p, size_t n, float fill)
{
    const __mmask16 mask = (__mmask16)((1u << n) - 1);
    return (struct lanes){(part)_mm512_mask_loadu_ps(_mm512_set1_ps(fill), mask, p)};
}

static inline void lanes_store_n(float *p, struct lanes x, size_t n)
{
    _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)x.a);
}
#elif WM_LANES == 8
static inline __m256i first_lanes(size_t n)
{
    const __m256i count = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), count);
}

static inline __m256 load_part_n(const float *p, size_t n, float fill)
{
    const __m256i mask = first_lanes(n);
    const __m256 x = _mm256_maskload_ps(p, mask);
    return _mm256_blendv_ps(_mm256_set1_ps(fill), x, _mm256_castsi256_ps(mask));
}

static inline struct lanes lanes_load_n(const float *p, size_t n, float fill)
{
    if (n <= 8)
        return (struct lanes){(part)load_part_n(p, n, fill), (part)_mm256_set1_ps(fill)};
    return (struct lanes){(part)_mm256_loadu_ps(p), (part)load_part_n(p + 8, n - 8, fill)};
}

static inline void lanes_store_n(float *p, struct lanes x, size_t n)
{
    if (n <= 8) {
        _mm256_maskstore_ps(p, first_lanes(n), (__m256)x.a);
        return;
    }
    _mm256_storeu_ps(p, (__m256)x.a);
    _mm256_maskstore_ps(p + 8, first_lanes(n - 8), (__m256)x.b);
}
#else
static inline struct lanes lanes_load_n(const float *p, size_t n, float fill)
{
    float t[16];
    for (size_t i = 0; i < 16; i++)
        t[i] = fill;
    memcpy(t, p, n * sizeof *t);
    return lanes_load(t);
}

static inline void lanes_store_n(float *p, struct lanes x, size_t n)
{
    float t[16];
    lanes_store(t, x);
    memcpy(p, t, n * sizeof *t);
}
#endif

/* Folding: lane i with lane i + 8, then + 4, + 2, + 1. Down to four lanes of a and b each. */
typedef float four __attribute__((vector_size(16)));
struct fours {
    four a, b;
};

static inline struct fours lanes_halves(struct lanes x, bool top)
{
#if WM_LANES == 16
    const __m512 a = (__m512)x.a;
    const __m256 low = _mm512_castps512_ps256(a), high = _mm512_extractf32x8_ps(a, 1);
    const __m256 y = top ? _mm256_max_ps(low, high) : _mm256_add_ps(low, high);
#elif WM_LANES == 8
    const __m256 y = (__m256)(top ? part_max(x.a, x.b) : x.a + x.b);
#endif
#if WM_LANES == 4
    return (struct fours){top ? part_max(x.a, x.c) : x.a + x.c,
                          top ? part_max(x.b, x.d) : x.b + x.d};
#else
    return (struct fours){(four)_mm256_castps256_ps128(y), (four)_mm256_extractf128_ps(y, 1)};
#endif
}

static inline float lanes_sum(struct lanes x)
{
    const struct fours h = lanes_halves(x, false);
    const four t = h.a + h.b;
    return (t[0] + t[2]) + (t[1] + t[3]);
}

static inline float larger(float x, float y)
{
    return x > y ? x : y;
}

static inline float lanes_top(struct lanes x)
{
    const struct fours h = lanes_halves(x, true);
    float t[4];
    for (int i = 0; i < 4; i++)
        t[i] = larger(h.a[i], h.b[i]);
    return larger(larger(t[0], t[2]), larger(t[1], t[3]));
}

/* e^x within 2 units in the last place. x is clamped to [−87.3, 88], so the least result is 2^-126
 * and none is infinite. Range reduction by Cody and Waite; polynomial of Cephes' expf (Moshier). */
static inline struct lanes lanes_exp(struct lanes x)
{
    const struct lanes round = lanes_all(12582912.0f); /* 1.5 × 2^23: adding it rounds to nearest */
    x = lanes_min(lanes_all(88.0f), lanes_max(lanes_all(-87.3f), x)); /* a NaN stays */
    struct lanes biased = lanes_fma(x, lanes_all(1.44269504088896341f), round);
    struct lanes n = lanes_sub(biased, round);
    x = lanes_fma(n, lanes_all(-0.693359375f), x);
    x = lanes_fma(n, lanes_all(2.12194440e-4f), x);
    struct lanes y = lanes_all(1.9875691500e-4f);
    y = lanes_fma(y, x, lanes_all(1.3981999507e-3f));
    y = lanes_fma(y, x, lanes_all(8.3334519073e-3f));
    y = lanes_fma(y, x, lanes_all(4.1665795894e-2f));
    y = lanes_fma(y, x, lanes_all(1.6666665459e-1f));
    y = lanes_fma(y, x, lanes_all(5.0000001201e-1f));
    y = lanes_fma(y, lanes_mul(x, x), lanes_add(x, lanes_all(1.0f)));
    return lanes_mul(y, lanes_power_of_two(biased));
}

/* log x within 2 units in the last place for normal x > 0; less counts as 2^-126, so does a NaN.
 * x = m 2^e with m in [√½, √2); polynomial of Cephes' logf (Moshier). */
static inline struct lanes lanes_log(struct lanes x)
{
    x = lanes_max(x, lanes_all(0x1p-126f));
    const struct lanes e = lanes_exponent(x);
    struct lanes m = lanes_sub(lanes_mantissa(x), lanes_all(1.0f)), y = lanes_all(7.0376836292e-2f);
    const struct lanes m2 = lanes_mul(m, m);
    y = lanes_fma(y, m, lanes_all(-1.1514610310e-1f));
    y = lanes_fma(y, m, lanes_all(1.1676998740e-1f));
    y = lanes_fma(y, m, lanes_all(-1.2420140846e-1f));
    y = lanes_fma(y, m, lanes_all(1.4249322787e-1f));
    y = lanes_fma(y, m, lanes_all(-1.6668057665e-1f));
    y = lanes_fma(y, m, lanes_all(2.0000714765e-1f));
    y = lanes_fma(y, m, lanes_all(-2.4999993993e-1f));
    y = lanes_fma(y, m, lanes_all(3.3333331174e-1f));
    y = lanes_mul(lanes_mul(y, m), m2);
    y = lanes_fma(e, lanes_all(-2.12194440e-4f), y);
    y = lanes_fma(m2, lanes_all(-0.5f), y);
    return lanes_fma(e, lanes_all(0.693359375f), lanes_add(m, y));
}
