/* SPDX-License-Identifier: Apache-2.0 */
/* Encoding and decoding against recorded output: of Hugging Face with small tokenizers of ours, of
 * tiktoken with the published ranks. */
#include "bpe_vectors.h"
#include "tokenizer/ranks.h"

struct context {
    const struct wm_tokenizer *tok;
    struct wm_encoder *enc;
    struct wm_ids ids;
    struct wm_buf bytes;
};

static void check_ids(struct context *c, const struct vector *v, unsigned flags,
                      const uint32_t *want, size_t n)
{
    struct wm_error err = {0};
    c->ids.n = 0;
    c->bytes.len = 0;
    CHECK_OK(wm_encode(c->enc, v->bytes, flags, &c->ids, &err), err);
    CHECK_(vector_same_ids(&c->ids, want, n), "%.*s: %zu ids with flags %u, want %zu",
           (int)v->id.len, v->id.ptr, c->ids.n, flags, n);
    CHECK_OK(wm_decode(c->tok, c->ids.ids, c->ids.n, false, &c->bytes, &err), err);
    CHECK_(wm_str_eq(wm_buf_str(&c->bytes), v->bytes), "%.*s: decodes to other bytes",
           (int)v->id.len, v->id.ptr);
}

static void check_encode(void *arg, const struct vector *v)
{
    if (v->ids)
        check_ids(arg, v, 0, v->ids, v->n_ids);
    if (v->ids_special)
        check_ids(arg, v, WM_ENCODE_SPECIALS, v->ids_special, v->n_special);
}

static void check_decode(void *arg, const struct vector *v)
{
    struct context *c = arg;
    struct wm_error err = {0};
    c->bytes.len = 0;
    CHECK_OK(wm_decode(c->tok, v->ids, v->n_ids, false, &c->bytes, &err), err);
    CHECK_(wm_str_eq(wm_buf_str(&c->bytes), v->bytes), "%.*s: decodes to other bytes",
           (int)v->id.len, v->id.ptr);
}

/* Check the lines of `encode` and, unless NULL, of `decode`. Takes the tokenizer. */
static void check_tokenizer(struct wm_tokenizer *tok, const char *encode, const char *decode)
{
    struct wm_error err = {0};
    struct context c = {.tok = tok};
    if (!tok)
        return;
    wm_buf_init(&c.bytes, VECTOR_FILE_MAX);
    CHECK_OK(wm_encoder_new(tok, &c.enc, &err), err);
    CHECK(vector_each(encode, check_encode, &c) > 0);
    if (decode)
        CHECK(vector_each(decode, check_decode, &c) > 0);
    wm_encoder_free(c.enc);
    wm_ids_done(&c.ids);
    wm_buf_done(&c.bytes);
    wm_tokenizer_free(tok);
}

static void check_small(const char *name)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    char path[4096];
    (void)snprintf(path, sizeof path, WM_SOURCE_DIR "/tests/vectors/bpe/small_%s.tokenizer.json",
                   name);
    CHECK_OK(wm_tokenizer_load(path, &tok, &err), err);
    (void)snprintf(path, sizeof path, WM_SOURCE_DIR "/tests/vectors/bpe/small_%s.jsonl", name);
    check_tokenizer(tok, path, NULL);
}

static void check_published(const char *name, const char *pattern,
                            const struct bpe_named_id *specials, size_t n_specials)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    char ranks[4096], encode[4096], decode[4096];
    (void)snprintf(ranks, sizeof ranks, "%s/tokenizers/%s_base.tiktoken", test_data(), name);
    (void)snprintf(encode, sizeof encode, "%s/bpe/%s.jsonl", test_vectors(), name);
    (void)snprintf(decode, sizeof decode, "%s/bpe/%s.decode.jsonl", test_vectors(), name);
    if (!wm_exists(ranks) || !wm_exists(encode)) {
        (void)printf("skipped: no %s or %s\n", ranks, encode);
        return;
    }
    CHECK_OK(bpe_load_ranks(ranks, wm_str_of(pattern), specials, n_specials, &tok, &err), err);
    check_tokenizer(tok, encode, decode);
}

int main(void)
{
    static const struct bpe_named_id r50k[] = {{"<|endoftext|>", 50256}};
    static const struct bpe_named_id cl100k[] = {
        {"<|endoftext|>", 100257},  {"<|fim_prefix|>", 100258},  {"<|fim_middle|>", 100259},
        {"<|fim_suffix|>", 100260}, {"<|endofprompt|>", 100276},
    };
    static const struct bpe_named_id o200k[] = {{"<|endoftext|>", 199999},
                                                {"<|endofprompt|>", 200018}};
    check_small("r50k");
    check_small("cl100k");
    check_published("r50k", bpe_named_patterns[WM_SPLIT_R50K], r50k, 1);
    check_published("cl100k", bpe_named_patterns[WM_SPLIT_CL100K], cl100k, 5);
    check_published("o200k", bpe_named_patterns[WM_SPLIT_O200K], o200k, 2);
    return test_summary();
}
