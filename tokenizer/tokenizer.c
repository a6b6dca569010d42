/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a finished tokenizer, and decoding. */
#include <stdlib.h>

#include "tokenizer/bpe.h"

void wm_tokenizer_free(struct wm_tokenizer *tok)
{
    if (!tok)
        return;
    wm_buf_done(&tok->bytes);
    free(tok->tokens);
    free(tok->kinds);
    free(tok->merges);
    free(tok->pairs.slots);
    free(tok->pairs.filter);
    free(tok->byte_pairs);
    free(tok->origins);
    free(tok->direct.buckets);
    free(tok->index.slots);
    free(tok->added);
    free(tok->added_index.slots);
    free(tok->added_lengths);
    bpe_pattern_free(tok->pattern);
    free(tok);
}

uint32_t wm_tokenizer_size(const struct wm_tokenizer *tok)
{
    return tok->n_ids;
}

struct wm_str wm_token_bytes(const struct wm_tokenizer *tok, uint32_t id)
{
    if (id >= tok->n_ids || tok->kinds[id] == BPE_HOLE)
        return (struct wm_str){"", 0};
    return (struct wm_str){tok->bytes.ptr + tok->tokens[id].at, tok->tokens[id].len};
}

bool wm_token_is_special(const struct wm_tokenizer *tok, uint32_t id)
{
    return id < tok->n_ids && tok->kinds[id] == BPE_SPECIAL;
}

uint32_t bpe_find(const struct wm_tokenizer *tok, struct wm_str bytes)
{
    return bpe_index_find(&tok->index, tok, bytes);
}

uint32_t bpe_find_added(const struct wm_tokenizer *tok, struct wm_str name)
{
    return bpe_index_find(&tok->added_index, tok, name);
}

bool wm_tokenizer_special(const struct wm_tokenizer *tok, struct wm_str name, uint32_t *ret_id)
{
    uint32_t id = bpe_find_added(tok, name);
    if (!wm_token_is_special(tok, id))
        return false;
    *ret_id = id;
    return true;
}

bool wm_tokenizer_eod(const struct wm_tokenizer *tok, uint32_t *ret_id)
{
    static const char *const names[] = {"<|endoftext|>", "<|end_of_text|>", "</s>"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (wm_tokenizer_special(tok, wm_str_of(names[i]), ret_id))
            return true;
    for (uint32_t i = 0; i < tok->n_added; i++) {
        if (wm_token_is_special(tok, tok->added[i].id)) {
            *ret_id = tok->added[i].id;
            return true;
        }
    }
    return false;
}

XXH128_hash_t wm_tokenizer_identity(const struct wm_tokenizer *tok)
{
    return tok->identity;
}

int wm_decode(const struct wm_tokenizer *tok, const uint32_t *ids, size_t n, bool skip_specials,
              struct wm_buf *out, struct wm_error *err)
{
    size_t before = out->len;
    for (size_t i = 0; i < n; i++) {
        struct wm_str bytes = wm_token_bytes(tok, ids[i]);
        int status = 0;
        if (bytes.len == 0)
            status = wm_fail(err, WM_E_FORMAT, "no token has the id %lu (%lu ids)",
                             (unsigned long)ids[i], (unsigned long)tok->n_ids);
        else if (!skip_specials || tok->kinds[ids[i]] != BPE_SPECIAL)
            status = wm_buf_add(out, bytes.ptr, bytes.len, err);
        if (status) {
            out->len = before;
            return status;
        }
    }
    return 0;
}
