/* SPDX-License-Identifier: Apache-2.0 */
/* Cleaning lines against a plain version that goes over arrays of code points, one rule after the
 * other, and gives whole lines to ICU. */
#include "stages/clean_line.h"

#include <unicode/uchar.h>
#include <unicode/unorm2.h>

#include "test.h"
#include "wetmill/utf8.h"

enum { CODES_MAX = 4096, RANDOM_LINES = 30000 };

struct codes {
    UChar32 at[CODES_MAX];
    size_t n;
};

static uint64_t seed = 4;

static uint32_t below(uint32_t n)
{
    seed = seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)((seed >> 32) * n >> 32);
}

static UChar32 any_character(void)
{
    static const UChar32 some[] = {
        ' ',     ' ',     ' ',     '\t',    '\r',    0,       0x1B,    0x1C,    0x7F,
        0x85,    0xA0,    0xA8,    0xAD,    0x300,   0x301,   0x316,   0x344,   0x5B0,
        0x627,   0x64B,   0x651,   0x915,   0x94D,   0x958,   0x1100,  0x1161,  0x11A8,
        0x2000,  0x200B,  0x200C,  0x200D,  0x200D,  0x200C,  0x200E,  0x2028,  0x202E,
        0x2060,  0x2126,  0x212B,  0x3000,  0x3099,  0x30AB,  0xAC00,  0xF900,  0xFB1D,
        0xFDFA,  0xFE0F,  0xFEFF,  0xFF21,  0xFFFD,  0xFFFE,  0xFDD0,  0x1F130, 0x1F3F4,
        0x1F468, 0x1F3FB, 0xE0001, 0xE0067, 0xE007F, 0x1F100, 0x10FFFF};
    switch (below(6)) {
    case 0:
        return (UChar32)('a' + below(26));
    case 1:
        return (UChar32)(0xA0 + below(0x2F00));
    default:
        return some[below(sizeof some / sizeof *some)];
    }
}

static struct wm_str encode(const struct codes *c, char *bytes)
{
    size_t len = 0;
    for (size_t i = 0; i < c->n; i++)
        len += wm_utf8_encode((uint32_t)c->at[i], bytes + len);
    return (struct wm_str){bytes, len};
}

static bool in(UChar32 c, UChar32 first, UChar32 last)
{
    return c >= first && c <= last;
}

static bool is_break(UChar32 c)
{
    return in(c, 0xB, 0xD) || in(c, 0x1C, 0x1F) || c == 0x85 || c == 0x2028 || c == 0x2029;
}

static bool is_blank(UChar32 c)
{
    return c == '\t' || u_charType(c) == U_SPACE_SEPARATOR;
}

static bool is_mark(UChar32 c)
{
    return u_getCombiningClass(c) != 0 ||
           (u_getIntPropertyValue(c, UCHAR_NFC_QUICK_CHECK) != UNORM_YES &&
            (U_GET_GC_MASK(c) & U_GC_M_MASK));
}

static bool is_invisible(UChar32 c)
{
    return c == 0xAD || c == 0x61C || c == 0x200B || c == 0x200E || c == 0x200F ||
           in(c, 0x202A, 0x202E) || in(c, 0x2060, 0x206F) || c == 0xFEFF || in(c, 0xFFF9, 0xFFFB);
}

static bool uses_joiners(UChar32 c)
{
    if (u_charType(c) == U_UNASSIGNED)
        return false;
    return in(c, 0x600, 0x10FF) || in(c, 0x1700, 0x1CFF) || in(c, 0xA800, 0xABFF) ||
           in(c, 0xFB50, 0xFDFF) || in(c, 0xFE70, 0xFEFE) || in(c, 0x10A00, 0x11FFF) ||
           in(c, 0x1E900, 0x1E95F) || in(c, 0x2600, 0x27BF) || in(c, 0x1F000, 0x1FAFF) ||
           c == 0xFE0F || c == 0x20E3;
}

static bool goes(const struct wm_cleaning *how, const struct codes *out, UChar32 c)
{
    if (u_charType(c) == U_CONTROL_CHAR || (c & 0xFFFE) == 0xFFFE || in(c, 0xFDD0, 0xFDEF))
        return how->controls && c != '\t' && !is_break(c);
    if (is_invisible(c))
        return how->invisible;
    UChar32 last = out->n ? out->at[out->n - 1] : 0;
    if (in(c, 0xE0001, 0xE007F))
        return how->invisible && last != 0x1F3F4 && !in(last, 0xE0001, 0xE007F);
    if (c != 0x200C && c != 0x200D)
        return false;
    size_t base = out->n;
    while (base && is_mark(out->at[base - 1]))
        base--;
    return how->joiners == WM_JOINERS_REMOVE ||
           (how->joiners == WM_JOINERS_WHERE_USED && !(base && uses_joiners(out->at[base - 1])));
}

