/* SPDX-License-Identifier: Apache-2.0 */
/* A tokenizer in GGUF's tokenizer.ggml.* pairs, model "gpt2", as llama.cpp reads them. What those
 * cannot say goes into wetmill.tokenizer.*, which others pass over. */
#include "tokenizer/formats.h"
#include "tokenizer/sentencepiece.h"
#include "wetmill/file.h"
#include "wetmill/gguf.h"

enum token_type { NORMAL = 1, UNKNOWN = 2, CONTROL = 3, USER_DEFINED = 4, UNUSED = 5 };

#define IDENTITY "wetmill.tokenizer.identity"
#define IGNORE_MERGES "wetmill.tokenizer.ignore_merges"
#define BOS "tokenizer.ggml.bos_token_id"
#define EOS "tokenizer.ggml.eos_token_id"
#define ADD_BOS "tokenizer.ggml.add_bos_token"
#define ADD_EOS "tokenizer.ggml.add_eos_token"
#define TEMPLATE_BEGIN "wetmill.tokenizer.template_begin"
#define TEMPLATE_END "wetmill.tokenizer.template_end"
#define NORMALIZED "wetmill.tokenizer.normalized"
#define NORMALIZER "wetmill.tokenizer.normalizer"
#define UNICODE "wetmill.tokenizer.unicode"

/* ---- writing ---- */

/* llama.cpp's name of the split together with ignore_merges, which it ties to the name. */
static int find_pre(const struct wm_tokenizer *tok, const char **ret, struct wm_error *err)
{
    struct wm_str pattern = bpe_pattern_text(tok->pattern);
    bool ignore = false;
    int status = tok->ignore_merges ? bpe_needs_ignore_merges(tok, &ignore, err) : 0;
    if (status)
        return status;
    bool split_known = false;
    for (const struct bpe_named_split *s = bpe_named_splits; s->name; s++) {
        if (!wm_str_eq(pattern, wm_str_of(s->pattern)))
            continue;
        split_known = true;
        if (s->ignore_merges == ignore) {
            *ret = s->gguf;
            return 0;
        }
    }
    if (split_known)
        return wm_fail(err, WM_E_FORMAT,
                       "llama.cpp has no name for split %s with tokens that no merge makes",
                       wm_tokenizer_split_name(tok));
    wm_fail(err, WM_E_FORMAT, "llama.cpp has no name for this tokenizer's split pattern");
    return wm_error_hint(err, "splits with a name: r50k, cl100k, llama3, o200k, qwen2");
}

static void put_tokens(struct wm_gguf_out *w, const struct wm_tokenizer *tok, uint32_t n_ids)
{
    struct wm_buf name;
    bpe_mapped_init(&name);
    wm_gguf_put_array(w, "tokenizer.ggml.tokens", WM_GGUF_STRING, n_ids);
    for (uint32_t id = 0; id < n_ids && !w->status; id++) {
        name.len = 0;
        w->status = id >= tok->n_ids || tok->kinds[id] == BPE_HOLE
                        ? wm_buf_printf(&name, w->err, "[PAD%lu]%c", (unsigned long)id, 0)
                        : bpe_mapped_name(tok, id, &name, w->err);
        if (!w->status)
            wm_gguf_item_str(w, (struct wm_str){name.ptr, name.len - 1});
    }
    wm_buf_done(&name);
    wm_gguf_put_array(w, "tokenizer.ggml.token_type", WM_GGUF_I32, n_ids);
    for (uint32_t id = 0; id < n_ids; id++)
        wm_gguf_item_u32(w, id >= tok->n_ids                ? UNUSED
                            : tok->kinds[id] == BPE_TOKEN   ? NORMAL
                            : tok->kinds[id] == BPE_SPECIAL ? CONTROL
                            : tok->kinds[id] == BPE_ADDED   ? USER_DEFINED
                                                            : UNUSED);
}

