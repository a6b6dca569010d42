/* SPDX-License-Identifier: Apache-2.0 */
/* What the tokens of a shard say: counts, ends of documents, ids out of range. */
#include <math.h>
#include <stdlib.h>

#include "tokenizer/shard_format.h"

enum { CHUNK = 4096 };

double wm_unigram_nats(const uint64_t *counts, size_t n)
{
    double total = 0, sum = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)counts[i];
    for (size_t i = 0; i < n; i++) {
        double p = total > 0 ? (double)counts[i] / total : 0;
        if (p > 0)
            sum -= p * log(p);
    }
    return sum;
}

struct scan {
    const struct wm_shard *shard;
    uint32_t vocabulary, eod;
    uint64_t *counts; /* [vocabulary] */
    struct wm_shard_facts *facts;
};

/* Count the tokens from `first` on; returns how many of them are eod. `*ret_last` is the last. */
static uint64_t scan_tokens(const struct scan *scan, uint64_t first, uint64_t n, uint32_t *ret_last)
{
    uint32_t ids[CHUNK];
    uint64_t n_eod = 0;
    while (n) {
        size_t now = n < CHUNK ? (size_t)n : CHUNK;
        wm_shard_read(scan->shard, first, now, ids);
        for (size_t i = 0; i < now; i++) {
            if (ids[i] < scan->vocabulary)
                scan->counts[ids[i]]++;
            else
                scan->facts->n_outside++;
            if (ids[i] > scan->facts->max_id)
                scan->facts->max_id = ids[i];
            n_eod += ids[i] == scan->eod;
        }
        *ret_last = ids[now - 1];
        first += now;
        n -= now;
    }
    return n_eod;
}

static void scan_sequences(const struct scan *scan)
{
    struct wm_shard_facts *facts = scan->facts;
    facts->shortest = facts->n_sequences ? UINT64_MAX : 0;
    for (uint64_t i = 0; i < facts->n_sequences; i++) {
        uint64_t first, length;
        uint32_t last = 0;
        wm_shard_sequence(scan->shard, i, &first, &length);
        uint64_t n_eod = scan_tokens(scan, first, length, &last);
        facts->n_eod += n_eod;
        facts->n_ended += n_eod == 1 && last == scan->eod;
        facts->shortest = length < facts->shortest ? length : facts->shortest;
        facts->longest = length > facts->longest ? length : facts->longest;
    }
}

/* Ids come in rising order, so one that is not more frequent stays behind. */
static void rank(struct wm_shard_facts *facts, uint32_t id, uint64_t count)
{
    size_t at = facts->n_top;
    if (at == WM_SHARD_TOP) {
        if (facts->top[at - 1].count >= count)
            return;
        at--;
    } else {
        facts->n_top++;
    }
    for (; at > 0 && facts->top[at - 1].count < count; at--)
        facts->top[at] = facts->top[at - 1];
    facts->top[at].id = id;
    facts->top[at].count = count;
}

int wm_shard_inspect(const struct wm_shard *shard, uint32_t vocabulary, uint32_t eod,
                     uint64_t *counts, struct wm_shard_facts *ret, struct wm_error *err)
{
    struct wm_shard_facts facts = {
        .n_tokens = shard->n_tokens,
        .n_sequences = shard->n_sequences,
        .n_documents = shard->n_documents,
        .width = shard->width,
    };
    if (vocabulary > WM_SHARD_VOCABULARY_MAX)
        return wm_fail(err, WM_E_LIMIT, "a vocabulary of %u is over the limit of %d", vocabulary,
                       WM_SHARD_VOCABULARY_MAX);
    uint64_t *own = calloc((size_t)vocabulary + 1, sizeof *own);
    if (!own)
        return wm_fail_nomem(err, (size_t)vocabulary * sizeof *own, "token counts");
    struct scan scan = {shard, vocabulary, eod, own, &facts};
    scan_sequences(&scan);
    for (uint32_t id = 0; id < vocabulary; id++) {
        if (!own[id])
            continue;
        facts.n_distinct++;
        rank(&facts, id, own[id]);
        if (counts)
            counts[id] += own[id];
    }
    facts.unigram_nats = wm_unigram_nats(own, vocabulary);
    free(own);
    *ret = facts;
    return 0;
}
