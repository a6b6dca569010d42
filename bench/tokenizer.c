/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding TEXTs (JSON lines with a `text`, else one document a file), CPU seconds, one thread: a
 * first pass with a fresh encoder, the splitting alone, and what is left of the first without the second.
 *
 *     tokenizer TOKENIZER [-n ROUNDS] [-s SPLIT] [-i IDS] TEXT…
 *
 * TOKENIZER is tokenizer.json or a .tiktoken file, which takes the split of SPLIT (r50k, cl100k).
 * IDS gets the ids, little-endian uint32, each document's behind their number. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tokenizer/bpe.h"
#include "tokenizer/ranks.h"
#include "wetmill/file.h"
#include "wetmill/json.h"

enum { MAX_BYTES = 1 << 30, MAX_ROUNDS = 99 };

struct texts {
    struct wm_str *docs;
    size_t n, cap, bytes;
    struct wm_arena arena;
};

static double seconds(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static _Noreturn void stop(const struct wm_error *err)
{
    (void)fprintf(stderr, "%s: %s\n", err->where, err->what);
    exit(1);
}

static void add(struct texts *texts, struct wm_str doc)
{
    if (texts->n == texts->cap) {
        texts->cap = texts->cap ? 2 * texts->cap : 1024;
        texts->docs = realloc(texts->docs, texts->cap * sizeof *texts->docs);
        if (!texts->docs)
            abort();
    }
    texts->docs[texts->n++] = doc;
    texts->bytes += doc.len;
}

static int read_lines(struct texts *texts, struct wm_str rest, struct wm_error *err)
{
    int more = 0;
    while (rest.len && more >= 0) {
        struct wm_json r;
        struct wm_str key, text;
        wm_json_open(&r, wm_str_line(&rest), &texts->arena);
        more = wm_json_object(&r, err);
        while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
            bool wanted = wm_str_eq(key, WM_STR("text"));
            more = wanted ? wm_json_string(&r, &text, err) : wm_json_skip(&r, NULL, err);
            if (wanted && !more)
                add(texts, text);
        }
    }
    return more;
}

static void read_texts(struct texts *texts, char **paths, size_t n)
{
    struct wm_error err = {0};
    wm_arena_init(&texts->arena, (size_t)4 * MAX_BYTES);
    for (size_t i = 0; i < n; i++) {
        struct wm_buf file; /* kept until the end */
        wm_buf_init(&file, MAX_BYTES);
        size_t len = strlen(paths[i]);
        int status = wm_file_load(paths[i], &file, &err);
        if (!status && len > 6 && strcmp(paths[i] + len - 6, ".jsonl") == 0)
            status = read_lines(texts, wm_buf_str(&file), &err);
        else if (!status)
            add(texts, wm_buf_str(&file));
        if (status)
            stop(&err);
    }
}

static struct wm_tokenizer *load(const char *path, const char *split)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    double begin = seconds();
    const char *pattern =
        bpe_named_patterns[strcmp(split, "r50k") == 0 ? WM_SPLIT_R50K : WM_SPLIT_CL100K];
    size_t len = strlen(path);
    int status = len > 9 && strcmp(path + len - 9, ".tiktoken") == 0
                     ? bpe_load_ranks(path, wm_str_of(pattern), NULL, 0, &tok, &err)
                     : wm_tokenizer_load(path, &tok, &err);
    if (status)
        stop(&err);
    (void)printf("load        %8.1f ms\n", 1e3 * (seconds() - begin));
    return tok;
}

/* All texts through a fresh encoder: seconds. */
static double encode(const struct wm_tokenizer *tok, const struct texts *texts, uint64_t *ret_ids,
                     FILE *out)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    struct wm_ids ids = {0};
    double begin = seconds();
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
    double used = seconds() - begin;
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
    double begin = seconds();
    for (size_t i = 0; i < texts->n; i++) {
        int n;
        bpe_split(splitter, texts->docs[i]);
        while ((n = bpe_next_pieces(splitter, ends, AT_A_TIME, &err)) > 0)
            *ret_pieces += (uint64_t)n;
        if (n < 0)
            stop(&err);
    }
    double used = seconds() - begin;
    bpe_splitter_free(splitter);
    return used;
}

static int rising(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
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

int main(int argc, char **argv)
{
    struct texts texts = {0};
    const char *named = "cl100k", *ids_path = NULL;
    double whole[MAX_ROUNDS], splits[MAX_ROUNDS], rest[MAX_ROUNDS];
    uint64_t n_ids = 0, n_pieces = 0;
    int rounds = 5;
    for (int c; (c = getopt(argc, argv, "n:s:i:")) != -1;) {
        if (c == 'n')
            rounds = (int)strtol(optarg, NULL, 10);
        else if (c == 's')
            named = optarg;
        else if (c == 'i')
            ids_path = optarg;
        else
            return 2;
    }
    if (argc - optind < 2 || rounds < 1 || rounds > MAX_ROUNDS) {
        (void)fprintf(stderr, "tokenizer [-n ROUNDS] [-s SPLIT] [-i IDS] TOKENIZER TEXT…\n");
        return 2;
    }
    struct wm_tokenizer *tok = load(argv[optind], named);
    read_texts(&texts, argv + optind + 1, (size_t)(argc - optind - 1));
    FILE *out = ids_path ? fopen(ids_path, "wb") : NULL;
    for (int i = 0; i < rounds; i++) {
        splits[i] = split(tok, &texts, &n_pieces);
        whole[i] = encode(tok, &texts, &n_ids, i == 0 ? out : NULL);
        rest[i] = whole[i] - splits[i];
    }
    if (out && fclose(out) != 0)
        return 1;
    (void)printf("%zu documents, %zu bytes\n", texts.n, texts.bytes);
    show("split", splits, rounds, texts.bytes, n_pieces, "pieces");
    show("the rest", rest, rounds, texts.bytes, n_ids, "ids");
    show("encode", whole, rounds, texts.bytes, n_ids, "ids");
    wm_tokenizer_free(tok);
    return 0;
}
