/* SPDX-License-Identifier: Apache-2.0 */
/* In place, because the table may fill its memory: a most-significant-byte radix sort that permutes
 * within the array (McIlroy, Bostic, McIlroy 1993, "Engineering radix sort"), and insertion for
 * what is small. */
#include "tokenizer/pieces.h"

enum { SMALL = 24 };

struct order {
    const struct bpe_pieces *pieces;
    uint64_t (*key)(const struct bpe_piece *piece);
    bool ties; /* by length and bytes */
};

static uint64_t tag_key(const struct bpe_piece *piece)
{
    return (uint64_t)piece->tag << 32;
}

static uint64_t count_key(const struct bpe_piece *piece)
{
    return ~piece->count;
}

static bool stands_before(const struct order *o, const struct bpe_piece *a,
                          const struct bpe_piece *b)
{
    uint64_t x = o->key(a), y = o->key(b);
    if (x != y || !o->ties)
        return x < y;
    return bpe_piece_order(0, bpe_piece_bytes(o->pieces, a), 0, bpe_piece_bytes(o->pieces, b)) < 0;
}

static void insertion(const struct order *o, struct bpe_piece *slots, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct bpe_piece moving = slots[i];
        size_t k = i;
        for (; k > 0 && stands_before(o, &moving, &slots[k - 1]); k--)
            slots[k] = slots[k - 1];
        slots[k] = moving;
    }
}

/* Heap sort, for many pieces with the same key. */
static void sift(const struct order *o, struct bpe_piece *slots, size_t n, size_t i)
{
    struct bpe_piece moving = slots[i];
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && stands_before(o, &slots[child], &slots[child + 1]))
            child++;
        if (!stands_before(o, &moving, &slots[child]))
            break;
        slots[i] = slots[child];
    }
    slots[i] = moving;
}

static void heap_sort(const struct order *o, struct bpe_piece *slots, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(o, slots, n, i);
    for (; n > 1; n--) {
        struct bpe_piece last = slots[n - 1];
        slots[n - 1] = slots[0];
        slots[0] = last;
        sift(o, slots, n - 1, 0);
    }
}

static void radix(const struct order *o, struct bpe_piece *slots, size_t n, unsigned shift)
{
    size_t end[256] = {0}, at[256];
    for (size_t i = 0; i < n; i++)
        end[o->key(&slots[i]) >> shift & 0xFF]++;
    for (size_t b = 0, sum = 0; b < 256; b++) {
        at[b] = sum;
        end[b] = sum += end[b];
    }
    for (size_t b = 0; b < 256; b++) {
        while (at[b] < end[b]) {
            struct bpe_piece moving = slots[at[b]];
            for (size_t to; (to = o->key(&moving) >> shift & 0xFF) != b;) {
                struct bpe_piece other = slots[at[to]];
                slots[at[to]++] = moving;
                moving = other;
            }
            slots[at[b]++] = moving;
        }
    }
    for (size_t b = 0, start = 0; b < 256; start = end[b++]) {
        size_t many = end[b] - start;
        if (many <= SMALL)
            insertion(o, slots + start, many);
        else if (shift)
            radix(o, slots + start, many, shift - 8);
        else if (o->ties)
            heap_sort(o, slots + start, many);
    }
}

static void sort(struct bpe_pieces *pieces, const struct order *order)
{
    size_t n = 0;
    for (size_t i = 0; i < pieces->n_slots; i++)
        if (pieces->slots[i].count)
            pieces->slots[n++] = pieces->slots[i];
    if (n)
        radix(order, pieces->slots, n, 56);
}

void bpe_pieces_sort_by_tag(struct bpe_pieces *pieces)
{
    sort(pieces, &(struct order){pieces, tag_key, true});
}

void bpe_pieces_sort_by_count(struct bpe_pieces *pieces)
{
    sort(pieces, &(struct order){pieces, count_key, false});
}
