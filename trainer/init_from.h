/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file init_from.h
 * Weights of another model to start a training from: a model directory of the same architecture
 * and sizes. What the options do not say (epsilon of the norms, rope theta) is taken from it.
 */
#ifndef WETMILL_TRAINER_INIT_FROM_H
#define WETMILL_TRAINER_INIT_FROM_H

#include "trainer/weights.h"

/**
 * `config`: what the options ask for, with the shards' vocabulary; becomes what is trained: the
 * directory's vocabulary, if that is larger, and what options do not say. The context of rotary
 * positions may differ. WM_E_MISMATCH names both sides; errors of wm_weights_open.
 */
int wm_init_from_config(const char *dir, struct wm_model_config *config, struct wm_error *err);

/** Fill `params`, the flat buffer of a model with that configuration. WM_E_MISMATCH if the directory
 *  says which tokenizer it was trained with, or holds one, and it is not `tokenizer`. */
int wm_init_from_load(const char *dir, XXH128_hash_t tokenizer, float *params,
                      struct wm_error *err);

#endif /* WETMILL_TRAINER_INIT_FROM_H */
