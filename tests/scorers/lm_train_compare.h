/* SPDX-License-Identifier: Apache-2.0 */
/* Training in a test: a corpus to a file, and two ARPA files n-gram by n-gram. */
#ifndef WETMILL_TESTS_LM_TRAIN_COMPARE_H
#define WETMILL_TESTS_LM_TRAIN_COMPARE_H

#include <math.h>
#include <zlib.h>

#include "scratch.h"
#include "wetmill/lm_train.h"
#include "wetmill/number.h"

enum { ARPA_BYTES = 1 << 30 };

/* Train on `text`, given in pieces of `step` bytes, into `path`. */
static inline int train_text(const struct wm_lm_train_options *options, struct wm_str text,
                             size_t step, const char *path, struct wm_lm_train_summary *ret)
{
    struct wm_lm_train *train = NULL;
    int status = wm_lm_train_new(options, NULL, NULL, &train, &err);
    for (size_t at = 0; !status && at < text.len; at += step) {
        size_t n = text.len - at < step ? text.len - at : step;
        status = wm_lm_train_text(train, (struct wm_str){text.ptr + at, n}, &err);
    }
    if (!status)
        status = wm_lm_train_finish(train, path, ret, &err);
    wm_lm_train_free(train);
    return status;
}

/* A file, through gzip if it is. */
static inline bool load_text(const char *path, struct wm_buf *buf)
{
    gzFile file = gzopen(path, "rb");
    int n = file ? 1 : -1;
    wm_buf_init(buf, ARPA_BYTES);
    while (n > 0 && !wm_buf_reserve(buf, 1 << 16, &err)) {
        n = gzread(file, buf->ptr + buf->len, 1 << 16);
        buf->len += n > 0 ? (size_t)n : 0;
    }
    if (file)
        (void)gzclose(file);
    return n == 0;
}

struct arpa_line {
    struct wm_str words;
    double p, b;
};

static inline int by_words(const void *a, const void *b)
{
    const struct arpa_line *x = a, *y = b;
    size_t n = x->words.len < y->words.len ? x->words.len : y->words.len;
    int order = memcmp(x->words.ptr, y->words.ptr, n);
    return order ? order : (x->words.len > y->words.len) - (x->words.len < y->words.len);
}

static inline struct wm_str next_field(struct wm_str *rest)
{
    const char *tab = memchr(rest->ptr, '\t', rest->len);
    size_t len = tab ? (size_t)(tab - rest->ptr) : rest->len;
    struct wm_str field = {rest->ptr, len};
    rest->ptr += len + (tab != NULL);
    rest->len -= len + (tab != NULL);
    return field;
}

/* The n-grams of an ARPA file, sorted by their words; "ngram n=…" lines are n-grams too, of p 0. */
static inline struct arpa_line *read_arpa(struct wm_str text, size_t *ret_n)
{
    size_t n = 0, cap = wm_str_count(text, '\n') + 1;
    struct arpa_line *lines = calloc(cap, sizeof *lines);
    while (lines && text.len) {
        struct wm_str rest = wm_str_line(&text);
        if (!rest.len || rest.ptr[0] == '\\')
            continue;
        struct arpa_line *line = &lines[n++];
        if (wm_str_starts(rest, WM_STR("ngram "))) {
            line->words = rest;
            continue;
        }
        CHECK(wm_parse_real(next_field(&rest), &line->p));
        line->words = next_field(&rest);
        struct wm_str b = next_field(&rest);
        CHECK(!b.len || wm_parse_real(b, &line->b));
    }
    if (lines)
        qsort(lines, n, sizeof *lines, by_words);
    *ret_n = n;
    return lines;
}

/* The same n-grams, each with log10 p and back-off within `tolerance`. */
static inline void compare_arpa(const char *got_path, const char *want_path, double tolerance)
{
    struct wm_buf got_text, want_text;
    size_t n_got = 0, n_want = 0, i = 0, j = 0, absent = 0, extra = 0;
    double worst_p = 0, worst_b = 0;
    CHECK(load_text(got_path, &got_text));
    CHECK(load_text(want_path, &want_text));
    struct arpa_line *got = read_arpa(wm_buf_str(&got_text), &n_got);
    struct arpa_line *want = read_arpa(wm_buf_str(&want_text), &n_want);
    while (i < n_got || j < n_want) {
        int order = i == n_got ? 1 : j == n_want ? -1 : by_words(&got[i], &want[j]);
        extra += order < 0;
        absent += order > 0;
        if (order == 0) {
            worst_p = fmax(worst_p, fabs(got[i].p - want[j].p));
            worst_b = fmax(worst_b, fabs(got[i].b - want[j].b));
        }
        i += order <= 0;
        j += order >= 0;
    }
    CHECK(n_want > 0);
    CHECK_(!extra && !absent, "%s: %zu n-grams too many, %zu absent", want_path, extra, absent);
    CHECK_(worst_p <= tolerance && worst_b <= tolerance,
           "%s: log10 p differs by up to %g, back-off by up to %g", want_path, worst_p, worst_b);
    (void)printf("%s: %zu lines, largest differences %.2g and %.2g\n", want_path, n_want, worst_p,
                 worst_b);
    free(got);
    free(want);
    wm_buf_done(&got_text);
    wm_buf_done(&want_text);
}

/* Do two files hold the same bytes? */
static inline bool same_files(const char *a, const char *b)
{
    struct wm_digest x, y;
    return !wm_file_digest(a, &x, &err) && !wm_file_digest(b, &y, &err) && x.size == y.size &&
           XXH128_isEqual(x.hash, y.hash);
}

#endif /* WETMILL_TESTS_LM_TRAIN_COMPARE_H */
