/* SPDX-License-Identifier: Apache-2.0 */
/* GPT-2's vocab.json (byte-mapped token → id), merges.txt ("#version" line, then "a b" a line, by
 * rank) and special_tokens_map.json. */
#include <stdlib.h>

#include "tokenizer/formats.h"
#include "tokenizer/tokenizer_json.h"

/* ---- reading ---- */

/* A name, or {"content": name, …}. */
static int special_name(struct wm_json *r, struct wm_str *ret, struct wm_error *err)
{
    struct wm_str key;
    *ret = (struct wm_str){"", 0};
    if (wm_json_peek(r) == WM_JSON_STRING)
        return wm_json_string(r, ret, err);
    int more = wm_json_object(r, err);
    while (!more && (more = wm_json_key(r, &key, err)) > 0)
        more = wm_str_eq(key, WM_STR("content")) ? wm_json_string(r, ret, err)
                                                 : wm_json_skip(r, NULL, err);
    if (!more && ret->len == 0)
        return wm_fail(err, WM_E_FORMAT, "special_tokens_map.json: a token without content");
    return more;
}

struct names {
    struct wm_str names[1024];
    size_t n;
};

static int add_name(struct names *names, struct wm_json *r, struct wm_error *err)
{
    struct wm_str name;
    int status = special_name(r, &name, err);
    for (size_t i = 0; i < names->n && !status; i++)
        if (wm_str_eq(names->names[i], name))
            return 0;
    if (!status && names->n == sizeof names->names / sizeof *names->names)
        return wm_fail(err, WM_E_LIMIT, "special_tokens_map.json: over %zu special tokens",
                       names->n);
    if (!status)
        names->names[names->n++] = name;
    return status;
}

static int read_names(struct wm_str json, struct wm_arena *arena, struct names *ret,
                      struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    if (json.len == 0)
        return 0;
    wm_json_open(&r, json, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
        if (wm_json_peek(&r) != WM_JSON_ARRAY) {
            more = add_name(ret, &r, err);
            continue;
        }
        more = wm_json_array(&r, err);
        while (!more && (more = wm_json_item(&r, err)) > 0)
            more = add_name(ret, &r, err);
    }
    return more ? more : wm_json_finish(&r, err);
}

static bool is_named(const struct names *names, struct wm_str name)
{
    for (size_t i = 0; i < names->n; i++)
        if (wm_str_eq(names->names[i], name))
            return true;
    return false;
}

static int put_vocab(struct wm_tokenizer *tok, struct wm_str json, const struct names *names,
                     struct wm_arena *arena, struct wm_error *err)
{
    struct wm_json r;
    struct wm_str name;
    uint64_t id;
    wm_json_open(&r, json, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &name, err)) > 0) {
        more = wm_json_u64(&r, &id, err);
        if (!more && is_named(names, name))
            more = bpe_put_token(tok, id, name, BPE_SPECIAL, err);
        else if (!more)
            more = bpe_put_mapped(tok, name, id, arena, err);
        wm_arena_reset(arena);
    }
    return more ? more : wm_json_finish(&r, err);
}

static int put_merges(struct wm_tokenizer *tok, struct wm_str rest, struct wm_error *err)
{
    struct bpe_merges merges;
    int status = 0;
    bpe_merges_init(&merges, tok);
    for (uint64_t number = 1; rest.len && !status; number++) {
        struct wm_str line = wm_str_line(&rest), left, right;
        if (line.len && line.ptr[line.len - 1] == '\r')
            line.len--;
        if (line.len == 0 || (number == 1 && wm_str_starts(line, WM_STR("#version"))))
            continue;
        merges.failed = number;
        status = bpe_cut_merge(line, &left, &right, err);
        if (!status)
            status = bpe_put_mapped_merge(&merges, left, right, number, err);
    }
    if (!status)
        status = bpe_flush_merges(&merges, err);
    bpe_merges_done(&merges);
    return status ? wm_error_where(err, "merges.txt line %llu", (unsigned long long)merges.failed)
                  : 0;
}

/* Entries like <|endoftext|> that no merge makes. */
static int find_specials(struct wm_tokenizer *tok, struct wm_error *err)
{
    bool *made = calloc(tok->n_ids + 1, sizeof *made);
    if (!made)
        return wm_fail_nomem(err, tok->n_ids, "special tokens");
    for (uint32_t i = 0; i < tok->n_merges; i++)
        made[tok->merges[i].id] = true;
    for (uint32_t id = 0; id < tok->n_ids; id++) {
        struct wm_str bytes = wm_token_bytes(tok, id);
        if (tok->kinds[id] == BPE_TOKEN && !made[id] && bytes.len > 2 && bytes.ptr[0] == '<' &&
            bytes.ptr[bytes.len - 1] == '>')
            tok->kinds[id] = BPE_SPECIAL;
    }
    free(made);
    int status = bpe_index_tokens(tok, err);
    for (uint32_t id = 0; id < tok->n_ids && !status; id++)
        if (tok->kinds[id] == BPE_SPECIAL)
            status = bpe_put_added(tok, id, false, err);
    return status;
}

