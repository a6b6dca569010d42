/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/weight_types.h"

#include <float.h>
#include <math.h>

#include "trainer/floats.h"

const char *const wm_weight_type_names[WM_WEIGHT_TYPES + 1] = {"f32",  "f16",  "bf16",
                                                               "q8_0", "q4_0", NULL};

enum { HALF_BLOCK = WM_QUANT_BLOCK / 2, Q8_BYTES = 2 + WM_QUANT_BLOCK, Q4_BYTES = 2 + HALF_BLOCK };

uint64_t wm_weight_bytes(enum wm_weight_type type, uint64_t n)
{
    switch (type) {
    case WM_WEIGHT_F16:
    case WM_WEIGHT_BF16:
        return n * 2;
    case WM_WEIGHT_Q8_0:
        return n / WM_QUANT_BLOCK * Q8_BYTES;
    case WM_WEIGHT_Q4_0:
        return n / WM_QUANT_BLOCK * Q4_BYTES;
    default:
        return n * sizeof(float);
    }
}

/* ---- one number ---- */

static uint32_t bits_of(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static void put_u16(unsigned char *dst, uint32_t v)
{
    dst[0] = (unsigned char)v;
    dst[1] = (unsigned char)(v >> 8);
}

/* IEEE half precision, to nearest, ties to even. */
static uint32_t f16_of(float v)
{
    const uint32_t infinite = 0x7f800000, half_overflow = 0x477ff000; /* 65520 rounds to infinity */
    const uint32_t half_normal = 0x38800000;                          /* 2^-14 */
    uint32_t bits = bits_of(v), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size > infinite)
        return sign | 0x7e00;
    if (size >= half_overflow)
        return sign | 0x7c00;
    if (size < half_normal) /* 1/2 has the unit of half's subnormals: adding it rounds to them */
        return sign | (bits_of(float_of(size) + 0.5F) - 0x3f000000);
    size += 0xfff + (size >> 13 & 1);
    return sign | (size - 0x38000000) >> 13;
}

static float of_f16(uint32_t half)
{
    uint32_t sign = (half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 0) {
        float size = (float)fraction * 0x1p-24F;
        return sign ? -size : size;
    }
    if (exponent == 31)
        return float_of(sign | 0x7f800000 | fraction << 13);
    return float_of(sign | (exponent + 112) << 23 | fraction << 13);
}

static uint32_t bf16_of(float v)
{
    uint32_t bits = bits_of(v);
    if ((bits & 0x7fffffff) > 0x7f800000)
        return bits >> 16 | 0x40;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}

/* ---- halves ---- */

/* `infinite`: what the 15 lower bits are for infinity. */
static bool encode_halves(uint32_t (*of)(float), uint32_t infinite, const float *x, size_t n,
                          unsigned char *dst)
{
    bool good = true;
    for (size_t i = 0; i < n; i++) {
        uint32_t half = of(x[i]);
        good = good && ((half & 0x7fff) != infinite || isinf(x[i]));
        put_u16(dst + 2 * i, half);
    }
    return good;
}

/* ---- ggml's blocks ---- */

/* Of half a unit to the next whole number, halves away from 0: the number below 1/2 makes that
 * exact for all |x| < 2^22, and it vectorises. */
static int32_t round_away(float x)
{
    return (int32_t)(x + copysignf(0x1.fffffep-2F, x));
}

/* 1 / d; 0 where d is no normal number (so that flushing them changes nothing): in half precision
 * the scale is 0 then anyway. */
static float inverse(float d)
{
    return fabsf(d) >= FLT_MIN ? 1.0F / d : 0;
}

static float largest(const float x[WM_QUANT_BLOCK])
{
    float most = 0;
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        most = fabsf(x[i]) > most ? fabsf(x[i]) : most;
    return most;
}

static bool all_finite(const float x[WM_QUANT_BLOCK])
{
    uint32_t bad = 0;
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        bad |= (bits_of(x[i]) & 0x7f800000) == 0x7f800000;
    return !bad;
}

static bool q8_0_block(const float x[WM_QUANT_BLOCK], unsigned char dst[Q8_BYTES])
{
    float d = largest(x) / 127, id = inverse(d);
    uint32_t scale = f16_of(d);
    put_u16(dst, scale);
    if (!all_finite(x) || scale == 0x7c00)
        return false;
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        dst[2 + i] = (unsigned char)round_away(x[i] * id);
    return true;
}

static unsigned q4_0_of(float x)
{
    int32_t q = (int32_t)(x + 8.5F);
    return (unsigned)(q < 15 ? q : 15);
}

static bool q4_0_block(const float x[WM_QUANT_BLOCK], unsigned char dst[Q4_BYTES])
{
    float most = 0, at_most = 0; /* the first of the largest, with its sign */
    for (int i = 0; i < WM_QUANT_BLOCK; i++) {
        if (fabsf(x[i]) > most) {
            most = fabsf(x[i]);
            at_most = x[i];
        }
    }
    float d = at_most / -8, id = inverse(d);
    uint32_t scale = f16_of(d);
    put_u16(dst, scale);
    if (!all_finite(x) || (scale & 0x7fff) == 0x7c00)
        return false;
    for (int i = 0; i < HALF_BLOCK; i++)
        dst[2 + i] = (unsigned char)(q4_0_of(x[i] * id) | q4_0_of(x[HALF_BLOCK + i] * id) << 4);
    return true;
}

/* ---- rows ---- */

bool wm_weight_encode(enum wm_weight_type type, const float *x, size_t n, unsigned char *dst)
{
    bool good = true;
    switch (type) {
    case WM_WEIGHT_F16:
        return encode_halves(f16_of, 0x7c00, x, n, dst);
    case WM_WEIGHT_BF16:
        return encode_halves(bf16_of, 0x7f80, x, n, dst);
    case WM_WEIGHT_Q8_0:
        for (size_t i = 0; i < n / WM_QUANT_BLOCK; i++)
            good = q8_0_block(x + i * WM_QUANT_BLOCK, dst + i * Q8_BYTES) && good;
        return good;
    case WM_WEIGHT_Q4_0:
        for (size_t i = 0; i < n / WM_QUANT_BLOCK; i++)
            good = q4_0_block(x + i * WM_QUANT_BLOCK, dst + i * Q4_BYTES) && good;
        return good;
    default:
        wm_copy_le(dst, x, n, sizeof *x);
        return true;
    }
}

void wm_weight_decode(enum wm_weight_type type, const unsigned char *src, size_t n, float *dst)
{
    if (type == WM_WEIGHT_F32) {
        wm_copy_le(dst, src, n, sizeof *dst);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t half = (uint32_t)src[2 * i] | (uint32_t)src[2 * i + 1] << 8;
        dst[i] = type == WM_WEIGHT_F16 ? of_f16(half) : float_of(half << 16);
    }
}
