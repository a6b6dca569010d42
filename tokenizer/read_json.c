/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json to tokenizer. The file may name its parts in any order: raw slices first
 * (json_parts.c), then added tokens, vocabulary, merges. */
#include <stdlib.h>

#include "tokenizer/json_parts.h"
#include "tokenizer/tokenizer_json.h"
#include "wetmill/file.h"

enum { SHOWN = 48 }; /* bytes of a token in a message */

static int shown(struct wm_str s)
{
    return (int)(s.len < SHOWN ? s.len : SHOWN);
}

static int put_added(struct wm_tokenizer *tok, struct wm_str raw, struct wm_arena *arena,
                     struct wm_error *err)
{
    struct wm_json r;
    struct bpe_json_added added;
    if (!raw.len)
        return 0;
    wm_json_open(&r, raw, arena);
    int more = wm_json_array(&r, err);
    while (!more && (more = wm_json_item(&r, err)) > 0) {
        more = bpe_json_added(&r, &added, err);
        if (!more && memchr(added.content.ptr, '\0', added.content.len))
            more = wm_fail(err, WM_E_FORMAT, "the added token %llu has a NUL byte",
                           (unsigned long long)added.id);
        if (!more)
            more = bpe_put_token(tok, added.id, added.content,
                                 added.special ? BPE_SPECIAL : BPE_ADDED, err);
        if (!more)
            more = bpe_put_added(tok, (uint32_t)added.id, added.normalized, err);
        wm_arena_reset(arena);
    }
    return more ? more : wm_json_finish(&r, err);
}

/* One entry of the vocabulary: an added token that is there already, or a byte-mapped one. */
static int put_entry(struct wm_tokenizer *tok, struct wm_str name, uint64_t id,
                     struct wm_arena *arena, struct wm_error *err)
{
    if (id < tok->n_ids && tok->kinds[id] != BPE_HOLE && tok->kinds[id] != BPE_TOKEN)
        return wm_str_eq(name, wm_token_bytes(tok, (uint32_t)id))
                   ? 0
                   : wm_fail(err, WM_E_FORMAT,
                             "id %llu is \"%.*s\" in vocab, not so in added_tokens",
                             (unsigned long long)id, shown(name), name.ptr);
    char *bytes = wm_arena_bytes(arena, name.len);
    size_t len;
    if (!bytes)
        return wm_fail_nomem(err, name.len, "a token");
    if (!bpe_unmap_bytes(name, bytes, &len))
        return wm_fail(err, WM_E_FORMAT, "vocab: \"%.*s\" is not written in byte-mapped characters",
                       shown(name), name.ptr);
    return bpe_put_token(tok, id, (struct wm_str){bytes, len}, BPE_TOKEN, err);
}

static int put_vocab(struct wm_tokenizer *tok, struct wm_str raw, struct wm_arena *arena,
                     struct wm_error *err)
{
    struct wm_json r;
    struct wm_str name;
    uint64_t id;
    wm_json_open(&r, raw, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &name, err)) > 0) {
        more = wm_json_u64(&r, &id, err);
        if (!more)
            more = put_entry(tok, name, id, arena, err);
        wm_arena_reset(arena);
    }
    return more ? more : wm_json_finish(&r, err);
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
                       "merges: \"%.*s\" is not written in byte-mapped characters", shown(name),
                       name.ptr);
    joined->len += bytes.len = len;
    *ret_id = bpe_find(tok, bytes);
    if (*ret_id == BPE_NONE)
        return wm_fail(err, WM_E_FORMAT, "merges: \"%.*s\" is not in vocab", shown(name), name.ptr);
    return 0;
}

/* ["a", "b"] or "a b" */
static int read_merge(struct wm_json *r, struct wm_str *left, struct wm_str *right,
                      struct wm_error *err)
{
    if (wm_json_peek(r) == WM_JSON_STRING) {
        int status = wm_json_string(r, left, err);
        const char *space = !status && left->len ? memchr(left->ptr, ' ', left->len) : NULL;
        if (!status && !space)
            return wm_fail(err, WM_E_FORMAT, "merges: \"%.*s\" is not two tokens", shown(*left),
                           left->ptr);
        if (status)
            return status;
        size_t len = (size_t)(space - left->ptr);
        *right = (struct wm_str){space + 1, left->len - len - 1};
        left->len = len;
        return 0;
    }
    int more = wm_json_array(r, err);
    size_t n = 0;
    while (!more && (more = wm_json_item(r, err)) > 0) {
        struct wm_str extra;
        more = wm_json_string(r, n == 0 ? left : n == 1 ? right : &extra, err);
        n++;
    }
    if (!more && n != 2)
        return wm_fail(err, WM_E_FORMAT, "merges: an entry of %zu tokens, want 2", n);
    return more;
}