static void put_merges(struct wm_gguf_out *w, const struct wm_tokenizer *tok)
{
    struct wm_buf both;
    wm_buf_init(&both, (size_t)2 * BPE_MAPPED_MAX * BPE_MAX_TOKEN + 1);
    wm_gguf_put_array(w, "tokenizer.ggml.merges", WM_GGUF_STRING, tok->n_merges);
    for (uint32_t i = 0; i < tok->n_merges && !w->status; i++) {
        both.len = 0;
        w->status = bpe_map_bytes(wm_token_bytes(tok, tok->merges[i].left), &both, w->err);
        if (!w->status)
            w->status = wm_buf_add(&both, " ", 1, w->err);
        if (!w->status)
            w->status = bpe_map_bytes(wm_token_bytes(tok, tok->merges[i].right), &both, w->err);
        if (!w->status)
            wm_gguf_item_str(w, wm_buf_str(&both));
    }
    wm_buf_done(&both);
}

/* Begin and end: the template's, else the end of a document for both. llama.cpp adds <s> by itself
 * for some splits, so that is always said. A model whose documents stood without the template gets
 * prompts without it; that there is one is for us alone. */
static void put_ends(struct wm_gguf_out *w, const struct wm_tokenizer *tok, bool framed)
{
    const struct bpe_template *t = &tok->template;
    const bool before = t->n_before && framed, after = t->n_after && framed;
    uint32_t eod = 0;
    bool has_eod = wm_tokenizer_eod(tok, &eod);
    if (has_eod || before)
        wm_gguf_put_u32(w, BOS, before ? t->before[0] : eod);
    if (has_eod || after)
        wm_gguf_put_u32(w, EOS, after ? t->after[0] : eod);
    wm_gguf_put_bool(w, ADD_BOS, before);
    wm_gguf_put_bool(w, ADD_EOS, after);
    if (t->n_before && !framed)
        wm_gguf_put_u32(w, TEMPLATE_BEGIN, t->before[0]);
    if (t->n_after && !framed)
        wm_gguf_put_u32(w, TEMPLATE_END, t->after[0]);
}

static void put_own(struct wm_gguf_out *w, const struct wm_tokenizer *tok)
{
    char hex[WM_HEX128], unicode[WM_UNICODE_NAME];
    uint32_t n = 0;
    wm_hex128(wm_tokenizer_identity(tok), hex);
    wm_tokenizer_unicode(tok, unicode);
    wm_gguf_put_str(w, IDENTITY, wm_str_of(hex));
    wm_gguf_put_str(w, UNICODE, wm_str_of(unicode));
    wm_gguf_put_bool(w, IGNORE_MERGES, tok->ignore_merges);
    if (tok->nfc)
        wm_gguf_put_str(w, NORMALIZER, WM_STR("NFC"));
    for (uint32_t i = 0; i < tok->n_added; i++)
        n += tok->added[i].normalized;
    if (!n)
        return;
    wm_gguf_put_array(w, NORMALIZED, WM_GGUF_U32, n);
    for (uint32_t i = 0; i < tok->n_added; i++)
        if (tok->added[i].normalized)
            wm_gguf_item_u32(w, tok->added[i].id);
}

int wm_tokenizer_put_gguf(const struct wm_tokenizer *tok, uint32_t n_ids, bool framed,
                          struct wm_gguf_out *w)
{
    const char *pre = NULL;
    if (tok->pieces)
        return sp_put_gguf(tok, n_ids, w);
    if (!w->status)
        w->status = find_pre(tok, &pre, w->err);
    if (!w->status && (tok->template.n_before > 1 || tok->template.n_after > 1))
        w->status = wm_fail(w->err, WM_E_FORMAT,
                            "GGUF cannot express several tokens before or behind a text");
    if (w->status)
        return w->status;
    wm_gguf_put_str(w, "tokenizer.ggml.model", WM_STR("gpt2"));
    wm_gguf_put_str(w, "tokenizer.ggml.pre", wm_str_of(pre));
    put_tokens(w, tok, n_ids > tok->n_ids ? n_ids : tok->n_ids);
    put_merges(w, tok);
    put_ends(w, tok, framed);
    put_own(w, tok);
    return w->status;
}

int bpe_format_gguf(const struct wm_tokenizer *tok, struct wm_buf *out, struct wm_error *err)
{
    struct wm_gguf_out w;
    wm_gguf_out_open(&w, out, err);
    wm_gguf_put_str(&w, "general.architecture", WM_STR("gpt2"));
    wm_gguf_put_str(&w, "general.name", WM_STR("vocabulary"));
    int status = wm_tokenizer_put_gguf(tok, 0, true, &w);
    return status ? status : wm_gguf_out_close(&w, 0);
}

