/* SPDX-License-Identifier: Apache-2.0 */
/* shards.json: what a directory of shards holds. */
#include <stdio.h>
#include <stdlib.h>

#include "tokenizer/shard_format.h"
#include "wetmill/jansson.h"

#define FORMAT "wetmill-shards"
enum { VERSION = 1 };
static const uint64_t tokens_max = UINT64_C(1) << 56, documents_max = UINT64_C(1) << 48;

/* ---- reading ---- */

static int get_count(const json_t *object, const char *key, uint64_t max, uint64_t *ret,
                     struct wm_error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value) || json_integer_value(value) < 0 ||
        (uint64_t)json_integer_value(value) > max)
        return wm_fail(err, WM_E_FORMAT, "\"%s\" is not a whole number from 0 to %llu", key,
                       (unsigned long long)max);
    *ret = (uint64_t)json_integer_value(value);
    return 0;
}

static int get_real(const json_t *object, const char *key, double max, double *ret,
                    struct wm_error *err)
{
    const json_t *value = json_object_get(object, key);
    double v = json_number_value(value);
    if (!json_is_number(value) || !(v >= 0 && v <= max))
        return wm_fail(err, WM_E_FORMAT, "\"%s\" is not a number from 0 to %g", key, max);
    *ret = v;
    return 0;
}

static int get_digest(const json_t *object, const char *key, uint64_t size, struct wm_digest *ret,
                      struct wm_error *err)
{
    const json_t *value = json_object_get(object, key);
    const char *hex = json_string_value(json_object_get(value, "xxh3"));
    int status = get_count(value, "size", INT64_MAX, &ret->size, err);
    if (status)
        return status;
    if (!hex || !wm_unhex128(hex, &ret->hash))
        return wm_fail(err, WM_E_FORMAT, "\"%s\" has no \"xxh3\" of 32 hex digits", key);
    if (size && ret->size != size)
        return wm_fail(err, WM_E_FORMAT, "\"%s\" has %llu bytes, but its counts say %llu", key,
                       (unsigned long long)ret->size, (unsigned long long)size);
    return 0;
}

/* Names are what the place in the list says: so none is missing, doubled, or a path. */
static int read_entry(const json_t *object, unsigned width, unsigned split, size_t i,
                      struct wm_shard_entry *ret, struct wm_error *err)
{
    const char *name = json_string_value(json_object_get(object, "name"));
    (void)snprintf(ret->name, sizeof ret->name, "%s_%05zu", wm_shard_split_names[split], i);
    if (!name || strcmp(name, ret->name) != 0)
        return wm_fail(err, WM_E_FORMAT, "shard %zu is not called %s", i, ret->name);
    int status = get_count(object, "tokens", tokens_max, &ret->tokens, err);
    if (!status)
        status = get_count(object, "documents", documents_max, &ret->documents, err);
    if (!status)
        status = get_count(object, "text_bytes", INT64_MAX, &ret->text_bytes, err);
    if (!status && (!ret->documents || ret->tokens < ret->documents))
        status = wm_fail(err, WM_E_FORMAT, "%llu tokens cannot end %llu documents",
                         (unsigned long long)ret->tokens, (unsigned long long)ret->documents);
    if (!status)
        status = get_digest(object, "bin", ret->tokens * width, &ret->bin, err);
    if (!status)
        status = get_digest(object, "idx", wm_idx_size(ret->documents), &ret->idx, err);
    if (!status)
        status = get_digest(object, "sidecar", 0, &ret->sidecar, err);
    return status ? wm_error_where(err, "shards.json: %s", ret->name) : 0;
}

static int check_totals(const struct wm_split_info *split, struct wm_error *err)
{
    uint64_t tokens = 0, documents = 0, text_bytes = 0;
    for (size_t i = 0; i < split->n; i++) {
        tokens += split->shards[i].tokens;
        documents += split->shards[i].documents;
        text_bytes += split->shards[i].text_bytes;
        if (tokens > tokens_max || documents > documents_max || text_bytes > INT64_MAX)
            return wm_fail(err, WM_E_LIMIT, "too many tokens, documents or bytes");
    }
    if (tokens != split->tokens || documents != split->documents || text_bytes != split->text_bytes)
        return wm_fail(err, WM_E_FORMAT, "totals are not the sums over the shards");
    return 0;
}

