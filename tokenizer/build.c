/* SPDX-License-Identifier: Apache-2.0 */
/* Putting a tokenizer together: bpe.h says in which order. */
#define XXH_STATIC_LINKING_ONLY
#include <stdlib.h>

#include "tokenizer/bpe.h"
#include "tokenizer/nfc.h"

int bpe_new(struct wm_tokenizer **ret, struct wm_error *err)
{
    struct wm_tokenizer *tok = calloc(1, sizeof *tok);
    if (!tok)
        return wm_fail_nomem(err, sizeof *tok, "tokenizer");
    wm_buf_init(&tok->bytes, BPE_MAX_BYTES);
    wm_buf_init(&tok->file, WM_SP_MAX_MODEL_BYTES);
    memset(tok->byte_ids, 0xFF, sizeof tok->byte_ids);
    *ret = tok;
    return 0;
}

/* Room for ids up to `id`. */
static int reserve_ids(struct wm_tokenizer *tok, uint32_t id, struct wm_error *err)
{
    if (id < tok->cap_ids)
        return 0;
    uint32_t cap = tok->cap_ids ? tok->cap_ids : 512;
    while (cap <= id)
        cap *= 2;
    struct bpe_token *tokens = realloc(tok->tokens, cap * sizeof *tokens);
    if (!tokens)
        return wm_fail_nomem(err, cap * sizeof *tokens, "vocabulary");
    tok->tokens = tokens;
    uint8_t *kinds = realloc(tok->kinds, cap);
    if (!kinds)
        return wm_fail_nomem(err, cap, "vocabulary");
    tok->kinds = kinds;
    memset(tokens + tok->cap_ids, 0, (cap - tok->cap_ids) * sizeof *tokens);
    memset(kinds + tok->cap_ids, BPE_HOLE, cap - tok->cap_ids);
    tok->cap_ids = cap;
    return 0;
}

int bpe_reserve(struct wm_tokenizer *tok, size_t n_ids, size_t bytes, struct wm_error *err)
{
    size_t last = n_ids < BPE_MAX_IDS ? n_ids : BPE_MAX_IDS - 1;
    int status = reserve_ids(tok, (uint32_t)last, err);
    return status ? status : wm_buf_reserve(&tok->bytes, bytes, err);
}

int bpe_put_last(struct wm_tokenizer *tok, uint64_t id, size_t len, enum bpe_kind kind,
                 struct wm_error *err)
{
    if (id >= BPE_MAX_IDS)
        return wm_fail(err, WM_E_LIMIT, "token id %llu is over the limit of %d ids",
                       (unsigned long long)id, BPE_MAX_IDS);
    if (len == 0 || len > BPE_MAX_TOKEN)
        return wm_fail(err, WM_E_FORMAT, "token %llu has %zu bytes, want 1 to %d",
                       (unsigned long long)id, len, BPE_MAX_TOKEN);
    if (id < tok->n_ids && tok->kinds[id] != BPE_HOLE)
        return wm_fail(err, WM_E_FORMAT, "two tokens have the id %llu", (unsigned long long)id);
    int status = reserve_ids(tok, (uint32_t)id, err);
    if (status)
        return status;
    tok->tokens[id] = (struct bpe_token){(uint32_t)tok->bytes.len, (uint32_t)len};
    tok->kinds[id] = (uint8_t)kind;
    tok->bytes.len += len;
    if (id >= tok->n_ids)
        tok->n_ids = (uint32_t)id + 1;
    return 0;
}

int bpe_put_token(struct wm_tokenizer *tok, uint64_t id, struct wm_str bytes, enum bpe_kind kind,
                  struct wm_error *err)
{
    int status = wm_buf_reserve(&tok->bytes, bytes.len, err);
    if (status)
        return status;
    if (bytes.len)
        memcpy(tok->bytes.ptr + tok->bytes.len, bytes.ptr, bytes.len);
    return bpe_put_last(tok, id, bytes.len, kind, err);
}

/* Whether bpe_find finds token `id`. */
static bool is_indexed(const struct wm_tokenizer *tok, uint32_t id)
{
    return tok->kinds[id] == BPE_TOKEN || tok->kinds[id] == BPE_ADDED;
}