/* ---- reading ---- */

struct parts {
    struct wm_gguf_pair tokens, types, merges, normalized; /* key empty: absent */
    struct wm_str model, pre, identity, unicode, normalizer;
    bool has_ignore_merges, ignore_merges;
    uint64_t bos, eos, begin, end; /* begin, end: the template's, if they are not the former */
    bool add_bos, add_eos, has_begin, has_end;
};

static int take_pair(const struct wm_gguf_pair *pair, struct parts *parts, struct wm_error *err)
{
    const struct {
        const char *key;
        struct wm_gguf_pair *ret;
        enum wm_gguf_type item;
    } arrays[] = {
        {"tokenizer.ggml.tokens", &parts->tokens, WM_GGUF_STRING},
        {"tokenizer.ggml.token_type", &parts->types, WM_GGUF_I32},
        {"tokenizer.ggml.merges", &parts->merges, WM_GGUF_STRING},
        {NORMALIZED, &parts->normalized, WM_GGUF_U32},
    };
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        if (!wm_str_eq(pair->key, wm_str_of(arrays[i].key)))
            continue;
        *arrays[i].ret = *pair;
        return wm_gguf_array(pair, arrays[i].item, err);
    }
    if (wm_str_eq(pair->key, WM_STR("tokenizer.ggml.model")))
        return wm_gguf_str(pair, &parts->model, err);
    if (wm_str_eq(pair->key, WM_STR("tokenizer.ggml.pre")))
        return wm_gguf_str(pair, &parts->pre, err);
    if (wm_str_eq(pair->key, WM_STR(BOS)))
        return wm_gguf_u64(pair, &parts->bos, err);
    if (wm_str_eq(pair->key, WM_STR(EOS)))
        return wm_gguf_u64(pair, &parts->eos, err);
    if (wm_str_eq(pair->key, WM_STR(ADD_BOS)))
        return wm_gguf_bool(pair, &parts->add_bos, err);
    if (wm_str_eq(pair->key, WM_STR(ADD_EOS)))
        return wm_gguf_bool(pair, &parts->add_eos, err);
    if (wm_str_eq(pair->key, WM_STR(TEMPLATE_BEGIN))) {
        parts->has_begin = true;
        return wm_gguf_u64(pair, &parts->begin, err);
    }
    if (wm_str_eq(pair->key, WM_STR(TEMPLATE_END))) {
        parts->has_end = true;
        return wm_gguf_u64(pair, &parts->end, err);
    }
    if (wm_str_eq(pair->key, WM_STR(IDENTITY)))
        return wm_gguf_str(pair, &parts->identity, err);
    if (wm_str_eq(pair->key, WM_STR(UNICODE)))
        return wm_gguf_str(pair, &parts->unicode, err);
    if (wm_str_eq(pair->key, WM_STR(NORMALIZER)))
        return wm_gguf_str(pair, &parts->normalizer, err);
    if (wm_str_eq(pair->key, WM_STR(IGNORE_MERGES))) {
        parts->has_ignore_merges = true;
        return wm_gguf_bool(pair, &parts->ignore_merges, err);
    }
    return 0;
}

static int read_parts(struct wm_str file, struct parts *parts, struct wm_error *err)
{
    struct wm_gguf r;
    struct wm_gguf_pair pair;
    int more = wm_gguf_open(&r, file, err);
    while (!more && (more = wm_gguf_next(&r, &pair, err)) > 0)
        more = take_pair(&pair, parts, err);
    if (more)
        return more;
    if (!parts->model.ptr)
        return wm_fail(err, WM_E_FORMAT, "there is no tokenizer.ggml.model");
    if (wm_str_eq(parts->model, WM_STR("llama")))
        return 0;
    if (!wm_str_eq(parts->model, WM_STR("gpt2")))
        return wm_fail(err, WM_E_FORMAT, "tokenizer.ggml.model \"%.*s\" is not supported",
                       bpe_shown(parts->model), parts->model.ptr);
    if (!parts->pre.ptr)
        return wm_fail(err, WM_E_FORMAT, "there is no tokenizer.ggml.pre to name the split");
    if (!parts->tokens.key.len || !parts->merges.key.len)
        return wm_fail(err, WM_E_FORMAT, "there is no tokenizer.ggml.%s",
                       parts->tokens.key.len ? "merges" : "tokens");
    if (parts->types.key.len && parts->types.n != parts->tokens.n)
        return wm_fail(err, WM_E_FORMAT, "tokenizer.ggml.token_type has %llu items for %llu tokens",
                       (unsigned long long)parts->types.n, (unsigned long long)parts->tokens.n);
    return 0;
}