static int fill(struct wm_tokenizer *tok, struct wm_str vocab, struct wm_str merges,
                const struct names *names, struct wm_str pattern, struct wm_error *err)
{
    struct wm_arena arena;
    wm_arena_init(&arena, BPE_MAX_JSON);
    int status = put_vocab(tok, vocab, names, &arena, err);
    wm_arena_done(&arena);
    if (status)
        return wm_error_where(err, "vocab.json");
    status = bpe_index_tokens(tok, err);
    if (!status)
        status = put_merges(tok, merges, err);
    if (!status)
        status = find_specials(tok, err);
    if (!status)
        status = bpe_set_pattern(tok, pattern, err);
    return status ? status : bpe_finish(tok, err);
}

int bpe_parse_merges(struct wm_str vocab, struct wm_str merges, struct wm_str specials,
                     struct wm_str pattern, struct wm_tokenizer **ret, struct wm_error *err)
{
    struct wm_tokenizer *tok = NULL;
    struct names names;
    struct wm_arena arena; /* of the names */
    names.n = 0;
    wm_arena_init(&arena, BPE_MAX_JSON);
    int status = read_names(specials, &arena, &names, err);
    if (status)
        (void)wm_error_where(err, "special_tokens_map.json");
    if (!status)
        status = bpe_new(&tok, err);
    if (!status)
        status = fill(tok, vocab, merges, &names, pattern, err);
    wm_arena_done(&arena);
    if (status) {
        wm_tokenizer_free(tok);
        return status;
    }
    *ret = tok;
    return 0;
}

/* ---- writing ---- */

int bpe_check_gpt2(const struct wm_tokenizer *tok, struct wm_error *err)
{
    bool needed = false;
    if (strcmp(wm_tokenizer_split_name(tok), "r50k") != 0)
        return wm_fail(err, WM_E_FORMAT,
                       "vocab.json and merges.txt mean GPT-2's split, this tokenizer splits by %s",
                       wm_tokenizer_split_name(tok));
    for (uint32_t i = 0; i < tok->n_added; i++)
        if (!wm_token_is_special(tok, tok->added[i].id))
            return wm_fail(err, WM_E_FORMAT, "merges.txt cannot express the added token %lu",
                           (unsigned long)tok->added[i].id);
    if (tok->nfc)
        return wm_fail(err, WM_E_FORMAT, "merges.txt cannot express the normaliser NFC");
    if (bpe_has_template(tok))
        return wm_fail(err, WM_E_FORMAT, "merges.txt cannot express tokens put around a text");
    int status = tok->ignore_merges ? bpe_needs_ignore_merges(tok, &needed, err) : 0;
    if (!status && needed)
        return wm_fail(err, WM_E_FORMAT, "merges.txt cannot express a token that no merge makes");
    return status;
}

int bpe_format_vocab(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    struct wm_json_out w;
    struct wm_buf name;
    bpe_mapped_init(&name);
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    for (uint32_t id = 0; id < tok->n_ids && !w.status; id++) {
        if (tok->kinds[id] == BPE_HOLE)
            continue;
        w.status = bpe_mapped_name(tok, id, &name, err);
        if (w.status)
            break;
        wm_json_put_key(&w, name.ptr);
        wm_json_put_u64(&w, id);
    }
    wm_json_put_close(&w, '}');
    wm_buf_done(&name);
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}

int bpe_format_merges(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    int status = wm_buf_printf(out, err, "#version: 0.2\n");
    for (uint32_t i = 0; i < tok->n_merges && !status; i++) {
        status = bpe_map_bytes(wm_token_bytes(tok, tok->merges[i].left), out, err);
        if (!status)
            status = wm_buf_add(out, " ", 1, err);
        if (!status)
            status = bpe_map_bytes(wm_token_bytes(tok, tok->merges[i].right), out, err);
        if (!status)
            status = wm_buf_add(out, "\n", 1, err);
    }
    return status;
}

int bpe_format_specials(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    static const char *const roles[] = {"bos_token", "eos_token", "unk_token"};
    struct wm_json_out w;
    uint32_t eod;
    wm_json_out_open(&w, out, err);
    wm_json_put_open(&w, '{');
    for (size_t i = 0; i < 3 && wm_tokenizer_eod(tok, &eod); i++) {
        wm_json_put_key(&w, roles[i]);
        wm_json_put_str(&w, wm_token_bytes(tok, eod));
    }
    wm_json_put_key(&w, "additional_special_tokens");
    wm_json_put_open(&w, '[');
    for (uint32_t i = 0; i < tok->n_added; i++)
        wm_json_put_str(&w, wm_token_bytes(tok, tok->added[i].id));
    wm_json_put_close(&w, ']');
    wm_json_put_close(&w, '}');
    return w.status ? w.status : wm_buf_add(out, "\n", 1, err);
}
