/* SPDX-License-Identifier: Apache-2.0 */
/* TemplateProcessing of tokenizer.json: special tokens around a text. Of its two templates `single`
 * is ours; `pair`, for two texts at once, is passed over. */
#include "tokenizer/formats.h"

enum { MAX_NAMED = 64 }; /* entries of special_tokens */

struct named {
    struct wm_str name;
    uint64_t id;
};

struct template
{
    struct named named[MAX_NAMED];
    size_t n_named;
    struct wm_str parts[2 * BPE_MAX_TEMPLATE]; /* names; the text is an empty one */
    size_t n_parts;
};

/* {"id": name, "ids": [id], "tokens": [name]} */
static int read_named(struct wm_json *r, struct named *ret, struct wm_error *err)
{
    struct wm_str key;
    size_t n = 0;
    int more = wm_json_object(r, err);
    while (!more && (more = wm_json_key(r, &key, err)) > 0) {
        if (!wm_str_eq(key, WM_STR("ids"))) {
            more = wm_json_skip(r, NULL, err);
            continue;
        }
        more = wm_json_array(r, err);
        for (; !more && (more = wm_json_item(r, err)) > 0; n++)
            more = wm_json_u64(r, &ret->id, err);
    }
    if (!more && n != 1)
        return wm_fail(err, WM_E_FORMAT,
                       "post_processor TemplateProcessing: \"%.*s\" has %zu ids, want 1",
                       bpe_shown(ret->name), ret->name.ptr, n);
    return more;
}

static int read_all_named(struct wm_json *r, struct template *t, struct wm_error *err)
{
    int more = wm_json_object(r, err);
    struct wm_str name;
    while (!more && (more = wm_json_key(r, &name, err)) > 0) {
        if (t->n_named == MAX_NAMED)
            return wm_fail(err, WM_E_LIMIT, "post_processor TemplateProcessing: over %d tokens",
                           MAX_NAMED);
        t->named[t->n_named].name = name;
        more = read_named(r, &t->named[t->n_named++], err);
    }
    return more;
}

/* {"SpecialToken": {"id": name, "type_id": 0}} or {"Sequence": {"id": "A", "type_id": 0}} */
static int read_part(struct wm_json *r, struct wm_str *ret, struct wm_error *err)
{
    struct wm_str kind = {"", 0}, key, id = {"", 0};
    int more = wm_json_object(r, err);
    if (!more && (more = wm_json_key(r, &kind, err)) > 0)
        more = wm_json_object(r, err);
    while (!more && (more = wm_json_key(r, &key, err)) > 0)
        more =
            wm_str_eq(key, WM_STR("id")) ? wm_json_string(r, &id, err) : wm_json_skip(r, NULL, err);
    if (!more && (more = wm_json_key(r, &key, err)) > 0)
        return wm_fail(err, WM_E_FORMAT, "post_processor TemplateProcessing: two kinds in a part");
    if (more)
        return more;
    bool text = wm_str_eq(kind, WM_STR("Sequence")) && wm_str_eq(id, WM_STR("A"));
    if (!text && (!wm_str_eq(kind, WM_STR("SpecialToken")) || id.len == 0))
        return wm_fail(err, WM_E_FORMAT,
                       "post_processor TemplateProcessing: a part \"%.*s\" is not supported",
                       bpe_shown(kind), kind.ptr);
    *ret = text ? WM_STR("") : id;
    return 0;
}

static int read_single(struct wm_json *r, struct template *t, struct wm_error *err)
{
    int more = wm_json_array(r, err);
    while (!more && (more = wm_json_item(r, err)) > 0) {
        if (t->n_parts == sizeof t->parts / sizeof *t->parts)
            return wm_fail(err, WM_E_LIMIT, "post_processor TemplateProcessing: over %zu parts",
                           t->n_parts);
        more = read_part(r, &t->parts[t->n_parts++], err);
    }
    return more;
}

static int read_template(struct wm_str raw, struct wm_arena *arena, struct template *t,
                         struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    wm_json_open(&r, raw, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0) {
        if (wm_str_eq(key, WM_STR("single")))
            more = read_single(&r, t, err);
        else if (wm_str_eq(key, WM_STR("special_tokens")))
            more = read_all_named(&r, t, err);
        else if (wm_str_eq(key, WM_STR("type")) || wm_str_eq(key, WM_STR("pair")))
            more = wm_json_skip(&r, NULL, err);
        else
            return wm_fail(err, WM_E_FORMAT,
                           "post_processor TemplateProcessing has the member \"%.*s\", which is "
                           "not known",
                           bpe_shown(key), key.ptr);
    }
    return more ? more : wm_json_finish(&r, err);
}

/* Id of the token `name`; the template's own list and the added tokens must agree on it. */
static int id_of(const struct wm_tokenizer *tok, const struct template *t, struct wm_str name,
                 uint32_t *ret, struct wm_error *err)
{
    for (size_t i = 0; i < t->n_named; i++) {
        uint64_t id = t->named[i].id;
        if (!wm_str_eq(t->named[i].name, name))
            continue;
        if (id >= tok->n_ids || tok->kinds[id] == BPE_TOKEN ||
            !wm_str_eq(wm_token_bytes(tok, (uint32_t)id), name))
            break;
        *ret = (uint32_t)id;
        return 0;
    }
    return wm_fail(err, WM_E_FORMAT,
                   "post_processor TemplateProcessing: \"%.*s\" is not the added token it says",
                   bpe_shown(name), name.ptr);
}

