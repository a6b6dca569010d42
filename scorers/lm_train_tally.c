/* SPDX-License-Identifier: Apache-2.0 */
#include "scorers/lm_train_tally.h"

#include <stdlib.h>

static size_t nodes(size_t n)
{
    return (n + 63) / 64;
}

uint64_t lm_tally_bytes(size_t n_words)
{
    uint64_t bytes = (uint64_t)n_words * (sizeof(uint64_t) + sizeof(uint32_t));
    for (size_t n = nodes(n_words);; n = nodes(n)) {
        bytes += n * sizeof(uint64_t);
        if (n == 1)
            return bytes;
    }
}

int lm_tally_init(struct lm_tally *tally, size_t n_words, struct wm_error *err)
{
    *tally = (struct lm_tally){.counts = calloc(n_words, sizeof *tally->counts),
                               .lefts = calloc(n_words, sizeof *tally->lefts)};
    bool ok = tally->counts && tally->lefts;
    for (size_t n = nodes(n_words); ok; n = nodes(n)) {
        uint64_t *bits = calloc(n, sizeof *bits);
        tally->bits[tally->n_levels++] = bits;
        ok = bits != NULL;
        if (n == 1)
            break;
    }
    return ok ? 0 : wm_fail_nomem(err, lm_tally_bytes(n_words), "counts of words");
}

void lm_tally_done(struct lm_tally *tally)
{
    free(tally->counts);
    free(tally->lefts);
    for (unsigned i = 0; i < tally->n_levels; i++)
        free(tally->bits[i]);
    *tally = (struct lm_tally){0};
}

static void add(struct lm_tally *tally, const struct lm_tally_item *item)
{
    size_t at = item->word;
    tally->counts[at] += item->count;
    tally->lefts[at] += (uint32_t)item->left;
    for (unsigned level = 0; level < tally->n_levels; level++, at /= 64) {
        uint64_t *node = &tally->bits[level][at / 64], before = *node;
        *node |= (uint64_t)1 << (at % 64);
        if (before)
            return;
    }
}

void lm_tally_add_many_(struct lm_tally *tally, uint32_t word, uint64_t count)
{
    if (!tally->many)
        for (unsigned i = 0; i < tally->n; i++)
            add(tally, &tally->list[i]);
    tally->many = true;
    add(tally, &(struct lm_tally_item){count, 1, word});
}

bool lm_tally_pop_(struct lm_tally *tally, struct lm_tally_item *ret)
{
    if (!tally->bits[tally->n_levels - 1][0])
        return false;
    size_t at = 0;
    for (unsigned level = tally->n_levels; level-- > 0;)
        at = at * 64 + (size_t)__builtin_ctzll(tally->bits[level][at]);
    *ret = (struct lm_tally_item){tally->counts[at], tally->lefts[at], (uint32_t)at};
    tally->counts[at] = 0;
    tally->lefts[at] = 0;
    for (unsigned level = 0; level < tally->n_levels; level++, at /= 64)
        if (tally->bits[level][at / 64] &= ~((uint64_t)1 << (at % 64)))
            break;
    return true;
}
