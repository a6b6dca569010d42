/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sample.h
 * Choosing the next token: repetition penalty, temperature, top-k, top-p (nucleus; Holtzman et al.
 * 2020), min-p (Nguyen et al. 2024), from a counter-based generator. Equal logits rank by id, and exp is ours, so the choice is the same on
 * every machine. One thread at a time.
 */
#ifndef WETMILL_TRAINER_SAMPLE_H
#define WETMILL_TRAINER_SAMPLE_H

#include <stdint.h>

#include "wetmill/error.h"
#include "wetmill/train.h"

struct wm_sampler {
    uint32_t vocabulary, best;
    uint32_t *heap;  /**< [vocabulary] ids */
    double *weights; /**< [vocabulary] */
    float *logits;   /**< [vocabulary] with the repetition penalty */
};
int wm_sampler_init(struct wm_sampler *sampler, uint32_t vocabulary, struct wm_error *err);
uint64_t wm_sampler_bytes(uint32_t vocabulary); /**< That it takes. */
void wm_sampler_done(struct wm_sampler *sampler);

/** Draw number `n` from `logits` [vocabulary], behind the tokens `text` [n_text]. A logit that is not finite is never drawn;
 *  WM_E_FORMAT if there is no finite one. */
int wm_sampler_draw(struct wm_sampler *sampler, const float *logits, const uint32_t *text,
                    size_t n_text, const struct wm_generate_options *options, uint64_t n,
                    uint32_t *ret_id, struct wm_error *err);

/** e^x for x ≤ 0, within 2 units in the last place, the same bits on every machine. */
double wm_exp_negative(double x);

#endif /* WETMILL_TRAINER_SAMPLE_H */
