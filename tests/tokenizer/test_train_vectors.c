/* SPDX-License-Identifier: Apache-2.0 */
/* Merges against those of Hugging Face's BpeTrainer and of rustbpe on the same text. Each line with
 * its LF is one sequence. HF's alphabet is the bytes seen; ours is all 256 or those seen, which
 * changes no merge. Neither do threads, nor the order of the lines. */
#include <pthread.h>
#include <stdlib.h>

#include "bpe_vectors.h"
#include "tokenizer/bpe.h"

enum { TEXT_MAX = 64 << 20 };

struct way {
    unsigned threads;
    bool backwards; /* lines in the opposite order */
    int split, ties, alphabet;
    uint64_t memory; /* 0: the default */
};

struct lines {
    struct wm_str *lines;
    size_t n;
};

struct worker {
    pthread_t thread;
    struct wm_counter *counter;
    const struct lines *lines;
    const struct way *way;
    unsigned number;
    int status;
    struct wm_error err;
};

static struct lines lines_of(struct wm_str text)
{
    struct lines all = {malloc((wm_str_count(text, '\n') + 1) * sizeof *all.lines), 0};
    const char *end = text.ptr + text.len;
    while (text.len) {
        struct wm_str line = wm_str_line(&text);
        line.len += line.ptr + line.len < end;
        all.lines[all.n++] = line;
    }
    return all;
}

static void *count(void *arg)
{
    struct worker *w = arg;
    for (size_t i = w->number; !w->status && i < w->lines->n; i += w->way->threads)
        w->status = wm_counter_add(
            w->counter, w->lines->lines[w->way->backwards ? w->lines->n - 1 - i : i], &w->err);
    return NULL;
}

static void count_all(struct wm_bpe_trainer *trainer, const struct lines *lines,
                      const struct way *way)
{
    enum { MOST = 3 };
    struct worker workers[MOST] = {0};
    struct wm_error err = {0};
    for (unsigned i = 0; i < way->threads; i++) {
        workers[i] = (struct worker){.lines = lines, .way = way, .number = i};
        CHECK_OK(wm_counter_new(trainer, &workers[i].counter, &err), err);
        CHECK(pthread_create(&workers[i].thread, NULL, count, &workers[i]) == 0);
    }
    for (unsigned i = 0; i < way->threads; i++)
        CHECK(pthread_join(workers[i].thread, NULL) == 0);
    for (unsigned i = way->threads; i-- > 0;) {
        CHECK_OK(workers[i].status, workers[i].err);
        CHECK_OK(wm_trainer_fold(trainer, workers[i].counter, &err), err);
        wm_counter_free(workers[i].counter);
    }
}

static struct wm_tokenizer *train(const char *path, const struct way *way, uint64_t n_merges)
{
    struct wm_error err = {0};
    struct wm_tokenizer_options options = {0};
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_tokenizer *tok = NULL;
    struct wm_buf text;
    bool seen[256] = {0};
    unsigned n_bytes = 0;
    wm_options_default(wm_tokenizer_option_table, &options);
    wm_buf_init(&text, TEXT_MAX);
    CHECK_OK(wm_file_load(path, &text, &err), err);
    for (size_t i = 0; i < text.len; i++)
        seen[(unsigned char)text.ptr[i]] = true;
    for (unsigned i = 0; i < 256; i++)
        n_bytes += seen[i] || way->alphabet == WM_ALPHABET_ALL;
    options.split = way->split;
    options.ties = way->ties;
    options.alphabet = way->alphabet;
    options.min_frequency = 1;
    options.max_token = BPE_MAX_TOKEN;
    options.vocabulary = n_bytes + n_merges + 1;
    if (way->memory)
        options.memory = way->memory;
    struct lines lines = lines_of(wm_buf_str(&text));
    CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
    count_all(trainer, &lines, way);
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    CHECK_U64(wm_tokenizer_size(tok), options.vocabulary);
    wm_trainer_free(trainer);
    wm_buf_done(&text);
    free(lines.lines);
    return tok;
}