static int read_split(const json_t *object, unsigned width, unsigned split,
                      struct wm_split_info *ret, struct wm_error *err)
{
    const json_t *shards = json_object_get(object, "shards");
    size_t n = json_array_size(shards);
    if (!json_is_array(shards))
        return wm_fail(err, WM_E_FORMAT, "split \"%s\" has no list of shards",
                       wm_shard_split_names[split]);
    if (n > WM_SHARDS_MAX)
        return wm_fail(err, WM_E_LIMIT, "%zu shards are over the limit of %d", n, WM_SHARDS_MAX);
    ret->shards = calloc(n + 1, sizeof *ret->shards);
    if (!ret->shards)
        return wm_fail_nomem(err, (n + 1) * sizeof *ret->shards, "list of shards");
    int status = 0;
    for (ret->n = 0; !status && ret->n < n; ret->n++)
        status = read_entry(json_array_get(shards, ret->n), width, split, ret->n,
                            &ret->shards[ret->n], err);
    if (!status)
        status = get_count(object, "tokens", tokens_max, &ret->tokens, err);
    if (!status)
        status = get_count(object, "documents", documents_max, &ret->documents, err);
    if (!status)
        status = get_count(object, "text_bytes", INT64_MAX, &ret->text_bytes, err);
    if (!status)
        status = get_real(object, "unigram_nats", 64, &ret->unigram_nats, err);
    return status ? status : check_totals(ret, err);
}

static int read_format(const json_t *root, struct wm_error *err)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    uint64_t version = 0;
    if (!format || strcmp(format, FORMAT) != 0)
        return wm_fail(err, WM_E_FORMAT, "\"format\" is not \"" FORMAT "\"");
    int status = get_count(root, "version", INT64_MAX, &version, err);
    if (!status && version != VERSION)
        return wm_fail(err, WM_E_FORMAT, "version is %llu, this program reads %d",
                       (unsigned long long)version, VERSION);
    return status;
}

static int read_tokens(const json_t *root, struct wm_shards_info *ret, struct wm_error *err)
{
    const char *hex = json_string_value(json_object_get(root, "tokenizer"));
    const char *type = json_string_value(json_object_get(root, "token_type"));
    uint64_t vocabulary = 0, eod = 0;
    if (!hex || !wm_unhex128(hex, &ret->tokenizer))
        return wm_fail(err, WM_E_FORMAT, "\"tokenizer\" is not 32 hex digits");
    int status = get_count(root, "vocabulary", WM_SHARD_VOCABULARY_MAX, &vocabulary, err);
    if (!status)
        status = get_count(root, "eod", WM_SHARD_VOCABULARY_MAX, &eod, err);
    if (status)
        return status;
    if (eod >= vocabulary)
        return wm_fail(err, WM_E_FORMAT, "\"eod\" is %llu, outside the vocabulary of %llu",
                       (unsigned long long)eod, (unsigned long long)vocabulary);
    ret->vocabulary = (uint32_t)vocabulary;
    ret->eod = (uint32_t)eod;
    ret->width = wm_shard_width(ret->vocabulary);
    if (!type || strcmp(type, ret->width == 2 ? "uint16" : "int32") != 0)
        return wm_fail(err, WM_E_FORMAT, "\"token_type\" is not what the vocabulary wants");
    return 0;
}

static int read_info(const json_t *root, struct wm_shards_info *ret, struct wm_error *err)
{
    int status = read_format(root, err);
    if (!status)
        status = read_tokens(root, ret, err);
    if (!status)
        status = get_count(root, "left_out", documents_max, &ret->left_out, err);
    if (!status)
        status = get_count(root, "seed", INT64_MAX, &ret->seed, err);
    if (!status)
        status = get_real(root, "validation_share", 1, &ret->validation_share, err);
    const json_t *splits = json_object_get(root, "splits");
    for (unsigned i = 0; !status && i < WM_SHARD_SPLITS; i++)
        status = read_split(json_object_get(splits, wm_shard_split_names[i]), ret->width, i,
                            &ret->splits[i], err);
    return status;
}

int wm_shards_info_read(const char *dir, struct wm_shards_info *ret, struct wm_error *err)
{
    struct wm_shards_info info = {0};
    struct wm_buf text;
    char path[WM_PATH_MAX];
    wm_buf_init(&text, WM_SHARDS_JSON_MAX);
    int status = wm_path_join(path, dir, "shards.json", err);
    if (!status)
        status = wm_file_load(path, &text, err);
    if (status) {
        wm_buf_done(&text);
        return status;
    }
    json_error_t why;
    json_t *root;
    status = wm_json_parse(wm_buf_str(&text), &root, &why, err);
    wm_buf_done(&text);
    if (!status && !root)
        status = wm_fail(err, WM_E_FORMAT, "line %d: %s", why.line, why.text);
    else if (!status)
        status = read_info(root, &info, err);
    json_decref(root);
    if (status) {
        wm_shards_info_done(&info);
        return wm_error_where(err, "%s", path);
    }
    *ret = info;
    return 0;
}

