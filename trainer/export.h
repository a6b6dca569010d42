/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file export.h
 * A model from and to a directory as Hugging Face has them: config.json, model.safetensors,
 * tokenizer.json, tokenizer_config.json. Writing for others (include/wetmill/export.h) starts from
 * such a directory, not from a model.
 *
 * GPT-2's linear weights are [out, in] here and [in, out] there (its Conv1D), so they are
 * transposed on the way; all others are [out, in] in both. model.safetensors carries the
 * tokenizer's identity in its metadata.
 */
#ifndef WETMILL_TRAINER_EXPORT_H
#define WETMILL_TRAINER_EXPORT_H

#include "trainer/model.h"
#include "trainer/weights.h"
#include "wetmill/tokenizer.h"

/** Write the files into `dir`, made if absent; each all or nothing, config.json last. `tokenizer`
 *  NULL: without one. */
int wm_export_write(const struct wm_model *model, const struct wm_tokenizer *tokenizer,
                    const char *dir, struct wm_error *err);

/** The same from a flat buffer of parameters: `weights` [params->n_floats]. `hf` has the ids of
 *  beginning and end; they are the tokenizer's if there is one. */
int wm_export_params(const struct wm_hf_config *hf, const struct wm_params *params,
                     const float *weights, const struct wm_tokenizer *tokenizer, const char *dir,
                     struct wm_error *err);

/** What a directory's model was trained with. */
struct wm_export_facts {
    bool has_tokenizer;
    XXH128_hash_t tokenizer; /**< Set if has_tokenizer. */
};

/** Load a directory's model for inference, `max_batch` sequences at once. Errors of wm_weights_open
 *  and wm_model_new. */
int wm_export_load(const char *dir, uint32_t max_batch, struct wm_team *team,
                   struct wm_model **ret, struct wm_export_facts *ret_facts, struct wm_error *err);

#endif /* WETMILL_TRAINER_EXPORT_H */
