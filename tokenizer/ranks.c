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

enum {
    BYTE_PAIRS = 1 << 16,
    FILTER_BITS =
        21, /* log2; over 100,000 merges one pair in 20 that does not merge gets through */
};

/* The merges found so far, for looking up while tok->pairs is still being filled. */
struct found {
    const struct wm_tokenizer *tok;
    uint32_t byte_ranks[BYTE_PAIRS]; /* of two bytes; or BPE_NONE */
    uint64_t filter[1 << (FILTER_BITS - 6)];
};

/* Rank of a merge, or BPE_NONE. */
static uint32_t rank_of(const struct found *found, uint32_t left, uint32_t right)
{
    const struct bpe_pairs *pairs = &found->tok->pairs;
    uint64_t hash = bpe_pair_hash(left, right), bit = hash >> (64 - FILTER_BITS);
    if (!(found->filter[bit / 64] >> bit % 64 & 1))
        return BPE_NONE;
    for (size_t i = hash >> pairs->shift;; i = (i + 1) & (pairs->n_slots - 1)) {
        const struct bpe_pair_slot *slot = &pairs->slots[i];
        if (slot->rank == BPE_NONE || (slot->left == left && slot->right == right))
            return slot->rank;
    }
}

/* Merge the `n` ≥ 2 tokens `ids` until no merge is left; returns how many stay. `ranks` [n − 1] are
 * those of neighbours, and kept up to date. */
static size_t merge_all(const struct found *found, uint32_t *ids, uint32_t *ranks, size_t n)
{
    for (;;) {
        size_t at = 0;
        for (size_t i = 1; i + 1 < n; i++)
            if (ranks[i] < ranks[at])
                at = i;
        if (n < 2 || ranks[at] == BPE_NONE)
            return n;
        ids[at] = found->tok->merges[ranks[at]].id;
        memmove(ids + at + 1, ids + at + 2, (n - at - 2) * sizeof *ids);
        memmove(ranks + at, ranks + at + 1, (n - at - 2) * sizeof *ranks);
        n--;
        if (at + 1 < n)
            ranks[at] = rank_of(found, ids[at], ids[at + 1]);
        if (at > 0)
            ranks[at - 1] = rank_of(found, ids[at - 1], ids[at]);
    }
}

enum { MERGED_TOKEN_MAX = 1024 }; /* bytes; finding a merge takes time ∝ the square */

/* The two tokens that the merges found so far leave of `bytes`; false if it is not two, or a byte
 * has no token. */
static bool two_parts(const struct found *found, struct wm_str bytes, uint32_t *left,
                      uint32_t *right)
{
    uint32_t parts[MERGED_TOKEN_MAX], ranks[MERGED_TOKEN_MAX];
    const unsigned char *b = (const unsigned char *)bytes.ptr;
    for (size_t i = 0; i < bytes.len; i++) {
        parts[i] = found->tok->byte_ids[b[i]];
        if (parts[i] == BPE_NONE)
            return false;
    }
    for (size_t i = 0; i + 1 < bytes.len; i++)
        ranks[i] = found->byte_ranks[b[i] << 8 | b[i + 1]];
    if (merge_all(found, parts, ranks, bytes.len) != 2)
        return false;
    *left = parts[0];
    *right = parts[1];
    return true;
}

/* Each token's merge is what the merges of lower rank leave of its bytes, if that is two parts. Of
 * more parts, or with a byte that has no token, it is reached only as a whole piece. */
static int put_merges(struct wm_tokenizer *tok, struct wm_error *err)
{
    struct found *found = calloc(1, sizeof *found);
    int status = 0;
    if (!found)
        return wm_fail_nomem(err, sizeof *found, "merges of ranks");
    found->tok = tok;
    memset(found->byte_ranks, 0xFF, sizeof found->byte_ranks);
    for (uint32_t id = 0; id < tok->n_ids && !status; id++) {
        struct wm_str bytes = wm_token_bytes(tok, id);
        uint32_t left, right;
        if (bytes.len > MERGED_TOKEN_MAX)
            status = wm_fail(err, WM_E_LIMIT, "token %lu has %zu bytes, over the limit of %d",
                             (unsigned long)id, bytes.len, MERGED_TOKEN_MAX);
        if (status || bytes.len < 2 || !two_parts(found, bytes, &left, &right))
            continue;
        if (bytes.len == 2)
            found->byte_ranks[(unsigned char)bytes.ptr[0] << 8 | (unsigned char)bytes.ptr[1]] =
                tok->n_merges;
        uint64_t bit = bpe_pair_hash(left, right) >> (64 - FILTER_BITS);
        found->filter[bit / 64] |= UINT64_C(1) << bit % 64;
        status = bpe_add_merge(tok, left, right, id, err);
    }
    free(found);
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
    const struct bpe_named_split *split = bpe_split_by_pattern(bpe_pattern_text(tok->pattern));
    if (tok->nfc && !(split && split->nfc)) /* else the split's name stands for both */
        return wm_fail(err, WM_E_FORMAT, "ranks cannot express the normaliser NFC");
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
