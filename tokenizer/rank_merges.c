/* SPDX-License-Identifier: Apache-2.0 */
/* Merges out of ranks: a token's merge is what the merges of lower rank leave of its bytes, if
 * that is two parts.
 *
 * Two tokens that merges make are what their joined bytes come to if and only if bpe_stays_apart
 * (piece_windows.c) says so, so no token is merged again: those among its prefixes that are tokens
 * are tried, longest first, with what is left behind them.
 *
 * The tables are larger than the caches near the processor, so tokens are searched for side by
 * side, a block of ids at a time: all take a step and ask for the memory of their next one. What a
 * step reads is about parts of lower rank than the block, whose merges are all known; a token with
 * a part in its own block is late: it is done afterwards, alone. */
#include <stdlib.h>

#include "tokenizer/ranks.h"

enum {
    MERGED_TOKEN_MAX = 1024, /* bytes; looking for prefixes takes time ∝ the square */
    TRIES = 16,              /* prefixes of a token, before its bytes are merged after all */
    BLOCK = 64,              /* tokens side by side */
};

/* What is known of a token. */
struct node {
    uint32_t prefix;      /* longest token that is less than the whole token, or BPE_NONE */
    uint32_t left, right; /* its merge; BPE_NONE: none, so far */
    uint32_t made;        /* bytes of a token that is a byte or comes from merges, else 0 */
};

/* A merge as pairs are looked up while merges are searched for: 8 bits of the pair's hash above 24 of
 * the id. Merges come in the order of their ids, so between where looking for a pair begins and where
 * it stands are lower ids. */
enum { PAIR_ID = BPE_MAX_IDS - 1, PAIR_TAG = 255, PAIR_TAG_SHIFT = 24 };

struct search {
    struct wm_tokenizer *tok;
    size_t n_tokens;    /* that are there */
    struct node *nodes; /* [n_ids] */
    uint32_t *pairs;    /* open addressing; BPE_NONE: empty */
    size_t pairs_mask;  /* slots − 1 */
    unsigned pairs_shift;
    uint32_t n_put;     /* merges that the tokenizer's own table has */
    uint64_t *filter;   /* a bit for each hash of a key, 1 if it is some token's */
    size_t filter_mask; /* bits − 1 */
    struct bpe_scratch scratch;
    struct wm_ids ids;
};

static const char *bytes_end(const struct wm_tokenizer *tok)
{
    return tok->bytes.ptr + tok->bytes.len;
}