static int put_merge(struct wm_tokenizer *tok, struct wm_json *r, struct wm_buf *joined,
                     struct wm_error *err)
{
    struct wm_str left, right;
    uint32_t left_id = 0, right_id = 0;
    joined->len = 0;
    int status = read_merge(r, &left, &right, err);
    if (!status)
        status = merge_part(tok, left, joined, &left_id, err);
    if (!status)
        status = merge_part(tok, right, joined, &right_id, err);
    if (status)
        return status;
    uint32_t id = bpe_find(tok, wm_buf_str(joined));
    if (id == BPE_NONE)
        return wm_fail(err, WM_E_FORMAT, "merges: \"%.*s\" and \"%.*s\" make no token of vocab",
                       shown(left), left.ptr, shown(right), right.ptr);
    return bpe_add_merge(tok, left_id, right_id, id, err);
}

static int put_merges(struct wm_tokenizer *tok, struct wm_str raw, struct wm_arena *arena,
                      struct wm_error *err)
{
    struct wm_json r;
    struct wm_buf joined;
    wm_buf_init(&joined, (size_t)4 * BPE_MAX_TOKEN);
    wm_json_open(&r, raw, arena);
    int more = wm_json_array(&r, err);
    while (!more && (more = wm_json_item(&r, err)) > 0) {
        more = put_merge(tok, &r, &joined, err);
        wm_arena_reset(arena);
    }
    wm_buf_done(&joined);
    return more ? more : wm_json_finish(&r, err);
}

static int fill(struct wm_tokenizer *tok, const struct bpe_json_parts *parts,
                struct wm_arena *arena, struct wm_error *err)
{
    int status = put_added(tok, parts->added, arena, err);
    if (!status)
        status = put_vocab(tok, parts->vocab, arena, err);
    if (!status)
        status = bpe_index_tokens(tok, err);
    if (!status)
        status = put_merges(tok, parts->merges, arena, err);
    tok->ignore_merges = parts->ignore_merges;
    if (!status)
        status = bpe_set_pattern(tok, parts->pattern, err);
    if (!status)
        status = bpe_finish(tok, err);
    if (status == WM_E_CONFIG) /* a pattern PCRE2 refuses is the file's fault here */
        status = err->status = WM_E_FORMAT;
    return status;
}

int bpe_parse_json(struct wm_str json, struct wm_tokenizer **ret, struct wm_error *err)
{
    struct wm_tokenizer *tok = NULL;
    struct bpe_json_parts parts;
    struct wm_arena strings, scratch; /* of the small parts; of one token at a time */
    wm_arena_init(&strings, BPE_MAX_JSON);
    wm_arena_init(&scratch, BPE_MAX_JSON);
    int status = bpe_json_parts(json, &strings, &parts, err);
    if (!status)
        status = bpe_new(&tok, err);
    if (!status)
        status = fill(tok, &parts, &scratch, err);
    wm_arena_done(&strings);
    wm_arena_done(&scratch);
    if (status) {
        wm_tokenizer_free(tok);
        return status;
    }
    *ret = tok;
    return 0;
}

int wm_tokenizer_load(const char *path, struct wm_tokenizer **ret, struct wm_error *err)
{
    char inside[WM_PATH_MAX];
    struct wm_stat stat;
    struct wm_buf json;
    int status = wm_stat(path, &stat, err);
    if (!status && stat.is_dir) {
        status = wm_path_join(inside, path, "tokenizer.json", err);
        path = inside;
    }
    if (status)
        return status;
    wm_buf_init(&json, BPE_MAX_JSON);
    status = wm_file_load(path, &json, err);
    if (!status)
        status = bpe_parse_json(wm_buf_str(&json), ret, err);
    wm_buf_done(&json);
    return status ? wm_error_where(err, "%s", path) : 0;
}
