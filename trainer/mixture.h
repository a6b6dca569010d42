/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file mixture.h
 * Training data from several sets of shards, mixed by weight.
 *
 * Samples go by cycles of WM_MIXTURE_CYCLE; in each, every source has a whole number of places, in
 * proportion to its weight and spread evenly. So which source sample n reads, and how many samples
 * of it came before, is a pure function of n, and after any number of cycles the counts are exact.
 * Each source visits its own windows once an epoch in an order of its own (data.h).
 *
 * After initialisation any number of threads may read.
 */
#ifndef WETMILL_TRAINER_MIXTURE_H
#define WETMILL_TRAINER_MIXTURE_H

#include "trainer/data.h"

enum {
    WM_MIXTURE_MAX = 64,     /**< Most sources. */
    WM_MIXTURE_CYCLE = 1024, /**< Samples of a cycle: weights are rounded to 1/1024. */
};

struct wm_mixture_source {
    struct wm_shard_set set;
    struct wm_windows windows;
    uint32_t places; /**< Of a cycle. */
};

struct wm_mixture {
    struct wm_mixture_source sources[WM_MIXTURE_MAX];
    uint32_t n;
    uint32_t context;
    uint64_t n_windows;                /**< Of all sources. */
    uint8_t source[WM_MIXTURE_CYCLE];  /**< Of each place. */
    uint16_t before[WM_MIXTURE_CYCLE]; /**< Places of the same source before it in the cycle. */
};

/** A sample: where its tokens are. */
struct wm_sample_place {
    uint32_t source;
    uint64_t window;
};

/** Open the training shards of `n` directories, whose vocabularies and tokenizers are the first
 *  one's. `weights` > 0. WM_E_FORMAT: a source too short for one window; WM_E_MISMATCH: another
 *  tokenizer, both named; WM_E_CONFIG: a weight too small to get a place. Close in any case. */
int wm_mixture_open(struct wm_mixture *mixture, const char *const *dirs, const double *weights,
                    uint32_t n, uint32_t context, struct wm_error *err);
void wm_mixture_close(struct wm_mixture *mixture);

/** Share the cycle's places among `n` weights (largest remainder) and spread each source's evenly:
 *  fills `places`, `source`, `before`. WM_E_CONFIG as above. */
int wm_mixture_share(struct wm_mixture *mixture, const double *weights, uint32_t n,
                     struct wm_error *err);

/** Sample `sample`, counted over the whole training. */
struct wm_sample_place wm_mixture_sample(const struct wm_mixture *mixture, uint64_t seed,
                                         uint64_t sample);

#endif /* WETMILL_TRAINER_MIXTURE_H */
