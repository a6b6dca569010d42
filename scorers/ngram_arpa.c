/* SPDX-License-Identifier: Apache-2.0 */
/* ARPA text (Doug Paul's format, as SRILM's ngram-format(5) describes it):
 *
 *     \data\
 *     ngram 1=3
 *
 *     \1-grams:
 *     -1.2 <TAB> word [<TAB> back-off]
 *     …
 *     \end\
 *
 * Numbers are decimal logarithms. Lines before \data\ must be empty or start with '#'. */
#include <math.h>
#include <stdio.h>

#include "scorers/ngram.h"
#include "wetmill/number.h"

enum { LEAST_LINE = 4, EXACT_DIGITS = 15, EXACT_POWER = 22 };

static const uint64_t MOST_NGRAMS = (uint64_t)1 << 40;

static bool blank(struct wm_str line)
{
    for (size_t i = 0; i < line.len; i++)
        if (line.ptr[i] != ' ' && line.ptr[i] != '\t')
            return false;
    return true;
}

bool wm_ngram_is_arpa(struct wm_str bytes)
{
    while (bytes.len) {
        struct wm_str line = wm_str_line(&bytes);
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (!blank(line) && line.ptr[0] != '#')
            return wm_str_eq(line, WM_STR("\\data\\"));
    }
    return false;
}

int wm_ngram_arpa_where(const struct wm_ngram_arpa *arpa, struct wm_error *err)
{
    unsigned long long line = wm_ngram_text_number(arpa->text);
    return arpa->name ? wm_error_where(err, "%s, line %llu", arpa->name, line)
                      : wm_error_where(err, "line %llu", line);
}

/* The next line; the end of the file is an error. */
static int need_line(struct wm_ngram_arpa *a, struct wm_str *ret, struct wm_error *err)
{
    int more = wm_ngram_text_line(a->text, ret, err);
    if (more == 0)
        return wm_fail(err, WM_E_FORMAT, "the file ends before \\end\\");
    return more < 0 ? more : 0;
}

static int need_something(struct wm_ngram_arpa *a, struct wm_str *ret, struct wm_error *err)
{
    int status;
    do
        status = need_line(a, ret, err);
    while (!status && blank(*ret));
    return status;
}

/* "ngram 2=80576" */
static int take_count(struct wm_ngram_arpa *a, struct wm_str line, struct wm_error *err)
{
    uint64_t order = 0, count = 0;
    const char *equals = memchr(line.ptr, '=', line.len);
    struct wm_str left = {line.ptr + 6, 0}, right = {NULL, 0};
    if (!wm_str_starts(line, WM_STR("ngram ")) || !equals || equals < left.ptr)
        return wm_fail(err, WM_E_FORMAT, "a line \"ngram ORDER=COUNT\" should stand here");
    left.len = (size_t)(equals - left.ptr);
    right = (struct wm_str){equals + 1, (size_t)(line.ptr + line.len - equals - 1)};
    while (right.len && (right.ptr[right.len - 1] == ' ' || right.ptr[right.len - 1] == '\t'))
        right.len--;
    if (!wm_parse_u64(left, &order) || !wm_parse_u64(right, &count) || order != a->order + 1)
        return wm_fail(err, WM_E_FORMAT, "the counts of n-grams should be of order 1, 2, …");
    if (order > WM_NGRAM_MAX_ORDER)
        return wm_fail(err, WM_E_LIMIT, "the model's order is over %d", WM_NGRAM_MAX_ORDER);
    if (count > MOST_NGRAMS || count > wm_ngram_text_most(a->text) / LEAST_LINE)
        return wm_fail(err, WM_E_FORMAT, "more n-grams than the file can hold");
    a->counts[++a->order] = count;
    return 0;
}

int wm_ngram_arpa_begin(struct wm_ngram_arpa *a, struct wm_error *err)
{
    struct wm_str line = {0};
    int status;
    do
        status = need_something(a, &line, err);
    while (!status && line.ptr[0] == '#');
    if (!status && !wm_str_eq(line, WM_STR("\\data\\")))
        status = wm_fail(err, WM_E_FORMAT, "no ARPA file: \\data\\ should stand here");
    if (!status)
        status = need_something(a, &line, err);
    while (!status && !blank(line)) {
        status = take_count(a, line, err);
        if (!status)
            status = need_line(a, &line, err);
    }
    if (!status && a->order == 0)
        status = wm_fail(err, WM_E_FORMAT, "no counts of n-grams");
    return status ? wm_ngram_arpa_where(a, err) : 0;
}

