/* SPDX-License-Identifier: Apache-2.0 */
/* Merging one piece: always the pair of lowest rank, the leftmost among equals. Short pieces here,
 * by looking at every pair again after each merge; long ones in windows or with a heap. */
#include "tokenizer/bpe.h"

#include <stdlib.h>

enum { KEEP_PIECE = 1 << 20 }; /* bytes; working memory of a longer piece is given back */

void bpe_scratch_done(struct bpe_scratch *scratch)
{
    free(scratch->symbols);
    free(scratch->heap);
    *scratch = (struct bpe_scratch){0};
}

int bpe_ids_reserve(struct wm_ids *ids, size_t more, struct wm_error *err)
{
    if (more <= ids->cap - ids->n)
        return 0;
    if (more > SIZE_MAX / 16 - ids->n)
        return wm_fail(err, WM_E_LIMIT, "too many ids");
    size_t cap = ids->cap < 64 ? 64 : ids->cap;
    while (cap - ids->n < more)
        cap *= 2;
    uint32_t *grown = realloc(ids->ids, cap * sizeof *grown);
    if (!grown)
        return wm_fail_nomem(err, cap * sizeof *grown, "list of ids");
    ids->ids = grown;
    ids->cap = cap;
    return 0;
}

void wm_ids_done(struct wm_ids *ids)
{
    free(ids->ids);
    *ids = (struct wm_ids){0};
}

/* WM_E_FORMAT if the vocabulary lacks a byte of the piece. */
static int check_bytes(const struct wm_tokenizer *tok, struct wm_str piece, struct wm_error *err)
{
    if (tok->has_bytes)
        return 0;
    for (size_t i = 0; i < piece.len; i++) {
        unsigned char byte = (unsigned char)piece.ptr[i];
        if (tok->byte_ids[byte] == BPE_NONE)
            return wm_fail(err, WM_E_FORMAT, "the vocabulary has no token for the byte 0x%02X",
                           byte);
    }
    return 0;
}

/* ---- short pieces ----
 * A token stands at the place of its first byte; `alive` has a bit for each place. The pair of a
 * token and its right neighbour is rank · 64 + place, so the least of them is the next merge:
 * lowest rank, leftmost. */

enum { PLACE_BITS = 6, NO_PAIR = INT32_MAX };
_Static_assert(BPE_SHORT_PIECE == 1 << PLACE_BITS, "places of a short piece");
_Static_assert(BPE_MAX_IDS <= 1 << (31 - PLACE_BITS), "ranks of merges");

struct short_piece {
    int32_t pairs[BPE_SHORT_PIECE];
    uint32_t ids[BPE_SHORT_PIECE], made[BPE_SHORT_PIECE]; /* made: by the pair here */
    uint64_t alive;
    unsigned padded;       /* places, a multiple of 4 */
    int asked[2];          /* places whose pairs are being looked up, or -1 */
    uint32_t neighbour[2]; /* the other token of the pair */
    size_t slot[2];        /* where its search begins */
};

/* Least of pairs [n], n a multiple of 4. */
static int32_t least(const int32_t *pairs, unsigned n)
{
    int32_t a = pairs[0], b = pairs[1], c = pairs[2], d = pairs[3];
    for (unsigned i = 4; i < n; i += 4) {
        a = pairs[i] < a ? pairs[i] : a;
        b = pairs[i + 1] < b ? pairs[i + 1] : b;
        c = pairs[i + 2] < c ? pairs[i + 2] : c;
        d = pairs[i + 3] < d ? pairs[i + 3] : d;
    }
    a = b < a ? b : a;
    c = d < c ? d : c;
    return c < a ? c : a;
}

static void begin(const struct wm_tokenizer *tok, struct short_piece *s, struct wm_str piece)
{
    const unsigned char *bytes = (const unsigned char *)piece.ptr;
    unsigned n = (unsigned)piece.len, i = 0;
    s->alive = UINT64_MAX >> (BPE_SHORT_PIECE - n);
    s->padded = (n + 3) & ~3u;
    s->asked[0] = s->asked[1] = -1;
    for (; i + 1 < n; i++) {
        uint32_t rank = tok->byte_pairs[bytes[i] << 8 | bytes[i + 1]];
        s->ids[i] = tok->byte_ids[bytes[i]];
        s->pairs[i] = rank == BPE_NONE ? NO_PAIR : (int32_t)(rank << PLACE_BITS | i);
        if (rank != BPE_NONE)
            s->made[i] = tok->merges[rank].id;
    }
    s->ids[i] = tok->byte_ids[bytes[i]];
    do
        s->pairs[i++] = NO_PAIR;
    while (i % 4);
}

