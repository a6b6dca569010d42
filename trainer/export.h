/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file export.h
 * Model directories as Hugging Face's GPT-2 has them: config.json, model.safetensors,
 * tokenizer.json, tokenizer_config.json.
 *
 * Linear weights are [out, in] here and [in, out] there (its Conv1D), so they are transposed on the
 * way. model.safetensors carries the tokenizer's identity in its metadata.
 */
#ifndef WETMILL_TRAINER_EXPORT_H
#define WETMILL_TRAINER_EXPORT_H

#include "trainer/model.h"
#include "trainer/safetensors.h"
#include "wetmill/tokenizer.h"

#define WM_EXPORT_TOKENIZER_KEY "wetmill.tokenizer"

/** Write the four files into `dir`, made if absent; each all or nothing, config.json last. */
int wm_export_write(const struct wm_model *model, const struct wm_tokenizer *tokenizer,
                    const char *dir, struct wm_error *err);

/** What a directory's model was trained with. */
struct wm_export_facts {
    bool has_tokenizer;
    XXH128_hash_t tokenizer; /**< Set if has_tokenizer. */
};

/**
 * Load a directory's model for inference. Takes names with and without "transformer.", and leaves
 * out attn.bias, attn.masked_bias and a copy of the tied head. WM_E_FORMAT names what is missing,
 * of another shape, not F32, unknown, or in the configuration not supported.
 */
int wm_export_load(const char *dir, struct wm_team *team, struct wm_model **ret,
                   struct wm_export_facts *ret_facts, struct wm_error *err);

/** Read DIR/config.json alone. */
int wm_export_config(const char *dir, struct wm_model_config *ret, struct wm_error *err);

/** Copy every parameter of `file` into a model of the same shape. */
int wm_export_fill(const struct wm_safetensors *file, struct wm_model *model, struct wm_error *err);

#endif /* WETMILL_TRAINER_EXPORT_H */
