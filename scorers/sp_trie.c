/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A double array (Aoe, "An Efficient Digital Search Algorithm by Using a Double-Array Structure",
 * 1989) in which child `c` of a node is unit base ^ c: the children of a node lie within one block
 * of 256 units. The unit's check is its label alone, so no two nodes may have the same base.
 */
#include <stdlib.h>

#include "scorers/sp_model.h"

enum {
    BLOCK = 256,
    OPEN_BLOCKS = 16, /* blocks in which room is sought */
    MAX_MISSES = 64,  /* after which a block is closed: building stays linear */
};

/* 256 bits: units or bases of a block that are free */
struct bits {
    uint64_t word[BLOCK / 64];
};

struct node {
    uint32_t begin, end; /* of the keys */
    uint32_t depth, unit;
};

struct builder {
    const struct wm_sp_key *keys;
    struct wm_sp_trie *trie;
    struct bits *units, *bases; /* [blocks] */
    uint32_t n_blocks, cap_blocks;
    uint32_t open[OPEN_BLOCKS], misses[OPEN_BLOCKS];
    unsigned n_open;
    struct node *queue; /* breadth first: what every word asks for lies together */
    size_t head, n_queue, cap_queue;
};

static bool has(const struct bits *bits, unsigned i)
{
    return bits->word[i / 64] >> (i % 64) & 1;
}

static void clear(struct bits *bits, unsigned i)
{
    bits->word[i / 64] &= ~((uint64_t)1 << (i % 64));
}

static int resize(void **array, size_t count, size_t size, struct wm_error *err)
{
    void *grown = realloc(*array, count * size);
    if (!grown)
        return wm_fail_nomem(err, count * size, "trie of pieces");
    *array = grown;
    return 0;
}

static int grow_blocks(struct builder *b, struct wm_error *err)
{
    uint32_t cap = b->cap_blocks ? b->cap_blocks * 2 : 16;
    void *units = b->trie->units, *ids = b->trie->ids, *free_units = b->units, *bases = b->bases;
    int status = resize(&units, (size_t)cap * BLOCK, sizeof *b->trie->units, err);
    if (!status)
        b->trie->units = units;
    if (!status)
        status = resize(&ids, (size_t)cap * BLOCK, sizeof *b->trie->ids, err);
    if (!status)
        b->trie->ids = ids;
    if (!status)
        status = resize(&free_units, cap, sizeof *b->units, err);
    if (!status)
        b->units = free_units;
    if (!status)
        status = resize(&bases, cap, sizeof *b->bases, err);
    if (!status)
        b->bases = bases;
    if (!status)
        b->cap_blocks = cap;
    return status;
}

static void close_block(struct builder *b, unsigned i)
{
    b->n_open--;
    for (; i < b->n_open; i++) {
        b->open[i] = b->open[i + 1];
        b->misses[i] = b->misses[i + 1];
    }
}

static int add_block(struct builder *b, struct wm_error *err)
{
    if (b->n_blocks == WM_SP_MAX_UNITS / BLOCK)
        return wm_fail(err, WM_E_LIMIT, "the trie of pieces has more than %d units",
                       WM_SP_MAX_UNITS);
    if (b->n_blocks == b->cap_blocks) {
        int status = grow_blocks(b, err);
        if (status)
            return status;
    }
    if (b->n_open == OPEN_BLOCKS)
        close_block(b, 0);
    uint32_t block = b->n_blocks++;
    b->open[b->n_open] = block;
    b->misses[b->n_open++] = 0;
    memset(&b->units[block], 0xFF, sizeof b->units[block]);
    memset(&b->bases[block], 0xFF, sizeof b->bases[block]);
    for (size_t i = (size_t)block * BLOCK; i < ((size_t)block + 1) * BLOCK; i++) {
        b->trie->units[i] = (struct wm_sp_unit){WM_SP_NO_BASE, -INFINITY};
        b->trie->ids[i] = WM_SP_NONE;
    }
    if (block == 0) { /* the root's unit; the base of leaves */
        clear(&b->units[0], 0);
        clear(&b->bases[0], WM_SP_NO_BASE);
    }
    return 0;
}

