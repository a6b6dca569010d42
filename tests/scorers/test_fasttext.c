/* SPDX-License-Identifier: Apache-2.0 */
/* Recorded models give the recorded guesses; fast ways give the bits of plain ones; damaged files
 * are refused. */
#include <pthread.h>

#include "fasttext_compare.h"
#include "scorers/fasttext.h"

#define VECTORS WM_SOURCE_DIR "/tests/vectors/fasttext/"

static const char *const names[] = {"softmax.bin", "softmax.ftz", "hs.bin", "hs.ftz", "ova.bin"};
enum { N_NAMES = sizeof names / sizeof *names };

static void check_recorded(void)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        char model[512], guesses[512];
        (void)snprintf(model, sizeof model, VECTORS "%s", names[i]);
        (void)snprintf(guesses, sizeof guesses, VECTORS "%s.out", names[i]);
        compare_model(model, VECTORS "texts.txt", guesses,
                      strncmp(names[i], "ova", 3) == 0 ? COMPARE_TABLE : COMPARE_EXACT);
    }
}

static struct wm_buf load(const char *name)
{
    struct wm_error err;
    struct wm_buf file;
    char path[512];
    (void)snprintf(path, sizeof path, VECTORS "%s", name);
    wm_buf_init(&file, COMPARE_BYTES);
    CHECK_OK(wm_file_load(path, &file, &err), err);
    return file;
}

static void predict_all(const struct wm_fasttext *model, struct wm_str texts, float *scores,
                        size_t *ret_n)
{
    struct wm_error err;
    struct wm_fasttext_scratch *scratch = NULL;
    CHECK_OK(wm_fasttext_scratch_new(model, &scratch, &err), err);
    size_t n = 0;
    while (scratch && texts.len) {
        struct wm_fasttext_guess guess = {0, -1};
        (void)wm_fasttext_predict(model, scratch, wm_str_line(&texts), 1, &guess);
        scores[n++] = guess.score;
    }
    wm_fasttext_scratch_free(scratch);
    *ret_n = n;
}

/* With and without sums of known words; with a cache that other texts have filled. */
static void check_same_bits(void)
{
    static float plain[4096], fast[4096];
    struct wm_error err;
    struct wm_buf texts = load("texts.txt");
    for (size_t i = 0; i < N_NAMES; i++) {
        struct wm_fasttext *model = NULL;
        struct wm_buf file = load(names[i]);
        size_t n = 0, n_plain = 0;
        CHECK_OK(wm_fasttext_parse(wm_buf_str(&file), &model, &err), err);
        predict_all(model, wm_buf_str(&texts), fast, &n);
        free(model->word_sums);
        model->word_sums = NULL;
        predict_all(model, wm_buf_str(&texts), plain, &n_plain);
        CHECK(n > 100 && n == n_plain && memcmp(fast, plain, n * sizeof *fast) == 0);
        struct wm_fasttext_scratch *fresh = NULL;
        CHECK_OK(wm_fasttext_scratch_new(model, &fresh, &err), err);
        struct wm_str rest = wm_buf_str(&texts), last = {0};
        while (rest.len)
            last = wm_str_line(&rest);
        struct wm_fasttext_guess guess = {0, -1};
        (void)wm_fasttext_predict(model, fresh, last, 1, &guess);
        CHECK(memcmp(&guess.score, &fast[n - 1], sizeof guess.score) == 0);
        wm_fasttext_scratch_free(fresh);
        wm_fasttext_free(model);
        wm_buf_done(&file);
    }
    wm_buf_done(&texts);
}

struct reader {
    pthread_t thread;
    const struct wm_fasttext *model;
    struct wm_str texts;
    float scores[4096];
    size_t n;
};

static void *read_texts(void *argument)
{
    struct reader *r = argument;
    struct wm_error err;
    struct wm_fasttext_scratch *scratch = NULL;
    struct wm_str rest = r->texts;
    if (wm_fasttext_scratch_new(r->model, &scratch, &err))
        return NULL;
    while (rest.len) {
        struct wm_fasttext_guess guess = {0, -1};
        (void)wm_fasttext_predict(r->model, scratch, wm_str_line(&rest), 1, &guess);
        r->scores[r->n++] = guess.score;
    }
    wm_fasttext_scratch_free(scratch);
    return NULL;
}