static int put_token(struct wm_tokenizer *tok, uint64_t id, struct wm_str name, uint32_t type,
                     struct wm_arena *arena, struct wm_error *err)
{
    if (type == UNUSED)
        return 0;
    if (type == NORMAL)
        return bpe_put_mapped(tok, name, id, arena, err);
    if (type != UNKNOWN && type != CONTROL && type != USER_DEFINED)
        return wm_fail(err, WM_E_FORMAT, "token_type %lu of token %llu is not supported",
                       (unsigned long)type, (unsigned long long)id);
    if (memchr(name.ptr, '\0', name.len))
        return wm_fail(err, WM_E_FORMAT, "the special token %llu has a NUL byte",
                       (unsigned long long)id);
    return bpe_put_token(tok, id, name, type == USER_DEFINED ? BPE_ADDED : BPE_SPECIAL, err);
}

static int take_tokens(struct wm_tokenizer *tok, const struct parts *parts, struct wm_error *err)
{
    struct wm_str tokens = parts->tokens.data, types = parts->types.data;
    struct wm_arena arena;
    int status = 0;
    wm_arena_init(&arena, (size_t)1 << 26);
    for (uint64_t id = 0; id < parts->tokens.n && !status; id++) {
        struct wm_str name = wm_gguf_next_str(&tokens);
        uint32_t type = parts->types.key.len ? wm_gguf_next_u32(&types) : NORMAL;
        status = put_token(tok, id, name, type, &arena, err);
        wm_arena_reset(&arena);
    }
    wm_arena_done(&arena);
    return status ? wm_error_where(err, "tokenizer.ggml.tokens") : bpe_index_tokens(tok, err);
}

static int take_merges(struct wm_tokenizer *tok, const struct parts *parts, struct wm_error *err)
{
    struct wm_str data = parts->merges.data, left, right;
    struct bpe_merges merges;
    int status = 0;
    bpe_merges_init(&merges, tok);
    for (uint64_t i = 0; i < parts->merges.n && !status; i++) {
        merges.failed = i;
        status = bpe_cut_merge(wm_gguf_next_str(&data), &left, &right, err);
        if (!status)
            status = bpe_put_mapped_merge(&merges, left, right, i, err);
    }
    if (!status)
        status = bpe_flush_merges(&merges, err);
    bpe_merges_done(&merges);
    return status ? wm_error_where(err, "tokenizer.ggml.merges item %llu",
                                   (unsigned long long)merges.failed)
                  : 0;
}

/* The ids in NORMALIZED rise, as we write them. */
static uint32_t next_normalized(struct wm_str *data)
{
    return data->len ? wm_gguf_next_u32(data) : BPE_NONE;
}

static int take_added(struct wm_tokenizer *tok, const struct parts *parts, struct wm_error *err)
{
    struct wm_str data = parts->normalized.data;
    uint32_t normalized = next_normalized(&data);
    int status = 0;
    for (uint32_t id = 0; id < tok->n_ids && !status; id++) {
        if (tok->kinds[id] != BPE_SPECIAL && tok->kinds[id] != BPE_ADDED)
            continue;
        status = bpe_put_added(tok, id, id == normalized, err);
        if (id == normalized)
            normalized = next_normalized(&data);
    }
    return status;
}

