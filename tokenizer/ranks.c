/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/formats.h"

#include <stdlib.h>

#include "wetmill/base64.h"
#include "wetmill/file.h"
#include "wetmill/number.h"

enum { MAX_FILE = 64 << 20 };

static int put_lines(struct wm_tokenizer *tok, struct wm_str rest, struct wm_error *err)
{
    enum { MAX_TEXT = BPE_MAX_TOKEN * 2 };
    int status = 0;
    for (uint64_t number = 1; rest.len && !status; number++) {
        struct wm_str line = wm_str_line(&rest);
        if (line.len == 0)
            continue;
        size_t at = line.len; /* of the rank: from the end, since it is short */
        while (at > 0 && line.ptr[at - 1] != ' ')
            at--;
        struct wm_str token = {line.ptr, at ? at - 1 : 0};
        struct wm_str rank = {line.ptr + at, line.len - at};
        size_t len;
        uint64_t id;
        status = wm_buf_reserve(&tok->bytes, token.len + 1, err); /* never NULL */
        if (status)
            break;
        char *bytes = tok->bytes.ptr + tok->bytes.len;
        if (token.len == 0 || token.len > MAX_TEXT || !wm_base64_decode(token, bytes, &len) ||
            !wm_parse_u64(rank, &id))
            status = wm_fail(err, WM_E_FORMAT, "line %llu is not \"base64 rank\"",
                             (unsigned long long)number);
        else
            status = bpe_put_last(tok, id, len, BPE_TOKEN, err);
    }
    return status;
}

static size_t count_lines(struct wm_str file)
{
    size_t n = 0;
    for (size_t i = 0; i < file.len; i++)
        n += file.ptr[i] == '\n';
    return n + 1;
}

static int fill(struct wm_tokenizer *tok, struct wm_str file, struct wm_str pattern,
                const struct bpe_named_id *specials, size_t n_specials, struct wm_error *err)
{
    int status = bpe_reserve(tok, count_lines(file) + n_specials, file.len / 2, err);
    if (!status)
        status = put_lines(tok, file, err);
    if (!status)
        status = bpe_index_tokens(tok, err);
    if (!status)
        status = bpe_merge_ranks(tok, err);
    for (size_t i = 0; i < n_specials && !status; i++) {
        uint32_t id = specials[i].id == BPE_NONE ? tok->n_ids : specials[i].id;
        status = bpe_put_token(tok, id, wm_str_of(specials[i].name), BPE_SPECIAL, err);
        if (!status)
            status = bpe_put_added(tok, id, false, err);
    }
    if (!status)
        status = bpe_set_pattern(tok, pattern, err);
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
        status = bpe_merge_ranks(derived, err);
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
