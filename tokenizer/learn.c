/* SPDX-License-Identifier: Apache-2.0 */
/* The distinct pieces stand one after the other in `symbols`, a slot a byte, with an end mark
 * before, between and after them — a symbol is a byte, or a token that was there before. A new
 * token's id stands at its first and at its last symbol, NONE between, so both neighbours of a token
 * are found from widths alone. Pieces are ordered by falling count: a place's weight is found among
 * few spans.
 *
 * A pair's count only falls after the merge that brought its newer token: nothing later adds to
 * it. Hence a pair below the least frequency is dropped at once, and a heap of counts that may be
 * too high, checked when popped, gives the exact maximum. Places of a pair are rising; those where
 * it no longer stands are recognised by the symbols. */
#include "tokenizer/learn.h"

#include <inttypes.h>
#include <stdlib.h>

#include "tokenizer/pair_table.h"
#include "tokenizer/piece_file.h"

#define NONE BPE_NONE        /* inside a token */
#define END (UINT32_MAX - 1) /* between pieces */

/* Places before `end` (and behind the span before) count `weight` times. */
struct span {
    uint64_t weight;
    uint32_t end;
};

/* What one merge does to the pairs of its new token with one neighbour. */
struct neighbour {
    uint64_t added, removed; /* counts of (neighbour, new), and of (neighbour, old part) */
    uint32_t *places;        /* of (neighbour, new) */
    uint32_t n_places, n_put;
    bool touched;
};

/* All neighbours on one side during one merge. */
struct side {
    struct neighbour *of; /* [n_ids] by token */
    uint32_t *touched;    /* tokens, n_touched */
    size_t n_touched;
    struct {
        uint32_t place, token;
    } * seen; /* new pairs in order of place */
    size_t n_seen, cap_seen;
};

struct learner {
    struct wm_tokenizer *tok;
    const struct bpe_learn_options *options;
    uint64_t least;   /* count */
    uint64_t last;    /* count of the last pair taken */
    uint32_t *widths; /* [n_ids] symbols of a token */
    bool full;
    uint32_t *symbols;
    size_t n_symbols;
    struct span *spans;
    size_t n_spans;
    struct bpe_pair_table table;
    uint32_t *first_places; /* [n_places] of all pairs at first, one block */
    size_t n_places;
    struct side left, right;
};

/* ---- laying the pieces out ---- */

/* Bytes a piece's symbols are written with, at most (exactly where they are bytes). */
static uint64_t count_symbols(const struct bpe_pieces *pieces, bool symbols)
{
    uint64_t n = 1;
    for (size_t i = 0; i < pieces->n; i++) {
        struct wm_str bytes = bpe_piece_bytes(pieces, &pieces->slots[i]);
        n += 1 + (symbols ? 0 : bytes.len);
        for (size_t k = 0; symbols && k < bytes.len; k++)
            n += (unsigned char)bytes.ptr[k] < 0x80; /* where a number ends */
    }
    return n;
}

static void lay_out_piece(struct learner *l, struct wm_str piece, bool symbols)
{
    const unsigned char *at = (const unsigned char *)piece.ptr, *end = at + piece.len;
    while (at && at < end) {
        uint64_t id = symbols ? 0 : l->tok->byte_ids[*at];
        at = symbols ? bpe_get_varint(at, end, &id) : at + 1;
        l->symbols[l->n_symbols++] = (uint32_t)id;
    }
    l->symbols[l->n_symbols++] = END;
}

static int lay_out(struct learner *l, struct bpe_pieces *pieces, bool symbols, struct wm_error *err)
{
    bpe_pieces_sort_by_count(pieces);
    uint64_t n_symbols = count_symbols(pieces, symbols);
    size_t n = pieces->n;
    if (n_symbols >= END)
        return wm_fail(err, WM_E_LIMIT, "the distinct pieces have %" PRIu64 " bytes, want < 2^32",
                       n_symbols);
    size_t n_spans = 0;
    for (size_t i = 0; i < n; i++)
        n_spans += i + 1 == n || pieces->slots[i].count != pieces->slots[i + 1].count;
    l->symbols = malloc((size_t)n_symbols * sizeof *l->symbols);
    l->spans = calloc(n_spans + 1, sizeof *l->spans);
    if (!l->symbols || !l->spans)
        return wm_fail_nomem(err, (size_t)n_symbols * sizeof *l->symbols, "pieces to merge");
    l->symbols[l->n_symbols++] = END;
    for (size_t i = 0; i < n; i++) {
        lay_out_piece(l, bpe_piece_bytes(pieces, &pieces->slots[i]), symbols);
        if (i + 1 == n || pieces->slots[i].count != pieces->slots[i + 1].count)
            l->spans[l->n_spans++] = (struct span){pieces->slots[i].count, (uint32_t)l->n_symbols};
    }
    bpe_pieces_done(pieces);
    return 0;
}

