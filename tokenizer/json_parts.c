/* SPDX-License-Identifier: Apache-2.0 */
#include "tokenizer/json_parts.h"

/* One member of an object in raw form. */
struct member {
    const char *name;
    struct wm_str raw;     /* empty: absent */
    struct member *inside; /* NULL, or its own members, so that a large one is read only once */
    bool has_inside;       /* they are taken: the value is an object with no other members */
};

static int value(struct wm_json *r, struct member *m, struct wm_error *err);

/* Take apart an object into the members named (name NULL ends); WM_E_FORMAT for any other. */
static int take_members(struct wm_json *r, const char *what, struct member *wanted,
                        struct wm_error *err)
{
    struct wm_str key;
    int more = wm_json_object(r, err);
    while (!more && (more = wm_json_key(r, &key, err)) > 0) {
        struct member *m = wanted;
        while (m->name && !wm_str_eq(key, wm_str_of(m->name)))
            m++;
        if (!m->name)
            return wm_fail(err, WM_E_FORMAT, "%s has the member \"%.*s\", which is not known", what,
                           (int)(key.len < 64 ? key.len : 64), key.ptr);
        if (m->raw.len)
            return wm_fail(err, WM_E_FORMAT, "%s has \"%s\" twice", what, m->name);
        more = value(r, m, err);
    }
    return more;
}

static int value(struct wm_json *r, struct member *m, struct wm_error *err)
{
    if (m->inside && wm_json_peek(r) == WM_JSON_OBJECT) {
        struct wm_json before = *r;
        struct wm_error unused = {0};
        if (take_members(r, m->name, m->inside, &unused) == 0) {
            m->has_inside = true;
            m->raw = (struct wm_str){before.at, (size_t)(r->at - before.at)};
            return 0;
        }
        *r = before;
    }
    return wm_json_skip(r, &m->raw, err);
}

static int members(struct wm_str raw, struct wm_arena *arena, const char *what,
                   struct member *wanted, struct wm_error *err)
{
    struct wm_json r;
    wm_json_open(&r, raw, arena);
    int status = take_members(&r, what, wanted, err);
    return status ? status : wm_json_finish(&r, err);
}

static bool is_null(struct wm_str raw)
{
    return raw.len == 0 || wm_str_eq(raw, WM_STR("null"));
}

static int text(struct wm_str raw, struct wm_arena *arena, struct wm_str *ret, struct wm_error *err)
{
    struct wm_json r;
    wm_json_open(&r, raw, arena);
    return wm_json_string(&r, ret, err);
}

/* A boolean member that must have one value. `absent` is what its absence means. */
static int flag(const struct member *m, bool absent, bool want, const char *what,
                struct wm_error *err)
{
    bool value = m->raw.len ? wm_str_eq(m->raw, WM_STR("true")) : absent;
    if (m->raw.len && !value && !wm_str_eq(m->raw, WM_STR("false")))
        return wm_fail(err, WM_E_FORMAT, "%s: %s is not true or false", what, m->name);
    if (value != want)
        return wm_fail(err, WM_E_FORMAT, "%s with %s %s is not supported", what, m->name,
                       value ? "true" : "false");
    return 0;
}

/* The "type" of a component, found without knowing its other members. */
static int type_of(struct wm_str raw, struct wm_arena *arena, const char *what, struct wm_str *ret,
                   struct wm_error *err)
{
    struct wm_json r;
    struct wm_str key;
    *ret = (struct wm_str){"", 0};
    wm_json_open(&r, raw, arena);
    int more = wm_json_object(&r, err);
    while (!more && (more = wm_json_key(&r, &key, err)) > 0)
        more = wm_str_eq(key, WM_STR("type")) ? wm_json_string(&r, ret, err)
                                              : wm_json_skip(&r, NULL, err);
    if (!more && ret->len == 0)
        return wm_fail(err, WM_E_FORMAT, "%s has no type", what);
    return more;
}