int bpe_index_long(struct wm_tokenizer *tok, size_t more, struct wm_error *err)
{
    for (uint32_t id = 0; id < tok->n_ids; id++)
        more += is_indexed(tok, id) && tok->tokens[id].len > BPE_DIRECT_MAX;
    int status = bpe_index_init(&tok->index, more, err);
    for (uint32_t id = 0; id < tok->n_ids && !status; id++)
        if (is_indexed(tok, id) && tok->tokens[id].len > BPE_DIRECT_MAX)
            (void)bpe_index_put(&tok->index, tok, id);
    return status;
}

/* Token `id` will be put soon. */
static void prefetch_short(const struct wm_tokenizer *tok, uint32_t id, const char *end)
{
    struct wm_str bytes = wm_token_bytes(tok, id);
    if (bytes.len && bytes.len <= BPE_DIRECT_MAX)
        __builtin_prefetch(
            bpe_direct_bucket(&tok->direct, bpe_key_hash(bpe_key(bytes.ptr, bytes.len, end))), 1);
}

/* Put token `id` where bpe_find finds it; returns the token that has its bytes, BPE_NONE if none. */
static uint32_t index_token(struct wm_tokenizer *tok, uint32_t id, const char *end)
{
    struct wm_str bytes = bpe_bytes(tok, id);
    if (bytes.len <= BPE_DIRECT_MAX)
        return bpe_direct_put(&tok->direct, bpe_key(bytes.ptr, bytes.len, end), id);
    bpe_direct_note_long(&tok->direct, bytes);
    uint32_t other = bpe_find(tok, bytes);
    return other == id ? BPE_NONE : other;
}

size_t bpe_count_tokens(const struct wm_tokenizer *tok)
{
    size_t n = 0;
    for (uint32_t id = 0; id < tok->n_ids; id++)
        n += tok->kinds[id] != BPE_HOLE;
    return n;
}

int bpe_index_tokens(struct wm_tokenizer *tok, struct wm_error *err)
{
    enum { AHEAD = 16 };
    int status = bpe_direct_init(tok, err);
    if (!status)
        status = bpe_index_long(tok, 0, err);
    if (status)
        return status;
    const char *end = tok->bytes.len ? tok->bytes.ptr + tok->bytes.len : NULL;
    /* Low ids, which are the frequent tokens of most vocabularies, come first in their buckets. */
    for (uint32_t id = 0; id < tok->n_ids; id++) {
        prefetch_short(tok, id + AHEAD, end);
        uint32_t other = is_indexed(tok, id) ? index_token(tok, id, end) : BPE_NONE;
        if (other != BPE_NONE && tok->kinds[id] == BPE_TOKEN && tok->kinds[other] == BPE_TOKEN)
            return wm_fail(err, WM_E_FORMAT, "tokens %lu and %lu are the same bytes",
                           (unsigned long)other, (unsigned long)id);
    }
    tok->has_bytes = true;
    for (unsigned b = 0; b < 256; b++) {
        char byte = (char)b;
        tok->byte_ids[b] = bpe_find(tok, (struct wm_str){&byte, 1});
        tok->has_bytes = tok->has_bytes && tok->byte_ids[b] != BPE_NONE;
    }
    return bpe_byte_pairs_init(tok, err);
}

int bpe_append_merge(struct wm_tokenizer *tok, struct bpe_merge merge, struct wm_error *err)
{
    if (tok->n_merges == tok->cap_merges) {
        if (tok->cap_merges >= BPE_MAX_IDS)
            return wm_fail(err, WM_E_LIMIT, "more than %d merges", BPE_MAX_IDS);
        uint32_t cap = tok->cap_merges ? tok->cap_merges * 2 : 512;
        struct bpe_merge *merges = realloc(tok->merges, cap * sizeof *merges);
        if (!merges)
            return wm_fail_nomem(err, cap * sizeof *merges, "merges");
        tok->merges = merges;
        tok->cap_merges = cap;
    }
    tok->merges[tok->n_merges] = merge;
    bpe_byte_pairs_put(tok, tok->n_merges++);
    return 0;
}

int bpe_add_merge(struct wm_tokenizer *tok, uint32_t left, uint32_t right, uint32_t id,
                  struct wm_error *err)
{
    int status = bpe_append_merge(tok, (struct bpe_merge){left, right, id}, err);
    return status ? status : bpe_pairs_put(&tok->pairs, left, right, tok->n_merges - 1, id, err);
}