static void ask(const struct wm_tokenizer *tok, struct short_piece *s, int which, unsigned left,
                unsigned right)
{
    uint64_t hash = bpe_pair_hash(s->ids[left], s->ids[right]),
             bit = hash >> tok->pairs.filter_shift;
    if (tok->pairs.filter && !(tok->pairs.filter[bit / 64] >> bit % 64 & 1)) {
        s->pairs[left] = NO_PAIR;
        return;
    }
    s->asked[which] = (int)left;
    s->neighbour[which] = s->ids[right];
    s->slot[which] = hash >> tok->pairs.shift;
    __builtin_prefetch(&tok->pairs.slots[s->slot[which]]);
}

static void answer(const struct wm_tokenizer *tok, struct short_piece *s, int which)
{
    if (s->asked[which] < 0)
        return;
    const struct bpe_pairs *pairs = &tok->pairs;
    unsigned at = (unsigned)s->asked[which];
    uint32_t left = s->ids[at], right = s->neighbour[which];
    const struct bpe_pair_slot *slot = &pairs->slots[s->slot[which]];
    while (slot->rank != BPE_NONE && !(slot->left == left && slot->right == right))
        if (++slot == pairs->slots + pairs->n_slots)
            slot = pairs->slots;
    s->asked[which] = -1;
    s->made[at] = slot->id;
    s->pairs[at] = slot->rank == BPE_NONE ? NO_PAIR : (int32_t)(slot->rank << PLACE_BITS | at);
}

/* The next merge; what it makes necessary to look up is asked for. False if there is none. */
static bool merge_next(const struct wm_tokenizer *tok, struct short_piece *s)
{
    answer(tok, s, 0);
    answer(tok, s, 1);
    int32_t pair = least(s->pairs, s->padded);
    if (pair == NO_PAIR)
        return false;
    unsigned at = (unsigned)pair % BPE_SHORT_PIECE;
    uint64_t behind = s->alive & UINT64_MAX << 1 << at;
    unsigned right = (unsigned)__builtin_ctzll(behind);
    s->ids[at] = s->made[at];
    s->pairs[at] = s->pairs[right] = NO_PAIR;
    s->alive &= ~(UINT64_C(1) << right);
    behind &= behind - 1;
    uint64_t before = s->alive & ~(UINT64_MAX << at);
    if (behind)
        ask(tok, s, 0, at, (unsigned)__builtin_ctzll(behind));
    if (before)
        ask(tok, s, 1, 63 - (unsigned)__builtin_clzll(before), at);
    return true;
}

static size_t take(const struct short_piece *s, uint32_t *ret)
{
    size_t n = 0;
    for (uint64_t alive = s->alive; alive; alive &= alive - 1)
        ret[n++] = s->ids[__builtin_ctzll(alive)];
    return n;
}

size_t bpe_merge_short(const struct wm_tokenizer *tok, struct wm_str piece, uint32_t *ret)
{
    struct short_piece s;
    begin(tok, &s, piece);
    while (merge_next(tok, &s))
        ;
    return take(&s, ret);
}

void bpe_merge_group(const struct wm_tokenizer *tok, const struct wm_str *pieces, size_t n,
                     uint32_t (*ret)[BPE_SHORT_PIECE], size_t *ret_n)
{
    struct short_piece s[BPE_GROUP];
    unsigned char active[BPE_GROUP];
    for (size_t i = 0; i < n; i++) {
        begin(tok, &s[i], pieces[i]);
        active[i] = (unsigned char)i;
    }
    for (size_t left = n; left;)
        for (size_t k = 0; k < left;) {
            if (merge_next(tok, &s[active[k]]))
                k++;
            else
                active[k] = active[--left];
        }
    for (size_t i = 0; i < n; i++)
        ret_n[i] = take(&s[i], ret[i]);
}

int bpe_merge_piece(const struct wm_tokenizer *tok, struct bpe_scratch *scratch,
                    struct wm_str piece, struct wm_ids *ids, struct wm_error *err)
{
    if (piece.len > BPE_MAX_TEXT)
        return wm_fail(err, WM_E_LIMIT, "a piece of %zu bytes is over the limit of %d", piece.len,
                       BPE_MAX_TEXT);
    int status = check_bytes(tok, piece, err);
    if (!status)
        status = bpe_ids_reserve(ids, BPE_SHORT_PIECE, err);
    if (status || piece.len == 0)
        return status;
    if (piece.len <= BPE_SHORT_PIECE) {
        ids->n += bpe_merge_short(tok, piece, ids->ids + ids->n);
        return 0;
    }
    status = tok->origins ? bpe_merge_windows(tok, scratch, piece, ids, err)
                          : bpe_merge_heap(tok, scratch, piece, ids, err);
    if (scratch->cap_symbols > KEEP_PIECE)
        bpe_scratch_done(scratch);
    return status;
}
