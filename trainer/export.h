/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file export.h
 * A model from and to a directory as Hugging Face has them: config.json, model.safetensors,
 * tokenizer.json, tokenizer_config.json. Writing for others (include/wetmill/export.h) starts from
 * such a directory, not from a model.
 *
 * GPT-2's linear weights are [out, in] here and [in, out] there (its Conv1D), so they are
 * transposed on the way; all others are [out, in] in both. model.safetensors carries the
 * tokenizer's identity in its metadata, and whether documents stood without the tokenizer's template.
 */
#ifndef WETMILL_TRAINER_EXPORT_H
#define WETMILL_TRAINER_EXPORT_H

#include "trainer/model.h"
#include "trainer/weights.h"
#include "wetmill/tokenizer.h"

/** The text that a model was trained on. */
struct wm_export_text {
    const struct wm_tokenizer *tokenizer; /**< NULL: not known. */
    bool framed; /**< wm_shard_frame stood around documents; true where that is nothing. */
};

/** Write the files into `dir`, made if absent; each all or nothing, config.json last. */
int wm_export_write(const struct wm_model *model, const struct wm_export_text *text,
                    const char *dir, struct wm_error *err);

/** The same from a flat buffer of parameters: `weights` [params->n_floats]. `hf` has the ids of
 *  beginning and end; with a tokenizer they are what documents began and ended with. */
int wm_export_params(const struct wm_hf_config *hf, const struct wm_params *params,
                     const float *weights, const struct wm_export_text *text, const char *dir,
                     struct wm_error *err);

/** Load a directory's model for inference, with room for batches of `max_batch` sequences and
 *  `max_rows` tokens in all (0: of whole contexts). Errors of wm_weights_open and wm_model_open. */
int wm_export_load(const char *dir, uint32_t max_batch, uint64_t max_rows, struct wm_team *team,
                   struct wm_model **ret, struct wm_weights_notes *ret_notes, struct wm_error *err);

#endif /* WETMILL_TRAINER_EXPORT_H */