/* A base within `block` at which all `labels` [n] are free, or -1. */
static int find_base(const struct builder *b, uint32_t block, const unsigned char *labels,
                     unsigned n)
{
    const struct bits *units = &b->units[block];
    for (unsigned w = 0; w < BLOCK / 64; w++)
        for (uint64_t left = units->word[w]; left; left &= left - 1) {
            unsigned base = (w * 64 + (unsigned)__builtin_ctzll(left)) ^ labels[0], i = 1;
            if (!has(&b->bases[block], base))
                continue;
            while (i < n && has(units, base ^ labels[i]))
                i++;
            if (i == n)
                return (int)base;
        }
    return -1;
}

static int place(struct builder *b, const unsigned char *labels, unsigned n, uint32_t *ret_base,
                 struct wm_error *err)
{
    int base = -1;
    unsigned at = 0;
    while (at < b->n_open && (base = find_base(b, b->open[at], labels, n)) < 0)
        if (++b->misses[at] == MAX_MISSES)
            close_block(b, at);
        else
            at++;
    if (base < 0) {
        int status = add_block(b, err);
        if (status)
            return status;
        at = b->n_open - 1;
        base = find_base(b, b->open[at], labels, n);
    }
    uint32_t block = b->open[at];
    clear(&b->bases[block], (unsigned)base);
    for (unsigned i = 0; i < n; i++)
        clear(&b->units[block], (unsigned)base ^ labels[i]);
    *ret_base = block * BLOCK + (uint32_t)base;
    return 0;
}

static int push(struct builder *b, struct node node, struct wm_error *err)
{
    if (b->n_queue == b->cap_queue) {
        size_t cap = b->cap_queue ? b->cap_queue * 2 : 1024;
        void *queue = b->queue;
        int status = resize(&queue, cap, sizeof *b->queue, err);
        if (status)
            return status;
        b->queue = queue;
        b->cap_queue = cap;
    }
    b->queue[b->n_queue++] = node;
    return 0;
}

/* Units for the children of `node`, which then wait in the queue. */
static int expand(struct builder *b, struct node node, struct wm_error *err)
{
    unsigned char labels[BLOCK];
    uint32_t firsts[BLOCK + 1], base = 0;
    unsigned n = 0;
    if (b->keys[node.begin].text.len == node.depth)
        b->trie->ids[node.unit] = b->keys[node.begin++].id;
    for (uint32_t i = node.begin; i < node.end; i++) {
        unsigned char c = (unsigned char)b->keys[i].text.ptr[node.depth];
        if (n == 0 || labels[n - 1] != c) {
            labels[n] = c;
            firsts[n++] = i;
        }
    }
    if (n == 0)
        return 0;
    firsts[n] = node.end;
    int status = place(b, labels, n, &base, err);
    if (status)
        return status;
    b->trie->units[node.unit].link |= base << WM_SP_BASE_SHIFT;
    for (unsigned i = 0; i < n && !status; i++) {
        uint32_t unit = base ^ labels[i];
        b->trie->units[unit].link = WM_SP_TAKEN | labels[i];
        status = push(b, (struct node){firsts[i], firsts[i + 1], node.depth + 1, unit}, err);
    }
    return status;
}

int wm_sp_trie_build(const struct wm_sp_key *keys, size_t n, struct wm_sp_trie *ret,
                     struct wm_error *err)
{
    struct wm_sp_trie trie = {0};
    struct builder b = {.keys = keys, .trie = &trie};
    int status = add_block(&b, err);
    if (!status && n)
        status = push(&b, (struct node){0, (uint32_t)n, 0, 0}, err);
    while (!status && b.head < b.n_queue)
        status = expand(&b, b.queue[b.head++], err);
    trie.n_units = b.n_blocks * BLOCK;
    free(b.units);
    free(b.bases);
    free(b.queue);
    if (status)
        wm_sp_trie_done(&trie);
    else
        *ret = trie;
    return status;
}

void wm_sp_trie_done(struct wm_sp_trie *trie)
{
    free(trie->units);
    free(trie->ids);
    *trie = (struct wm_sp_trie){0};
}
