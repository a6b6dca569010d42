/* SPDX-License-Identifier: Apache-2.0 */
/* Merges against those of Hugging Face's BpeTrainer on the same text. Each line with its LF is one
 * sequence. Its alphabet is the bytes seen; ours is all 256, which changes no merge. */
#include "bpe_vectors.h"
#include "tokenizer/bpe.h"

enum { TEXT_MAX = 64 << 20 };

static struct wm_tokenizer *train(const char *path, int split, uint64_t n_merges)
{
    struct wm_error err = {0};
    struct wm_tokenizer_options options;
    struct wm_bpe_trainer *trainer = NULL;
    struct wm_counter *counter = NULL;
    struct wm_tokenizer *tok = NULL;
    struct wm_buf text;
    wm_options_default(wm_tokenizer_option_table, &options);
    options.split = split;
    options.min_frequency = 1;
    options.max_token = BPE_MAX_TOKEN;
    options.vocabulary = 256 + n_merges + 1;
    wm_buf_init(&text, TEXT_MAX);
    CHECK_OK(wm_file_load(path, &text, &err), err);
    CHECK_OK(wm_trainer_new(&options, &trainer, &err), err);
    CHECK_OK(wm_counter_new(trainer, &counter, &err), err);
    for (struct wm_str rest = wm_buf_str(&text); rest.len;) {
        struct wm_str line = wm_str_line(&rest);
        line.len += rest.len || text.ptr[text.len - 1] == '\n';
        CHECK_OK(wm_counter_add(counter, line, &err), err);
    }
    CHECK_OK(wm_trainer_fold(trainer, counter, &err), err);
    CHECK_OK(wm_trainer_finish(trainer, NULL, NULL, &tok, &err), err);
    wm_counter_free(counter);
    wm_trainer_free(trainer);
    wm_buf_done(&text);
    return tok;
}

/* Train on DIR/corpus and compare with the first merges, those that DIR/merges holds. */
static void check_merges(const char *dir, const char *corpus, const char *merges, int split)
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
    struct wm_tokenizer *tok = train(path, split, n);
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

static void encode_file(const struct wm_tokenizer *tok, struct wm_str text, struct wm_ids *ids)
{
    struct wm_error err = {0};
    struct wm_encoder *enc = NULL;
    CHECK_OK(wm_encoder_new(tok, &enc, &err), err);
    CHECK_OK(wm_encode(enc, text, 0, ids, &err), err);
    wm_encoder_free(enc);
}

/* The file Hugging Face wrote after training is read, and cuts the corpus where ours does: only
 * ids differ, by the bytes it has not seen. */
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
    struct wm_tokenizer *ours = train(path, WM_SPLIT_R50K, theirs->n_merges);
    encode_file(theirs, wm_buf_str(&text), &a);
    encode_file(ours, wm_buf_str(&text), &b);
    CHECK_U64(a.n, b.n);
    size_t same = 0;
    for (size_t i = 0; i < a.n && i < b.n; i++)
        same += wm_str_eq(wm_token_bytes(theirs, a.ids[i]), wm_token_bytes(ours, b.ids[i]));
    CHECK_U64(same, a.n);
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
    check_merges(own, "ties.txt", "hf_ties.merges", WM_SPLIT_R50K);
    check_merges(own, "runs.txt", "hf_runs.merges", WM_SPLIT_R50K);
    (void)snprintf(dir, sizeof dir, "%s/bpe/train", test_vectors());
    if (!wm_exists(dir)) {
        (void)printf("skipped: no vectors at %s\n", dir);
        return test_summary();
    }
    check_merges(dir, "ties.txt", "hf_ties.merges", WM_SPLIT_R50K);
    check_merges(dir, "runs.txt", "hf_runs.merges", WM_SPLIT_R50K);
    check_merges(dir, "train3m.txt", "hf_r50k.merges", WM_SPLIT_R50K);
    check_merges(dir, "train3m.txt", "hf_cl100k.merges", WM_SPLIT_CL100K);
    check_foreign_file(dir);
    return test_summary();
}