int bpe_put_added(struct wm_tokenizer *tok, uint32_t id, bool normalized, struct wm_error *err)
{
    if (tok->n_added == BPE_MAX_ADDED)
        return wm_fail(err, WM_E_LIMIT, "more than %d special and added tokens", BPE_MAX_ADDED);
    if (tok->n_added == tok->cap_added) {
        uint32_t cap = tok->cap_added ? tok->cap_added * 2 : 16;
        struct bpe_added *added = realloc(tok->added, cap * sizeof *added);
        if (!added)
            return wm_fail_nomem(err, cap * sizeof *added, "special tokens");
        tok->added = added;
        tok->cap_added = cap;
    }
    uint32_t at = tok->n_added++;
    for (; at > 0 && tok->added[at - 1].id > id; at--)
        tok->added[at] = tok->added[at - 1];
    tok->added[at] = (struct bpe_added){id, normalized};
    return 0;
}

int bpe_set_pattern(struct wm_tokenizer *tok, struct wm_str pattern, struct wm_error *err)
{
    return bpe_pattern_new(pattern, &tok->pattern, err);
}

static int falling(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x < y) - (x > y);
}

/* In tokenizer.json a name must not be how some other token's bytes are written. */
static int check_name(const struct wm_tokenizer *tok, struct wm_str name, struct wm_error *err)
{
    char *bytes = malloc(name.len);
    size_t len = 0;
    if (!bytes)
        return wm_fail_nomem(err, name.len, "special tokens");
    uint32_t other =
        bpe_unmap_bytes(name, bytes, &len) ? bpe_find(tok, (struct wm_str){bytes, len}) : BPE_NONE;
    free(bytes);
    if (bpe_find_added(tok, name) == BPE_NONE &&
        (other == BPE_NONE || tok->kinds[other] != BPE_TOKEN))
        return 0;
    return wm_fail(err, WM_E_FORMAT, "two tokens are called \"%.*s\"", (int)name.len, name.ptr);
}

int bpe_index_added(struct wm_tokenizer *tok, struct wm_error *err)
{
    int status = bpe_index_init(&tok->added_index, tok->n_added, err);
    if (status)
        return status;
    tok->added_lengths = malloc((tok->n_added + 1) * sizeof *tok->added_lengths);
    if (!tok->added_lengths)
        return wm_fail_nomem(err, tok->n_added * sizeof *tok->added_lengths, "special tokens");
    for (uint32_t i = 0; i < tok->n_added; i++) {
        struct wm_str name = wm_token_bytes(tok, tok->added[i].id);
        status = tok->pieces ? 0 : check_name(tok, name, err);
        if (status)
            return status;
        (void)bpe_index_put(&tok->added_index, tok, tok->added[i].id);
        int first = (unsigned char)name.ptr[0];
        tok->only_first = i == 0 || tok->only_first == first ? first : -1;
        tok->added_first[first] = true;
        tok->added_lengths[i] = (uint32_t)name.len;
        bool special = wm_token_is_special(tok, tok->added[i].id);
        tok->has_added[tok->added[i].normalized][special] = true;
    }
    uint32_t n = 0;
    if (tok->n_added)
        qsort(tok->added_lengths, tok->n_added, sizeof *tok->added_lengths, falling);
    for (uint32_t i = 0; i < tok->n_added; i++)
        if (n == 0 || tok->added_lengths[n - 1] != tok->added_lengths[i])
            tok->added_lengths[n++] = tok->added_lengths[i];
    tok->n_added_lengths = n;
    return 0;
}

/* What is hashed, collected so that the hash takes large parts. */
struct identity {
    XXH3_state_t *state;
    size_t n;
    unsigned char bytes[4096];
};

static void flush(struct identity *id)
{
    (void)XXH3_128bits_update(id->state, id->bytes, id->n);
    id->n = 0;
}

static void hash_u32(struct identity *id, uint32_t v)
{
    if (id->n + 4 > sizeof id->bytes)
        flush(id);
    unsigned char *to = id->bytes + id->n;
    to[0] = (unsigned char)v;
    to[1] = (unsigned char)(v >> 8);
    to[2] = (unsigned char)(v >> 16);
    to[3] = (unsigned char)(v >> 24);
    id->n += 4;
}

