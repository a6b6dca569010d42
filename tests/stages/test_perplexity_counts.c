/* SPDX-License-Identifier: Apache-2.0 */
/* Percentiles against sorting all perplexities; the order they come in does not matter; the table reads
 * back as stage bucket reads it. */
#include "stages/perplexity_counts.h"

#include <math.h>
#include <stdlib.h>

#include "test.h"

static struct wm_error err;

static uint64_t random_state = 7;
static uint32_t random32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

static struct wm_buf table(const struct wm_perplexity_counts *counts, const unsigned *percentiles,
                           size_t n)
{
    struct wm_buf csv;
    wm_buf_init(&csv, 1 << 20);
    CHECK_OK(wm_perplexity_counts_csv(counts, percentiles, n, &csv, &err), err);
    return csv;
}

static void add(struct wm_perplexity_counts *counts, const char *language, double perplexity)
{
    CHECK_OK(wm_perplexity_counts_add(counts, wm_str_of(language), perplexity, &err), err);
}

static void test_known(void)
{
    static const unsigned rows[] = {0, 30, 60, 99, 100};
    struct wm_perplexity_counts counts;
    wm_perplexity_counts_init(&counts);
    for (int i = 1000; i > 0; i--) /* 0.1 … 100.0 */
        add(&counts, "en", i / 10.0);
    add(&counts, "de", 7.25); /* tenths: 7.3 */
    add(&counts, "de", 123456789.4);
    add(&counts, "zh", 0);
    add(&counts, "a,b", 1);
    add(&counts, " x", 1);
    add(&counts, "", 1);
    add(&counts, "en", -1);
    add(&counts, "en", NAN);
    add(&counts, "en", INFINITY);
    add(&counts, "en", 1e300);
    CHECK_U64(counts.documents, 1003);
    CHECK_U64(counts.unfit, 7);
    struct wm_buf csv = table(&counts, rows, 5);
    CHECK_STR(wm_buf_str(&csv), WM_STR("percentile,de,en,zh\n"
                                       "0,7.3,0.1,0.0\n"
                                       "30,7.3,30.1,0.0\n"
                                       "60,123457000.0,60.1,0.0\n"
                                       "99,123457000.0,99.1,0.0\n"
                                       "100,123457000.0,100.0,0.0\n"));
    struct wm_arena arena;
    struct wm_cutoffs cutoffs;
    wm_arena_init(&arena, 1 << 20);
    CHECK_OK(wm_cutoffs_parse(wm_buf_str(&csv), 30, 60, &arena, &cutoffs, &err), err);
    const struct wm_cutoff *en = wm_cutoffs_find(&cutoffs, WM_STR("en"));
    CHECK(cutoffs.n == 3 && en && en->head == 30.1 && en->tail == 60.1);
    wm_arena_done(&arena);
    wm_buf_done(&csv);
    wm_perplexity_counts_done(&counts);
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void test_sorted(void)
{
    enum { N = 30011 };
    static double values[N];
    unsigned rows[101];
    struct wm_perplexity_counts up, down;
    wm_perplexity_counts_init(&up);
    wm_perplexity_counts_init(&down);
    for (unsigned p = 0; p <= 100; p++)
        rows[p] = p;
    for (size_t i = 0; i < N; i++)
        values[i] = floor(pow(10, random32() % 50000 / 1e4) * 10) / 10;
    for (size_t i = 0; i < N; i++) {
        add(&up, i % 2 ? "odd" : "even", values[i]);
        add(&down, (N - 1 - i) % 2 ? "odd" : "even", values[N - 1 - i]);
    }
    struct wm_buf a = table(&up, rows, 101), b = table(&down, rows, 101);
    CHECK_STR(wm_buf_str(&a), wm_buf_str(&b));
    double even[N / 2 + 1];
    for (size_t i = 0; i < N; i += 2)
        even[i / 2] = values[i];
    qsort(even, N / 2 + 1, sizeof *even, rising);
    struct wm_str rest = wm_buf_str(&a);
    (void)wm_str_line(&rest);
    for (unsigned p = 0; p <= 100; p++) {
        unsigned row;
        double got;
        struct wm_str line = wm_str_line(&rest);
        size_t at = (size_t)(N / 2 + 1) * p / 100;
        CHECK(sscanf(line.ptr, "%u,%lf", &row, &got) == 2 && row == p);
        double want = even[at > N / 2 ? N / 2 : at];
        CHECK_(fabs(got - want) < 0.06, "percentile %u is %f, want %f", p, got, want);
    }
    wm_buf_done(&a);
    wm_buf_done(&b);
    wm_perplexity_counts_done(&up);
    wm_perplexity_counts_done(&down);
}

static void test_limits(void)
{
    struct wm_perplexity_counts counts;
    wm_perplexity_counts_init(&counts);
    char name[16];
    int status = 0;
    unsigned n = 0;
    for (; !status && n <= WM_CUTOFFS_LANGUAGES; n++) {
        (void)snprintf(name, sizeof name, "l%u", n);
        status = wm_perplexity_counts_add(&counts, wm_str_of(name), n, &err);
    }
    CHECK_FAILS(status, WM_E_LIMIT, err, "languages");
    CHECK_U64(counts.n_languages, WM_CUTOFFS_LANGUAGES - 1);
    wm_perplexity_counts_done(&counts);
    wm_perplexity_counts_init(&counts);
    for (unsigned i = 0; i < 3000000; i++) /* few different ones, however many there are */
        add(&counts, "en", 100000 + i * 0.1);
    CHECK_(counts.n <= 310000, "%zu", counts.n);
    struct wm_buf csv = table(&counts, (unsigned[]){50}, 1);
    CHECK_STR(wm_buf_str(&csv), WM_STR("percentile,en\n50,250000.0\n"));
    wm_buf_done(&csv);
    wm_perplexity_counts_done(&counts);
}

int main(void)
{
    test_known();
    test_sorted();
    test_limits();
    return test_summary();
}
