/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file export.h
 * A model directory written for other programs.
 *
 *     format       OUT                                   types                  read by
 *     gguf         FILE: GGUF v3 with tokenizer          f32 f16 bf16 q8_0 q4_0 llama.cpp and kin
 *     safetensors  DIR: config.json, model.safetensors,  f32 f16 bf16           transformers
 *                  tokenizer files as they are
 *     llama2.c     FILE: version 0; tokenizer.bin beside f32                    llama2.c's run.c
 *
 * What a format cannot say is refused before anything is written, and named. Weights stream from
 * the mapped source to the file, a few MiB for each thread at a time; the bytes do not depend on
 * the number of threads. Each file is all or nothing.
 */
#ifndef WETMILL_EXPORT_H
#define WETMILL_EXPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "wetmill/error.h"

struct wm_cancel;
struct wm_progress;

enum wm_export_format {
    WM_EXPORT_GGUF,
    WM_EXPORT_SAFETENSORS,
    WM_EXPORT_LLAMA2C,
    WM_EXPORT_FORMATS
};
/** "gguf", "safetensors", "llama2.c", NULL. */
extern const char *const wm_export_format_names[WM_EXPORT_FORMATS + 1];

/** How matrices are kept; see trainer/weight_types.h. */
enum wm_weight_type {
    WM_WEIGHT_F32,
    WM_WEIGHT_F16,
    WM_WEIGHT_BF16,
    WM_WEIGHT_Q8_0,
    WM_WEIGHT_Q4_0,
    WM_WEIGHT_TYPES
};
/** "f32", "f16", "bf16", "q8_0", "q4_0", NULL. */
extern const char *const wm_weight_type_names[WM_WEIGHT_TYPES + 1];

struct wm_export_job {
    const char *dir; /**< Model directory: Hugging Face's gpt2, llama or qwen3. */
    const char *out; /**< File or directory, by format. */
    enum wm_export_format format;
    enum wm_weight_type type;     /**< Of matrices. gguf keeps vectors and learned positions in
                                       f32, and with a quantised type matrices in f16 whose rows
                                       are no multiple of 32; safetensors has it for all. */
    unsigned threads;             /**< 0 = the processors. Cannot change bytes. */
    /** Asked of each file that is to be copied, before anything is written: `bytes` are all that was read
     *  of dir/name, `bytes.ptr` NULL if it is not there. An error ends the export. May be NULL. */
    int (*check)(const char *dir, const char *name, struct wm_str bytes, struct wm_error *err);
    struct wm_progress *progress; /**< Counts bytes; may be NULL. */
    struct wm_cancel *cancel;     /**< May be NULL. */
};

struct wm_export_result {
    uint64_t n_params, n_tensors;
    uint64_t bytes;       /**< Of all files written. */
    uint64_t n_fallbacks; /**< Matrices in f16 instead of the quantised type. */
    bool tokenizer;       /**< One was there to be written. */
};

/** WM_E_CONFIG: format and type, or format and model, do not go together. WM_E_FORMAT: the model
 *  directory is damaged, of no supported kind, or holds a number the type cannot; a *.json to be copied
 *  is none. WM_E_MISMATCH: a tokenizer of another model. WM_E_CANCELLED: nothing new stands at `out`. */
int wm_export(const struct wm_export_job *job, struct wm_export_result *ret, struct wm_error *err);

#endif /* WETMILL_EXPORT_H */