static int make_filter(struct search *s, struct wm_error *err)
{
    enum { BITS = 8 }; /* at least, of a token: one of 9 that are none gets past it */
    const struct wm_tokenizer *tok = s->tok;
    size_t n = 64;
    while (n < s->n_tokens * BITS)
        n *= 2;
    s->filter = calloc(n / 64, sizeof *s->filter);
    if (!s->filter)
        return wm_fail_nomem(err, n / 8, "filter of tokens");
    s->filter_mask = n - 1;
    for (uint32_t id = 0; id < tok->n_ids; id++) {
        struct wm_str bytes = bpe_bytes(tok, id);
        if (bytes.len == 0 || bytes.len > BPE_DIRECT_MAX)
            continue;
        uint64_t bit = bpe_key_hash(bpe_key(bytes.ptr, bytes.len, bytes_end(tok))) & s->filter_mask;
        s->filter[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    return 0;
}

/* A token whose prefix is being looked for. */
struct prefix_query {
    struct bpe_query query;
    uint32_t id;
};

/* Ask for the longest part of the bytes, less one byte at least, that may be a token. False if there
 * is none. */
static bool ask_prefix(const struct search *s, struct bpe_query *q)
{
    while (q->bytes.len-- > 1) {
        q->bucket = NULL;
        if (q->bytes.len > BPE_DIRECT_MAX)
            return true;
        q->key = bpe_key(q->bytes.ptr, q->bytes.len, bytes_end(s->tok));
        uint64_t hash = bpe_key_hash(q->key), bit = hash & s->filter_mask;
        if (s->filter[bit / 64] >> bit % 64 & 1) {
            q->bucket = bpe_direct_bucket(&s->tok->direct, hash);
            __builtin_prefetch(q->bucket);
            return true;
        }
    }
    return false;
}

/* Prefixes of the n tokens from `first` on. */
static void find_prefixes(struct search *s, uint32_t first, size_t n)
{
    struct prefix_query queries[BLOCK];
    size_t left = 0;
    for (uint32_t id = first; id < first + n; id++) {
        s->nodes[id].prefix = BPE_NONE;
        queries[left].id = id;
        queries[left].query.bytes = bpe_bytes(s->tok, id);
        left += ask_prefix(s, &queries[left].query);
    }
    while (left) {
        size_t kept = 0;
        for (size_t i = 0; i < left; i++) {
            struct prefix_query *q = &queries[i];
            uint32_t prefix = bpe_answer(s->tok, &q->query);
            s->nodes[q->id].prefix = prefix;
            if (prefix != BPE_NONE)
                continue;
            queries[kept] = *q;
            kept += ask_prefix(s, &queries[kept].query);
        }
        left = kept;
    }
}

static int find_all_prefixes(struct search *s, struct wm_error *err)
{
    const struct wm_tokenizer *tok = s->tok;
    for (uint32_t id = 0; id < tok->n_ids; id++)
        if (tok->tokens[id].len > MERGED_TOKEN_MAX)
            return wm_fail(err, WM_E_LIMIT, "token %lu has %lu bytes, over the limit of %d",
                           (unsigned long)id, (unsigned long)tok->tokens[id].len, MERGED_TOKEN_MAX);
    s->nodes = bpe_table_alloc((tok->n_ids + (size_t)1) * sizeof *s->nodes);
    if (!s->nodes)
        return wm_fail_nomem(err, tok->n_ids * sizeof *s->nodes, "prefixes of tokens");
    int status = make_filter(s, err);
    for (uint32_t id = 0; id < tok->n_ids && !status; id += BLOCK)
        find_prefixes(s, id, tok->n_ids - id < BLOCK ? tok->n_ids - id : BLOCK);
    for (uint32_t id = 0; id < tok->n_ids; id++) {
        s->nodes[id].left = s->nodes[id].right = BPE_NONE;
        s->nodes[id].made = tok->tokens[id].len == 1;
    }
    return status;
}

/* ---- whether two tokens stay apart ----
 * As bpe_stays_apart; merges are in the order of the ids they make, so ids stand for ranks. Which
 * way a step goes is as good as random, so steps are without branches. */

struct border {
    uint32_t left, right; /* tokens at the border at this time */
    uint32_t before;      /* a merge of them to a token below this would have come */
    uint32_t task;        /* whose border it is */
    uint64_t hash;        /* of left and right */
};

static inline uint32_t mask_if(bool yes)
{
    return (uint32_t)0 - yes;
}

static inline uint32_t either(uint32_t mask, uint32_t yes, uint32_t no)
{
    return (yes & mask) | (no & ~mask);
}

/* Border `from` back to before the later of its two merges, as `to`, which may be the same place.
 * False if both tokens are bytes. Field by field: what was just written in parts is read in parts. */
static inline bool undo(const struct search *s, const struct border *from, struct border *to)
{
    uint32_t l = from->left, r = from->right;
    const struct node *left = &s->nodes[l], *right = &s->nodes[r];
    uint32_t left_order = (l + 1) & mask_if(left->left != BPE_NONE);
    uint32_t right_order = (r + 1) & mask_if(right->left != BPE_NONE);
    uint32_t leftwards = mask_if(left_order > right_order);
    uint32_t inner = either(leftwards, left->right, right->left);
    /* An equal merge across the border would come later than the left one, before the right one. */
    to->before = either(leftwards, l, right_order);
    to->task = from->task;
    to->left = l = either(leftwards, inner, l);
    to->right = r = either(leftwards, r, inner);
    to->hash = bpe_pair_hash(l, r);
    return left_order | right_order;
}

/* Where looking for a pair begins. */
static inline const uint32_t *pair_at(const struct search *s, uint64_t hash)
{
    return &s->pairs[hash >> s->pairs_shift];
}

/* Whether the tokens at the border would have been merged. */
static inline bool meets(const struct search *s, const struct border *b)
{
    for (size_t i = b->hash >> s->pairs_shift;; i = (i + 1) & s->pairs_mask) {
        uint32_t slot = s->pairs[i], id = slot & PAIR_ID;
        if (id >= b->before) /* an empty one, too */
            return false;
        if (slot >> PAIR_TAG_SHIFT == (b->hash & PAIR_TAG) && s->nodes[id].left == b->left &&
            s->nodes[id].right == b->right)
            return true;
    }
}

static bool stays_apart(const struct search *s, uint32_t left, uint32_t right)
{
    struct border b = {.left = left, .right = right};
    while (undo(s, &b, &b))
        if (meets(s, &b))
            return false;
    return true;
}

static int make_pairs(struct search *s, struct wm_error *err)
{
    size_t n = 16;
    for (s->pairs_shift = 60; n < s->n_tokens * 2; n *= 2)
        s->pairs_shift--;
    s->pairs = bpe_table_alloc(n * sizeof *s->pairs);
    if (!s->pairs)
        return wm_fail_nomem(err, n * sizeof *s->pairs, "pairs of tokens");
    memset(s->pairs, 0xFF, n * sizeof *s->pairs);
    s->pairs_mask = n - 1;
    return 0;
}

/* ---- putting merges ---- */

/* The tokenizer's own table gets the merges that it lacks. */
static int put_pairs(struct search *s, struct wm_error *err)
{
    enum { AHEAD = 16 };
    struct wm_tokenizer *tok = s->tok;
    int status = 0;
    for (; s->n_put < tok->n_merges && !status; s->n_put++) {
        const struct bpe_merge *m = &tok->merges[s->n_put];
        if (s->n_put + AHEAD < tok->n_merges)
            __builtin_prefetch(bpe_pairs_slot(&tok->pairs, m[AHEAD].left, m[AHEAD].right), 1);
        status = bpe_pairs_put(&tok->pairs, m->left, m->right, s->n_put, m->id, err);
    }
    return status;
}

static int put_merge(struct search *s, struct bpe_merge merge, struct wm_error *err)
{
    int status = bpe_append_merge(s->tok, merge, err);
    if (status)
        return status;
    struct node *node = &s->nodes[merge.id];
    node->left = merge.left;
    node->right = merge.right;
    node->made = s->tok->tokens[merge.id].len;
    uint64_t hash = bpe_pair_hash(merge.left, merge.right);
    size_t i = hash >> s->pairs_shift;
    while (s->pairs[i] != BPE_NONE)
        i = (i + 1) & s->pairs_mask;
    s->pairs[i] = (uint32_t)(hash & PAIR_TAG) << PAIR_TAG_SHIFT | merge.id;
    return 0;
}

/* ---- one token ---- */

/* What the merges so far leave of `bytes`, by merging them. */
static int merge_bytes(struct search *s, struct wm_str bytes, struct bpe_merge *ret,
                       struct wm_error *err)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (s->tok->byte_ids[(unsigned char)bytes.ptr[i]] == BPE_NONE)
            return 0;
    s->ids.n = 0;
    int status = put_pairs(s, err);
    if (!status)
        status = bpe_merge_piece(s->tok, &s->scratch, bytes, &s->ids, err);
    if (!status && s->ids.n == 2) {
        ret->left = s->ids.ids[0];
        ret->right = s->ids.ids[1];
    }
    return status;
}

/* What stands in token `id` behind its first `cut` bytes. */
static struct wm_str rest_of(const struct search *s, uint32_t id, size_t cut)
{
    struct wm_str bytes = bpe_bytes(s->tok, id);
    return (struct wm_str){bytes.ptr + cut, bytes.len - cut};
}

/* What the merges so far leave of token ret->id; ret->left stays BPE_NONE if it is not two parts:
 * then it is reached only as a whole piece. */
static int find_parts(struct search *s, struct bpe_merge *ret, struct wm_error *err)
{
    uint32_t left = s->nodes[ret->id].prefix;
    for (int tries = 0; left != BPE_NONE; tries++, left = s->nodes[left].prefix) {
        size_t cut = s->nodes[left].made;
        if (tries == TRIES)
            return merge_bytes(s, bpe_bytes(s->tok, ret->id), ret, err);
        uint32_t right = cut ? bpe_find(s->tok, rest_of(s, ret->id, cut)) : BPE_NONE;
        if (right == BPE_NONE || !s->nodes[right].made || !stays_apart(s, left, right))
            continue;
        ret->left = left;
        ret->right = right;
        break;
    }
    return 0;
}

/* ---- a block of tokens ---- */

struct task {
    enum { SEARCHING, FOUND, NOT_FOUND, LATE } state;
    int tries;
    uint32_t id, left, right;
    struct bpe_query rest; /* what stands behind `left` */
};

/* The tasks of a block, and the borders that those which got so far are at. */
struct block {
    uint32_t first;
    struct task tasks[BLOCK];
    uint32_t active[BLOCK]; /* places of the tasks that are searching */
    size_t n_active;
    struct border borders[BLOCK];
    size_t n_borders;
};

/* The task goes on with a shorter prefix, or ends. */
static void try_prefix(const struct search *s, struct task *t, uint32_t prefix)
{
    t->left = prefix;
    t->state = prefix == BPE_NONE ? NOT_FOUND : t->tries++ == TRIES ? LATE : SEARCHING;
    if (t->state == SEARCHING)
        __builtin_prefetch(&s->nodes[prefix]);
}

/* Part `id` of the task is made by no merge of before the block. If it may yet be by one within,
 * the task is late, else it goes on. */
static void skip_part(const struct search *s, const struct block *b, struct task *t, uint32_t id)
{
    if (id >= b->first && id < t->id)
        t->state = LATE;
    else
        try_prefix(s, t, s->nodes[t->left].prefix);
}

/* Ask for what stands behind the prefixes. */
static void ask_rests(const struct search *s, struct block *b)
{
    for (size_t i = 0; i < b->n_active; i++) {
        struct task *t = &b->tasks[b->active[i]];
        while (t->state == SEARCHING && !s->nodes[t->left].made)
            skip_part(s, b, t, t->left);
        if (t->state == SEARCHING)
            bpe_ask(s->tok, &t->rest, rest_of(s, t->id, s->nodes[t->left].made), bytes_end(s->tok));
    }
}

static void take_rests(const struct search *s, struct block *b)
{
    for (size_t i = 0; i < b->n_active; i++) {
        struct task *t = &b->tasks[b->active[i]];
        if (t->state != SEARCHING)
            continue;
        t->right = bpe_answer(s->tok, &t->rest);
        if (t->right != BPE_NONE)
            __builtin_prefetch(&s->nodes[t->right]);
    }
    b->n_borders = 0;
    for (size_t i = 0; i < b->n_active; i++) {
        struct task *t = &b->tasks[b->active[i]];
        if (t->state != SEARCHING)
            continue;
        if (t->right == BPE_NONE)
            try_prefix(s, t, s->nodes[t->left].prefix);
        else if (!s->nodes[t->right].made)
            skip_part(s, b, t, t->right);
        else
            b->borders[b->n_borders++] =
                (struct border){.left = t->left, .right = t->right, .task = b->active[i]};
    }
}

/* One step back at every border. Tasks whose parts meet take a shorter prefix. */
static void undo_all(const struct search *s, struct block *b)
{
    size_t kept = 0;
    for (size_t i = 0; i < b->n_borders; i++) {
        const struct border *from = &b->borders[i];
        struct task *t = &b->tasks[from->task];
        if (meets(s, from)) {
            try_prefix(s, t, s->nodes[t->left].prefix);
            continue;
        }
        struct border *to = &b->borders[kept];
        bool more = undo(s, from, to);
        t->state = more ? SEARCHING : FOUND;
        __builtin_prefetch(&s->nodes[to->left]);
        __builtin_prefetch(&s->nodes[to->right]);
        __builtin_prefetch(pair_at(s, to->hash));
        kept += more;
    }
    b->n_borders = kept;
}

static void search_block(const struct search *s, struct block *b, uint32_t first, size_t n)
{
    b->first = first;
    b->n_active = n;
    for (size_t i = 0; i < n; i++) {
        b->tasks[i].id = first + (uint32_t)i;
        b->tasks[i].tries = 0;
        b->active[i] = (uint32_t)i;
        try_prefix(s, &b->tasks[i], s->nodes[first + i].prefix);
    }
    while (b->n_active) {
        ask_rests(s, b);
        take_rests(s, b);
        while (b->n_borders)
            undo_all(s, b);
        size_t kept = 0;
        for (size_t i = 0; i < b->n_active; i++) {
            b->active[kept] = b->active[i];
            kept += b->tasks[b->active[i]].state == SEARCHING;
        }
        b->n_active = kept;
    }
    for (size_t i = 0; i < n; i++)
        if (b->tasks[i].state == FOUND)
            __builtin_prefetch(pair_at(s, bpe_pair_hash(b->tasks[i].left, b->tasks[i].right)), 1);
}

/* Merges of the n tokens from `first` on. */
static int put_merges(struct search *s, uint32_t first, size_t n, struct wm_error *err)
{
    struct block b;
    int status = 0;
    search_block(s, &b, first, n);
    for (size_t i = 0; i < n && !status; i++) {
        struct bpe_merge merge = {BPE_NONE, BPE_NONE, first + (uint32_t)i};
        if (b.tasks[i].state == FOUND) {
            merge.left = b.tasks[i].left;
            merge.right = b.tasks[i].right;
        } else if (b.tasks[i].state == LATE) {
            status = find_parts(s, &merge, err);
        }
        if (!status && merge.left != BPE_NONE)
            status = put_merge(s, merge, err);
    }
    return status;
}

/* Origins of the tokens, as the merges have them. */
static int put_origins(struct search *s, struct wm_error *err)
{
    struct wm_tokenizer *tok = s->tok;
    int status = bpe_origins_init(tok, err);
    for (uint32_t i = 0; i < tok->n_merges && !status; i++) {
        const struct bpe_merge *merge = &tok->merges[i];
        tok->origins[merge->id] = (struct bpe_origin){merge->left, merge->right, i + 1};
    }
    return status;
}

int bpe_merge_ranks(struct wm_tokenizer *tok, struct wm_error *err)
{
    struct search s = {.tok = tok, .n_tokens = bpe_count_tokens(tok)};
    tok->ignore_merges = true;
    int status = bpe_pairs_reserve(&tok->pairs, s.n_tokens, err);
    if (!status)
        status = make_pairs(&s, err);
    if (!status)
        status = find_all_prefixes(&s, err);
    for (uint32_t id = 0; id < tok->n_ids && !status; id += BLOCK)
        status = put_merges(&s, id, tok->n_ids - id < BLOCK ? tok->n_ids - id : BLOCK, err);
    if (!status)
        status = put_pairs(&s, err);
    if (!status)
        status = put_origins(&s, err);
    free(s.nodes);
    free(s.pairs);
    free(s.filter);
    bpe_scratch_done(&s.scratch);
    wm_ids_done(&s.ids);
    return status;
}
