/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as files keep them: every half there and back, rounding at its edges, ggml's blocks against
 * a plain reading of their definition. */
#include "trainer/weight_types.h"

#include <math.h>
#include <stdlib.h>

#include "test.h"

static uint32_t state = 1;

static uint32_t draw(void)
{
    state = state * 1664525 + 1013904223;
    return state >> 8;
}

static uint32_t half(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8;
}

static float decode(enum wm_weight_type type, uint32_t bits)
{
    const unsigned char bytes[2] = {(unsigned char)bits, (unsigned char)(bits >> 8)};
    float v;
    wm_weight_decode(type, bytes, 1, &v);
    return v;
}

static uint32_t encode(enum wm_weight_type type, float v, bool *ret_good)
{
    unsigned char bytes[2];
    *ret_good = wm_weight_encode(type, &v, 1, bytes);
    return half(bytes);
}

/* All 65,536 halves come back; between two neighbours the nearer one is taken, the even of two. */
static void check_halves(enum wm_weight_type type, uint32_t infinity)
{
    bool good;
    for (uint32_t bits = 0; bits < infinity; bits++) {
        float v = decode(type, bits), above = decode(type, bits + 1);
        CHECK(encode(type, v, &good) == bits && good);
        CHECK(encode(type, -v, &good) == (bits | 0x8000) && good);
        if (bits + 1 == infinity)
            continue;
        float middle = v + (above - v) / 2; /* exact: float has more digits */
        CHECK(encode(type, middle, &good) == bits + bits % 2);
        CHECK(encode(type, nextafterf(middle, v), &good) == bits);
        CHECK(encode(type, nextafterf(middle, above), &good) == bits + 1);
    }
    CHECK(encode(type, INFINITY, &good) == infinity && good);
    CHECK(encode(type, -INFINITY, &good) == (infinity | 0x8000) && good);
    CHECK(isinf(decode(type, infinity)));
    uint32_t nan = encode(type, NAN, &good);
    CHECK((nan & 0x7fff) > infinity && good && isnan(decode(type, nan)));
}

static void check_overflow(void)
{
    bool good;
    CHECK(encode(WM_WEIGHT_F16, 65519.996F, &good) == 0x7bff && good);
    (void)encode(WM_WEIGHT_F16, 65520.0F, &good);
    CHECK(!good);
    CHECK(encode(WM_WEIGHT_BF16, 3.3895e38F, &good) == 0x7f7f && good);
    (void)encode(WM_WEIGHT_BF16, 3.4e38F, &good);
    CHECK(!good);
}

/* The definitions, in the arithmetic of their reference: float32, roundf. */
static void plain_q8_0(const float *x, float *ret_scale, int q[WM_QUANT_BLOCK])
{
    float most = 0;
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        most = fmaxf(most, fabsf(x[i]));
    const float d = most / 127, id = d != 0 ? 1 / d : 0;
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        q[i] = (int)roundf(x[i] * id);
    *ret_scale = d;
}

static void plain_q4_0(const float *x, float *ret_scale, int q[WM_QUANT_BLOCK])
{
    float most = 0;
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        if (fabsf(x[i]) > fabsf(most))
            most = x[i];
    const float d = most / -8, id = d != 0 ? 1 / d : 0;
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        q[i] = (int)fminf(15, floorf(x[i] * id + 8.5F));
    *ret_scale = d;
}

static void check_block(const float *x)
{
    unsigned char eight[34], four[18];
    int q[WM_QUANT_BLOCK];
    float scale;
    bool good;
    CHECK(wm_weight_encode(WM_WEIGHT_Q8_0, x, WM_QUANT_BLOCK, eight));
    plain_q8_0(x, &scale, q);
    CHECK(half(eight) == encode(WM_WEIGHT_F16, scale, &good));
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        CHECK((signed char)eight[2 + i] == q[i]);
    CHECK(wm_weight_encode(WM_WEIGHT_Q4_0, x, WM_QUANT_BLOCK, four));
    plain_q4_0(x, &scale, q);
    CHECK(half(four) == encode(WM_WEIGHT_F16, scale, &good));
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        CHECK((four[2 + i % 16] >> (i < 16 ? 0 : 4) & 15) == q[i]);
}

static void check_blocks(void)
{
    float x[WM_QUANT_BLOCK] = {0};
    check_block(x);
    for (int n = 0; n < 3000; n++) {
        const float size = ldexpf(1, (int)(draw() % 24) - 14);
        for (int i = 0; i < WM_QUANT_BLOCK; i++)
            x[i] = ((float)(draw() % 20001) - 10000) / 10000 * size;
        if (n % 3 == 0) /* halves between two numbers */
            for (int i = 0; i < WM_QUANT_BLOCK; i++)
                x[i] = i ? ((float)(draw() % 509) - 254) / 2 : 127;
        if (n % 3 == 1) /* two of the largest size */
            x[draw() % 32] = -(x[draw() % 32] = size);
        check_block(x);
    }
    unsigned char bytes[34];
    x[7] = NAN;
    CHECK(!wm_weight_encode(WM_WEIGHT_Q8_0, x, WM_QUANT_BLOCK, bytes));
    CHECK(!wm_weight_encode(WM_WEIGHT_Q4_0, x, WM_QUANT_BLOCK, bytes));
    x[7] = 1e9F; /* the scale is no half */
    CHECK(!wm_weight_encode(WM_WEIGHT_Q8_0, x, WM_QUANT_BLOCK, bytes));
    CHECK(!wm_weight_encode(WM_WEIGHT_Q4_0, x, WM_QUANT_BLOCK, bytes));
    for (int i = 0; i < WM_QUANT_BLOCK; i++)
        x[i] = 1e-42F; /* too small for any scale: zeros, and nothing undefined */
    CHECK(wm_weight_encode(WM_WEIGHT_Q8_0, x, WM_QUANT_BLOCK, bytes) && !half(bytes));
    CHECK(wm_weight_encode(WM_WEIGHT_Q4_0, x, WM_QUANT_BLOCK, bytes) && !(half(bytes) & 0x7fff));
}

int main(void)
{
    check_halves(WM_WEIGHT_F16, 0x7c00);
    check_halves(WM_WEIGHT_BF16, 0x7f80);
    check_overflow();
    check_blocks();
    CHECK_U64(wm_weight_bytes(WM_WEIGHT_Q8_0, 64), 68);
    CHECK_U64(wm_weight_bytes(WM_WEIGHT_Q4_0, 64), 36);
    return test_summary();
}
