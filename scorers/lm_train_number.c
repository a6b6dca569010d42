/* SPDX-License-Identifier: Apache-2.0 */
/* Floats as text. A decimal reads back as a float if it lies between the midpoints to its neighbours;
 * the one with the fewest digits is found by dropping digits while such a decimal is left (Steele and
 * White, How to Print Floating-Point Numbers Accurately, 1990), here in 128-bit integers. */
#include "scorers/lm_train.h"
#include "wetmill/number.h"

__extension__ typedef unsigned __int128 u128;

static const uint64_t tens[] = {1,
                                10,
                                100,
                                1000,
                                10000,
                                100000,
                                1000000,
                                10000000,
                                100000000,
                                1000000000,
                                10000000000,
                                100000000000,
                                1000000000000,
                                10000000000000,
                                100000000000000,
                                1000000000000000,
                                10000000000000000,
                                100000000000000000,
                                1000000000000000000};

/* `digits` with a point before the last `decimals`. */
static size_t put_decimal(char *out, uint64_t digits, unsigned decimals)
{
    uint64_t whole = digits / tens[decimals], rest = digits % tens[decimals];
    char text[24];
    size_t n = 0, len = 0;
    do
        text[n++] = (char)('0' + whole % 10);
    while (whole /= 10);
    while (n)
        out[len++] = text[--n];
    if (!decimals)
        return len;
    out[len++] = '.';
    for (unsigned i = decimals; i-- > 0; rest /= 10)
        out[len + i] = (char)('0' + rest % 10);
    return len + decimals;
}

size_t lm_format_float(char out[LM_FLOAT_TEXT], float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof bits);
    size_t len = bits >> 31;
    out[0] = '-';
    bits &= 0x7fffffff;
    if (!bits) {
        out[0] = '0';
        return 1;
    }
    /* v = mantissa × 2^−shift; 9 digits behind the first always tell floats apart */
    float size = len ? -v : v;
    if (!(size >= 1e-9F && size < 1000)) {
        char text[WM_REAL_TEXT];
        size_t n = wm_format_real(text, (double)v, -1);
        n = n < LM_FLOAT_TEXT ? n : LM_FLOAT_TEXT;
        memcpy(out, text, n);
        return n;
    }
    uint64_t mantissa = (bits & 0x7fffff) | 0x800000;
    unsigned shift = 150 - (bits >> 23), decimals = 6;
    for (float power = 100; size < power && decimals < 17; power /= 10)
        decimals++;
    /* in units of the last decimal, × 2^(shift + 2) */
    u128 middle = (u128)(4 * mantissa) * tens[decimals];
    u128 high = (u128)(4 * mantissa + 2) * tens[decimals];
    u128 low = (u128)(4 * mantissa - (mantissa == 0x800000 ? 1 : 2)) * tens[decimals];
    u128 mask = ((u128)1 << (shift + 2)) - 1;
    bool even = mantissa % 2 == 0; /* a tie reads back as the even neighbour */
    uint64_t digits = (uint64_t)(middle >> (shift + 2));
    uint64_t most = (uint64_t)(high >> (shift + 2)) - (!even && !(high & mask));
    uint64_t least = (uint64_t)(low >> (shift + 2)) + ((low & mask) || !even);
    uint64_t unit = 1;
    while (decimals && most / (unit * 10) * 10 * unit >= least) {
        unit *= 10;
        decimals--;
    }
    uint64_t nearest = (digits + unit / 2) / unit;
    if (nearest * unit > most)
        nearest--;
    if (nearest * unit < least)
        nearest++;
    return len + put_decimal(out + len, nearest, decimals);
}
