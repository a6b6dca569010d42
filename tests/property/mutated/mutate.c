/* SPDX-License-Identifier: Apache-2.0 */
/* Damage: bits, runs, cuts, splices, ranges removed or doubled, garbage. */
#include <stdio.h>
#include <string.h>

#include "mutated.h"

uint64_t rng_next(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

uint64_t rng_below(uint64_t *state, uint64_t n)
{
    return n ? rng_next(state) % n : 0;
}

/* Small lengths as often as large ones. */
static size_t some_length(uint64_t *rng, size_t most)
{
    unsigned bits = 0;
    while (bits < 40 && most >> bits)
        bits++;
    size_t n = 1 + (size_t)rng_below(rng, (uint64_t)1 << rng_below(rng, bits + 1));
    return n < most ? n : most;
}

static size_t total(const struct mutation *m)
{
    size_t n = 0;
    for (size_t i = 0; i < m->n; i++)
        n += m->pieces[i].len;
    return n;
}

/* Half of all places are near where a record starts: that is where headers are. */
static size_t some_place(const struct mutation *m, uint64_t *rng, size_t len)
{
    size_t at = (size_t)rng_below(rng, (uint64_t)len + 1);
    if (m->base->n == 0 || rng_below(rng, 2))
        return at;
    const struct original *o = &m->base->originals[rng_below(rng, m->base->n)];
    uint64_t spread = rng_below(rng, 4) ? 600 : 24, shift = rng_below(rng, spread);
    uint64_t near = (rng_below(rng, 2) ? o->start : o->end) + shift;
    near -= near < spread / 4 ? near : spread / 4;
    return near <= len ? (size_t)near : at;
}

static void add_piece(struct mutation *m, struct piece piece)
{
    if (piece.len == 0)
        return;
    struct piece *last = m->n ? &m->pieces[m->n - 1] : NULL;
    if (last && piece.donor && last->donor == piece.donor && last->from + last->len == piece.from) {
        last->len += piece.len;
        return;
    }
    if (m->n == PIECES_MAX)
        give_up("too many pieces");
    m->pieces[m->n++] = piece;
}

/* Bytes [at, at + gone) become `fresh` [n]. */
static void replace(struct mutation *m, size_t at, size_t gone, const struct piece *fresh, size_t n)
{
    struct piece old[PIECES_MAX];
    size_t n_old = m->n, pos = 0;
    bool put = false;
    memcpy(old, m->pieces, n_old * sizeof *old);
    m->n = 0;
    for (size_t i = 0; i < n_old || !put; i++) {
        struct piece p = i < n_old ? old[i] : (struct piece){0};
        size_t before = at > pos ? at - pos : 0;
        if (before > p.len)
            before = p.len;
        add_piece(m, (struct piece){p.bytes, before, p.donor, p.from});
        if (!put && (pos + p.len >= at || i >= n_old)) {
            for (size_t k = 0; k < n; k++)
                add_piece(m, fresh[k]);
            put = true;
        }
        size_t skip = at + gone > pos ? at + gone - pos : 0;
        if (skip > p.len)
            skip = p.len;
        if (skip < before)
            skip = before;
        if (skip < p.len)
            add_piece(m, (struct piece){p.bytes + skip, p.len - skip, p.donor, p.from + skip});
        pos += p.len;
    }
}

/* The pieces of bytes [at, at + len) as they are now. */
static size_t copy_range(const struct mutation *m, size_t at, size_t len, struct piece *ret)
{
    size_t n = 0, pos = 0;
    for (size_t i = 0; i < m->n; pos += m->pieces[i++].len) {
        const struct piece *p = &m->pieces[i];
        size_t from = at > pos ? at - pos : 0, to = at + len > pos ? at + len - pos : 0;
        if (to > p->len)
            to = p->len;
        if (from < to)
            ret[n++] = (struct piece){p->bytes + from, to - from, p->donor, p->from + from};
    }
    return n;
}

static char byte_at(const struct mutation *m, size_t at)
{
    struct piece p[PIECES_MAX];
    return copy_range(m, at, 1, p) ? p[0].bytes[0] : '\0';
}

static struct piece own_bytes(struct mutation *m, size_t len)
{
    char *bytes = wm_arena_bytes(&m->arena, len);
    if (!bytes)
        give_up("no memory for %zu bytes", len);
    return (struct piece){bytes, len, NULL, 0};
}

static struct piece garbage(struct mutation *m, uint64_t *rng, size_t len)
{
    static const struct wm_str words[] = {
        {"\x1f\x8b\x08\0\0\0\0\0\0\3", 10},
        {"\x28\xb5\x2f\xfd\x24\x10", 6},
        {"WARC/1.0\r\n", 10},
        {"\r\n\r\n", 4},
        {"\nWARC/1.0\r\nWARC-Type: conversion\r\nContent-Length: 999999999\r\n\r\n", 63},
        {"{\"text\":\"", 9},
        {"Content-Length: 0\r\n", 19},
        {"\xfd\x37zXZ", 5}};
    struct piece p = own_bytes(m, len);
    char *to = (char *)(uintptr_t)p.bytes;
    unsigned kind = (unsigned)rng_below(rng, 4);
    int value = (int)(rng_below(rng, 2) ? 0 : rng_below(rng, 256));
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(kind == 0   ? value
                       : kind == 1 ? 32 + (int)rng_below(rng, 95)
                                   : (int)rng_next(rng) & 255);
    for (size_t i = 0; kind == 3 && i < len; i += 1 + (size_t)rng_below(rng, 400)) {
        struct wm_str word = words[rng_below(rng, sizeof words / sizeof *words)];
        memcpy(to + i, word.ptr, word.len < len - i ? word.len : len - i);
    }
    return p;
}

static void say(struct mutation *m, const char *what, size_t at, size_t len)
{
    size_t used = strlen(m->what);
    (void)snprintf(m->what + used, sizeof m->what - used, " %s@%zu+%zu", what, at, len);
}

static void flip(struct mutation *m, uint64_t *rng, size_t at)
{
    for (uint64_t i = 0, n = 1 + rng_below(rng, 3); i < n && at < total(m); i++) {
        struct piece p = own_bytes(m, 1);
        *(char *)(uintptr_t)p.bytes = (char)(byte_at(m, at) ^ (1 << rng_below(rng, 8)));
        replace(m, at, 1, &p, 1);
        say(m, "flip", at, 1);
        at += some_length(rng, 100);
    }
}

static void splice(struct mutation *m, const struct archives *all, uint64_t *rng, size_t at,
                   size_t len)
{
    const struct archive *donor = &all->items[rng_below(rng, all->n)];
    if (donor->bytes.len == 0 || m->n_donors == DONORS_MAX)
        return;
    size_t n = some_length(rng, donor->bytes.len < 200000 ? donor->bytes.len : 200000);
    size_t from = (size_t)rng_below(rng, donor->bytes.len - n + 1);
    struct piece p = {donor->bytes.ptr + from, n, donor, from};
    m->donors[m->n_donors++] = donor;
    size_t gone = rng_below(rng, 3) ? (n < len - at ? n : len - at) : 0;
    replace(m, at, gone, &p, 1);
    say(m, donor->name, at, n);
}

static void once(struct mutation *m, const struct archives *all, uint64_t *rng)
{
    struct piece copy[PIECES_MAX];
    size_t len = total(m), at = some_place(m, rng, len);
    size_t n = some_length(rng, len - at < 100000 ? len - at : 100000);
    switch (rng_below(rng, 8)) {
    case 0:
    case 1:
        flip(m, rng, at);
        return;
    case 2:
        copy[0] = garbage(m, rng, n);
        replace(m, at, n, copy, 1);
        say(m, "run", at, n);
        return;
    case 3:
        say(m, "cut", at, 0);
        if (rng_below(rng, 4))
            replace(m, at, len - at, NULL, 0);
        else
            replace(m, 0, at, NULL, 0);
        return;
    case 4:
        replace(m, at, n, NULL, 0);
        say(m, "remove", at, n);
        return;
    case 5: {
        size_t pieces = copy_range(m, at, n, copy), to = some_place(m, rng, len);
        if (m->n + pieces + 2 < PIECES_MAX / 2)
            replace(m, to, 0, copy, pieces);
        say(m, "double", at, n);
        say(m, "to", to, n);
        return;
    }
    case 6:
        copy[0] = garbage(m, rng, n);
        replace(m, at, 0, copy, 1);
        say(m, "insert", at, n);
        return;
    default:
        splice(m, all, rng, at, len);
    }
}

static const struct archive *pick(const struct archives *all, uint64_t *rng)
{
    uint64_t at = rng_below(rng, all->weights);
    for (size_t i = 0; i < all->n; i++) {
        if (at < all->items[i].weight)
            return &all->items[i];
        at -= all->items[i].weight;
    }
    return &all->items[0];
}

void mutation_make(struct mutation *m, const struct archives *all, uint64_t seed, uint64_t number)
{
    uint64_t rng = seed * 0xD1342543DE82EF95u + number;
    struct wm_error err;
    wm_arena_reset(&m->arena);
    m->bytes.len = 0;
    m->n = m->n_donors = 0;
    m->base = pick(all, &rng);
    (void)snprintf(m->what, sizeof m->what, "%s:", m->base->name);
    add_piece(m, (struct piece){m->base->bytes.ptr, m->base->bytes.len, m->base, 0});
    for (uint64_t i = 0, n = rng_below(&rng, 2) ? 1 : 1 + rng_below(&rng, 5); i < n; i++)
        if (m->n < PIECES_MAX / 2 - 12)
            once(m, all, &rng);
    for (size_t i = 0; i < m->n; i++)
        if (wm_buf_add(&m->bytes, m->pieces[i].bytes, m->pieces[i].len, &err))
            give_up("%s", err.what);
}
