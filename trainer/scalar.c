/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/scalar.h"

#include <math.h>

/* log(m 2^e) = e log 2 + 2 artanh s with s = (m − 1) / (m + 1), |s| < 0.172 for m in [√½, √2). */
double wm_log(double x)
{
    if (!(x > 0) || isinf(x))
        return x == 0 ? -INFINITY : x > 0 ? x : NAN;
    int e;
    double m = frexp(x, &e);
    if (m < 0.70710678118654752) {
        m *= 2;
        e--;
    }
    double s = (m - 1) / (m + 1), s2 = s * s, sum = 0;
    for (int n = 23; n >= 3; n -= 2)
        sum = (sum + 1.0 / n) * s2;
    double head = e * 0.69314718036912382,
           tail = e * 1.9082149292705877e-10; /* log 2 in two parts */
    return head + (2 * s + (2 * s * sum + tail));
}

/* x = n log 2 + r with |r| < 0.35, and Taylor's series for e^r. */
double wm_exp(double x)
{
    if (!(x < 709.79))
        return isnan(x) ? x : INFINITY;
    if (x < -746)
        return 0;
    const double n = nearbyint(x * 1.4426950408889634);
    const double r = x - n * 0.69314718036912382 - n * 1.9082149292705877e-10;
    double sum = 0;
    for (int i = 14; i >= 2; i--)
        sum = (sum + 1) * r / i;
    return ldexp(1 + (r + r * sum), (int)n);
}

/* x = n π/2 + (r + tail), n ≤ 2^20: the first two parts of π/2 have 33 bits, so n times them is
 * exact (Cody and Waite 1980). |r| < 0.79, and Taylor's series. */
void wm_sin_cos(double x, double *ret_sin, double *ret_cos)
{
    if (!(fabs(x) <= 0x1p20)) {
        *ret_sin = *ret_cos = NAN;
        return;
    }
    const double n = nearbyint(x * 0.63661977236758134);
    const double a = x - n * 0x1.921fb544p+0, b = n * 0x1.0b4611a6p-34, a2 = a - b;
    const double rest = ((a - a2) - b) - n * 0x1.3198a2e037073p-69;
    const double r = a2 + rest, tail = (a2 - r) + rest, r2 = r * r;
    double s = 0, c = 0;
    for (int i = 18; i >= 4; i -= 2) {
        s = -(1 + s) * r2 / (i * (i + 1));
        c = -(1 + c) * r2 / (i * (i - 1)); /* from r^4 on, as a share of −r²/2 */
    }
    s = -(1 + s) * r2 / 6; /* from r^3 on, as a share of r */
    const double half = r2 / 2, one = 1 - half;
    const double sine = r + (r * s + tail);
    const double cosine = one + (((1 - one) - half) - half * c - r * tail);
    const unsigned quarter = (unsigned)(long)n & 3;
    *ret_sin = quarter & 1 ? cosine : sine;
    *ret_cos = quarter & 1 ? sine : cosine;
    if (quarter & 2)
        *ret_sin = -*ret_sin;
    if (quarter == 1 || quarter == 2)
        *ret_cos = -*ret_cos;
}

double wm_power(double x, uint64_t n)
{
    double product = 1;
    while (n) {
        if (n & 1)
            product *= x;
        x *= x;
        n >>= 1;
    }
    return product;
}

/* The finaliser of SplitMix64 (Steele, Lea, Flood 2014). */
static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

uint64_t wm_random(uint64_t seed, uint64_t stream, uint64_t index)
{
    const uint64_t golden = 0x9E3779B97F4A7C15u;
    uint64_t z = mix(seed + golden);
    z = mix(z ^ (stream + 1) * golden);
    return mix(mix(z + (index + 1) * golden) ^ z);
}

double wm_uniform(uint64_t seed, uint64_t stream, uint64_t index)
{
    return (double)(wm_random(seed, stream, index) >> 11) * 0x1p-53;
}

double wm_gaussian(uint64_t seed, uint64_t stream, uint64_t index)
{
    for (unsigned attempt = 0; attempt < 64; attempt++) {
        uint64_t bits = wm_random(seed, stream, index << 6 | attempt);
        double x = ((double)(bits >> 32) + 0.5) * 0x1p-31 - 1;
        double y = ((double)(bits & 0xFFFFFFFFu) + 0.5) * 0x1p-31 - 1;
        double s = x * x + y * y;
        if (s < 1)
            return x * sqrt(-2 * wm_log(s) / s);
    }
    return 0; /* once in 10^42 */
}
