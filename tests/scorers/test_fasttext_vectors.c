/* SPDX-License-Identifier: Apache-2.0 */
/* lid.176.ftz gives the labels and scores that fastText gave for recorded texts. */
#include "wetmill/fasttext.h"

#include <math.h>

#include "test.h"
#include "wetmill/arena.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

enum { TOP = 3, VECTOR_BYTES = 256 << 20 };

struct vector {
    struct wm_str text, labels[TOP];
    double scores[TOP];
    size_t n_labels, n_scores;
};

static int read_list(struct wm_json *r, struct vector *v, bool scores, struct wm_error *err)
{
    int more = wm_json_array(r, err);
    while (!more && (more = wm_json_item(r, err)) > 0) {
        size_t *n = scores ? &v->n_scores : &v->n_labels;
        if (*n == TOP)
            more = wm_json_skip(r, NULL, err);
        else if (scores)
            more = wm_json_real(r, &v->scores[(*n)++], err);
        else
            more = wm_json_string(r, &v->labels[(*n)++], err);
    }
    return more;
}

static int read_vector(struct wm_str line, struct wm_arena *arena, struct vector *v,
                       struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    wm_json_open(&r, line, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
        if (wm_str_eq(key, WM_STR("fed_to_model")))
            more = wm_json_string(&r, &v->text, err);
        else if (wm_str_eq(key, WM_STR("labels")))
            more = read_list(&r, v, false, err);
        else if (wm_str_eq(key, WM_STR("scores")))
            more = read_list(&r, v, true, err);
        else
            more = wm_json_skip(&r, NULL, err);
    }
    return more;
}

static void check_vector(const struct wm_fasttext *model, struct wm_fasttext_scratch *scratch,
                         const struct vector *v)
{
    struct wm_fasttext_guess guesses[TOP];
    size_t n = wm_fasttext_predict(model, scratch, v->text, TOP, guesses);
    CHECK_U64(n, v->n_labels);
    CHECK_U64(v->n_scores, v->n_labels);
    for (size_t i = 0; i < n && i < v->n_labels; i++) {
        double got = (double)guesses[i].score;
        bool tied = i > 0 && fabs(v->scores[i] - v->scores[i - 1]) < 1e-5;
        tied = tied || (i + 1 < v->n_scores && fabs(v->scores[i] - v->scores[i + 1]) < 1e-5);
        if (!tied && i + 1 < TOP)
            CHECK_STR(wm_fasttext_label(model, guesses[i].label), v->labels[i]);
        CHECK_(fabs(got - v->scores[i]) < 1e-4, "score %zu is %.6f, want %.6f", i, got,
               v->scores[i]);
    }
}

int main(void)
{
    struct wm_error err;
    struct wm_fasttext *model = NULL;
    struct wm_fasttext_scratch *scratch = NULL;
    struct wm_buf file;
    struct wm_arena arena;
    char path[WM_PATH_MAX];
    (void)snprintf(path, sizeof path, "%s/lm/lid_scores.jsonl", test_vectors());
    if (!wm_exists(path))
        SKIP("no %s", path);
    CHECK_OK(wm_fasttext_open(WM_SOURCE_DIR "/samples/lid.176.ftz", &model, &err), err);
    CHECK_OK(model ? wm_fasttext_scratch_new(model, &scratch, &err) : -1, err);
    wm_buf_init(&file, VECTOR_BYTES);
    wm_arena_init(&arena, VECTOR_BYTES);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    size_t n = 0;
    for (struct wm_str rest = wm_buf_str(&file); scratch && rest.len; n++) {
        struct vector v = {0};
        wm_arena_reset(&arena);
        CHECK_OK(read_vector(wm_str_line(&rest), &arena, &v, &err), err);
        check_vector(model, scratch, &v);
    }
    CHECK(n > 0);
    (void)printf("%zu texts\n", n);
    wm_arena_done(&arena);
    wm_buf_done(&file);
    wm_fasttext_scratch_free(scratch);
    wm_fasttext_free(model);
    return test_summary();
}