static int unknown(const char *what, struct wm_str type, struct wm_error *err)
{
    return wm_fail(err, WM_E_FORMAT, "%s \"%.*s\" is not supported", what,
                   (int)(type.len < 64 ? type.len : 64), type.ptr);
}

/* ByteLevel as pre-tokenizer, decoder or post-processor. Offsets and prefix space do nothing in
 * the latter two. */
static int byte_level(struct wm_str raw, struct wm_arena *arena, const char *what,
                      bool *ret_use_regex, struct wm_error *err)
{
    struct member m[] = {{.name = "type"},
                         {.name = "add_prefix_space"},
                         {.name = "trim_offsets"},
                         {.name = "use_regex"},
                         {0}};
    int status = members(raw, arena, what, m, err);
    if (!status && ret_use_regex)
        status = flag(&m[1], true, false, what, err);
    if (!status && ret_use_regex)
        *ret_use_regex = !wm_str_eq(m[3].raw, WM_STR("false"));
    return status;
}

/* Split{pattern: {Regex}, behavior: Isolated, invert: false} */
static int split_pattern(struct wm_str raw, struct wm_arena *arena, struct wm_str *ret,
                         struct wm_error *err)
{
    const char *what = "pre_tokenizer Split";
    struct member m[] = {
        {.name = "type"}, {.name = "pattern"}, {.name = "behavior"}, {.name = "invert"}, {0}};
    struct member p[] = {{.name = "Regex"}, {0}};
    struct wm_str behavior;
    int status = members(raw, arena, what, m, err);
    if (!status)
        status = members(m[1].raw, arena, "pattern of pre_tokenizer Split", p, err);
    if (!status)
        status = text(p[0].raw, arena, ret, err);
    if (!status)
        status = text(m[2].raw, arena, &behavior, err);
    if (!status && !wm_str_eq(behavior, WM_STR("Isolated")))
        status = unknown("behavior of pre_tokenizer Split", behavior, err);
    return status ? status : flag(&m[3], false, false, what, err);
}

/* GPT-2's split of what is between numbers, which its "\s+(?!\S)" does not see. */
#define R50K_BETWEEN_(numbers)                                             \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+|" numbers "| ?[^\\s\\p{L}\\p{N}]+|" \
    "\\s+(?![^\\s\\p{N}])|\\s+"

/* Digits: first numbers, \p{N}, are cut off, each character alone or as they stand together; then
 * ByteLevel cuts the rest, or nothing. The same by one pattern. */
static int digits_pattern(struct wm_str digits, struct wm_str bytes, struct wm_arena *arena,
                          struct wm_str *ret, struct wm_error *err)
{
    struct member m[] = {{.name = "type"}, {.name = "individual_digits"}, {0}};
    bool use_regex = false;
    int status = members(digits, arena, "pre_tokenizer Digits", m, err);
    if (status)
        return status;
    bool single = wm_str_eq(m[1].raw, WM_STR("true"));
    if (!single && !wm_str_eq(m[1].raw, WM_STR("false")))
        return wm_fail(err, WM_E_FORMAT,
                       "pre_tokenizer Digits: individual_digits is not true or false");
    status = byte_level(bytes, arena, "pre_tokenizer ByteLevel", &use_regex, err);
    if (use_regex)
        *ret = wm_str_of(single ? R50K_BETWEEN_("\\p{N}") : R50K_BETWEEN_("\\p{N}+"));
    else
        *ret = wm_str_of(single ? "\\p{N}" : "\\p{N}+");
    return status;
}

