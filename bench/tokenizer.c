/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding TEXTs (JSON lines with a `text`, else one document a file), CPU seconds, one thread: a
 * first pass with a fresh encoder, the splitting alone, and what is left of the first without the second.
 *
 *     bench_tokenizer [-n ROUNDS] [-s SPLIT] [-i IDS] [-t THREADS] TOKENIZER TEXT…
 *     bench_tokenizer -r TOKENIZER                       long runs
 *     bench_tokenizer -w PREFIX [-l] [-m BYTES] TEXT…    the texts for others (texts.h)
 *
 * TOKENIZER is tokenizer.json or a .tiktoken file, which takes the split of SPLIT (r50k, cl100k).
 * IDS gets the ids, little-endian uint32, each document's behind their number. THREADS: also how
 * many times as fast so many threads are, by the clock. -l: lines instead of documents. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "bench/tokenizer/runs.h"
#include "bench/tokenizer/texts.h"
#include "tokenizer/bpe.h"
#include "tokenizer/ranks.h"

enum { MAX_ROUNDS = 99, LOADS = 9 };

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Median of a few loads. */
static struct wm_tokenizer *load(const char *path, const char *split)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    double used[LOADS];
    const char *pattern =
        bpe_named_patterns[strcmp(split, "r50k") == 0 ? WM_SPLIT_R50K : WM_SPLIT_CL100K];
    size_t len = strlen(path);
    bool ranks = len > 9 && strcmp(path + len - 9, ".tiktoken") == 0;
    for (int i = 0; i < LOADS; i++) {
        wm_tokenizer_free(tok);
        double begin = cpu_seconds();
        if (ranks ? bpe_load_ranks(path, wm_str_of(pattern), NULL, 0, &tok, &err)
                  : wm_tokenizer_load(path, &tok, &err))
            stop(&err);
        used[i] = cpu_seconds() - begin;
    }
    qsort(used, LOADS, sizeof *used, rising);
    (void)printf("load        %8.1f ms\n", 1e3 * used[LOADS / 2]);
    return tok;
}

/* All texts through a fresh encoder: seconds. */
static double encode(const struct wm_tokenizer *tok, const struct texts *texts, uint64_t *ret_ids,
                     FILE *out)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    double begin = cpu_seconds();
    *ret_ids = 0;
    if (wm_encoder_new(tok, &enc, &err))
        stop(&err);
    for (size_t i = 0; i < texts->n; i++) {
        ids.n = 0;
        if (wm_encode(enc, texts->docs[i], 0, &ids, &err))
            stop(&err);
        *ret_ids += ids.n;
        uint32_t n = (uint32_t)ids.n;
        if (out && (fwrite(&n, sizeof n, 1, out) != 1 || fwrite(ids.ids, 4, n, out) != n))
            abort();
    }
    double used = cpu_seconds() - begin;
    wm_ids_done(&ids);
    wm_encoder_free(enc);
    return used;
}

/* Splitting alone. */
static double split(const struct wm_tokenizer *tok, const struct texts *texts, uint64_t *ret_pieces)
{
    enum { AT_A_TIME = 128 };
    struct wm_error err = {0};
    struct bpe_splitter *splitter = NULL;
    uint32_t ends[AT_A_TIME];
    *ret_pieces = 0;
    if (bpe_splitter_new(tok->pattern, &splitter, &err))
        stop(&err);
    double begin = cpu_seconds();
    for (size_t i = 0; i < texts->n; i++) {
        int n;
        bpe_split(splitter, texts->docs[i]);
        while ((n = bpe_next_pieces(splitter, ends, AT_A_TIME, &err)) > 0)
            *ret_pieces += (uint64_t)n;
        if (n < 0)
            stop(&err);
    }
    double used = cpu_seconds() - begin;
    bpe_splitter_free(splitter);
    return used;
}

static void show(const char *what, double *used, int rounds, size_t bytes, uint64_t n,
                 const char *unit)
{
    qsort(used, (size_t)rounds, sizeof *used, rising);
    double median = used[rounds / 2];
    (void)printf("%-11s %8.1f MB/s  best %.1f  %.3f s  %llu %s\n", what,
                 (double)bytes / 1e6 / median, (double)bytes / 1e6 / used[0], median,
                 (unsigned long long)n, unit);
}

