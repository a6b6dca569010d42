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

static const char pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233"
                            "34353637383940414243444546474849505152535455565758596061626364656667"
                            "6869707172737475767778798081828384858687888990919293949596979899";

/* `digits` with a point before the last `decimals` (≤ 18). */
static size_t put_decimal(char *out, uint64_t digits, unsigned decimals)
{
    enum { ROOM = 24 };
    char text[ROOM];
    memset(text, '0', sizeof text);
    size_t at = ROOM;
    for (; digits >= 10; digits /= 100)
        memcpy(text + (at -= 2), pairs + 2 * (digits % 100), 2);
    if (digits)
        text[--at] = (char)('0' + digits);
    size_t point = ROOM - decimals;
    if (at >= point)
        at = point - 1; /* a zero before the point */
    size_t whole = point - at;
    memcpy(out, text + at, whole);
    if (!decimals)
        return whole;
    out[whole] = '.';
    memcpy(out + whole + 1, text + point, decimals);
    return whole + 1 + decimals;
}

/* Decimals that give a number below 1000 nine digits, which always tell floats apart. */
static unsigned decimals_of(float size)
{
    static const float powers[] = {100,   10,    1,     0.1F,  1e-2F, 1e-3F,
                                   1e-4F, 1e-5F, 1e-6F, 1e-7F, 1e-8F};
    unsigned n = 0;
    while (n < sizeof powers / sizeof *powers && size < powers[n])
        n++;
    return 6 + n;
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
    float size = len ? -v : v;
    if (!(size >= 1e-9F && size < 1000)) {
        char text[WM_REAL_TEXT];
        size_t n = wm_format_real(text, (double)v, -1);
        n = n < LM_FLOAT_TEXT ? n : LM_FLOAT_TEXT;
        memcpy(out, text, n);
        return n;
    }
    /* size = mantissa × 2^−shift */
    uint64_t mantissa = (bits & 0x7fffff) | 0x800000;
    unsigned shift = 150 - (bits >> 23), decimals = decimals_of(size);
    /* in units of the last decimal, × 2^(shift + 2): the midpoints to the neighbours */
    u128 middle = (u128)tens[decimals] * (4 * mantissa);
    u128 high = middle + 2 * tens[decimals];
    u128 low = middle - (mantissa == 0x800000 ? 1 : 2) * tens[decimals];
    u128 mask = ((u128)1 << (shift + 2)) - 1;
    bool even = mantissa % 2 == 0; /* a tie reads back as the even neighbour */
    uint64_t digits = (uint64_t)(middle >> (shift + 2));
    uint64_t most = (uint64_t)(high >> (shift + 2)) - (!even && !(high & mask));
    uint64_t least = (uint64_t)(low >> (shift + 2)) + ((low & mask) || !even);
    uint64_t rest = middle >> (shift + 1) & 1 ? 5 : 0; /* first digit of what was cut off last */
    while (decimals && most / 10 >= (least + 9) / 10) {
        most /= 10;
        least = (least + 9) / 10;
        rest = digits % 10;
        digits /= 10;
        decimals--;
    }
    uint64_t nearest = digits + (rest >= 5);
    if (nearest > most)
        nearest = most;
    if (nearest < least)
        nearest = least;
    return len + put_decimal(out + len, nearest, decimals);
}
