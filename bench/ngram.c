/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens a second of n-gram scoring, by CPU time of one thread.
 *
 *     bench_ngram MODEL TEXT [seconds]
 *
 * TEXT: a sentence a line, words separated by spaces. Words are looked up once ("words"), then the
 * indices are scored again and again ("scores"), sentences in order; the text should be large
 * enough that its n-grams do not stay in the caches. Tokens are words and </s>. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "wetmill/file.h"
#include "wetmill/ngram.h"

enum { MAX_ROUNDS = 1000, MAX_TEXT = 1 << 30 };

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct text {
    uint32_t *words;
    size_t *ends; /* of each sentence in words */
    size_t n_sentences;
};

static int read_text(const struct wm_ngram *model, struct wm_str bytes, struct text *text,
                     struct wm_error *err)
{
    size_t n = 0;
    text->words = malloc((bytes.len / 2 + 1) * sizeof *text->words);
    text->ends = malloc((bytes.len + 1) * sizeof *text->ends);
    if (!text->words || !text->ends)
        return wm_fail_nomem(err, bytes.len, "words");
    while (bytes.len) {
        struct wm_str line = wm_str_line(&bytes);
        while (line.len) {
            const char *space = memchr(line.ptr, ' ', line.len);
            struct wm_str word = {line.ptr, space ? (size_t)(space - line.ptr) : line.len};
            if (word.len)
                text->words[n++] = wm_ngram_word(model, word);
            line.ptr += word.len + (space != NULL);
            line.len -= word.len + (space != NULL);
        }
        text->ends[text->n_sentences++] = n;
    }
    return 0;
}

enum { TOGETHER = 32 }; /* sentences, as of a document */

static double score_all(const struct wm_ngram *model, const struct text *text)
{
    double log10 = 0;
    for (size_t i = 0; i < text->n_sentences; i += TOGETHER) {
        struct wm_ngram_score scores[TOGETHER];
        size_t ends[TOGETHER], from = i ? text->ends[i - 1] : 0;
        size_t n = text->n_sentences - i < TOGETHER ? text->n_sentences - i : TOGETHER;
        for (size_t k = 0; k < n; k++)
            ends[k] = text->ends[i + k] - from;
        wm_ngram_score_many(model, text->words + from, ends, n, scores);
        for (size_t k = 0; k < n; k++)
            log10 += scores[k].log10;
    }
    return log10;
}

static void measure(const struct wm_ngram *model, const struct text *text, double wanted)
{
    static double times[MAX_ROUNDS];
    size_t n = 0, tokens = text->ends[text->n_sentences - 1] + text->n_sentences;
    double log10 = score_all(model, text), spent = 0; /* the first round touches the pages */
    do {
        double begin = seconds();
        (void)score_all(model, text);
        spent += times[n++] = seconds() - begin;
    } while (n < MAX_ROUNDS && (n < 3 || spent < wanted));
    qsort(times, n, sizeof *times, compare);
    (void)printf("scores: %.2f M tokens/s, best %.2f; %zu tokens, %zu rounds, log10 %.2f\n",
                 (double)tokens / times[n / 2] * 1e-6, (double)tokens / times[0] * 1e-6, tokens, n,
                 log10);
}

int main(int argc, char **argv)
{
    struct wm_error err = {0};
    struct wm_ngram *model = NULL;
    struct text text = {0};
    struct wm_buf file;
    wm_buf_init(&file, MAX_TEXT);
    if (argc < 3) {
        (void)fprintf(stderr, "usage: bench_ngram MODEL TEXT [seconds]\n");
        return 2;
    }
    double begin = seconds();
    int status = wm_ngram_open(argv[1], &model, &err);
    if (!status)
        status = wm_file_load(argv[2], &file, &err);
    if (!status)
        (void)printf("%s: %.0f MB, opened in %.3f s\n", wm_ngram_format(model),
                     (double)(wm_ngram_memory(model) + wm_ngram_mapped(model)) * 1e-6,
                     seconds() - begin);
    begin = seconds();
    if (!status)
        status = read_text(model, wm_buf_str(&file), &text, &err);
    if (!status && text.n_sentences) {
        (void)printf("words: %.2f M/s\n",
                     (double)text.ends[text.n_sentences - 1] / (seconds() - begin) * 1e-6);
        measure(model, &text, argc > 3 ? atof(argv[3]) : 2);
    }
    if (status)
        (void)fprintf(stderr, "%s: %s\n", err.where, err.what);
    wm_buf_done(&file);
    free(text.words);
    free(text.ends);
    wm_ngram_free(model);
    return status ? 1 : 0;
}
