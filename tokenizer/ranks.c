/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/formats.h"

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

/* Rank of a merge in a table that is still being filled, or BPE_NONE. */
static uint32_t rank_of(const struct bpe_pairs *pairs, uint32_t left, uint32_t right)
{
    if (!pairs->n)
        return BPE_NONE;
    for (size_t i = bpe_pair_hash(left, right) >> pairs->shift;;
         i = (i + 1) & (pairs->n_slots - 1)) {
        const struct bpe_pair_slot *slot = &pairs->slots[i];
        if (slot->rank == BPE_NONE || (slot->left == left && slot->right == right))
            return slot->rank;
    }
}

/* Merge the `n` ≥ 2 tokens `ids` until no merge is left; returns how many stay. `ranks` [n]. */
static size_t merge_all(const struct wm_tokenizer *tok, uint32_t *ids, uint32_t *ranks, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        ranks[i] = rank_of(&tok->pairs, ids[i], ids[i + 1]);
    for (;;) {
        size_t at = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[at])
                at = i;
        if (n < 2 || ranks[at] == BPE_NONE)
            return n;
        ids[at] = tok->merges[ranks[at]].id;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        memmove(ranks + at, ranks + at + 1, (n - at - 2) * sizeof *ranks);
        n--;
        if (at + 1 < n)
            ranks[at] = rank_of(&tok->pairs, ids[at], ids[at + 1]);
        if (at > 0)
            ranks[at - 1] = rank_of(&tok->pairs, ids[at - 1], ids[at]);
    }
}

/* Each token's merge is what the merges of lower rank leave of its bytes, if that is two parts. Of
 * more parts, or with a byte that has no token, it is reached only as a whole piece. */
static int put_merges(struct wm_tokenizer *tok, struct wm_error *err)
{
    enum { MERGED_TOKEN_MAX = 1024 }; /* bytes; finding a merge takes time ∝ the square */
    uint32_t parts[MERGED_TOKEN_MAX], ranks[MERGED_TOKEN_MAX];
    int status = 0;
    for (uint32_t id = 0; id < tok->n_ids && !status; id++) {
        struct wm_str bytes = wm_token_bytes(tok, id);
        bool known = bytes.len > 1;
        if (bytes.len > MERGED_TOKEN_MAX)
            return wm_fail(err, WM_E_LIMIT, "token %lu has %zu bytes, over the limit of %d",
                           (unsigned long)id, bytes.len, MERGED_TOKEN_MAX);
        for (size_t i = 0; i < bytes.len && known; i++) {
            parts[i] = tok->byte_ids[(unsigned char)bytes.ptr[i]];
            known = parts[i] != BPE_NONE;
        }
        if (known && merge_all(tok, parts, ranks, bytes.len) == 2)
            status = bpe_add_merge(tok, parts[0], parts[1], id, err);
    }
    return status;
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
        uint32_t id = specials[i].id == BPE_NONE ? tok->n_ids : specials[i].id;
        status = bpe_put_token(tok, id, wm_str_of(specials[i].name), BPE_SPECIAL, err);
        if (!status)
            status = bpe_put_added(tok, id, false, err);
    }
    if (!status)
        status = bpe_set_pattern(tok, pattern, err);
    tok->ignore_merges = true;
    return status ? status : bpe_finish(tok, err);
}

int bpe_parse_ranks(struct wm_str file, struct wm_str pattern, const struct bpe_named_id *specials,
                    size_t n_specials, struct wm_tokenizer **ret, struct wm_error *err)
{
    struct wm_tokenizer *tok = NULL;
    int status = bpe_new(&tok, err);
    if (!status)
        status = fill(tok, file, pattern, specials, n_specials, err);
    if (status) {
        wm_tokenizer_free(tok);
        return status;
    }
    *ret = tok;
    return 0;
}

int bpe_load_ranks(const char *path, struct wm_str pattern, const struct bpe_named_id *specials,
                   size_t n_specials, struct wm_tokenizer **ret, struct wm_error *err)
{
    struct wm_buf file;
    wm_buf_init(&file, MAX_FILE);
    int status = wm_file_load(path, &file, err);
    if (!status)
        status = bpe_parse_ranks(wm_buf_str(&file), pattern, specials, n_specials, ret, err);
    wm_buf_done(&file);
    return status ? wm_error_where(err, "%s", path) : 0;
}

/* ---- writing ---- */

/* Whether `derived`, which ranks alone give, merges as `tok` does: its merges are among those of
 * `tok`, and these make their tokens in the order of ids. What `tok` has more are other ways to the
 * same tokens (Hugging Face's conversions list all of them), which never come up in a text. */
static int check_same_merges(const struct wm_tokenizer *tok, const struct wm_tokenizer *derived,
                             struct wm_error *err)
{
    for (uint32_t i = 1; i < tok->n_merges; i++)
        if (tok->merges[i].id < tok->merges[i - 1].id)
            return wm_fail(err, WM_E_FORMAT,
                           "ranks cannot express merge %lu: it makes token %lu after token %lu",
                           (unsigned long)i, (unsigned long)tok->merges[i].id,
                           (unsigned long)tok->merges[i - 1].id);
    for (uint32_t i = 0; i < derived->n_merges; i++) {
        const struct bpe_merge *m = &derived->merges[i];
        if (!bpe_merge_of(&tok->pairs, m->left, m->right))
            return wm_fail(err, WM_E_FORMAT,
                           "ranks cannot express that tokens %lu and %lu do not merge to %lu",
                           (unsigned long)m->left, (unsigned long)m->right, (unsigned long)m->id);
    }
    bool needed = false;
    int status = tok->ignore_merges ? 0 : bpe_needs_ignore_merges(tok, &needed, err);
    if (!status && needed)
        return wm_fail(err, WM_E_FORMAT, "ranks cannot express a token that no merge makes");
    return status;
}

static int check_ranks(const struct wm_tokenizer *tok, struct wm_error *err)
{
    struct wm_tokenizer *derived = NULL;
    for (unsigned b = 0; b < 256; b++)
        if (tok->byte_ids[b] == BPE_NONE)
            return wm_fail(err, WM_E_FORMAT, "ranks want a token for each byte; 0x%02X has none",
                           b);
    int status = bpe_new(&derived, err);
    for (uint32_t id = 0; id < tok->n_ids && !status; id++) {
        if (tok->kinds[id] == BPE_TOKEN)
            status = bpe_put_token(derived, id, wm_token_bytes(tok, id), BPE_TOKEN, err);
        else if (tok->kinds[id] == BPE_ADDED)
            status = wm_fail(err, WM_E_FORMAT, "ranks cannot express the added token %lu",
                             (unsigned long)id);
    }
    if (!status)
        status = bpe_index_tokens(derived, err);
    if (!status)
        status = put_merges(derived, err);
    if (!status)
        status = check_same_merges(tok, derived, err);
    wm_tokenizer_free(derived);
    return status;
}

int bpe_format_ranks(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    int status = check_ranks(tok, err);
    for (uint32_t id = 0; id < tok->n_ids && !status; id++) {
        struct wm_str bytes = wm_token_bytes(tok, id);
        if (tok->kinds[id] != BPE_TOKEN)
            continue;
        status = wm_buf_reserve(out, wm_base64_size(bytes.len), err);
        if (status)
            break;
        wm_base64_encode(bytes, out->ptr + out->len);
        out->len += wm_base64_size(bytes.len);
        status = wm_buf_printf(out, err, " %lu\n", (unsigned long)id);
    }
    return status;
}
