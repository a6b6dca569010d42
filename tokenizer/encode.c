/* SPDX-License-Identifier: Apache-2.0 */
/* Text to ids: added tokens are found first, what lies between is split, every piece is merged.
 *
 * Added tokens are looked for leftmost-longest in two rounds as Hugging Face does: those with
 * `normalized` false, then, between them, the others.
 *
 * Invalid UTF-8 goes by tiktoken's rule: the valid prefix is encoded; its last piece (and tokens
 * of blanks alone before it, if that piece begins with one) and everything behind are merged as
 * one piece. */
#define XXH_INLINE_ALL
#include "tokenizer/bpe.h"

#include <stdlib.h>

#include "wetmill/utf8.h"

enum {
    CACHE_LINES = 1 << 14,
    CACHED_BYTES = 30, /* of a piece */
    CACHED_IDS = 8,
    BLOCK = 64, /* pieces looked up at a time */
};

/* What a piece came to last time; 64 bytes, so that one miss fetches all. */
struct cache_line {
    uint8_t len, n_ids; /* len 0: empty */
    char bytes[CACHED_BYTES];
    uint32_t ids[CACHED_IDS];
};

/* Pieces on their way to ids: those with keys are on their way to the cache meanwhile. */
struct block {
    uint32_t ends[BLOCK];
    struct bpe_key keys[BLOCK];
    uint64_t hashes[BLOCK];
};

struct wm_encoder {
    const struct wm_tokenizer *tok;
    struct bpe_splitter *splitter;
    struct cache_line *cache; /* [CACHE_LINES] */
    struct block block;
    struct bpe_scratch scratch;
};

int wm_encoder_new(const struct wm_tokenizer *tok, struct wm_encoder **ret, struct wm_error *err)
{
    struct wm_encoder *enc = calloc(1, sizeof *enc);
    if (!enc)
        return wm_fail_nomem(err, sizeof *enc, "encoder");
    enc->tok = tok;
    int status = bpe_splitter_new(tok->pattern, &enc->splitter, err);
    size_t size = CACHE_LINES * sizeof *enc->cache;
    void *cache = NULL;
    if (!status && posix_memalign(&cache, sizeof *enc->cache, size) != 0)
        status = wm_fail_nomem(err, size, "encoder's cache");
    if (status) {
        wm_encoder_free(enc);
        return status;
    }
    enc->cache = memset(cache, 0, size);
    *ret = enc;
    return 0;
}

void wm_encoder_free(struct wm_encoder *enc)
{
    if (!enc)
        return;
    bpe_splitter_free(enc->splitter);
    free(enc->cache);
    bpe_scratch_done(&enc->scratch);
    free(enc);
}

/* ---- one piece ---- */

static int encode_new_piece(struct wm_encoder *enc, struct wm_str piece, struct wm_ids *ids,
                            struct wm_error *err)
{
    if (enc->tok->ignore_merges && piece.len <= enc->tok->max_token) {
        uint32_t id = bpe_find(enc->tok, piece);
        if (id != BPE_NONE) {
            int status = bpe_ids_reserve(ids, 1, err);
            if (!status)
                ids->ids[ids->n++] = id;
            return status;
        }
    }
    return bpe_merge_piece(enc->tok, &enc->scratch, piece, ids, err);
}

/* A piece that has been asked for among the short tokens, in vain. */
static int encode_piece(struct wm_encoder *enc, struct wm_str piece, uint64_t hash,
                        struct wm_ids *ids, struct wm_error *err)
{
    if (piece.len > CACHED_BYTES)
        return encode_new_piece(enc, piece, ids, err);
    struct cache_line *line = &enc->cache[hash & (CACHE_LINES - 1)];
    if (line->len == piece.len && memcmp(line->bytes, piece.ptr, piece.len) == 0) {
        int status = bpe_ids_reserve(ids, CACHED_IDS, err);
        if (status)
            return status;
        memcpy(ids->ids + ids->n, line->ids, sizeof line->ids);
        ids->n += line->n_ids;
        return 0;
    }
    size_t before = ids->n;
    int status = piece.len > BPE_DIRECT_MAX
                     ? encode_new_piece(enc, piece, ids, err)
                     : bpe_merge_piece(enc->tok, &enc->scratch, piece, ids, err);
    if (status || ids->n - before > CACHED_IDS)
        return status;
    line->len = (uint8_t)piece.len;
    line->n_ids = (uint8_t)(ids->n - before);
    memcpy(line->bytes, piece.ptr, piece.len);
    memcpy(line->ids, ids->ids + before, line->n_ids * sizeof *line->ids);
    return 0;
}

/* ---- a block of pieces ---- */

/* The `n` pieces of block.ends, the first of which begins at `start`; text.ptr is where ends are
 * counted from. `*ret_last` is the place in `ids` where the last piece's ids begin. */
static int encode_block(struct wm_encoder *enc, struct wm_str text, size_t start, int n,
                        struct wm_ids *ids, size_t *ret_last, struct wm_error *err)
{
    struct block *b = &enc->block;
    const struct bpe_direct *direct = &enc->tok->direct;
    size_t at = start;
    for (int i = 0; i < n; at = b->ends[i++]) {
        size_t len = b->ends[i] - at;
        if (len > BPE_DIRECT_MAX) {
            b->hashes[i] = len <= CACHED_BYTES ? XXH3_64bits(text.ptr + at, len) : 0;
            continue;
        }
        b->keys[i] = bpe_key(text.ptr + at, len, text.ptr + text.len);
        b->hashes[i] = bpe_key_hash(b->keys[i]);
        __builtin_prefetch(bpe_direct_bucket(direct, b->hashes[i]));
    }
    int status = bpe_ids_reserve(ids, BLOCK, err);
    at = start;
    for (int i = 0; i < n && !status; at = b->ends[i++]) {
        size_t len = b->ends[i] - at;
        *ret_last = ids->n;
        uint32_t id = BPE_NONE;
        if (len <= BPE_DIRECT_MAX)
            id = bpe_direct_find(direct, bpe_direct_bucket(direct, b->hashes[i]), b->keys[i]);
        if (id == BPE_NONE)
            status = encode_piece(enc, (struct wm_str){text.ptr + at, len}, b->hashes[i], ids, err);
        else if (ids->n < ids->cap || !(status = bpe_ids_reserve(ids, BLOCK, err)))
            ids->ids[ids->n++] = id;
    }
    return status;
}

