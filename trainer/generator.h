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
    bool framed; /**< Documents it was trained on stood in wm_shard_frame. */
};

/** wm_generator_open for forward passes of up to `max_batch` sequences, `max_rows` tokens in all (0: of
 *  whole contexts). */
int wm_generator_load(const char *dir, unsigned threads, uint32_t max_batch, uint64_t max_rows,
                      struct wm_generator **ret, struct wm_error *err);

/** Append the ids of a prompt, `framed` behind what stands before a document in shards
 *  (wm_shard_frame). An empty one with nothing before it is the token that ends documents.
 *  WM_E_CONFIG: there is none. */
int wm_generator_prompt(const struct wm_tokenizer *tok, bool framed, struct wm_encoder *encoder,
                        struct wm_str prompt, struct wm_ids *ids, struct wm_error *err);
/** wm_generate behind such ids, which it takes over (`prompt` is empty then). It needs neither
 *  encoder nor team of the generator. ret->seconds is left 0. */
int wm_generator_write(struct wm_generator *generator, struct wm_ids *prompt,
                       const struct wm_generate_options *options, wm_generate_fn *on_text,
                       void *arg, struct wm_generate_result *ret, struct wm_error *err);

#endif /* WETMILL_TRAINER_GENERATOR_H */