static int take_template(struct wm_tokenizer *tok, const struct parts *parts, struct wm_error *err)
{
    const struct {
        const char *key;
        bool add;
        uint64_t id;
        uint32_t *ids, *n;
    } ends[] = {
        {BOS, parts->add_bos, parts->bos, tok->template.before, &tok->template.n_before},
        {EOS, parts->add_eos, parts->eos, tok->template.after, &tok->template.n_after},
        {TEMPLATE_BEGIN, parts->has_begin, parts->begin, tok->template.before,
         &tok->template.n_before},
        {TEMPLATE_END, parts->has_end, parts->end, tok->template.after, &tok->template.n_after},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        if (!ends[i].add)
            continue;
        if (ends[i].id >= tok->n_ids || tok->kinds[ends[i].id] == BPE_HOLE ||
            tok->kinds[ends[i].id] == BPE_TOKEN)
            return wm_fail(err, WM_E_FORMAT, "%s %llu is no special token", ends[i].key,
                           (unsigned long long)ends[i].id);
        ends[i].ids[0] = (uint32_t)ends[i].id;
        *ends[i].n = 1;
    }
    return 0;
}

/* A file of ours says whether there is a normaliser; elsewhere the split's name stands for it. */
static int take_normalizer(struct wm_tokenizer *tok, const struct parts *parts, bool nfc,
                           struct wm_error *err)
{
    tok->nfc = parts->identity.ptr ? parts->normalizer.ptr != NULL : nfc;
    if (!parts->normalizer.ptr || wm_str_eq(parts->normalizer, WM_STR("NFC")))
        return 0;
    return wm_fail(err, WM_E_FORMAT, "%s \"%.*s\" is not supported", NORMALIZER,
                   bpe_shown(parts->normalizer), parts->normalizer.ptr);
}

static int take_split(struct wm_tokenizer *tok, const struct parts *parts, struct wm_error *err)
{
    for (const struct bpe_named_split *s = bpe_named_splits; s->name; s++) {
        if (!wm_str_eq(parts->pre, wm_str_of(s->gguf)))
            continue;
        tok->ignore_merges = parts->has_ignore_merges ? parts->ignore_merges : s->ignore_merges;
        int status = take_normalizer(tok, parts, s->nfc, err);
        return status ? status : bpe_set_pattern(tok, wm_str_of(s->pattern), err);
    }
    return wm_fail(err, WM_E_FORMAT, "tokenizer.ggml.pre \"%.*s\" is not known",
                   bpe_shown(parts->pre), parts->pre.ptr);
}

static int check_identity(const struct wm_tokenizer *tok, const struct parts *parts,
                          struct wm_error *err)
{
    char hex[WM_HEX128], unicode[WM_UNICODE_NAME];
    struct wm_str said = parts->identity;
    wm_hex128(wm_tokenizer_identity(tok), hex);
    if (!said.ptr || wm_str_eq(said, wm_str_of(hex)))
        return 0;
    wm_tokenizer_unicode(tok, unicode);
    if (parts->unicode.ptr && !wm_str_eq(parts->unicode, wm_str_of(unicode)))
        return wm_fail(err, WM_E_MISMATCH, "the file's split is of Unicode %.*s, here it is of %s",
                       bpe_shown(parts->unicode), parts->unicode.ptr, unicode);
    return wm_fail(err, WM_E_MISMATCH, "the file says it holds tokenizer %.*s, but it holds %s",
                   bpe_shown(said), said.ptr, hex);
}

int bpe_parse_gguf(struct wm_str file, struct wm_tokenizer **ret, struct wm_error *err)
{
    struct parts parts = {0};
    struct wm_tokenizer *tok = NULL;
    int status = read_parts(file, &parts, err);
    if (!status && wm_str_eq(parts.model, WM_STR("llama")))
        return sp_parse_gguf(file, ret, err);
    if (!status)
        status = bpe_new(&tok, err);
    if (!status)
        status = take_tokens(tok, &parts, err);
    if (!status)
        status = take_merges(tok, &parts, err);
    if (!status)
        status = take_added(tok, &parts, err);
    if (!status)
        status = take_split(tok, &parts, err);
    if (!status)
        status = take_template(tok, &parts, err);
    if (!status)
        status = bpe_finish(tok, err);
    if (!status)
        status = check_identity(tok, &parts, err);
    if (status) {
        wm_tokenizer_free(tok);
        return status;
    }
    *ret = tok;
    return 0;
}