/* ---- text without added tokens ---- */

/* Only spaces, tabs and line feeds: what tiktoken calls all space here. */
static bool all_space(const struct wm_tokenizer *tok, uint32_t id)
{
    struct wm_str bytes = wm_token_bytes(tok, id);
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] != ' ' && bytes.ptr[i] != '\n' && bytes.ptr[i] != '\t')
            return false;
    return true;
}

/* Encode valid text; `*ret_last` is the place in `ids` where the last piece's ids begin. */
static int encode_valid(struct wm_encoder *enc, struct wm_str text, struct wm_ids *ids,
                        size_t *ret_last, struct wm_error *err)
{
    int n;
    size_t start = 0;
    *ret_last = ids->n;
    bpe_split(enc->splitter, text);
    while ((n = bpe_next_pieces(enc->splitter, enc->block.ends, BLOCK, err)) > 0) {
        int status = encode_block(enc, text, start, n, ids, ret_last, err);
        if (status)
            return status;
        start = enc->block.ends[n - 1];
    }
    return n;
}

static int encode_plain(struct wm_encoder *enc, struct wm_str text, struct wm_ids *ids,
                        struct wm_error *err)
{
    const struct wm_tokenizer *tok = enc->tok;
    size_t valid = wm_utf8_prefix(text), first = ids->n, last = 0;
    int status = encode_valid(enc, (struct wm_str){text.ptr, valid}, ids, &last, err);
    if (status || valid == text.len)
        return status;
    if (last < ids->n && all_space(tok, ids->ids[last]))
        while (last > first && all_space(tok, ids->ids[last - 1]))
            last--;
    for (; ids->n > last; ids->n--)
        valid -= wm_token_bytes(tok, ids->ids[ids->n - 1]).len;
    return encode_new_piece(enc, (struct wm_str){text.ptr + valid, text.len - valid}, ids, err);
}

/* ---- added tokens ---- */

static bool is_normalized(const struct wm_tokenizer *tok, uint32_t id)
{
    uint32_t low = 0;
    for (uint32_t high = tok->n_added; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (tok->added[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return tok->added[low].normalized;
}

/* The longest name of this round at the start of `text`, or BPE_NONE. */
static uint32_t added_here(const struct wm_tokenizer *tok, struct wm_str text, bool normalized,
                           bool specials)
{
    for (uint32_t i = 0; i < tok->n_added_lengths; i++) {
        if (tok->added_lengths[i] > text.len)
            continue;
        uint32_t id = bpe_find_added(tok, (struct wm_str){text.ptr, tok->added_lengths[i]});
        if (id != BPE_NONE && (specials || tok->kinds[id] != BPE_SPECIAL) &&
            is_normalized(tok, id) == normalized)
            return id;
    }
    return BPE_NONE;
}

typedef int encode_text(struct wm_encoder *enc, struct wm_str text, bool specials,
                        struct wm_ids *ids, struct wm_error *err);

/* Find the names of one round in `text`; `next` encodes what lies between them. */
static int encode_added(struct wm_encoder *enc, struct wm_str text, bool normalized, bool specials,
                        encode_text *next, struct wm_ids *ids, struct wm_error *err)
{
    const struct wm_tokenizer *tok = enc->tok;
    const bool *names = tok->has_added[normalized];
    size_t start = 0;
    for (size_t i = 0; i < text.len && (names[0] || (specials && names[1]));) {
        uint32_t id = BPE_NONE;
        if (tok->added_first[(unsigned char)text.ptr[i]])
            id = added_here(tok, (struct wm_str){text.ptr + i, text.len - i}, normalized, specials);
        if (id == BPE_NONE) {
            i++;
            continue;
        }
        int status = next(enc, (struct wm_str){text.ptr + start, i - start}, specials, ids, err);
        if (!status)
            status = bpe_ids_reserve(ids, 1, err);
        if (status)
            return status;
        ids->ids[ids->n++] = id;
        i += wm_token_bytes(tok, id).len;
        start = i;
    }
    return next(enc, (struct wm_str){text.ptr + start, text.len - start}, specials, ids, err);
}

static int encode_rest(struct wm_encoder *enc, struct wm_str text, bool specials,
                       struct wm_ids *ids, struct wm_error *err)
{
    (void)specials;
    return text.len ? encode_plain(enc, text, ids, err) : 0;
}

static int encode_second_round(struct wm_encoder *enc, struct wm_str text, bool specials,
                               struct wm_ids *ids, struct wm_error *err)
{
    return encode_added(enc, text, true, specials, encode_rest, ids, err);
}

int wm_encode(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
              struct wm_error *err)
{
    if (text.len > BPE_MAX_TEXT)
        return wm_fail(err, WM_E_LIMIT, "a text of %zu bytes is over the limit of %d", text.len,
                       BPE_MAX_TEXT);
    if (text.len == 0)
        return 0;
    size_t before = ids->n;
    bool specials = (flags & WM_ENCODE_SPECIALS) != 0;
    int status = encode_added(enc, text, false, specials, encode_second_round, ids, err);
    if (status)
        ids->n = before;
    return status;
}
