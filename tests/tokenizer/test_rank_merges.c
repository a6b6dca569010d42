/* SPDX-License-Identifier: Apache-2.0 */
/* Merges out of ranks, against merging the bytes of every token with the merges before it. */
#include "bpe_helpers.h"
#include "tokenizer/ranks.h"

enum { MOST_TOKENS = 120, LONGEST = 80 };

/* Any tokens in any order: bytes behind the words they are in, or left out; holes between ids. */
static struct wm_tokenizer *random_tokens(uint64_t *state)
{
    struct wm_error err = {0};
    struct wm_tokenizer *tok = NULL;
    size_t n = 1 + random_below(state, MOST_TOKENS), letters = 1 + random_below(state, 3);
    size_t longest = random_below(state, 4) ? 6 : LONGEST;
    uint32_t id = 0;
    struct wm_tokenizer *seen;
    CHECK_OK(bpe_new(&tok, &err), err);
    CHECK_OK(bpe_new(&seen, &err), err);
    CHECK_OK(bpe_index_init(&seen->index, n + 1, &err), err);
    for (size_t i = 0; i < n; i++, id += 1 + (random_below(state, 20) == 0)) {
        char bytes[LONGEST];
        size_t len = random_below(state, 4) ? 1 + random_below(state, longest) : 1;
        for (size_t k = 0; k < len; k++)
            bytes[k] = "abc"[random_below(state, letters)];
        struct wm_str token = {bytes, len};
        if (bpe_find(seen, token) != BPE_NONE)
            continue;
        CHECK_OK(bpe_put_token(seen, id, token, BPE_TOKEN, &err), err);
        CHECK(bpe_index_put(&seen->index, seen, id) == BPE_NONE);
        CHECK_OK(bpe_put_token(tok, id, token, BPE_TOKEN, &err), err);
    }
    wm_tokenizer_free(seen);
    CHECK_OK(bpe_index_tokens(tok, &err), err);
    return tok;
}

static bool has_bytes(const struct wm_tokenizer *tok, struct wm_str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (tok->byte_ids[(unsigned char)bytes.ptr[i]] == BPE_NONE)
            return false;
    return bytes.len > 0;
}

/* Give `tok` the merges as ranks.h says what they are. */
static void merge_naively(struct wm_tokenizer *tok)
{
    struct wm_error err = {0};
    struct bpe_scratch scratch = {0};
    struct wm_ids ids = {0};
    CHECK_OK(bpe_add_merge(tok, 0, 0, 0, &err), err); /* a table to look into */
    tok->n_merges = 0;
    memset(tok->pairs.slots, 0xFF, tok->pairs.n_slots * sizeof *tok->pairs.slots);
    tok->pairs.n = 0;
    CHECK_OK(bpe_byte_pairs_init(tok, &err), err);
    for (uint32_t id = 0; id < tok->n_ids; id++) {
        struct wm_str bytes = wm_token_bytes(tok, id);
        ids.n = 0;
        if (!has_bytes(tok, bytes))
            continue;
        CHECK_OK(bpe_merge_heap(tok, &scratch, bytes, &ids, &err), err);
        if (ids.n == 2)
            CHECK_OK(bpe_add_merge(tok, ids.ids[0], ids.ids[1], id, &err), err);
    }
    bpe_scratch_done(&scratch);
    wm_ids_done(&ids);
}

static void test_random(void)
{
    struct wm_error err = {0};
    size_t n_merges = 0, n_missing = 0;
    for (uint64_t round = 0; round < 3000; round++) {
        uint64_t state = round, again = round;
        struct wm_tokenizer *got = random_tokens(&state), *want = random_tokens(&again);
        CHECK_OK(bpe_merge_ranks(got, &err), err);
        merge_naively(want);
        CHECK(got->n_merges == want->n_merges);
        for (uint32_t i = 0; i < want->n_merges && i < got->n_merges; i++) {
            const struct bpe_merge *a = &got->merges[i], *b = &want->merges[i];
            CHECK(a->left == b->left && a->right == b->right && a->id == b->id);
            CHECK(got->origins[a->id].left == a->left && got->origins[a->id].right == a->right &&
                  got->origins[a->id].order == i + 1);
        }
        n_merges += want->n_merges;
        n_missing += want->n_ids - want->n_merges;
        wm_tokenizer_free(got);
        wm_tokenizer_free(want);
    }
    CHECK(n_merges > 10000 && n_missing > 10000);
}

/* Words of one letter, ids in steps of `step` bytes: every prefix is a token, so that more are tried
 * than allowed. */
static void test_many_prefixes(uint32_t step)
{
    struct wm_error err = {0};
    struct wm_tokenizer *toks[2];
    char letters[LONGEST];
    memset(letters, 'a', sizeof letters);
    for (int i = 0; i < 2; i++) {
        CHECK_OK(bpe_new(&toks[i], &err), err);
        for (uint32_t id = 0; id < LONGEST; id++)
            CHECK_OK(bpe_put_token(toks[i], id, (struct wm_str){letters, (id * step) % LONGEST + 1},
                                   BPE_TOKEN, &err),
                     err);
        CHECK_OK(bpe_index_tokens(toks[i], &err), err);
    }
    CHECK_OK(bpe_merge_ranks(toks[0], &err), err);
    merge_naively(toks[1]);
    CHECK(toks[0]->n_merges == toks[1]->n_merges && toks[0]->n_merges >= 3);
    for (uint32_t i = 0; i < toks[0]->n_merges; i++)
        CHECK(memcmp(&toks[0]->merges[i], &toks[1]->merges[i], sizeof *toks[0]->merges) == 0);
    wm_tokenizer_free(toks[0]);
    wm_tokenizer_free(toks[1]);
}

int main(void)
{
    test_random();
    test_many_prefixes(1);
    test_many_prefixes(7);
    return test_summary();
}