/* Sequence[Split, ByteLevel without regex], or [Digits, ByteLevel] */
static int sequence_pattern(struct wm_str raw, struct wm_arena *arena, struct wm_str *ret,
                            struct wm_error *err)
{
    struct member m[] = {{.name = "type"}, {.name = "pretokenizers"}, {0}};
    struct wm_str parts[2], type[2];
    struct wm_json r;
    size_t n = 0;
    int status = members(raw, arena, "pre_tokenizer Sequence", m, err);
    if (status)
        return status;
    wm_json_open(&r, m[1].raw, arena);
    int more = wm_json_array(&r, err);
    while (!more && (more = wm_json_item(&r, err)) > 0) {
        if (n == 2)
            return wm_fail(err, WM_E_FORMAT, "pre_tokenizer Sequence of over 2 parts");
        more = wm_json_skip(&r, &parts[n], err);
        if (!more)
            more = type_of(parts[n], arena, "part of pre_tokenizer Sequence", &type[n], err);
        n++;
    }
    if (more)
        return more;
    if (n != 2)
        return wm_fail(err, WM_E_FORMAT, "pre_tokenizer Sequence of %zu parts, want 2", n);
    if (!wm_str_eq(type[1], WM_STR("ByteLevel")))
        return unknown("pre_tokenizer Sequence ending with", type[1], err);
    if (wm_str_eq(type[0], WM_STR("Digits")))
        return digits_pattern(parts[0], parts[1], arena, ret, err);
    if (!wm_str_eq(type[0], WM_STR("Split")))
        return unknown("pre_tokenizer Sequence beginning with", type[0], err);
    bool use_regex = false;
    status = split_pattern(parts[0], arena, ret, err);
    if (!status)
        status = byte_level(parts[1], arena, "pre_tokenizer ByteLevel", &use_regex, err);
    if (!status && use_regex)
        status = wm_fail(err, WM_E_FORMAT, "pre_tokenizer ByteLevel splits again (use_regex)");
    return status;
}

static int pre_tokenizer(struct wm_str raw, struct wm_arena *arena, struct wm_str *ret,
                         struct wm_error *err)
{
    struct wm_str type;
    if (is_null(raw))
        return wm_fail(err, WM_E_FORMAT, "there is no pre_tokenizer; want ByteLevel");
    int status = type_of(raw, arena, "pre_tokenizer", &type, err);
    if (status)
        return status;
    if (wm_str_eq(type, WM_STR("Sequence")))
        return sequence_pattern(raw, arena, ret, err);
    if (!wm_str_eq(type, WM_STR("ByteLevel")))
        return unknown("pre_tokenizer", type, err);
    bool use_regex = false;
    status = byte_level(raw, arena, "pre_tokenizer ByteLevel", &use_regex, err);
    if (!status && !use_regex)
        status = wm_fail(err, WM_E_FORMAT, "pre_tokenizer ByteLevel without a split (use_regex)");
    *ret = wm_str_of(bpe_named_patterns[WM_SPLIT_R50K]);
    return status;
}

/* Decoder and post-processor: absent, or ByteLevel. */
static int byte_level_or_null(struct wm_str raw, struct wm_arena *arena, const char *what,
                              struct wm_error *err)
{
    struct wm_str type;
    if (is_null(raw))
        return 0;
    int status = type_of(raw, arena, what, &type, err);
    if (!status && !wm_str_eq(type, WM_STR("ByteLevel")))
        status = unknown(what, type, err);
    return status ? status : byte_level(raw, arena, what, NULL, err);
}

/* Absent, or {"type": "NFC"}. */
static int normalizer(struct wm_str raw, struct wm_arena *arena, bool *ret_nfc,
                      struct wm_error *err)
{
    struct wm_str type;
    struct member m[] = {{.name = "type"}, {0}};
    if (is_null(raw))
        return 0;
    int status = type_of(raw, arena, "normalizer", &type, err);
    if (!status && !wm_str_eq(type, WM_STR("NFC")))
        return unknown("normalizer", type, err);
    *ret_nfc = true;
    return status ? status : members(raw, arena, "normalizer NFC", m, err);
}

/* ByteLevel, which says nothing about ids, or one template. */
static int one_post_processor(struct wm_str raw, struct wm_arena *arena,
                              struct wm_str *ret_template, struct wm_error *err)
{
    struct wm_str type;
    int status = type_of(raw, arena, "post_processor", &type, err);
    if (status || !wm_str_eq(type, WM_STR("TemplateProcessing")))
        return status ? status : byte_level_or_null(raw, arena, "post_processor", err);
    if (ret_template->len)
        return wm_fail(err, WM_E_FORMAT, "post_processor has two templates");
    *ret_template = raw;
    return 0;
}

