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

static void check_merges(const char *corpus, const char *merges, int split)
{
    struct wm_error err = {0};
    char path[4096];
    struct wm_buf want, got;
    wm_buf_init(&want, TEXT_MAX);
    wm_buf_init(&got, TEXT_MAX);
    (void)snprintf(path, sizeof path, "%s/bpe/train/%s", test_vectors(), merges);
    CHECK_OK(wm_file_load(path, &want, &err), err);
    uint64_t n = wm_str_count(wm_buf_str(&want), '\n');
    CHECK(n > 0);
    (void)snprintf(path, sizeof path, "%s/bpe/train/%s", test_vectors(), corpus);
    struct wm_tokenizer *tok = train(path, split, n);
    struct wm_str rest = wm_buf_str(&want);
    CHECK_U64(tok->n_merges, n);
    for (uint32_t i = 0; i < tok->n_merges && i < n; i++) {
        struct wm_str line = wm_str_line(&rest);
        got.len = 0;
        CHECK_OK(bpe_map_bytes(wm_token_bytes(tok, tok->merges[i].left), &got, &err), err);
        CHECK_OK(wm_buf_add(&got, " ", 1, &err), err);
        CHECK_OK(bpe_map_bytes(wm_token_bytes(tok, tok->merges[i].right), &got, &err), err);
        if (!wm_str_eq(line, wm_buf_str(&got))) {
            CHECK_STR(wm_buf_str(&got), line);
            break;
        }
    }
    wm_tokenizer_free(tok);
    wm_buf_done(&want);
    wm_buf_done(&got);
}

int main(void)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/bpe/train/train3m.txt", test_vectors());
    if (!wm_exists(path))
        SKIP("no vectors at %s", path);
    check_merges("ties.txt", "hf_ties.merges", WM_SPLIT_R50K);
    check_merges("runs.txt", "hf_runs.merges", WM_SPLIT_R50K);
    check_merges("train3m.txt", "hf_r50k.merges", WM_SPLIT_R50K);
    check_merges("train3m.txt", "hf_cl100k.merges", WM_SPLIT_CL100K);
    return test_summary();
}
