/* SPDX-License-Identifier: Apache-2.0 */
/* Vocabulary entries and merges in byte-mapped characters, as tokenizer.json, vocab.json, merges.txt
 * and GGUF write them. */
#include "tokenizer/formats.h"

#include <stdlib.h>

int bpe_put_mapped(struct wm_tokenizer *tok, struct wm_str name, uint64_t id,
                   struct wm_arena *arena, struct wm_error *err)
{
    if (id < tok->n_ids && tok->kinds[id] != BPE_HOLE && tok->kinds[id] != BPE_TOKEN)
        return wm_str_eq(name, wm_token_bytes(tok, (uint32_t)id))
                   ? 0
                   : wm_fail(err, WM_E_FORMAT,
                             "id %llu is \"%.*s\" in vocab, not so in added_tokens",
                             (unsigned long long)id, bpe_shown(name), name.ptr);
    char *bytes = wm_arena_bytes(arena, name.len);
    size_t len;
    if (!bytes)
        return wm_fail_nomem(err, name.len, "a token");
    if (!bpe_unmap_bytes(name, bytes, &len))
        return wm_fail(err, WM_E_FORMAT, "vocab: \"%.*s\" is not written in byte-mapped characters",
                       bpe_shown(name), name.ptr);
    return bpe_put_token(tok, id, (struct wm_str){bytes, len}, BPE_TOKEN, err);
}

void bpe_joined_init(struct wm_buf *joined)
{
    wm_buf_init(joined, (size_t)4 * BPE_MAX_TOKEN);
}

/* Id of a byte-mapped token; its bytes are appended to `joined`. */
static int merge_part(const struct wm_tokenizer *tok, struct wm_str name, struct wm_buf *joined,
                      uint32_t *ret_id, struct wm_error *err)
{
    size_t len;
    int status = wm_buf_reserve(joined, name.len + 1, err);
    if (status)
        return status;
    struct wm_str bytes = {joined->ptr + joined->len, 0};
    if (!bpe_unmap_bytes(name, joined->ptr + joined->len, &len))
        return wm_fail(err, WM_E_FORMAT,
                       "merges: \"%.*s\" is not written in byte-mapped characters", bpe_shown(name),
                       name.ptr);
    joined->len += bytes.len = len;
    *ret_id = bpe_find(tok, bytes);
    if (*ret_id == BPE_NONE)
        return wm_fail(err, WM_E_FORMAT, "merges: \"%.*s\" is not in vocab", bpe_shown(name),
                       name.ptr);
    return 0;
}

int bpe_put_mapped_merge(struct wm_tokenizer *tok, struct wm_str left, struct wm_str right,
                         struct wm_buf *joined, struct wm_error *err)
{
    enum { AHEAD = 4 };
    uint32_t left_id = 0, right_id = 0;
    joined->len = 0;
    int status = merge_part(tok, left, joined, &left_id, err);
    if (!status)
        status = merge_part(tok, right, joined, &right_id, err);
    if (status)
        return status;
    uint32_t id = bpe_find(tok, wm_buf_str(joined));
    if (id == BPE_NONE)
        return wm_fail(err, WM_E_FORMAT, "merges: \"%.*s\" and \"%.*s\" make no token of vocab",
                       bpe_shown(left), left.ptr, bpe_shown(right), right.ptr);
    bpe_index_prefetch(&tok->index, tok, id + AHEAD); /* merges mostly come in the order of ids */
    return bpe_add_merge(tok, left_id, right_id, id, err);
}

int bpe_cut_merge(struct wm_str both, struct wm_str *left, struct wm_str *right,
                  struct wm_error *err)
{
    const char *space = both.len ? memchr(both.ptr, ' ', both.len) : NULL;
    if (!space)
        return wm_fail(err, WM_E_FORMAT, "merges: \"%.*s\" is not two tokens", bpe_shown(both),
                       both.ptr);
    *left = (struct wm_str){both.ptr, (size_t)(space - both.ptr)};
    *right = (struct wm_str){space + 1, both.len - left->len - 1};
    return 0;
}

void bpe_mapped_init(struct wm_buf *name)
{
    wm_buf_init(name, (size_t)BPE_MAPPED_MAX * BPE_MAX_TOKEN + 1);
}

int bpe_mapped_name(const struct wm_tokenizer *tok, uint32_t id, struct wm_buf *name,
                    struct wm_error *err)
{
    struct wm_str bytes = wm_token_bytes(tok, id);
    name->len = 0;
    int status = tok->kinds[id] == BPE_TOKEN ? bpe_map_bytes(bytes, name, err)
                                             : wm_buf_add(name, bytes.ptr, bytes.len, err);
    return status ? status : wm_buf_add(name, "", 1, err);
}

int bpe_needs_ignore_merges(const struct wm_tokenizer *tok, bool *ret, struct wm_error *err)
{
    struct bpe_scratch scratch = {0};
    struct wm_ids ids = {0};
    int status = 0;
    *ret = false;
    for (uint32_t id = 0; id < tok->n_ids && !status && !*ret; id++) {
        if (tok->kinds[id] != BPE_TOKEN)
            continue;
        ids.n = 0;
        status = bpe_merge_piece(tok, &scratch, wm_token_bytes(tok, id), &ids, err);
        *ret = status == WM_E_FORMAT || (!status && (ids.n != 1 || ids.ids[0] != id));
        if (status == WM_E_FORMAT) /* a byte that has no token of its own */
            status = 0;
    }
    bpe_scratch_done(&scratch);
    wm_ids_done(&ids);
    return status;
}