static void plain_scrub(const struct wm_cleaning *how, const struct codes *from, struct codes *to)
{
    size_t n = from->n, n_marks = 0;
    while (n && from->at[n - 1] == '\r')
        n--;
    to->n = 0;
    for (size_t i = 0; i < n; i++) {
        UChar32 c = from->at[i];
        if (is_break(c) || (is_blank(c) && how->white_space == WM_SPACE_COLLAPSE))
            c = ' ';
        if (c == ' ' && how->white_space == WM_SPACE_COLLAPSE &&
            (to->n == 0 || to->at[to->n - 1] == ' '))
            continue;
        if (goes(how, to, c))
            continue;
        n_marks = is_mark(c) ? n_marks + 1 : 0;
        if (n_marks <= WM_MARKS_MAX)
            to->at[to->n++] = c;
    }
    while (how->white_space != WM_SPACE_KEEP && to->n && is_blank(to->at[to->n - 1]))
        to->n--;
}

static void plain_normalise(enum wm_normal_form form, const struct codes *from, struct codes *to)
{
    static UChar in_units[2 * CODES_MAX], out_units[16 * CODES_MAX];
    UErrorCode status = U_ZERO_ERROR;
    const UNormalizer2 *icu =
        form == WM_FORM_NFC ? unorm2_getNFCInstance(&status) : unorm2_getNFKCInstance(&status);
    int32_t n = 0;
    for (size_t i = 0; i < from->n; i++) {
        UChar32 c = from->at[i];
        U16_APPEND_UNSAFE(in_units, n, c);
    }
    n = unorm2_normalize(icu, in_units, n, out_units, 16 * CODES_MAX, &status);
    CHECK(U_SUCCESS(status));
    to->n = 0;
    for (int32_t i = 0; i < n && to->n < CODES_MAX;) {
        UChar32 c;
        U16_NEXT(out_units, i, n, c);
        to->at[to->n++] = c;
    }
}

static struct wm_str plain_clean(const struct wm_cleaning *how, const struct codes *from,
                                 char *bytes)
{
    static struct codes line, scrubbed;
    line = *from;
    for (int round = 0; round < 5; round++) {
        plain_scrub(how, &line, &scrubbed);
        if (how->form == WM_FORM_NONE)
            return encode(&scrubbed, bytes);
        plain_normalise((enum wm_normal_form)how->form, &scrubbed, &line);
    }
    return encode(&line, bytes);
}

static void check_line(struct wm_cleaner *cleaner, const struct codes *codes, struct wm_buf *out)
{
    static char bytes[4 * CODES_MAX], want_bytes[16 * CODES_MAX];
    struct wm_error err;
    struct wm_str line = encode(codes, bytes);
    struct wm_str want = plain_clean(cleaner->how, codes, want_bytes);
    out->len = 0;
    CHECK_OK(wm_clean_line(cleaner, line, out, &err), err);
    CHECK_STR(wm_buf_str(out), want);
    if (wm_line_is_clean(cleaner, line))
        CHECK_STR(line, want);
}

int main(void)
{
    struct wm_error err;
    struct wm_buf out;
    static struct codes line;
    size_t n_clean = 0;
    wm_buf_init(&out, 1 << 20);
    for (int variant = 0; variant < 3 * 3 * 3 * 2; variant++) {
        struct wm_cleaning how = {.form = variant % 3,
                                  .controls = variant % 2,
                                  .invisible = variant % 2,
                                  .joiners = variant / 3 % 3,
                                  .white_space = variant / 9 % 3};
        struct wm_cleaner cleaner;
        CHECK_OK(wm_cleaner_init(&cleaner, &how, &err), err);
        for (int i = 0; i < RANDOM_LINES / 54; i++) {
            line.n = below(24);
            bool easy = below(3) == 0;
            for (size_t k = 0; k < line.n; k++)
                line.at[k] = easy ? (below(7) ? (UChar32)('a' + below(26)) : ' ') : any_character();
            check_line(&cleaner, &line, &out);
            n_clean += easy;
        }
        line.n = 1000; /* more marks than may follow each other */
        for (size_t k = 0; k < line.n; k++)
            line.at[k] = k % 100 == 0 ? 'a' : k % 2 ? 0x301 : 0x316;
        check_line(&cleaner, &line, &out);
        wm_cleaner_done(&cleaner);
    }
    CHECK(n_clean > 1000);
    wm_buf_done(&out);
    return test_summary();
}