/* Several threads ask one model at once. */
static void check_threads(void)
{
    enum { THREADS = 4 };
    static struct reader readers[THREADS];
    struct wm_error err;
    struct wm_fasttext *model = NULL;
    struct wm_buf texts = load("texts.txt"), file = load("softmax.ftz");
    CHECK_OK(wm_fasttext_parse(wm_buf_str(&file), &model, &err), err);
    for (size_t i = 0; i < THREADS; i++) {
        readers[i].model = model;
        readers[i].texts = wm_buf_str(&texts);
        CHECK(pthread_create(&readers[i].thread, NULL, read_texts, &readers[i]) == 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        CHECK(pthread_join(readers[i].thread, NULL) == 0);
    for (size_t i = 0; i < THREADS; i++) {
        CHECK(readers[i].n > 100 && readers[i].n == readers[0].n);
        CHECK(memcmp(readers[i].scores, readers[0].scores, sizeof readers[0].scores) == 0);
    }
    wm_fasttext_free(model);
    wm_buf_done(&texts);
    wm_buf_done(&file);
}

static float random_float(uint32_t *seed)
{
    *seed = *seed * 1664525U + 1013904223U;
    return (float)(int32_t)*seed / (float)INT32_MAX;
}

/* Quantised rows, and the same expanded. */
static void check_matrix(bool with_norms)
{
    enum { ROWS = 300, COLS = 7, SUBS = 3, WIDTH = 3, LAST = 1 };
    struct wm_error err;
    uint32_t seed = 5;
    struct wm_ft_matrix m = {.rows = ROWS, .cols = COLS};
    m.quantiser = (struct wm_ft_quantiser){.n_sub = SUBS, .width = WIDTH, .last_width = LAST};
    m.quantiser.centroids = wm_ft_alloc(COLS * 256, sizeof(float), "test", &err);
    m.norm_quantiser.centroids = wm_ft_alloc(256, sizeof(float), "test", &err);
    m.norm_quantiser.n_sub = m.norm_quantiser.width = m.norm_quantiser.last_width = 1;
    m.codes = wm_ft_alloc(ROWS * SUBS, 1, "test", &err);
    m.norms = with_norms ? wm_ft_alloc(ROWS, 1, "test", &err) : NULL;
    for (size_t i = 0; i < COLS * 256; i++)
        m.quantiser.centroids[i] = random_float(&seed);
    for (size_t i = 0; i < 256; i++)
        m.norm_quantiser.centroids[i] = random_float(&seed);
    for (size_t i = 0; i < ROWS * SUBS; i++)
        m.codes[i] = (uint8_t)(random_float(&seed) * 127 + 128);
    for (size_t i = 0; with_norms && i < ROWS; i++)
        m.norms[i] = (uint8_t)(random_float(&seed) * 127 + 128);
    float sums[2][COLS] = {{0}}, dots[2][ROWS], v[COLS];
    for (size_t i = 0; i < COLS; i++)
        v[i] = random_float(&seed);
    for (int way = 0; way < 2; way++) {
        for (uint64_t row = 0; row < ROWS; row++)
            wm_ft_matrix_add(&m, row, sums[way]);
        wm_ft_matrix_times(&m, v, dots[way]);
        for (uint64_t row = 0; row < ROWS; row++)
            CHECK(fabsf(wm_ft_matrix_dot(&m, row, v) - dots[way][row]) == 0);
        if (way == 0) {
            CHECK_OK(wm_ft_matrix_expand(&m, ROWS * COLS * sizeof(float) - 1, &err), err);
            CHECK(m.dense == NULL && wm_ft_matrix_memory(&m) >= ROWS * SUBS);
        }
        CHECK_OK(wm_ft_matrix_expand(&m, ROWS * COLS * sizeof(float), &err), err);
        CHECK(m.dense != NULL && m.codes == NULL);
    }
    CHECK(memcmp(sums[0], sums[1], sizeof sums[0]) == 0);
    for (size_t row = 0; row < ROWS; row++)
        CHECK(fabsf(dots[0][row] - dots[1][row]) < 1e-5F);
    wm_ft_matrix_done(&m);
}

/* Whatever bytes stand there: a model that works, or WM_E_FORMAT. */
static bool parse_and_use(struct wm_str bytes)
{
    struct wm_error err;
    struct wm_fasttext *model = NULL;
    struct wm_fasttext_scratch *scratch = NULL;
    struct wm_fasttext_guess guesses[4];
    int status = wm_fasttext_parse(bytes, &model, &err);
    CHECK_(status == 0 || (status == WM_E_FORMAT && err.what[0]), "status %d", status);
    if (status == 0 && wm_fasttext_scratch_new(model, &scratch, &err) == 0) {
        size_t n = wm_fasttext_predict(model, scratch, WM_STR("abc dé жщ </s> x"), 4, guesses);
        CHECK(n <= 4);
        for (size_t i = 0; i < n; i++)
            CHECK(guesses[i].label < wm_fasttext_labels(model));
    }
    wm_fasttext_scratch_free(scratch);
    wm_fasttext_free(model);
    return status == 0;
}

static void check_damaged(const char *name)
{
    struct wm_buf file = load(name);
    uint32_t seed = 77;
    for (size_t len = 0; len < file.len; len += len < 600 ? 1 : 61)
        CHECK(!parse_and_use((struct wm_str){file.ptr, len}));
    for (int i = 0; i < 4000; i++) {
        seed = seed * 1664525U + 1013904223U;
        size_t at = (seed >> 8) % (i % 2 ? file.len : 200); /* the header is worth more */
        char was = file.ptr[at];
        file.ptr[at] = (char)(i % 3 == 0 ? 0xFF : i % 3 == 1 ? 0x7F : (int)(seed >> 3));
        (void)parse_and_use(wm_buf_str(&file));
        file.ptr[at] = was;
    }
    CHECK(parse_and_use(wm_buf_str(&file)));
    struct wm_error err;
    CHECK_OK(wm_buf_add(&file, "x", 1, &err), err);
    CHECK(!parse_and_use(wm_buf_str(&file)));
    wm_buf_done(&file);
}

static void check_errors(void)
{
    struct wm_error err;
    struct wm_fasttext *model = NULL;
    CHECK_FAILS(wm_fasttext_parse((struct wm_str){0}, &model, &err), WM_E_FORMAT, err, "ends");
    CHECK_FAILS(wm_fasttext_open(VECTORS, &model, &err), WM_E_FORMAT, err, "not a regular file");
    CHECK_FAILS(wm_fasttext_open(VECTORS "none", &model, &err), WM_E_IO, err, "");
    CHECK(strstr(err.where, "none"));
    CHECK_FAILS(wm_fasttext_open(VECTORS "texts.txt", &model, &err), WM_E_FORMAT, err,
                "not a fastText model");
    struct wm_buf file = load("hs.bin");
    static const struct {
        size_t at;
        int32_t value;
        const char *words;
    } lies[] = {{4, 13, "format 13"},         {8, 0, "dim is 0"},         {8, 1 << 30, "dim is"},
                {28, 65, "wordNgrams is 65"}, {32, 9, "loss 9"},          {36, 1, "word vectors"},
                {40, 0, "bucket is 0"},       {44, -1, "minn is -1"},     {48, 1000, "maxn 1000"},
                {64, -5, "dictionary"},       {64, 1 << 30, "dictionary"}};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        int32_t was;
        memcpy(&was, file.ptr + lies[i].at, 4);
        memcpy(file.ptr + lies[i].at, &lies[i].value, 4);
        CHECK_FAILS(wm_fasttext_parse(wm_buf_str(&file), &model, &err), WM_E_FORMAT, err,
                    lies[i].words);
        memcpy(file.ptr + lies[i].at, &was, 4);
    }
    float infinite = INFINITY;
    memcpy(file.ptr + file.len - 4, &infinite, 4);
    CHECK_FAILS(wm_fasttext_parse(wm_buf_str(&file), &model, &err), WM_E_FORMAT, err,
                "not a number");
    wm_buf_done(&file);
}

int main(void)
{
    check_recorded();
    check_same_bits();
    check_threads();
    check_matrix(false);
    check_matrix(true);
    check_damaged("hs.bin");
    check_damaged("softmax.ftz");
    check_damaged("ova.bin");
    check_errors();
    return test_summary();
}
