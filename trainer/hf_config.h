/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hf_config.h
 * Hugging Face's config.json, both ways, for the architectures of trainer/config.h.
 *
 * Reading: what is left out has the meaning transformers gives it. What cannot be computed here
 * (scaled or partial rotary positions, sliding windows, biases where we have none, other
 * activations, quantised weights) is WM_E_FORMAT and named, never passed over; dropout and what
 * only concerns generation is.
 */
#ifndef WETMILL_TRAINER_HF_CONFIG_H
#define WETMILL_TRAINER_HF_CONFIG_H

#include "trainer/config.h"
#include "trainer/weight_types.h"
#include "wetmill/str.h"

struct wm_hf_config {
    struct wm_model_config model; /**< Checked. */
    bool has_bos, has_eos;
    uint32_t bos, eos; /**< Of several eos the first. */
};

/** The text of a config.json. */
int wm_hf_config_parse(struct wm_str text, struct wm_hf_config *ret, struct wm_error *err);
/** DIR/config.json, at most 1 MiB. */
int wm_hf_config_read(const char *dir, struct wm_hf_config *ret, struct wm_error *err);
/** Write DIR/config.json, all or nothing. `dtype`: of the weights, F32, F16 or BF16. */
int wm_hf_config_write(const char *dir, const struct wm_hf_config *config,
                       enum wm_weight_type dtype, struct wm_error *err);

#endif /* WETMILL_TRAINER_HF_CONFIG_H */
