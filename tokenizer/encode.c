/* SPDX-License-Identifier: Apache-2.0 */
/* Text to ids: added tokens are found first, what lies between is split, every piece is merged.
 *
 * Added tokens are looked for leftmost-longest in two rounds as Hugging Face does: those with
 * `normalized` false, then, in what lies between them once it has been normalised, the others.
 *
 * Invalid UTF-8 goes by tiktoken's rule: the valid prefix is encoded; its last piece (and tokens
 * of blanks alone before it, if that piece begins with one) and everything behind are merged as
 * one piece. */
#define XXH_INLINE_ALL
#include "tokenizer/encode.h"

#include <stdlib.h>

#include "tokenizer/sentencepiece.h"
#include "wetmill/utf8.h"

int wm_encoder_new(const struct wm_tokenizer *tok, struct wm_encoder **ret, struct wm_error *err)
{
    struct wm_encoder *enc = calloc(1, sizeof *enc);
    if (!enc)
        return wm_fail_nomem(err, sizeof *enc, "encoder");
    enc->tok = tok;
    bpe_nfc_init(&enc->nfc);
    int status = tok->pieces ? wm_sp_scratch_new(tok->pieces, &enc->pieces, err)
                             : bpe_splitter_new(tok->pattern, &enc->splitter, err);
    size_t size = tok->pieces ? 0 : BPE_CACHE_LINES * sizeof *enc->cache;
    if (!status && size && !(enc->cache = bpe_zeroed_alloc(size, &enc->cache_memory)))
        status = wm_fail_nomem(err, size, "encoder's cache");
    if (status) {
        wm_encoder_free(enc);
        return status;
    }
    *ret = enc;
    return 0;
}