/* Span of a place at or behind span `from`. */
static size_t span_of(const struct learner *l, size_t from, uint32_t place)
{
    if (place < l->spans[from].end)
        return from;
    size_t low = from + 1;
    for (size_t high = l->n_spans - 1; low < high;) {
        size_t middle = low + (high - low) / 2;
        if (l->spans[middle].end <= place)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Bytes; not to be confused with symbols. */
static uint32_t length(const struct learner *l, uint32_t token)
{
    return l->tok->tokens[token].len;
}

/* ---- the pairs there are at first ---- */

struct first_pair {
    uint64_t count;
    uint32_t left, right, n_places, start;
};

/* Open addressing; with symbols that are bytes, all pairs in their order. */
struct first_pairs {
    struct first_pair *slots;
    size_t n_slots, n;
    bool direct;
};

static struct first_pair *find_first(const struct first_pairs *first, uint32_t a, uint32_t b)
{
    if (first->direct)
        return &first->slots[a << 8 | b];
    size_t mask = first->n_slots - 1, i = (size_t)(bpe_pair_hash(a, b) >> 32) & mask;
    while (first->slots[i].n_places && (first->slots[i].left != a || first->slots[i].right != b))
        i = (i + 1) & mask;
    return &first->slots[i];
}

static int grow_first(struct first_pairs *first, struct wm_error *err)
{
    struct first_pairs old = *first;
    first->n_slots = old.n_slots ? old.n_slots * 2 : 1 << 16;
    first->slots = calloc(first->n_slots, sizeof *first->slots);
    if (!first->slots) {
        *first = old;
        return wm_fail_nomem(err, old.n_slots * 2 * sizeof *old.slots, "table of pairs");
    }
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i].n_places)
            *find_first(first, old.slots[i].left, old.slots[i].right) = old.slots[i];
    free(old.slots);
    return 0;
}

static int count_first(const struct learner *l, struct first_pairs *first, struct wm_error *err)
{
    for (size_t i = 1, span = 0; i + 1 < l->n_symbols; i++) {
        uint32_t a = l->symbols[i], b = l->symbols[i + 1];
        while (i >= l->spans[span].end)
            span++;
        if (a == END || b == END)
            continue;
        struct first_pair *pair = find_first(first, a, b);
        pair->count += l->spans[span].weight;
        pair->left = a;
        pair->right = b;
        if (pair->n_places++ == 0 && ++first->n > first->n_slots / 2 && !first->direct) {
            int status = grow_first(first, err);
            if (status)
                return status;
        }
    }
    return 0;
}

static void place_first(struct learner *l, struct first_pairs *first)
{
    uint32_t start = 0;
    for (size_t i = 0; i < first->n_slots; i++) {
        first->slots[i].start = start;
        start += first->slots[i].n_places;
    }
    for (size_t i = 1; i + 1 < l->n_symbols; i++) {
        uint32_t a = l->symbols[i], b = l->symbols[i + 1];
        if (a != END && b != END)
            l->first_places[find_first(first, a, b)->start++] = (uint32_t)i;
    }
}

static int enter_first(struct learner *l, const struct first_pairs *first, struct wm_error *err)
{
    int status = 0;
    for (size_t i = 0; !status && i < first->n_slots; i++) {
        const struct first_pair *f = &first->slots[i];
        if (f->count < l->least ||
            (uint64_t)length(l, f->left) + length(l, f->right) > l->options->max_token)
            continue;
        status = bpe_pair_put(&l->table, f->left, f->right, f->count,
                              l->first_places + f->start - f->n_places, f->n_places, false, err);
    }
    return status;
}

static int first_pairs(struct learner *l, bool symbols, struct wm_error *err)
{
    struct first_pairs first = {.direct = !symbols};
    int status = grow_first(&first, err);
    if (!status)
        status = count_first(l, &first, err);
    if (!status) {
        for (size_t i = 0; i < first.n_slots; i++)
            l->n_places += first.slots[i].n_places;
        l->first_places = malloc((l->n_places + 1) * sizeof *l->first_places);
        if (!l->first_places)
            status = wm_fail_nomem(err, l->n_places * sizeof *l->first_places, "places of pairs");
    }
    if (!status) {
        place_first(l, &first);
        status = enter_first(l, &first, err);
    }
    free(first.slots);
    return status;
}

/* ---- one merge ---- */

static struct neighbour *touch(struct side *side, uint32_t token)
{
    struct neighbour *n = &side->of[token];
    if (!n->touched) {
        n->touched = true;
        side->touched[side->n_touched++] = token;
    }
    return n;
}

