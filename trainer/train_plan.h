/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file train_plan.h
 * What follows from a training's options alone. Pure functions; options are checked before.
 */
#ifndef WETMILL_TRAINER_TRAIN_PLAN_H
#define WETMILL_TRAINER_TRAIN_PLAN_H

#include <stdint.h>

#include "trainer/mixture.h"
#include "trainer/model.h"
#include "trainer/optimizer.h"
#include "wetmill/file.h"
#include "wetmill/train.h"

enum {
    WM_TRAIN_TOKEN_BYTES = 256, /**< Of a loaded tokenizer, for each id, generously. */
    WM_SAMPLE_TOKENS = 4096,    /**< Most of a text that is written on the way. */
    WM_SAMPLE_PROMPTS = 64,     /**< Most of them, */
    WM_SAMPLE_BYTES = 16 << 10, /**< … and bytes of all together. */
    WM_TRAIN_NAMES =
        WM_MIXTURE_MAX * 2 * WM_PATH_MAX, /**< Of the directories of a mixture, bytes. */
};

/** A training takes so many times what it would at the peak of the machine, about. */
#define WM_TRAIN_SLOWER 1.5

/** The directories to train on and their weights; the first is the training's own. */
struct wm_train_sources {
    uint32_t n;
    const char *dirs[WM_MIXTURE_MAX];
    double weights[WM_MIXTURE_MAX];
};
/** `arena` gets the names. WM_E_CONFIG: an item that is not DIR=WEIGHT. */
int wm_train_sources(const struct wm_train_options *options, const char *own,
                     struct wm_arena *arena, struct wm_train_sources *ret, struct wm_error *err);

/** Sequences computed at once: never more than a step has. */
uint32_t wm_train_micro_batch(const struct wm_train_options *options);

struct wm_model_config wm_train_config(const struct wm_train_options *options, uint32_t vocabulary);

struct wm_optimizer_config wm_train_optimizer(const struct wm_train_options *options);

/** Numbers (without the gaps of the flat buffers). */
uint64_t wm_train_parameters(const struct wm_model_config *config);

/** How its model is made, but for the limit on memory. */
struct wm_model_options wm_train_model(const struct wm_train_options *options);

/** Anonymous bytes at the peak of a training that may take `limit` (0: any), or the least it can do
 *  with; 0 if the model is over the limits. `*ret_model`: what is left of the limit for the model
 *  (struct wm_model_options). `threads` 0: the processors. */
uint64_t wm_train_memory(const struct wm_train_options *options,
                         const struct wm_model_config *config, uint64_t n_steps, unsigned threads,
                         uint64_t limit, uint64_t *ret_model);

#endif /* WETMILL_TRAINER_TRAIN_PLAN_H */
