/* SPDX-License-Identifier: Apache-2.0 */
#include "wetmill/number.h"

#include <errno.h>
#include <float.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* printf and strtod follow the locale of the thread; these run in "C". Made once, never freed. */
static locale_t c_locale;
static pthread_once_t c_locale_once = PTHREAD_ONCE_INIT;

static void make_c_locale(void)
{
    c_locale = newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

static locale_t enter_c_locale(void)
{
    (void)pthread_once(&c_locale_once, make_c_locale);
    return c_locale ? uselocale(c_locale) : (locale_t)0;
}

static void leave_c_locale(locale_t before)
{
    if (before)
        (void)uselocale(before);
}

bool wm_parse_u64(struct wm_str text, uint64_t *ret)
{
    enum { SAFE_DIGITS = 19 }; /* never too many for 64 bits */
    uint64_t v = 0;
    size_t i = 0;
    for (; i < text.len && i < SAFE_DIGITS; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (digit > 9)
            return false;
        v = v * 10 + digit;
    }
    for (; i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (digit > 9 || v > (UINT64_MAX - digit) / 10)
            return false;
        v = v * 10 + digit;
    }
    *ret = v;
    return text.len > 0;
}

static size_t digits(struct wm_str text, size_t at)
{
    size_t n = 0;
    while (at + n < text.len && text.ptr[at + n] >= '0' && text.ptr[at + n] <= '9')
        n++;
    return n;
}

static bool is_number(struct wm_str text)
{
    size_t at = text.len && (text.ptr[0] == '-' || text.ptr[0] == '+');
    size_t n = digits(text, at);
    at += n;
    if (!n)
        return false;
    if (at < text.len && text.ptr[at] == '.') {
        n = digits(text, at + 1);
        at += 1 + n;
        if (!n)
            return false;
    }
    if (at < text.len && (text.ptr[at] == 'e' || text.ptr[at] == 'E')) {
        at++;
        at += at < text.len && (text.ptr[at] == '-' || text.ptr[at] == '+');
        n = digits(text, at);
        at += n;
        if (!n)
            return false;
    }
    return at == text.len;
}

/* Up to 15 digits and a power of ten up to 22 are both exact doubles, so one operation rounds
 * correctly (Clinger 1990). Most numbers in JSON are of this kind. */
static bool parse_exactly(struct wm_str text, double *ret)
{
    static const double tens[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    if (text.len > 16)
        return false;
    uint64_t whole = 0;
    size_t behind = 0, n = 0;
    bool point = false;
    for (size_t i = text.ptr[0] == '-' || text.ptr[0] == '+'; i < text.len; i++) {
        if (text.ptr[i] == '.') {
            point = true;
            continue;
        }
        if (text.ptr[i] < '0' || text.ptr[i] > '9' || ++n > 15)
            return false;
        whole = whole * 10 + (uint64_t)(text.ptr[i] - '0');
        behind += point;
    }
    double v = (double)whole / tens[behind];
    *ret = text.ptr[0] == '-' ? -v : v;
    return true;
}

bool wm_parse_real(struct wm_str text, double *ret)
{
    enum { LONGEST = 1100 }; /* beyond 767 significant digits none changes a double */
    if (text.len > LONGEST || !is_number(text))
        return false;
    if (parse_exactly(text, ret))
        return true;
    char copy[LONGEST + 1];
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    locale_t before = enter_c_locale();
    double v = strtod(copy, NULL);
    leave_c_locale(before);
    if (!isfinite(v))
        return false;
    *ret = v;
    return true;
}

/* A decimal of up to DBL_DIG digits survives the way to a double and back, so if 15 digits read
 * back they are, without trailing zeros, the shortest. Subnormal numbers have fewer. */
static size_t shortest(char *out, double v)
{
    int n = 0;
    for (int precision = fabs(v) < DBL_MIN ? 1 : DBL_DIG; precision <= 17; precision++) {
        n = snprintf(out, WM_REAL_TEXT, "%.*g", precision, v);
        if (strtod(out, NULL) == v)
            break;
    }
    return n > 0 ? (size_t)n : 0;
}

static size_t fixed(char *out, double v, int decimals)
{
    int n = snprintf(out, WM_REAL_TEXT, "%.*f", decimals > 17 ? 17 : decimals, v);
    size_t len = n > 0 ? (size_t)n : 0;
    if (out[0] == '-' && strspn(out + 1, "0.") == len - 1) {
        memmove(out, out + 1, len);
        len--;
    }
    return len;
}

size_t wm_format_real(char out[WM_REAL_TEXT], double v, int decimals)
{
    locale_t before = enter_c_locale();
    size_t len = decimals < 0 ? shortest(out, v) : fixed(out, v, decimals);
    leave_c_locale(before);
    return len;
}