int wm_ngram_arpa_section(struct wm_ngram_arpa *a, unsigned order, struct wm_error *err)
{
    char want[32];
    struct wm_str line = {0};
    (void)snprintf(want, sizeof want, "\\%u-grams:", order);
    int status = need_something(a, &line, err);
    if (!status && !wm_str_eq(line, wm_str_of(want)))
        status =
            wm_fail(err, WM_E_FORMAT,
                    "%s should stand here: there are more or fewer n-grams than announced", want);
    return status ? wm_ngram_arpa_where(a, err) : 0;
}

static struct wm_str field(struct wm_str *rest)
{
    while (rest->len && (*rest->ptr == ' ' || *rest->ptr == '\t')) {
        rest->ptr++;
        rest->len--;
    }
    struct wm_str word = {rest->ptr, 0};
    while (word.len < rest->len && word.ptr[word.len] != ' ' && word.ptr[word.len] != '\t')
        word.len++;
    rest->ptr += word.len;
    rest->len -= word.len;
    return word;
}

/* Up to 15 digits over a power of ten up to 22: both are exact, so their quotient is rounded once
 * (Clinger, "How to read floating point numbers accurately"). Anything else the slow way. */
static bool number(struct wm_str text, float *ret)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    bool negative = text.len && text.ptr[0] == '-';
    uint64_t digits = 0;
    unsigned n = 0, behind = 0;
    bool point = false, simple = text.len > negative;
    for (size_t i = negative; simple && i < text.len; i++) {
        unsigned digit = (unsigned)(unsigned char)text.ptr[i] - '0';
        if (text.ptr[i] == '.' && !point) {
            point = true;
        } else {
            simple = digit <= 9 && ++n <= EXACT_DIGITS;
            digits = digits * 10 + digit;
            behind += point;
        }
    }
    double v = 0;
    if (simple && n > 0 && behind <= EXACT_POWER) {
        v = (double)digits / powers[behind];
        v = negative ? -v : v;
    } else if (!wm_parse_real(text, &v)) {
        return false;
    }
    *ret = (float)v;
    return isfinite(*ret);
}

int wm_ngram_arpa_entry(struct wm_ngram_arpa *a, unsigned order, struct wm_ngram_entry *ret,
                        struct wm_error *err)
{
    struct wm_str line = {0}, rest;
    int status = need_line(a, &line, err);
    if (status)
        return wm_ngram_arpa_where(a, err);
    rest = line;
    struct wm_str prob = field(&rest), backoff;
    for (unsigned i = 0; i < order; i++)
        ret->words[i] = field(&rest);
    backoff = field(&rest);
    ret->backoff = 0;
    if (ret->words[order - 1].len == 0)
        (void)wm_fail(err, status = WM_E_FORMAT, "no %u-gram: fewer words than that", order);
    else if (!number(prob, &ret->prob))
        (void)wm_fail(err, status = WM_E_FORMAT, "the log10 probability is no number");
    else if (ret->prob > 0)
        (void)wm_fail(err, status = WM_E_FORMAT, "a log10 probability above 0");
    else if (backoff.len && !number(backoff, &ret->backoff))
        (void)wm_fail(err, status = WM_E_FORMAT, "the back-off weight is no number");
    else if (field(&rest).len || (order == a->order && order > 1 && ret->backoff != 0))
        (void)wm_fail(err, status = WM_E_FORMAT, "more on the line than a %u-gram has", order);
    if (status) {
        (void)wm_error_excerpt(err, line, 0);
        return wm_ngram_arpa_where(a, err);
    }
    if (ret->backoff == 0)
        ret->backoff = -0.0f;
    return 0;
}

int wm_ngram_arpa_end(struct wm_ngram_arpa *a, struct wm_error *err)
{
    struct wm_str line = {0};
    int status = need_something(a, &line, err);
    if (!status && !wm_str_eq(line, WM_STR("\\end\\")))
        status = wm_fail(err, WM_E_FORMAT,
                         "\\end\\ should stand here: there are more n-grams than announced");
    return status ? wm_ngram_arpa_where(a, err) : 0;
}
