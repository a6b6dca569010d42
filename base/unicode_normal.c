/* SPDX-License-Identifier: Apache-2.0 */
/* Normalisation: a check of our own over UTF-8 (Unicode annex 15, "Detecting Normalization Forms"),
 * and ICU for the spans that do not pass it. A span reaches from the last character that nothing
 * joins from the left to the next such one; what lies outside cannot change. */
#include <stdlib.h>
#include <unicode/unorm2.h>
#include <unicode/utf16.h>

#include "wetmill/unicode.h"
#include "wetmill/utf8.h"

void wm_normaliser_done(struct wm_normaliser *n)
{
    free(n->in);
    free(n->out);
    *n = (struct wm_normaliser){0};
}

static unsigned check_value(const struct wm_unicode *u, enum wm_normal_form form, uint32_t code)
{
    int shift = form == WM_FORM_NFC ? WM_NFC_SHIFT : WM_NFKC_SHIFT;
    return wm_unicode_entry(u, code) >> shift & 255;
}

static const UNormalizer2 *instance(enum wm_normal_form form)
{
    UErrorCode code = U_ZERO_ERROR;
    const UNormalizer2 *icu =
        form == WM_FORM_NFC ? unorm2_getNFCInstance(&code) : unorm2_getNFKCInstance(&code);
    return U_SUCCESS(code) ? icu : NULL;
}

/* First span of `s` that has to be asked about: `*ret_start` to the return value. Both are s.len
 * if there is none. Long spans end where ICU says one may, so that they need little memory. */
static size_t find_span(enum wm_normal_form form, struct wm_str s, size_t *ret_start)
{
    enum { LONG_SPAN = 4096 };
    const struct wm_unicode *u = wm_unicode();
    const UNormalizer2 *icu = instance(form);
    struct wm_str rest = s;
    size_t start = 0;
    unsigned last = 0;
    bool ask = false;
    while (rest.len) {
        size_t at = s.len - rest.len;
        uint32_t c = wm_utf8_next(&rest);
        unsigned value = check_value(u, form, c);
        if (ask && value && at - start > LONG_SPAN && unorm2_hasBoundaryBefore(icu, (UChar32)c)) {
            *ret_start = start;
            return at;
        }
        if (value == 0) {
            if (ask) {
                *ret_start = start;
                return at;
            }
            start = at;
        }
        ask = ask || value == WM_NORMAL_ASK || (value && value < last);
        last = value;
    }
    *ret_start = ask ? start : s.len;
    return s.len;
}

size_t wm_normal_prefix(enum wm_normal_form form, struct wm_str s)
{
    size_t start = s.len;
    if (form != WM_FORM_NONE && wm_unicode() && instance(form))
        (void)find_span(form, s, &start);
    return start;
}

static int grow(uint16_t **units, size_t *cap, size_t need, struct wm_error *err)
{
    if (need <= *cap)
        return 0;
    size_t n = *cap ? *cap : 256;
    while (n < need)
        n *= 2;
    uint16_t *more = realloc(*units, n * sizeof **units);
    if (!more)
        return wm_fail_nomem(err, n * sizeof **units, "text to normalise");
    *units = more;
    *cap = n;
    return 0;
}

static int append_utf16(const uint16_t *units, int32_t n, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_reserve(out, (size_t)n * 3, err);
    for (int32_t i = 0; !status && i < n;) {
        UChar32 code;
        U16_NEXT(units, i, n, code);
        out->len += wm_utf8_encode((uint32_t)code, out->ptr + out->len);
    }
    return status;
}

static int normalise_span(struct wm_normaliser *n, enum wm_normal_form form, struct wm_str s,
                          struct wm_buf *out, struct wm_error *err)
{
    UErrorCode code = U_ZERO_ERROR;
    if (s.len > INT32_MAX / 4)
        return wm_fail(err, WM_E_LIMIT, "a span of %zu bytes to normalise", s.len);
    int status = grow(&n->in, &n->in_cap, s.len + 1, err);
    if (status)
        return status;
    int32_t n_in = 0, n_out = 0;
    while (s.len) {
        uint32_t c = wm_utf8_next(&s);
        U16_APPEND_UNSAFE(n->in, n_in, c);
    }
    status = grow(&n->out, &n->out_cap, (size_t)n_in + 64, err);
    for (int round = 0; !status && round < 2; round++) {
        code = U_ZERO_ERROR;
        int32_t cap = n->out_cap < INT32_MAX ? (int32_t)n->out_cap : INT32_MAX;
        n_out = unorm2_normalize(instance(form), n->in, n_in, n->out, cap, &code);
        if (code != U_BUFFER_OVERFLOW_ERROR)
            break;
        status = grow(&n->out, &n->out_cap, (size_t)n_out + 1, err);
    }
    if (status)
        return status;
    if (U_FAILURE(code))
        return wm_fail(err, WM_E_NOMEM, "cannot normalise text: %s", u_errorName(code));
    return append_utf16(n->out, n_out, out, err);
}

int wm_normalise(struct wm_normaliser *n, enum wm_normal_form form, struct wm_str s,
                 struct wm_buf *out, struct wm_error *err)
{
    if (form == WM_FORM_NONE)
        return wm_buf_add(out, s.ptr, s.len, err);
    if (!wm_unicode() || !instance(form))
        return wm_fail_nomem(err, sizeof(struct wm_unicode), "character data");
    while (s.len) {
        size_t start, end = find_span(form, s, &start);
        int status = wm_buf_add(out, s.ptr, start, err);
        if (!status && start < end)
            status = normalise_span(n, form, (struct wm_str){s.ptr + start, end - start}, out, err);
        if (status)
            return status;
        s.ptr += end;
        s.len -= end;
    }
    return 0;
}