static double now(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* All texts by so many threads: seconds by the clock, and of all processors. */
static void encode_batch(const struct wm_tokenizer *tok, const struct texts *texts,
                         unsigned threads, double least[2])
{
    struct wm_error err = {0};
    struct wm_ids *ids = calloc(texts->n, sizeof *ids);
    if (!ids)
        abort();
    double begin[2] = {now(), cpu_seconds()};
    if (wm_encode_batch(tok, texts->docs, texts->n, 0, NULL, threads, ids, &err))
        stop(&err);
    double used[2] = {now() - begin[0], cpu_seconds() - begin[1]};
    for (int k = 0; k < 2; k++)
        least[k] = least[k] == 0 || used[k] < least[k] ? used[k] : least[k];
    for (size_t i = 0; i < texts->n; i++)
        wm_ids_done(&ids[i]);
    free(ids);
}

/* By CPU time: what the clock would say on a machine where nobody else is busy, and the work is
 * dealt out evenly. */
static void show_threads(const struct wm_tokenizer *tok, const struct texts *texts, int rounds,
                         unsigned threads)
{
    double one[2] = {0}, many[2] = {0};
    for (int i = 0; i < rounds; i++) {
        encode_batch(tok, texts, 1, one);
        encode_batch(tok, texts, threads, many);
    }
    (void)printf(
        "%u threads   %8.2f times one by the clock, %.2f by CPU time, %.1f MB/s by the clock\n",
        threads, one[0] / many[0], threads * one[1] / many[1],
        (double)texts->bytes / 1e6 / many[0]);
}

struct options {
    const char *split, *ids, *prefix;
    int rounds;
    unsigned threads;
    size_t max_bytes;
    bool runs, lines;
};

static int usage(void)
{
    (void)fprintf(stderr,
                  "bench_tokenizer [-n ROUNDS] [-s SPLIT] [-i IDS] [-t THREADS] TOKENIZER TEXT…\n"
                  "bench_tokenizer -r TOKENIZER\n"
                  "bench_tokenizer -w PREFIX [-l] [-m BYTES] TEXT…\n");
    return 2;
}

static bool parse(int argc, char **argv, struct options *o)
{
    for (int c; (c = getopt(argc, argv, "n:s:i:t:w:m:rl")) != -1;) {
        switch (c) {
        case 'n':
            o->rounds = (int)strtol(optarg, NULL, 10);
            break;
        case 's':
            o->split = optarg;
            break;
        case 'i':
            o->ids = optarg;
            break;
        case 't':
            o->threads = (unsigned)strtoul(optarg, NULL, 10);
            break;
        case 'w':
            o->prefix = optarg;
            break;
        case 'm':
            o->max_bytes = (size_t)strtoull(optarg, NULL, 10);
            break;
        case 'r':
            o->runs = true;
            break;
        case 'l':
            o->lines = true;
            break;
        default:
            return false;
        }
    }
    int wanted = o->runs || o->prefix ? 1 : 2;
    return argc - optind >= wanted && o->rounds >= 1 && o->rounds <= MAX_ROUNDS;
}

static int compare(const struct options *o, const struct wm_tokenizer *tok,
                   const struct texts *texts)
{
    double whole[MAX_ROUNDS], splits[MAX_ROUNDS], rest[MAX_ROUNDS];
    uint64_t n_ids = 0, n_pieces = 0;
    FILE *out = o->ids ? fopen(o->ids, "wb") : NULL;
    for (int i = 0; i < o->rounds; i++) {
        splits[i] = split(tok, texts, &n_pieces);
        whole[i] = encode(tok, texts, &n_ids, i == 0 ? out : NULL);
        rest[i] = whole[i] - splits[i];
    }
    if (out && fclose(out) != 0)
        return 1;
    (void)printf("%zu documents, %zu bytes\n", texts->n, texts->bytes);
    show("split", splits, o->rounds, texts->bytes, n_pieces, "pieces");
    show("the rest", rest, o->rounds, texts->bytes, n_ids, "ids");
    show("encode", whole, o->rounds, texts->bytes, n_ids, "ids");
    if (o->threads)
        show_threads(tok, texts, o->rounds, o->threads);
    return 0;
}

int main(int argc, char **argv)
{
    struct options o = {.split = "cl100k", .rounds = 5, .max_bytes = SIZE_MAX};
    struct texts texts = {0};
    struct wm_tokenizer *tok = NULL;
    if (!parse(argc, argv, &o))
        return usage();
    if (!o.prefix)
        tok = load(argv[optind++], o.split);
    texts_read(&texts, argv + optind, (size_t)(argc - optind));
    int code = 0;
    if (o.prefix && o.lines)
        texts_write_lines(&texts, o.prefix, o.max_bytes);
    else if (o.prefix)
        texts_write_docs(&texts, o.prefix, o.max_bytes);
    else if (o.runs)
        runs_print(tok);
    else
        code = compare(&o, tok, &texts);
    wm_tokenizer_free(tok);
    return code;
}