int bpe_parse_template(struct wm_tokenizer *tok, struct wm_str raw, struct wm_arena *arena,
                       struct wm_error *err)
{
    struct template t = {.n_parts = 0};
    struct bpe_template *ret = &tok->template;
    bool behind = false;
    int status = read_template(raw, arena, &t, err);
    for (size_t i = 0; i < t.n_parts && !status; i++) {
        uint32_t *n = behind ? &ret->n_after : &ret->n_before;
        if (t.parts[i].len == 0) {
            if (behind)
                return wm_fail(err, WM_E_FORMAT,
                               "post_processor TemplateProcessing has the text twice");
            behind = true;
            continue;
        }
        if (*n == BPE_MAX_TEMPLATE)
            return wm_fail(err, WM_E_LIMIT, "post_processor TemplateProcessing: over %d tokens",
                           BPE_MAX_TEMPLATE);
        status = id_of(tok, &t, t.parts[i], behind ? &ret->after[*n] : &ret->before[*n], err);
        *n += !status;
    }
    if (!status && !behind)
        return wm_fail(err, WM_E_FORMAT, "post_processor TemplateProcessing leaves the text out");
    return status;
}

/* ---- writing ---- */

static void put_part(struct wm_json_out *w, const char *kind, struct wm_str id, unsigned type_id)
{
    wm_json_put_open(w, '{');
    wm_json_put_key(w, kind);
    wm_json_put_open(w, '{');
    wm_json_put_key(w, "id");
    wm_json_put_str(w, id);
    wm_json_put_key(w, "type_id");
    wm_json_put_u64(w, type_id);
    wm_json_put_close(w, '}');
    wm_json_put_close(w, '}');
}

static void put_text(struct wm_json_out *w, const struct wm_tokenizer *tok, struct wm_str text,
                     unsigned type_id)
{
    const struct bpe_template *t = &tok->template;
    for (uint32_t i = 0; i < t->n_before; i++)
        put_part(w, "SpecialToken", wm_token_bytes(tok, t->before[i]), type_id);
    put_part(w, "Sequence", text, type_id);
    for (uint32_t i = 0; i < t->n_after; i++)
        put_part(w, "SpecialToken", wm_token_bytes(tok, t->after[i]), type_id);
}

/* Entry of special_tokens, unless the template named it before. */
static void put_named(struct wm_json_out *w, const struct wm_tokenizer *tok, const uint32_t *ids,
                      uint32_t i, const uint32_t *others, uint32_t n_others)
{
    char name[BPE_MAX_TOKEN + 1];
    struct wm_str bytes = wm_token_bytes(tok, ids[i]);
    for (uint32_t k = 0; k < i; k++)
        if (ids[k] == ids[i])
            return;
    for (uint32_t k = 0; k < n_others; k++)
        if (others[k] == ids[i])
            return;
    memcpy(name, bytes.ptr, bytes.len);
    name[bytes.len] = '\0';
    wm_json_put_key(w, name);
    wm_json_put_open(w, '{');
    wm_json_put_key(w, "id");
    wm_json_put_str(w, bytes);
    wm_json_put_key(w, "ids");
    wm_json_put_open(w, '[');
    wm_json_put_u64(w, ids[i]);
    wm_json_put_close(w, ']');
    wm_json_put_key(w, "tokens");
    wm_json_put_open(w, '[');
    wm_json_put_str(w, bytes);
    wm_json_put_close(w, ']');
    wm_json_put_close(w, '}');
}

void bpe_put_template(struct wm_json_out *w, const struct wm_tokenizer *tok)
{
    const struct bpe_template *t = &tok->template;
    wm_json_put_key(w, "post_processor");
    if (!bpe_has_template(tok)) {
        wm_json_put_null(w);
        return;
    }
    wm_json_put_open(w, '{');
    wm_json_put_key(w, "type");
    wm_json_put_str(w, WM_STR("TemplateProcessing"));
    wm_json_put_key(w, "single");
    wm_json_put_open(w, '[');
    put_text(w, tok, WM_STR("A"), 0);
    wm_json_put_close(w, ']');
    wm_json_put_key(w, "pair");
    wm_json_put_open(w, '[');
    put_text(w, tok, WM_STR("A"), 0);
    put_text(w, tok, WM_STR("B"), 1);
    wm_json_put_close(w, ']');
    wm_json_put_key(w, "special_tokens");
    wm_json_put_open(w, '{');
    for (uint32_t i = 0; i < t->n_before; i++)
        put_named(w, tok, t->before, i, NULL, 0);
    for (uint32_t i = 0; i < t->n_after; i++)
        put_named(w, tok, t->after, i, t->before, t->n_before);
    wm_json_put_close(w, '}');
    wm_json_put_close(w, '}');
}
