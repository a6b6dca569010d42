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