void wm_shards_info_done(struct wm_shards_info *info)
{
    for (unsigned i = 0; i < WM_SHARD_SPLITS; i++)
        free(info->splits[i].shards);
    *info = (struct wm_shards_info){0};
}

/* ---- writing; NULL = no memory ---- */

static json_t *digest_json(const struct wm_digest *digest)
{
    char hex[WM_HEX128];
    wm_hex128(digest->hash, hex);
    return json_pack("{s:I, s:s}", "size", (json_int_t)digest->size, "xxh3", hex);
}

static json_t *entry_json(const struct wm_shard_entry *entry)
{
    return json_pack("{s:s, s:I, s:I, s:I, s:o, s:o, s:o}", "name", entry->name, "tokens",
                     (json_int_t)entry->tokens, "documents", (json_int_t)entry->documents,
                     "text_bytes", (json_int_t)entry->text_bytes, "bin", digest_json(&entry->bin),
                     "idx", digest_json(&entry->idx), "sidecar", digest_json(&entry->sidecar));
}

static json_t *split_json(const struct wm_split_info *split)
{
    json_t *shards = json_array();
    for (size_t i = 0; shards && i < split->n; i++) {
        if (json_array_append_new(shards, entry_json(&split->shards[i]))) {
            json_decref(shards);
            return NULL;
        }
    }
    return json_pack("{s:I, s:I, s:I, s:f, s:o}", "tokens", (json_int_t)split->tokens, "documents",
                     (json_int_t)split->documents, "text_bytes", (json_int_t)split->text_bytes,
                     "unigram_nats", split->unigram_nats, "shards", shards);
}

static json_t *info_json(const struct wm_shards_info *info)
{
    char hex[WM_HEX128];
    wm_hex128(info->tokenizer, hex);
    json_t *splits =
        json_pack("{s:o, s:o}", wm_shard_split_names[WM_TRAIN], split_json(&info->splits[WM_TRAIN]),
                  wm_shard_split_names[WM_VALIDATION], split_json(&info->splits[WM_VALIDATION]));
    return json_pack("{s:s, s:i, s:s, s:I, s:I, s:s, s:I, s:I, s:f, s:o}", "format", FORMAT,
                     "version", VERSION, "tokenizer", hex, "vocabulary",
                     (json_int_t)info->vocabulary, "eod", (json_int_t)info->eod, "token_type",
                     info->width == 2 ? "uint16" : "int32", "left_out", (json_int_t)info->left_out,
                     "seed", (json_int_t)info->seed, "validation_share", info->validation_share,
                     "splits", splits);
}

int wm_shards_info_write(const char *dir, const struct wm_shards_info *info, struct wm_error *err)
{
    /* 12 digits: the entropy is rounded to nine decimals, so that the last bits of another
     * machine's log() do not show. */
    enum { LAYOUT = JSON_SORT_KEYS | JSON_INDENT(2) | JSON_REAL_PRECISION(12) };
    json_t *root = info_json(info);
    struct wm_buf buf;
    char path[WM_PATH_MAX];
    wm_buf_init(&buf, WM_SHARDS_JSON_MAX);
    int status = wm_json_text(root, LAYOUT, &buf, err);
    json_decref(root);
    if (!status)
        status = wm_buf_add(&buf, "\n", 1, err);
    if (!status)
        status = wm_path_join(path, dir, "shards.json", err);
    if (!status)
        status = wm_file_store(path, wm_buf_str(&buf), err);
    wm_buf_done(&buf);
    return status;
}

int wm_shards_check_tokenizer(const struct wm_shards_info *info, const struct wm_tokenizer *tok,
                              struct wm_error *err)
{
    char want[WM_HEX128], got[WM_HEX128];
    uint32_t eod = 0;
    XXH128_hash_t is = wm_tokenizer_identity(tok);
    if (XXH128_isEqual(is, info->tokenizer) && wm_tokenizer_size(tok) == info->vocabulary &&
        wm_tokenizer_eod(tok, &eod) && eod == info->eod)
        return 0;
    wm_hex128(info->tokenizer, want);
    wm_hex128(is, got);
    return wm_fail(
        err, WM_E_MISMATCH,
        "the tokenizer, tokenizer.json or tokenizer.model, is %s, not the one the shards "
        "were made with, %s",
        got, want);
}
