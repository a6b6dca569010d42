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

void bpe_merges_init(struct bpe_merges *m, struct wm_tokenizer *tok)
{
    m->tok = tok;
    m->n = 0;
    wm_buf_init(&m->bytes, (size_t)BPE_MERGES_AT_ONCE * 4 * BPE_MAX_TOKEN);
}

void bpe_merges_done(struct bpe_merges *m)
{
    wm_buf_done(&m->bytes);
}

/* Append the bytes of a byte-mapped token. */
static int unmap_part(struct wm_str name, struct wm_buf *bytes, struct wm_error *err)
{
    size_t len;
    int status = wm_buf_reserve(bytes, name.len + 1, err);
    if (status)
        return status;
    if (!bpe_unmap_bytes(name, bytes->ptr + bytes->len, &len))
        return wm_fail(err, WM_E_FORMAT,
                       "merges: \"%.*s\" is not written in byte-mapped characters", bpe_shown(name),
                       name.ptr);
    bytes->len += len;
    return 0;
}

int bpe_put_mapped_merge(struct bpe_merges *m, struct wm_str left, struct wm_str right,
                         uint64_t number, struct wm_error *err)
{
    struct bpe_mapped_merge *merge = &m->merges[m->n];
    *merge = (struct bpe_mapped_merge){
        .left = left, .right = right, .number = number, .at = m->bytes.len};
    m->failed = number;
    int status = unmap_part(left, &m->bytes, err);
    merge->cut = m->bytes.len;
    if (!status)
        status = unmap_part(right, &m->bytes, err);
    merge->end = m->bytes.len;
    if (status)
        return status;
    return ++m->n == BPE_MERGES_AT_ONCE ? bpe_flush_merges(m, err) : 0;
}

static int unknown_part(struct wm_str name, struct wm_error *err)
{
    return wm_fail(err, WM_E_FORMAT, "merges: \"%.*s\" is not in vocab", bpe_shown(name), name.ptr);
}

int bpe_flush_merges(struct bpe_merges *m, struct wm_error *err)
{
    struct bpe_query queries[BPE_MERGES_AT_ONCE][3]; /* left, right, joined */
    struct wm_tokenizer *tok = m->tok;
    const char *bytes = m->bytes.ptr;
    size_t n = m->n;
    int status = 0;
    for (size_t i = 0; i < n; i++) {
        const struct bpe_mapped_merge *merge = &m->merges[i];
        const char *at = bytes + merge->at, *cut = bytes + merge->cut, *end = bytes + m->bytes.len;
        bpe_ask(tok, &queries[i][0], (struct wm_str){at, merge->cut - merge->at}, end);
        bpe_ask(tok, &queries[i][1], (struct wm_str){cut, merge->end - merge->cut}, end);
        bpe_ask(tok, &queries[i][2], (struct wm_str){at, merge->end - merge->at}, end);
    }
    for (size_t i = 0; i < n && !status; i++) {
        const struct bpe_mapped_merge *merge = &m->merges[i];
        uint32_t left = bpe_answer(tok, &queries[i][0]), right = bpe_answer(tok, &queries[i][1]);
        uint32_t id = bpe_answer(tok, &queries[i][2]);
        m->failed = merge->number;
        if (left == BPE_NONE || right == BPE_NONE)
            status = unknown_part(left == BPE_NONE ? merge->left : merge->right, err);
        else if (id == BPE_NONE)
            status = wm_fail(
                err, WM_E_FORMAT, "merges: \"%.*s\" and \"%.*s\" make no token of vocab",
                bpe_shown(merge->left), merge->left.ptr, bpe_shown(merge->right), merge->right.ptr);
        else
            status = bpe_add_merge(tok, left, right, id, err);
    }
    m->n = 0;
    m->bytes.len = 0;
    return status;
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