static void hash_str(struct identity *id, struct wm_str s)
{
    hash_u32(id, (uint32_t)s.len);
    if (s.len > sizeof id->bytes - id->n)
        flush(id);
    if (s.len > sizeof id->bytes) {
        (void)XXH3_128bits_update(id->state, s.ptr, s.len);
    } else if (s.len) {
        memcpy(id->bytes + id->n, s.ptr, s.len);
        id->n += s.len;
    }
}

static void hash_merges(struct identity *id, const struct bpe_merge *merges, size_t n)
{
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    flush(id);
    if (n)
        (void)XXH3_128bits_update(id->state, merges, n * sizeof *merges);
#else
    for (size_t i = 0; i < n; i++) {
        hash_u32(id, merges[i].left);
        hash_u32(id, merges[i].right);
        hash_u32(id, merges[i].id);
    }
#endif
}

/* Nothing where there is no template, as before there were any. */
static void hash_template(struct identity *all, const struct bpe_template *template)
{
    if (!template->n_before && !template->n_after)
        return;
    hash_str(all, WM_STR("template"));
    hash_u32(all, template->n_before);
    for (uint32_t i = 0; i < template->n_before; i++)
        hash_u32(all, template->before[i]);
    hash_u32(all, template->n_after);
    for (uint32_t i = 0; i < template->n_after; i++)
        hash_u32(all, template->after[i]);
}

XXH128_hash_t bpe_identity(const struct wm_tokenizer *tok)
{
    char unicode[WM_UNICODE_NAME];
    XXH3_state_t state;
    struct identity collected = {.state = &state}, *all = &collected;
    (void)XXH3_128bits_reset(all->state);
    hash_str(all, WM_STR("wetmill tokenizer 1"));
    bpe_pattern_unicode(tok->pattern, unicode);
    hash_str(all, wm_str_of(unicode));
    hash_u32(all, tok->n_ids);
    for (uint32_t id = 0; id < tok->n_ids; id++) {
        hash_u32(all, tok->kinds[id]);
        hash_str(all, bpe_bytes(tok, id));
    }
    hash_u32(all, tok->n_merges);
    hash_merges(all, tok->merges, tok->n_merges);
    hash_u32(all, tok->n_added);
    for (uint32_t i = 0; i < tok->n_added; i++) {
        hash_u32(all, tok->added[i].id);
        hash_u32(all, tok->added[i].normalized);
    }
    hash_u32(all, tok->ignore_merges);
    hash_template(all, &tok->template);
    hash_str(all, bpe_pattern_text(tok->pattern));
    if (tok->nfc) /* without a normaliser nothing, as before there were any */
        hash_str(all, WM_STR("NFC"));
    flush(all);
    return XXH3_128bits_digest(all->state);
}

/* Names looked for in normalised text must be in that form. Hugging Face normalises them; such a
 * token would then decode to something else than what it stands for. */
static int check_normal_names(const struct wm_tokenizer *tok, struct wm_error *err)
{
    struct bpe_nfc nfc;
    int status = 0;
    bpe_nfc_init(&nfc);
    for (uint32_t i = 0; tok->nfc && i < tok->n_added && !status; i++) {
        struct wm_str name = wm_token_bytes(tok, tok->added[i].id), normal = name;
        if (tok->added[i].normalized)
            status = bpe_nfc(&nfc, name, &normal, err);
        if (!status && !wm_str_eq(name, normal))
            status = wm_fail(err, WM_E_FORMAT,
                             "the added token \"%.*s\" with normalized true is not in NFC",
                             (int)name.len, name.ptr);
    }
    bpe_nfc_done(&nfc);
    return status;
}

int bpe_finish(struct wm_tokenizer *tok, struct wm_error *err)
{
    int status = bpe_index_added(tok, err);
    if (!status)
        status = check_normal_names(tok, err);
    if (!status)
        status = bpe_tables_finish(tok, err);
    return status ? status : bpe_direct_finish(tok, err);
}

int bpe_set_nfc(struct wm_tokenizer *tok, struct wm_error *err)
{
    tok->nfc = true;
    return check_normal_names(tok, err);
}
