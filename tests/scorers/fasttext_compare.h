/* SPDX-License-Identifier: Apache-2.0 */
/* A model's guesses against what `fasttext predict-prob MODEL TEXTS 3` printed. */
#ifndef WETMILL_TESTS_FASTTEXT_COMPARE_H
#define WETMILL_TESTS_FASTTEXT_COMPARE_H

#include <math.h>

#include "test.h"
#include "wetmill/fasttext.h"
#include "wetmill/file.h"
#include "wetmill/number.h"

enum { COMPARE_TOP = 3, COMPARE_MOST = 512, COMPARE_BYTES = 16 << 20 };

/* Negative sampling and one-vs-all read their sigmoid from a table: a sum that is rounded otherwise
 * can fall into the next step, which is up to 1/128 away. */
#define COMPARE_EXACT 1e-4
#define COMPARE_TABLE 0.0079

static inline struct wm_str compare_word(struct wm_str *line)
{
    *line = wm_str_trim(*line);
    const char *blank = line->len ? memchr(line->ptr, ' ', line->len) : NULL;
    struct wm_str word = {line->ptr, blank ? (size_t)(blank - line->ptr) : line->len};
    line->ptr += word.len;
    line->len -= word.len;
    return word;
}

/* Where scores are all but equal, which label is third may differ: so all are asked for. */
static inline void compare_line(const struct wm_fasttext *model, const char *name, size_t number,
                                struct wm_fasttext_scratch *scratch, struct wm_str text,
                                struct wm_str want, double tolerance)
{
    struct wm_fasttext_guess top[COMPARE_TOP], all[COMPARE_MOST];
    size_t n_top = wm_fasttext_predict(model, scratch, text, COMPARE_TOP, top);
    size_t n_all = wm_fasttext_predict(model, scratch, text, COMPARE_MOST, all);
    size_t n_want = 0;
    for (; wm_str_trim(want).len; n_want++) {
        struct wm_str label = compare_word(&want), number_text = compare_word(&want);
        double score = -1;
        CHECK(wm_parse_real(number_text, &score));
        if (wm_str_starts(label, WM_STR("__label__")))
            label = (struct wm_str){label.ptr + 9, label.len - 9};
        bool found = false;
        for (size_t i = 0; i < n_all; i++)
            found = found || (fabs((double)all[i].score - score) < tolerance &&
                              wm_str_eq(wm_fasttext_label(model, all[i].label), label));
        CHECK_(found, "%s: text %zu: %.*s %.6f is not among the guesses", name, number,
               (int)label.len, label.ptr, score);
        CHECK_(n_want < n_top && fabs((double)top[n_want].score - score) < tolerance,
               "%s: text %zu: guess %zu scores %.6f, want %.6f", name, number, n_want,
               (double)top[n_want].score, score);
    }
    CHECK_(n_top == n_want, "%s: text %zu: %zu guesses, want %zu", name, number, n_top, n_want);
}

static inline void compare_model(const char *model_path, const char *texts_path,
                                 const char *guesses_path, double tolerance)
{
    struct wm_error err;
    struct wm_fasttext *model = NULL;
    struct wm_fasttext_scratch *scratch = NULL;
    struct wm_buf texts, want;
    wm_buf_init(&texts, COMPARE_BYTES);
    wm_buf_init(&want, COMPARE_BYTES);
    CHECK_OK(wm_fasttext_open(model_path, &model, &err), err);
    CHECK_OK(model ? wm_fasttext_scratch_new(model, &scratch, &err) : err.status, err);
    CHECK_OK(wm_file_load(texts_path, &texts, &err), err);
    CHECK_OK(wm_file_load(guesses_path, &want, &err), err);
    struct wm_str rest = wm_buf_str(&texts), rest_want = wm_buf_str(&want);
    size_t number = 0;
    while (scratch && rest.len) {
        struct wm_str text = wm_str_line(&rest);
        compare_line(model, model_path, ++number, scratch, text, wm_str_line(&rest_want),
                     tolerance);
    }
    CHECK(number > 0);
    CHECK(rest_want.len == 0);
    wm_buf_done(&texts);
    wm_buf_done(&want);
    wm_fasttext_scratch_free(scratch);
    wm_fasttext_free(model);
}

#endif /* WETMILL_TESTS_FASTTEXT_COMPARE_H */
