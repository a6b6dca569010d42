/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file decoder.h
 * Inference with a key/value cache: the forward pass for the newest tokens alone, of one or several
 * sequences.
 *
 * Two ways in: wm_decoder_extend takes many tokens of one sequence at once, by matrix products;
 * wm_decoder_step one token of each of several sequences, by dot products that read every weight
 * once for all of them. A sequence's logits are the same bits whatever other sequences are there,
 * and for any number of threads. All arithmetic is float32.
 */
#ifndef WETMILL_TRAINER_DECODER_H
#define WETMILL_TRAINER_DECODER_H

#include "trainer/model.h"

enum {
    WM_DECODER_SEQUENCES = 64, /**< Most of one decoder. */
    WM_DECODER_ROWS = 64,      /**< Tokens computed at a time. */
};

struct wm_decoder;

/** Bytes of a decoder of such a model (made for `training` or not) with room for whole contexts; 0: no
 *  memory to find out. */
uint64_t wm_decoder_memory(const struct wm_model_config *config, bool training,
                           uint32_t n_sequences, unsigned n_threads);
/** Room for `n_sequences` of `context` tokens each; 0, or more than n_ctx: n_ctx. Memory is touched as
 *  sequences grow. Borrows the model, which must outlive it; one thread drives both. WM_E_CONFIG,
 *  WM_E_NOMEM. */
int wm_decoder_new(struct wm_model *model, uint32_t n_sequences, uint64_t context,
                   struct wm_decoder **ret, struct wm_error *err);
void wm_decoder_free(struct wm_decoder *decoder); /**< Safe on NULL. */

/** Tokens that a sequence holds. */
uint32_t wm_decoder_length(const struct wm_decoder *decoder, uint32_t sequence);
/** Forget a sequence's tokens. */
void wm_decoder_restart(struct wm_decoder *decoder, uint32_t sequence);

/** Append `n` ≥ 1 tokens to a sequence; `*ret_logits` [V] behind the last stays valid until the next
 *  call. WM_E_LIMIT if its room would be passed, WM_E_FORMAT for an id outside the vocabulary; nothing
 *  is appended then. */
int wm_decoder_extend(struct wm_decoder *decoder, uint32_t sequence, const uint32_t *tokens,
                      uint32_t n, const float **ret_logits, struct wm_error *err);

/** Append tokens[i] to sequences[i] for i < n; all of them differ. `*ret_logits` [n, V]. Errors as
 *  above. */
int wm_decoder_step(struct wm_decoder *decoder, uint32_t n, const uint32_t *sequences,
                    const uint32_t *tokens, const float **ret_logits, struct wm_error *err);

#endif /* WETMILL_TRAINER_DECODER_H */