void wm_encoder_free(struct wm_encoder *enc)
{
    if (!enc)
        return;
    wm_sp_scratch_free(enc->pieces);
    bpe_splitter_free(enc->splitter);
    bpe_nfc_done(&enc->nfc);
    free(enc->cache_memory);
    free(enc->rules);
    wm_ids_done(&enc->counted);
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

static struct bpe_cache_line *cache_line(struct wm_encoder *enc, uint64_t hash)
{
    return &enc->cache[hash & (BPE_CACHE_LINES - 1)];
}

static bool is_cached(const struct bpe_cache_line *line, struct wm_str piece, struct bpe_key key)
{
    return line->len == piece.len && line->key.low == key.low && line->key.high == key.high &&
           (piece.len <= BPE_KEY_BYTES ||
            memcmp(line->more, piece.ptr + BPE_KEY_BYTES, piece.len - BPE_KEY_BYTES) == 0);
}

static void put_cached(struct bpe_cache_line *line, struct wm_str piece, struct bpe_key key,
                       const uint32_t *ids, size_t n)
{
    if (n > BPE_CACHED_IDS)
        return;
    line->key = key;
    line->len = (uint8_t)piece.len;
    line->n_ids = (uint8_t)n;
    if (piece.len > BPE_KEY_BYTES)
        memcpy(line->more, piece.ptr + BPE_KEY_BYTES, piece.len - BPE_KEY_BYTES);
    memcpy(line->ids, ids, n * sizeof *ids);
}

/* Piece i of the block, which is none of the short tokens. */
static int encode_piece(struct wm_encoder *enc, struct wm_str piece, int i, struct wm_ids *ids,
                        struct wm_error *err)
{
    struct bpe_key key = enc->block.keys[i];
    struct bpe_cache_line *line = cache_line(enc, enc->block.hashes[i]);
    size_t before = ids->n;
    if (piece.len > BPE_CACHED_BYTES)
        return encode_new_piece(enc, piece, ids, err);
    if (!is_cached(line, piece, key)) {
        int status = piece.len > BPE_DIRECT_MAX
                         ? encode_new_piece(enc, piece, ids, err)
                         : bpe_merge_piece(enc->tok, &enc->scratch, piece, ids, err);
        if (!status)
            put_cached(line, piece, key, ids->ids + before, ids->n - before);
        return status;
    }
    int status = bpe_ids_reserve(ids, BPE_CACHED_IDS, err);
    if (status)
        return status;
    memcpy(ids->ids + ids->n, line->ids, sizeof line->ids);
    ids->n += line->n_ids;
    return 0;
}

/* ---- a block of pieces ---- */

static struct wm_str block_piece(const struct bpe_block *b, struct wm_str text, size_t start, int i)
{
    size_t at = i ? b->ends[i - 1] : start;
    return (struct wm_str){text.ptr + at, b->ends[i] - at};
}

/* Merge `n` ≤ BPE_GROUP pieces of the block into the cache. */
static void merge_group(struct wm_encoder *enc, const struct wm_str *pieces, const int *places,
                        size_t n)
{
    const struct bpe_block *b = &enc->block;
    uint32_t ids[BPE_GROUP][BPE_SHORT_PIECE];
    size_t n_ids[BPE_GROUP];
    bpe_merge_group(enc->tok, pieces, n, ids, n_ids);
    for (size_t i = 0; i < n; i++)
        put_cached(cache_line(enc, b->hashes[places[i]]), pieces[i], b->keys[places[i]], ids[i],
                   n_ids[i]);
}

static bool is_long_token(const struct wm_tokenizer *tok, struct wm_str piece, uint64_t hash)
{
    return piece.len > BPE_DIRECT_MAX && tok->ignore_merges &&
           bpe_may_be_long(&tok->direct, hash) && bpe_find(tok, piece) != BPE_NONE;
}

/* Keys and hashes of the block's pieces; what they lead to is on its way. */
static void ask_block(struct wm_encoder *enc, struct wm_str text, size_t start, int n)
{
    struct bpe_block *b = &enc->block;
    for (int i = 0; i < n; i++) {
        struct wm_str piece = block_piece(b, text, start, i);
        if (piece.len <= BPE_DIRECT_MAX) {
            b->keys[i] = bpe_key(piece.ptr, piece.len, text.ptr + text.len);
            b->hashes[i] = bpe_key_hash(b->keys[i]);
            __builtin_prefetch(bpe_direct_bucket(&enc->tok->direct, b->hashes[i]));
            continue;
        }
        memcpy(&b->keys[i], piece.ptr, sizeof b->keys[i]);
        b->hashes[i] = piece.len <= BPE_CACHED_BYTES ? XXH3_64bits(piece.ptr, piece.len) : 0;
    }
}

/* Look up the short tokens among the block's pieces, and get most of the others into the cache. */
static void prepare_block(struct wm_encoder *enc, struct wm_str text, size_t start, int n)
{
    struct bpe_block *b = &enc->block;
    const struct bpe_direct *direct = &enc->tok->direct;
    struct wm_str missing[BPE_GROUP];
    int places[BPE_GROUP];
    size_t n_missing = 0;
    ask_block(enc, text, start, n);
    for (int i = 0; i < n; i++) {
        b->found[i] = BPE_NONE;
        if (block_piece(b, text, start, i).len <= BPE_DIRECT_MAX)
            b->found[i] =
                bpe_direct_find(direct, bpe_direct_bucket(direct, b->hashes[i]), b->keys[i]);
        if (b->found[i] == BPE_NONE)
            __builtin_prefetch(cache_line(enc, b->hashes[i]));
    }
    for (int i = 0; i < n && enc->tok->has_bytes; i++) {
        struct wm_str piece = block_piece(b, text, start, i);
        if (b->found[i] != BPE_NONE || piece.len > BPE_CACHED_BYTES ||
            is_cached(cache_line(enc, b->hashes[i]), piece, b->keys[i]) ||
            is_long_token(enc->tok, piece, b->hashes[i]))
            continue;
        missing[n_missing] = piece;
        places[n_missing++] = i;
        if (n_missing == BPE_GROUP) {
            merge_group(enc, missing, places, n_missing);
            n_missing = 0;
        }
    }
    merge_group(enc, missing, places, n_missing);
}

/* The `n` pieces of block.ends, the first of which begins at `start`; text.ptr is where ends are
 * counted from. `*ret_last` is the place in `ids` where the last piece's ids begin. */
static int encode_block(struct wm_encoder *enc, struct wm_str text, size_t start, int n,
                        struct wm_ids *ids, size_t *ret_last, struct wm_error *err)
{
    struct bpe_block *b = &enc->block;
    prepare_block(enc, text, start, n);
    int status = bpe_ids_reserve(ids, BPE_BLOCK, err);
    for (int i = 0; i < n && !status; i++) {
        *ret_last = ids->n;
        if (b->found[i] == BPE_NONE)
            status = encode_piece(enc, block_piece(b, text, start, i), i, ids, err);
        else if (ids->n < ids->cap || !(status = bpe_ids_reserve(ids, BPE_BLOCK, err)))
            ids->ids[ids->n++] = b->found[i];
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
    while ((n = bpe_next_pieces(enc->splitter, enc->block.ends, BPE_BLOCK, err)) > 0) {
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

/* Its place among the added tokens. */
static uint32_t added_place(const struct wm_tokenizer *tok, uint32_t id)
{
    uint32_t low = 0;
    for (uint32_t high = tok->n_added; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        if (tok->added[middle].id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The longest name of this round at the start of `text`, or BPE_NONE. */
static uint32_t added_here(const struct wm_encoder *enc, struct wm_str text, bool normalized,
                           bool specials)
{
    const struct wm_tokenizer *tok = enc->tok;
    for (uint32_t i = 0; i < tok->n_added_lengths; i++) {
        if (tok->added_lengths[i] > text.len)
            continue;
        uint32_t id = bpe_find_added(tok, (struct wm_str){text.ptr, tok->added_lengths[i]});
        if (id == BPE_NONE || (!specials && tok->kinds[id] == BPE_SPECIAL))
            continue;
        uint32_t place = added_place(tok, id);
        bool allowed =
            tok->kinds[id] != BPE_SPECIAL || !enc->using || enc->using[place] == BPE_ALLOWED;
        if (allowed && tok->added[place].normalized == normalized)
            return id;
    }
    return BPE_NONE;
}

/* The next place at or behind `at` where a name may begin, or text.len. */
static size_t next_first(const struct wm_tokenizer *tok, struct wm_str text, size_t at)
{
    if (tok->only_first >= 0) {
        const char *found =
            at < text.len ? memchr(text.ptr + at, tok->only_first, text.len - at) : NULL;
        return found ? (size_t)(found - text.ptr) : text.len;
    }
    while (at < text.len && !tok->added_first[(unsigned char)text.ptr[at]])
        at++;
    return at;
}

typedef int encode_text(struct wm_encoder *enc, struct wm_str text, bool specials,
                        struct wm_ids *ids, struct wm_error *err);

/* Find the names of one round in `text`; `next` encodes what lies between them. */
static int encode_added(struct wm_encoder *enc, struct wm_str text, bool normalized, bool specials,
                        encode_text *next, struct wm_ids *ids, struct wm_error *err)
{
    const struct wm_tokenizer *tok = enc->tok;
    const bool *names = tok->has_added[normalized];
    bool any = names[0] || (specials && names[1]);
    size_t start = 0;
    for (size_t i = 0; any && (i = next_first(tok, text, i)) < text.len;) {
        uint32_t id =
            added_here(enc, (struct wm_str){text.ptr + i, text.len - i}, normalized, specials);
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
    if (enc->pieces)
        return sp_encode(enc, text, ids, err);
    return text.len ? encode_plain(enc, text, ids, err) : 0;
}

static int encode_second_round(struct wm_encoder *enc, struct wm_str text, bool specials,
                               struct wm_ids *ids, struct wm_error *err)
{
    int status = enc->tok->nfc ? bpe_nfc(&enc->nfc, text, &text, err) : 0;
    return status ? status : encode_added(enc, text, true, specials, encode_rest, ids, err);
}

static int note_stretch(struct wm_encoder *enc, struct wm_str text, bool specials,
                        struct wm_ids *ids, struct wm_error *err)
{
    (void)specials, (void)ids, (void)err;
    size_t start = (size_t)(text.ptr - enc->stretch.base);
    if (start <= enc->stretch.limit) {
        enc->stretch.start = start;
        enc->stretch.end = start + text.len;
    }
    return 0;
}

static int note_second_round(struct wm_encoder *enc, struct wm_str text, bool specials,
                             struct wm_ids *ids, struct wm_error *err)
{
    if (enc->tok->nfc) /* places in normalised text would be of no use */
        return note_stretch(enc, text, specials, ids, err);
    return encode_added(enc, text, true, specials, note_stretch, ids, err);
}

/* Choose whose names count; returns whether any special's does. */
static bool use_rules(struct wm_encoder *enc, unsigned flags)
{
    bool chosen = (flags & WM_ENCODE_CHOSEN) != 0;
    enc->using = chosen ? enc->rules : NULL;
    return chosen ? enc->rules != NULL : (flags & WM_ENCODE_SPECIALS) != 0;
}

int bpe_encode(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
               struct wm_error *err)
{
    bool specials = use_rules(enc, flags);
    return text.len ? encode_added(enc, text, false, specials, encode_second_round, ids, err) : 0;
}

int bpe_find_stretch(struct wm_encoder *enc, struct wm_str text, size_t limit, unsigned flags,
                     struct wm_error *err)
{
    struct wm_ids ids = {0};
    enc->stretch = (struct bpe_stretch){text.ptr, limit, 0, 0};
    bool specials = use_rules(enc, flags);
    int status = encode_added(enc, text, false, specials, note_second_round, &ids, err);
    wm_ids_done(&ids);
    return status;
}

size_t bpe_longest_name(const struct wm_encoder *enc, unsigned flags)
{
    const struct wm_tokenizer *tok = enc->tok;
    if (tok->n_added == 0)
        return 0;
    bool specials = (flags & (WM_ENCODE_SPECIALS | WM_ENCODE_CHOSEN)) != 0;
    bool others = tok->has_added[0][0] || tok->has_added[1][0];
    return specials || others ? tok->added_lengths[0] : 0;
}

int bpe_check_refused(struct wm_encoder *enc, struct wm_str text, size_t from, uint64_t base,
                      unsigned flags, struct wm_error *err)
{
    const struct wm_tokenizer *tok = enc->tok;
    if (!(flags & WM_ENCODE_CHOSEN) || !enc->rules)
        return 0;
    for (size_t at = from; (at = next_first(tok, text, at)) < text.len; at++) {
        for (uint32_t i = 0; i < tok->n_added_lengths; i++) {
            uint32_t len = tok->added_lengths[i];
            uint32_t id = len <= text.len - at
                              ? bpe_find_added(tok, (struct wm_str){text.ptr + at, len})
                              : BPE_NONE;
            if (id == BPE_NONE || enc->rules[added_place(tok, id)] != BPE_REFUSED)
                continue;
            wm_fail(err, WM_E_FORMAT, "the special token %.*s stands in the text, at byte %llu",
                    (int)(len < 64 ? len : 64), text.ptr + at, (unsigned long long)(base + at));
            return wm_error_hint(err, "allow it, or let it be encoded as text");
        }
    }
    return 0;
}

int bpe_put_around(const struct wm_encoder *enc, unsigned flags, bool behind, struct wm_ids *ids,
                   struct wm_error *err)
{
    const uint32_t *put = NULL;
    size_t n = flags & WM_ENCODE_TEMPLATE ? wm_tokenizer_template(enc->tok, behind, &put) : 0;
    int status = n ? bpe_ids_reserve(ids, n, err) : 0;
    if (status || n == 0)
        return status;
    memcpy(ids->ids + ids->n, put, n * sizeof *put);
    ids->n += n;
    return 0;
}

int wm_encode(struct wm_encoder *enc, struct wm_str text, unsigned flags, struct wm_ids *ids,
              struct wm_error *err)
{
    if (text.len > BPE_MAX_TEXT)
        return wm_fail(err, WM_E_LIMIT, "a text of %zu bytes is over the limit of %d", text.len,
                       BPE_MAX_TEXT);
    size_t before = ids->n;
    int status = bpe_check_refused(enc, text, 0, 0, flags, err);
    if (!status)
        status = bpe_put_around(enc, flags, false, ids, err);
    if (!status)
        status = bpe_encode(enc, text, flags, ids, err);
    if (!status)
        status = bpe_put_around(enc, flags, true, ids, err);
    if (status)
        ids->n = before;
    return status;
}
