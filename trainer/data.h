/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file data.h
 * Which tokens the model sees when.
 *
 * The stream of a split's tokens is cut into windows: window w holds inputs w·T … w·T + T − 1 and,
 * as targets, the same moved on by one. Every epoch visits every window once, in an order of its
 * own. Sample n of a training is a pure function of (seed, n): no table, no state, so any step can
 * be recomputed and a checkpoint needs only a number.
 *
 * All functions may be called by any number of threads at once.
 */
#ifndef WETMILL_TRAINER_DATA_H
#define WETMILL_TRAINER_DATA_H

#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/shards.h"

/**
 * A pseudo-random permutation of 0 … n − 1 that takes no memory: a balanced Feistel network over
 * the next even power of two, walked until it lands inside (Black & Rogaway 2002, "Ciphers with
 * arbitrary finite domains"). About two rounds of the network for each look-up, four at most on
 * average.
 */
struct wm_order {
    uint64_t n, key;
    unsigned half_bits;
};
/** `n` ≥ 1 and ≤ 2^62. */
void wm_order_init(struct wm_order *order, uint64_t n, uint64_t seed, uint64_t epoch);
/** Where `i` < n goes. */
uint64_t wm_order_at(const struct wm_order *order, uint64_t i);

/** The windows of one split. */
struct wm_windows {
    const struct wm_shard_set *set; /**< Borrowed. */
    uint64_t n;                     /**< Whole windows. */
    uint32_t context;               /**< T, tokens */
    uint32_t rest;                  /**< Targets behind the last whole window, < T. */
};
/** WM_E_FORMAT if not one token has a successor. */
int wm_windows_init(struct wm_windows *windows, const struct wm_shard_set *set, uint32_t context,
                    struct wm_error *err);

/** Window that sample `sample` (counted over all epochs) of a training with `seed` reads. */
uint64_t wm_windows_sample(const struct wm_windows *windows, uint64_t seed, uint64_t sample);

/** Copy `n` inputs and their targets [n] from the start of `window` on; n ≤ T, for window n (the
 *  rest) n ≤ rest. WM_E_FORMAT for an id outside the vocabulary. */
int wm_windows_read(const struct wm_windows *windows, uint64_t window, uint32_t n, uint32_t *inputs,
                    uint32_t *targets, struct wm_error *err);

#endif /* WETMILL_TRAINER_DATA_H */