static int see(struct side *side, uint32_t token, uint32_t place, uint64_t weight,
               struct wm_error *err)
{
    if (side->n_seen == side->cap_seen) {
        size_t cap = side->cap_seen ? side->cap_seen * 2 : 4096;
        void *grown = realloc(side->seen, cap * sizeof *side->seen);
        if (!grown)
            return wm_fail_nomem(err, cap * sizeof *side->seen, "places of new pairs");
        side->seen = grown;
        side->cap_seen = cap;
    }
    struct neighbour *n = touch(side, token);
    n->added += weight;
    n->n_places++;
    side->seen[side->n_seen].place = place;
    side->seen[side->n_seen++].token = token;
    return 0;
}

/* Merge the pair at `place` into `id` if it still stands there, and note what that changes. */
static int merge_at(struct learner *l, const struct bpe_merge *merge, uint32_t place,
                    uint64_t weight, struct wm_error *err)
{
    uint32_t *symbols = l->symbols;
    uint32_t second = place + l->widths[merge->left], id = merge->id;
    if (symbols[place] != merge->left || symbols[second] != merge->right)
        return 0;
    uint32_t end = second + l->widths[merge->right];
    uint32_t before = symbols[place - 1], after = symbols[end];
    symbols[second - 1] = symbols[second] = NONE;
    symbols[place] = symbols[end - 1] = id;
    int status = 0;
    uint64_t room = l->options->max_token - length(l, id);
    if (before == id) {
        /* Made a moment ago by this very merge, as in a run: (id, left) was noted on the right. */
        if (length(l, merge->left) <= room)
            l->right.of[merge->left].added -= weight;
    } else if (before != END) {
        touch(&l->left, before)->removed += weight;
    }
    if (before != END && length(l, before) <= room)
        status = see(&l->left, before, place - l->widths[before], weight, err);
    if (after != END)
        touch(&l->right, after)->removed += weight;
    if (!status && after != END && length(l, after) <= room)
        status = see(&l->right, after, place, weight, err);
    return status;
}

/* Take what a merge removed off the counts of the pairs it broke. */
static void remove_broken(struct learner *l, const struct bpe_merge *merge)
{
    for (size_t i = 0; i < l->left.n_touched; i++) {
        uint32_t token = l->left.touched[i];
        bpe_pair_lower(&l->table, token, merge->left, l->left.of[token].removed, l->least);
    }
    for (size_t i = 0; i < l->right.n_touched; i++) {
        uint32_t token = l->right.touched[i];
        bpe_pair_lower(&l->table, merge->right, token, l->right.of[token].removed, l->least);
    }
}

/* Enter the pairs that have the new token on one side; `mirrored`: on the left. */
static int enter_new(struct learner *l, struct side *side, uint32_t id, bool mirrored,
                     struct wm_error *err)
{
    for (size_t i = 0; i < side->n_touched; i++) {
        uint32_t token = side->touched[i];
        struct neighbour *n = &side->of[token];
        if (n->added < l->least)
            continue;
        n->places = malloc(n->n_places * sizeof *n->places);
        if (!n->places)
            return wm_fail_nomem(err, n->n_places * sizeof *n->places, "places of a pair");
        int status = bpe_pair_put(&l->table, mirrored ? id : token, mirrored ? token : id, n->added,
                                  n->places, n->n_places, true, err);
        if (status)
            return status;
    }
    for (size_t i = 0; i < side->n_seen; i++) {
        struct neighbour *n = &side->of[side->seen[i].token];
        if (n->places)
            n->places[n->n_put++] = side->seen[i].place;
    }
    for (size_t i = 0; i < side->n_touched; i++)
        side->of[side->touched[i]] = (struct neighbour){0};
    side->n_touched = side->n_seen = 0;
    return 0;
}

static int merge_pair(struct learner *l, const struct bpe_merge *merge, struct bpe_pair pair,
                      struct wm_error *err)
{
    int status = 0;
    for (uint32_t i = 0, span = 0; !status && i < pair.n_places; i++) {
        span = (uint32_t)span_of(l, span, pair.places[i]);
        status = merge_at(l, merge, pair.places[i], l->spans[span].weight, err);
    }
    if (status)
        return status;
    remove_broken(l, merge);
    status = enter_new(l, &l->left, merge->id, false, err);
    return status ? status : enter_new(l, &l->right, merge->id, true, err);
}

/* ---- all merges ---- */

static bool is_forbidden(const struct bpe_learn_options *options, struct wm_str bytes)
{
    for (size_t i = 0; i < options->n_forbidden; i++)
        if (wm_str_eq(options->forbidden[i], bytes))
            return true;
    return false;
}