/* Train on DIR/corpus and compare with the first merges, those that DIR/merges holds. */
static void check_way(const char *dir, const char *corpus, const char *merges,
                      const struct way *way)
{
    struct wm_error err = {0};
    char path[8192];
    struct wm_buf want, got;
    wm_buf_init(&want, TEXT_MAX);
    wm_buf_init(&got, TEXT_MAX);
    (void)snprintf(path, sizeof path, "%s/%s", dir, merges);
    CHECK_OK(wm_file_load(path, &want, &err), err);
    uint64_t n = wm_str_count(wm_buf_str(&want), '\n');
    CHECK(n > 0);
    (void)snprintf(path, sizeof path, "%s/%s", dir, corpus);
    struct wm_tokenizer *tok = train(path, way, n);
    struct wm_str rest = wm_buf_str(&want);
    CHECK_U64(tok->n_merges, n);
    for (uint32_t i = 0; i < tok->n_merges && i < n; i++) {
        struct wm_str line = wm_str_line(&rest);
        got.len = 0;
        CHECK_OK(bpe_map_bytes(wm_token_bytes(tok, tok->merges[i].left), &got, &err), err);
        CHECK_OK(wm_buf_add(&got, " ", 1, &err), err);
        CHECK_OK(bpe_map_bytes(wm_token_bytes(tok, tok->merges[i].right), &got, &err), err);
        CHECK_STR(wm_buf_str(&got), line);
        if (test_failures > 3)
            break;
    }
    wm_tokenizer_free(tok);
    wm_buf_done(&want);
    wm_buf_done(&got);
}

/* One to three threads, lines permuted. */
static void check_merges(const char *dir, const char *corpus, const char *merges, int split,
                         int ties)
{
    for (unsigned threads = 1; threads <= 3; threads++) {
        struct way way = {threads, threads == 2, split, ties, threads % 2, 0};
        check_way(dir, corpus, merges, &way);
    }
}

static void encode_file(const struct wm_tokenizer *tok, struct wm_str text, struct wm_ids *ids)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    CHECK_OK(wm_encode(enc, text, 0, ids, &err), err);
    wm_encoder_free(enc);
}

/* The file Hugging Face wrote after training is read, and gives the ids that ours gives. */
static void check_foreign_file(const char *dir)
{
    struct wm_error err = {0};
    char path[8192];
    struct wm_tokenizer *theirs = NULL;
    struct wm_ids a = {0}, b = {0};
    struct wm_buf text;
    wm_buf_init(&text, TEXT_MAX);
    (void)snprintf(path, sizeof path, "%s/hf_r50k.tokenizer.json", dir);
    CHECK_OK(wm_tokenizer_load(path, &theirs, &err), err);
    (void)snprintf(path, sizeof path, "%s/train3m.txt", dir);
    CHECK_OK(wm_file_load(path, &text, &err), err);
    CHECK_U64(wm_tokenizer_size(theirs), 4096);
    struct way way = {1, false, WM_SPLIT_R50K, WM_TIES_HF, WM_ALPHABET_SEEN, 0};
    struct wm_tokenizer *ours = train(path, &way, theirs->n_merges);
    encode_file(theirs, wm_buf_str(&text), &a);
    encode_file(ours, wm_buf_str(&text), &b);
    CHECK_U64(a.n, b.n);
    CHECK(a.n == b.n && memcmp(a.ids, b.ids, a.n * sizeof *a.ids) == 0);
    wm_ids_done(&a);
    wm_ids_done(&b);
    wm_buf_done(&text);
    wm_tokenizer_free(ours);
    wm_tokenizer_free(theirs);
}

int main(void)
{
    const char *own = WM_SOURCE_DIR "/tests/vectors/bpe";
    char dir[4096];
    check_merges(own, "ties.txt", "hf_ties.merges", WM_SPLIT_R50K, WM_TIES_HF);
    check_merges(own, "runs.txt", "hf_runs.merges", WM_SPLIT_R50K, WM_TIES_HF);
    (void)snprintf(dir, sizeof dir, "%s/bpe/train", test_vectors());
    if (!wm_exists(dir)) {
        (void)printf("skipped: no vectors at %s\n", dir);
        return test_summary();
    }
    check_merges(dir, "ties.txt", "hf_ties.merges", WM_SPLIT_R50K, WM_TIES_HF);
    check_merges(dir, "runs.txt", "hf_runs.merges", WM_SPLIT_R50K, WM_TIES_HF);
    check_merges(dir, "train3m.txt", "hf_r50k.merges", WM_SPLIT_R50K, WM_TIES_HF);
    check_merges(dir, "train3m.txt", "hf_cl100k.merges", WM_SPLIT_CL100K, WM_TIES_HF);
    check_merges(dir, "train3m.txt", "rustbpe_r50k.merges", WM_SPLIT_R50K, WM_TIES_RAW_BYTE);
    check_merges(dir, "train3m.txt", "rustbpe_cl100k.merges", WM_SPLIT_CL100K, WM_TIES_RAW_BYTE);
    check_foreign_file(dir);
    return test_summary();
}
