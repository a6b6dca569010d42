/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file weights.h
 * The weights of a model directory, read where they lie: config.json with model.safetensors, or
 * with model.safetensors.index.json and the files it names.
 *
 * Tensors are F32, F16 or BF16. Taken as well: GPT-2's published layout (names without
 * "transformer.", attn.bias and attn.masked_bias buffers), rotary_emb.inv_freq buffers, and a
 * lm_head.weight that is the tied embedding once more. Every parameter of the configuration must
 * be there in its shape and nothing else, which is checked before anything is allocated for them.
 *
 * An open one is immutable: any number of threads.
 */
#ifndef WETMILL_TRAINER_WEIGHTS_H
#define WETMILL_TRAINER_WEIGHTS_H

#include <xxhash.h>

#include "trainer/hf_config.h"
#include "trainer/params.h"
#include "trainer/safetensors.h"
#include "wetmill/export.h"

/** Keys of model.safetensors' metadata: the tokenizer's identity; "false" where documents stood
 *  without its template. */
#define WM_WEIGHTS_TOKENIZER_KEY "wetmill.tokenizer"
#define WM_WEIGHTS_TEMPLATE_KEY "wetmill.template"

enum {
    WM_WEIGHTS_FILES = 4096, /**< Most files of one model. */
    WM_WEIGHTS_NOTES = 3,    /**< Most pairs of our metadata. */
};

/** What the metadata tells. */
struct wm_weights_notes {
    bool has_tokenizer;
    XXH128_hash_t tokenizer; /**< Of the tokenizer it was trained with, if has_tokenizer. */
    bool framed;             /**< False if the template's tokens stood around no document. */
};
/** Fill in the metadata of model.safetensors; `hex` stays yours. Returns how many pairs. */
size_t wm_weights_put_notes(const struct wm_weights_notes *notes, char hex[WM_HEX128],
                            struct wm_safetensors_pair ret[WM_WEIGHTS_NOTES]);

struct wm_weights {
    struct wm_hf_config config;
    struct wm_params params;
    struct wm_safetensors *files; /**< [n_files] */
    size_t n_files;
    const struct wm_safetensor **tensors; /**< [params.n] */
    struct wm_weights_notes notes;
};

/** WM_E_FORMAT names what is missing, of another shape or type, unknown or not supported. Release
 *  with wm_weights_close. */
int wm_weights_open(const char *dir, struct wm_weights *ret, struct wm_error *err);
/** The same from the bytes of config.json and of model.safetensors, which must outlive it. */
int wm_weights_parse(struct wm_str config, struct wm_str tensors, struct wm_weights *ret,
                     struct wm_error *err);
void wm_weights_close(struct wm_weights *weights); /**< Safe on a zeroed one. */

/** Is tensor `p` [in, out] in the file (GPT-2's Conv1D), where we have [out, in]? */
bool wm_weights_are_turned(const struct wm_params *params, const struct wm_param *p);

/** Rows first … first + n − 1 of parameter `i` as in wm_params ([out, in]; of a vector, numbers). */
void wm_weights_rows(const struct wm_weights *weights, size_t i, uint64_t first, uint64_t n,
                     float *dst);
/** Numbers first … first + n − 1 of parameter `i` in the file's order. */
void wm_weights_numbers(const struct wm_weights *weights, size_t i, uint64_t first, uint64_t n,
                        float *dst);
/** All of them into a flat buffer [params.n_floats]; gaps are left alone. */
void wm_weights_fill(const struct wm_weights *weights, float *flat);

/** Names of the files in `dir` that hold its weights, each once, in `arena`: model.safetensors, or
 *  those that model.safetensors.index.json names. */
int wm_weights_list(const char *dir, struct wm_arena *arena, const char ***ret_names, size_t *ret_n,
                    struct wm_error *err);
/** XXH3-128 over the files of a model directory that wm_weights_open would read. */
int wm_weights_digest(const char *dir, XXH128_hash_t *ret, struct wm_error *err);

#endif /* WETMILL_TRAINER_WEIGHTS_H */