/* Absent, one, or a Sequence of them. */
static int post_processor(struct wm_str raw, struct wm_arena *arena, struct wm_str *ret_template,
                          struct wm_error *err)
{
    struct member m[] = {{.name = "type"}, {.name = "processors"}, {0}};
    struct wm_str type, part;
    struct wm_json r;
    if (is_null(raw))
        return 0;
    int status = type_of(raw, arena, "post_processor", &type, err);
    if (status || !wm_str_eq(type, WM_STR("Sequence")))
        return status ? status : one_post_processor(raw, arena, ret_template, err);
    status = members(raw, arena, "post_processor Sequence", m, err);
    if (status)
        return status;
    wm_json_open(&r, m[1].raw, arena);
    int more = wm_json_array(&r, err);
    while (!more && (more = wm_json_item(&r, err)) > 0) {
        more = wm_json_skip(&r, &part, err);
        if (!more)
            more = one_post_processor(part, arena, ret_template, err);
    }
    return more;
}

/* "" and null are the same here. */
static int must_be_empty(const struct member *m, struct wm_error *err)
{
    if (is_null(m->raw) || wm_str_eq(m->raw, WM_STR("\"\"")))
        return 0;
    return wm_fail(err, WM_E_FORMAT, "model: %s is not supported", m->name);
}

enum model_member {
    TYPE,
    DROPOUT,
    UNKNOWN,
    PREFIX,
    SUFFIX,
    FUSE_UNKNOWN,
    BYTE_FALLBACK,
    IGNORE_MERGES,
    VOCAB,
    MERGES,
    MODEL_MEMBERS
};
#define MODEL_MEMBERS_                                                                            \
    {                                                                                             \
        [TYPE] = {.name = "type"}, [DROPOUT] = {.name = "dropout"},                               \
        [UNKNOWN] = {.name = "unk_token"}, [PREFIX] = {.name = "continuing_subword_prefix"},      \
        [SUFFIX] = {.name = "end_of_word_suffix"}, [FUSE_UNKNOWN] = {.name = "fuse_unk"},         \
        [BYTE_FALLBACK] = {.name = "byte_fallback"}, [IGNORE_MERGES] = {.name = "ignore_merges"}, \
        [VOCAB] = {.name = "vocab"}, [MERGES] = {.name = "merges"},                               \
        [MODEL_MEMBERS] = {.name = NULL},                                                         \
    }

/* `of` may have been taken apart already. */
static int model(const struct member *of, struct wm_arena *arena, struct bpe_json_parts *ret,
                 struct wm_error *err)
{
    struct wm_str raw = of->raw, type = WM_STR("BPE"); /* files of before 2020 have no type here */
    struct member own[] = MODEL_MEMBERS_, *m = of->has_inside ? of->inside : own;
    if (is_null(raw))
        return wm_fail(err, WM_E_FORMAT, "there is no model");
    int status = of->has_inside ? 0 : members(raw, arena, "model", m, err);
    if (!status && m[TYPE].raw.len)
        status = text(m[TYPE].raw, arena, &type, err);
    if (status == WM_E_FORMAT) { /* perhaps as another model has other members */
        struct wm_error unused = {0};
        struct wm_str other;
        if (type_of(raw, arena, "model", &other, &unused) == 0)
            type = other;
    }
    if ((!status || status == WM_E_FORMAT) && !wm_str_eq(type, WM_STR("BPE")))
        return unknown("model", type, err);
    if (!status && !is_null(m[DROPOUT].raw))
        status = wm_fail(err, WM_E_FORMAT, "model: dropout is not supported");
    if (!status)
        status = must_be_empty(&m[UNKNOWN], err);
    if (!status)
        status = must_be_empty(&m[PREFIX], err);
    if (!status)
        status = must_be_empty(&m[SUFFIX], err);
    if (!status)
        status = flag(&m[BYTE_FALLBACK], false, false, "model", err);
    if (!status && (is_null(m[VOCAB].raw) || is_null(m[MERGES].raw)))
        status = wm_fail(err, WM_E_FORMAT, "model has no vocab or no merges");
    ret->ignore_merges = wm_str_eq(m[IGNORE_MERGES].raw, WM_STR("true"));
    ret->vocab = m[VOCAB].raw;
    ret->merges = m[MERGES].raw;
    return status;
}

