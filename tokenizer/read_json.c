/* SPDX-License-Identifier: Apache-2.0 */
/* tokenizer.json to tokenizer. The file may name its parts in any order: raw slices first
 * (json_parts.c), then added tokens, vocabulary, merges. */
#include <stdlib.h>

#include "tokenizer/formats.h"
#include "tokenizer/json_parts.h"
#include "tokenizer/tokenizer_json.h"

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
            more = bpe_put_mapped(tok, name, id, arena, err);
        wm_arena_reset(arena);
    }
    return more ? more : wm_json_finish(&r, err);
}

/* ["a", "b"] or "a b" */
static int read_merge(struct wm_json *r, struct wm_str *left, struct wm_str *right,
                      struct wm_error *err)
{
    if (wm_json_peek(r) == WM_JSON_STRING) {
        struct wm_str both;
        int status = wm_json_string(r, &both, err);
        return status ? status : bpe_cut_merge(both, left, right, err);
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

static int put_merges(struct wm_tokenizer *tok, struct wm_str raw, struct wm_arena *arena,
                      struct wm_error *err)
{
    struct wm_json r;
    struct bpe_merges merges;
    struct wm_str left, right;
    bpe_merges_init(&merges, tok);
    wm_json_open(&r, raw, arena);
    int more = wm_json_array(&r, err);
    while (!more && (more = wm_json_item(&r, err)) > 0) {
        more = read_merge(&r, &left, &right, err);
        if (!more)
            more = bpe_put_mapped_merge(&merges, left, right, 0, err);
        if (merges.n == 0)
            wm_arena_reset(arena);
    }
    if (!more)
        more = bpe_flush_merges(&merges, err);
    bpe_merges_done(&merges);
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
    if (!status) /* about as many merges as tokens */
        status = bpe_pairs_reserve(&tok->pairs, bpe_count_tokens(tok), err);
    if (!status)
        status = put_merges(tok, parts->merges, arena, err);
    tok->ignore_merges = parts->ignore_merges;
    tok->nfc = parts->nfc;
    if (!status && parts->template.len)
        status = bpe_parse_template(tok, parts->template, arena, err);
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