/* The next token and its merge, from the most frequent pair; its bytes are in `bytes`. */
static int learn_one(struct learner *l, struct bpe_pair pair, struct wm_buf *bytes,
                     struct wm_error *err)
{
    struct wm_tokenizer *tok = l->tok;
    struct wm_str left = wm_token_bytes(tok, pair.left), right = wm_token_bytes(tok, pair.right);
    bytes->len = 0;
    int status = wm_buf_add(bytes, left.ptr, left.len, err);
    if (!status)
        status = wm_buf_add(bytes, right.ptr, right.len, err);
    if (status || is_forbidden(l->options, wm_buf_str(bytes)))
        return status;
    struct bpe_merge merge = {pair.left, pair.right, tok->n_ids};
    l->widths[merge.id] = l->widths[merge.left] + l->widths[merge.right];
    status = bpe_put_token(tok, merge.id, wm_buf_str(bytes), BPE_TOKEN, err);
    if (!status)
        status = bpe_add_merge(tok, merge.left, merge.right, merge.id, err);
    return status ? status : merge_pair(l, &merge, pair, err);
}

int bpe_learn_report(const struct wm_tokenizer *tok, const struct bpe_learn_options *options,
                     struct wm_error *err)
{
    uint32_t wanted = options->in_rounds ? 0 : options->n_merges;
    if (options->on_merge && options->on_merge(options->arg, tok->n_merges, wanted))
        return wm_fail(err, WM_E_CANCELLED, "cancelled after %lu merges",
                       (unsigned long)tok->n_merges);
    return 0;
}

static uint64_t memory_used(const struct learner *l)
{
    return (uint64_t)l->n_symbols * sizeof *l->symbols +
           (uint64_t)l->n_places * sizeof *l->first_places + l->n_spans * sizeof *l->spans +
           bpe_pair_table_memory(&l->table) +
           (uint64_t)(l->left.cap_seen + l->right.cap_seen) * sizeof *l->left.seen;
}

static int learn_all(struct learner *l, struct wm_error *err)
{
    enum { CALL_EVERY = 16 };
    const struct bpe_learn_options *o = l->options;
    struct wm_buf bytes;
    wm_buf_init(&bytes, (size_t)2 * BPE_MAX_TOKEN);
    int status = 0;
    while (!status && l->tok->n_merges < o->n_merges) {
        struct bpe_pair pair;
        if (!bpe_pair_pop(&l->table, &pair))
            break;
        l->last = pair.count;
        status = learn_one(l, pair, &bytes, err);
        if (pair.owned)
            free(pair.places);
        if (!status && l->tok->n_merges % CALL_EVERY == 0)
            status = bpe_learn_report(l->tok, o, err);
        if (o->memory && memory_used(l) > o->memory) {
            l->full = true;
            break;
        }
    }
    wm_buf_done(&bytes);
    return status;
}

static int side_init(struct side *side, size_t n_ids, struct wm_error *err)
{
    side->of = calloc(n_ids, sizeof *side->of);
    side->touched = malloc(n_ids * sizeof *side->touched);
    return side->of && side->touched ? 0 : wm_fail_nomem(err, n_ids * sizeof *side->of, "merging");
}

static void side_done(struct side *side)
{
    free(side->of);
    free(side->touched);
    free(side->seen);
}

static int learner_init(struct learner *l, struct wm_error *err)
{
    size_t n_old = l->tok->n_ids, n_ids = n_old + l->options->n_merges - l->tok->n_merges + 1;
    l->least = l->options->min_frequency ? l->options->min_frequency : 1;
    l->widths = malloc(n_ids * sizeof *l->widths);
    if (!l->widths)
        return wm_fail_nomem(err, n_ids * sizeof *l->widths, "merging");
    for (size_t i = 0; i < n_old; i++)
        l->widths[i] = 1;
    int status = bpe_pair_table_init(&l->table, err);
    if (!status)
        status = side_init(&l->left, n_ids, err);
    return status ? status : side_init(&l->right, n_ids, err);
}

int bpe_learn(struct wm_tokenizer *tok, struct bpe_pieces *pieces, bool symbols,
              const struct bpe_learn_options *options, bool *ret_full, uint64_t *ret_last,
              struct wm_error *err)
{
    struct learner l = {.tok = tok, .options = options};
    int status = learner_init(&l, err);
    if (!status)
        status = lay_out(&l, pieces, symbols, err);
    if (!status && l.n_spans)
        status = first_pairs(&l, symbols, err);
    if (!status)
        status = learn_all(&l, err);
    *ret_full = l.full;
    *ret_last = l.last;
    if (options->most_pairs && l.table.most > *options->most_pairs)
        *options->most_pairs = l.table.most;
    bpe_pair_table_done(&l.table);
    side_done(&l.left);
    side_done(&l.right);
    free(l.widths);
    free(l.symbols);
    free(l.spans);
    free(l.first_places);
    return status;
}