enum top_member {
    VERSION,
    TRUNCATION,
    PADDING,
    ADDED,
    NORMALIZER,
    PRE_TOKENIZER,
    POST_PROCESSOR,
    DECODER,
    MODEL
};

int bpe_json_parts(struct wm_str json, struct wm_arena *arena, struct bpe_json_parts *ret,
                   struct wm_error *err)
{
    struct member inside[] = MODEL_MEMBERS_;
    struct member m[] = {
        [VERSION] = {.name = "version"},
        [TRUNCATION] = {.name = "truncation"},
        [PADDING] = {.name = "padding"},
        [ADDED] = {.name = "added_tokens"},
        [NORMALIZER] = {.name = "normalizer"},
        [PRE_TOKENIZER] = {.name = "pre_tokenizer"},
        [POST_PROCESSOR] = {.name = "post_processor"},
        [DECODER] = {.name = "decoder"},
        [MODEL] = {.name = "model", .inside = inside},
        [MODEL + 1] = {0},
    };
    *ret = (struct bpe_json_parts){0};
    int status = members(json, arena, "tokenizer.json", m, err);
    if (!status && m[VERSION].raw.len && !wm_str_eq(m[VERSION].raw, WM_STR("\"1.0\"")))
        status =
            wm_fail(err, WM_E_FORMAT, "version %.*s is not known, want \"1.0\"",
                    (int)(m[VERSION].raw.len < 32 ? m[VERSION].raw.len : 32), m[VERSION].raw.ptr);
    if (!status && !is_null(m[TRUNCATION].raw))
        status = wm_fail(err, WM_E_FORMAT, "truncation is not supported");
    if (!status && !is_null(m[PADDING].raw))
        status = wm_fail(err, WM_E_FORMAT, "padding is not supported");
    if (!status)
        status = normalizer(m[NORMALIZER].raw, arena, &ret->nfc, err);
    if (!status)
        status = post_processor(m[POST_PROCESSOR].raw, arena, &ret->template, err);
    if (!status)
        status = byte_level_or_null(m[DECODER].raw, arena, "decoder", err);
    if (!status)
        status = model(&m[MODEL], arena, ret, err);
    if (!status)
        status = pre_tokenizer(m[PRE_TOKENIZER].raw, arena, &ret->pattern, err);
    if (!is_null(m[ADDED].raw))
        ret->added = m[ADDED].raw;
    return status;
}

int bpe_json_added(struct wm_json *r, struct bpe_json_added *ret, struct wm_error *err)
{
    const char *what = "added token";
    struct member m[] = {
        {.name = "id"},     {.name = "content"},    {.name = "single_word"}, {.name = "lstrip"},
        {.name = "rstrip"}, {.name = "normalized"}, {.name = "special"},     {0}};
    struct wm_str raw;
    struct wm_json number;
    int status = wm_json_skip(r, &raw, err);
    if (!status)
        status = members(raw, r->arena, what, m, err);
    if (!status && (!m[0].raw.len || !m[1].raw.len))
        status = wm_fail(err, WM_E_FORMAT, "an added token has no id or no content");
    if (!status) {
        wm_json_open(&number, m[0].raw, r->arena);
        status = wm_json_u64(&number, &ret->id, err);
    }
    if (!status)
        status = text(m[1].raw, r->arena, &ret->content, err);
    for (size_t i = 2; i < 5 && !status; i++)
        status = flag(&m[i], false, false, what, err);
    ret->normalized = !wm_str_eq(m[5].raw, WM_STR("false"));
    ret->special = wm_str_eq(m[6].raw, WM_STR("true"));
    return status;
}
