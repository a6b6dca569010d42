/* SPDX-License-Identifier: Apache-2.0 */
/* Asking a finished tokenizer. */
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
    wm_sp_free(tok->pieces);
    wm_buf_done(&tok->file);
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
    if (bytes.len && bytes.len <= BPE_DIRECT_MAX && tok->direct.buckets) {
        struct bpe_key key = bpe_key(bytes.ptr, bytes.len, bytes.ptr + bytes.len);
        uint64_t hash = bpe_key_hash(key);
        uint32_t id = bpe_direct_find(&tok->direct, bpe_direct_bucket(&tok->direct, hash), key);
        if (id != BPE_NONE)
            return id;
    }
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
    uint32_t end = tok->pieces ? wm_sp_end(tok->pieces) : WM_SP_NONE;
    if (end != WM_SP_NONE) {
        *ret_id = end;
        return true;
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (wm_tokenizer_special(tok, wm_str_of(names[i]), ret_id))
            return true;
    if (tok->pieces) /* of a model's control symbols no other ends a document */
        return false;
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
    return tok->pieces ? tok->identity : bpe_identity(tok);
}

size_t wm_tokenizer_template(const struct wm_tokenizer *tok, bool behind, const uint32_t **ret)
{
    *ret = behind ? tok->template.after : tok->template.before;
    return behind ? tok->template.n_after : tok->template.n_before;
}
