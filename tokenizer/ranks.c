/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/ranks.h"

#include <stdlib.h>

#include "wetmill/base64.h"
#include "wetmill/file.h"
#include "wetmill/number.h"

enum { MAX_FILE = 64 << 20 };

static int put_lines(struct wm_tokenizer *tok, struct wm_str rest, struct wm_error *err)
{
    char bytes[BPE_MAX_TOKEN * 2];
    int status = 0;
    for (uint64_t number = 1; rest.len && !status; number++) {
        struct wm_str line = wm_str_line(&rest);
        const char *space = line.len ? memchr(line.ptr, ' ', line.len) : NULL;
        if (line.len == 0)
            continue;
        struct wm_str token = {line.ptr, space ? (size_t)(space - line.ptr) : 0};
        struct wm_str rank = {line.ptr + token.len + 1, space ? line.len - token.len - 1 : 0};
        size_t len;
        uint64_t id;
        if (token.len == 0 || token.len > sizeof bytes || !wm_base64_decode(token, bytes, &len) ||
            !wm_parse_u64(rank, &id))
            status = wm_fail(err, WM_E_FORMAT, "line %llu is not \"base64 rank\"",
                             (unsigned long long)number);
        else
            status = bpe_put_token(tok, id, (struct wm_str){bytes, len}, BPE_TOKEN, err);
    }
    return status;
}

/* Merge `bytes` by rank until two parts are left, and give their lengths' boundary; 0 if the parts
 * never come together. */
static size_t last_boundary(const struct wm_tokenizer *tok, struct wm_str bytes, uint32_t *starts)
{
    size_t n = bytes.len;
    for (size_t i = 0; i <= n; i++)
        starts[i] = (uint32_t)i;
    while (n > 2) {
        uint32_t best = BPE_NONE;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            struct wm_str joined = {bytes.ptr + starts[i], starts[i + 2] - starts[i]};
            uint32_t rank = bpe_find(tok, joined);
            if (rank < best) {
                best = rank;
                at = i;
            }
        }
        if (best == BPE_NONE)
            return 0;
        memmove(starts + at + 1, starts + at + 2, (n - at - 1) * sizeof *starts);
        n--;
    }
    return starts[1];
}

static int put_merges(struct wm_tokenizer *tok, struct wm_error *err)
{
    enum { MERGED_TOKEN_MAX = 1024 }; /* bytes; finding a merge takes time ∝ the square */
    uint32_t starts[MERGED_TOKEN_MAX + 1];
    for (uint32_t id = 0; id < tok->n_ids; id++) {
        struct wm_str bytes = wm_token_bytes(tok, id);
        if (bytes.len < 2)
            continue;
        if (bytes.len > MERGED_TOKEN_MAX)
            return wm_fail(err, WM_E_LIMIT, "token %lu has %zu bytes, over the limit of %d",
                           (unsigned long)id, bytes.len, MERGED_TOKEN_MAX);
        size_t boundary = last_boundary(tok, bytes, starts);
        if (!boundary)
            continue;
        uint32_t left = bpe_find(tok, (struct wm_str){bytes.ptr, boundary});
        uint32_t right = bpe_find(tok, (struct wm_str){bytes.ptr + boundary, bytes.len - boundary});
        int status = left == BPE_NONE || right == BPE_NONE
                         ? wm_fail(err, WM_E_FORMAT, "a byte of token %lu has no token of its own",
                                   (unsigned long)id)
                         : bpe_add_merge(tok, left, right, id, err);
        if (status)
            return status;
    }
    return 0;
}

static int fill(struct wm_tokenizer *tok, struct wm_str file, struct wm_str pattern,
                const struct bpe_named_id *specials, size_t n_specials, struct wm_error *err)
{
    int status = put_lines(tok, file, err);
    if (!status)
        status = bpe_index_tokens(tok, err);
    if (!status)
        status = put_merges(tok, err);
    for (size_t i = 0; i < n_specials && !status; i++) {
        status = bpe_put_token(tok, specials[i].id, wm_str_of(specials[i].name), BPE_SPECIAL, err);
        if (!status)
            status = bpe_put_added(tok, specials[i].id, false, err);
    }
    if (!status)
        status = bpe_set_pattern(tok, pattern, err);
    tok->ignore_merges = true;
    return status ? status : bpe_finish(tok, err);
}

int bpe_load_ranks(const char *path, struct wm_str pattern, const struct bpe_named_id *specials,
                   size_t n_specials, struct wm_tokenizer **ret, struct wm_error *err)
{
    struct wm_tokenizer *tok = NULL;
    struct wm_buf file;
    wm_buf_init(&file, MAX_FILE);
    int status = wm_file_load(path, &file, err);
    if (!status)
        status = bpe_new(&tok, err);
    if (!status)
        status = fill(tok, wm_buf_str(&file), pattern, specials, n_specials, err);
    wm_buf_done(&file);
    if (status) {
        wm_tokenizer_free(tok);
        return wm_error_where(err, "%s", path);
    }
    *ret = tok;
    return 0;
}
