/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file generator.h
 * What a loaded model directory is made of.
 */
#ifndef WETMILL_TRAINER_GENERATOR_H
#define WETMILL_TRAINER_GENERATOR_H

#include "trainer/decoder.h"
#include "trainer/model.h"
#include "trainer/sample.h"
#include "wetmill/tokenizer.h"
#include "wetmill/train.h"

struct wm_generator {
    struct wm_team *team;
    struct wm_tokenizer *tokenizer;
    struct wm_encoder *encoder;
    struct wm_model *model;
    struct wm_sampler sampler;
};

/** wm_generator_open for forward passes of up to `max_batch` sequences. */
int wm_generator_load(const char *dir, unsigned threads, uint32_t max_batch,
                      struct wm_generator **ret, struct wm_error *err);

#endif /* WETMILL_TRAINER_GENERATOR_H */
