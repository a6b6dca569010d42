/* SPDX-License-Identifier: Apache-2.0 */
#include "trainer/data.h"

#include <inttypes.h>

#include "trainer/scalar.h"

enum { ROUNDS = 6, ORDER_STREAM = 0x6F726472 /* apart from other uses of a seed */ };

void wm_order_init(struct wm_order *order, uint64_t n, uint64_t seed, uint64_t epoch)
{
    unsigned half = 1;
    while (n > (uint64_t)1 << (2 * half))
        half++;
    uint64_t key = wm_random(seed, ORDER_STREAM, epoch);
    *order = (struct wm_order){.n = n, .key = key, .half_bits = half};
}

static uint64_t permute(const struct wm_order *order, uint64_t x)
{
    uint64_t mask = ((uint64_t)1 << order->half_bits) - 1;
    uint64_t left = x >> order->half_bits, right = x & mask;
    for (uint64_t round = 0; round < ROUNDS; round++) {
        uint64_t next = left ^ (wm_random(order->key, round, right) & mask);
        left = right;
        right = next;
    }
    return left << order->half_bits | right;
}

uint64_t wm_order_at(const struct wm_order *order, uint64_t i)
{
    do {
        i = permute(order, i);
    } while (i >= order->n);
    return i;
}

int wm_windows_init(struct wm_windows *windows, const struct wm_shard_set *set, uint32_t context,
                    struct wm_error *err)
{
    if (set->n_tokens < 2)
        return wm_fail(err, WM_E_FORMAT,
                       "the shards hold %" PRIu64 " tokens, too few to predict one", set->n_tokens);
    uint64_t targets = set->n_tokens - 1;
    *windows = (struct wm_windows){.set = set,
                                   .n = targets / context,
                                   .context = context,
                                   .rest = (uint32_t)(targets % context)};
    return 0;
}

uint64_t wm_windows_sample(const struct wm_windows *windows, uint64_t seed, uint64_t sample)
{
    struct wm_order order;
    wm_order_init(&order, windows->n, seed, sample / windows->n);
    return wm_order_at(&order, sample % windows->n);
}

int wm_windows_read(const struct wm_windows *windows, uint64_t window, uint32_t n, uint32_t *inputs,
                    uint32_t *targets, struct wm_error *err)
{
    uint64_t first = window * windows->context;
    uint32_t vocabulary = windows->set->vocabulary, most = 0;
    wm_shard_set_read(windows->set, first, n, inputs);
    wm_shard_set_read(windows->set, first + 1, n, targets);
    for (uint32_t i = 0; i < n; i++)
        most = inputs[i] > most ? inputs[i] : most;
    for (uint32_t i = 0; i < n; i++)
        most = targets[i] > most ? targets[i] : most;
    if (most < vocabulary)
        return 0;
    return wm_fail(err, WM_E_FORMAT,
                   "tokens %" PRIu64 " to %" PRIu64 " of the shards hold id %" PRIu32
                   ", but the vocabulary has %" PRIu32,
                   first, first + n, most, vocabulary);
}
